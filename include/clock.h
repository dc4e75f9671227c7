/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wall-clock time for what is judged and recorded, monotonic time for deadlines (deadline.h).
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_RFC3339_SIZE 32

/* Seconds since 1970. fixed_time: the answer if it is not 0 (TestTime). */
int64_t clock_wall_seconds(int64_t fixed_time);

/* Milliseconds, and microseconds, on a clock that never goes back. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* UTC, "2026-11-24T05:00:00Z"; an empty string for a year outside 1..9999. */
void clock_format_rfc3339(int64_t seconds, char out[static CLOCK_RFC3339_SIZE]);
/* The same form back; "Z" and numeric offsets are understood. False for a moment that no calendar has. */
bool clock_parse_rfc3339(const char *text, int64_t *seconds);

#endif
