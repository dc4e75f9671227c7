/* SPDX-License-Identifier: BSD-2-Clause */
#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum { TEXT_BYTES = 32, FILE_MODE = 0644 };

static bool write_own_pid(int fd)
{
    char text[TEXT_BYTES];
    struct stat status;
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (fd < 0 || fstat(fd, &status) != 0)
        return false;
    errno = EINVAL;
    return S_ISREG(status.st_mode) && ftruncate(fd, 0) == 0 && write(fd, text, (size_t)len) == len;
}

bool pid_file_write(struct pid_file *f, const char *path)
{
    *f = (struct pid_file){.path = path, .fd = -1};
    if (path == NULL)
        return true;
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    return write_own_pid(f->fd);
}

void pid_file_remove(struct pid_file *f)
{
    if (f->path != NULL && f->fd >= 0 && unlink(f->path) != 0 && ftruncate(f->fd, 0) != 0)
        log_write_event(LOG_LEVEL_WARNING, "pid-file",
                        (const char *[]){"path", f->path, "error", strerrordesc_np(errno), NULL});
}
