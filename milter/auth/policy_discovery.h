/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which DMARC record applies to a domain: the tree walk of RFC 9989 section 4.10, the organisational domain
 * of RFC 7489 section 6.6.3, or both. The author's domain is asked first, and the names above it, all at
 * once, only if it has no record: the usual mail costs one question.
 */
#ifndef POLICY_DISCOVERY_H
#define POLICY_DISCOVERY_H

#include "auth_dmarc.h"
#include "org_domain.h"
#include "policy_record.h"

enum {
    POLICY_DISCOVERY_QUESTIONS_MAX = 8,   /* RFC 9989 section 4.10 */
    POLICY_DISCOVERY_QUESTIONS_BRIEF = 4, /* where the answer cannot make the mail pass */
};

/* What was found. is_lookup_failed, is_broken and has_record exclude each other; none of them: no record. */
struct policy_discovery_result {
    bool is_lookup_failed; /* a question that could decide has no answer */
    bool is_bogus;         /* ... because validation failed */
    bool is_broken;        /* several records at a name, or one that cannot be followed */
    bool has_record;
    struct policy_record record;
    enum auth_policy policy;   /* of the record, for the author's domain */
    struct domain domain;      /* where the record stands, or what failed or is broken; without "_dmarc." */
    enum dnssec_status dnssec; /* the worst of the answers that it rests on, proofs of absence too */
    char detail[AUTH_DETAIL_MAX_BYTES + 1];
    char difference[AUTH_DETAIL_MAX_BYTES + 1]; /* of both methods, "" if they agree or a look-up failed */
    struct auth_lookups lookups;
};

struct policy_discovery;

/* Asks for the author's domain. list and resolver are borrowed until policy_discovery_free. NULL: out of
 * memory. */
struct policy_discovery *policy_discovery_start(struct resolver *resolver, const struct org_domain_list *list,
                                                const struct domain *author,
                                                enum auth_dmarc_discovery method) MUST_CHECK;

/*
 * is_brief: the mail will be rejected anyway, so of a long name only the highest parents are asked: nobody
 * makes us ask eight questions for a forgery. dns: may be NULL; takes every answer that came. OUTCOME_OK,
 * OUTCOME_INTERNAL.
 */
enum outcome policy_discovery_finish(struct policy_discovery *d, bool is_brief, struct deadline deadline,
                                     struct policy_discovery_result *result, struct strbuf *dns) MUST_CHECK;

void policy_discovery_free(struct policy_discovery *d);

#endif
