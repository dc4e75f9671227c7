/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes JSON (RFC 8259) as one line of text, member by member. All escaping of what came from the network
 * lives here. A failure stays: it is asked for once, of text.error, at the end.
 */
#ifndef RESULT_WRITER_H
#define RESULT_WRITER_H

#include <stdint.h>

#include "strbuf.h"

/* Nothing that comes from a mail need be longer than a line of one (RFC 5322 section 2.1.1). */
enum { RESULT_WRITER_TEXT_MAX_BYTES = 1024 };

struct result_writer {
    struct strbuf *text;  /* borrowed */
    bool is_behind_value; /* the next one needs a comma */
};

/* name is one of ours, in printable ASCII without '"' and '\\', or NULL in an array and for the outermost. */
void result_writer_open(struct result_writer *w, const char *name, char bracket);
void result_writer_close(struct result_writer *w, char bracket);

/*
 * A string: each byte that is no part of well-formed UTF-8 becomes U+FFFD; cut between two characters at
 * RESULT_WRITER_TEXT_MAX_BYTES.
 */
void result_writer_text(struct result_writer *w, const char *name, struct span value);
void result_writer_null(struct result_writer *w, const char *name);
void result_writer_bool(struct result_writer *w, const char *name, bool value);
void result_writer_integer(struct result_writer *w, const char *name, int64_t value);

#endif
