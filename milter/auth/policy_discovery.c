/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy_discovery.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    JUMP_LABELS = 7,                           /* what is left of a name of eight or more */
    NAME_MAX_BYTES = DOMAIN_MAX_BYTES + 1 + 7, /* "_dmarc." before it */
};

enum level_state {
    LEVEL_STATE_UNASKED = 0,
    LEVEL_STATE_FAILED,
    LEVEL_STATE_BROKEN,
    LEVEL_STATE_EMPTY,
    LEVEL_STATE_RECORD,
};

/* One name of the walk: the author's domain, then its parents, longest first. */
struct level {
    struct domain domain;
    struct resolver_question
        *question; /* owned; NULL if "_dmarc." makes the name longer than the DNS can hold */
    enum level_state state;
    enum auth_lookup lookup;
    enum dnssec_status dnssec;
    struct policy_record record;
    const char *why; /* of BROKEN and FAILED */
};

struct policy_discovery {
    struct resolver *resolver;
    const struct org_domain_list *list;
    enum auth_dmarc_discovery method;
    struct level levels[POLICY_DISCOVERY_QUESTIONS_MAX];
    size_t count;
};

/* Where a method of discovery ends. */
struct selection {
    enum level_state state; /* FAILED, BROKEN, EMPTY (no record) or RECORD */
    size_t level;           /* of it */
    size_t used;            /* levels whose answers it rests on */
};

static size_t count_labels(const struct domain *d)
{
    struct span text = span_from_string(d->name);
    size_t labels = 0;
    for (size_t at = 0; at < text.len; at = span_find_byte(text, at, '.') + 1)
        labels++;
    return labels;
}

static void set_level(struct level *level, const char *name)
{
    (void)snprintf(level->domain.name, sizeof level->domain.name, "%s", name);
}

static const char *drop_label(const char *name)
{
    struct span text = span_from_string(name);
    size_t dot = span_find_byte(text, 0, '.');
    return dot < text.len ? name + dot + 1 : NULL;
}

/* The parents of levels[0], or as many of the highest of them as fit in max levels. */
static void add_parents(struct policy_discovery *d, size_t max)
{
    const char *name = drop_label(d->levels[0].domain.name);
    size_t labels = count_labels(&d->levels[0].domain) - 1;
    size_t most = max - 1 < JUMP_LABELS ? max - 1 : JUMP_LABELS;
    for (; name != NULL; name = drop_label(name), labels--)
        if (labels <= most)
            set_level(&d->levels[d->count++], name);
}

static void add_org_domain(struct policy_discovery *d)
{
    struct domain org;
    if (org_domain_find(d->list, &d->levels[0].domain, &org) && !domain_equal(&org, &d->levels[0].domain))
        set_level(&d->levels[d->count++], org.name);
}

static bool ask_level(struct policy_discovery *d, struct level *level)
{
    char name[NAME_MAX_BYTES + 1];
    int len = snprintf(name, sizeof name, "_dmarc.%s", level->domain.name);
    if (len > DOMAIN_MAX_BYTES)
        return true;
    level->question = resolver_ask_txt(d->resolver, name);
    return level->question != NULL;
}

/* Of several records all are discarded (RFC 9989 section 4.10); that is worth a word, as the domain meant
 * one. */
static void read_records(struct level *level, const struct resolver_answer *answer)
{
    size_t found = 0;
    if (answer->count > RESOLVER_RECORDS_MAX) {
        level->state = LEVEL_STATE_BROKEN;
        level->why = "too many TXT records";
        return;
    }
    level->state = LEVEL_STATE_EMPTY;
    for (size_t i = 0; i < answer->count; i++) {
        struct policy_record record;
        const char *why;
        enum outcome outcome = policy_record_parse(answer->records[i], &record, &why);
        if (outcome == OUTCOME_ABSENT)
            continue;
        level->record = record;
        level->why = found == 0 ? why : "several records";
        level->state = ++found == 1 && outcome == OUTCOME_OK ? LEVEL_STATE_RECORD : LEVEL_STATE_BROKEN;
    }
}

static enum outcome read_level(struct level *level, struct deadline deadline, struct strbuf *dns)
{
    if (level->question == NULL) {
        level->state = LEVEL_STATE_EMPTY;
        level->dnssec = DNSSEC_STATUS_SECURE; /* nothing was asked, so nothing could be forged */
        return OUTCOME_OK;
    }
    const struct resolver_answer *answer = resolver_wait(level->question, deadline);
    if (answer->outcome == OUTCOME_INTERNAL || (dns != NULL && !resolver_append_answer(dns, answer)))
        return OUTCOME_INTERNAL;
    level->lookup = resolver_answer_kind(answer);
    level->dnssec = answer->dnssec;
    if (answer->outcome == OUTCOME_OK) {
        read_records(level, answer);
    } else if (answer->outcome == OUTCOME_ABSENT) {
        level->state = LEVEL_STATE_EMPTY;
    } else {
        level->state = LEVEL_STATE_FAILED;
        level->why = answer->dnssec == DNSSEC_STATUS_BOGUS ? "DNSSEC validation failed" : "no answer";
    }
    return OUTCOME_OK;
}

/* The first level up to last that has a broken record: discarded, but it was meant for the author. */
static struct selection mind_broken(const struct policy_discovery *d, struct selection s)
{
    size_t last = s.state == LEVEL_STATE_RECORD ? s.level : s.used - 1;
    for (size_t i = 0; i <= last && s.state != LEVEL_STATE_FAILED; i++)
        if (d->levels[i].state == LEVEL_STATE_BROKEN)
            s = (struct selection){LEVEL_STATE_BROKEN, i, s.used};
    return s;
}

/* RFC 9989 sections 4.10.1 and 4.10.2, when the author's domain has no record of its own. */
static struct selection walk(const struct policy_discovery *d)
{
    struct selection s = {LEVEL_STATE_EMPTY, 0, 1};
    for (size_t i = 1; i < d->count; i++) {
        const struct level *level = &d->levels[i], *below = &d->levels[i - 1];
        s.used = i + 1;
        if (level->state == LEVEL_STATE_FAILED)
            return (struct selection){LEVEL_STATE_FAILED, i, i + 1};
        if (level->state != LEVEL_STATE_RECORD)
            continue;
        /* psd=y: the organisational domain is one label below, unless that is the author's, or one never
         * asked. */
        bool is_suffix = level->record.psd == POLICY_RECORD_PSD_YES;
        s.state = LEVEL_STATE_RECORD;
        s.level = is_suffix && below->state == LEVEL_STATE_RECORD ? i - 1 : i;
        if (level->record.psd != POLICY_RECORD_PSD_UNSET)
            break;
    }
    return mind_broken(d, s);
}

/* RFC 7489 section 6.6.3: the organisational domain by the public suffix list, and no other. */
static struct selection look_at_org_domain(const struct policy_discovery *d)
{
    struct domain org;
    struct selection s = {LEVEL_STATE_EMPTY, 0, 1};
    if (!org_domain_find(d->list, &d->levels[0].domain, &org))
        return s;
    for (size_t i = 1; i < d->count; i++)
        if (domain_equal(&d->levels[i].domain, &org))
            s = (struct selection){d->levels[i].state, i, i + 1};
    return s;
}

static enum auth_policy selected_policy(const struct policy_discovery *d, const struct selection *s)
{
    const struct level *level = &d->levels[s->level];
    return s->state == LEVEL_STATE_RECORD ? policy_record_policy(&level->record, s->level != 0)
                                          : AUTH_POLICY_UNKNOWN;
}

/* An enforced policy over one in testing, and that over none. */
static int strictness(const struct policy_discovery *d, const struct selection *s)
{
    enum auth_policy policy = selected_policy(d, s);
    bool is_enforced = policy == AUTH_POLICY_QUARANTINE || policy == AUTH_POLICY_REJECT;
    return (int)policy + (is_enforced && !d->levels[s->level].record.is_testing ? AUTH_POLICY_REJECT : 0);
}

/* Of two methods: not knowing wins over all, then a broken record, then the stricter policy. */
static struct selection stricter(const struct policy_discovery *d, struct selection a, struct selection b)
{
    if (a.state == LEVEL_STATE_FAILED || b.state == LEVEL_STATE_FAILED)
        return a.state == LEVEL_STATE_FAILED ? a : b;
    if (a.state == LEVEL_STATE_BROKEN || b.state == LEVEL_STATE_BROKEN)
        return a.state == LEVEL_STATE_BROKEN ? a : b;
    return strictness(d, &b) > strictness(d, &a) ? b : a;
}

static const char *selection_word(const struct policy_discovery *d, const struct selection *s)
{
    if (s->state == LEVEL_STATE_BROKEN)
        return "broken";
    const char *word = name_table_name(auth_policy_names, (int)selected_policy(d, s));
    return s->state == LEVEL_STATE_RECORD && word != NULL ? word : "no record";
}

static const char *testing_word(const struct policy_discovery *d, const struct selection *s)
{
    return s->state == LEVEL_STATE_RECORD && d->levels[s->level].record.is_testing ? " t=y" : "";
}

static void compare(const struct policy_discovery *d, const struct selection *walked,
                    const struct selection *listed, char *difference)
{
    if (walked->state == LEVEL_STATE_FAILED || listed->state == LEVEL_STATE_FAILED ||
        (walked->state == listed->state && strictness(d, walked) == strictness(d, listed)))
        return;
    (void)snprintf(difference, AUTH_DETAIL_MAX_BYTES + 1, "rfc9989: %s%s; rfc7489: %s%s",
                   selection_word(d, walked), testing_word(d, walked), selection_word(d, listed),
                   testing_word(d, listed));
}

static struct selection select_level(const struct policy_discovery *d, char *difference)
{
    if (d->levels[0].state != LEVEL_STATE_EMPTY)
        return (struct selection){d->levels[0].state, 0, 1};
    if (d->method == AUTH_DMARC_DISCOVERY_RFC7489)
        return look_at_org_domain(d);
    struct selection walked = walk(d);
    if (d->method != AUTH_DMARC_DISCOVERY_BOTH)
        return walked;
    struct selection listed = look_at_org_domain(d);
    compare(d, &walked, &listed, difference);
    struct selection s = stricter(d, walked, listed);
    s.used = walked.used > listed.used ? walked.used : listed.used;
    return s;
}

/* Bogus, unknown, insecure, secure. */
static int badness(enum dnssec_status status)
{
    switch (status) {
    case DNSSEC_STATUS_SECURE:
        return 0;
    case DNSSEC_STATUS_INSECURE:
        return 1;
    case DNSSEC_STATUS_UNKNOWN:
        return 2;
    case DNSSEC_STATUS_BOGUS:
    default:
        return 3;
    }
}

static void fill_result(const struct policy_discovery *d, struct policy_discovery_result *result)
{
    struct selection s = select_level(d, result->difference);
    const struct level *level = &d->levels[s.level];
    result->dnssec = DNSSEC_STATUS_SECURE;
    for (size_t i = 0; i < s.used; i++)
        if (badness(d->levels[i].dnssec) > badness(result->dnssec))
            result->dnssec = d->levels[i].dnssec;
    result->is_lookup_failed = s.state == LEVEL_STATE_FAILED;
    result->is_bogus = s.state == LEVEL_STATE_FAILED && level->dnssec == DNSSEC_STATUS_BOGUS;
    result->is_broken = s.state == LEVEL_STATE_BROKEN;
    result->has_record = s.state == LEVEL_STATE_RECORD;
    result->policy = selected_policy(d, &s);
    if (s.state != LEVEL_STATE_EMPTY)
        result->domain = level->domain;
    if (s.state == LEVEL_STATE_RECORD) {
        result->record = level->record;
        result->record.is_partial = result->record.is_partial && d->method == AUTH_DMARC_DISCOVERY_RFC7489;
    }
    if (result->is_lookup_failed || result->is_broken)
        (void)snprintf(result->detail, sizeof result->detail, "%s: _dmarc.%.80s", level->why,
                       level->domain.name);
}

struct policy_discovery *policy_discovery_start(struct resolver *resolver, const struct org_domain_list *list,
                                                const struct domain *author, enum auth_dmarc_discovery method)
{
    struct policy_discovery *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->resolver = resolver;
    d->list = list;
    d->method = method;
    d->count = 1;
    set_level(&d->levels[0], author->name);
    if (ask_level(d, &d->levels[0]))
        return d;
    policy_discovery_free(d);
    return NULL;
}

static enum outcome read_parents(struct policy_discovery *d, bool is_brief, struct deadline deadline,
                                 struct strbuf *dns)
{
    enum outcome outcome = OUTCOME_OK;
    if (d->method == AUTH_DMARC_DISCOVERY_RFC7489)
        add_org_domain(d);
    else
        add_parents(d, is_brief ? POLICY_DISCOVERY_QUESTIONS_BRIEF : POLICY_DISCOVERY_QUESTIONS_MAX);
    for (size_t i = 1; i < d->count; i++)
        if (!ask_level(d, &d->levels[i]))
            return OUTCOME_INTERNAL;
    for (size_t i = 1; i < d->count && outcome == OUTCOME_OK; i++)
        outcome = read_level(&d->levels[i], deadline, dns);
    return outcome;
}

enum outcome policy_discovery_finish(struct policy_discovery *d, bool is_brief, struct deadline deadline,
                                     struct policy_discovery_result *result, struct strbuf *dns)
{
    *result = (struct policy_discovery_result){.policy = AUTH_POLICY_UNKNOWN};
    enum outcome outcome = read_level(&d->levels[0], deadline, dns);
    if (outcome == OUTCOME_OK && d->levels[0].state == LEVEL_STATE_EMPTY && d->count == 1)
        outcome = read_parents(d, is_brief, deadline, dns);
    if (outcome == OUTCOME_OK)
        fill_result(d, result);
    for (size_t i = 0; i < d->count; i++)
        result->lookups.counts[d->levels[i].lookup]++;
    return outcome;
}

void policy_discovery_free(struct policy_discovery *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        resolver_question_free(d->levels[i].question);
    free(d);
}
