/* SPDX-License-Identifier: BSD-2-Clause */
#include "workload.h"

#include <stdatomic.h>
#include <stdlib.h>

struct workload {
    atomic_uint references;
    atomic_llong places[WORKLOAD_PLACE_END];
    atomic_llong bytes;
};

struct workload *workload_new(void)
{
    struct workload *w = calloc(1, sizeof *w);
    if (w != NULL)
        w->references = 1;
    return w;
}

struct workload *workload_ref(struct workload *w)
{
    w->references++;
    return w;
}

void workload_unref(struct workload *w)
{
    if (w != NULL && --w->references == 0)
        free(w);
}

bool workload_take(struct workload *w, enum workload_place place, int64_t most)
{
    if (++w->places[place] <= most)
        return true;
    w->places[place]--;
    return false;
}

void workload_give_back(struct workload *w, enum workload_place place)
{
    w->places[place]--;
}

int64_t workload_taken(const struct workload *w, enum workload_place place)
{
    return w->places[place];
}

bool workload_hold(struct workload *w, size_t held, size_t wanted, int64_t most)
{
    int64_t change = (int64_t)wanted - (int64_t)held;
    int64_t bytes = atomic_fetch_add(&w->bytes, change) + change;
    if (bytes <= most || change <= 0)
        return true;
    w->bytes -= change;
    return false;
}

int64_t workload_bytes(const struct workload *w)
{
    return w->bytes;
}
