/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* A moment on the monotonic clock. */
struct deadline {
    int64_t at_ms;
};

struct deadline deadline_in(int64_t ms);
int64_t deadline_left_ms(struct deadline d); /* never negative */
bool deadline_passed(struct deadline d);

#endif
