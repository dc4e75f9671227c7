/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EvidenceLog in a folder of its own, and what --verify-log says of it.
 */
#ifndef EVIDENCE_LOG_TRIAL_H
#define EVIDENCE_LOG_TRIAL_H

#include "evidence_log.h"
#include "scratch.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define RESULT(n)   "{\"version\":1,\"id\":\"" n "\"}"

enum { EVIDENCE_LOG_TRIAL_PATH_BYTES = 2 * SCRATCH_PATH_BYTES, EVIDENCE_LOG_TRIAL_ERROR_BYTES = 512 };

struct evidence_log_trial {
    char root[SCRATCH_PATH_BYTES];
    char path[EVIDENCE_LOG_TRIAL_PATH_BYTES];
    char moved[EVIDENCE_LOG_TRIAL_PATH_BYTES];
};

extern const char *const evidence_log_trial_one[]; /* the log */
extern const char *const evidence_log_trial_two[]; /* the one that was moved away, and the log */

bool evidence_log_trial_make(struct evidence_log_trial *p);
struct evidence_log *evidence_log_trial_open(const char *path);
/* Adds a result that has to be on disk. */
bool evidence_log_trial_add(struct evidence_log *log, const char *result);
/* want: "lines/faults", and a star for a piece of a line, of the files read in order. */
void evidence_log_trial_is(const struct evidence_log_trial *p, const char *const *names, const char *want,
                           const char *name);

#endif
