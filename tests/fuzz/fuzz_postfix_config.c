/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/postfix_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum { PATH_BYTES = 64 };

static void write_file(const char *path, struct span text)
{
    FILE *file = fopen(path, "we");
    FUZZ_MUST(file != NULL && fwrite(text.data, 1, text.len, file) == text.len && fclose(file) == 0);
}

/* main.cf, then a line "master.cf", then that. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/fuzz_postfix_config.XXXXXX", main_cf[PATH_BYTES], master_cf[PATH_BYTES];
    struct span all = {(const char *)data, size}, rest = all, word;
    size_t middle = span_find(all, 0, SPAN_LITERAL("\nmaster.cf\n"));
    FUZZ_MUST(mkdtemp(folder) != NULL);
    (void)snprintf(main_cf, sizeof main_cf, "%s/main.cf", folder);
    (void)snprintf(master_cf, sizeof master_cf, "%s/master.cf", folder);
    write_file(main_cf, span_slice(all, 0, middle));
    write_file(master_cf, span_slice(all, middle + 11, all.len));
    struct postfix_config *c = postfix_config_read(folder);
    for (size_t i = 0; c != NULL && i < c->service_count; i++)
        FUZZ_MUST(strlen(c->services[i].values[POSTFIX_SMTPD_MILTERS].text) <= POSTFIX_CONFIG_LINE_MAX_BYTES);
    postfix_config_free(c);
    for (size_t left = rest.len; postfix_config_next_word(&rest, true, &word); left = rest.len)
        FUZZ_MUST(rest.len < left && word.len <= left);
    (void)unlink(main_cf);
    (void)unlink(master_cf);
    (void)rmdir(folder);
    return 0;
}
