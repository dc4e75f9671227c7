/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that are named from outside: by a configuration, a command line or an evidence folder. What has such
 * a name may be a FIFO, a device or a socket, and whoever opens one of these may wait for ever.
 */
#ifndef REGULAR_FILE_H
#define REGULAR_FILE_H

#include <stdio.h>

#include "strbuf.h"

/*
 * Opens name, which is below folder (or AT_FDCWD), for reading, and never waits. flags: O_NOFOLLOW or 0. -1
 * with errno, which regular_file_why explains: it is not there, or no regular file.
 */
int regular_file_open(int folder, const char *name, int flags) MUST_CHECK;

/* The same as a stream; follows links. NULL with errno. */
FILE *regular_file_stream(const char *path) MUST_CHECK;

/* Adds the whole file to out. False with errno; EFBIG: it is larger than out may be. Closes fd, which may be
 * -1. */
bool regular_file_read(int fd, struct strbuf *out) MUST_CHECK;

/* The reason for people, of an errno that one of these left. */
const char *regular_file_why(int error);

#endif
