/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"
#include "evidence_chain.h"
#include "evidence_log_tail.h"
#include "log.h"

enum {
    LOG_MODE = 0640,
    LEFT_MODE = 0440,
    WAIT_MS = 2000, /* for another process that writes the same file, or moves it */
    NAP_MS = 2,
};

/* Somebody whose line is in the file and has to be on disk. It lies on the stack of who waits. */
struct waiter {
    struct waiter *next;
    bool is_done;
    int error; /* 0: the line is on disk */
};

struct evidence_log {
    pthread_mutex_t lock; /* of all below but references */
    char *path;
    int fd;
    off_t end; /* behind the last line that last is of; -1: not looked at yet */
    char last[EVIDENCE_LOG_HASH_SIZE];
    unsigned references;
    struct waiter *waiting; /* for an fdatasync that has not begun; all their lines are in fd */
    bool is_syncing;        /* a thread is in fdatasync, without the lock */
    pthread_cond_t synced;
};

/* So that a file that was just made still has its name after a power cut. Who may not read the folder cannot.
 */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* A FIFO in its place must not hold us. */
static int open_log(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, LOG_MODE);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
        sync_folder(path);
    return fd;
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = NAP_MS * 1000000L};
    (void)nanosleep(&time, NULL);
}

static bool lock_file(int fd)
{
    struct deadline deadline = deadline_in(WAIT_MS);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || deadline_passed(deadline))
            return false;
        nap();
    }
    return true;
}

static void unlock_file(int fd)
{
    (void)flock(fd, LOCK_UN);
}

static void add_place(struct log_line *line, const struct evidence_log *log, off_t offset, off_t bytes)
{
    log_line_add_string(line, "file", log->path);
    log_line_add_number(line, "offset", offset);
    log_line_add_number(line, "bytes", bytes);
}

static void tell_garbage(const struct evidence_log *log, off_t offset, off_t bytes)
{
    struct log_line line;
    log_line_begin(&line, "evidence-log");
    log_line_add_string(&line, "reason", "garbage");
    add_place(&line, log, offset, bytes);
    log_line_write(&line, LOG_LEVEL_WARNING);
}

static void tell_torn(const struct evidence_log *log, off_t offset, off_t bytes)
{
    struct log_line line;
    log_line_begin(&line, "evidence-log");
    log_line_add_string(&line, "reason", "torn");
    add_place(&line, log, offset, bytes);
    log_line_write(&line, LOG_LEVEL_WARNING);
}

/* Takes the last good line's hash, and sees to it that the next line begins behind a line end. */
static bool read_end(struct evidence_log *log, off_t size)
{
    struct evidence_log_tail tail;
    log->end = -1;
    if (!evidence_log_read_tail(log->fd, size, &tail))
        return false;
    off_t end = tail.is_open ? size : tail.lines_end;
    if (end > tail.good_end)
        tell_garbage(log, tail.good_end, end - tail.good_end);
    if (tail.is_open && write(log->fd, "\n", 1) != 1)
        return false;
    if (size > end) {
        tell_torn(log, end, size - end);
        if (ftruncate(log->fd, end) != 0)
            return false;
    }
    if (tail.good_end > 0)
        memcpy(log->last, tail.hash, sizeof log->last);
    log->end = end + (tail.is_open ? 1 : 0);
    return true;
}

/* What others added since. A file that is empty carries on with the line that is known from before. */
static bool catch_up(struct evidence_log *log)
{
    struct stat status;
    if (fstat(log->fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode) || status.st_size == log->end)
        return true;
    if (status.st_size > 0)
        return read_end(log, status.st_size);
    log->end = 0;
    return true;
}

/* What bears the log's name now. */
enum holder {
    HOLDER_NONE = 0,
    HOLDER_OTHER,
    HOLDER_OURS,
};

static enum holder name_holder(const struct evidence_log *log)
{
    struct stat named, ours;
    if (stat(log->path, &named) != 0)
        return HOLDER_NONE;
    bool is_ours = fstat(log->fd, &ours) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
    return is_ours ? HOLDER_OURS : HOLDER_OTHER;
}

/* Whoever leaves a file that was moved away first makes it read-only: then nobody adds to it any more. */
static bool is_left(const struct evidence_log *log)
{
    struct stat status;
    return fstat(log->fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IWUSR) == 0;
}

/* PATH.last, for whoever finds the file empty and has no memory of another: the next start. */
static int open_note(const struct evidence_log *log, int flags)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s" EVIDENCE_LOG_NOTE, log->path);
    return len > 0 && (size_t)len < sizeof path
               ? open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, LOG_MODE)
               : -1;
}

/* Where it cannot be written, as in a folder of somebody else's, the next start begins a new chain at worst.
 */
static void write_note(const struct evidence_log *log)
{
    int fd = open_note(log, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return;
    (void)dprintf(fd, "%s\n", log->last);
    close(fd);
}

static void read_note(struct evidence_log *log)
{
    char text[EVIDENCE_LOG_HASH_SIZE + 1];
    int fd = open_note(log, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        close(fd);
    if (n != EVIDENCE_LOG_HASH_SIZE || text[n - 1] != '\n')
        return;
    text[n - 1] = '\0';
    if (evidence_chain_is_hash(span_from_string(text)))
        memcpy(log->last, text, sizeof log->last);
}

/* Regular files and devices: the latter have no disk to wait for. 0, or errno. */
static int sync_file(int fd)
{
    return fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
}

static struct waiter *take_waiting(struct evidence_log *log)
{
    struct waiter *waiting = log->waiting;
    log->waiting = NULL;
    return waiting;
}

static void release(struct evidence_log *log, struct waiter *waiting, int error)
{
    while (waiting != NULL) {
        struct waiter *next = waiting->next; /* it is gone once it is done */
        waiting->error = error;
        waiting->is_done = true;
        waiting = next;
    }
    (void)pthread_cond_broadcast(&log->synced);
}

/* One fdatasync for all who wait now; those who come meanwhile have the next. fd is ours if the file is left.
 */
static void sync_waiting(struct evidence_log *log)
{
    struct waiter *waiting = take_waiting(log);
    int fd = fcntl(log->fd, F_DUPFD_CLOEXEC, 0);
    int error = fd >= 0 ? 0 : errno;
    log->is_syncing = true;
    pthread_mutex_unlock(&log->lock);
    if (fd >= 0) {
        error = sync_file(fd);
        close(fd);
    }
    pthread_mutex_lock(&log->lock);
    log->is_syncing = false;
    release(log, waiting, error);
}

/* The line that was just written, with the lock still held. 0, or errno. */
static int wait_for_disk(struct evidence_log *log)
{
    struct waiter w = {.next = log->waiting};
    log->waiting = &w;
    while (!w.is_done) {
        if (log->is_syncing)
            (void)pthread_cond_wait(&log->synced, &log->lock);
        else
            sync_waiting(log);
    }
    return w.error;
}

static void take_file(struct evidence_log *log, int fd)
{
    if (log->waiting != NULL)
        release(log, take_waiting(log), sync_file(log->fd));
    if (log->fd >= 0) {
        unlock_file(log->fd); /* a child that was forked meanwhile may still have it open */
        close(log->fd);
    }
    log->fd = fd;
    log->end = -1;
}

/*
 * From a file that was moved away, whose lock we have and whose end we know, to the one of that name. Only
 * its first leaver knows the last line of the chain; the others take it from his note, or from the new file.
 */
static bool leave(struct evidence_log *log)
{
    bool is_first = !is_left(log);
    if (is_first)
        write_note(log);
    int fd = open_log(log->path);
    if (fd < 0)
        return false;
    if (is_first)
        (void)fchmod(log->fd, LEFT_MODE);
    else
        read_note(log);
    take_file(log, fd);
    return true;
}

/* Locks the file that may be written, and knows its last line. */
static bool begin(struct evidence_log *log)
{
    struct deadline deadline = deadline_in(WAIT_MS);
    while (lock_file(log->fd)) {
        if (!catch_up(log))
            break;
        enum holder holder = name_holder(log);
        bool may_stay = holder == HOLDER_OURS || !is_left(log);
        if (may_stay && holder != HOLDER_OTHER)
            return true;
        if (holder == HOLDER_OTHER && !leave(log) && may_stay)
            return true;
        unlock_file(log->fd);
        if (deadline_passed(deadline)) {
            errno = EWOULDBLOCK;
            return false;
        }
        nap();
    }
    int error = errno;
    unlock_file(log->fd);
    errno = error;
    return false;
}

static struct evidence_log *new_log(const char *path)
{
    struct evidence_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    (void)pthread_mutex_init(&log->lock, NULL); /* neither can fail on Linux */
    (void)pthread_cond_init(&log->synced, NULL);
    log->fd = -1;
    log->references = 1;
    memcpy(log->last, EVIDENCE_LOG_START, sizeof log->last);
    log->path = strdup(path);
    if (log->path != NULL)
        return log;
    evidence_log_close(log);
    return NULL;
}

struct evidence_log *evidence_log_open(const char *path, char *error, size_t error_size)
{
    struct evidence_log *log = new_log(path);
    if (log == NULL) {
        (void)snprintf(error, error_size, "%s: out of memory", path);
        return NULL;
    }
    log->fd = open_log(path);
    read_note(log); /* after the file was opened: the note is written before a new one is made */
    if (log->fd < 0) {
        (void)snprintf(error, error_size, "%s: %s", path, strerrordesc_np(errno));
    } else if (!begin(log)) {
        (void)snprintf(error, error_size, "%s: %s", path,
                       errno == EBADMSG       ? "no line of an evidence log near its end"
                       : errno == EWOULDBLOCK ? "another process has it locked"
                                              : strerrordesc_np(errno));
    } else {
        unlock_file(log->fd);
        return log;
    }
    evidence_log_close(log);
    return NULL;
}

struct evidence_log *evidence_log_ref(struct evidence_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->references++;
    pthread_mutex_unlock(&log->lock);
    return log;
}

void evidence_log_close(struct evidence_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    bool is_last = --log->references == 0;
    pthread_mutex_unlock(&log->lock);
    if (!is_last)
        return;
    take_file(log, -1);
    (void)pthread_cond_destroy(&log->synced);
    (void)pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

const char *evidence_log_path(const struct evidence_log *log)
{
    return log->path;
}

void evidence_log_last(struct evidence_log *log, char hash[static EVIDENCE_LOG_HASH_SIZE])
{
    pthread_mutex_lock(&log->lock);
    memcpy(hash, log->last, EVIDENCE_LOG_HASH_SIZE);
    pthread_mutex_unlock(&log->lock);
}

bool evidence_log_reopen(struct evidence_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool ok = lock_file(log->fd) && catch_up(log) && (name_holder(log) == HOLDER_OURS || leave(log));
    unlock_file(log->fd);
    ok = ok && begin(log);
    unlock_file(log->fd);
    pthread_mutex_unlock(&log->lock);
    return ok;
}

void evidence_log_note(struct evidence_log *log)
{
    pthread_mutex_lock(&log->lock);
    if (lock_file(log->fd)) {
        if (catch_up(log))
            write_note(log);
        unlock_file(log->fd);
    }
    pthread_mutex_unlock(&log->lock);
}

/* Whole or not at all: a line that a full disk cut is taken back. */
static bool write_line(struct evidence_log *log, const char *line)
{
    union {
        const char *read;
        char *given;
    } text = {.read = line}, end = {.read = "\n"};
    size_t len = strlen(line);
    struct iovec parts[] = {{text.given, len}, {end.given, 1}};
    char hash[EVIDENCE_LOG_HASH_SIZE];
    if (!evidence_chain_hash((struct span){line, len}, hash))
        return false;
    ssize_t written = writev(log->fd, parts, 2);
    if (written == (ssize_t)len + 1) {
        memcpy(log->last, hash, sizeof hash);
        log->end = log->end >= 0 ? log->end + written : -1;
        return true;
    }
    int error = written < 0 ? errno : ENOSPC;
    if (written > 0 && (log->end < 0 || ftruncate(log->fd, log->end) != 0))
        log->end = -1;
    errno = error;
    return false;
}

enum outcome evidence_log_append(struct evidence_log *log, struct span result,
                                 const struct crypto_signing_key *key, enum evidence_log_promise promise)
{
    int error = 0;
    pthread_mutex_lock(&log->lock);
    bool ok = begin(log);
    if (!ok) {
        error = errno;
    } else {
        errno = ENOMEM;
        char *line = evidence_chain_line(result, log->last, key);
        ok = line != NULL && write_line(log, line);
        error = errno;
        free(line);
        unlock_file(log->fd);
    }
    if (ok)
        error = promise == EVIDENCE_LOG_PROMISE_ON_DISK ? wait_for_disk(log) : 0;
    pthread_mutex_unlock(&log->lock);
    errno = error;
    return error == 0 ? OUTCOME_OK : OUTCOME_TEMPORARY;
}
