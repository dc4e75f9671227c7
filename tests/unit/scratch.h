/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder that a test may write in.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdbool.h>
#include <sys/resource.h>

enum { SCRATCH_PATH_BYTES = 1024, SCRATCH_TEXT_BYTES = 64 * 1024 };

bool scratch_make(char path[static SCRATCH_PATH_BYTES]);
void scratch_remove(const char *path);

/* The text of a file in it, "" if there is none. Valid until the next call. */
const char *scratch_read(const char *folder, const char *name);
bool scratch_write(const char *folder, const char *name, const char *text);

/* A file size limit stands for the full disk: part of a write succeeds, the next one fails. SIGXFSZ must be
 * ignored. */
void scratch_limit_files(rlim_t bytes);

#endif
