/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMARC (RFC 9989; RFC 7489 on request): finding the record that applies to the author's domain, reading it,
 * and evaluating it for a signature of exactly that domain. SPF is not looked at: it says nothing about the
 * author.
 */
#ifndef AUTH_DMARC_H
#define AUTH_DMARC_H

#include "auth_facts.h"
#include "resolver.h"

enum auth_dmarc_discovery {
    AUTH_DMARC_DISCOVERY_RFC9989 = 1, /* DNS tree walk, at most 8 questions */
    AUTH_DMARC_DISCOVERY_RFC7489, /* the domain, then its organisational domain by the public suffix list */
    AUTH_DMARC_DISCOVERY_BOTH,    /* both; where they differ the stricter policy counts */
};
extern const struct name_table_row auth_dmarc_discovery_names[];

struct auth_dmarc;       /* process-wide: libopendmarc and the public suffix list */
struct auth_dmarc_check; /* one mail's look-ups */

struct auth_dmarc *auth_dmarc_new(void); /* NULL: a library does not start */
void auth_dmarc_free(struct auth_dmarc *dmarc);
const char *auth_dmarc_library_text(void);

/* Asks for the author's domain; the names above it, at once, follow in auth_dmarc_finish if it has no record.
 * dmarc and resolver must outlive the check. NULL: out of memory. */
struct auth_dmarc_check *auth_dmarc_start(struct auth_dmarc *dmarc, const struct domain *author,
                                          enum auth_dmarc_discovery discovery,
                                          struct resolver *resolver) MUST_CHECK;

/*
 * dkim: the result of the author's domain own signatures, exactly aligned: PASS, TEMPERROR, or anything else
 * for none. Result: none (no record), permerror (broken), temperror (look-up failed, or the record exists and
 * dkim is TEMPERROR), pass, fail. Unless dkim is PASS the mail is lost already, and at most four names are
 * asked in all. Broken and failed look-ups name no policy. np= is not applied: a domain that has a key
 * exists. Call it once. dns as in auth_dkim_finish. OUTCOME_OK, or OUTCOME_INTERNAL.
 */
enum outcome auth_dmarc_finish(struct auth_dmarc_check *check, enum auth_result dkim,
                               struct deadline deadline, struct auth_dmarc_facts *facts,
                               struct strbuf *dns) MUST_CHECK;

void auth_dmarc_check_free(struct auth_dmarc_check *check);

#endif
