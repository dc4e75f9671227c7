/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mails of tests/data/cases and what judges them, for tests of the session.
 */
#ifndef SESSION_TRIAL_H
#define SESSION_TRIAL_H

#include "session.h"

enum { SESSION_TRIAL_MAIL_BYTES = 64 * 1024 };

/* Its length; 0: it cannot be read. */
size_t session_trial_read(const char *name, char data[static SESSION_TRIAL_MAIL_BYTES]);
/* Judges by the case's DNS answers, at the time of the cases. more: further lines of the configuration. NULL,
 * told as a note. */
struct runtime *session_trial_runtime(const char *name, const char *more, struct metrics *metrics);

#endif
