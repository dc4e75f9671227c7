/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BYTE_H
#define BYTE_H

#include <stdbool.h>
#include <stddef.h>

/* ASCII, whatever the locale. */
bool byte_is_alpha(char c);
bool byte_is_digit(char c);
bool byte_is_alnum(char c);
bool byte_is_blank(char c);   /* SP, HTAB */
bool byte_is_space(char c);   /* those, CR and LF */
bool byte_is_control(char c); /* below SP, and DEL */
char byte_to_lower(char c);
int byte_hex_value(char c); /* 0..15, or -1; both cases */

enum { BYTE_ESCAPED_MAX = 4 };

/* Printable ASCII stays; everything else, and the backslash, becomes \xHH. How many bytes of out were used.
 */
size_t byte_escape(char c, char out[static BYTE_ESCAPED_MAX]);

#endif
