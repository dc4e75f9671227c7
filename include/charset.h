/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text in the charsets that mail programs send, to UTF-8. Only names of a fixed table reach iconv.
 */
#ifndef CHARSET_H
#define CHARSET_H

#include "strbuf.h"

enum { CHARSET_NAME_MAX_BYTES = 40 };

bool charset_is_known(struct span name);
/* UTF-8 or US-ASCII: what RFC 8823 section 3.1 allows in a Subject. */
bool charset_is_native(struct span name);

/*
 * Appends bytes as UTF-8. A byte that has no meaning in the charset becomes U+FFFD: a broken umlaut beside
 * the block is no lie. OUTCOME_OK; OUTCOME_BROKEN_INPUT: unknown charset; OUTCOME_INTERNAL: out is full or
 * memory is out.
 */
enum outcome charset_to_utf8(struct span name, struct span bytes, struct strbuf *out) MUST_CHECK;

#endif
