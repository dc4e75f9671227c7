/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_wait.h"
#include "clock.h"

#include <poll.h>
#include <sys/random.h>

enum {
    PROGRESS_MS = 900, /* libcurl wakes up once a second: a little less than that */
    PAUSE_LEAST_MS = 10,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MOST_MS = 2000,
    ATTEMPT_LEAST_MS = 50,
};

void endpoint_wait_init(struct endpoint_wait *wait, void (*progress)(void *), void *context)
{
    *wait = (struct endpoint_wait){
        .progress = progress,
        .context = context,
        .next_ms = clock_monotonic_ms() + PROGRESS_MS,
        .backoff_ms = BACKOFF_FIRST_MS,
    };
}

void endpoint_wait_tick(struct endpoint_wait *wait)
{
    if (wait->progress == NULL || clock_monotonic_ms() < wait->next_ms)
        return;
    wait->progress(wait->context);
    wait->next_ms = clock_monotonic_ms() + PROGRESS_MS;
}

/* Spread, so that the mails that waited for the same restart do not come back at the same moment. */
static int64_t jitter(int64_t most)
{
    uint32_t random;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint32_t)clock_monotonic_ms();
    return PAUSE_LEAST_MS + (int64_t)(random % (uint32_t)(most - PAUSE_LEAST_MS + 1));
}

static void sleep_until(struct endpoint_wait *wait, struct deadline end)
{
    for (int64_t left = deadline_left_ms(end); left > 0; left = deadline_left_ms(end)) {
        (void)poll(NULL, 0, (int)(left < PROGRESS_MS ? left : PROGRESS_MS)); /* EINTR: the loop goes on */
        endpoint_wait_tick(wait);
    }
}

bool endpoint_wait_pause(struct endpoint_wait *wait, struct deadline deadline, int64_t asked_ms)
{
    int64_t left = deadline_left_ms(deadline);
    if (left < ATTEMPT_LEAST_MS)
        return false;
    int64_t pause = jitter(wait->backoff_ms);
    wait->backoff_ms = wait->backoff_ms * 2 < BACKOFF_MOST_MS ? wait->backoff_ms * 2 : BACKOFF_MOST_MS;
    if (pause < asked_ms)
        pause = asked_ms;
    sleep_until(wait, deadline_in(pause < left / 2 ? pause : left / 2));
    return true;
}
