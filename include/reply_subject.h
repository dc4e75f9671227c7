/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * token-part1 out of the Subject of a reply (RFC 8823 section 3.2 (1)): unfolding, RFC 2047 encoded-words
 * with RFC 2231 language tags, any reply prefix, white space inside the token.
 */
#ifndef REPLY_SUBJECT_H
#define REPLY_SUBJECT_H

#include "outcome.h"
#include "span.h"

enum { REPLY_TOKEN_MAX_BYTES = 128, REPLY_SUBJECT_MAX_BYTES = 8192 };

struct reply_subject {
    char token[REPLY_TOKEN_MAX_BYTES + 1]; /* white space removed, padding as received */
    unsigned token_bits; /* what base64url decoding yields: characters without padding x 6, whole bytes */
    bool has_foreign_charset; /* an encoded-word in a charset other than UTF-8 and US-ASCII */
};

/* OUTCOME_OK; OUTCOME_ABSENT: no "ACME:" followed by a token; OUTCOME_BROKEN_INPUT: labels with different
 * tokens. */
enum outcome reply_subject_parse(struct span field_body, struct reply_subject *out,
                                 const char **why) MUST_CHECK;

#endif
