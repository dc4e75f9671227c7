/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One DMARC policy record (RFC 9989 section 4.7, RFC 7489 section 6.3). Tags that do not matter for a verdict
 * are checked for being there twice and otherwise left alone.
 */
#ifndef POLICY_RECORD_H
#define POLICY_RECORD_H

#include "auth_facts.h"
#include "outcome.h"

enum policy_record_psd {
    POLICY_RECORD_PSD_UNSET = 0, /* psd=u, or none */
    POLICY_RECORD_PSD_NO,        /* an organisational domain */
    POLICY_RECORD_PSD_YES,       /* a public suffix */
};

struct policy_record {
    enum auth_policy policy;           /* p= */
    enum auth_policy subdomain_policy; /* sp=, UNKNOWN if there is none */
    enum policy_record_psd psd;
    bool is_strict;  /* adkim=s */
    bool is_testing; /* t=y */
    bool is_partial; /* pct= below 100, which RFC 9989 took away */
};

/*
 * OUTCOME_OK; OUTCOME_ABSENT: not a DMARC record, to be passed over; OUTCOME_BROKEN_INPUT: it is one, but
 * says nothing that could be followed: *why names the reason.
 */
enum outcome policy_record_parse(struct span text, struct policy_record *out, const char **why) MUST_CHECK;

/* For the domain of the record itself, or for one below it that has none of its own. */
enum auth_policy policy_record_policy(const struct policy_record *record, bool is_subdomain);

#endif
