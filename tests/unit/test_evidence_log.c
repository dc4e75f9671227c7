/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evidence_log_trial.h"

enum { THREADS = 4, PROCESSES = 3, LINES_EACH = 200 };

#define ZEROS EVIDENCE_LOG_START
/* Of the first line that carries zeros: by sha256sum. */
#define FIRST      "{\"version\":1,\"id\":\"1\",\"previousSha256\":\"" ZEROS "\"}"
#define FIRST_HASH "740cb0cb77741d6b5b4d85e2334f10094b17cc44a43254c1239460f4ef99463f"

static void test_lines(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("1")), "a line");
    tap_is_string(scratch_read(p.root, "log"), FIRST "\n", "the first carries zeros");
    char last[EVIDENCE_LOG_HASH_SIZE];
    evidence_log_last(log, last);
    tap_ok(evidence_log_trial_add(log, RESULT("2")), "another line");
    char want[1024];
    (void)snprintf(want, sizeof want, FIRST "\n{\"version\":1,\"id\":\"2\",\"previousSha256\":\"%s\"}\n",
                   last);
    tap_is_string(scratch_read(p.root, "log"), want, "the second carries the hash of the first");
    tap_is_string(last, FIRST_HASH, "which is that of sha256sum");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "verified");

    evidence_log_close(log);
    log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("3")), "a line after a new start");
    evidence_log_trial_is(&p, evidence_log_trial_one, "3/0", "goes on with the chain");
    evidence_log_close(log);
    scratch_remove(p.root);
}

static const char *const no_objects[] = {"", "x", "{}", "[1]", "{\"a\":1", "{\"a\":\n1}"};

static void test_no_objects(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    for (size_t i = 0; i < ROWS(no_objects); i++)
        tap_ok(!evidence_log_trial_add(log, no_objects[i]), "not an object on one line: '%s'", no_objects[i]);
    char *large = calloc(1, RESULT_JSON_MAX_BYTES + 3);
    memset(large, ' ', RESULT_JSON_MAX_BYTES + 2);
    large[0] = '{';
    large[RESULT_JSON_MAX_BYTES] = '}';
    large[RESULT_JSON_MAX_BYTES + 1] = '\0';
    tap_ok(!evidence_log_trial_add(log, large), "one byte more than a result may have");
    large[RESULT_JSON_MAX_BYTES - 1] = '}';
    large[RESULT_JSON_MAX_BYTES] = '\0';
    tap_ok(evidence_log_trial_add(log, large), "the longest result");
    free(large);
    tap_ok(evidence_log_trial_add(log, RESULT("1")), "and one behind it");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "verified");
    evidence_log_close(log);
    log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("2")), "the end is found again");
    evidence_log_close(log);
    scratch_remove(p.root);
}

static void test_rotation(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    struct evidence_log *of_old_mail = evidence_log_ref(log);
    tap_ok(evidence_log_trial_add(log, RESULT("1")), "a line");
    tap_is_int(rename(p.path, p.moved), 0, "the file is moved away");
    tap_ok(evidence_log_trial_add(log, RESULT("2")), "a line meanwhile");
    tap_ok(evidence_log_reopen(log), "reopened");
    tap_ok(evidence_log_trial_add(of_old_mail, RESULT("3")), "a mail that was under way");
    evidence_log_trial_is(&p, evidence_log_trial_one, "1/0", "has its line in the new file");
    evidence_log_trial_is(&p, evidence_log_trial_two, "3/0", "which follows the old one");
    evidence_log_close(of_old_mail);

    (void)remove(p.moved);
    tap_ok(rename(p.path, p.moved) == 0 && evidence_log_reopen(log), "moved away and reopened");
    tap_ok(rename(p.path, p.path) == 0 && evidence_log_reopen(log), "reopened, with no line in between");
    tap_ok(evidence_log_trial_add(log, RESULT("4")), "a line");
    evidence_log_trial_is(&p, evidence_log_trial_two, "2/0", "follows");
    tap_ok(evidence_log_reopen(log) && evidence_log_trial_add(log, RESULT("5")),
           "reopened where it was not moved");
    evidence_log_trial_is(&p, evidence_log_trial_two, "3/0", "follows");

    (void)remove(p.moved);
    tap_ok(rename(p.path, p.moved) == 0 && scratch_write(p.root, "log", ""), "moved and made anew by others");
    tap_ok(evidence_log_trial_add(log, RESULT("6")), "a line without a signal");
    evidence_log_trial_is(&p, evidence_log_trial_two, "3/0", "is in the new file and follows");

    tap_is_int(truncate(p.path, 0), 0, "emptied in place");
    tap_ok(evidence_log_trial_add(log, RESULT("7")) && evidence_log_trial_add(log, RESULT("8")),
           "carries on");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "with a chain of its own");
    evidence_log_close(log);
    scratch_remove(p.root);
}

/* A start that finds the file empty, after one that was told of a rotation, or ended in order. */
static void test_start_after_rotation(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    tap_ok(evidence_log_trial_add(log, RESULT("1")) && rename(p.path, p.moved) == 0 &&
               evidence_log_reopen(log),
           "a line, a rotation, and no line in the new file");
    evidence_log_close(log);
    log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("2")), "a line after a crash and a new start");
    evidence_log_trial_is(&p, evidence_log_trial_two, "2/0", "follows");
    evidence_log_note(log);
    evidence_log_close(log);
    tap_is_int(rename(p.path, p.moved), 0, "moved away while nobody runs");
    log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("3")), "a line after a new start");
    evidence_log_trial_is(&p, evidence_log_trial_two, "2/0", "follows");
    evidence_log_close(log);

    static const char *const notes[] = {"", "x\n", ZEROS, ZEROS "0\n", "?" ZEROS "\n"};
    for (size_t i = 0; i < ROWS(notes); i++) {
        (void)remove(p.path);
        tap_ok(scratch_write(p.root, "log" EVIDENCE_LOG_NOTE, notes[i]), "a note of no sense: '%s'",
               notes[i]);
        log = evidence_log_trial_open(p.path);
        tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("1")), "a line");
        tap_is_string(scratch_read(p.root, "log"), FIRST "\n", "begins a new chain");
        evidence_log_close(log);
    }
    scratch_remove(p.root);
}

/* Two processes with one file: each finds what the other wrote, in the old file and in the new one. */
static void test_two_owners(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *a = evidence_log_trial_open(p.path), *b = evidence_log_trial_open(p.path);
    tap_ok(evidence_log_trial_add(a, RESULT("1")) && evidence_log_trial_add(b, RESULT("2")) &&
               evidence_log_trial_add(b, RESULT("3")) && evidence_log_trial_add(a, RESULT("4")),
           "lines by turns");
    evidence_log_trial_is(&p, evidence_log_trial_one, "4/0", "are one chain");
    tap_is_int(rename(p.path, p.moved), 0, "the file is moved away");
    tap_ok(evidence_log_trial_add(a, RESULT("5")) && evidence_log_trial_add(b, RESULT("6")),
           "lines meanwhile");
    tap_ok(evidence_log_reopen(a), "one is told");
    tap_ok(evidence_log_trial_add(b, RESULT("7")), "the other writes first");
    tap_ok(evidence_log_trial_add(a, RESULT("8")), "then the one");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "both in the new file");
    evidence_log_trial_is(&p, evidence_log_trial_two, "8/0", "and all one chain");
    evidence_log_close(a);
    evidence_log_close(b);
    scratch_remove(p.root);
}

static void test_torn(void)
{
    static const char *const pieces[] = {"{", FIRST, "\xff\x01"};
    for (size_t i = 0; i < ROWS(pieces); i++) {
        struct evidence_log_trial p;
        if (!evidence_log_trial_make(&p))
            return;
        tap_ok(scratch_write(p.root, "log", pieces[i]), "a first line that a crash cut: %s", pieces[i]);
        struct evidence_log *log = evidence_log_trial_open(p.path);
        tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("1")), "a line");
        tap_is_string(scratch_read(p.root, "log"), FIRST "\n", "in its place");
        FILE *file = fopen(p.path, "a");
        if (file == NULL || fputs(pieces[i], file) < 0 || fclose(file) != 0)
            abort();
        evidence_log_trial_is(&p, evidence_log_trial_one, "1/0*",
                              "a piece behind a line is seen and not counted");
        tap_ok(evidence_log_trial_add(log, RESULT("2")),
               "a line after another process crashed in the middle of one");
        evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "the piece is gone");
        evidence_log_close(log);
        scratch_remove(p.root);
    }
}

static void test_full_disk(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    tap_ok(evidence_log_trial_add(log, RESULT("1")), "a line");
    scratch_limit_files(sizeof FIRST + 10);
    tap_ok(!evidence_log_trial_add(log, RESULT("2")), "a full disk");
    scratch_limit_files(RLIM_INFINITY);
    tap_is_string(scratch_read(p.root, "log"), FIRST "\n", "keeps no half line");
    tap_ok(evidence_log_trial_add(log, RESULT("3")), "later it works");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/0", "after the whole lines");
    evidence_log_close(log);
    log = evidence_log_trial_open("/dev/full");
    tap_ok(log != NULL && !evidence_log_trial_add(log, RESULT("1")), "/dev/full");
    evidence_log_close(log);
    scratch_remove(p.root);
}

static void test_failures(void)
{
    struct evidence_log_trial p;
    char error[EVIDENCE_LOG_TRIAL_ERROR_BYTES] = "";
    tap_ok(evidence_log_open("/nonexistent/log", error, sizeof error) == NULL &&
               strncmp(error, "/nonexistent/log: ", 18) == 0,
           "no such folder: %s", error);
    evidence_log_close(NULL);
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    scratch_remove(p.root);
    tap_ok(log != NULL && !evidence_log_reopen(log), "the folder is gone: not reopened");
    tap_ok(evidence_log_trial_add(log, RESULT("1")), "the old file is still written");
    evidence_log_close(log);
}

/* Whoever holds the lock for ever must not hold us. */
static void test_locked(void)
{
    struct evidence_log_trial p;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    FILE *other = fopen(p.path, "r");
    if (other == NULL || flock(fileno(other), LOCK_EX) != 0)
        abort();
    tap_ok(!evidence_log_trial_add(log, RESULT("1")), "locked by somebody else: given up in time");
    (void)fclose(other);
    tap_ok(evidence_log_trial_add(log, RESULT("1")), "unlocked: written");
    evidence_log_close(log);
    scratch_remove(p.root);
}

static bool write_lines(struct evidence_log *log)
{
    bool ok = log != NULL;
    for (int i = 0; i < LINES_EACH && ok; i++)
        ok = evidence_log_trial_add(log, RESULT("n"));
    return ok;
}

static void *write_in_thread(void *context)
{
    return write_lines(context) ? context : NULL;
}

static void test_threads(void)
{
    struct evidence_log_trial p;
    pthread_t threads[THREADS];
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    bool ok = log != NULL;
    for (int i = 0; i < THREADS; i++)
        ok = pthread_create(&threads[i], NULL, write_in_thread, log) == 0 && ok;
    for (int i = 0; i < THREADS; i++) {
        void *done = NULL;
        ok = pthread_join(threads[i], &done) == 0 && done != NULL && ok;
    }
    tap_ok(ok, "lines of several threads");
    char want[32];
    (void)snprintf(want, sizeof want, "%d/0", THREADS * LINES_EACH);
    evidence_log_trial_is(&p, evidence_log_trial_one, want, "are one chain");
    evidence_log_close(log);
    scratch_remove(p.root);
}

/* The file is moved away again and again while other processes write. */
static void rotate_meanwhile(const struct evidence_log_trial *p, struct evidence_log *log, int number)
{
    char path[EVIDENCE_LOG_TRIAL_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/log.%d", p->root, number);
    if (rename(p->path, path) != 0 || !evidence_log_reopen(log))
        abort();
}

/* Tells through opened that it has the file, so that it does not begin just while the file is moved. */
static void write_in_process(const struct evidence_log_trial *p, int opened)
{
    struct evidence_log *own = evidence_log_trial_open(p->path);
    _exit(own != NULL && write(opened, "x", 1) == 1 && write_lines(own) ? 0 : 1);
}

static void test_processes(void)
{
    struct evidence_log_trial p;
    pid_t children[PROCESSES];
    int opened[2];
    char byte;
    if (!evidence_log_trial_make(&p) || pipe(opened) != 0)
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    bool ok = log != NULL;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            write_in_process(&p, opened[1]);
    }
    close(opened[1]);
    for (int i = 0; i < PROCESSES; i++)
        ok = read(opened[0], &byte, 1) == 1 && ok;
    close(opened[0]);
    rotate_meanwhile(&p, log, 1);
    ok = evidence_log_trial_add(log, RESULT("a")) && ok;
    rotate_meanwhile(&p, log, 2);
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        ok = waitpid(children[i], &status, 0) == children[i] && status == 0 && ok;
    }
    tap_ok(ok, "lines of several processes, and two rotations");
    static const char *const files[] = {"log.1", "log.2", "log", NULL};
    char want[32];
    (void)snprintf(want, sizeof want, "%d/0", PROCESSES * LINES_EACH + 1);
    evidence_log_trial_is(&p, files, want, "are one chain over all files");
    evidence_log_close(log);
    scratch_remove(p.root);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    test_lines();
    test_no_objects();
    test_rotation();
    test_start_after_rotation();
    test_two_owners();
    test_torn();
    test_full_disk();
    test_failures();
    test_locked();
    test_threads();
    test_processes();
    return tap_done();
}
