/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "resolver.h"

enum { PATH_BYTES = 32, WRITTEN_MAX_BYTES = 1 << 20 };

/* Takes data for a file, asks it for name and writes the answer. False: the file is refused. */
static bool ask(const void *data, size_t size, const char *name, struct strbuf *out)
{
    char path[PATH_BYTES], error[RESOLVER_ERROR_BYTES];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/dev/fd/%d", fd);
    struct resolver *r = resolver_new_file(path, error);
    close(fd);
    strbuf_init(out, WRITTEN_MAX_BYTES);
    struct resolver_question *q = r != NULL ? resolver_ask_txt(r, name) : NULL;
    if (q != NULL)
        FUZZ_MUST(resolver_append_answer(out, resolver_wait(q, deadline_in(0))));
    resolver_question_free(q);
    resolver_free(r);
    return q != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf first, second;
    char name[DOMAIN_MAX_BYTES + 1] = "";
    memcpy(name, data, size < sizeof name ? size : sizeof name - 1);
    name[strcspn(name, " \t\r\n")] = '\0';
    if (!ask(data, size, name, &first))
        return 0;
    FUZZ_MUST(ask(first.data, first.len, name, &second));
    FUZZ_MUST(span_equal(strbuf_view(&first), strbuf_view(&second)));
    strbuf_clear(&first);
    strbuf_clear(&second);
    return 0;
}
