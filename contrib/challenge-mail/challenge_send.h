/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hands a mail to sendmail(1), as every MTA has one.
 */
#ifndef CHALLENGE_SEND_H
#define CHALLENGE_SEND_H

#include "outcome.h"
#include "strbuf.h"

/*
 * program: a path. sender: the envelope's, "" for none. data: the mail, lines ending in LF.
 * Returns an exit status of sysexits(3): that of the program where it is one of these, EX_UNAVAILABLE where
 * the program cannot be run or ends otherwise. error: what was wrong, for people.
 */
int challenge_send(const char *program, const char *sender, const char *recipient, struct span data,
                   struct strbuf *error) MUST_CHECK;

#endif
