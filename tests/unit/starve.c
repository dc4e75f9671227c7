/* SPDX-License-Identifier: BSD-2-Clause */
#include "starve.h"

#include <stdlib.h>

static long allocations_left = -1;

void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strndup(const char *s, size_t n);

void starve_begin(long step)
{
    allocations_left = step;
}

bool starve_end(void)
{
    bool is_fed = allocations_left >= 0;
    allocations_left = -1;
    return is_fed;
}

static bool is_failing(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_failing() ? NULL : __real_realloc(p, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_failing() ? NULL : __real_calloc(count, size);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return is_failing() ? NULL : __real_strndup(s, n);
}
