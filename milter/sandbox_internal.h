/* SPDX-License-Identifier: BSD-2-Clause */
/* The two halves of the sandbox, for sandbox.c. */
#ifndef SANDBOX_INTERNAL_H
#define SANDBOX_INTERNAL_H

#include "sandbox.h"

enum {
    SANDBOX_USE_READ = 1,
    SANDBOX_USE_WRITE = 2,
    SANDBOX_USE_MAKE = 4, /* files */
    SANDBOX_USE_REMOVE = 8,
    SANDBOX_USE_FOLDERS = 16, /* make and remove them */
};

/* The system calls; false with errno. */
bool sandbox_limit_calls(void) MUST_CHECK;

/* The kernel's version of Landlock; 0 when it has none. */
int sandbox_landlock_version(void);
/* A set of rules to add to; -1 with errno. */
int sandbox_landlock_begin(int version) MUST_CHECK;
/* path: an open file or folder. */
bool sandbox_landlock_allow(int rules, int version, int path, unsigned use) MUST_CHECK;
/* Puts the rules in force and closes them. */
bool sandbox_landlock_enter(int rules) MUST_CHECK;

#endif
