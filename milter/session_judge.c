/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a mail: form, DKIM, DMARC, verdict, post, answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "result_json.h"
#include "session_internal.h"
#include "session_report.h"

/* The place of a mailbox among the recipients below end; end if it is none of them. */
static size_t place_among(const struct session *s, const struct mailbox *m, size_t end)
{
    size_t i = 0;
    while (i < end &&
           !(domain_equal(&s->recipients[i].mailbox.domain, &m->domain) &&
             span_equal_nocase(span_from_string(s->recipients[i].mailbox.local), span_from_string(m->local))))
        i++;
    return i;
}

static bool to_names_challenge(const struct mailbox *mailbox, void *context)
{
    const struct session *s = context;
    return place_among(s, mailbox, s->recipient_count) < s->recipient_count;
}

void session_judge_free_reply(struct session_reply *r)
{
    if (r == NULL)
        return;
    auth_dkim_check_free(r->dkim_check);
    auth_dmarc_check_free(r->dmarc_check);
    free(r->dkim);
    message_free(r->message);
    mime_text_clear(&r->text);
    strbuf_clear(&r->dns);
    free(r->result);
    free(r->authentication_results);
    free(r->forged_fields);
    free(r);
}

struct to_search {
    const struct session *session;
    size_t first; /* of the recipients that were named so far */
};

static bool visit_to(const struct mailbox *m, void *context)
{
    struct to_search *search = context;
    search->first = place_among(search->session, m, search->first);
    return search->first > 0;
}

/* The challenge address that the mail came to: of several the first that the To field names, else the first.
 * False: out of memory. */
static bool choose_challenge(struct session *s)
{
    struct session_reply *r = s->reply;
    struct to_search search = {s, s->recipient_count};
    struct message_field to = {0};
    (void)message_find(r->message, SPAN_LITERAL("To"), &to);
    if (mailbox_visit_list(to.value, visit_to, &search) != OUTCOME_OK)
        return false;
    const struct mailbox *best = &s->recipients[search.first < s->recipient_count ? search.first : 0].mailbox;
    r->challenge = settings_find_challenge(s->runtime->settings, best);
    if (r->challenge != NULL)
        mailbox_format(best, r->address);
    return true;
}

void session_judge_will_wait(struct session *s)
{
    if (s->will_wait != NULL && !s->reply->has_said_wait)
        s->will_wait();
    s->reply->has_said_wait = true;
}

void session_judge_header(struct session *s)
{
    struct session_reply *r = s->reply;
    if (!choose_challenge(s) ||
        reply_form_examine_header(r->message, to_names_challenge, s, &r->form, &r->findings) != OUTCOME_OK)
        r->is_message_broken = true;
}

/* Once. */
static void start_lookups(struct session *s)
{
    struct session_reply *r = s->reply;
    const struct settings *settings = s->runtime->settings;
    if (r->dkim_check != NULL || r->dmarc_check != NULL || r->is_message_broken || r->challenge == NULL ||
        !r->form.has_author || verdict_is_rejected(&r->findings, &r->challenge->finding_policy))
        return;
    const struct auth_dkim_rules rules = {
        .minimum_key_bits = (unsigned)settings->minimum_key_bits,
        .max_signatures = (unsigned)settings->max_signatures,
        .clock_skew_seconds = settings->clock_skew_ms / 1000,
        .now = r->received_at,
        .weak_keys = s->runtime->weak_keys,
    };
    r->dns_deadline = deadline_in(settings->dns_timeout_ms);
    r->dkim_check =
        auth_dkim_start(s->runtime->dkim, r->message, &r->form.author.domain, &rules, s->runtime->resolver);
    r->dmarc_check =
        auth_dmarc_start(s->runtime->dmarc, &r->form.author.domain,
                         (enum auth_dmarc_discovery)settings->dmarc_discovery, s->runtime->resolver);
}

/*
 * The look-ups start while the body still comes in, but only once a whole block was read: a mail without one
 * must not make us ask the DNS anything. It is looked for once, at the first end line, and not in each piece
 * again; where an encoding hides it, or no place is free, they start at the end.
 */
void session_judge_start_early(struct session *s, struct span piece)
{
    struct session_reply *r = s->reply;
    struct reply_block block;
    const char *why;
    if (r->is_block_tried || span_find(piece, 0, SPAN_LITERAL("END ACME RESPONSE")) == piece.len)
        return;
    r->is_block_tried = true;
    if (reply_block_parse(message_body(r->message), &block, &why) != REPLY_BLOCK_STATUS_OK)
        return;
    r->is_early = workload_take(s->runtime->workload, WORKLOAD_PLACE_EARLY,
                                s->runtime->settings->max_concurrent_replies);
    if (r->is_early)
        start_lookups(s);
}

void session_judge_end_early(struct session *s)
{
    if (s->reply == NULL || !s->reply->is_early)
        return;
    workload_give_back(s->runtime->workload, WORKLOAD_PLACE_EARLY);
    s->reply->is_early = false;
}

/*
 * What DMARC is told. A signature that verifies, and whose flaw the administrator has made a note
 * (OnFinding), is one that he relies on: without this the override of one row would only move the rejection
 * to dmarc-fail.
 */
static enum auth_result aligned_result(const struct session_reply *r, int chosen,
                                       const struct finding_policy *policy)
{
    if (chosen < 0)
        return AUTH_RESULT_NONE;
    const struct auth_signature *s = &r->dkim->signatures[chosen];
    if (s->result == AUTH_RESULT_POLICY && verdict_is_relied_on(s) &&
        !verdict_is_rejected(&r->findings, policy))
        return AUTH_RESULT_PASS;
    return s->result;
}

/* DKIM and DMARC, for a reply whose form is in order. */
static enum outcome authenticate(struct session *s)
{
    struct session_reply *r = s->reply;
    const struct finding_policy *policy = &r->challenge->finding_policy;
    int64_t began = clock_monotonic_us();
    start_lookups(s);
    r->dkim = malloc(sizeof *r->dkim);
    if (r->dkim_check == NULL || r->dmarc_check == NULL || r->dkim == NULL)
        return OUTCOME_INTERNAL;
    session_judge_will_wait(s);
    enum outcome outcome = auth_dkim_finish(r->dkim_check, r->dns_deadline, r->dkim, &r->dns);
    if (outcome != OUTCOME_OK)
        return outcome;
    int chosen = verdict_choose_signature(r->dkim, policy);
    verdict_add_dkim(r->dkim, chosen, &r->findings);
    r->record.dkim = r->dkim;
    r->record.chosen = chosen >= 0 ? &r->dkim->signatures[chosen] : NULL;
    if (session_suspect(s) != NULL)
        finding_list_suspect_receiver(&r->findings);
    outcome = auth_dmarc_finish(r->dmarc_check, aligned_result(r, chosen, policy), r->dns_deadline, &r->dmarc,
                                &r->dns);
    for (size_t i = 0; i < r->dkim->count; i++)
        r->dkim_us += r->dkim->signatures[i].verify_us;
    r->dns_us = clock_monotonic_us() - began - r->dkim_us;
    if (outcome != OUTCOME_OK)
        return outcome;
    verdict_add_dmarc(&r->dmarc, &r->findings);
    r->record.dmarc = &r->dmarc;
    return OUTCOME_OK;
}

/* Everything up to the verdict. False: a failure of ours, which leaves the verdict a temporary error. */
static bool judge(struct session *s)
{
    struct session_reply *r = s->reply;
    const struct settings *settings = s->runtime->settings;
    const struct mime_limits limits = {(unsigned)settings->max_mime_depth,
                                       (unsigned)settings->max_mime_parts};
    r->record.decision = (struct verdict_decision){VERDICT_TEMPERROR, FINDING_NONE};
    message_end(r->message);
    if (r->is_message_broken)
        return false;
    if (message_is_cut(r->message))
        finding_list_add(&r->findings, FINDING_MESSAGE_TOO_LARGE, NULL);
    else if (reply_form_examine_body(r->message, &limits, &r->text, &r->form, &r->findings) != OUTCOME_OK)
        return false;
    if (!verdict_is_rejected(&r->findings, &r->challenge->finding_policy) && authenticate(s) != OUTCOME_OK)
        return false;
    r->record.decision =
        verdict_decide(&r->findings, &r->challenge->finding_policy, &r->form, r->record.chosen);
    /* Where every finding was made a note and there is still nothing to rely on. */
    enum finding_id reason = r->record.decision.reason;
    if (reason != FINDING_NONE && r->record.chosen != NULL && !finding_list_has(&r->findings, reason))
        finding_list_add(&r->findings, reason, r->record.chosen->detail);
    return true;
}

void session_judge_reply(struct session *s, void (*progress)(void *context), void *context,
                         struct session_outcome *outcome)
{
    struct session_reply *r = s->reply;
    if (r->challenge == NULL) {
        session_report_no_memory(s);
        session_report_deliver(s, false, NULL, NULL, outcome);
        return;
    }
    session_report_fill_record(s);
    bool ok = judge(s) && session_report_encode(s);
    if (!ok) {
        r->record.decision = (struct verdict_decision){VERDICT_TEMPERROR, FINDING_NONE};
        session_report_no_memory(s);
    }
    session_report_deliver(s, ok, progress, context, outcome);
    session_report_count(s);
    session_report_log(s, outcome);
}
