/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands behind resolver.h: each backend puts these structs first in its own.
 */
#ifndef RESOLVER_BACKEND_H
#define RESOLVER_BACKEND_H

#include "domain.h"
#include "resolver.h"

struct resolver_operations {
    /* name: valid, lower case, no trailing dot. NULL: out of memory. */
    struct resolver_question *(*ask)(struct resolver *r, const char *name, enum resolver_type type);
    const struct resolver_answer *(*wait)(struct resolver_question *q, struct deadline deadline);
    void (*question_free)(struct resolver_question *q);
    void (*free)(struct resolver *r);
};

struct resolver {
    const struct resolver_operations *operations;
};

struct resolver_question {
    const struct resolver_operations *operations;
};

enum { RESOLVER_LABEL_MAX_BYTES = 63 };

/* The only names that are asked, read from a file and written to one: labels of 1..63 bytes of letters,
 * digits, '-' and '_', at most DOMAIN_MAX_BYTES in all, no trailing dot. */
bool resolver_name_is_valid(struct span name);

/* Copies a valid name in lower case. */
void resolver_name_copy(struct span name, char out[static DOMAIN_MAX_BYTES + 1]);

/* Takes the backend over and keeps its answers for as long as they say. NULL: out of memory, and it is freed.
 */
struct resolver *resolver_cache_take(struct resolver *backend) MUST_CHECK;

#endif
