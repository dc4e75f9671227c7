/* SPDX-License-Identifier: BSD-2-Clause */
/* Each allocation fails once: a reply is judged as ever or put off, never refused, passed or let through for
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "mail_file.h"
#include "scratch.h"
#include "session_trial.h"
#include "starve.h"
#include "tap.h"

enum { STEPS_MAX = 20000, PATH_BYTES = 4096, RESULT_MAX_BYTES = 64 * 1024 };

static bool is_fed; /* the last judge() met no failure */

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

/* What the mail came to when the allocation of that number fails: the object where it was judged, "" where it
 * was put off, NULL where it was let through. */
static char *judge(struct runtime *runtime, const char *recipient, struct span mail, long step)
{
    struct session_outcome outcome;
    char *result = NULL;
    struct session *s = session_new();
    if (s == NULL)
        return NULL;
    starve_begin(step);
    session_begin(s, runtime_ref(runtime), "<alice@example.com>");
    session_recipient(s, &(struct session_path){.written = recipient});
    session_data(s);
    mail_file_feed(s, mail);
    session_judge(s, NULL, NULL, &outcome);
    is_fed = starve_end();
    bool is_ours = session_interest(s) != SESSION_INTEREST_NOT_OURS;
    if (is_ours && outcome.action == SESSION_ACTION_TEMPFAIL)
        result = strndup("", 1);
    else if (is_ours && session_result(s) != NULL)
        result = strndup(session_result(s), RESULT_MAX_BYTES);
    session_free(s);
    return result;
}

static long counted_failures(const struct metrics *m)
{
    static const char name[] = "\nacme_milter_internal_errors_total ";
    char folder[SCRATCH_PATH_BYTES], path[PATH_BYTES];
    if (!scratch_make(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/metrics", folder);
    const char *at = metrics_write_file(m, path) ? strstr(scratch_read(folder, "metrics"), name) : NULL;
    long count = at != NULL ? strtol(at + strlen(name), NULL, 10) : -1;
    scratch_remove(folder);
    return count;
}

static void starve(const char *name, const char *recipient)
{
    static char data[SESSION_TRIAL_MAIL_BYTES];
    struct span mail = {data, session_trial_read(name, data)};
    struct metrics *metrics = metrics_new();
    struct runtime *runtime = session_trial_runtime(name, "", metrics);
    char *want = runtime != NULL ? judge(runtime, recipient, mail, -1) : NULL;
    int put_off = 0;
    int wrong = 0;
    int step = 0;
    for (is_fed = want == NULL; !is_fed && step < STEPS_MAX; step++) {
        char *got = judge(runtime, recipient, mail, step);
        put_off += got != NULL && *got == '\0';
        bool is_right = got != NULL && (*got == '\0' || strcmp(got, want) == 0);
        if (!is_right && wrong++ < 5)
            tap_note("step %d: %.4000s", step, got != NULL ? got : "let through");
        free(got);
    }
    tap_ok(want != NULL && *want != '\0' && wrong == 0 && put_off > 0 && step < STEPS_MAX,
           "%s to %s: judged as ever or put off, %d of %d steps starved, %d wrong", name, recipient, put_off,
           step, wrong);
    tap_is_int(counted_failures(metrics), put_off, "each that was put off is counted");
    free(want);
    runtime_unref(runtime);
    metrics_free(metrics);
}

enum first_end { FIRST_RIGHT = 0, FIRST_WRONG, FIRST_NO_FAILURE, FIRST_BROKEN };

/* How the first mail of a new process comes out; the verdict stands behind want. */
static enum first_end judge_first(const char *name, struct span mail, long step, const char *want)
{
    struct runtime *runtime = session_trial_runtime(name, "", NULL);
    char *got = runtime != NULL ? judge(runtime, "<acme@ca.example>", mail, step) : NULL;
    enum first_end end = got == NULL ? FIRST_BROKEN : FIRST_WRONG;
    if (got != NULL && (*got == '\0' || strstr(got, want) != NULL))
        end = is_fed ? FIRST_NO_FAILURE : FIRST_RIGHT;
    if (end == FIRST_WRONG)
        tap_note("step %ld: %.200s", step, got);
    free(got);
    runtime_unref(runtime);
    return end;
}

/*
 * What OpenSSL loads when it is first used must be there before the first mail: it tells a library that calls
 * it of a bad signature then, and not of the memory that it lacked. Each step has a process of its own, and
 * this one must not have judged a mail yet.
 */
static void starve_first(const char *name)
{
    static char data[SESSION_TRIAL_MAIL_BYTES];
    struct span mail = {data, session_trial_read(name, data)};
    int status = 0, wrong = 0, step = 0;
    for (; step < STEPS_MAX && wrong < 5; step++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            enum first_end end = judge_first(name, mail, step, "\"verdict\":\"pass\"");
            fflush(stdout);
            _exit(end);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
            WEXITSTATUS(status) == FIRST_BROKEN)
            break;
        wrong += WEXITSTATUS(status) == FIRST_WRONG;
        if (WEXITSTATUS(status) == FIRST_NO_FAILURE)
            break;
    }
    tap_ok(wrong == 0 && step > 10 && WIFEXITED(status) && WEXITSTATUS(status) == FIRST_NO_FAILURE,
           "%s as the first mail: judged as ever or put off, %d steps starved, %d wrong", name, step, wrong);
}

/* In shadow mode nothing touches a mail, whatever fails. */
static void starve_shadow(const char *name, const char *recipient, const char *more)
{
    static char data[SESSION_TRIAL_MAIL_BYTES];
    struct span mail = {data, session_trial_read(name, data)};
    struct runtime *runtime = session_trial_runtime(name, more, NULL);
    int touched = 0;
    int step = 0;
    for (is_fed = runtime == NULL; !is_fed && step < STEPS_MAX; step++) {
        char *got = judge(runtime, recipient, mail, step);
        touched += got != NULL && *got == '\0';
        free(got);
    }
    tap_ok(runtime != NULL && touched == 0 && step > 10, "%s in shadow mode: untouched in %d steps", name,
           step);
    runtime_unref(runtime);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    json_set_alloc_funcs(malloc, free);
    log_set_level(LOG_LEVEL_ERROR);
    starve_first("A01-baseline");
    starve_first("A45-ed25519");
    starve("A01-baseline", "<acme@ca.example>");
    starve("A01-baseline", "<acme@b\xc3\xbc"
                           "cher.example>");
    starve("A39-eai-u-label", "<acme@ca.example>");
    starve("A22-subject-b-word", "<acme@ca.example>");
    starve("A24-prefix-gb18030", "<acme@ca.example>");
    starve("A30-base64", "<acme@ca.example>");
    starve("A30-qp-soft-break-in-digest", "<acme@ca.example>");
    starve("A45-ed25519", "<acme@ca.example>");
    starve("A45-ed25519-and-rsa", "<acme@ca.example>");
    starve("A47-key-nxdomain", "<acme@ca.example>");
    starve("J14-record-of-the-parent-both", "<acme@ca.example>");
    starve_shadow("A01-baseline", "<acme@ca.example>", "Mode shadow\n");
    return tap_done();
}
