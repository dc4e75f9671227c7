/* SPDX-License-Identifier: BSD-2-Clause */
#include "verdict.h"

#include <stdio.h>

enum { RSA_MIN_BITS = 1024 }; /* RFC 8301 section 3.2 */

const struct name_table_row verdict_names[] = {
    {VERDICT_PASS, "pass"},
    {VERDICT_REJECT, "reject"},
    {VERDICT_TEMPERROR, "temperror"},
    {0, NULL},
};

/*
 * What each finding about a signature means in facts. A predicate sees one aligned signature; the rules about
 * the absence of one, and about DMARC, are below.
 */
struct signature_rule {
    enum finding_id id;
    bool (*applies)(const struct auth_signature *s);
    void (*write_detail)(const struct auth_signature *s, char *out); /* FINDING_DETAIL_MAX_BYTES + 1 */
};

static void copy_detail(const char *text, char *out)
{
    (void)snprintf(out, FINDING_DETAIL_MAX_BYTES + 1, "%s", text);
}

static void own_detail(const struct auth_signature *s, char *out)
{
    copy_detail(s->detail, out);
}

static void core_detail(const struct auth_signature *s, char *out)
{
    copy_detail(s->core_detail, out);
}

static void present_detail(const struct auth_signature *s, char *out)
{
    copy_detail(s->present_detail, out);
}

static void full_detail(const struct auth_signature *s, char *out)
{
    copy_detail(s->full_detail, out);
}

static void key_name(const struct auth_signature *s, char *out)
{
    (void)snprintf(out, FINDING_DETAIL_MAX_BYTES + 1, "%.60s._domainkey.%.80s", s->selector, s->domain.name);
}

static void key_size(const struct auth_signature *s, char *out)
{
    (void)snprintf(out, FINDING_DETAIL_MAX_BYTES + 1, "%u bits", s->key_bits);
}

static void no_detail(const struct auth_signature *s, char *out)
{
    (void)s;
    out[0] = '\0';
}

static bool is_rsa(const struct auth_signature *s)
{
    return span_starts_nocase(span_from_string(s->algorithm), SPAN_LITERAL("rsa-"));
}

/* The faults that name themselves explain an unverified signature; "does not verify" is for all the others.
 */
static bool has_own_fault(const struct auth_signature *s)
{
    return s->is_key_unknown || s->is_expired || s->is_sha1 || s->is_key_weak || s->is_key_short;
}

static bool is_failed(const struct auth_signature *s)
{
    return !s->is_verified && !has_own_fault(s);
}

static bool is_expired(const struct auth_signature *s)
{
    return s->is_expired;
}

static bool is_sha1(const struct auth_signature *s)
{
    return s->is_sha1;
}

static bool is_key_weak(const struct auth_signature *s)
{
    return s->is_key_weak;
}

static bool is_key_short(const struct auth_signature *s)
{
    return s->is_key_short;
}

static bool is_key_1024(const struct auth_signature *s)
{
    return is_rsa(s) && s->key_bits > 0 && s->key_bits < 2048 && !s->is_key_short;
}

static bool is_key_testing(const struct auth_signature *s)
{
    return s->is_key_testing;
}

static bool has_body_length(const struct auth_signature *s)
{
    return s->has_body_length;
}

static bool lacks_core(const struct auth_signature *s)
{
    return !s->covers_core;
}

static bool lacks_present(const struct auth_signature *s)
{
    return !s->covers_present;
}

static bool lacks_full(const struct auth_signature *s)
{
    return !s->covers_full;
}

static bool lacks_should(const struct auth_signature *s)
{
    return !s->covers_should;
}

static bool is_key_unknown(const struct auth_signature *s)
{
    return s->is_key_unknown && !s->is_bogus;
}

static bool is_key_bogus(const struct auth_signature *s)
{
    return s->is_key_unknown && s->is_bogus;
}

static bool is_key_insecure(const struct auth_signature *s)
{
    return s->is_verified && s->dnssec != DNSSEC_STATUS_SECURE;
}

static const struct signature_rule signature_rules[] = {
    {FINDING_DKIM_FAIL, is_failed, own_detail},
    {FINDING_DKIM_EXPIRED, is_expired, own_detail},
    {FINDING_DKIM_ALGORITHM, is_sha1, own_detail},
    {FINDING_DKIM_KEY_WEAK, is_key_weak, own_detail},
    {FINDING_DKIM_KEY_SHORT, is_key_short, key_size},
    {FINDING_DKIM_KEY_1024, is_key_1024, key_size},
    {FINDING_DKIM_KEY_TESTING, is_key_testing, key_name},
    {FINDING_DKIM_BODY_LENGTH, has_body_length, no_detail},
    {FINDING_DKIM_COVERAGE_CORE, lacks_core, core_detail},
    {FINDING_DKIM_COVERAGE_PRESENT, lacks_present, present_detail},
    {FINDING_DKIM_COVERAGE_FULL, lacks_full, full_detail},
    {FINDING_DKIM_COVERAGE_SHOULD, lacks_should, no_detail},
    {FINDING_DKIM_TEMPERROR, is_key_unknown, key_name},
    {FINDING_DNSSEC_NONE, is_key_insecure, key_name},
    {FINDING_DNSSEC_BOGUS, is_key_bogus, key_name},
};

enum { SIGNATURE_RULES = sizeof signature_rules / sizeof signature_rules[0] };

static void add_dnssec_none(struct finding_list *findings, enum dnssec_status status, const char *name)
{
    if (status == DNSSEC_STATUS_UNKNOWN)
        finding_list_add_unvalidated(findings, name);
    else
        finding_list_add(findings, FINDING_DNSSEC_NONE, name);
}

static void add_signature(const struct auth_signature *s, struct finding_list *findings)
{
    char detail[FINDING_DETAIL_MAX_BYTES + 1];
    for (size_t i = 0; i < SIGNATURE_RULES; i++) {
        if (!signature_rules[i].applies(s))
            continue;
        signature_rules[i].write_detail(s, detail);
        if (signature_rules[i].id == FINDING_DNSSEC_NONE)
            add_dnssec_none(findings, s->dnssec, detail);
        else
            finding_list_add(findings, signature_rules[i].id, detail);
    }
}

bool verdict_is_rejected(const struct finding_list *findings, const struct finding_policy *policy)
{
    for (size_t i = 0; i < findings->count; i++) {
        enum severity severity = policy->severity[findings->items[i].id];
        if (severity == SEVERITY_REJECT || severity == SEVERITY_UNSET)
            return true;
    }
    return false;
}

bool verdict_is_relied_on(const struct auth_signature *s)
{
    return s->is_verified && !s->is_body_open;
}

/*
 * Smaller is better: one that passes, then one that might (its key is unknown), then the one whose first
 * rejection stands latest in the table, for it came furthest.
 */
static int rank_of(const struct auth_signature *s, const struct finding_policy *policy)
{
    bool is_temporary = false;
    int notes = 0;
    for (size_t i = 0; i < SIGNATURE_RULES; i++) {
        enum finding_id id = signature_rules[i].id;
        if (!signature_rules[i].applies(s))
            continue;
        if (policy->severity[id] == SEVERITY_REJECT || policy->severity[id] == SEVERITY_UNSET)
            return 3 * FINDING_END - (int)id;
        if (policy->severity[id] == SEVERITY_TEMPORARY)
            is_temporary = true;
        else
            notes++;
    }
    /* A fault that was made a note does not make a signature of what is none. */
    if (!verdict_is_relied_on(s) && !s->is_key_unknown)
        return 3 * FINDING_END - FINDING_DKIM_FAIL;
    return is_temporary ? FINDING_END : notes;
}

int verdict_choose_signature(const struct auth_dkim_facts *dkim, const struct finding_policy *policy)
{
    int chosen = -1;
    int best = 0;
    for (size_t i = 0; i < dkim->count; i++) {
        if (!dkim->signatures[i].is_aligned)
            continue;
        int rank = rank_of(&dkim->signatures[i], policy);
        if (chosen < 0 || rank < best) {
            chosen = (int)i;
            best = rank;
        }
    }
    return chosen;
}

void verdict_add_dkim(const struct auth_dkim_facts *dkim, int chosen, struct finding_list *findings)
{
    if (chosen >= 0)
        add_signature(&dkim->signatures[chosen], findings);
    else if (dkim->seen > 0)
        finding_list_add(findings, FINDING_DKIM_UNALIGNED,
                         dkim->count > 0 ? dkim->signatures[0].domain.name : NULL);
    else
        finding_list_add(findings, FINDING_DKIM_NONE, NULL);
}

void verdict_add_dmarc(const struct auth_dmarc_facts *dmarc, struct finding_list *findings)
{
    if (dmarc->is_lookup_failed) {
        finding_list_add(findings, dmarc->is_bogus ? FINDING_DNSSEC_BOGUS : FINDING_DMARC_TEMPERROR,
                         dmarc->detail);
        return;
    }
    if (dmarc->is_broken)
        finding_list_add(findings, FINDING_DMARC_PERMERROR, dmarc->detail);
    else if (dmarc->result == AUTH_RESULT_NONE)
        finding_list_add(findings, FINDING_DMARC_NONE, NULL);
    else if (dmarc->policy != AUTH_POLICY_REJECT && dmarc->policy != AUTH_POLICY_QUARANTINE)
        finding_list_add(findings, FINDING_DMARC_POLICY_NONE, dmarc->policy_domain.name);
    else if (dmarc->is_testing)
        finding_list_add(findings, FINDING_DMARC_POLICY_NONE, "t=y");
    if (dmarc->result == AUTH_RESULT_FAIL)
        finding_list_add(findings, FINDING_DMARC_FAIL, dmarc->detail);
    if (dmarc->difference[0] != '\0')
        finding_list_add(findings, FINDING_DMARC_DISCOVERY_DIFFERS, dmarc->difference);
    if (domain_is_set(&dmarc->policy_domain) && dmarc->dnssec != DNSSEC_STATUS_SECURE) {
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "_dmarc.%.100s", dmarc->policy_domain.name);
        add_dnssec_none(findings, dmarc->dnssec, detail);
    }
}

/* What no setting takes away, read from the facts: a finding that was lost or made a note must not let it by.
 */
static bool is_sound(const struct auth_signature *s)
{
    struct span algorithm = span_from_string(s->algorithm);
    bool is_rsa_sha256 = span_equal(algorithm, SPAN_LITERAL("rsa-sha256"));
    if (!is_rsa_sha256 && !span_equal(algorithm, SPAN_LITERAL("ed25519-sha256")))
        return false;
    return verdict_is_relied_on(s) && s->is_aligned && s->covers_core && !s->is_key_unknown && !s->is_bogus &&
           !s->is_sha1 && !s->is_key_weak && (!is_rsa_sha256 || s->key_bits >= RSA_MIN_BITS);
}

/* What a setting can relax must have been relaxed. */
static bool is_permitted(const struct auth_signature *s, const struct finding_policy *policy)
{
    for (size_t i = 0; i < SIGNATURE_RULES; i++)
        if (signature_rules[i].applies(s) && policy->severity[signature_rules[i].id] != SEVERITY_NOTE)
            return false;
    return true;
}

static bool is_whole(const struct reply_form *form, const struct auth_signature *chosen,
                     const struct finding_policy *policy)
{
    return form->has_author && form->has_token && form->has_digest && chosen != NULL && is_sound(chosen) &&
           is_permitted(chosen, policy) && domain_equal(&chosen->domain, &form->author.domain);
}

static enum finding_id first_of(const struct finding_list *findings, const struct finding_policy *policy,
                                enum severity severity)
{
    for (size_t i = 0; i < findings->count; i++)
        if (policy->severity[findings->items[i].id] == severity)
            return findings->items[i].id;
    return FINDING_NONE;
}

struct verdict_decision verdict_decide(const struct finding_list *findings,
                                       const struct finding_policy *policy, const struct reply_form *form,
                                       const struct auth_signature *chosen)
{
    enum finding_id reason = first_of(findings, policy, SEVERITY_UNSET);
    if (reason == FINDING_NONE)
        reason = first_of(findings, policy, SEVERITY_REJECT);
    if (reason != FINDING_NONE)
        return (struct verdict_decision){VERDICT_REJECT, reason};
    reason = first_of(findings, policy, SEVERITY_TEMPORARY);
    if (reason == FINDING_NONE && chosen != NULL && !verdict_is_relied_on(chosen) && !chosen->is_key_unknown)
        return (struct verdict_decision){VERDICT_REJECT, FINDING_DKIM_FAIL};
    if (reason != FINDING_NONE || !is_whole(form, chosen, policy))
        return (struct verdict_decision){VERDICT_TEMPERROR, reason};
    return (struct verdict_decision){VERDICT_PASS, FINDING_NONE};
}
