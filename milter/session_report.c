/* SPDX-License-Identifier: BSD-2-Clause */
#include "session_report.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_results.h"
#include "result_json.h"
#include "result_jws.h"
#include "session_evidence.h"

enum { SHOWN_TOKEN_BYTES = 6 };

static void answer(struct session_outcome *outcome, enum session_action action, int code,
                   const char *enhanced, const char *text)
{
    *outcome = (struct session_outcome){.action = action, .code = code};
    (void)snprintf(outcome->enhanced, sizeof outcome->enhanced, "%s", enhanced);
    (void)snprintf(outcome->text, sizeof outcome->text, "%s", text);
}

void session_report_put_off(struct session_outcome *outcome, const char *enhanced, const char *text)
{
    answer(outcome, SESSION_ACTION_TEMPFAIL, 451, enhanced, text);
}

void session_report_no_memory(const struct session *s)
{
    metrics_count_event(s->runtime->metrics, METRICS_EVENT_INTERNAL_ERROR);
    log_write(LOG_LEVEL_ERROR, "internal reason=memory");
}

static const char *known(const char *text)
{
    return text != NULL && *text != '\0' ? text : NULL;
}

void session_report_fill_record(struct session *s)
{
    struct session_reply *r = s->reply;
    r->record.policy = &r->challenge->finding_policy;
    r->record.findings = &r->findings;
    r->record.challenge_address = r->address;
    r->record.form = &r->form;
    r->record.received_at = r->received_at;
    r->record.settings = r->challenge->judgement;
    r->record.milter_name = s->runtime->settings->authserv_id;
    r->record.milter_version = PACKAGE_VERSION;
    r->record.smtp = (struct reply_smtp){
        .client_address = known(s->client_address),
        .client_name = known(s->client_name),
        .helo = known(s->helo),
        .mail_from = s->mail_from,
        .queue_id = known(s->queue_id),
        .tls_version = known(s->tls_version),
    };
}

/* Of a message that is over a limit only its beginning is kept: its hash is not known. */
static bool hash_message(struct session_reply *r)
{
    if (message_is_cut(r->message))
        return true;
    uint8_t digest[CRYPTO_SHA256_BYTES];
    struct crypto_sha256 *hash = crypto_sha256_new();
    bool ok = hash != NULL && crypto_sha256_add(hash, message_header_bytes(r->message)) &&
              crypto_sha256_add(hash, SPAN_LITERAL("\r\n")) &&
              crypto_sha256_add(hash, message_body(r->message)) && crypto_sha256_finish(hash, digest);
    crypto_sha256_free(hash);
    if (ok)
        crypto_hex(digest, sizeof digest, r->record.message_sha256);
    return ok;
}

/* A reject that is neither posted nor recorded has no readers; its mail was sent by anyone, at any rate. */
static bool has_readers(const struct session *s)
{
    return s->runtime->purpose != RUNTIME_PURPOSE_SERVE || s->runtime->settings->report_rejects ||
           s->runtime->evidence_log != NULL || s->reply->record.decision.verdict == VERDICT_PASS;
}

bool session_report_encode(struct session *s)
{
    struct session_reply *r = s->reply;
    if (!result_json_make_id(&r->record, r->record.id))
        return false;
    if (!has_readers(s))
        return true;
    if (!hash_message(r))
        return false;
    r->result = result_json_encode(&r->record);
    return r->result != NULL;
}

/* The body to post: the object, or its JWS. NULL: out of memory. Freed by the caller if it is not the result.
 */
static char *make_body(struct session *s)
{
    struct crypto_signing_key *key = s->runtime->evidence_key;
    if (key == NULL)
        return s->reply->result;
    return result_jws_sign(key, span_from_string(s->reply->result), NULL);
}

void session_report_map_answer(const struct endpoint_answer *got, struct session_outcome *outcome)
{
    switch (got->outcome) {
    case OUTCOME_OK:
        *outcome = (struct session_outcome){.action = SESSION_ACTION_ACCEPT};
        return;
    case OUTCOME_REJECTED:
        answer(outcome, SESSION_ACTION_REJECT, 550, "5.7.1",
               got->detail[0] != '\0'
                   ? got->detail
                   : "The certificate authority does not take this reply. Its challenge is unknown, "
                     "used or expired: ask for a new one.");
        return;
    case OUTCOME_BROKEN_INPUT:
        session_report_put_off(
            outcome, "4.3.5",
            "The certificate authority's mail system is set up wrong. The mail will be tried again.");
        return;
    case OUTCOME_INTERNAL:
    case OUTCOME_ABSENT:
    case OUTCOME_TEMPORARY:
        break;
    }
    session_report_put_off(
        outcome, "4.3.0",
        "The certificate authority's server cannot be reached just now. The mail will be tried again.");
}

/* Tells the log of an answer that the administrator should know of. */
static void log_answer(const struct endpoint_answer *got)
{
    if (got->outcome == OUTCOME_OK || got->outcome == OUTCOME_REJECTED)
        return;
    struct log_line line;
    bool is_ours = got->outcome == OUTCOME_BROKEN_INPUT;
    log_line_begin(&line, is_ours ? "endpoint-credentials" : "endpoint-unavailable");
    log_line_add_number(&line, "status", got->http_status);
    log_line_add_number(&line, "attempts", got->attempts);
    log_line_add_string(&line, "error", got->error);
    log_line_write(&line, is_ours ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING);
}

static void post_content(struct session *s, const struct post_format_content *content, enum outcome made,
                         void (*progress)(void *), void *context)
{
    struct session_reply *r = s->reply;
    const struct endpoint_request request = {
        .id = r->record.id,
        .content_type = content->content_type,
        .body = content->body,
        .fields = content->fields,
        .field_count = content->field_count,
        .progress = progress,
        .context = context,
    };
    r->answer = (struct endpoint_answer){.outcome = made};
    if (made == OUTCOME_OK)
        endpoint_post(s->runtime->endpoints[r->challenge->endpoint], &request, &r->answer);
    else
        (void)snprintf(r->answer.error, sizeof r->answer.error, "out of memory");
    if (made == OUTCOME_REJECTED) {
        (void)snprintf(r->answer.detail, sizeof r->answer.detail, "%s", content->refusal);
        log_write(LOG_LEVEL_WARNING, "endpoint-format reason=in-reply-to");
    }
}

static void post(struct session *s, const char *body, void (*progress)(void *), void *context)
{
    struct session_reply *r = s->reply;
    const struct post_format_source source = {
        .record = &r->record,
        .header = message_header_bytes(r->message),
        .body = message_body(r->message),
        .result = span_from_string(body),
        .is_signed = s->runtime->evidence_key != NULL,
    };
    struct post_format_content content;
    int64_t began = clock_monotonic_us();
    enum outcome made =
        post_format_make((enum post_format)s->runtime->settings->endpoint_format, &source, &content);
    post_content(s, &content, made, progress, context);
    post_format_clear(&content);
    r->endpoint_us = clock_monotonic_us() - began;
}

/* The ACME server hears of every pass, and of a reject where it has words for one and wants it. */
static bool is_for_server(const struct session *s)
{
    const struct settings *settings = s->runtime->settings;
    switch (s->reply->record.decision.verdict) {
    case VERDICT_PASS:
        return true;
    case VERDICT_REJECT:
        return settings->report_rejects &&
               !post_format_needs((enum post_format)settings->endpoint_format)->is_pass_only;
    case VERDICT_UNSET:
    case VERDICT_TEMPERROR:
        break;
    }
    return false;
}

static void refuse(const struct session_reply *r, struct session_outcome *outcome)
{
    bool is_reject = r->record.decision.verdict == VERDICT_REJECT;
    if (r->record.decision.reason == FINDING_NONE) {
        session_report_put_off(outcome, "4.3.0",
                               "The mail could not be checked just now. It will be tried again.");
        return;
    }
    const struct finding_rule *rule = finding_rule(r->record.decision.reason);
    struct strbuf text;
    strbuf_init(&text, SESSION_TEXT_MAX_BYTES);
    (void)finding_list_append_text(&r->findings, rule->id, &text);
    answer(outcome, is_reject ? SESSION_ACTION_REJECT : SESSION_ACTION_TEMPFAIL, rule->code, rule->enhanced,
           strbuf_string(&text));
    strbuf_clear(&text);
}

/* Posts where that is wanted, and turns what came of it into an SMTP answer. */
static void post_and_answer(struct session *s, void (*progress)(void *), void *context,
                            struct session_outcome *outcome)
{
    struct session_reply *r = s->reply;
    bool is_pass = r->record.decision.verdict == VERDICT_PASS;
    bool is_posted = is_for_server(s);
    char evidence[EVIDENCE_PATH_MAX_BYTES];
    if (r->result == NULL) {
        refuse(r, outcome);
        return;
    }
    session_judge_will_wait(s);
    char *body = make_body(s);
    if (body == NULL)
        session_report_no_memory(s);
    if (body == NULL || !session_evidence_write(s, body, evidence)) {
        metrics_count_event(s->runtime->metrics, METRICS_EVENT_EVIDENCE_FAILED);
        session_report_put_off(outcome, "4.3.1",
                               "The mail could not be recorded just now. It will be tried again.");
    } else if (!is_posted || s->runtime->endpoints[r->challenge->endpoint] == NULL) {
        if (is_pass)
            *outcome = (struct session_outcome){.action = SESSION_ACTION_ACCEPT};
        else
            refuse(r, outcome);
    } else {
        post(s, body, progress, context);
        if (is_pass) {
            metrics_count_answer(s->runtime->metrics, &r->answer);
            log_answer(&r->answer);
            session_report_map_answer(&r->answer, outcome);
        } else {
            refuse(r, outcome);
        }
        session_evidence_add_answer(s, evidence);
    }
    if (body != r->result)
        free(body);
}

/* Authentication-Results fields that claim our name, and ours. Out of memory: the mail is put off. */
static bool edit_fields(struct session *s, struct session_outcome *outcome)
{
    struct session_reply *r = s->reply;
    const char *own = s->runtime->settings->authserv_id;
    size_t count = message_count(r->message, SPAN_LITERAL("Authentication-Results"));
    struct strbuf text;
    strbuf_init(&text, AUTH_RESULTS_MAX_BYTES);
    (void)auth_results_append(&r->record, own, &text);
    r->authentication_results = strbuf_take(&text);
    r->forged_fields = calloc(count + 1, sizeof *r->forged_fields);
    if (r->authentication_results == NULL || r->forged_fields == NULL)
        return false;
    size_t nth = 0;
    for (size_t i = 0; i < message_field_count(r->message); i++) {
        struct message_field field = message_field_at(r->message, i);
        if (!span_equal_nocase(span_trim(field.name), SPAN_LITERAL("Authentication-Results")))
            continue;
        nth++;
        if (auth_results_claims(field.value, own) && r->forged_field_count < count)
            r->forged_fields[r->forged_field_count++] = nth;
    }
    outcome->authentication_results = r->authentication_results;
    outcome->forged_fields = r->forged_fields;
    outcome->forged_field_count = r->forged_field_count;
    return true;
}

/* What the administrator wants done with a reply that was taken (Disposition) or refused (OnReject). */
static void dispose(struct session *s, struct session_outcome *outcome)
{
    const struct settings *settings = s->runtime->settings;
    bool is_taken = outcome->action == SESSION_ACTION_ACCEPT;
    if (outcome->action == SESSION_ACTION_TEMPFAIL)
        return;
    if (!is_taken && settings->on_reject == SETTINGS_ON_REJECT_REJECT)
        return;
    bool is_delivered = is_taken ? settings->disposition == SETTINGS_DISPOSITION_DELIVER
                                 : settings->on_reject == SETTINGS_ON_REJECT_DELIVER;
    outcome->action =
        is_delivered || s->has_other_recipients ? SESSION_ACTION_ACCEPT : SESSION_ACTION_DISCARD;
    outcome->drops_challenge_recipients = !is_delivered && s->has_other_recipients;
    if (is_delivered && !edit_fields(s, outcome)) {
        session_report_no_memory(s);
        session_report_put_off(outcome, "4.3.0",
                               "The mail server is out of memory. The mail will be tried again.");
    }
}

void session_report_deliver(struct session *s, bool is_judged, void (*progress)(void *context), void *context,
                            struct session_outcome *outcome)
{
    if (s->runtime->settings->mode == SETTINGS_MODE_SHADOW) {
        *outcome = (struct session_outcome){.action = SESSION_ACTION_ACCEPT};
        return;
    }
    if (!is_judged) {
        session_report_put_off(outcome, "4.3.0",
                               "The mail could not be checked just now. It will be tried again.");
        return;
    }
    post_and_answer(s, progress, context, outcome);
    dispose(s, outcome);
}

static void log_findings(struct log_line *line, const struct finding_list *findings)
{
    struct strbuf text;
    strbuf_init(&text, LOG_VALUE_BYTES);
    enum finding_id last = FINDING_NONE;
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->items[i].id != last)
            (void)strbuf_append_format(&text, "%s%s", last != FINDING_NONE ? "," : "",
                                       finding_rule(findings->items[i].id)->name);
        last = findings->items[i].id;
    }
    if (text.len > 0)
        log_line_add(line, "findings", strbuf_view(&text));
    strbuf_clear(&text);
}

static void log_who(struct log_line *line, const struct session *s)
{
    const struct session_reply *r = s->reply;
    char from[MAILBOX_MAX_BYTES + 1];
    if (r->form.has_author) {
        mailbox_format(&r->form.author, from);
        log_line_add_string(line, "from", from);
    }
    if (r->record.chosen != NULL) {
        log_line_add_string(line, "domain", r->record.chosen->domain.name);
        log_line_add_string(line, "selector", r->record.chosen->selector);
        log_line_add_string(line, "algorithm", r->record.chosen->algorithm);
    }
    if (r->record.dmarc != NULL) {
        log_line_add_string(line, "dmarc", name_table_name(auth_result_names, (int)r->dmarc.result));
        if (r->dmarc.policy != AUTH_POLICY_UNKNOWN)
            log_line_add_string(line, "policy", name_table_name(auth_policy_names, (int)r->dmarc.policy));
    }
    if (r->record.chosen != NULL)
        log_line_add_string(line, "dnssec",
                            name_table_name(dnssec_status_names, (int)r->record.chosen->dnssec));
    if (r->form.has_token) {
        struct span token = span_from_string(r->form.subject.token);
        log_line_add(line, "token",
                     s->runtime->settings->log_tokens ? token : span_slice(token, 0, SHOWN_TOKEN_BYTES));
    }
}

static void count_limits(const struct session_reply *r, struct metrics *m)
{
    if (message_is_too_large(r->message))
        metrics_count_limit(m, METRICS_LIMIT_SIZE);
    if (message_has_too_many_fields(r->message))
        metrics_count_limit(m, METRICS_LIMIT_FIELDS);
    if (r->text.is_too_deep)
        metrics_count_limit(m, METRICS_LIMIT_DEPTH);
    if (r->text.has_too_many)
        metrics_count_limit(m, METRICS_LIMIT_PARTS);
    if (r->record.dkim != NULL && r->record.dkim->seen > r->record.dkim->count)
        metrics_count_limit(m, METRICS_LIMIT_SIGNATURES);
}

static void count_dns(const struct session_reply *r, struct metrics *m)
{
    if (r->record.chosen != NULL)
        metrics_count_dnssec(m, METRICS_RECORD_DKIM, r->record.chosen->dnssec);
    if (r->record.dkim != NULL)
        metrics_count_lookups(m, METRICS_RECORD_DKIM, &r->record.dkim->lookups);
    if (r->record.dmarc != NULL) {
        metrics_count_dnssec(m, METRICS_RECORD_DMARC, r->dmarc.dnssec);
        metrics_count_lookups(m, METRICS_RECORD_DMARC, &r->dmarc.lookups);
    }
}

void session_report_count(const struct session *s)
{
    const struct session_reply *r = s->reply;
    struct metrics *m = s->runtime->metrics;
    bool is_shadow = s->runtime->settings->mode == SETTINGS_MODE_SHADOW;
    metrics_count_reply(m, is_shadow, &r->record.decision, &r->findings, r->record.policy);
    count_limits(r, m);
    count_dns(r, m);
    if (r->record.dmarc != NULL)
        metrics_add_time(m, METRICS_TIMER_DNS, r->dns_us);
    if (r->dkim_us > 0)
        metrics_add_time(m, METRICS_TIMER_DKIM, r->dkim_us);
    if (r->answer.attempts > 0)
        metrics_add_time(m, METRICS_TIMER_ENDPOINT, r->endpoint_us);
    metrics_add_time(m, METRICS_TIMER_TOTAL, clock_monotonic_us() - r->began_us);
}

void session_report_log(const struct session *s, const struct session_outcome *outcome)
{
    const struct session_reply *r = s->reply;
    struct log_line line;
    log_line_begin(&line, "reply");
    bool is_judged = r->record.decision.verdict != VERDICT_UNSET;
    log_line_add_string(
        &line, "verdict",
        name_table_name(verdict_names, (int)(is_judged ? r->record.decision.verdict : VERDICT_TEMPERROR)));
    if (r->record.decision.reason != FINDING_NONE)
        log_line_add_string(&line, "reason", finding_rule(r->record.decision.reason)->name);
    if (outcome->code != 0) {
        log_line_add_number(&line, "code", outcome->code);
        log_line_add_string(&line, "enhanced", outcome->enhanced);
    }
    if (s->runtime->settings->mode == SETTINGS_MODE_SHADOW)
        log_line_add_string(&line, "mode", "shadow");
    log_who(&line, s);
    if (r->answer.attempts > 0)
        log_line_add_number(&line, "endpoint", r->answer.http_status);
    log_line_add_number(&line, "dns_ms", r->dns_us / 1000);
    log_line_add_number(&line, "endpoint_ms", r->endpoint_us / 1000);
    log_line_add_number(&line, "total_ms", (clock_monotonic_us() - r->began_us) / 1000);
    log_findings(&line, &r->findings);
    if (r->record.id[0] != '\0')
        log_line_add_string(&line, "id", r->record.id);
    log_line_add_string(&line, "to", r->address);
    if (session_suspect(s) != NULL)
        log_line_add_string(&line, "suspect", session_suspect(s));
    log_line_write(&line, LOG_LEVEL_INFO);
}
