/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"
#include "deadline.h"
#include "tap.h"

static const struct {
    const char *name;
    const char *text;
    bool is_time;
    int64_t seconds;
    const char *formatted;
} times[] = {
    {"the epoch", "1970-01-01T00:00:00Z", true, 0, "1970-01-01T00:00:00Z"},
    {"2026", "2026-11-24T05:00:00Z", true, 1795496400, "2026-11-24T05:00:00Z"},
    {"offset east", "2026-11-24T06:30:00+01:30", true, 1795496400, "2026-11-24T05:00:00Z"},
    {"offset west, over midnight", "2026-11-23T23:30:00-05:30", true, 1795496400, "2026-11-24T05:00:00Z"},
    {"leap day", "2024-02-29T12:00:00Z", true, 1709208000, "2024-02-29T12:00:00Z"},
    {"before the epoch", "1969-12-31T23:59:59Z", true, -1, "1969-12-31T23:59:59Z"},
    {"beyond 32 bits", "2106-02-07T06:28:16Z", true, 4294967296, "2106-02-07T06:28:16Z"},
    {"a year below 1000 keeps four digits", "0987-01-01T00:00:00Z", true, -31020451200,
     "0987-01-01T00:00:00Z"},
    {"last year", "9999-12-31T23:59:59Z", true, 253402300799, "9999-12-31T23:59:59Z"},
    {"no leap day", "2026-02-29T12:00:00Z", false, 0, NULL},
    {"February 30", "2024-02-30T12:00:00Z", false, 0, NULL},
    {"April 31", "2026-04-31T12:00:00Z", false, 0, NULL},
    {"month 13", "2026-13-01T00:00:00Z", false, 0, NULL},
    {"month 0", "2026-00-01T00:00:00Z", false, 0, NULL},
    {"day 0", "2026-01-00T00:00:00Z", false, 0, NULL},
    {"hour 24", "2026-01-01T24:00:00Z", false, 0, NULL},
    {"minute 60", "2026-01-01T00:60:00Z", false, 0, NULL},
    {"second 60", "2026-01-01T00:00:60Z", false, 0, NULL},
    {"no zone", "2026-01-01T00:00:00", false, 0, NULL},
    {"text behind the zone", "2026-01-01T00:00:00Zx", false, 0, NULL},
    {"leading blank", " 2026-01-01T00:00:00Z", false, 0, NULL},
    {"one digit", "2026-1-01T00:00:00Z", false, 0, NULL},
    {"offset without colon", "2026-01-01T00:00:00+0100", false, 0, NULL},
    {"offset of 24 hours", "2026-01-01T00:00:00+24:00", false, 0, NULL},
    {"offset of 60 minutes", "2026-01-01T00:00:00+00:60", false, 0, NULL},
    {"sign alone", "2026-01-01T00:00:00+", false, 0, NULL},
    {"date alone", "2026-01-01", false, 0, NULL},
    {"nothing", "", false, 0, NULL},
};

static void test_rfc3339(void)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t got = 0;
        char text[CLOCK_RFC3339_SIZE];
        bool is_time = clock_parse_rfc3339(times[i].text, &got);
        tap_ok(is_time == times[i].is_time && got == times[i].seconds, "parse: %s", times[i].name);
        if (!times[i].is_time)
            continue;
        clock_format_rfc3339(times[i].seconds, text);
        tap_is_string(text, times[i].formatted, times[i].name);
    }
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(253402300800, text);
    tap_is_string(text, "", "year 10000 has no form");
    clock_format_rfc3339(-62135596801, text);
    tap_is_string(text, "", "year 0 has no form");
    clock_format_rfc3339(INT64_MAX, text);
    tap_is_string(text, "", "a year beyond all clocks has no form");
}

static void test_clocks(void)
{
    tap_is_int(clock_wall_seconds(12345), 12345, "a fixed time is the answer");
    tap_ok(clock_wall_seconds(0) > 1700000000, "else it is now");
    int64_t before = clock_monotonic_ms();
    tap_ok(before > 0 && clock_monotonic_ms() >= before, "the monotonic clock never goes back");
}

static void test_deadlines(void)
{
    struct deadline far = deadline_in(60000);
    int64_t left = deadline_left_ms(far);
    tap_ok(left > 0 && left <= 60000 && !deadline_passed(far), "a deadline ahead has time left");
    struct deadline past = deadline_in(-1);
    tap_ok(deadline_passed(past) && deadline_left_ms(past) == 0, "one that passed has none, not less");
    tap_ok(deadline_passed(deadline_in(0)), "no time at all is passed");
    tap_ok(!deadline_passed(deadline_in(INT64_MAX)), "for ever does not overflow");
}

int main(void)
{
    test_rfc3339();
    test_clocks();
    test_deadlines();
    return tap_done();
}
