/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "resolver.h"

enum { PATH_BYTES = 32, WRITTEN_MAX_BYTES = 1 << 20 };

static struct resolver *load(const void *data, size_t size)
{
    char path[PATH_BYTES], error[RESOLVER_ERROR_BYTES];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/dev/fd/%d", fd);
    struct resolver *r = resolver_new_file(path, error);
    close(fd);
    return r;
}

/* The answer to name, in the format of the file. */
static void ask(struct resolver *r, const char *name, struct strbuf *out)
{
    struct resolver_question *q = resolver_ask_txt(r, name);
    FUZZ_MUST(q != NULL && resolver_append_answer(out, resolver_wait(q, deadline_in(0))));
    resolver_question_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf first, second;
    char name[DOMAIN_MAX_BYTES + 1] = "";
    struct resolver *r = load(data, size);
    if (r == NULL)
        return 0;
    memcpy(name, data, size < sizeof name ? size : sizeof name - 1);
    name[strcspn(name, " \t\r\n")] = '\0';
    strbuf_init(&first, WRITTEN_MAX_BYTES);
    strbuf_init(&second, WRITTEN_MAX_BYTES);
    ask(r, name, &first);
    resolver_free(r);
    r = load(first.data, first.len);
    FUZZ_MUST(r != NULL);
    ask(r, name, &second);
    FUZZ_MUST(span_equal(strbuf_view(&first), strbuf_view(&second)));
    resolver_free(r);
    strbuf_clear(&first);
    strbuf_clear(&second);
    return 0;
}
