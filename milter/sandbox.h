/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the process can still do once it serves, whatever a mail might make of it: system calls by seccomp,
 * files by Landlock. Both hold for all threads to come, and cannot be undone.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <sys/types.h>

#include "settings.h"

enum { SANDBOX_FOLDERS_MAX = 64, SANDBOX_WHY_BYTES = 512 };

struct sandbox_folder {
    dev_t device;
    ino_t inode;
    unsigned use; /* SANDBOX_USE_* */
};

/* Empty: no file is out of reach. */
struct sandbox {
    bool is_on;
    int landlock; /* the kernel's ABI; 0: no Landlock */
    struct sandbox_folder folders[SANDBOX_FOLDERS_MAX];
    size_t folder_count;
};

/*
 * Enters what Sandbox asks for, before any thread and behind the last call that needs more. Files of the
 * system, the configuration and what settings name can be read, with the folders they lie in; only
 * evidence, evidence log and metrics can be written; the socket at socket_path (NULL: none) can be taken
 * away. What the kernel does not have is left out, with a line in the log.
 */
void sandbox_enter(struct sandbox *sandbox, const struct settings *s, const char *socket_path);

/* One line in the log, when it has found its place. */
void sandbox_tell(const struct sandbox *sandbox);

/* Whether the files that other settings name are within reach. False with a reason: only a restart brings
 * them there. */
bool sandbox_reaches(const struct sandbox *sandbox, const struct settings *s,
                     char why[static SANDBOX_WHY_BYTES]) MUST_CHECK;

#endif
