/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a thread is not to be had (RLIMIT_NPROC, TasksMax=) there is no resolver, and the process goes on. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "resolver.h"
#include "tap.h"

/* Of the sanitizer, where there is one. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static int threads_left = -1; /* -1: as many as there are */

/* In the place of the C library's, for libunbound too. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*start)(void *), void *context)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (threads_left == 0)
        return EAGAIN;
    if (threads_left > 0)
        threads_left--;
    return real(thread, attributes, start, context);
}

int main(void)
{
    const struct resolver_options options = {.nameservers = {"127.0.0.1@9"}, .nameserver_count = 1};
    char error[RESOLVER_ERROR_BYTES] = "";
    for (int allowed = 0; allowed < 3; allowed++) {
        threads_left = allowed;
        /* Where one could be had a moment before libunbound wanted its own, its context is lost. */
        if (allowed == 1 && __lsan_disable != NULL)
            __lsan_disable();
        struct resolver *r = resolver_new_unbound(&options, error);
        if (allowed == 1 && __lsan_enable != NULL)
            __lsan_enable();
        tap_ok(r == NULL && error[0] != '\0' && threads_left == 0, "after %d threads: %s", allowed, error);
        if (r != NULL)
            resolver_free(r);
    }
    threads_left = -1;
    struct resolver *r = resolver_new_unbound(&options, error);
    tap_ok(r != NULL, "and later on there is one");
    if (r != NULL)
        resolver_free(r);
    return tap_done();
}
