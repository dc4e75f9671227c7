/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address of RCPT TO, read as the most tolerant MTA reads it. A mail whose recipient is a challenge
 * address in any reading is judged; so this is the opposite of mailbox.h, where what can be read in two ways
 * is refused.
 */
#ifndef RECIPIENT_H
#define RECIPIENT_H

#include "mailbox.h"

enum { RECIPIENT_PATH_MAX_BYTES = 1024, RECIPIENT_FOLDED_MAX_BYTES = 4 * MAILBOX_LOCAL_MAX_BYTES };

/*
 * Calls visit for each mailbox that path may stand for, until it returns false: without angle brackets and
 * the words before them, comments, blanks, routes and group names (RFC 822), quotes and quoted-pairs (RFC
 * 5321 section 4.1.2), dots at the end of either part; then what "host!user" and "user%host" and an address
 * in a local part lead to. The domain is unset where there is none, and where what is there is none (a
 * literal, one label): it may be the host's own. A local part that needs quotes has them. OUTCOME_OK;
 * OUTCOME_BROKEN_INPUT where another reader may find another mailbox (over RECIPIENT_PATH_MAX_BYTES, a quoted
 * string or comment without an end, controls, too many readings, nothing in it); OUTCOME_INTERNAL: out of
 * memory.
 */
enum outcome recipient_visit(struct span path, bool (*visit)(const struct mailbox *, void *),
                             void *context) MUST_CHECK;

/*
 * A local part without its quotes and in the case to which Unicode folds all others, as MTAs look it up: its
 * bytes in out; 0 where it has no such form (not UTF-8, too long).
 */
size_t recipient_fold_local(struct span local, char out[static RECIPIENT_FOLDED_MAX_BYTES]);
bool recipient_equal_local(struct span a, struct span b);

#endif
