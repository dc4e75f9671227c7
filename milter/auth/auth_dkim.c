/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signatures matter, their keys, and what came of them. The cryptography is in signature_verifier, the
 * syntax in signature_tags.
 */
#include "auth_dkim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "key_record.h"
#include "signature_body.h"
#include "signature_coverage.h"
#include "signature_tags.h"
#include "signature_verifier.h"

/* A forged mail may name as many keys as it likes; it must not cost more questions than an honest one. */
enum { KEYS_MAX = 4 };

/* Below the first no signature is valid, whatever the settings say (RFC 8301 section 3.2). */
enum { VALID_RSA_BITS = 1024, STRONG_RSA_BITS = 2048 };

struct auth_dkim {
    struct signature_verifier *verifier;
};

/* Smaller comes first: what may decide the verdict must not be crowded out by what cannot. */
enum candidate_rank {
    CANDIDATE_RANK_UNSET = 0,
    CANDIDATE_RANK_USABLE, /* the author's own, and nothing wrong with it so far */
    CANDIDATE_RANK_BROKEN, /* the author's own, not to be verified */
    CANDIDATE_RANK_OTHER,  /* another domain's */
};

struct candidate {
    struct signature_tags tags;
    enum candidate_rank rank;
    const char *why; /* NULL, or why it is not verified */
    size_t index;    /* of the field in the message */
    size_t key;      /* place in keys, KEYS_MAX if none */
};

struct key {
    struct domain name;
    struct resolver_question *question;
    bool is_recorded; /* in the transcript, and counted */
};

struct auth_dkim_check {
    struct auth_dkim *dkim;
    const struct message *message;
    struct domain author;
    struct auth_dkim_rules rules;
    struct candidate *candidates; /* by rank, then as in the message */
    size_t count;
    size_t seen;
    struct key keys[KEYS_MAX];
    size_t key_count;
    struct auth_lookups lookups;
};

struct auth_dkim *auth_dkim_new(void)
{
    struct auth_dkim *dkim = calloc(1, sizeof *dkim);
    if (dkim == NULL)
        return NULL;
    dkim->verifier = signature_verifier_new();
    if (dkim->verifier != NULL)
        return dkim;
    free(dkim);
    return NULL;
}

void auth_dkim_free(struct auth_dkim *dkim)
{
    if (dkim == NULL)
        return;
    signature_verifier_free(dkim->verifier);
    free(dkim);
}

bool auth_dkim_append_library_text(struct strbuf *out)
{
    return signature_verifier_append_library_text(out);
}

/* False: out of memory. */
static bool read_candidate(const struct auth_dkim_check *check, size_t index, struct candidate *c)
{
    *c = (struct candidate){.index = index, .key = KEYS_MAX};
    enum outcome outcome =
        signature_tags_parse(message_field_at(check->message, index).value, &c->tags, &c->why);
    if (outcome == OUTCOME_OK)
        c->why = c->tags.algorithm == SIGNATURE_ALGORITHM_RSA_SHA1 ? "rsa-sha1 is not accepted" : NULL;
    c->rank = !domain_equal(&c->tags.domain, &check->author) ? CANDIDATE_RANK_OTHER
              : c->why == NULL                               ? CANDIDATE_RANK_USABLE
                                                             : CANDIDATE_RANK_BROKEN;
    return outcome != OUTCOME_INTERNAL;
}

/* Puts c behind those of its rank; at the limit the last one has to go. */
static void insert(struct auth_dkim_check *check, const struct candidate *c)
{
    size_t at = check->count;
    while (at > 0 && check->candidates[at - 1].rank > c->rank)
        at--;
    if (at == check->rules.max_signatures)
        return;
    if (check->count == check->rules.max_signatures)
        check->count--;
    memmove(&check->candidates[at + 1], &check->candidates[at], (check->count - at) * sizeof *c);
    check->candidates[at] = *c;
    check->count++;
}

/* False: out of memory. */
static bool collect(struct auth_dkim_check *check)
{
    for (size_t i = 0; i < message_field_count(check->message); i++) {
        struct span name = span_trim(message_field_at(check->message, i).name);
        if (!span_equal_nocase(name, SPAN_LITERAL("DKIM-Signature")))
            continue;
        struct candidate c;
        if (!read_candidate(check, i, &c))
            return false;
        insert(check, &c);
    }
    return true;
}

/* Finds or starts the look-up of a candidate's key. False: out of memory. */
static bool ask_key(struct auth_dkim_check *check, struct candidate *c, struct resolver *resolver)
{
    if (c->rank != CANDIDATE_RANK_USABLE)
        return true;
    for (size_t i = 0; i < check->key_count; i++)
        if (domain_equal(&check->keys[i].name, &c->tags.key_name))
            c->key = i;
    if (c->key != KEYS_MAX)
        return true;
    if (check->key_count == KEYS_MAX) {
        c->why = "too many different keys";
        return true;
    }
    struct key *key = &check->keys[check->key_count];
    key->name = c->tags.key_name;
    key->question = resolver_ask_txt(resolver, key->name.name);
    c->key = check->key_count++;
    return key->question != NULL;
}

struct auth_dkim_check *auth_dkim_start(struct auth_dkim *dkim, const struct message *m,
                                        const struct domain *author, const struct auth_dkim_rules *rules,
                                        struct resolver *resolver)
{
    struct auth_dkim_check *check = calloc(1, sizeof *check);
    if (check == NULL)
        return NULL;
    check->dkim = dkim;
    check->message = m;
    check->author = *author;
    check->rules = *rules;
    if (check->rules.max_signatures > AUTH_SIGNATURES_MAX)
        check->rules.max_signatures = AUTH_SIGNATURES_MAX;
    check->seen = message_count(m, SPAN_LITERAL("DKIM-Signature"));
    size_t room = check->seen < check->rules.max_signatures ? check->seen : check->rules.max_signatures;
    check->candidates = calloc(room + 1, sizeof *check->candidates);
    bool ok = check->candidates != NULL && collect(check);
    for (size_t i = 0; ok && i < check->count; i++)
        ok = ask_key(check, &check->candidates[i], resolver);
    if (ok)
        return check;
    auth_dkim_check_free(check);
    return NULL;
}

void auth_dkim_check_free(struct auth_dkim_check *check)
{
    if (check == NULL)
        return;
    for (size_t i = 0; i < check->key_count; i++)
        resolver_question_free(check->keys[i].question);
    free(check->candidates);
    free(check);
}

static void conclude(struct auth_signature *s, enum auth_result result, const char *detail)
{
    s->result = result;
    (void)snprintf(s->detail, sizeof s->detail, "%s", detail != NULL ? detail : "");
}

/* What the field itself says. */
static void describe(const struct auth_dkim_check *check, const struct candidate *c, struct auth_signature *s)
{
    const struct signature_tags *t = &c->tags;
    int64_t now = check->rules.now;
    int64_t skew = check->rules.clock_skew_seconds;
    s->domain = t->domain;
    memcpy(s->selector, t->selector, sizeof s->selector);
    memcpy(s->algorithm, t->algorithm_text, sizeof s->algorithm);
    memcpy(s->identity, t->identity, sizeof s->identity);
    memcpy(s->signed_fields, t->signed_fields, sizeof s->signed_fields);
    s->signed_at = t->signed_at;
    s->expires_at = t->expires_at;
    s->has_body_length = t->has_body_length;
    s->is_body_open =
        t->has_body_length &&
        (uint64_t)t->body_length < signature_body_length(message_body(check->message), t->is_body_relaxed);
    s->is_sha1 = t->algorithm == SIGNATURE_ALGORITHM_RSA_SHA1;
    s->is_aligned = c->rank == CANDIDATE_RANK_USABLE || c->rank == CANDIDATE_RANK_BROKEN;
    s->is_expired = (s->expires_at >= 0 && s->expires_at < now - skew) || s->signed_at > now + skew;
    signature_coverage_measure(check->message, s);
}

/* Lets the library verify; the result as if nothing else could be wrong. */
static enum outcome run_verifier(const struct auth_dkim_check *check, const struct candidate *c,
                                 const struct key_record *key, struct auth_signature *s)
{
    const struct signature_verifier_request request = {
        .message = check->message,
        .index = c->index,
        .key = key->text,
        .h = span_from_string(s->signed_fields),
        .covers_signatures =
            signature_tags_times_signed(s->signed_fields, SPAN_LITERAL("dkim-signature")) > 0,
    };
    const char *why;
    int64_t began = clock_monotonic_us();
    enum signature_verdict verdict = signature_verifier_run(check->dkim->verifier, &request, &why);
    s->verify_us = clock_monotonic_us() - began;
    switch (verdict) {
    case SIGNATURE_VERDICT_VERIFIED:
        s->is_verified = true;
        conclude(s, AUTH_RESULT_PASS, NULL);
        break;
    case SIGNATURE_VERDICT_BODY_CHANGED:
        conclude(s, AUTH_RESULT_FAIL, "the body was changed");
        break;
    case SIGNATURE_VERDICT_HEADER_CHANGED:
        conclude(s, AUTH_RESULT_FAIL, "a signed header field was changed, or the key is another");
        break;
    case SIGNATURE_VERDICT_UNUSABLE:
        conclude(s, AUTH_RESULT_PERMERROR, why != NULL ? why : "libopendkim cannot read the signature");
        break;
    case SIGNATURE_VERDICT_INTERNAL:
    default:
        return OUTCOME_INTERNAL;
    }
    return OUTCOME_OK;
}

/* A signature that verifies and that nobody should rely on. */
static void note_policy(struct auth_signature *s)
{
    if (!s->is_verified)
        return;
    if (s->is_expired)
        conclude(s, AUTH_RESULT_POLICY, "expired, or dated in the future");
    else if (s->is_key_short)
        conclude(s, AUTH_RESULT_POLICY, "the key is too short");
    else if (s->is_key_testing)
        conclude(s, AUTH_RESULT_POLICY, "the key is for tests");
    else if (s->has_body_length)
        conclude(s, AUTH_RESULT_POLICY, "only a part of the body is signed");
}

/* NULL, or why whoever likes may have signed. Nothing is verified then, so that nothing can be relied on. */
static const char *weakness_of(const struct auth_dkim_check *check, const struct key_facts *key)
{
    if (key->weakness == NULL && weak_key_list_has(check->rules.weak_keys, key->digest))
        return "weak key: it is listed in WeakKeyFile";
    return key->weakness;
}

static enum outcome verify(const struct auth_dkim_check *check, const struct candidate *c,
                           const struct resolver_answer *answer, struct auth_signature *s)
{
    struct key_record key;
    const char *why;
    enum outcome outcome = key_record_choose(answer, c->tags.algorithm, &key, &why);
    if (outcome == OUTCOME_INTERNAL)
        return outcome;
    s->key_bits = key.bits;
    s->is_key_testing = key.is_testing;
    bool is_rsa = c->tags.algorithm == SIGNATURE_ALGORITHM_RSA_SHA256;
    bool is_invalid = is_rsa && key.bits < VALID_RSA_BITS;
    s->is_key_short = key.bits > 0 && is_rsa && (is_invalid || key.bits < check->rules.minimum_key_bits);
    const char *weakness = outcome == OUTCOME_OK ? weakness_of(check, &key.facts) : NULL;
    s->is_key_weak = weakness != NULL;
    if (outcome == OUTCOME_OK && (weakness != NULL || is_invalid)) {
        outcome = OUTCOME_BROKEN_INPUT;
        why = weakness != NULL ? weakness : "an RSA key of fewer than 1024 bits";
    }
    if (outcome == OUTCOME_OK && key.forbids_subdomains && c->tags.is_identity_below) {
        outcome = OUTCOME_BROKEN_INPUT;
        why = "the key forbids i= below d= (t=s)";
    }
    if (outcome != OUTCOME_OK) {
        conclude(s, AUTH_RESULT_PERMERROR, why);
        return OUTCOME_OK;
    }
    outcome = run_verifier(check, c, &key, s);
    note_policy(s);
    return outcome;
}

/* Waits for the key and verifies with it. */
static enum outcome judge(struct auth_dkim_check *check, const struct candidate *c, struct deadline deadline,
                          struct auth_signature *s, struct strbuf *dns)
{
    struct key *key = &check->keys[c->key];
    const struct resolver_answer *answer = resolver_wait(key->question, deadline);
    if (answer->outcome == OUTCOME_INTERNAL)
        return OUTCOME_INTERNAL;
    s->dnssec = answer->dnssec;
    if (dns != NULL && !key->is_recorded && !resolver_append_answer(dns, answer))
        return OUTCOME_INTERNAL;
    if (!key->is_recorded)
        check->lookups.counts[resolver_answer_kind(answer)]++;
    key->is_recorded = true;
    if (answer->outcome == OUTCOME_OK)
        return verify(check, c, answer, s);
    if (answer->outcome == OUTCOME_ABSENT) {
        conclude(s, AUTH_RESULT_PERMERROR, "no key");
        return OUTCOME_OK;
    }
    s->is_key_unknown = true;
    s->is_bogus = answer->dnssec == DNSSEC_STATUS_BOGUS;
    conclude(s, AUTH_RESULT_TEMPERROR, "the key could not be looked up");
    return OUTCOME_OK;
}

/* No policy could like another signature better. */
static bool is_flawless(const struct auth_signature *s)
{
    bool is_strong = s->key_bits >= STRONG_RSA_BITS || strncmp(s->algorithm, "rsa-", 4) != 0;
    return s->result == AUTH_RESULT_PASS && s->covers_core && s->covers_present && s->covers_full &&
           is_strong && s->dnssec == DNSSEC_STATUS_SECURE;
}

enum outcome auth_dkim_finish(struct auth_dkim_check *check, struct deadline deadline,
                              struct auth_dkim_facts *facts, struct strbuf *dns)
{
    bool is_decided = false;
    /* The signatures are cleared one by one: most mails have few, and the array is large. */
    facts->count = 0;
    facts->seen = check->seen;
    facts->lookups = (struct auth_lookups){{0}};
    for (; facts->count < check->count; facts->count++) {
        const struct candidate *c = &check->candidates[facts->count];
        struct auth_signature *s = &facts->signatures[facts->count];
        memset(s, 0, sizeof *s);
        describe(check, c, s);
        if (c->rank == CANDIDATE_RANK_OTHER || is_decided)
            continue;
        if (c->why != NULL) {
            conclude(s, AUTH_RESULT_PERMERROR, c->why);
            continue;
        }
        if (judge(check, c, deadline, s, dns) != OUTCOME_OK)
            return OUTCOME_INTERNAL;
        is_decided = is_flawless(s);
        if (s->result == AUTH_RESULT_PASS)
            deadline = deadline_in(0);
    }
    facts->lookups = check->lookups;
    return OUTCOME_OK;
}
