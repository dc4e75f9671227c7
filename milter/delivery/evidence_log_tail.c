/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence_log_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evidence_chain.h"

enum { WINDOW_BYTES = 2 * (EVIDENCE_LOG_LINE_MAX_BYTES + 1), SEARCH_MAX_BYTES = 64 * 1024 * 1024 };

/* A part of the file. */
struct window {
    char *bytes; /* owned, WINDOW_BYTES */
    off_t from;
    size_t len;
};

static bool read_window(int fd, off_t end, struct window *w)
{
    w->from = end > WINDOW_BYTES ? end - WINDOW_BYTES : 0;
    w->len = (size_t)(end - w->from);
    for (size_t done = 0; done < w->len;) {
        ssize_t n = pread(fd, w->bytes + done, w->len - done, w->from + (off_t)done);
        if (n == 0)
            errno = EIO;
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Behind the last line end in s, or 0. */
static size_t after_last_line(struct span s)
{
    const char *end = s.len > 0 ? memrchr(s.data, '\n', s.len) : NULL;
    return end != NULL ? (size_t)(end - s.data) + 1 : 0;
}

/*
 * The last good line that lies in the window whole. OUTCOME_ABSENT: none; *end is then where what is not
 * looked at yet ends.
 */
static enum outcome find_good(const struct window *w, size_t *end, char hash[static EVIDENCE_LOG_HASH_SIZE])
{
    const struct span text = {w->bytes, w->len};
    *end = after_last_line(text);
    while (*end > 0) {
        size_t begin = after_last_line(span_slice(text, 0, *end - 1));
        struct span line = span_slice(text, begin, *end - 1);
        if (begin == 0 && w->from > 0)
            break;
        if (line.len <= EVIDENCE_LOG_LINE_MAX_BYTES && evidence_chain_read(line, hash))
            return evidence_chain_hash(line, hash) ? OUTCOME_OK : OUTCOME_INTERNAL;
        *end = begin;
    }
    if (*end == w->len) /* one line that is longer than any of ours */
        *end = 0;
    return OUTCOME_ABSENT;
}

static bool search(int fd, off_t size, struct window *w, struct evidence_log_tail *tail)
{
    off_t upto = size;
    do {
        size_t end;
        if (!read_window(fd, upto, w))
            return false;
        if (upto == size) {
            tail->lines_end = w->from + (off_t)after_last_line((struct span){w->bytes, w->len});
            tail->is_open = size - tail->lines_end > EVIDENCE_LOG_LINE_MAX_BYTES;
        }
        enum outcome outcome = find_good(w, &end, tail->hash);
        tail->good_end = outcome == OUTCOME_OK ? w->from + (off_t)end : 0;
        if (outcome != OUTCOME_ABSENT) {
            errno = ENOMEM;
            return outcome == OUTCOME_OK;
        }
        upto = w->from + (off_t)end;
    } while (w->from > 0 && size - w->from < SEARCH_MAX_BYTES);
    errno = EBADMSG;
    return w->from == 0;
}

bool evidence_log_read_tail(int fd, off_t size, struct evidence_log_tail *tail)
{
    struct window w = {.bytes = malloc(WINDOW_BYTES)};
    bool ok = w.bytes != NULL && search(fd, size, &w, tail);
    free(w.bytes);
    return ok;
}
