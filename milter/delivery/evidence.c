/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder is made under a name that begins with a dot and is this thread's own, filled, synced, and given
 * the first free name of its id by a rename that replaces nothing. So a folder that can be seen is whole,
 * whoever else writes at the same time, and no file of one is ever opened for writing again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "byte.h"
#include "clock.h"
#include "evidence_internal.h"

#define ANSWER_BESIDE "." EVIDENCE_ANSWER

enum {
    FILE_MODE = 0440,
    FOLDER_MODE = 0750,
    NAME_MAX_BYTES = 256,
    POSTINGS_MAX = 1000000, /* of one id in a day */
    LEFT_MAX = 100,         /* unfinished folders of one id that others of this thread's number left */
};

static bool write_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.data, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
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
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && ok)
        return false;
    errno = error;
    return ok;
}

static bool write_files(int folder, const struct evidence_folder *f)
{
    const struct span message[] = {f->header, SPAN_LITERAL("\r\n"), f->body};
    return write_file(folder, "message.eml", message, 3) && write_file(folder, "dns.txt", &f->dns, 1) &&
           write_file(folder, f->is_signed ? "result.jws" : "result.json", &f->result, 1) &&
           fsync(folder) == 0;
}

int evidence_open_folder(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* The folder of that name in parent, made if need be; closes parent. */
static int enter(int parent, const char *name)
{
    int folder = -1;
    if (parent >= 0 && (mkdirat(parent, name, FOLDER_MODE) == 0 ? fsync(parent) == 0 : errno == EEXIST))
        folder = evidence_open_folder(parent, name);
    int error = errno;
    if (parent >= 0)
        close(parent);
    errno = error;
    return folder;
}

bool evidence_remove_unfinished(int parent, const char *name)
{
    static const char *const files[] = {"message.eml", "dns.txt", "result.json", "result.jws"};
    int folder = evidence_open_folder(parent, name);
    for (size_t i = 0; folder >= 0 && i < sizeof files / sizeof files[0]; i++)
        (void)unlinkat(folder, files[i], 0);
    if (folder >= 0)
        close(folder);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

static bool is_id_byte(char byte)
{
    return byte_is_alnum(byte) || byte == '-' || byte == '_';
}

/* Behind an id there is nothing, or a dot and a number of 2 or more as we write it. */
bool evidence_folder_read_name(const char *name, struct span *id, unsigned *number)
{
    size_t len = 0;
    uint64_t value = 0;
    while (is_id_byte(name[len]))
        len++;
    *id = (struct span){name, len};
    *number = 1;
    if (name[len] == '\0')
        return len > 0;
    const char *digits = name + len + 1;
    for (const char *p = digits; byte_is_digit(*p) && value <= POSTINGS_MAX; p++)
        value = 10 * value + (uint64_t)(*p - '0');
    *number = (unsigned)value;
    return len > 0 && name[len] == '.' && digits[0] != '0' && value > 1 && value <= POSTINGS_MAX &&
           digits[strspn(digits, "0123456789")] == '\0';
}

/* ".ID.THREAD.N"; without the last part, as it was once. */
static void unfinished_name(char out[static NAME_MAX_BYTES], const char *id, unsigned number)
{
    (void)snprintf(out, NAME_MAX_BYTES, ".%s.%ld.%u", id, (long)gettid(), number);
}

bool evidence_is_unfinished_name(const char *name)
{
    size_t len = 1;
    while (name[0] == '.' && is_id_byte(name[len]))
        len++;
    return name[0] == '.' && len > 1 && name[len] == '.' && byte_is_digit(name[len + 1]) &&
           name[len + strspn(name + len, ".0123456789")] == '\0';
}

/* What is of that name already was left by a process that had our number, or is another's work. */
static int make_unfinished(int day, const char *id, char name[static NAME_MAX_BYTES])
{
    bool is_made = false;
    errno = EEXIST;
    for (unsigned i = 1; i <= LEFT_MAX && !is_made && errno == EEXIST; i++) {
        unfinished_name(name, id, i);
        is_made = mkdirat(day, name, FOLDER_MODE) == 0;
    }
    return is_made ? evidence_open_folder(day, name) : -1;
}

/*
 * A rename that replaces nothing. Where the filesystem knows none (NFS), the look before it is enough: a
 * folder that is not empty is never replaced, and an answer has one writer.
 */
static bool rename_new(int folder, const char *from, const char *to)
{
    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (faccessat(folder, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return renameat(folder, from, folder, to) == 0;
}

static void posting_name(char out[static NAME_MAX_BYTES], const char *id, unsigned number)
{
    (void)snprintf(out, NAME_MAX_BYTES, number == 1 ? "%s" : "%s.%u", id, number);
}

static bool is_taken(int day, const char *id, unsigned number)
{
    char name[NAME_MAX_BYTES];
    posting_name(name, id, number);
    return faccessat(day, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A number that was free just now, with few looks where an id has many postings. */
static unsigned find_free(int day, const char *id)
{
    unsigned taken = 0, open = 1;
    while (open < POSTINGS_MAX && is_taken(day, id, open)) {
        taken = open;
        open *= 2;
    }
    while (open - taken > 1) {
        unsigned middle = taken + (open - taken) / 2;
        if (is_taken(day, id, middle))
            taken = middle;
        else
            open = middle;
    }
    return open;
}

/* Whoever takes a number that was free a moment ago leaves us the next. */
static bool enter_free(int day, const char *unfinished, const char *id, char name[static NAME_MAX_BYTES])
{
    for (unsigned number = find_free(day, id); number <= POSTINGS_MAX; number++) {
        posting_name(name, id, number);
        if (rename_new(day, unfinished, name))
            return true;
        if (errno != EEXIST && errno != ENOTEMPTY)
            return false;
    }
    errno = EMLINK;
    return false;
}

/* name gets what the folder is called, and keeps the id where it could not be made. */
static bool write_folder(int day, const char *id, const struct evidence_folder *f,
                         char name[static NAME_MAX_BYTES])
{
    char unfinished[NAME_MAX_BYTES];
    int folder = make_unfinished(day, id, unfinished);
    if (folder < 0)
        return false;
    bool ok = write_files(folder, f) && enter_free(day, unfinished, id, name);
    int error = errno;
    close(folder);
    if (!ok)
        (void)evidence_remove_unfinished(day, unfinished);
    errno = error;
    return ok && fsync(day) == 0;
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
    char time[CLOCK_RFC3339_SIZE], name[NAME_MAX_BYTES];
    clock_format_rfc3339(received_at, time);
    (void)snprintf(path, EVIDENCE_PATH_MAX_BYTES, "%s", directory);
    errno = EINVAL;
    if (strlen(time) < sizeof "YYYY-MM-DD" || strpbrk(id, "./") != NULL || id[0] == '\0')
        return OUTCOME_TEMPORARY;
    const char *year = time;
    time[4] = time[7] = time[10] = '\0';
    posting_name(name, id, 1);
    int day =
        enter(enter(enter(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), year), time + 5), time + 8);
    bool ok = day >= 0 && write_folder(day, id, folder, name);
    int error = errno;
    if (day >= 0)
        close(day);
    int len =
        snprintf(path, EVIDENCE_PATH_MAX_BYTES, "%s/%s/%s/%s/%s", directory, year, time + 5, time + 8, name);
    bool fits = len > 0 && len < EVIDENCE_PATH_MAX_BYTES;
    errno = fits ? error : ENAMETOOLONG;
    return ok && fits ? OUTCOME_OK : OUTCOME_TEMPORARY;
}

enum outcome evidence_folder_add_answer(const char *path, struct span answer)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0)
        return OUTCOME_TEMPORARY;
    bool ok = write_file(folder, ANSWER_BESIDE, &answer, 1) &&
              rename_new(folder, ANSWER_BESIDE, EVIDENCE_ANSWER) && fsync(folder) == 0;
    int error = errno;
    if (!ok)
        (void)unlinkat(folder, ANSWER_BESIDE, 0);
    close(folder);
    errno = error;
    return ok ? OUTCOME_OK : OUTCOME_TEMPORARY;
}
