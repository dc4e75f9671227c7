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
#include "log.h"

enum {
    LOG_MODE = 0640,
    LEFT_MODE = 0440,
    WAIT_MS = 2000, /* for another process that writes the same file, or moves it */
    NAP_MS = 2,
    TAIL_MAX_BYTES = 2 * (EVIDENCE_LOG_LINE_MAX_BYTES + 1),
};

struct evidence_log {
    pthread_mutex_t lock; /* of all below but references */
    char *path;
    int fd;
    off_t end; /* behind the last line that last is of; -1: not looked at yet */
    char last[EVIDENCE_LOG_HASH_SIZE];
    unsigned references;
};

static int open_log(const char *path)
{
    return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, LOG_MODE);
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

/* The last bytes of the file, at most TAIL_MAX_BYTES. free() it. */
static char *read_tail(int fd, off_t size, size_t *len)
{
    *len = size < TAIL_MAX_BYTES ? (size_t)size : TAIL_MAX_BYTES;
    char *tail = malloc(*len);
    for (size_t done = 0; tail != NULL && done < *len;) {
        ssize_t n = pread(fd, tail + done, *len - done, size - (off_t)(*len - done));
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            free(tail);
            tail = NULL;
        }
    }
    return tail;
}

/* Behind the last line end in s, or 0. */
static size_t after_last_line(struct span s)
{
    while (s.len > 0 && s.data[s.len - 1] != '\n')
        s.len--;
    return s.len;
}

/* Takes the last line's hash, and a piece of one away that a crash left behind it. */
static bool read_end(struct evidence_log *log, off_t size)
{
    size_t len;
    char *tail = read_tail(log->fd, size, &len);
    if (tail == NULL)
        return false;
    struct span text = {tail, len};
    size_t end = after_last_line(text);
    size_t begin = end > 0 ? after_last_line(span_slice(text, 0, end - 1)) : 0;
    bool is_whole_file = size == (off_t)len;
    bool ok = (end > 0 || is_whole_file) && (begin > 0 || is_whole_file) &&
              len - end <= EVIDENCE_LOG_LINE_MAX_BYTES && end - begin <= EVIDENCE_LOG_LINE_MAX_BYTES + 1;
    if (ok && end < len) {
        log_write(LOG_LEVEL_WARNING, "evidence-log reason=torn bytes=%zu", len - end);
        ok = ftruncate(log->fd, size - (off_t)(len - end)) == 0;
    }
    if (ok && end > 0)
        ok = evidence_chain_hash(span_slice(text, begin, end - 1), log->last);
    log->end = ok ? size - (off_t)(len - end) : -1;
    free(tail);
    return ok;
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

static void take_file(struct evidence_log *log, int fd)
{
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
        if (deadline_passed(deadline))
            return false;
        nap();
    }
    unlock_file(log->fd);
    return false;
}

static struct evidence_log *new_log(const char *path)
{
    struct evidence_log *log = calloc(1, sizeof *log);
    if (log == NULL || pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return NULL;
    }
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
        (void)snprintf(error, error_size, "%s: its end is no line of an evidence log, or it is locked", path);
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
    if (written > 0 && (log->end < 0 || ftruncate(log->fd, log->end) != 0))
        log->end = -1;
    return false;
}

enum outcome evidence_log_append(struct evidence_log *log, struct span result,
                                 const struct crypto_signing_key *key)
{
    pthread_mutex_lock(&log->lock);
    bool ok = begin(log);
    if (ok) {
        char *line = evidence_chain_line(result, log->last, key);
        ok = line != NULL && write_line(log, line);
        free(line);
        unlock_file(log->fd);
    }
    pthread_mutex_unlock(&log->lock);
    return ok ? OUTCOME_OK : OUTCOME_TEMPORARY;
}
