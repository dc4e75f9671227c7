/* SPDX-License-Identifier: BSD-2-Clause */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tests_run;
static int tests_failed;

static bool report(bool passed, const char *name)
{
    tests_run++;
    if (!passed)
        tests_failed++;
    printf("%s %d - ", passed ? "ok" : "not ok", tests_run);
    for (; *name != '\0'; name++)
        putchar(*name == '#' || *name == '\n' ? ' ' : *name);
    putchar('\n');
    fflush(stdout);
    return passed;
}

bool tap_ok(bool passed, const char *format, ...)
{
    char name[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return report(passed, name);
}

bool tap_is_string(const char *got, const char *want, const char *name)
{
    bool same = got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
    report(same, name);
    if (!same)
        tap_note("got  '%s'\n# want '%s'", got != NULL ? got : "(null)", want != NULL ? want : "(null)");
    return same;
}

bool tap_is_int(long long got, long long want, const char *name)
{
    report(got == want, name);
    if (got != want)
        tap_note("got %lld, want %lld", got, want);
    return got == want;
}

void tap_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void tap_skip(const char *name, const char *why)
{
    tests_run++;
    printf("ok %d - %s # SKIP %s\n", tests_run, name, why);
}

int tap_done(void)
{
    printf("1..%d\n", tests_run);
    return tests_failed == 0 && tests_run > 0 ? 0 : 1;
}
