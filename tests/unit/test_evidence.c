/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "tap.h"

enum {
    PATH_BYTES = SCRATCH_PATH_BYTES,
    THREADS = 8,
    POSTINGS_EACH = 20,
    POSTINGS = 300,
    RECEIVED_AT = 1795496400
};

static const char id[] = "xEaZ3Yb6RZ3vY174aJ7KBsKpd9TZBxN1kXSaCkidq94";
static const struct evidence_folder example = {
    .header = SPAN_LITERAL("From: alice@example.com\r\n"),
    .body = SPAN_LITERAL("text\r\n"),
    .dns = SPAN_LITERAL("example.com TXT \"x\"\n"),
    .result = SPAN_LITERAL("{\"version\":1}"),
};

/* What is in a folder, the hidden names too. */
static int count_entries(const char *path)
{
    int count = -2;
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

static void test_folder(void)
{
    char root[PATH_BYTES], path[EVIDENCE_PATH_MAX_BYTES], want[2 * PATH_BYTES];
    struct stat status;
    if (!tap_ok(scratch_make(root), "a folder to write in"))
        return;
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &example, path), OUTCOME_OK, "written");
    (void)snprintf(want, sizeof want, "%s/2026/11/24/%s", root, id);
    tap_is_string(path, want, "contract section 3: YYYY/MM/DD/ID");
    tap_is_string(scratch_read(path, "message.eml"), "From: alice@example.com\r\n\r\ntext\r\n",
                  "message.eml: header, empty line, body");
    tap_is_string(scratch_read(path, "dns.txt"), "example.com TXT \"x\"\n", "dns.txt");
    tap_is_string(scratch_read(path, "result.json"), "{\"version\":1}", "result.json");
    tap_is_int(count_entries(path), 3, "and nothing else");
    tap_ok(stat(path, &status) == 0 && (status.st_mode & 07) == 0, "nothing for others");
    (void)snprintf(want, sizeof want, "%s/2026/11/24", root);
    tap_is_int(count_entries(want), 1, "nothing temporary is left");

    scratch_remove(root);
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Each posting of an id has its own folder, and what is there is never changed. */
static void test_postings(void)
{
    char root[PATH_BYTES], first[EVIDENCE_PATH_MAX_BYTES], path[EVIDENCE_PATH_MAX_BYTES], want[PATH_BYTES];
    if (!tap_ok(scratch_make(root), "a folder to write in"))
        return;
    struct evidence_folder other = example;
    other.header = SPAN_LITERAL("Received: again\r\nFrom: alice@example.com\r\n");
    other.result = SPAN_LITERAL("{\"version\":2}");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &example, first), OUTCOME_OK, "a posting");
    tap_is_int(evidence_folder_add_answer(first, SPAN_LITERAL("{\"status\":204}")), OUTCOME_OK, "its answer");
    for (int i = 2; i <= POSTINGS; i++) {
        if (evidence_folder_write(root, id, RECEIVED_AT, &other, path) != OUTCOME_OK)
            break;
        (void)snprintf(want, sizeof want, "%s.%d", id, i);
        if (!tap_is_string(base_name(path), want, "the same id again"))
            break;
    }
    tap_is_string(scratch_read(path, "message.eml"),
                  "Received: again\r\nFrom: alice@example.com\r\n\r\ntext\r\n", "has its own mail");
    tap_is_string(scratch_read(path, "result.json"), "{\"version\":2}", "and its own result");
    tap_is_int(evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":404}")), OUTCOME_OK,
               "and its own answer");
    tap_is_string(scratch_read(first, "result.json"), "{\"version\":1}", "the first stays as it is");
    tap_is_string(scratch_read(first, "answer.json"), "{\"status\":204}", "its answer too");
    tap_ok(evidence_folder_add_answer(first, SPAN_LITERAL("{\"status\":404}")) == OUTCOME_TEMPORARY &&
               errno == EEXIST,
           "an answer is never replaced");
    tap_is_string(scratch_read(first, "answer.json"), "{\"status\":204}", "it is what it was");
    tap_is_int(count_entries(first), 4, "and nothing else is left");
    other.is_signed = true;
    tap_is_int(evidence_folder_write(root, "signed", RECEIVED_AT, &other, path), OUTCOME_OK, "a signed one");
    tap_is_string(scratch_read(path, "result.jws"), "{\"version\":2}", "result.jws");
    tap_is_string(scratch_read(path, "result.json"), "", "and no result.json");
    scratch_remove(root);
}

static const struct {
    const char *name, *id;
    unsigned number;
} names[] = {
    {"a", "a", 1},     {"a-_Z9.2", "a-_Z9", 2},
    {"a.10", "a", 10}, {"a.1", NULL, 0},
    {"a.0", NULL, 0},  {"a.02", NULL, 0},
    {"a.", NULL, 0},   {"", NULL, 0},
    {".a.2", NULL, 0}, {"a.2x", NULL, 0},
    {"a.-2", NULL, 0}, {"a.2.3", NULL, 0},
    {"a b", NULL, 0},  {"a.99999999999999999999", NULL, 0},
};

static void test_names(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct span got = {NULL, 0};
        unsigned number = 0;
        bool is_name = evidence_folder_read_name(names[i].name, &got, &number);
        tap_ok(is_name == (names[i].id != NULL), "'%s' is %s folder of a posting", names[i].name,
               names[i].id != NULL ? "a" : "no");
        if (is_name)
            tap_ok(span_equal(got, span_from_string(names[i].id)) && number == names[i].number,
                   "of %s, number %u", names[i].id, names[i].number);
    }
}

/* A folder or file in the day of the tests' moment, made old enough to be swept, or not. */
static void make(const char *root, const char *name, const char *file, bool is_old)
{
    char path[2 * PATH_BYTES];
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    (void)snprintf(path, sizeof path, "%s/2026/11/24/%s", root, name);
    if (mkdir(path, 0700) != 0 || (file != NULL && !scratch_write(path, file, "x")) ||
        (is_old && utimensat(AT_FDCWD, path, old, 0) != 0))
        abort();
}

static bool is_there(const char *root, const char *name)
{
    char path[2 * PATH_BYTES];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/2026/11/24/%s", root, name);
    return lstat(path, &status) == 0;
}

static void test_sweep(void)
{
    char root[PATH_BYTES], path[EVIDENCE_PATH_MAX_BYTES], link[3 * PATH_BYTES], day[2 * PATH_BYTES];
    if (!tap_ok(scratch_make(root), "a folder to write in") ||
        evidence_folder_write(root, id, RECEIVED_AT, &example, path) != OUTCOME_OK)
        return;
    make(root, ".abc.77", "message.eml", true);
    make(root, ".abc.77.1", "dns.txt", true);
    make(root, ".abc.78.1", "dns.txt", false);
    make(root, ".abc.79.1", "precious", true);
    make(root, ".git", NULL, true);
    make(root, "other", "message.eml", true);
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    (void)snprintf(link, sizeof link, "%s/.abc.80.1", day);
    (void)snprintf(path, sizeof path, "%s/other", day);
    if (symlink(path, link) != 0)
        abort();
    evidence_sweep(root);
    tap_ok(!is_there(root, ".abc.77") && !is_there(root, ".abc.77.1"), "old unfinished folders are removed");
    tap_ok(is_there(root, ".abc.78.1"), "one that may be under way is not");
    tap_ok(is_there(root, ".abc.79.1/precious"), "what the milter does not make is not touched");
    tap_ok(is_there(root, ".git") && is_there(root, id) && is_there(root, "other/message.eml"),
           "nor is anything of another name");
    tap_ok(is_there(root, ".abc.80.1"), "a link is not followed and stays");
    evidence_sweep("/nonexistent");
    scratch_remove(root);
}

static const struct {
    const char *name;
    const char *id;
    int64_t received_at;
} refused[] = {
    {"no id", "", RECEIVED_AT},
    {"a slash in the id", "../../x", RECEIVED_AT},
    {"the folder itself as id", ".", RECEIVED_AT},
    {"the folder above as id", "..", RECEIVED_AT},
    {"a moment that no calendar has", id, INT64_MAX},
};

static void test_refused(void)
{
    char root[PATH_BYTES], file[2 * PATH_BYTES], path[EVIDENCE_PATH_MAX_BYTES];
    if (!tap_ok(scratch_make(root), "a folder to write in"))
        return;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        tap_is_int(evidence_folder_write(root, refused[i].id, refused[i].received_at, &example, path),
                   OUTCOME_TEMPORARY, refused[i].name);
    tap_is_int(evidence_folder_write("/nonexistent", id, RECEIVED_AT, &example, path), OUTCOME_TEMPORARY,
               "no such directory");
    tap_is_int(evidence_folder_add_answer("/nonexistent", SPAN_LITERAL("{}")), OUTCOME_TEMPORARY,
               "an answer without a folder");
    scratch_remove(root);
    if (!scratch_make(root))
        return;
    (void)snprintf(file, sizeof file, "%s/2026", root);
    tap_is_int(symlink("/tmp", file), 0, "a symbolic link where the year should be");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &example, path), OUTCOME_TEMPORARY,
               "is not followed");
    scratch_remove(root);
}

static void test_full_disk(void)
{
    static char large[8192];
    char root[PATH_BYTES], day[2 * PATH_BYTES], path[EVIDENCE_PATH_MAX_BYTES];
    struct evidence_folder f = example;
    if (!tap_ok(scratch_make(root), "a folder to write in"))
        return;
    memset(large, 'x', sizeof large);
    f.body = (struct span){large, sizeof large};
    scratch_limit_files(4096);
    enum outcome got = evidence_folder_write(root, id, RECEIVED_AT, &f, path);
    scratch_limit_files(RLIM_INFINITY);
    int error = errno;
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    tap_is_int(got, OUTCOME_TEMPORARY, "a full disk is temporary");
    tap_is_int(error, EFBIG, "and says why");
    tap_is_int(count_entries(day), 0, "and leaves nothing behind");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &f, path), OUTCOME_OK, "later it works");
    scratch_limit_files(4096);
    got = evidence_folder_add_answer(path, f.body);
    scratch_limit_files(RLIM_INFINITY);
    tap_is_int(got, OUTCOME_TEMPORARY, "an answer on a full disk");
    tap_is_int(count_entries(path), 3, "leaves no answer.json, and no part of one");
    scratch_remove(root);
}

struct writer {
    const char *root;
    bool is_failed;
};

static void *write_same(void *context)
{
    struct writer *w = context;
    char path[EVIDENCE_PATH_MAX_BYTES];
    for (int i = 0; i < POSTINGS_EACH && !w->is_failed; i++)
        w->is_failed = evidence_folder_write(w->root, id, RECEIVED_AT, &example, path) != OUTCOME_OK ||
                       evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":204}")) != OUTCOME_OK;
    return NULL;
}

static bool run_threads(void *(*run)(void *), struct writer *w)
{
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    bool ok = true;
    for (int i = 0; i < THREADS; i++) {
        writers[i] = *w;
        ok = pthread_create(&threads[i], NULL, run, &writers[i]) == 0 && ok;
    }
    for (int i = 0; i < THREADS; i++)
        ok = pthread_join(threads[i], NULL) == 0 && !writers[i].is_failed && ok;
    return ok;
}

static void test_together(void)
{
    char root[PATH_BYTES], day[2 * PATH_BYTES];
    if (!tap_ok(scratch_make(root), "a folder to write in"))
        return;
    struct writer w = {.root = root};
    tap_ok(run_threads(write_same, &w), "the same mail by several connections at once");
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    tap_is_int(count_entries(day), THREADS * POSTINGS_EACH, "makes a folder for each time");
    (void)snprintf(day, sizeof day, "%s/2026/11/24/%s.%d", root, id, THREADS * POSTINGS_EACH);
    tap_is_int(count_entries(day), 4, "the last number of them is their count, and it is whole");
    scratch_remove(root);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    test_folder();
    test_postings();
    test_names();
    test_sweep();
    test_refused();
    test_full_disk();
    test_together();
    return tap_done();
}
