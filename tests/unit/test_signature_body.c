/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/auth/signature_body.h"

#include "tap.h"

/* By hand, from RFC 6376 sections 3.4.3 to 3.4.5. */
static const struct {
    const char *name, *body;
    size_t simple, relaxed;
} rows[] = {
    {"empty", "", 2, 0},
    {"empty lines only", "\r\n\r\n", 2, 0},
    {"a line", "abc\r\n", 5, 5},
    {"a line without its end", "abc", 5, 5},
    {"empty lines behind", "abc\r\n\r\n\r\n", 5, 5},
    {"empty lines between", "abc\r\n\r\nd\r\n", 10, 10},
    {"RFC 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", 12, 9},
    {"blanks at the end", "abc \t\r\n", 7, 5},
    {"a line of blanks behind", "abc\r\n \t\r\n", 9, 5},
    {"blanks only", " \t", 4, 0},
    {"a blank at the beginning", "\ta\r\n", 4, 4},
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span body = span_from_string(rows[i].body);
        tap_is_int((long long)signature_body_length(body, false), (long long)rows[i].simple, rows[i].name);
        tap_is_int((long long)signature_body_length(body, true), (long long)rows[i].relaxed, rows[i].name);
    }
    return tap_done();
}
