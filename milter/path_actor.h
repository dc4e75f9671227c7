/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who acts on a path while the process is still root's.
 *
 * Another user who may write to one of the folders on the way can put a link, or another folder, in the place
 * of what the path named a moment before, and root would make, remove or give away a file of root's. No check
 * before the act helps, and descriptors leave bind and unlink, which take paths. So root acts by itself only
 * where no folder on the way can be changed by anybody else; otherwise it takes the effective user that could
 * change the path, whom the kernel then holds to what he may do anyway. Links are followed one at a time,
 * because those in root's own folders stay what they are.
 *
 * In the main thread, before there are others: the effective user is the whole process's.
 */
#ifndef PATH_ACTOR_H
#define PATH_ACTOR_H

#include "outcome.h"
#include "privileges.h"

struct path_actor {
    bool is_other; /* the process acts as this user, until path_actor_end */
    uid_t user;
};

/*
 * Becomes whoever may act on the path: its last name may be made, opened or removed then. Nothing changes
 * where the process is not root's any more. False with errno: do not act.
 */
bool path_actor_begin(struct path_actor *a, const struct privileges *p, const char *path) MUST_CHECK;

/* Root again. Keeps errno. */
void path_actor_end(const struct path_actor *a);

#endif
