/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encoded-words of unstructured fields: RFC 2047 section 5 (1), with the language suffix of RFC 2231
 * section 5.
 */
#ifndef ENCODED_WORD_H
#define ENCODED_WORD_H

#include "strbuf.h"

/*
 * Appends an unfolded field body with its encoded-words decoded, as UTF-8. White space between adjacent
 * encoded-words is dropped, and neighbours of one charset are joined before they are converted, for some
 * programs cut a character in two. What is not a well-formed encoded-word in a known charset stays as it
 * stands. *is_foreign: a charset other than UTF-8 and US-ASCII was named. OUTCOME_OK, or OUTCOME_INTERNAL.
 */
enum outcome encoded_word_decode(struct span text, struct strbuf *out, bool *is_foreign) MUST_CHECK;

#endif
