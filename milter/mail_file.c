/* SPDX-License-Identifier: BSD-2-Clause */
#include "mail_file.h"

enum { CHUNK_BYTES = 65536 };

/* The end of the line that begins at from, without its CRLF; *next is behind it. */
static size_t line_end(struct span mail, size_t from, size_t *next)
{
    size_t end = span_find(mail, from, SPAN_LITERAL("\r\n"));
    *next = end < mail.len ? end + 2 : mail.len;
    return end;
}

static void pass_field(struct session *s, struct span field)
{
    size_t colon = span_find_byte(field, 0, ':');
    if (colon == field.len || byte_is_blank(field.data[0])) {
        session_header_defect(s, MESSAGE_DEFECT_NO_COLON, span_slice(field, 0, 64));
        return;
    }
    session_header(s, span_slice(field, 0, colon), span_slice(field, colon + 1, field.len));
}

/* Feeds the header, field by field; the offset of the body. */
static size_t pass_header(struct session *s, struct span mail)
{
    size_t from = 0;
    while (from < mail.len) {
        size_t next;
        size_t end = line_end(mail, from, &next);
        if (end == from)
            return next;
        while (next < mail.len && byte_is_blank(mail.data[next]))
            end = line_end(mail, next, &next);
        pass_field(s, span_slice(mail, from, end));
        from = next;
    }
    return from;
}

static void pass_body(struct session *s, struct span body)
{
    for (size_t from = 0; from < body.len; from += CHUNK_BYTES)
        if (!session_body(s, span_slice(body, from, from + CHUNK_BYTES)))
            return;
}

void mail_file_feed(struct session *s, struct span mail)
{
    size_t body = pass_header(s, mail);
    session_end_of_header(s);
    pass_body(s, span_slice(mail, body, mail.len));
}
