/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signatures matter, their keys, and what came of them. The cryptography is in signature_verifier, the
 * syntax in signature_tags.
 */
#include "auth_dkim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signature_coverage.h"
#include "signature_tags.h"
#include "signature_verifier.h"

/* A forged mail may name as many keys as it likes; it must not cost more questions than an honest one. */
enum { KEYS_MAX = 4 };

struct auth_dkim {
    struct signature_verifier *verifier;
};

struct candidate {
    struct signature_tags_field field;
    size_t index; /* of the field in the message */
    size_t key;   /* place in keys, KEYS_MAX if none */
};

struct key {
    struct domain name;
    struct resolver_question *question;
    bool is_recorded; /* in the transcript */
};

struct auth_dkim_check {
    struct auth_dkim *dkim;
    const struct message *message;
    struct domain author;
    struct auth_dkim_rules rules;
    struct candidate *candidates; /* the author's first */
    size_t count;
    size_t aligned;
    size_t seen;
    struct key keys[KEYS_MAX];
    size_t key_count;
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

const char *auth_dkim_library_text(void)
{
    return signature_verifier_library_text();
}

static bool is_aligned(const struct auth_dkim_check *check, const struct candidate *c)
{
    return domain_equal(&c->field.domain, &check->author);
}

/* One pass over the mail's signatures: those of the author's domain, or the others. */
static void collect(struct auth_dkim_check *check, bool wants_aligned)
{
    const struct message *m = check->message;
    for (size_t i = 0; i < message_field_count(m) && check->count < check->rules.max_signatures; i++) {
        struct message_field field = message_field_at(m, i);
        if (!span_equal_nocase(span_trim(field.name), SPAN_LITERAL("DKIM-Signature")))
            continue;
        struct candidate *c = &check->candidates[check->count];
        c->index = i;
        c->key = KEYS_MAX;
        if (signature_tags_read_field(field.value, &c->field) && is_aligned(check, c) == wants_aligned)
            check->count++;
    }
}

static bool is_sha1(const struct candidate *c)
{
    return strcmp(c->field.algorithm, "rsa-sha1") == 0;
}

/* Finds or starts the look-up of a candidate's key. False: out of memory. */
static bool ask_key(struct auth_dkim_check *check, struct candidate *c, struct resolver *resolver)
{
    if (c->field.why != NULL || is_sha1(c))
        return true;
    for (size_t i = 0; i < check->key_count; i++)
        if (domain_equal(&check->keys[i].name, &c->field.key_name))
            c->key = i;
    if (c->key != KEYS_MAX || check->key_count == KEYS_MAX)
        return true;
    struct key *key = &check->keys[check->key_count];
    key->name = c->field.key_name;
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
    check->seen = message_count(m, SPAN_LITERAL("DKIM-Signature"));
    size_t room = check->seen < rules->max_signatures ? check->seen : rules->max_signatures;
    check->candidates = calloc(room + 1, sizeof *check->candidates);
    bool ok = check->candidates != NULL;
    if (ok)
        collect(check, true);
    check->aligned = check->count;
    for (size_t i = 0; ok && i < check->aligned; i++)
        ok = ask_key(check, &check->candidates[i], resolver);
    if (ok) {
        collect(check, false);
        return check;
    }
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
    const struct signature_tags_field *f = &c->field;
    s->domain = f->domain;
    memcpy(s->selector, f->selector, sizeof s->selector);
    memcpy(s->algorithm, f->algorithm, sizeof s->algorithm);
    memcpy(s->identity, f->identity, sizeof s->identity);
    memcpy(s->signed_fields, f->signed_fields, sizeof s->signed_fields);
    s->signed_at = f->signed_at;
    s->expires_at = f->expires_at;
    s->has_body_length = f->has_body_length;
    s->is_sha1 = is_sha1(c);
    s->is_aligned = is_aligned(check, c);
    int64_t now = check->rules.now;
    int64_t skew = check->rules.clock_skew_seconds;
    s->is_expired = (s->expires_at >= 0 && s->expires_at + skew < now) || s->signed_at > now + skew;
    signature_coverage_measure(check->message, s);
}

/* The one key record of an answer, or why there is none. */
static const char *choose_record(const struct resolver_answer *answer, struct span *record)
{
    if (answer->outcome == OUTCOME_ABSENT || answer->count == 0)
        return "no key at this selector";
    if (answer->count > 1)
        return "several key records at this selector";
    *record = answer->records[0];
    return NULL;
}

/* Sets result, key_bits and the flags that the key gives. OUTCOME_INTERNAL: the library failed. */
static enum outcome verify(const struct auth_dkim_check *check, const struct candidate *c, struct span record,
                           struct auth_signature *s)
{
    struct signature_tags_key key;
    const char *why;
    signature_tags_read_key(record, s->algorithm, &key);
    s->is_key_testing = key.is_testing;
    if (key.why == NULL && key.forbids_subdomains && c->field.identity_is_subdomain)
        key.why = "the key forbids a subdomain in i=";
    if (key.why != NULL) {
        conclude(s, AUTH_RESULT_PERMERROR, key.why);
        return OUTCOME_OK;
    }
    bool names_signatures = strstr(s->signed_fields, "dkim-signature") != NULL;
    enum signature_verdict verdict = signature_verifier_run(check->dkim->verifier, check->message, c->index,
                                                            key.reduced, names_signatures, &why);
    s->key_bits = key.bits;
    s->is_key_short = !key.is_ed25519 && key.bits < check->rules.minimum_key_bits;
    s->is_verified = verdict == SIGNATURE_VERDICT_VERIFIED;
    switch (verdict) {
    case SIGNATURE_VERDICT_INTERNAL:
        return OUTCOME_INTERNAL;
    case SIGNATURE_VERDICT_BODY_CHANGED:
        conclude(s, AUTH_RESULT_FAIL, "the body was changed");
        break;
    case SIGNATURE_VERDICT_HEADER_CHANGED:
        conclude(s, AUTH_RESULT_FAIL, "a signed header field was changed, or the key is another");
        break;
    case SIGNATURE_VERDICT_UNUSABLE:
        conclude(s, AUTH_RESULT_PERMERROR, why != NULL ? why : "the signature cannot be read");
        break;
    case SIGNATURE_VERDICT_VERIFIED:
        conclude(s, AUTH_RESULT_PASS, NULL);
        break;
    }
    return OUTCOME_OK;
}

/* A signature that verifies and that nobody should rely on. */
static void note_policy(struct auth_signature *s)
{
    if (!s->is_verified)
        return;
    if (s->is_key_short)
        conclude(s, AUTH_RESULT_POLICY, "the key is too short");
    else if (s->is_key_testing)
        conclude(s, AUTH_RESULT_POLICY, "the key is marked as a test");
    else if (s->has_body_length)
        conclude(s, AUTH_RESULT_POLICY, "the signature covers a part of the body only");
    else if (s->is_expired)
        conclude(s, AUTH_RESULT_POLICY, "the signature has expired or is dated in the future");
}

static enum outcome judge(struct auth_dkim_check *check, const struct candidate *c, struct deadline deadline,
                          struct auth_signature *s, struct strbuf *dns)
{
    if (c->field.why != NULL || s->is_sha1 || c->key == KEYS_MAX) {
        conclude(s, AUTH_RESULT_PERMERROR,
                 c->field.why != NULL ? c->field.why
                 : s->is_sha1         ? "rsa-sha1 is not accepted"
                                      : "too many different keys");
        return OUTCOME_OK;
    }
    struct key *key = &check->keys[c->key];
    const struct resolver_answer *answer = resolver_wait(key->question, deadline);
    s->dnssec = answer->dnssec;
    if (dns != NULL && !key->is_recorded && !resolver_append_answer(dns, answer))
        return OUTCOME_INTERNAL;
    key->is_recorded = true;
    if (answer->outcome != OUTCOME_OK && answer->outcome != OUTCOME_ABSENT) {
        s->is_key_unknown = true;
        s->is_bogus = answer->dnssec == DNSSEC_STATUS_BOGUS;
        conclude(s, AUTH_RESULT_TEMPERROR, "the key could not be looked up");
        return OUTCOME_OK;
    }
    struct span record;
    const char *why = choose_record(answer, &record);
    if (why != NULL) {
        conclude(s, AUTH_RESULT_PERMERROR, why);
        return OUTCOME_OK;
    }
    enum outcome outcome = verify(check, c, record, s);
    note_policy(s);
    return outcome;
}

/* Nothing is wrong with it but what header fields it leaves out. */
static bool is_flawless(const struct auth_signature *s)
{
    return s->result == AUTH_RESULT_PASS && s->covers_core && s->covers_present;
}

enum outcome auth_dkim_finish(struct auth_dkim_check *check, struct deadline deadline,
                              struct auth_dkim_facts *facts, struct strbuf *dns)
{
    bool is_decided = false;
    memset(facts, 0, sizeof *facts);
    facts->seen = check->seen;
    facts->count = check->count;
    for (size_t i = 0; i < check->count; i++) {
        struct auth_signature *s = &facts->signatures[i];
        describe(check, &check->candidates[i], s);
        if (i >= check->aligned || is_decided)
            continue;
        if (judge(check, &check->candidates[i], deadline, s, dns) != OUTCOME_OK)
            return OUTCOME_INTERNAL;
        is_decided = is_flawless(s) && s->covers_full;
    }
    return OUTCOME_OK;
}
