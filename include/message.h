/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mail: its header fields in order and its body, with every limit that applies to them. It copies what it
 * is given (libmilter's buffers end with the callback) and keeps its storage from one message to the next.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "strbuf.h"

enum { MESSAGE_NAME_MAX_BYTES = 256 };

struct message_limits {
    size_t max_bytes;  /* header and body together, with line ends */
    size_t max_fields; /* header fields */
};

/* What was wrong with its bytes: the first of each kind is enough. */
enum message_defect {
    MESSAGE_DEFECT_NONE = 0,
    MESSAGE_DEFECT_NUL,
    MESSAGE_DEFECT_CONTROL,
    MESSAGE_DEFECT_BARE_CR,
    MESSAGE_DEFECT_BARE_LF,
    MESSAGE_DEFECT_NO_COLON,   /* a header line without one, or an orphan continuation line */
    MESSAGE_DEFECT_FIELD_NAME, /* blank before the colon, or bytes that no field name has */
};

struct message_field {
    struct span name;  /* as received */
    struct span value; /* all behind the colon, leading blank included, folds as CRLF + WSP, no final CRLF */
};

struct message;

struct message *message_new(const struct message_limits *limits); /* NULL: out of memory */
void message_free(struct message *m);

/*
 * Adds the next header field. value: LF or CRLF before a blank is a fold. Malformed input is kept as far as
 * it can be and noted (message_defect). OUTCOME_OK; OUTCOME_REJECTED once a limit is passed (the message is
 * then truncated); OUTCOME_INTERNAL: out of memory.
 */
enum outcome message_add_field(struct message *m, struct span name, struct span value) MUST_CHECK;
/* A header line that is no field (mail files; an MTA never passes one). */
void message_note_defect(struct message *m, enum message_defect defect, struct span where);
/* The next piece of body, CRLF line ends; pieces may end anywhere. Same outcomes. */
enum outcome message_add_body(struct message *m, struct span piece) MUST_CHECK;
/* All of the body has been added: what depends on its end (a bare CR as its last byte) is settled. */
void message_end(struct message *m);

size_t message_field_count(const struct message *m);
struct message_field message_field_at(const struct message *m, size_t index);
/* Whether its value is UTF-8, ASCII included. What is not is no defect by itself: it depends on the field. */
bool message_is_utf8(const struct message *m, size_t index);
size_t message_count(const struct message *m, struct span name);
/* The first field of that name; false if there is none. Names are compared without case. */
bool message_find(const struct message *m, struct span name, struct message_field *out);
struct span message_header_bytes(const struct message *m); /* every field with its CRLF, no empty line */
struct span message_body(const struct message *m);
size_t message_bytes(const struct message *m);
size_t message_held_bytes(const struct message *m); /* of memory, with what is in reserve */

/* The first defect and where it was ("header field Subject", "body line 12"), for the finding's detail. */
enum message_defect message_defect(const struct message *m, const char **where);
const char *message_defect_text(enum message_defect defect);
bool message_is_too_large(const struct message *m);
bool message_has_too_many_fields(const struct message *m);
bool message_is_cut(const struct message *m); /* either: what follows the limit was not kept */

#endif
