/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PidFile, for init scripts. It says who runs; the socket, not this file, keeps a second one from starting.
 */
#ifndef PID_FILE_H
#define PID_FILE_H

#include <stdbool.h>

#include "outcome.h"
#include "privileges.h"

struct pid_file {
    const char *path; /* borrowed; NULL: none */
    int fd;
};

/*
 * Writes our process id, as root where only root may write, so that nobody else can make root signal another
 * process; see path_actor.h. False with errno.
 */
bool pid_file_write(struct pid_file *f, const char *path, const struct privileges *p) MUST_CHECK;

/* Takes it away, or where the folder is not ours any more, empties it. */
void pid_file_remove(const struct pid_file *f, const struct privileges *p);

#endif
