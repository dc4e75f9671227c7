/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdint.h>

#include "span.h"

/* Reads the code point at offset at (< s.len): its length in bytes, or 0 where the bytes are malformed or
 * cut. */
size_t utf8_decode(struct span s, size_t at, uint32_t *code);
bool utf8_is_valid(struct span s);
/* Controls, blanks other than the space, and code points that are not seen or change the order of others. */
bool utf8_is_hidden(uint32_t code);

/* Offset of the first byte at or after from that is not printable ASCII (a control, DEL or 8-bit), or s.len.
 */
size_t utf8_skip_printable(struct span s, size_t from);

#endif
