/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test Anything Protocol for our unit tests: tests go on after a failure, the process ends with tap_done().
 *
 *     int main(void)
 *     {
 *         tap_ok(1 + 1 == 2, "sums: %s", "two");
 *         tap_is_string(got, "want", "name");
 *         return tap_done();
 *     }
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* Each returns whether the test passed. name is a printf format without arguments but for tap_ok. */
bool tap_ok(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool tap_is_string(const char *got, const char *want, const char *name); /* NULL equals NULL */
bool tap_is_int(long long got, long long want, const char *name);
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tap_skip(const char *name, const char *why);
int tap_done(void);

#endif
