/* SPDX-License-Identifier: BSD-2-Clause */
/* MetricsFile is replaced whole or stays, and what it cannot be written for is told. */
#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "tap.h"

enum { PATH_BYTES = SCRATCH_PATH_BYTES + 32 };

static int count_files(const char *folder)
{
    int count = 0;
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL)
        return -1;
    for (const struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(open_folder);
    return count;
}

static void test_replacement(const struct metrics *m, const char *folder, const char *path)
{
    struct stat status = {0};
    struct stat before = {0};
    (void)scratch_write(folder, "acme-milter.prom", "old\n");
    (void)stat(path, &before);
    tap_ok(metrics_write_file(m, path), "a file that is there is replaced");
    const char *text = scratch_read(folder, "acme-milter.prom");
    size_t len = strlen(text);
    tap_ok(strncmp(text, "# HELP ", 7) == 0 && strcmp(text + len - 6, "# EOF\n") == 0, "whole, %zu bytes",
           len);
    tap_ok(stat(path, &status) == 0 && status.st_ino != before.st_ino,
           "by another one: who reads the old one reads on");
    tap_is_int(status.st_mode & 0777, 0644, "which node_exporter's user can read");
    tap_is_int(count_files(folder), 1, "and nothing is left beside it");
}

static void test_full_disk(const struct metrics *m, const char *folder, const char *path)
{
    (void)scratch_write(folder, "acme-milter.prom", "old\n");
    scratch_limit_files(4096);
    errno = 0;
    bool ok = metrics_write_file(m, path);
    int error = errno;
    scratch_limit_files(RLIM_INFINITY);
    tap_ok(!ok && (error == ENOSPC || error == EFBIG), "a full disk: %s", strerrordesc_np(error));
    tap_is_string(scratch_read(folder, "acme-milter.prom"), "old\n", "the old file stays");
    tap_is_int(count_files(folder), 1, "and no piece of the new one");
}

static void test_no_place(const struct metrics *m, const char *folder)
{
    char path[PATH_BYTES], longer[5000];
    (void)snprintf(path, sizeof path, "%s/missing/acme-milter.prom", folder);
    tap_ok(!metrics_write_file(m, path) && errno == ENOENT, "no folder");
    (void)snprintf(path, sizeof path, "%s/folder", folder);
    (void)mkdir(path, 0755);
    tap_ok(!metrics_write_file(m, path) && errno == EISDIR, "a folder is no file");
    tap_is_int(count_files(folder), 2, "nothing is left beside it");
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    tap_ok(!metrics_write_file(m, longer) && errno == ENAMETOOLONG, "a path too long");
}

/* Numbers of le are floating point, and so stand in the text as OpenMetrics 1.0 wants them. */
static void test_bounds(const struct metrics *m, const char *folder, const char *path)
{
    static const char *const bounds[] = {"0.0001", "0.5", "1.0", "10.0", "30.0", "+Inf"};
    char wanted[64];
    bool ok = metrics_write_file(m, path);
    const char *text = scratch_read(folder, "acme-milter.prom");
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        (void)snprintf(wanted, sizeof wanted, "{step=\"total\",le=\"%s\"} ", bounds[i]);
        tap_ok(ok && strstr(text, wanted) != NULL, "a bucket to %s", bounds[i]);
    }
}

int main(void)
{
    char folder[SCRATCH_PATH_BYTES], path[PATH_BYTES];
    struct metrics *m = metrics_new();
    (void)signal(SIGXFSZ, SIG_IGN);
    if (m == NULL || !scratch_make(folder))
        return 99;
    (void)snprintf(path, sizeof path, "%s/acme-milter.prom", folder);
    (void)umask(022);
    test_replacement(m, folder, path);
    test_full_disk(m, folder, path);
    test_no_place(m, folder);
    test_bounds(m, folder, path);
    scratch_remove(folder);
    metrics_free(m);
    return tap_done();
}
