/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing byte buffer with a limit that is set once. Always NUL-terminated behind len.
 * After the first failed append every later one fails too, so a run of appends needs one check at its end.
 */
#ifndef STRBUF_H
#define STRBUF_H

#include "outcome.h"
#include "span.h"

enum strbuf_error {
    STRBUF_ERROR_NONE = 0,
    STRBUF_ERROR_LIMIT,
    STRBUF_ERROR_MEMORY,
};

struct strbuf {
    char *data; /* owned; NULL until the first append */
    size_t len;
    size_t room;
    size_t limit; /* most bytes it may hold */
    enum strbuf_error error;
};

void strbuf_init(struct strbuf *b, size_t limit_bytes);
void strbuf_clear(struct strbuf *b); /* frees; the buffer can be used again with the same limit */
void strbuf_reset(struct strbuf *b); /* empties, keeps the storage for the next message */
void strbuf_truncate(struct strbuf *b, size_t len); /* drops all behind len; an error stays */

/* Each returns false once the limit is passed or memory is out; a failed append adds nothing. */
bool strbuf_append(struct strbuf *b, struct span s);
bool strbuf_append_string(struct strbuf *b, const char *s);
bool strbuf_append_byte(struct strbuf *b, char c);
bool strbuf_append_format(struct strbuf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/*
 * Printable ASCII stays; everything else, and the backslash, becomes \xHH: nothing of a mail reaches a log
 * unescaped. At the limit the whole escapes that fit stay, so that a limit cuts.
 */
bool strbuf_append_escaped(struct strbuf *b, struct span s);
/* Without SP, HTAB, CR and LF. */
bool strbuf_append_without_space(struct strbuf *b, struct span s);

struct span strbuf_view(const struct strbuf *b);   /* borrowed until the next change */
const char *strbuf_string(const struct strbuf *b); /* never NULL; borrowed until the next change */
char *strbuf_take(struct strbuf *b);               /* hands over the storage (free it); NULL after an error */

#endif
