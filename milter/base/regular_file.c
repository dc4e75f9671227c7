/* SPDX-License-Identifier: BSD-2-Clause */
#include "regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the system has no number for: it is there, and is no regular file. */
enum { NOT_REGULAR = EMEDIUMTYPE };

int regular_file_open(int folder, const char *name, int flags)
{
    struct stat status;
    int fd = openat(folder, name, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        if (errno == ENXIO) /* a socket */
            errno = NOT_REGULAR;
        return -1;
    }
    bool is_known = fstat(fd, &status) == 0;
    if (is_known && S_ISREG(status.st_mode))
        return fd;
    int error = !is_known ? errno : S_ISDIR(status.st_mode) ? EISDIR : NOT_REGULAR;
    close(fd);
    errno = error;
    return -1;
}

FILE *regular_file_stream(const char *path)
{
    int fd = regular_file_open(AT_FDCWD, path, 0);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

bool regular_file_read(int fd, struct strbuf *out)
{
    char chunk[BUFSIZ];
    ssize_t n = -1;
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || !strbuf_append(out, (struct span){chunk, (size_t)n}))
            break;
    }
    int error = n > 0 ? (out->error == STRBUF_ERROR_LIMIT ? EFBIG : ENOMEM) : errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return n == 0;
}

const char *regular_file_why(int error)
{
    if (error == NOT_REGULAR)
        return "not a regular file";
    return error == ELOOP ? "a symbolic link, which is not followed" : strerrordesc_np(error);
}
