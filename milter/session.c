/* SPDX-License-Identifier: BSD-2-Clause */
#include "session.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session_report.h"

enum { HELD_TEXT_MAX_BYTES = 1024, DNS_TEXT_MAX_BYTES = 256 * 1024, FIRST_RECIPIENTS_ROOM = 4 };

struct session *session_new(void)
{
    return calloc(1, sizeof(struct session));
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    session_reset(s);
    free(s->client_name);
    free(s->client_address);
    free(s->helo);
    free(s);
}

static void hold(struct session *s, char **held, const char *text)
{
    free(*held);
    *held = text != NULL ? strndup(text, HELD_TEXT_MAX_BYTES) : NULL;
    if (text != NULL && *held == NULL)
        s->is_out_of_memory = true;
}

void session_connect(struct session *s, const char *client_name, const char *client_address)
{
    hold(s, &s->client_name, client_name);
    hold(s, &s->client_address, client_address);
}

void session_helo(struct session *s, const char *helo)
{
    hold(s, &s->helo, helo);
}

void session_allow_edits(struct session *s, bool is_allowed)
{
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
    session_reset(s);
    s->runtime = runtime;
    hold(s, &s->mail_from, mail_from);
    if (s->mail_from != NULL) {
        struct span bare = without_brackets(s->mail_from);
        memmove(s->mail_from, bare.data, bare.len);
        s->mail_from[bare.len] = '\0';
    }
}

static bool reserve_recipient(struct session *s)
{
    if (s->recipient_count < s->recipient_room)
        return true;
    size_t room = s->recipient_room != 0 ? 2 * s->recipient_room : FIRST_RECIPIENTS_ROOM;
    struct session_recipient *recipients = realloc(s->recipients, room * sizeof *recipients);
    if (recipients == NULL)
        return false;
    s->recipients = recipients;
    s->recipient_room = room;
    return true;
}

static void keep_recipient(struct session *s, const char *rcpt, const struct mailbox *mailbox)
{
    char *text = reserve_recipient(s) ? strndup(rcpt, HELD_TEXT_MAX_BYTES) : NULL;
    if (text != NULL)
        s->recipients[s->recipient_count++] = (struct session_recipient){text, *mailbox};
    else
        s->is_out_of_memory = true;
}

void session_recipient(struct session *s, const char *rcpt)
{
    struct mailbox mailbox;
    enum outcome outcome = mailbox_parse_path(span_from_string(rcpt), &mailbox);
    if (outcome == OUTCOME_INTERNAL) {
        s->is_out_of_memory = true;
        return;
    }
    if (outcome != OUTCOME_OK || settings_find_challenge(s->runtime->settings, &mailbox) == NULL) {
        s->has_other_recipients = true;
        return;
    }
    if (s->recipient_count == SESSION_RECIPIENTS_MAX)
        s->has_too_many_recipients = true;
    else
        keep_recipient(s, rcpt, &mailbox);
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

/* In shadow mode a failure of ours must not touch the mail: false, as if it were for another address. */
static bool put_off(const struct session *s, struct session_outcome *outcome, const char *enhanced,
                    const char *text)
{
    if (s->runtime->settings->mode == SETTINGS_MODE_SHADOW)
        return false;
    session_report_put_off(outcome, enhanced, text);
    return true;
}

/* Those that were not kept could not be removed from a mail that others get too. */
static bool put_off_recipients(const struct session *s, struct session_outcome *outcome)
{
    metrics_count_limit(s->runtime->metrics, METRICS_LIMIT_RECIPIENTS);
    log_write(LOG_LEVEL_WARNING, "put-off reason=recipients");
    bool is_ours = put_off(s, outcome, "4.5.3",
                           "The mail is addressed to too many challenge addresses at once. Answer each "
                           "challenge with a mail of its own.");
    if (is_ours)
        outcome->code = 452; /* RFC 5321 section 4.5.3.1.10 */
    return is_ours;
}

bool session_wants_message(struct session *s, struct session_outcome *outcome)
{
    *outcome = (struct session_outcome){.action = SESSION_ACTION_ACCEPT};
    if (s->runtime == NULL)
        return false;
    if (s->recipient_count == 0 && !s->is_out_of_memory) {
        metrics_count_event(s->runtime->metrics, METRICS_EVENT_PASSED_THROUGH);
        return false;
    }
    if (s->cannot_edit) {
        log_write(LOG_LEVEL_ERROR, "mta reason=actions");
        return put_off(s, outcome, "4.3.5", "The mail server is set up wrong. The mail will be tried again.");
    }
    if (s->has_too_many_recipients)
        return put_off_recipients(s, outcome);
    if (s->runtime->is_stopping) {
        log_write(LOG_LEVEL_INFO, "put-off reason=stopping");
        return put_off(s, outcome, "4.3.2",
                       "The mail server is being restarted. The mail will be tried again.");
    }
    if (++s->runtime->replies_under_way > s->runtime->settings->max_concurrent_replies) {
        s->runtime->replies_under_way--;
        metrics_count_limit(s->runtime->metrics, METRICS_LIMIT_REPLIES);
        log_write(LOG_LEVEL_WARNING, "overload reason=MaxConcurrentReplies");
        return put_off(s, outcome, "4.3.2",
                       "Too many replies are being checked just now. The mail will be tried again.");
    }
    s->is_counted = true;
    metrics_add_in_flight(s->runtime->metrics, 1);
    s->reply = s->is_out_of_memory ? NULL : new_reply(s->runtime->settings);
    if (s->reply != NULL)
        return true;
    session_report_no_memory(s);
    return put_off(s, outcome, "4.3.0", "The mail server is out of memory. The mail will be tried again.");
}

void session_describe(struct session *s, const char *queue_id, const char *tls_version)
{
    if (queue_id != NULL)
        (void)snprintf(s->queue_id, sizeof s->queue_id, "%s", queue_id);
    if (tls_version != NULL)
        (void)snprintf(s->tls_version, sizeof s->tls_version, "%s", tls_version);
}

void session_header(struct session *s, struct span name, struct span value)
{
    if (s->reply != NULL && message_add_field(s->reply->message, name, value) == OUTCOME_INTERNAL)
        s->reply->is_message_broken = true;
}

void session_header_defect(struct session *s, enum message_defect defect, struct span where)
{
    if (s->reply != NULL)
        message_note_defect(s->reply->message, defect, where);
}

void session_end_of_header(struct session *s)
{
    if (s->reply != NULL)
        session_judge_header(s);
}

/*
 * The look-ups start while the body still comes in, but only once the block is seen: a mail without one must
 * not make us ask the DNS anything. Where an encoding hides it they start at the end.
 */
bool session_body(struct session *s, struct span piece)
{
    struct session_reply *r = s->reply;
    if (r == NULL)
        return false;
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
    if (span_find(piece, 0, SPAN_LITERAL("BEGIN ACME RESPONSE")) < piece.len)
        session_judge_start_lookups(s);
    return true;
}

const char *session_result(const struct session *s)
{
    return s->reply != NULL ? s->reply->result : NULL;
}

enum verdict session_verdict(const struct session *s)
{
    return s->reply != NULL ? s->reply->record.decision.verdict : VERDICT_UNSET;
}

const char *session_challenge_recipient(const struct session *s, size_t index)
{
    return index < s->recipient_count ? s->recipients[index].text : NULL;
}

void session_reset(struct session *s)
{
    session_judge_free_reply(s->reply);
    s->reply = NULL;
    free(s->mail_from);
    s->mail_from = NULL;
    for (size_t i = 0; i < s->recipient_count; i++)
        free(s->recipients[i].text);
    free(s->recipients);
    s->recipients = NULL;
    s->recipient_count = s->recipient_room = 0;
    s->has_other_recipients = false;
    s->has_too_many_recipients = false;
    s->is_out_of_memory = false;
    s->queue_id[0] = '\0';
    s->tls_version[0] = '\0';
    if (s->is_counted) {
        s->runtime->replies_under_way--;
        metrics_add_in_flight(s->runtime->metrics, -1);
    }
    s->is_counted = false;
    runtime_unref(s->runtime);
    s->runtime = NULL;
}
