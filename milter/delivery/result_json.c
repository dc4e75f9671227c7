/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json.h"

#include <stdio.h>

#include "clock.h"
#include "result_writer.h"

static const struct reply_form no_form;

static void format_author(const struct reply_form *form, char out[static MAILBOX_MAX_BYTES + 1])
{
    out[0] = '\0';
    if (form->has_author)
        mailbox_format(&form->author, out);
}

/* NULL stands for "not known". */
static void put_text(struct result_writer *w, const char *name, const char *text)
{
    if (text != NULL)
        result_writer_text(w, name, span_from_string(text));
    else
        result_writer_null(w, name);
}

/* The empty text does, too. */
static void put_known(struct result_writer *w, const char *name, const char *text)
{
    put_text(w, name, text != NULL && *text != '\0' ? text : NULL);
}

static void put_time(struct result_writer *w, const char *name, int64_t seconds)
{
    char text[CLOCK_RFC3339_SIZE] = "";
    if (seconds >= 0)
        clock_format_rfc3339(seconds, text);
    put_known(w, name, text);
}

static void put_dnssec(struct result_writer *w, enum dnssec_status status)
{
    const char *word = name_table_name(dnssec_status_names, (int)status);
    put_text(w, "dnssec", word != NULL ? word : "unknown");
}

/* The same answer as the sender's MTA gets, so that the record shows what its author was told. */
static void put_reason(struct result_writer *w, const struct reply_record *record)
{
    const struct finding_rule *rule = NULL;
    struct strbuf text;
    strbuf_init(&text, RESULT_WRITER_TEXT_MAX_BYTES);
    if (record->decision.reason != FINDING_NONE) {
        rule = finding_rule(record->decision.reason);
        if (!finding_append_text(rule->id, &text) && text.error == STRBUF_ERROR_MEMORY)
            w->text->error = STRBUF_ERROR_MEMORY;
    } else if (!strbuf_append_string(&text,
                                     "The mail could not be checked just now. It will be tried again.")) {
        w->text->error = STRBUF_ERROR_MEMORY;
    }
    result_writer_open(w, "reason", '{');
    put_text(w, "finding", rule != NULL ? rule->name : NULL);
    result_writer_integer(w, "code", rule != NULL ? rule->code : 451);
    put_text(w, "enhanced", rule != NULL ? rule->enhanced : "4.3.0");
    put_text(w, "text", strbuf_string(&text));
    result_writer_close(w, '}');
    strbuf_clear(&text);
}

static void put_verdict(struct result_writer *w, const struct reply_record *record)
{
    const char *word = name_table_name(verdict_names, (int)record->decision.verdict);
    put_text(w, "verdict", word != NULL ? word : "temperror");
    if (record->decision.verdict == VERDICT_PASS)
        result_writer_null(w, "reason");
    else
        put_reason(w, record);
}

static void put_reply(struct result_writer *w, const struct reply_record *record)
{
    const struct reply_form *form = record->form != NULL ? record->form : &no_form;
    char author[MAILBOX_MAX_BYTES + 1];
    format_author(form, author);
    put_text(w, "challengeType", "email-reply-00");
    put_known(w, "challengeAddress", record->challenge_address);
    put_known(w, "tokenPart1", form->has_token ? form->subject.token : NULL);
    put_known(w, "digest", form->has_digest ? form->block.digest : NULL);
    put_known(w, "from", author);
    put_known(w, "messageId", form->message_id);
    put_known(w, "inReplyTo", form->in_reply_to);
    put_time(w, "receivedAt", record->received_at);
    put_known(w, "messageSha256", record->message_sha256);
}

static void put_findings(struct result_writer *w, const struct reply_record *record)
{
    size_t count = record->findings != NULL ? record->findings->count : 0;
    result_writer_open(w, "findings", '[');
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = &record->findings->items[i];
        const char *word = name_table_name(severity_names, (int)record->policy->severity[finding->id]);
        result_writer_open(w, NULL, '{');
        put_text(w, "id", finding_rule(finding->id)->name);
        put_text(w, "severity", word != NULL ? word : "reject");
        put_known(w, "detail", finding->detail);
        result_writer_close(w, '}');
    }
    result_writer_close(w, ']');
}

/* The pieces of text between separators as an array of strings. */
static void put_pieces(struct result_writer *w, const char *name, const char *text, char separator,
                       bool may_be_empty)
{
    struct span s = span_from_string(text);
    result_writer_open(w, name, '[');
    for (size_t from = 0; from < s.len;) {
        size_t to = span_find_byte(s, from, separator);
        if (to > from || may_be_empty)
            result_writer_text(w, NULL, span_slice(s, from, to));
        from = to + 1;
    }
    result_writer_close(w, ']');
}

static void put_result(struct result_writer *w, enum auth_result result)
{
    put_text(w, "result",
             result != AUTH_RESULT_UNKNOWN ? name_table_name(auth_result_names, (int)result) : NULL);
}

static void put_dkim(struct result_writer *w, const struct reply_record *record)
{
    const struct auth_signature *s = record->chosen;
    if (s == NULL) {
        result_writer_null(w, "dkim");
        return;
    }
    result_writer_open(w, "dkim", '{');
    put_result(w, s->result);
    put_known(w, "domain", s->domain.name);
    put_known(w, "selector", s->selector);
    put_known(w, "algorithm", s->algorithm);
    if (s->key_bits != 0)
        result_writer_integer(w, "keyBits", s->key_bits);
    else
        result_writer_null(w, "keyBits");
    put_known(w, "identity", s->identity);
    put_pieces(w, "signedFields", s->signed_fields, ':', false);
    put_time(w, "signedAt", s->signed_at);
    put_time(w, "expiresAt", s->expires_at);
    result_writer_bool(w, "bodyLengthLimited", s->has_body_length);
    put_dnssec(w, s->dnssec);
    result_writer_close(w, '}');
}

static void put_signatures(struct result_writer *w, const struct reply_record *record)
{
    size_t count = record->dkim != NULL ? record->dkim->count : 0;
    result_writer_open(w, "signatures", '[');
    for (size_t i = 0; i < count; i++) {
        const struct auth_signature *s = &record->dkim->signatures[i];
        result_writer_open(w, NULL, '{');
        put_known(w, "domain", s->domain.name);
        put_known(w, "selector", s->selector);
        put_result(w, s->result);
        result_writer_close(w, '}');
    }
    result_writer_close(w, ']');
}

static void put_dmarc(struct result_writer *w, const struct reply_record *record)
{
    const struct auth_dmarc_facts *dmarc = record->dmarc;
    if (dmarc == NULL) {
        result_writer_null(w, "dmarc");
        return;
    }
    bool has_record = domain_is_set(&dmarc->policy_domain);
    const char *policy =
        dmarc->policy != AUTH_POLICY_UNKNOWN ? name_table_name(auth_policy_names, (int)dmarc->policy) : NULL;
    const char *alignment = dmarc->is_strict ? "strict" : "relaxed";
    result_writer_open(w, "dmarc", '{');
    put_result(w, dmarc->result);
    put_text(w, "policy", policy);
    put_known(w, "policyDomain", dmarc->policy_domain.name);
    put_text(w, "dkimAlignment", has_record ? alignment : NULL);
    put_dnssec(w, dmarc->dnssec);
    result_writer_close(w, '}');
}

static bool has_policy(const struct auth_dmarc_facts *dmarc)
{
    return dmarc != NULL && domain_is_set(&dmarc->policy_domain);
}

static bool is_policy_enforced(const struct auth_dmarc_facts *dmarc)
{
    return dmarc != NULL && dmarc->result == AUTH_RESULT_PASS && !dmarc->is_testing &&
           (dmarc->policy == AUTH_POLICY_QUARANTINE || dmarc->policy == AUTH_POLICY_REJECT);
}

static void put_assurance(struct result_writer *w, const struct reply_record *record)
{
    const struct auth_signature *chosen = record->chosen;
    const struct auth_dmarc_facts *dmarc = record->dmarc;
    result_writer_open(w, "assurance", '{');
    result_writer_bool(w, "dkimKeyDnssec", chosen != NULL && chosen->dnssec == DNSSEC_STATUS_SECURE);
    result_writer_bool(w, "dmarcDnssec", has_policy(dmarc) && dmarc->dnssec == DNSSEC_STATUS_SECURE);
    result_writer_bool(w, "policyEnforced", is_policy_enforced(dmarc));
    result_writer_bool(w, "fullHeaderCoverage", chosen != NULL && chosen->covers_full);
    result_writer_close(w, '}');
}

static void put_smtp(struct result_writer *w, const struct reply_record *record)
{
    const struct reply_smtp *smtp = &record->smtp;
    result_writer_open(w, "smtp", '{');
    put_text(w, "clientAddress", smtp->client_address);
    put_text(w, "clientName", smtp->client_name);
    put_text(w, "helo", smtp->helo);
    put_text(w, "mailFrom", smtp->mail_from);
    put_text(w, "queueId", smtp->queue_id);
    put_text(w, "tlsVersion", smtp->tls_version);
    result_writer_close(w, '}');
}

static void put_milter(struct result_writer *w, const struct reply_record *record)
{
    result_writer_open(w, "milter", '{');
    put_text(w, "name", record->milter_name);
    put_text(w, "version", record->milter_version);
    result_writer_close(w, '}');
}

static void put_all(struct result_writer *w, const struct reply_record *record)
{
    result_writer_open(w, NULL, '{');
    result_writer_integer(w, "version", 1);
    put_known(w, "id", record->id);
    put_verdict(w, record);
    put_reply(w, record);
    put_findings(w, record);
    put_dkim(w, record);
    put_signatures(w, record);
    put_dmarc(w, record);
    put_assurance(w, record);
    put_smtp(w, record);
    put_milter(w, record);
    put_pieces(w, "settings", record->settings, '\n', true);
    result_writer_close(w, '}');
}

char *result_json_encode(const struct reply_record *record)
{
    struct strbuf text;
    strbuf_init(&text, RESULT_JSON_MAX_BYTES);
    put_all(&(struct result_writer){.text = &text}, record);
    return strbuf_take(&text);
}

bool result_json_append_akamu(const struct reply_record *record, struct span in_reply_to, struct strbuf *out)
{
    char author[MAILBOX_MAX_BYTES + 1];
    char block[RESULT_WRITER_TEXT_MAX_BYTES];
    struct result_writer w = {.text = out};
    if (record->decision.verdict != VERDICT_PASS || record->chosen == NULL)
        return false;
    format_author(record->form, author);
    (void)snprintf(block, sizeof block, "-----BEGIN ACME RESPONSE-----\n%s\n-----END ACME RESPONSE-----\n",
                   record->form->block.digest);
    result_writer_open(&w, NULL, '{');
    put_text(&w, "from", author);
    result_writer_text(&w, "in_reply_to", in_reply_to);
    put_text(&w, "dkim_domain", record->chosen->domain.name);
    put_text(&w, "dkim_status", "pass");
    put_text(&w, "body", block);
    result_writer_close(&w, '}');
    return out->error == STRBUF_ERROR_NONE;
}
