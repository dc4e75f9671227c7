/* SPDX-License-Identifier: BSD-2-Clause */
#include "session_trial.h"

#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 1024, ERROR_BYTES = 4096 };

static bool case_path(const char *name, const char *file, char path[static PATH_BYTES])
{
    const char *source = getenv("TEST_SRCDIR");
    int len =
        snprintf(path, PATH_BYTES, "%s/tests/data/cases/%s/%s", source != NULL ? source : ".", name, file);
    return len > 0 && len < PATH_BYTES;
}

size_t session_trial_read(const char *name, char data[static SESSION_TRIAL_MAIL_BYTES])
{
    char path[PATH_BYTES];
    FILE *file = case_path(name, "message.eml", path) ? fopen(path, "rb") : NULL;
    size_t len = file != NULL ? fread(data, 1, SESSION_TRIAL_MAIL_BYTES, file) : 0;
    if (file != NULL)
        fclose(file);
    return len;
}

struct runtime *session_trial_runtime(const char *name, const char *more, struct metrics *metrics)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    struct strbuf error;
    strbuf_init(&error, ERROR_BYTES);
    (void)snprintf(text, sizeof text,
                   "ChallengeAddress acme@ca.example\nChallengeAddress acme@xn--bcher-kva.example\n"
                   "AuthservID mx\nTestTime 1795496400\nDisposition deliver\n%s",
                   more);
    struct settings *settings = settings_load_text("settings", text, &error);
    struct runtime *runtime = NULL;
    if (settings != NULL && case_path(name, "dns.txt", path))
        runtime = runtime_new(settings, RUNTIME_PURPOSE_JUDGE, path, metrics, &error);
    if (runtime == NULL)
        tap_note("%s", strbuf_string(&error));
    strbuf_clear(&error);
    return runtime;
}
