/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The evaluation is ours; libopendmarc is asked what it makes of the same facts, and counts only when it
 * disagrees. It never sees DNS, SPF, a header or a record's own text, and only a signature that is exactly
 * aligned: it aligns domains that it must not.
 */
#include "auth_dmarc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <opendmarc/dmarc.h>

#include "policy_discovery.h"

enum { LIBRARY_RECORD_BYTES = 64 };

const struct name_table_row auth_dmarc_discovery_names[] = {
    {AUTH_DMARC_DISCOVERY_RFC9989, "rfc9989"},
    {AUTH_DMARC_DISCOVERY_RFC7489, "rfc7489"},
    {AUTH_DMARC_DISCOVERY_BOTH, "both"},
    {0, NULL},
};

struct auth_dmarc {
    struct org_domain_list *list;
};

struct auth_dmarc_check {
    struct domain author;
    struct policy_discovery *discovery;
};

struct auth_dmarc *auth_dmarc_new(void)
{
    OPENDMARC_LIB_T options;
    memset(&options, 0, sizeof options);
    struct auth_dmarc *dmarc = calloc(1, sizeof *dmarc);
    if (dmarc == NULL)
        return NULL;
    dmarc->list = org_domain_list_new();
    if (dmarc->list == NULL || opendmarc_policy_library_init(&options) != DMARC_PARSE_OKAY) {
        auth_dmarc_free(dmarc);
        return NULL;
    }
    return dmarc;
}

void auth_dmarc_free(struct auth_dmarc *dmarc)
{
    if (dmarc != NULL)
        org_domain_list_free(dmarc->list);
    free(dmarc);
}

struct auth_dmarc_check *auth_dmarc_start(struct auth_dmarc *dmarc, const struct domain *author,
                                          enum auth_dmarc_discovery discovery, struct resolver *resolver)
{
    struct auth_dmarc_check *check = calloc(1, sizeof *check);
    if (check == NULL)
        return NULL;
    check->author = *author;
    check->discovery = policy_discovery_start(resolver, dmarc->list, author, discovery);
    if (check->discovery == NULL) {
        free(check);
        return NULL;
    }
    return check;
}

void auth_dmarc_check_free(struct auth_dmarc_check *check)
{
    if (check != NULL)
        policy_discovery_free(check->discovery);
    free(check);
}

/* The library takes unsigned char and wants it writable. */
struct library_text {
    unsigned char bytes[DOMAIN_MAX_BYTES + 1];
};

static struct library_text library_text(const char *text)
{
    struct library_text copy;
    (void)snprintf((char *)copy.bytes, sizeof copy.bytes, "%s", text);
    return copy;
}

static int library_answer(enum auth_policy policy, bool has_passed)
{
    if (has_passed)
        return DMARC_POLICY_PASS;
    switch (policy) {
    case AUTH_POLICY_REJECT:
        return DMARC_POLICY_REJECT;
    case AUTH_POLICY_QUARANTINE:
        return DMARC_POLICY_QUARANTINE;
    case AUTH_POLICY_NONE:
        return DMARC_POLICY_NONE;
    case AUTH_POLICY_UNKNOWN:
    default:
        return DMARC_POLICY_ABSENT;
    }
}

/* The order matters: the record comes before the signature, or its adkim= is not minded. OUTCOME_REJECTED:
 * the library reads another thing. */
static enum outcome compare_with_library(DMARC_POLICY_T *ctx, const struct auth_dmarc_check *check,
                                         const struct auth_dmarc_facts *facts)
{
    char text[LIBRARY_RECORD_BYTES];
    const char *policy = name_table_name(auth_policy_names, (int)facts->policy);
    bool has_passed = facts->result == AUTH_RESULT_PASS;
    (void)snprintf(text, sizeof text, "v=DMARC1; p=%s; adkim=%s", policy != NULL ? policy : "",
                   facts->is_strict ? "s" : "r");
    struct library_text record = library_text(text), author = library_text(check->author.name);
    struct library_text selector = library_text("s"), reason = library_text("pass");
    OPENDMARC_STATUS_T status = opendmarc_policy_store_from_domain(ctx, author.bytes);
    if (status == DMARC_PARSE_OKAY)
        status = opendmarc_policy_store_dmarc(ctx, record.bytes, author.bytes, NULL);
    if (status == DMARC_PARSE_OKAY && has_passed)
        status = opendmarc_policy_store_dkim(ctx, author.bytes, selector.bytes,
                                             DMARC_POLICY_DKIM_OUTCOME_PASS, reason.bytes);
    if (status == DMARC_PARSE_ERROR_NO_ALLOC)
        return OUTCOME_INTERNAL;
    bool is_same = status == DMARC_PARSE_OKAY &&
                   opendmarc_get_policy_to_enforce(ctx) == library_answer(facts->policy, has_passed);
    return is_same ? OUTCOME_OK : OUTCOME_REJECTED;
}

static enum outcome ask_library(const struct auth_dmarc_check *check, struct auth_dmarc_facts *facts)
{
    struct library_text address = library_text("192.0.2.1"); /* it must have one, and reads it for SPF only */
    DMARC_POLICY_T *ctx = opendmarc_policy_connect_init(address.bytes, 0);
    if (ctx == NULL)
        return OUTCOME_INTERNAL;
    enum outcome outcome = compare_with_library(ctx, check, facts);
    if (outcome == OUTCOME_REJECTED) {
        facts->result = AUTH_RESULT_PERMERROR;
        facts->is_broken = true;
        (void)snprintf(facts->detail, sizeof facts->detail, "libopendmarc disagrees");
    }
    (void)opendmarc_policy_connect_shutdown(ctx);
    return outcome == OUTCOME_INTERNAL ? OUTCOME_INTERNAL : OUTCOME_OK;
}

static void take_result(const struct policy_discovery_result *found, struct auth_dmarc_facts *facts)
{
    *facts = (struct auth_dmarc_facts){
        .result = AUTH_RESULT_NONE,
        .policy = found->policy,
        .dnssec = found->dnssec,
        .is_lookup_failed = found->is_lookup_failed,
        .is_bogus = found->is_bogus,
        .is_broken = found->is_broken,
        .lookups = found->lookups,
    };
    if (found->has_record || found->is_broken)
        facts->policy_domain = found->domain;
    if (found->has_record) {
        facts->is_strict = found->record.is_strict;
        facts->is_testing = found->record.is_testing || found->record.is_partial;
    }
    (void)snprintf(facts->detail, sizeof facts->detail, "%s", found->detail);
    (void)snprintf(facts->difference, sizeof facts->difference, "%s", found->difference);
}

/* The caller has seen to it that a signature of d= other than the author's domain is not a pass. */
static enum auth_result evaluate(const struct policy_discovery_result *found, enum auth_result dkim)
{
    if (found->is_lookup_failed)
        return AUTH_RESULT_TEMPERROR;
    if (found->is_broken)
        return AUTH_RESULT_PERMERROR;
    if (!found->has_record)
        return AUTH_RESULT_NONE;
    if (dkim == AUTH_RESULT_PASS || dkim == AUTH_RESULT_TEMPERROR)
        return dkim;
    return AUTH_RESULT_FAIL;
}

enum outcome auth_dmarc_finish(struct auth_dmarc_check *check, enum auth_result dkim,
                               struct deadline deadline, struct auth_dmarc_facts *facts, struct strbuf *dns)
{
    struct policy_discovery_result found;
    bool is_brief = dkim != AUTH_RESULT_PASS;
    enum outcome outcome = policy_discovery_finish(check->discovery, is_brief, deadline, &found, dns);
    take_result(&found, facts);
    if (outcome != OUTCOME_OK) {
        facts->result = AUTH_RESULT_UNKNOWN;
        return outcome;
    }
    facts->result = evaluate(&found, dkim);
    if (facts->result == AUTH_RESULT_FAIL && facts->detail[0] == '\0')
        (void)snprintf(facts->detail, sizeof facts->detail, "no signature of the author's domain passes");
    if (facts->result == AUTH_RESULT_PASS || facts->result == AUTH_RESULT_FAIL)
        return ask_library(check, facts);
    return OUTCOME_OK;
}

const char *auth_dmarc_library_text(void)
{
    return "(tells no version)";
}
