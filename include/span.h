/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A borrowed run of bytes: not NUL-terminated, may hold NUL, lives as long as what it was cut from.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>

#include "byte.h"

struct span {
    const char *data;
    size_t len;
};

#define SPAN_LITERAL(s) ((struct span){(s), sizeof(s) - 1})

struct span span_from_string(const char *s); /* NULL gives the empty span */
bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a, struct span b); /* ASCII only */
bool span_starts_nocase(struct span s, struct span prefix);
struct span span_slice(struct span s, size_t from, size_t to); /* clamped to s */
bool span_is_ascii(struct span s);
struct span span_trim(struct span s); /* SP, HTAB, CR and LF at both ends */

/* Into out as a string, escaped (byte_escape): whole escapes, as many as fit into size. */
void span_copy_escaped(struct span s, char *out, size_t size);

/* Offset of the first byte at or behind at that is neither white space nor part of a comment (RFC 5322
 * section 3.2.2). A comment that does not end takes everything. */
size_t span_skip_cfws(struct span s, size_t at);

/* Offset of the first needle in s at or after from, or s.len. */
size_t span_find(struct span s, size_t from, struct span needle);
size_t span_find_byte(struct span s, size_t from, char byte);

#endif
