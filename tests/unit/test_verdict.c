/* SPDX-License-Identifier: BSD-2-Clause */
#include "verdict.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

/* A signature with nothing wrong. */
static struct auth_signature good_signature(void)
{
    struct auth_signature s = {.key_bits = 2048,
                               .signed_at = -1,
                               .expires_at = -1,
                               .dnssec = DNSSEC_STATUS_SECURE,
                               .result = AUTH_RESULT_PASS,
                               .is_aligned = true,
                               .is_verified = true,
                               .covers_core = true,
                               .covers_present = true,
                               .covers_full = true,
                               .covers_should = true};
    (void)snprintf(s.domain.name, sizeof s.domain.name, "example.com");
    (void)snprintf(s.selector, sizeof s.selector, "s1");
    (void)snprintf(s.algorithm, sizeof s.algorithm, "rsa-sha256");
    return s;
}

static struct auth_dmarc_facts good_dmarc(void)
{
    struct auth_dmarc_facts d = {
        .result = AUTH_RESULT_PASS, .policy = AUTH_POLICY_REJECT, .dnssec = DNSSEC_STATUS_SECURE};
    (void)snprintf(d.policy_domain.name, sizeof d.policy_domain.name, "example.com");
    return d;
}

static struct reply_form good_form(void)
{
    struct reply_form f = {.has_author = true, .has_token = true, .has_digest = true};
    (void)snprintf(f.author.local, sizeof f.author.local, "alice");
    (void)snprintf(f.author.domain.name, sizeof f.author.domain.name, "example.com");
    return f;
}

struct judged {
    struct verdict_decision decision;
    struct finding_list findings;
    int chosen;
};

static struct judged judge(const struct auth_dkim_facts *dkim, const struct auth_dmarc_facts *dmarc,
                           enum policy base)
{
    struct judged j = {.findings.count = 0};
    struct finding_policy policy;
    struct reply_form form = good_form();
    finding_policy_init(&policy, base);
    j.chosen = verdict_choose_signature(dkim, &policy);
    verdict_add_dkim(dkim, j.chosen, &j.findings);
    verdict_add_dmarc(dmarc, &j.findings);
    j.decision =
        verdict_decide(&j.findings, &policy, &form, j.chosen >= 0 ? &dkim->signatures[j.chosen] : NULL);
    return j;
}

static void set_key_unknown(struct auth_signature *s)
{
    s->is_verified = false;
    s->is_key_unknown = true;
    s->result = AUTH_RESULT_TEMPERROR;
}

static void set_failed(struct auth_signature *s)
{
    s->is_verified = false;
    s->result = AUTH_RESULT_FAIL;
}

static void set_bogus(struct auth_signature *s)
{
    set_key_unknown(s);
    s->is_bogus = true;
}

static void set_expired(struct auth_signature *s)
{
    s->is_expired = true;
}

static void set_sha1(struct auth_signature *s)
{
    s->is_verified = false;
    s->is_sha1 = true;
    (void)snprintf(s->algorithm, sizeof s->algorithm, "rsa-sha1");
}

static void set_short(struct auth_signature *s)
{
    s->is_key_short = true;
    s->key_bits = 512;
}

static void set_weak(struct auth_signature *s)
{
    s->is_verified = false;
    s->is_key_weak = true;
}

static void set_1024(struct auth_signature *s)
{
    s->key_bits = 1024;
}

static void set_ed25519(struct auth_signature *s)
{
    s->key_bits = 256;
    (void)snprintf(s->algorithm, sizeof s->algorithm, "ed25519-sha256");
}

static void set_testing(struct auth_signature *s)
{
    s->is_key_testing = true;
}

static void set_body_length(struct auth_signature *s)
{
    s->has_body_length = true;
}

static void set_no_core(struct auth_signature *s)
{
    s->covers_core = false;
}

static void set_no_present(struct auth_signature *s)
{
    s->covers_present = false;
}

static void set_no_full(struct auth_signature *s)
{
    s->covers_full = false;
}

static void set_no_should(struct auth_signature *s)
{
    s->covers_should = false;
}

static void set_insecure(struct auth_signature *s)
{
    s->dnssec = DNSSEC_STATUS_INSECURE;
}

static void set_unknown_dnssec(struct auth_signature *s)
{
    s->dnssec = DNSSEC_STATUS_UNKNOWN;
}

static void set_nothing(struct auth_signature *s)
{
    (void)s;
}

#define PASS    VERDICT_PASS, FINDING_NONE
#define TEMP(f) VERDICT_TEMPERROR, FINDING_##f
#define NO(f)   VERDICT_REJECT, FINDING_##f

static const struct {
    const char *name;
    void (*change)(struct auth_signature *s);
    enum policy policy;
    enum verdict verdict;
    enum finding_id reason;
} signature_rows[] = {
    {"a good signature", set_nothing, POLICY_STRICT, PASS},
    {"R-25 a signature that does not verify", set_failed, POLICY_INTEROP, NO(DKIM_FAIL)},
    {"an unknown key is temporary", set_key_unknown, POLICY_STRICT, TEMP(DKIM_TEMPERROR)},
    {"a bogus key is temporary", set_bogus, POLICY_STRICT, TEMP(DNSSEC_BOGUS)},
    {"expired", set_expired, POLICY_INTEROP, NO(DKIM_EXPIRED)},
    {"rsa-sha1", set_sha1, POLICY_INTEROP, NO(DKIM_ALGORITHM)},
    {"a weak key", set_weak, POLICY_INTEROP, NO(DKIM_KEY_WEAK)},
    {"a short key", set_short, POLICY_INTEROP, NO(DKIM_KEY_SHORT)},
    {"1024 bits are a note", set_1024, POLICY_RFC8823, PASS},
    {"1024 bits, strict", set_1024, POLICY_STRICT, NO(DKIM_KEY_1024)},
    {"Ed25519 has few bits and is not short", set_ed25519, POLICY_STRICT, PASS},
    {"t=y", set_testing, POLICY_INTEROP, NO(DKIM_KEY_TESTING)},
    {"l=", set_body_length, POLICY_INTEROP, NO(DKIM_BODY_LENGTH)},
    {"R-26 core coverage, interop", set_no_core, POLICY_INTEROP, NO(DKIM_COVERAGE_CORE)},
    {"R-26 present fields, rfc8823", set_no_present, POLICY_RFC8823, NO(DKIM_COVERAGE_PRESENT)},
    {"R-26 present fields, interop", set_no_present, POLICY_INTEROP, PASS},
    {"R-27 all twelve, rfc8823", set_no_full, POLICY_RFC8823, NO(DKIM_COVERAGE_FULL)},
    {"R-27 all twelve, interop", set_no_full, POLICY_INTEROP, PASS},
    {"R-29 the recommended ones never reject", set_no_should, POLICY_STRICT, PASS},
    {"R-48 no DNSSEC, rfc8823", set_insecure, POLICY_RFC8823, PASS},
    {"R-48 no DNSSEC, strict", set_insecure, POLICY_STRICT, NO(DNSSEC_NONE)},
    {"DNSSEC status unknown is not secure", set_unknown_dnssec, POLICY_STRICT, NO(DNSSEC_NONE)},
};

static void test_signatures(void)
{
    struct auth_dmarc_facts dmarc = good_dmarc();
    for (size_t i = 0; i < sizeof signature_rows / sizeof signature_rows[0]; i++) {
        struct auth_dkim_facts dkim = {.count = 1, .seen = 1};
        dkim.signatures[0] = good_signature();
        signature_rows[i].change(&dkim.signatures[0]);
        struct judged j = judge(&dkim, &dmarc, signature_rows[i].policy);
        tap_ok(j.decision.verdict == signature_rows[i].verdict &&
                   j.decision.reason == signature_rows[i].reason,
               "%s", signature_rows[i].name);
    }
}

/* A bad signature beside a good one never harms it; an undecided one never beats it. */
static void test_choice(void)
{
    struct auth_dmarc_facts dmarc = good_dmarc();
    for (size_t i = 0; i < sizeof signature_rows / sizeof signature_rows[0]; i++) {
        for (int place = 0; place < 2; place++) {
            struct auth_dkim_facts dkim = {.count = 2, .seen = 2};
            dkim.signatures[place] = good_signature();
            dkim.signatures[1 - place] = good_signature();
            signature_rows[i].change(&dkim.signatures[1 - place]);
            struct judged j = judge(&dkim, &dmarc, signature_rows[i].policy);
            tap_ok(j.decision.verdict == VERDICT_PASS, "beside a good signature: %s", signature_rows[i].name);
        }
    }
    struct auth_dkim_facts dkim = {.count = 2, .seen = 2};
    dkim.signatures[0] = good_signature();
    dkim.signatures[1] = good_signature();
    set_failed(&dkim.signatures[0]);
    set_key_unknown(&dkim.signatures[1]);
    tap_is_int(judge(&dkim, &dmarc, POLICY_INTEROP).decision.verdict, VERDICT_TEMPERROR,
               "one failed, one undecided: temporary, for the second may pass");
    set_no_core(&dkim.signatures[1]);
    tap_is_int(judge(&dkim, &dmarc, POLICY_INTEROP).decision.verdict, VERDICT_REJECT,
               "an undecided one that could not pass decides nothing");
}

static void test_alignment(void)
{
    struct auth_dmarc_facts dmarc = good_dmarc();
    struct auth_dkim_facts dkim = {.count = 0, .seen = 0};
    tap_is_int(judge(&dkim, &dmarc, POLICY_INTEROP).decision.reason, FINDING_DKIM_NONE, "R-25 no signature");
    dkim.seen = 1;
    tap_is_int(judge(&dkim, &dmarc, POLICY_INTEROP).decision.reason, FINDING_DKIM_UNALIGNED,
               "R-28 a signature that could not even be listed");
    dkim.count = 1;
    dkim.signatures[0] = good_signature();
    dkim.signatures[0].is_aligned = false;
    tap_is_int(judge(&dkim, &dmarc, POLICY_INTEROP).decision.reason, FINDING_DKIM_UNALIGNED,
               "R-28 unaligned");
}

static const struct {
    const char *name;
    struct auth_dmarc_facts facts;
    enum policy policy;
    enum verdict verdict;
    enum finding_id reason;
} policy_rows[] = {
    {"no record", {.result = AUTH_RESULT_NONE}, POLICY_RFC8823, PASS},
    {"no record, strict", {.result = AUTH_RESULT_NONE}, POLICY_STRICT, NO(DMARC_NONE)},
    {"p=none, strict",
     {.result = AUTH_RESULT_PASS, .policy = AUTH_POLICY_NONE, .dnssec = DNSSEC_STATUS_SECURE},
     POLICY_STRICT,
     NO(DMARC_POLICY_NONE)},
    {"t=y, strict",
     {.result = AUTH_RESULT_PASS,
      .policy = AUTH_POLICY_REJECT,
      .is_testing = true,
      .dnssec = DNSSEC_STATUS_SECURE},
     POLICY_STRICT,
     NO(DMARC_POLICY_NONE)},
    {"p=quarantine, strict",
     {.result = AUTH_RESULT_PASS, .policy = AUTH_POLICY_QUARANTINE, .dnssec = DNSSEC_STATUS_SECURE},
     POLICY_STRICT,
     PASS},
    {"broken", {.result = AUTH_RESULT_PERMERROR, .is_broken = true}, POLICY_INTEROP, PASS},
    {"broken, strict",
     {.result = AUTH_RESULT_PERMERROR, .is_broken = true},
     POLICY_STRICT,
     NO(DMARC_PERMERROR)},
    {"fail", {.result = AUTH_RESULT_FAIL, .policy = AUTH_POLICY_NONE}, POLICY_INTEROP, NO(DMARC_FAIL)},
    {"look-up failed is temporary",
     {.result = AUTH_RESULT_TEMPERROR, .is_lookup_failed = true},
     POLICY_STRICT,
     TEMP(DMARC_TEMPERROR)},
    {"bogus is temporary",
     {.result = AUTH_RESULT_TEMPERROR, .is_lookup_failed = true, .is_bogus = true},
     POLICY_STRICT,
     TEMP(DNSSEC_BOGUS)},
};

/* OnFinding makes a note of a fault, and no signature of what is none. */
static void test_noted_fault(void)
{
    struct auth_dkim_facts dkim = {.count = 2, .seen = 2};
    struct finding_policy policy;
    finding_policy_init(&policy, POLICY_INTEROP);
    (void)finding_policy_override(&policy, FINDING_DKIM_KEY_SHORT, SEVERITY_NOTE);
    dkim.signatures[0] = dkim.signatures[1] = good_signature();
    dkim.signatures[1].dnssec = DNSSEC_STATUS_INSECURE;
    set_short(&dkim.signatures[0]);
    dkim.signatures[0].is_verified = false;
    tap_is_int(verdict_choose_signature(&dkim, &policy), 1,
               "R-25 an invalid one does not come before a good one");
    dkim.count = 1;
    tap_is_int(verdict_choose_signature(&dkim, &policy), 0, "R-25 and alone it is chosen, to be told of");
}

static void test_dmarc(void)
{
    struct auth_dkim_facts dkim = {.count = 1, .seen = 1};
    dkim.signatures[0] = good_signature();
    for (size_t i = 0; i < sizeof policy_rows / sizeof policy_rows[0]; i++) {
        struct judged j = judge(&dkim, &policy_rows[i].facts, policy_rows[i].policy);
        tap_ok(j.decision.verdict == policy_rows[i].verdict && j.decision.reason == policy_rows[i].reason,
               "DMARC: %s", policy_rows[i].name);
    }
}

static void test_unvalidated(void)
{
    struct auth_dkim_facts dkim = {.count = 1, .seen = 1};
    struct auth_dmarc_facts dmarc = good_dmarc();
    dkim.signatures[0] = good_signature();
    dkim.signatures[0].dnssec = dmarc.dnssec = DNSSEC_STATUS_UNKNOWN;
    (void)snprintf(dmarc.policy_domain.name, sizeof dmarc.policy_domain.name, "example.com");
    struct judged j = judge(&dkim, &dmarc, POLICY_STRICT);
    tap_ok(j.decision.verdict == VERDICT_REJECT && j.findings.count == 2, "not validated: key and policy");
    for (size_t i = 0; i < j.findings.count; i++)
        tap_ok(strstr(j.findings.items[i].detail, ": not validated") != NULL &&
                   strstr(j.findings.items[i].text, "validates no DNS answers") != NULL,
               "not validated is not told as not signed: %s", j.findings.items[i].detail);
    dkim.signatures[0].dnssec = dmarc.dnssec = DNSSEC_STATUS_INSECURE;
    j = judge(&dkim, &dmarc, POLICY_STRICT);
    for (size_t i = 0; i < j.findings.count; i++)
        tap_ok(strstr(j.findings.items[i].detail, "not validated") == NULL &&
                   strstr(j.findings.items[i].text, "is not signed with DNSSEC") != NULL,
               "not signed is told as that: %s", j.findings.items[i].detail);
}

static void test_difference(void)
{
    struct auth_dkim_facts dkim = {.count = 1, .seen = 1};
    struct auth_dmarc_facts dmarc = good_dmarc();
    dkim.signatures[0] = good_signature();
    struct judged j = judge(&dkim, &dmarc, POLICY_STRICT);
    tap_ok(!finding_list_has(&j.findings, FINDING_DMARC_DISCOVERY_DIFFERS), "no difference, no finding");
    (void)snprintf(dmarc.difference, sizeof dmarc.difference, "rfc9989: none; rfc7489: reject");
    j = judge(&dkim, &dmarc, POLICY_STRICT);
    tap_ok(finding_list_has(&j.findings, FINDING_DMARC_DISCOVERY_DIFFERS) &&
               j.decision.verdict == VERDICT_PASS,
           "a difference of two ways of discovery is noted");
    tap_is_string(j.findings.items[0].detail, "rfc9989: none; rfc7489: reject", "with what each came to");
    dmarc.is_lookup_failed = true;
    j = judge(&dkim, &dmarc, POLICY_STRICT);
    tap_ok(!finding_list_has(&j.findings, FINDING_DMARC_DISCOVERY_DIFFERS), "not of a look-up that failed");
}

/* Whatever the findings say, a pass needs something to certify. */
static void test_floor(void)
{
    struct finding_policy policy;
    struct finding_list none = {.count = 0};
    struct auth_signature s = good_signature();
    struct reply_form form = good_form();
    finding_policy_init(&policy, POLICY_INTEROP);
    tap_is_int(verdict_decide(&none, &policy, &form, &s).verdict, VERDICT_PASS, "whole facts pass");
    tap_is_int(verdict_decide(&none, &policy, &form, NULL).verdict, VERDICT_TEMPERROR,
               "no signature, no pass");
    struct reply_form broken = form;
    broken.has_author = false;
    tap_is_int(verdict_decide(&none, &policy, &broken, &s).verdict, VERDICT_TEMPERROR, "no author, no pass");
    broken = form;
    broken.has_token = false;
    tap_is_int(verdict_decide(&none, &policy, &broken, &s).verdict, VERDICT_TEMPERROR, "no token, no pass");
    broken = form;
    broken.has_digest = false;
    tap_is_int(verdict_decide(&none, &policy, &broken, &s).verdict, VERDICT_TEMPERROR, "no digest, no pass");
    (void)snprintf(s.domain.name, sizeof s.domain.name, "evil.example");
    tap_is_int(verdict_decide(&none, &policy, &form, &s).verdict, VERDICT_TEMPERROR,
               "another domain, no pass");
    s = good_signature();
    s.is_verified = false;
    tap_is_int(verdict_decide(&none, &policy, &form, &s).verdict, VERDICT_REJECT, "not verified, no pass");
    struct finding_policy zeroed = {.severity = {SEVERITY_UNSET}};
    struct finding_list one = {.count = 0};
    finding_list_add(&one, FINDING_DKIM_COVERAGE_SHOULD, NULL);
    tap_is_int(verdict_decide(&one, &zeroed, &form, &(struct auth_signature){0}).verdict, VERDICT_REJECT,
               "an unset severity rejects");
}

/* One bit of the number for each fact; true where all of them allow a pass, the last if policy does. */
static bool set_facts(struct auth_signature *s, unsigned bits, bool is_short_noted)
{
    bool *const wanted[] = {&s->is_verified, &s->is_aligned, &s->covers_core};
    bool *const unwanted[] = {&s->is_body_open, &s->is_key_unknown, &s->is_bogus, &s->is_sha1,
                              &s->is_key_weak};
    bool is_good = true;
    for (size_t i = 0; i < 3; i++, bits >>= 1) {
        *wanted[i] = bits & 1;
        is_good = is_good && *wanted[i];
    }
    for (size_t i = 0; i < 5; i++, bits >>= 1) {
        *unwanted[i] = bits & 1;
        is_good = is_good && !*unwanted[i];
    }
    s->is_key_short = bits & 1;
    return is_good && (is_short_noted || !s->is_key_short);
}

static const struct {
    const char *algorithm;
    unsigned key_bits;
    bool is_good;
} key_rows[] = {
    {"rsa-sha256", 2048, true}, {"rsa-sha256", 1024, true}, {"rsa-sha256", 1023, false},
    {"rsa-sha256", 0, false},   {"rsa-sha1", 2048, false},  {"ed25519-sha256", 256, true},
    {"", 2048, false},
};

/* No finding tells of any of it, and with is_noted policy makes a note of everything. */
static void test_facts(bool is_noted)
{
    struct finding_policy policy;
    struct finding_list none = {.count = 0};
    struct reply_form form = good_form();
    finding_policy_init(&policy, POLICY_INTEROP);
    for (size_t i = 0; is_noted && i < FINDING_END; i++)
        policy.severity[i] = SEVERITY_NOTE;
    for (size_t k = 0; k < sizeof key_rows / sizeof key_rows[0]; k++) {
        unsigned wrong = 0;
        for (unsigned bits = 0; bits < 1U << 9; bits++) {
            struct auth_signature s = good_signature();
            (void)snprintf(s.algorithm, sizeof s.algorithm, "%s", key_rows[k].algorithm);
            s.key_bits = key_rows[k].key_bits;
            bool is_good = set_facts(&s, bits, is_noted) && key_rows[k].is_good;
            bool is_pass = verdict_decide(&none, &policy, &form, &s).verdict == VERDICT_PASS;
            wrong += is_pass != is_good;
        }
        tap_ok(wrong == 0, "all facts, \"%s\" of %u bits%s: %u wrong", key_rows[k].algorithm,
               key_rows[k].key_bits, is_noted ? ", all noted" : "", wrong);
    }
}

int main(void)
{
    test_signatures();
    test_choice();
    test_alignment();
    test_noted_fault();
    test_dmarc();
    test_unvalidated();
    test_difference();
    test_floor();
    test_facts(false);
    test_facts(true);
    return tap_done();
}
