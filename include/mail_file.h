/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mail in one piece, told to a session as an MTA would tell it.
 */
#ifndef MAIL_FILE_H
#define MAIL_FILE_H

#include "session.h"

/* Header fields, end of header and body of a mail whose lines end in CRLF; then only session_judge is left to
 * do. */
void mail_file_feed(struct session *s, struct span mail);

#endif
