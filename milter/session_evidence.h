/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is recorded of a reply: before the post its line and its folder, after it the answer.
 */
#ifndef SESSION_EVIDENCE_H
#define SESSION_EVIDENCE_H

#include "evidence.h"
#include "session_internal.h"

/*
 * body: what will be posted. path gets the folder of the posting, "" if there is none. False, with a line in
 * the log: it is not on disk.
 */
bool session_evidence_write(const struct session *s, const char *body,
                            char path[static EVIDENCE_PATH_MAX_BYTES]) MUST_CHECK;

/* path: of session_evidence_write. */
void session_evidence_add_answer(const struct session *s, const char *path);

#endif
