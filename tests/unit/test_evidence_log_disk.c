/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evidence_log_trial.h"

enum { GROUP_MAX = 64 };

/* Bytes at the end of the file, count of each. */
static void append_bytes(const struct evidence_log_trial *p, char byte, size_t count, const char *end)
{
    FILE *file = fopen(p->path, "a");
    for (size_t i = 0; file != NULL && i < count; i++)
        (void)fputc(byte, file);
    if (file == NULL || fputs(end, file) < 0 || fclose(file) != 0)
        abort();
}

static const struct {
    const char *name;
    char byte;
    size_t count;
    const char *end;
    const char *before, *after; /* what verify tells of it, before the next line and behind it */
} endings[] = {
    {"half a line", 'x', 100, "", "2/0*", "3/0"},
    {"some zeros", '\0', 4096, "", "2/0*", "3/0"},
    {"512 KiB of zeros", '\0', 512UL * 1024, "", "3/1", "4/1"},
    {"a line of garbage", 'x', 100, "\n", "3/1", "4/1"},
    {"a line of zeros", '\0', 8192, "\n", "3/1", "4/1"},
    {"a line of garbage, and half of one", 'x', 100, "\ny", "3/1*", "4/1"},
    {"lines of garbage", 'x', 100, "\n\n{}\n[1]\n", "6/4", "7/4"},
    {"a line longer than any of ours", 'x', 2UL * (EVIDENCE_LOG_LINE_MAX_BYTES + 1), "\n", "3/1", "4/1"},
    {"3 MiB without an end", '{', 3UL * 1024 * 1024, "", "3/1", "4/1"},
};

/* Whatever a power cut leaves: the milter starts, and --verify-log follows the same chain. */
static void test_garbage(void)
{
    for (size_t i = 0; i < ROWS(endings); i++) {
        struct evidence_log_trial p;
        if (!evidence_log_trial_make(&p))
            return;
        struct evidence_log *log = evidence_log_trial_open(p.path);
        tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("1")) &&
                   evidence_log_trial_add(log, RESULT("2")),
               "two lines");
        evidence_log_close(log);
        append_bytes(&p, endings[i].byte, endings[i].count, endings[i].end);
        evidence_log_trial_is(&p, evidence_log_trial_one, endings[i].before, endings[i].name);
        log = evidence_log_trial_open(p.path);
        tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("3")), "a start, and a line");
        evidence_log_trial_is(&p, evidence_log_trial_one, endings[i].after, "follows the last good one");
        evidence_log_close(log);
        log = evidence_log_trial_open(p.path);
        tap_ok(log != NULL && rename(p.path, p.moved) == 0 && evidence_log_reopen(log) &&
                   evidence_log_trial_add(log, RESULT("4")),
               "a rotation, and a line");
        evidence_log_trial_is(&p, evidence_log_trial_one, "1/0", "is alone in the new file");
        evidence_log_close(log);
        scratch_remove(p.root);
    }
}

/* No line of ours in it at all, as after a power cut on the first day. */
static void test_nothing_but_garbage(void)
{
    struct evidence_log_trial p;
    char error[EVIDENCE_LOG_TRIAL_ERROR_BYTES] = "";
    if (!evidence_log_trial_make(&p))
        return;
    append_bytes(&p, '\0', 512UL * 1024, "");
    struct evidence_log *log = evidence_log_trial_open(p.path);
    tap_ok(log != NULL && evidence_log_trial_add(log, RESULT("1")), "a log of zeros: a new chain begins");
    evidence_log_trial_is(&p, evidence_log_trial_one, "2/1", "behind them");
    evidence_log_close(log);
    (void)remove(p.path);
    append_bytes(&p, 'x', 70UL * 1024 * 1024, "\n");
    tap_ok(evidence_log_open(p.path, error, sizeof error) == NULL, "70 MiB of something else: %s", error);
    scratch_remove(p.root);
}

/*
 * fdatasync stands here, so that the tests know how often it was called and with what in the file. The first
 * one after gate_lines was set waits until the file has so many lines, as a slow disk would.
 */
static struct {
    pthread_mutex_t lock;
    unsigned calls;
    unsigned gate_lines; /* 0: no gate */
    int first_error;     /* what the call at the gate fails with; 0: it does not */
    off_t synced;        /* the size of the file at the last good call */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned count_lines(int fd, off_t *size)
{
    char chunk[4096];
    unsigned lines = 0;
    ssize_t n;
    for (*size = 0; (n = pread(fd, chunk, sizeof chunk, *size)) > 0; *size += n)
        for (ssize_t i = 0; i < n; i++)
            lines += chunk[i] == '\n' ? 1 : 0;
    return lines;
}

int fdatasync(int fd)
{
    off_t size;
    (void)pthread_mutex_lock(&disk.lock);
    unsigned gate = disk.gate_lines;
    int error = gate > 0 ? disk.first_error : 0;
    disk.gate_lines = 0;
    disk.calls++;
    (void)pthread_mutex_unlock(&disk.lock);
    while (count_lines(fd, &size) < gate)
        (void)sched_yield();
    if (error == 0)
        disk.synced = size;
    errno = error;
    return error == 0 ? 0 : -1;
}

struct group {
    struct evidence_log *log;
    atomic_uint good;
};

static void *add_one(void *context)
{
    struct group *group = context;
    if (evidence_log_trial_add(group->log, RESULT("1")))
        atomic_fetch_add(&group->good, 1);
    return NULL;
}

/* count replies at once, all of them in the file before the first fdatasync comes back. */
static void write_group(const struct evidence_log_trial *p, unsigned count, int first_error,
                        unsigned want_good)
{
    pthread_t threads[GROUP_MAX];
    struct group group = {.log = evidence_log_trial_open(p->path)};
    disk.calls = 0;
    disk.gate_lines = count;
    disk.first_error = first_error;
    bool ok = group.log != NULL;
    for (unsigned i = 0; i < count; i++)
        ok = pthread_create(&threads[i], NULL, add_one, &group) == 0 && ok;
    for (unsigned i = 0; i < count; i++)
        ok = pthread_join(threads[i], NULL) == 0 && ok;
    tap_ok(ok && group.good == want_good, "%u lines at once: %u promised", count, group.good);
    tap_is_int(disk.calls, count > 1 ? 2 : 1, "fdatasync was called");
    char want[32];
    (void)snprintf(want, sizeof want, "%u/0", count);
    evidence_log_trial_is(p, evidence_log_trial_one, want, "one chain");
    evidence_log_close(group.log);
}

static void test_group_commit(void)
{
    static const unsigned counts[] = {1, 2, 16, GROUP_MAX};
    for (size_t i = 0; i < ROWS(counts); i++) {
        struct evidence_log_trial p;
        if (!evidence_log_trial_make(&p))
            return;
        write_group(&p, counts[i], 0, counts[i]);
        (void)remove(p.path);
        write_group(&p, counts[i], EIO, counts[i] - 1);
        scratch_remove(p.root);
    }
}

/* What a line is promised, and that leaving a file keeps it. */
static void test_promise(void)
{
    struct evidence_log_trial p;
    struct stat status;
    if (!evidence_log_trial_make(&p))
        return;
    struct evidence_log *log = evidence_log_trial_open(p.path);
    disk.calls = 0;
    tap_ok(log != NULL &&
               evidence_log_append(log, span_from_string(RESULT("1")), NULL, EVIDENCE_LOG_PROMISE_WRITTEN) ==
                   OUTCOME_OK &&
               disk.calls == 0,
           "a line that nobody waits for");
    tap_ok(evidence_log_trial_add(log, RESULT("2")) && disk.calls == 1 && stat(p.path, &status) == 0 &&
               disk.synced == status.st_size,
           "a line on disk: all of the file is when it is told");
    disk.gate_lines = 1;
    disk.first_error = EIO;
    tap_ok(!evidence_log_trial_add(log, RESULT("3")) && errno == EIO,
           "a disk that fails: the line is not promised, and why");
    tap_ok(evidence_log_trial_add(log, RESULT("4")), "the next one is");
    evidence_log_trial_is(&p, evidence_log_trial_one, "4/0", "the chain goes on behind it");
    evidence_log_close(log);
    scratch_remove(p.root);
}

int main(void)
{
    test_garbage();
    test_nothing_but_garbage();
    test_group_commit();
    test_promise();
    return tap_done();
}
