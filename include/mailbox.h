/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of RFC 5322 (and 6532) fields. Everything that two parsers could read
 * differently is refused, never repaired: a certificate will name what is found here.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include "domain.h"

enum { MAILBOX_LOCAL_MAX_BYTES = 64, MAILBOX_LIST_MAX = 256, MAILBOX_FIELD_MAX_BYTES = 16384 };

struct mailbox {
    char local[MAILBOX_LOCAL_MAX_BYTES +
               1]; /* as it stands, but for quotes that it does not need (RFC 5321 4.1.2) */
    struct domain domain;
};

enum { MAILBOX_MAX_BYTES = MAILBOX_LOCAL_MAX_BYTES + 1 + DOMAIN_MAX_BYTES };

/*
 * The one mailbox of a From field body: [phrase] "<" addr-spec ">", or a bare addr-spec, comments and folding
 * allowed around it, and blanks inside the angle brackets. Refused: none or several mailboxes, groups,
 * routes, domain literals, encoded-words in the address, text behind the angle-addr, comments or blanks
 * inside the addr-spec, a comment that holds "<",
 * ">" or "@", quoted-pairs (or quotes inside comments) beside a second "@" or "<", a quoted local part with
 * anything in it that is not atext, dot or inner space, NUL and controls, invalid UTF-8, code points in the
 * addr-spec that are not seen or that reorder others, "*" alone as local part (RFC 8823 section 3).
 * OUTCOME_OK; OUTCOME_BROKEN_INPUT with *why set to a short constant text; OUTCOME_INTERNAL: out of memory.
 */
enum outcome mailbox_parse_author(struct span field_body, struct mailbox *out, const char **why) MUST_CHECK;

/* A bare addr-spec with nothing around it: from the configuration. */
enum outcome mailbox_parse_address(struct span text, struct mailbox *out) MUST_CHECK;

/*
 * Walks the addresses of a To field body leniently (lists, groups, comments; parts that cannot be read are
 * skipped) and calls visit for each that parses, until it returns false. At most MAILBOX_LIST_MAX are
 * visited. OUTCOME_OK, or OUTCOME_INTERNAL: out of memory.
 */
enum outcome mailbox_visit_list(struct span field_body, bool (*visit)(const struct mailbox *, void *),
                                void *context) MUST_CHECK;

/* "local@domain" into out. */
void mailbox_format(const struct mailbox *m, char out[static MAILBOX_MAX_BYTES + 1]);

#endif
