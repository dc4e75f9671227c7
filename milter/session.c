/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events of a connection. libmilter calls its callbacks in orders that no mail has (RCPT after an abort,
 * a body after an unknown command), so that each event is answered in each state: one table says which may
 * follow which, and what it does not name puts the mail under way off. Nothing here runs in two threads at
 * once for one session.
 */
#include "session.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session_report.h"

enum { DNS_TEXT_MAX_BYTES = 256 * 1024 };

enum session_event {
    EVENT_NONE = 0,
    EVENT_GREETING, /* negotiation, connect, HELO */
    EVENT_MAIL,
    EVENT_RCPT,
    EVENT_DATA,
    EVENT_HEADER,
    EVENT_END_OF_HEADER,
    EVENT_BODY,
    EVENT_END,
    EVENTS,
};

/*
 * Where an event leads; those that are not named, to SESSION_STATE_DEFERRED. An abort fits everywhere
 * (session_reset). What comes between mails means nothing until a mail begins.
 */
static const enum session_state next_states[SESSION_STATE_END][EVENTS] = {
    [SESSION_STATE_DEFERRED] = {[EVENT_MAIL] = SESSION_STATE_ENVELOPE},
    [SESSION_STATE_IDLE] = {[EVENT_GREETING] = SESSION_STATE_IDLE,
                            [EVENT_MAIL] = SESSION_STATE_ENVELOPE,
                            [EVENT_RCPT] = SESSION_STATE_IDLE,
                            [EVENT_DATA] = SESSION_STATE_IDLE,
                            [EVENT_HEADER] = SESSION_STATE_IDLE,
                            [EVENT_END_OF_HEADER] = SESSION_STATE_IDLE,
                            [EVENT_BODY] = SESSION_STATE_IDLE,
                            [EVENT_END] = SESSION_STATE_IDLE},
    [SESSION_STATE_ENVELOPE] = {[EVENT_RCPT] = SESSION_STATE_ENVELOPE, [EVENT_DATA] = SESSION_STATE_HEADER},
    [SESSION_STATE_HEADER] =
        {[EVENT_HEADER] = SESSION_STATE_HEADER, [EVENT_END_OF_HEADER] = SESSION_STATE_BODY},
    [SESSION_STATE_BODY] = {[EVENT_BODY] = SESSION_STATE_BODY, [EVENT_END] = SESSION_STATE_JUDGED},
    [SESSION_STATE_JUDGED] = {[EVENT_GREETING] = SESSION_STATE_JUDGED, [EVENT_MAIL] = SESSION_STATE_ENVELOPE},
    /* Whatever is said of other people's mail, it is not put off; a recipient too late may be one of ours. */
    [SESSION_STATE_NOT_OURS] = {[EVENT_GREETING] = SESSION_STATE_NOT_OURS,
                                [EVENT_MAIL] = SESSION_STATE_ENVELOPE,
                                [EVENT_DATA] = SESSION_STATE_NOT_OURS,
                                [EVENT_HEADER] = SESSION_STATE_NOT_OURS,
                                [EVENT_END_OF_HEADER] = SESSION_STATE_NOT_OURS,
                                [EVENT_BODY] = SESSION_STATE_NOT_OURS,
                                [EVENT_END] = SESSION_STATE_NOT_OURS},
};

/* What the mail under way holds, as MaxMemory counts it. */
static size_t bytes_of(const struct session *s)
{
    size_t reply = s->reply != NULL ? sizeof *s->reply + message_held_bytes(s->reply->message) : 0;
    return s->text_bytes + s->recipient_room * sizeof *s->recipients + reply;
}

/* What has come of the mail is of no use any more. */
static void defer(struct session *s, enum session_deferral why)
{
    session_judge_end_early(s);
    session_judge_free_reply(s->reply);
    s->reply = NULL;
    s->state = SESSION_STATE_DEFERRED;
    s->deferral = why;
    s->is_deferral_told = false;
    size_t now = bytes_of(s);
    (void)workload_hold(s->runtime->workload, s->held_bytes, now, INT64_MAX);
    s->held_bytes = now;
}

/* Tells the workload what the mail holds; where all together are over MaxMemory, it is deferred, and its
 * reply is given back. */
static void account(struct session *s)
{
    if (s->runtime == NULL)
        return;
    int64_t most = s->runtime->settings->max_memory;
    size_t now = bytes_of(s);
    if (workload_hold(s->runtime->workload, s->held_bytes, now, most)) {
        s->held_bytes = now;
        return;
    }
    defer(s, SESSION_DEFERRAL_MAX_MEMORY);
}

/* Where the event has led. */
static enum session_state move(struct session *s, enum session_event event)
{
    enum session_state after = next_states[s->state][event];
    if (after == SESSION_STATE_DEFERRED && s->state != SESSION_STATE_DEFERRED)
        defer(s, SESSION_DEFERRAL_ORDER);
    s->state = after;
    return after;
}

struct session *session_new(void)
{
    struct session *s = calloc(1, sizeof(struct session));
    if (s != NULL)
        s->state = SESSION_STATE_IDLE;
    return s;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    session_reset(s);
    free(s->client_name);
    free(s->client_address);
    free(s->helo);
    free(s->mta_address);
    free(s);
}

/* Whole: a text that was cut would pass for another. libmilter bounds what it hands over. False: out of
 * memory. */
static bool hold(char **held, const char *text)
{
    free(*held);
    *held = text != NULL ? strndup(text, strlen(text)) : NULL;
    return text == NULL || *held != NULL;
}

void session_connect(struct session *s, const char *client_name, const char *client_address)
{
    (void)move(s, EVENT_GREETING);
    (void)hold(&s->client_name, client_name);
    (void)hold(&s->client_address, client_address);
}

void session_helo(struct session *s, const char *helo)
{
    (void)move(s, EVENT_GREETING);
    (void)hold(&s->helo, helo);
}

void session_allow_edits(struct session *s, bool is_allowed)
{
    (void)move(s, EVENT_GREETING);
    s->cannot_edit = !is_allowed;
}

void session_on_wait(struct session *s, void (*will_wait)(void))
{
    s->will_wait = will_wait;
}

static struct span without_brackets(const char *path)
{
    struct span span = span_trim(span_from_string(path));
    if (span.len >= 2 && span.data[0] == '<' && span.data[span.len - 1] == '>')
        return span_slice(span, 1, span.len - 1);
    return span;
}

void session_begin(struct session *s, struct runtime *runtime, const char *mail_from)
{
    bool is_in_order = next_states[s->state][EVENT_MAIL] == SESSION_STATE_ENVELOPE;
    session_reset(s);
    s->runtime = runtime;
    s->state = SESSION_STATE_ENVELOPE;
    if (!is_in_order)
        defer(s, SESSION_DEFERRAL_ORDER);
    if (!hold(&s->mail_from, mail_from))
        defer(s, SESSION_DEFERRAL_MEMORY);
    s->text_bytes += mail_from != NULL ? strlen(mail_from) : 0;
    account(s);
    if (s->mail_from != NULL) {
        struct span bare = without_brackets(s->mail_from);
        memmove(s->mail_from, bare.data, bare.len);
        s->mail_from[bare.len] = '\0';
    }
}

void session_recipient(struct session *s, const struct session_path *path)
{
    if (move(s, EVENT_RCPT) != SESSION_STATE_ENVELOPE)
        return;
    switch (session_recipient_add(s, path)) {
    case OUTCOME_OK:
        account(s);
        return;
    case OUTCOME_REJECTED:
        defer(s, SESSION_DEFERRAL_RECIPIENTS);
        return;
    case OUTCOME_TEMPORARY:
        defer(s, SESSION_DEFERRAL_UNCLEAR);
        return;
    case OUTCOME_ABSENT:
    case OUTCOME_BROKEN_INPUT:
    case OUTCOME_INTERNAL:
        break;
    }
    defer(s, SESSION_DEFERRAL_MEMORY);
}

static struct session_reply *new_reply(const struct settings *settings)
{
    const struct message_limits limits = {(size_t)settings->max_message_size,
                                          (size_t)settings->max_header_fields};
    struct session_reply *reply = calloc(1, sizeof *reply);
    if (reply == NULL)
        return NULL;
    mime_text_init(&reply->text, limits.max_bytes);
    strbuf_init(&reply->dns, DNS_TEXT_MAX_BYTES);
    reply->message = message_new(&limits);
    if (reply->message == NULL) {
        session_judge_free_reply(reply);
        return NULL;
    }
    reply->received_at = clock_wall_seconds(settings->test_time);
    reply->began_us = clock_monotonic_us();
    return reply;
}

/* Of a mail for a challenge address. */
static void begin_reply(struct session *s)
{
    if (s->cannot_edit) {
        defer(s, SESSION_DEFERRAL_ACTIONS);
        return;
    }
    if (s->runtime->is_stopping) {
        defer(s, SESSION_DEFERRAL_STOPPING);
        return;
    }
    s->is_counted = true;
    metrics_add_in_flight(s->runtime->metrics, 1);
    s->reply = new_reply(s->runtime->settings);
    if (s->reply == NULL)
        defer(s, SESSION_DEFERRAL_MEMORY);
    account(s);
}

void session_data(struct session *s)
{
    if (move(s, EVENT_DATA) != SESSION_STATE_HEADER)
        return;
    if (s->recipient_count > 0) {
        begin_reply(s);
        return;
    }
    metrics_count_event(s->runtime->metrics, METRICS_EVENT_PASSED_THROUGH);
    s->state = SESSION_STATE_NOT_OURS;
}

enum session_interest session_interest(const struct session *s)
{
    switch (s->state) {
    case SESSION_STATE_IDLE:
    case SESSION_STATE_JUDGED:
        return SESSION_INTEREST_NO_MAIL;
    case SESSION_STATE_ENVELOPE:
        return SESSION_INTEREST_UNDECIDED;
    case SESSION_STATE_HEADER:
    case SESSION_STATE_BODY:
        return SESSION_INTEREST_OURS;
    case SESSION_STATE_NOT_OURS:
        return SESSION_INTEREST_NOT_OURS;
    case SESSION_STATE_DEFERRED:
    case SESSION_STATE_END:
        break;
    }
    return SESSION_INTEREST_DEFERRED;
}

void session_describe(struct session *s, const char *queue_id, const char *tls_version)
{
    if (queue_id != NULL)
        (void)hold(&s->queue_id, queue_id);
    if (tls_version != NULL)
        (void)hold(&s->tls_version, tls_version);
}

void session_describe_mta(struct session *s, const char *address)
{
    (void)hold(&s->mta_address, address);
}

void session_header(struct session *s, struct span name, struct span value)
{
    if (move(s, EVENT_HEADER) != SESSION_STATE_HEADER)
        return;
    if (message_add_field(s->reply->message, name, value) == OUTCOME_INTERNAL)
        s->reply->is_message_broken = true;
    account(s);
}

void session_header_defect(struct session *s, enum message_defect defect, struct span where)
{
    if (move(s, EVENT_HEADER) == SESSION_STATE_HEADER)
        message_note_defect(s->reply->message, defect, where);
}

void session_end_of_header(struct session *s)
{
    if (move(s, EVENT_END_OF_HEADER) == SESSION_STATE_BODY)
        session_judge_header(s);
}

bool session_body(struct session *s, struct span piece)
{
    if (move(s, EVENT_BODY) != SESSION_STATE_BODY)
        return false;
    struct session_reply *r = s->reply;
    switch (message_add_body(r->message, piece)) {
    case OUTCOME_OK:
        break;
    case OUTCOME_REJECTED:
        return false;
    case OUTCOME_INTERNAL:
    case OUTCOME_ABSENT:
    case OUTCOME_TEMPORARY:
    case OUTCOME_BROKEN_INPUT:
        r->is_message_broken = true;
        return false;
    }
    account(s);
    if (s->state == SESSION_STATE_DEFERRED)
        return false;
    session_judge_start_early(s, piece);
    return true;
}

void session_judge(struct session *s, void (*progress)(void *context), void *context,
                   struct session_outcome *outcome)
{
    *outcome = (struct session_outcome){.action = SESSION_ACTION_TEMPFAIL};
    switch (move(s, EVENT_END)) {
    case SESSION_STATE_JUDGED:
        session_judge_end_early(s);
        if (workload_take(s->runtime->workload, WORKLOAD_PLACE_REPLY,
                          s->runtime->settings->max_concurrent_replies)) {
            session_judge_reply(s, progress, context, outcome);
            workload_give_back(s->runtime->workload, WORKLOAD_PLACE_REPLY);
            return;
        }
        defer(s, SESSION_DEFERRAL_REPLIES);
        session_put_off(s, outcome);
        return;
    case SESSION_STATE_DEFERRED:
        session_put_off(s, outcome);
        return;
    case SESSION_STATE_NOT_OURS:
        outcome->action = SESSION_ACTION_ACCEPT;
        return;
    case SESSION_STATE_IDLE:
    case SESSION_STATE_ENVELOPE:
    case SESSION_STATE_HEADER:
    case SESSION_STATE_BODY:
    case SESSION_STATE_END:
        return;
    }
}

const char *session_result(const struct session *s)
{
    return s->reply != NULL ? s->reply->result : NULL;
}

enum verdict session_verdict(const struct session *s)
{
    return s->reply != NULL ? s->reply->record.decision.verdict : VERDICT_UNSET;
}

bool session_challenge_recipient(const struct session *s, size_t index, struct session_path *path)
{
    if (index >= s->recipient_count)
        return false;
    *path = (struct session_path){.written = s->recipients[index].written,
                                  .resolved = s->recipients[index].resolved};
    return true;
}

void session_reset(struct session *s)
{
    s->state = SESSION_STATE_IDLE;
    session_judge_end_early(s);
    session_judge_free_reply(s->reply);
    s->reply = NULL;
    free(s->mail_from);
    s->mail_from = NULL;
    for (size_t i = 0; i < s->recipient_count; i++) {
        free(s->recipients[i].written);
        free(s->recipients[i].resolved);
    }
    free(s->recipients);
    s->recipients = NULL;
    s->recipient_count = s->recipient_room = 0;
    s->has_other_recipients = false;
    (void)hold(&s->queue_id, NULL);
    (void)hold(&s->tls_version, NULL);
    s->text_bytes = 0;
    account(s);
    if (s->is_counted)
        metrics_add_in_flight(s->runtime->metrics, -1);
    s->is_counted = false;
    runtime_unref(s->runtime);
    s->runtime = NULL;
}
