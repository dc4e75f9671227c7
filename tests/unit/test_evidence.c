/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

enum { PATH_BYTES = 1024, TEXT_BYTES = 64 * 1024, THREADS = 4, LINES_EACH = 200, RECEIVED_AT = 1795496400 };

static const char id[] = "xEaZ3Yb6RZ3vY174aJ7KBsKpd9TZBxN1kXSaCkidq94";
static const struct evidence_folder example = {
    .header = SPAN_LITERAL("From: alice@example.com\r\n"),
    .body = SPAN_LITERAL("text\r\n"),
    .dns = SPAN_LITERAL("example.com TXT \"x\"\n"),
    .result = SPAN_LITERAL("{\"version\":1}"),
};

static bool make_folder(char path[static PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, PATH_BYTES, "%s/test_evidence.XXXXXX", parent != NULL ? parent : "/tmp");
    return mkdtemp(path) != NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The text of a file, "" if there is none. Valid until the next call. */
static const char *read_text(const char *folder, const char *name)
{
    static char text[TEXT_BYTES];
    char path[2 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file != NULL)
        (void)fclose(file);
    return text;
}

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
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &example, path), OUTCOME_OK, "written");
    (void)snprintf(want, sizeof want, "%s/2026/11/24/%s", root, id);
    tap_is_string(path, want, "contract section 3: YYYY/MM/DD/ID");
    tap_is_string(read_text(path, "message.eml"), "From: alice@example.com\r\n\r\ntext\r\n",
                  "message.eml: header, empty line, body");
    tap_is_string(read_text(path, "dns.txt"), "example.com TXT \"x\"\n", "dns.txt");
    tap_is_string(read_text(path, "result.json"), "{\"version\":1}", "result.json");
    tap_is_int(count_entries(path), 3, "and nothing else");
    tap_ok(stat(path, &status) == 0 && (status.st_mode & 07) == 0, "nothing for others");
    (void)snprintf(want, sizeof want, "%s/2026/11/24", root);
    tap_is_int(count_entries(want), 1, "nothing temporary is left");

    struct evidence_folder other = example;
    other.result = SPAN_LITERAL("{\"version\":2}");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &other, path), OUTCOME_OK, "the same id again");
    tap_is_string(read_text(path, "result.json"), "{\"version\":1}", "the first stays as it is");

    tap_is_int(evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":503}")), OUTCOME_OK,
               "answer added");
    tap_is_int(evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":204}")), OUTCOME_OK,
               "answer again");
    tap_is_string(read_text(path, "answer.json"), "{\"status\":204}", "the last answer counts");
    other.is_signed = true;
    tap_is_int(evidence_folder_write(root, "signed", RECEIVED_AT, &other, path), OUTCOME_OK, "a signed one");
    tap_is_string(read_text(path, "result.jws"), "{\"version\":2}", "result.jws");
    tap_is_string(read_text(path, "result.json"), "", "and no result.json");
    remove_tree(root);
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
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        tap_is_int(evidence_folder_write(root, refused[i].id, refused[i].received_at, &example, path),
                   OUTCOME_TEMPORARY, refused[i].name);
    tap_is_int(evidence_folder_write("/nonexistent", id, RECEIVED_AT, &example, path), OUTCOME_TEMPORARY,
               "no such directory");
    tap_is_int(evidence_folder_add_answer("/nonexistent", SPAN_LITERAL("{}")), OUTCOME_TEMPORARY,
               "an answer without a folder");
    remove_tree(root);
    if (!make_folder(root))
        return;
    (void)snprintf(file, sizeof file, "%s/2026", root);
    tap_is_int(symlink("/tmp", file), 0, "a symbolic link where the year should be");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &example, path), OUTCOME_TEMPORARY,
               "is not followed");
    remove_tree(root);
}

/* A file size limit stands for the full disk: part of a write succeeds, the next one fails. */
static void set_file_limit(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void test_full_disk(void)
{
    static char large[8192];
    char root[PATH_BYTES], day[2 * PATH_BYTES], path[EVIDENCE_PATH_MAX_BYTES];
    struct evidence_folder f = example;
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    memset(large, 'x', sizeof large);
    f.body = (struct span){large, sizeof large};
    set_file_limit(4096);
    enum outcome got = evidence_folder_write(root, id, RECEIVED_AT, &f, path);
    set_file_limit(RLIM_INFINITY);
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    tap_is_int(got, OUTCOME_TEMPORARY, "a full disk is temporary");
    tap_is_int(count_entries(day), 0, "and leaves nothing behind");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &f, path), OUTCOME_OK, "later it works");
    remove_tree(root);
}

struct writer {
    const char *root;
    struct evidence_log *log;
    bool is_failed;
};

static void *write_same(void *context)
{
    struct writer *w = context;
    char path[EVIDENCE_PATH_MAX_BYTES];
    w->is_failed = evidence_folder_write(w->root, id, RECEIVED_AT, &example, path) != OUTCOME_OK;
    return NULL;
}

static void *write_lines(void *context)
{
    struct writer *w = context;
    for (int i = 0; i < LINES_EACH; i++)
        if (evidence_log_append(w->log, SPAN_LITERAL("{\"version\":1}")) != OUTCOME_OK)
            w->is_failed = true;
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
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    struct writer w = {.root = root};
    tap_ok(run_threads(write_same, &w), "the same mail by several connections at once");
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    tap_is_int(count_entries(day), 1, "makes one folder");
    remove_tree(root);
}

static int count_lines(const char *text, const char *line)
{
    int count = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
        count += (size_t)(end - text) == strlen(line) && strncmp(text, line, strlen(line)) == 0 ? 1 : -100000;
    return *text == '\0' ? count : -1;
}

static void test_log(void)
{
    char root[PATH_BYTES], path[2 * PATH_BYTES], moved[2 * PATH_BYTES], error[256];
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    (void)snprintf(path, sizeof path, "%s/log", root);
    (void)snprintf(moved, sizeof moved, "%s/log.1", root);
    struct evidence_log *log = evidence_log_open(path, error, sizeof error);
    if (!tap_ok(log != NULL, "log opened"))
        return;
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("one")), OUTCOME_OK, "a line");
    tap_is_int(rename(path, moved), 0, "the file is moved away");
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("two")), OUTCOME_OK, "a line meanwhile");
    tap_ok(evidence_log_reopen(log), "reopened");
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("three")), OUTCOME_OK, "a line in the new file");
    tap_is_string(read_text(root, "log.1"), "one\ntwo\n", "the old file");
    tap_is_string(read_text(root, "log"), "three\n", "the new file");

    set_file_limit(10);
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("four and more")), OUTCOME_TEMPORARY, "a full disk");
    set_file_limit(RLIM_INFINITY);
    tap_is_string(read_text(root, "log"), "three\n", "keeps no half line");
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("five")), OUTCOME_OK, "later it works");
    tap_is_string(read_text(root, "log"), "three\nfive\n", "after the whole lines");

    evidence_log_close(log);
    evidence_log_close(NULL);
    remove_tree(root);
}

static void test_log_failures(void)
{
    char root[PATH_BYTES], path[2 * PATH_BYTES], error[256] = "";
    tap_ok(evidence_log_open("/nonexistent/log", error, sizeof error) == NULL &&
               strncmp(error, "/nonexistent/log: ", 18) == 0,
           "no such folder: %s", error);
    struct evidence_log *log = evidence_log_open("/dev/full", error, sizeof error);
    if (log != NULL)
        tap_is_int(evidence_log_append(log, SPAN_LITERAL("x")), OUTCOME_TEMPORARY, "/dev/full");
    evidence_log_close(log);
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    (void)snprintf(path, sizeof path, "%s/log", root);
    log = evidence_log_open(path, error, sizeof error);
    remove_tree(root);
    tap_ok(log != NULL && !evidence_log_reopen(log), "the folder is gone: not reopened");
    tap_is_int(evidence_log_append(log, SPAN_LITERAL("x")), OUTCOME_OK, "the old file is still written");
    evidence_log_close(log);
}

static void test_log_together(void)
{
    char root[PATH_BYTES], path[2 * PATH_BYTES], error[256];
    if (!tap_ok(make_folder(root), "a folder to write in"))
        return;
    (void)snprintf(path, sizeof path, "%s/log", root);
    struct writer w = {.log = evidence_log_open(path, error, sizeof error)};
    tap_ok(w.log != NULL && run_threads(write_lines, &w), "lines of several threads");
    tap_is_int(count_lines(read_text(root, "log"), "{\"version\":1}"), THREADS * LINES_EACH, "are all whole");
    evidence_log_close(w.log);
    remove_tree(root);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    test_folder();
    test_refused();
    test_full_disk();
    test_together();
    test_log();
    test_log_failures();
    test_log_together();
    return tap_done();
}
