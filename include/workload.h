/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all replies of the process take together, whatever configuration each began with: a reload must not
 * begin a new count. The limits come from the settings of the reply that asks. Any thread may call.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdint.h>

#include "outcome.h"
#include "span.h"

enum workload_place {
    WORKLOAD_PLACE_NONE = 0,
    WORKLOAD_PLACE_REPLY, /* a reply that is judged, or waits for DNS or ACME server */
    WORKLOAD_PLACE_EARLY, /* one whose look-ups started while its body still comes in */
    WORKLOAD_PLACE_END,
};

struct workload;

struct workload *workload_new(void); /* NULL: out of memory */
struct workload *workload_ref(struct workload *w);
void workload_unref(struct workload *w); /* NULL is fine */

/* Takes one of most places; false: none is free. */
bool workload_take(struct workload *w, enum workload_place place, int64_t most) MUST_CHECK;
void workload_give_back(struct workload *w, enum workload_place place);
int64_t workload_taken(const struct workload *w, enum workload_place place);

/* The caller holds as many bytes as wanted from now on, instead of held. False, and nothing changes: all
 * together would hold more than most. To hold less never fails. */
bool workload_hold(struct workload *w, size_t held, size_t wanted, int64_t most);
int64_t workload_bytes(const struct workload *w);

#endif
