/* SPDX-License-Identifier: BSD-2-Clause */
#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "path_actor.h"

enum { TEXT_BYTES = 32, FILE_MODE = 0644 };

/* What it holds now; false where that is too long for a number. */
static bool read_text(int fd, char text[static TEXT_BYTES])
{
    ssize_t len = pread(fd, text, TEXT_BYTES, 0);
    if (len < 0 || len == TEXT_BYTES)
        return false;
    text[len] = '\0';
    return true;
}

/* Nothing, or a number: a file that was named by mistake must not be emptied. */
static bool holds_pid(int fd)
{
    char text[TEXT_BYTES];
    return read_text(fd, text) && text[strspn(text, "0123456789\n")] == '\0';
}

static int format_own_pid(char text[static TEXT_BYTES])
{
    return snprintf(text, TEXT_BYTES, "%ld\n", (long)getpid());
}

static bool write_own_pid(int fd)
{
    char text[TEXT_BYTES];
    struct stat status;
    int len = format_own_pid(text);
    if (fd < 0 || fstat(fd, &status) != 0)
        return false;
    errno = EINVAL;
    if (!S_ISREG(status.st_mode))
        return false;
    errno = EEXIST;
    return holds_pid(fd) && ftruncate(fd, 0) == 0 && write(fd, text, (size_t)len) == len;
}

/* Not a successor's, who may have started while we let replies end. */
static bool holds_own_pid(int fd)
{
    char text[TEXT_BYTES], own[TEXT_BYTES];
    (void)format_own_pid(own);
    return read_text(fd, text) && strcmp(text, own) == 0;
}

bool pid_file_write(struct pid_file *f, const char *path, const struct privileges *p)
{
    struct path_actor actor;
    *f = (struct pid_file){.path = path, .fd = -1};
    if (path == NULL)
        return true;
    if (!path_actor_begin(&actor, p, path))
        return false;
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
    path_actor_end(&actor);
    if (write_own_pid(f->fd))
        return true;
    int error = errno;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1; /* it is not ours to remove */
    errno = error;
    return false;
}

static bool remove_name(const struct pid_file *f, const struct privileges *p)
{
    struct path_actor actor;
    if (!path_actor_begin(&actor, p, f->path))
        return false;
    bool ok = unlink(f->path) == 0;
    path_actor_end(&actor);
    return ok;
}

void pid_file_remove(const struct pid_file *f, const struct privileges *p)
{
    if (f->path != NULL && f->fd >= 0 && holds_own_pid(f->fd) && !remove_name(f, p) &&
        ftruncate(f->fd, 0) != 0)
        log_write_event(LOG_LEVEL_WARNING, "pid-file",
                        (const char *[]){"path", f->path, "error", strerrordesc_np(errno), NULL});
}
