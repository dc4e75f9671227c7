/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for the ACME server: the pauses between attempts, and the sign of life that the MTA gets about once
 * a second meanwhile.
 */
#ifndef ENDPOINT_WAIT_H
#define ENDPOINT_WAIT_H

#include "deadline.h"

struct endpoint_wait {
    void (*progress)(void *context); /* may be NULL */
    void *context;
    int64_t next_ms;    /* when progress is due */
    int64_t backoff_ms; /* the longest that the next pause may be */
};

void endpoint_wait_init(struct endpoint_wait *wait, void (*progress)(void *), void *context);
/* Call it often: progress is called when it is due. */
void endpoint_wait_tick(struct endpoint_wait *wait);
/*
 * Sleeps before the next attempt, a random time that doubles at most; at least asked_ms (Retry-After), but
 * never more than half of what is left. False, without sleeping, where too little is left for another
 * attempt.
 */
bool endpoint_wait_pause(struct endpoint_wait *wait, struct deadline deadline, int64_t asked_ms);

#endif
