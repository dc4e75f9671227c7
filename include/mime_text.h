/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text/plain that a person wrote: MIME structure, transfer encodings, charsets and format=flowed undone
 * (RFC 2045, 2046, 3676), all within limits. HTML is never read.
 */
#ifndef MIME_TEXT_H
#define MIME_TEXT_H

#include "message.h"

struct mime_limits {
    unsigned max_depth; /* nested multiparts; a plain text/plain mail has depth 0 */
    unsigned max_parts; /* body parts of all levels */
};

enum { MIME_TYPE_MAX_BYTES = 80 };

struct mime_text {
    struct strbuf text; /* owned: UTF-8, lines end in LF */
    char top_type[MIME_TYPE_MAX_BYTES +
                  1];    /* "multipart/mixed", lower case; "text/plain" if the mail names none */
    bool is_allowed_top; /* text/plain or multipart/alternative: RFC 8823 section 3.2 (7) */
    bool is_report;      /* multipart/report, or a message/delivery-status at the top */
    bool is_too_deep;    /* max_depth was passed */
    bool has_too_many;   /* max_parts was passed */
    const char *why;     /* constant text: why there is no text; NULL when there is */
};

void mime_text_init(struct mime_text *t, size_t max_text_bytes);
void mime_text_clear(struct mime_text *t);

/*
 * Finds and decodes the first text/plain part that is not an attachment; not inside message/rfc822.
 * OUTCOME_OK; OUTCOME_ABSENT: there is none; OUTCOME_BROKEN_INPUT: unknown charset or transfer encoding,
 * malformed encoding, duplicated or malformed Content-* fields in a part, a limit passed; OUTCOME_INTERNAL:
 * out of memory.
 */
enum outcome mime_text_extract(const struct message *m, const struct mime_limits *limits,
                               struct mime_text *out) MUST_CHECK;

#endif
