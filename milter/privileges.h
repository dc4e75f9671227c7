/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom the process becomes, what it may no longer do then, and what it may use up.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "settings.h"

struct privileges {
    bool is_root; /* started by root: user and group are whom to become */
    uid_t user;   /* UserID's, or where there is no such user the caller's own */
    gid_t group;
    const char *name; /* borrowed */
};

enum { PRIVILEGES_WHY_BYTES = 256 };

/* Looks UserID up. EX_OK, or another exit code and a reason why the milter may not start; user and group are
 * set in either case. */
int privileges_find(const char *user_id, struct privileges *out,
                    char why[static PRIVILEGES_WHY_BYTES]) MUST_CHECK;

/* No core dumps unless CoreDumps says so; as many open files and threads as the system lets us have. */
void privileges_limit(const struct settings *s);

/*
 * For good: the user and his groups, no capability in any set, no new privileges by an execve, no look into
 * our memory by others of the same user. False with a reason: the process must end.
 */
bool privileges_drop(const struct privileges *p, bool may_dump_core,
                     char why[static PRIVILEGES_WHY_BYTES]) MUST_CHECK;

#endif
