/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "tap.h"

enum { PATH_BYTES = SCRATCH_PATH_BYTES, THREADS = 4, RECEIVED_AT = 1795496400 };

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

    struct evidence_folder other = example;
    other.result = SPAN_LITERAL("{\"version\":2}");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &other, path), OUTCOME_OK, "the same id again");
    tap_is_string(scratch_read(path, "result.json"), "{\"version\":1}", "the first stays as it is");

    tap_is_int(evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":503}")), OUTCOME_OK,
               "answer added");
    tap_is_int(evidence_folder_add_answer(path, SPAN_LITERAL("{\"status\":204}")), OUTCOME_OK,
               "answer again");
    tap_is_string(scratch_read(path, "answer.json"), "{\"status\":204}", "the last answer counts");
    other.is_signed = true;
    tap_is_int(evidence_folder_write(root, "signed", RECEIVED_AT, &other, path), OUTCOME_OK, "a signed one");
    tap_is_string(scratch_read(path, "result.jws"), "{\"version\":2}", "result.jws");
    tap_is_string(scratch_read(path, "result.json"), "", "and no result.json");
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
    (void)snprintf(day, sizeof day, "%s/2026/11/24", root);
    tap_is_int(got, OUTCOME_TEMPORARY, "a full disk is temporary");
    tap_is_int(count_entries(day), 0, "and leaves nothing behind");
    tap_is_int(evidence_folder_write(root, id, RECEIVED_AT, &f, path), OUTCOME_OK, "later it works");
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
    w->is_failed = evidence_folder_write(w->root, id, RECEIVED_AT, &example, path) != OUTCOME_OK;
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
    tap_is_int(count_entries(day), 1, "makes one folder");
    scratch_remove(root);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    test_folder();
    test_refused();
    test_full_disk();
    test_together();
    return tap_done();
}
