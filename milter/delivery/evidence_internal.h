/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What evidence.c (writes folders) and evidence_sweep.c (removes unfinished ones) share.
 */
#ifndef EVIDENCE_INTERNAL_H
#define EVIDENCE_INTERNAL_H

#include "evidence.h"

/* The folder of that name in parent, no link; -1 with errno. */
int evidence_open_folder(int parent, const char *name);

/* Whether an unfinished folder would have this name. */
bool evidence_is_unfinished_name(const char *name);

/* Removes an unfinished folder with the files that it may have. False with errno: something else is in it. */
bool evidence_remove_unfinished(int parent, const char *name);

#endif
