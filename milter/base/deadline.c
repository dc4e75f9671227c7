/* SPDX-License-Identifier: BSD-2-Clause */
#include "deadline.h"

#include "clock.h"

struct deadline deadline_in(int64_t ms)
{
    int64_t now = clock_monotonic_ms();
    return (struct deadline){ms > INT64_MAX - now ? INT64_MAX : now + ms};
}

int64_t deadline_left_ms(struct deadline d)
{
    int64_t left = d.at_ms - clock_monotonic_ms();
    return left > 0 ? left : 0;
}

bool deadline_passed(struct deadline d)
{
    return deadline_left_ms(d) == 0;
}
