/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A borrowed run of bytes: not NUL-terminated, may hold NUL, lives as long as what it was cut from.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>

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
struct span span_trim(struct span s);                          /* SP, HTAB, CR and LF at both ends */

/* Offset of the first needle in s at or after from, or s.len. */
size_t span_find(struct span s, size_t from, struct span needle);
size_t span_find_byte(struct span s, size_t from, char byte);

/* ASCII, whatever the locale. */
bool byte_is_alpha(char c);
bool byte_is_digit(char c);
bool byte_is_alnum(char c);
bool byte_is_blank(char c);   /* SP, HTAB */
bool byte_is_control(char c); /* below SP, and DEL */
char byte_to_lower(char c);
int byte_hex_value(char c); /* 0..15, or -1; both cases */

#endif
