/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program of the MTA, run for what it prints: by the doctor, never by the milter, whose sandbox lets it
 * start none.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

#include "strbuf.h"

/*
 * Runs argv[0], a path, without a shell, with an environment of a PATH and nothing else, and without input
 * and error output; adds what it prints to out. It is ended at the deadline, and where out is full. False: it
 * could not be run, was ended, or its exit status is not 0.
 */
bool program_run(char *const *argv, int64_t timeout_ms, struct strbuf *out) MUST_CHECK;

#endif
