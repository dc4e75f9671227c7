/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors and threads: how many there are, how many there may be, and a word in the log before they are
 * out. libmilter says nothing when they are: it loses connections, or spins.
 */
#ifndef RESOURCES_H
#define RESOURCES_H

#include "deadline.h"
#include "metrics.h"

enum { RESOURCES_GROUPS_MAX = 8 };

struct resources {
    int status; /* /proc/self/status; -1: there is none */
    struct {
        int current, max;           /* pids.current and pids.max */
    } groups[RESOURCES_GROUPS_MAX]; /* our control group and those above it that have them */
    size_t group_count;
    struct deadline next_warning[METRICS_RESOURCE_END];
};

/* Opens what the numbers are read from. In the process that will serve, before the sandbox closes /proc. */
void resources_open(struct resources *r);

/* Warns where there may be fewer than so many replies at once need. */
void resources_compare(const struct resources *r, int64_t replies);

/* Counts both into the metrics, and warns where few are left, at most once a minute. Once a second is cheap.
 */
void resources_watch(struct resources *r, struct metrics *m);

#endif
