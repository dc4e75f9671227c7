/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter -t --explain: what was found in a reply and why it was judged so, step by step, for people.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "session.h"

enum { EXPLAIN_MAX_BYTES = 1024 * 1024 };

struct explain_options {
    const char *title; /* the file or folder */
    bool has_colour;
    bool is_record;                         /* the mail was answered already: an evidence folder */
    const struct endpoint_answer *recorded; /* what the ACME server said then; NULL: not known */
};

/* After session_judge. Printable ASCII, blanks and line ends, and colours where they are wanted. False: out
 * of memory, or beyond the limit of out. */
bool explain_append(const struct session *s, const struct session_outcome *outcome,
                    const struct explain_options *options, struct strbuf *out) MUST_CHECK;

/* After session_judge: what an MTA makes of the first defect in the bytes of the mail, so that a milter
 * behind it sees another mail than -t does. NULL: there is none that it changes. */
const char *explain_mta_text(const struct session *s);

#endif
