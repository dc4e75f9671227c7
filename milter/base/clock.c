/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_wall_seconds(int64_t fixed_time)
{
    return fixed_time != 0 ? fixed_time : (int64_t)time(NULL);
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct deadline deadline_in(int64_t ms)
{
    return (struct deadline){clock_monotonic_ms() + ms};
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

void clock_format_rfc3339(int64_t seconds, char out[static CLOCK_RFC3339_SIZE])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
        return;
    if (strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

/* "+HH:MM" or "Z", to the end of the text. */
static bool parse_offset(const char *text, int *seconds)
{
    *seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0;
    const char *d = text + 1;
    if (sign == 0 || strlen(text) != 6 || d[2] != ':' || strspn(d, "0123456789") != 2 ||
        strspn(d + 3, "0123456789") != 2)
        return false;
    *seconds = sign * (((d[0] - '0') * 10 + (d[1] - '0')) * 3600 + ((d[3] - '0') * 10 + (d[4] - '0')) * 60);
    return true;
}

bool clock_parse_rfc3339(const char *text, int64_t *seconds)
{
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int offset;
    if (rest == NULL || !parse_offset(rest, &offset))
        return false;
    *seconds = (int64_t)timegm(&tm) - offset;
    return true;
}
