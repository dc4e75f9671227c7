/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 4648: base64 (section 4) and base64url (section 5).
 */
#ifndef BASE64_H
#define BASE64_H

#include "strbuf.h"

enum base64_alphabet {
    BASE64_ALPHABET_STANDARD = 1,
    BASE64_ALPHABET_URL,
};

bool base64_is_url_byte(char c);

/* Appends s encoded with the URL alphabet and no padding. */
bool base64_append_url(struct strbuf *out, struct span s);

/*
 * Appends the bytes that text stands for. Padding may be absent in the URL alphabet, may not in the standard
 * one. Refuses bytes outside the alphabet, white space too, a length that no input has, and stray bits in the
 * last character (RFC 4648 section 3.5). OUTCOME_OK, OUTCOME_BROKEN_INPUT, or OUTCOME_INTERNAL when out is
 * full.
 */
enum outcome base64_decode(struct span text, enum base64_alphabet alphabet, struct strbuf *out) MUST_CHECK;

/* Whether base64_decode would take text; *bytes is then what it would append. Takes no memory. */
bool base64_measure(struct span text, enum base64_alphabet alphabet, size_t *bytes);

#endif
