/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_wall_seconds(int64_t fixed_time)
{
    return fixed_time != 0 ? fixed_time : (int64_t)time(NULL);
}

int64_t clock_monotonic_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

void clock_format_rfc3339(int64_t seconds, char out[static CLOCK_RFC3339_SIZE])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
        return;
    /* %Y would not pad the year */
    int len = snprintf(out, CLOCK_RFC3339_SIZE, "%04d-", tm.tm_year + 1900);
    if (len != 5 || strftime(out + len, CLOCK_RFC3339_SIZE - 5, "%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

/* Takes text by pattern, where '0' stands for a digit and anything else for itself. NULL if it differs. */
static const char *match(const char *text, const char *pattern)
{
    for (; *pattern != '\0'; text++, pattern++)
        if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
            return NULL;
    return text;
}

static int two_digits(const char *d)
{
    return (d[0] - '0') * 10 + (d[1] - '0');
}

/* "+HH:MM" or "Z", to the end of the text. */
static bool parse_offset(const char *text, int *seconds)
{
    *seconds = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    const char *end = match(text + 1, "00:00");
    if (end == NULL || *end != '\0' || two_digits(text + 1) > 23 || two_digits(text + 4) > 59)
        return false;
    *seconds = (two_digits(text + 1) * 60 + two_digits(text + 4)) * 60;
    if (*text == '-')
        *seconds = -*seconds;
    return true;
}

bool clock_parse_rfc3339(const char *text, int64_t *seconds)
{
    int offset;
    const char *rest = match(text, "0000-00-00T00:00:00");
    if (rest == NULL || !parse_offset(rest, &offset))
        return false;
    struct tm tm = {
        .tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900,
        .tm_mon = two_digits(text + 5) - 1,
        .tm_mday = two_digits(text + 8),
        .tm_hour = two_digits(text + 11),
        .tm_min = two_digits(text + 14),
        .tm_sec = two_digits(text + 17),
    };
    struct tm real = tm;
    int64_t utc = (int64_t)timegm(&real);
    /* timegm makes March 2 of February 30 */
    if (real.tm_year != tm.tm_year || real.tm_mon != tm.tm_mon || real.tm_mday != tm.tm_mday ||
        real.tm_hour != tm.tm_hour || real.tm_min != tm.tm_min || real.tm_sec != tm.tm_sec)
        return false;
    *seconds = utc - offset;
    return true;
}
