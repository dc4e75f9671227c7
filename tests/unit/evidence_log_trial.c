/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence_log_trial.h"

#include <stdlib.h>

bool evidence_log_trial_make(struct evidence_log_trial *p)
{
    if (!tap_ok(scratch_make(p->root), "a folder to write in"))
        return false;
    (void)snprintf(p->path, sizeof p->path, "%s/log", p->root);
    (void)snprintf(p->moved, sizeof p->moved, "%s/log.1", p->root);
    return true;
}

struct evidence_log *evidence_log_trial_open(const char *path)
{
    char error[EVIDENCE_LOG_TRIAL_ERROR_BYTES] = "";
    struct evidence_log *log = evidence_log_open(path, error, sizeof error);
    if (log == NULL)
        tap_note("%s", error);
    return log;
}

bool evidence_log_trial_add(struct evidence_log *log, const char *result)
{
    return evidence_log_append(log, span_from_string(result), NULL, EVIDENCE_LOG_PROMISE_ON_DISK) ==
           OUTCOME_OK;
}

/* "lines/faults", and a star for a piece of a line, of the files of a folder read in order. */
static void verify(const char *root, const char *const *names,
                   char out[static EVIDENCE_LOG_TRIAL_ERROR_BYTES])
{
    struct evidence_log_check check = {.key = NULL};
    unsigned long lines = 0;
    for (; *names != NULL; names++) {
        char path[EVIDENCE_LOG_TRIAL_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", root, *names);
        FILE *file = fopen(path, "r");
        if (file == NULL || evidence_log_verify(&check, file) != OUTCOME_OK)
            abort();
        (void)fclose(file);
        lines += check.lines;
    }
    (void)snprintf(out, EVIDENCE_LOG_TRIAL_ERROR_BYTES, "%lu/%lu%s", lines, (unsigned long)check.faults,
                   check.is_torn ? "*" : "");
}

void evidence_log_trial_is(const struct evidence_log_trial *p, const char *const *names, const char *want,
                           const char *name)
{
    char got[EVIDENCE_LOG_TRIAL_ERROR_BYTES];
    verify(p->root, names, got);
    tap_is_string(got, want, name);
}

const char *const evidence_log_trial_one[] = {"log", NULL};
const char *const evidence_log_trial_two[] = {"log.1", "log", NULL};
