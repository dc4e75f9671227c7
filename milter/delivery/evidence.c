/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

enum { FILE_MODE = 0440, FOLDER_MODE = 0750, TEMPORARY_MAX_BYTES = 128 };

static bool write_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.data, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = span_slice(s, (size_t)n, s.len);
    }
    return true;
}

/* Up to three pieces as one new file in folder, on disk when it returns. */
static bool write_file(int folder, const char *name, const struct span *pieces, size_t count)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    bool ok = fd >= 0;
    for (size_t i = 0; i < count && ok; i++)
        ok = write_all(fd, pieces[i]);
    ok = ok && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

static bool write_files(int folder, const struct evidence_folder *f)
{
    const struct span message[] = {f->header, SPAN_LITERAL("\r\n"), f->body};
    return write_file(folder, "message.eml", message, 3) && write_file(folder, "dns.txt", &f->dns, 1) &&
           write_file(folder, f->is_signed ? "result.jws" : "result.json", &f->result, 1) &&
           fsync(folder) == 0;
}

static int open_folder(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* The folder of that name in parent, made if need be; closes parent. */
static int enter(int parent, const char *name)
{
    int folder = -1;
    if (parent >= 0 && (mkdirat(parent, name, FOLDER_MODE) == 0 ? fsync(parent) == 0 : errno == EEXIST))
        folder = open_folder(parent, name);
    if (parent >= 0)
        close(parent);
    return folder;
}

static void remove_folder(int parent, const char *name)
{
    static const char *const files[] = {"message.eml", "dns.txt", "result.json", "result.jws"};
    int folder = open_folder(parent, name);
    for (size_t i = 0; folder >= 0 && i < sizeof files / sizeof files[0]; i++)
        (void)unlinkat(folder, files[i], 0);
    if (folder >= 0)
        close(folder);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Writes beside, then renames. A folder of that name that is there already was written whole, and stays. */
static bool write_folder(int day, const char *id, const struct evidence_folder *f)
{
    char beside[TEMPORARY_MAX_BYTES];
    (void)snprintf(beside, sizeof beside, ".%s.%ld", id, (long)gettid());
    if (faccessat(day, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    remove_folder(day, beside);
    int folder = mkdirat(day, beside, FOLDER_MODE) == 0 ? open_folder(day, beside) : -1;
    bool ok = folder >= 0 && write_files(folder, f);
    if (folder >= 0)
        close(folder);
    if (ok && renameat(day, beside, day, id) != 0)
        ok = false;
    if (!ok)
        remove_folder(day, beside);
    return (ok || faccessat(day, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0) && fsync(day) == 0;
}

bool evidence_folder_can_write(const char *directory)
{
    struct stat status;
    if (stat(directory, &status) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(status.st_mode) && access(directory, W_OK | X_OK) == 0;
}

enum outcome evidence_folder_write(const char *directory, const char *id, int64_t received_at,
                                   const struct evidence_folder *folder,
                                   char path[static EVIDENCE_PATH_MAX_BYTES])
{
    char time[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(received_at, time);
    path[0] = '\0';
    if (strlen(time) < sizeof "YYYY-MM-DD" || strpbrk(id, "./") != NULL || id[0] == '\0')
        return OUTCOME_TEMPORARY;
    const char *year = time;
    time[4] = time[7] = time[10] = '\0';
    int day =
        enter(enter(enter(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), year), time + 5), time + 8);
    bool ok = day >= 0 && write_folder(day, id, folder);
    if (day >= 0)
        close(day);
    int len =
        snprintf(path, EVIDENCE_PATH_MAX_BYTES, "%s/%s/%s/%s/%s", directory, year, time + 5, time + 8, id);
    return ok && len > 0 && len < EVIDENCE_PATH_MAX_BYTES ? OUTCOME_OK : OUTCOME_TEMPORARY;
}

enum outcome evidence_folder_add_answer(const char *path, struct span answer)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = folder >= 0;
    if (ok && unlinkat(folder, "answer.json", 0) != 0 && errno != ENOENT)
        ok = false;
    ok = ok && write_file(folder, "answer.json", &answer, 1) && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return ok ? OUTCOME_OK : OUTCOME_TEMPORARY;
}
