/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base64.h"
#include "clock.h"
#include "result_json_internal.h"
#include "utf8.h"

/* Nothing that comes from a mail need be longer than a line of one (RFC 5322 section 2.1.1). */
enum { TEXT_MAX_BYTES = 1024, DETAIL_MAX_DOCUMENT_BYTES = 64 * 1024 };

static const struct reply_form no_form;

static void format_author(const struct reply_form *form, char out[static MAILBOX_MAX_BYTES + 1])
{
    out[0] = '\0';
    if (form->has_author)
        mailbox_format(&form->author, out);
}

/* Each put_* adds a member and returns false when memory is out. */
static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new_nocheck(object, name, value) == 0;
}

/* U+FFFD for each byte that is no part of well-formed UTF-8. */
static bool append_utf8(struct strbuf *out, struct span s)
{
    uint32_t code;
    for (size_t at = 0; at < s.len;) {
        size_t len = utf8_decode(s, at, &code);
        if (!strbuf_append(out, len > 0 ? span_slice(s, at, at + len) : SPAN_LITERAL("\xef\xbf\xbd")))
            return false;
        at += len > 0 ? len : 1;
    }
    return true;
}

/* jansson need not look for what is not UTF-8 once more. */
static json_t *text_value(struct span s)
{
    struct span start = span_slice(s, 0, TEXT_MAX_BYTES);
    if (start.len > 0 && utf8_skip_printable(start, 0) == start.len)
        return json_stringn_nocheck(start.data, start.len);
    struct strbuf clean;
    strbuf_init(&clean, TEXT_MAX_BYTES);
    /* What goes beyond the limit is cut between two characters. */
    if (!append_utf8(&clean, s) && clean.error == STRBUF_ERROR_MEMORY) {
        strbuf_clear(&clean);
        return NULL;
    }
    json_t *value = json_stringn_nocheck(strbuf_string(&clean), clean.len);
    strbuf_clear(&clean);
    return value;
}

static bool put_text(json_t *object, const char *name, const char *text)
{
    return put(object, name, text != NULL ? text_value(span_from_string(text)) : json_null());
}

/* The empty text stands for "not known". */
static bool put_known(json_t *object, const char *name, const char *text)
{
    return put_text(object, name, text != NULL && *text != '\0' ? text : NULL);
}

static bool put_bool(json_t *object, const char *name, bool value)
{
    return put(object, name, json_boolean(value));
}

static bool put_time(json_t *object, const char *name, int64_t seconds)
{
    char text[CLOCK_RFC3339_SIZE] = "";
    if (seconds >= 0)
        clock_format_rfc3339(seconds, text);
    return put_known(object, name, text);
}

static bool put_dnssec(json_t *object, enum dnssec_status status)
{
    const char *word = name_table_name(dnssec_status_names, (int)status);
    return put_text(object, "dnssec", word != NULL ? word : "unknown");
}

/* Adds an object that its own function fills. */
static bool put_object(json_t *parent, const char *name, const struct reply_record *record,
                       bool (*fill)(json_t *object, const struct reply_record *record))
{
    json_t *object = json_object();
    if (object == NULL || !fill(object, record)) {
        json_decref(object);
        return false;
    }
    return put(parent, name, object);
}

/* The same answer as the sender's MTA gets, so that the record shows what its author was told. */
static bool fill_reason(json_t *object, const struct reply_record *record)
{
    if (record->decision.reason == FINDING_NONE)
        return put_text(object, "finding", NULL) && put(object, "code", json_integer(451)) &&
               put_text(object, "enhanced", "4.3.0") &&
               put_text(object, "text", "The mail could not be checked just now. It will be tried again.");
    const struct finding_rule *rule = finding_rule(record->decision.reason);
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX_BYTES);
    bool ok = finding_list_append_text(record->findings, rule->id, &text) &&
              put_text(object, "finding", rule->name) && put(object, "code", json_integer(rule->code)) &&
              put_text(object, "enhanced", rule->enhanced) && put_text(object, "text", strbuf_string(&text));
    strbuf_clear(&text);
    return ok;
}

static bool put_verdict(json_t *object, const struct reply_record *record)
{
    const char *word = name_table_name(verdict_names, (int)record->decision.verdict);
    bool ok = put_text(object, "verdict", word != NULL ? word : "temperror");
    if (record->decision.verdict == VERDICT_PASS)
        return ok && put(object, "reason", json_null());
    return ok && put_object(object, "reason", record, fill_reason);
}

static bool put_reply(json_t *object, const struct reply_record *record)
{
    const struct reply_form *form = record->form != NULL ? record->form : &no_form;
    char author[MAILBOX_MAX_BYTES + 1];
    format_author(form, author);
    return put_text(object, "challengeType", "email-reply-00") &&
           put_known(object, "challengeAddress", record->challenge_address) &&
           put_known(object, "tokenPart1", form->has_token ? form->subject.token : NULL) &&
           put_known(object, "digest", form->has_digest ? form->block.digest : NULL) &&
           put_known(object, "from", author) && put_known(object, "messageId", form->message_id) &&
           put_known(object, "inReplyTo", form->in_reply_to) &&
           put_time(object, "receivedAt", record->received_at) &&
           put_known(object, "messageSha256", record->message_sha256);
}

/* Appends the object that the caller fills when append_object gave one. NULL: out of memory. */
static json_t *append_object(json_t *array)
{
    json_t *object = json_object();
    return json_array_append_new(array, object) == 0 ? object : NULL;
}

static bool append_finding(json_t *array, const struct finding *finding, const struct finding_policy *policy)
{
    const char *word = name_table_name(severity_names, (int)policy->severity[finding->id]);
    json_t *object = append_object(array);
    return object != NULL && put_text(object, "id", finding_rule(finding->id)->name) &&
           put_text(object, "severity", word != NULL ? word : "reject") &&
           put_known(object, "detail", finding->detail);
}

static bool put_findings(json_t *parent, const struct reply_record *record)
{
    json_t *array = json_array();
    size_t count = record->findings != NULL ? record->findings->count : 0;
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = append_finding(array, &record->findings->items[i], record->policy);
    if (!ok) {
        json_decref(array);
        return false;
    }
    return put(parent, "findings", array);
}

/* "from:to" as an array. */
static json_t *split_fields(const char *fields)
{
    struct span s = span_from_string(fields);
    json_t *array = json_array();
    for (size_t from = 0; array != NULL && from < s.len;) {
        size_t to = span_find_byte(s, from, ':');
        if (to > from && json_array_append_new(array, text_value(span_slice(s, from, to))) != 0) {
            json_decref(array);
            array = NULL;
        }
        from = to + 1;
    }
    return array;
}

static bool put_result(json_t *object, enum auth_result result)
{
    return put_text(object, "result",
                    result != AUTH_RESULT_UNKNOWN ? name_table_name(auth_result_names, (int)result) : NULL);
}

static bool fill_dkim(json_t *object, const struct reply_record *record)
{
    const struct auth_signature *s = record->chosen;
    return put_result(object, s->result) && put_known(object, "domain", s->domain.name) &&
           put_known(object, "selector", s->selector) && put_known(object, "algorithm", s->algorithm) &&
           put(object, "keyBits", s->key_bits != 0 ? json_integer((json_int_t)s->key_bits) : json_null()) &&
           put_known(object, "identity", s->identity) &&
           put(object, "signedFields", split_fields(s->signed_fields)) &&
           put_time(object, "signedAt", s->signed_at) && put_time(object, "expiresAt", s->expires_at) &&
           put_bool(object, "bodyLengthLimited", s->has_body_length) && put_dnssec(object, s->dnssec);
}

static bool put_dkim(json_t *parent, const struct reply_record *record)
{
    if (record->chosen == NULL)
        return put(parent, "dkim", json_null());
    return put_object(parent, "dkim", record, fill_dkim);
}

static bool put_signatures(json_t *parent, const struct reply_record *record)
{
    json_t *array = json_array();
    size_t count = record->dkim != NULL ? record->dkim->count : 0;
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        const struct auth_signature *s = &record->dkim->signatures[i];
        json_t *object = append_object(array);
        ok = object != NULL && put_known(object, "domain", s->domain.name) &&
             put_known(object, "selector", s->selector) && put_result(object, s->result);
    }
    if (!ok) {
        json_decref(array);
        return false;
    }
    return put(parent, "signatures", array);
}

static bool fill_dmarc(json_t *object, const struct reply_record *record)
{
    const struct auth_dmarc_facts *dmarc = record->dmarc;
    bool has_record = domain_is_set(&dmarc->policy_domain);
    const char *policy =
        dmarc->policy != AUTH_POLICY_UNKNOWN ? name_table_name(auth_policy_names, (int)dmarc->policy) : NULL;
    const char *alignment = dmarc->is_strict ? "strict" : "relaxed";
    return put_result(object, dmarc->result) && put_text(object, "policy", policy) &&
           put_known(object, "policyDomain", dmarc->policy_domain.name) &&
           put_text(object, "dkimAlignment", has_record ? alignment : NULL) &&
           put_dnssec(object, dmarc->dnssec);
}

static bool put_dmarc(json_t *parent, const struct reply_record *record)
{
    if (record->dmarc == NULL)
        return put(parent, "dmarc", json_null());
    return put_object(parent, "dmarc", record, fill_dmarc);
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

static bool fill_assurance(json_t *object, const struct reply_record *record)
{
    const struct auth_signature *chosen = record->chosen;
    const struct auth_dmarc_facts *dmarc = record->dmarc;
    return put_bool(object, "dkimKeyDnssec", chosen != NULL && chosen->dnssec == DNSSEC_STATUS_SECURE) &&
           put_bool(object, "dmarcDnssec", has_policy(dmarc) && dmarc->dnssec == DNSSEC_STATUS_SECURE) &&
           put_bool(object, "policyEnforced", is_policy_enforced(dmarc)) &&
           put_bool(object, "fullHeaderCoverage", chosen != NULL && chosen->covers_full);
}

/* Whole or null: what was cut would pass for another address, name or queue id. */
static bool put_whole(json_t *object, const char *name, const char *text)
{
    return put_text(object, name, text != NULL && strlen(text) <= TEXT_MAX_BYTES ? text : NULL);
}

static bool fill_smtp(json_t *object, const struct reply_record *record)
{
    const struct reply_smtp *smtp = &record->smtp;
    return put_whole(object, "clientAddress", smtp->client_address) &&
           put_whole(object, "clientName", smtp->client_name) && put_whole(object, "helo", smtp->helo) &&
           put_whole(object, "mailFrom", smtp->mail_from) && put_whole(object, "queueId", smtp->queue_id) &&
           put_whole(object, "tlsVersion", smtp->tls_version);
}

static bool fill_milter(json_t *object, const struct reply_record *record)
{
    return put_text(object, "name", record->milter_name) &&
           put_text(object, "version", record->milter_version);
}

/*
 * jansson's own json_dumps loses a piece of the text without a word when memory is out (2.14 does not look
 * whether a member's name was written); a strbuf remembers that an append failed.
 */
static char *write_text(const json_t *object)
{
    struct strbuf text;
    strbuf_init(&text, RESULT_JSON_MAX_BYTES);
    if (json_dump_callback(object, result_json_append_piece, &text, JSON_COMPACT) != 0) {
        strbuf_clear(&text);
        return NULL;
    }
    return strbuf_take(&text);
}

/* One string a line of the settings. */
static bool put_settings(json_t *parent, const struct reply_record *record)
{
    json_t *array = json_array();
    struct span text = span_from_string(record->settings);
    bool ok = array != NULL;
    for (size_t from = 0; from < text.len && ok;) {
        size_t end = span_find_byte(text, from, '\n');
        ok = json_array_append_new(array, text_value(span_slice(text, from, end))) == 0;
        from = end + 1;
    }
    return json_object_set_new(parent, "settings", array) == 0 && ok;
}

char *result_json_encode(const struct reply_record *record)
{
    char *text = NULL;
    json_t *object = json_object();
    if (object != NULL && put(object, "version", json_integer(1)) && put_known(object, "id", record->id) &&
        put_verdict(object, record) && put_reply(object, record) && put_findings(object, record) &&
        put_dkim(object, record) && put_signatures(object, record) && put_dmarc(object, record) &&
        put_object(object, "assurance", record, fill_assurance) &&
        put_object(object, "smtp", record, fill_smtp) && put_object(object, "milter", record, fill_milter) &&
        put_settings(object, record))
        text = write_text(object);
    json_decref(object);
    return text;
}

bool result_json_append_akamu(const struct reply_record *record, struct span in_reply_to, struct strbuf *out)
{
    char author[MAILBOX_MAX_BYTES + 1];
    char block[TEXT_MAX_BYTES];
    if (record->decision.verdict != VERDICT_PASS || record->chosen == NULL)
        return false;
    format_author(record->form, author);
    (void)snprintf(block, sizeof block, "-----BEGIN ACME RESPONSE-----\n%s\n-----END ACME RESPONSE-----\n",
                   record->form->block.digest);
    const struct {
        const char *name;
        struct span value;
    } members[] = {
        {"from", span_from_string(author)},
        {"in_reply_to", in_reply_to},
        {"dkim_domain", span_from_string(record->chosen->domain.name)},
        {"dkim_status", SPAN_LITERAL("pass")},
        {"body", span_from_string(block)},
    };
    json_t *object = json_object();
    bool ok = object != NULL;
    for (size_t i = 0; i < sizeof members / sizeof *members && ok; i++)
        ok = put(object, members[i].name, text_value(members[i].value));
    ok = ok && json_dump_callback(object, result_json_append_piece, out, JSON_COMPACT) == 0 &&
         out->error == STRBUF_ERROR_NONE; /* as in write_text */
    json_decref(object);
    return ok;
}

/* Blanks become one space, none at the ends; what is neither blank nor printable ASCII becomes '?'. */
static bool clean_detail(const json_t *value, char out[static RESULT_DETAIL_MAX_BYTES + 1])
{
    struct span s = span_trim((struct span){json_string_value(value), json_string_length(value)});
    size_t len = 0;
    for (size_t at = 0; at < s.len && len < RESULT_DETAIL_MAX_BYTES;) {
        uint32_t code;
        size_t step = utf8_decode(s, at, &code);
        bool is_blank = byte_is_blank(s.data[at]) || s.data[at] == '\r' || s.data[at] == '\n';
        if (!is_blank)
            out[len++] = step == 1 && !byte_is_control(s.data[at]) ? s.data[at] : '?';
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
        at += step > 0 ? step : 1;
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return len > 0;
}

bool result_json_problem_detail(struct span body, char out[static RESULT_DETAIL_MAX_BYTES + 1])
{
    out[0] = '\0';
    if (body.len == 0 || body.len > DETAIL_MAX_DOCUMENT_BYTES)
        return false;
    json_t *document = json_loadb(body.data, body.len, 0, NULL);
    bool is_found = clean_detail(json_object_get(document, "detail"), out) ||
                    clean_detail(json_object_get(document, "title"), out);
    json_decref(document);
    return is_found;
}

/* Whole or not at all. */
static void copy_text(const json_t *value, char *out, size_t size)
{
    const char *text = json_string_value(value);
    (void)snprintf(out, size, "%s", text != NULL && strlen(text) < size ? text : "");
}

/* The object itself, or what is inside the JWS. */
static json_t *load_result(struct span text)
{
    json_t *object = text.len > 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const char *payload = json_string_value(json_object_get(object, "payload"));
    if (payload == NULL)
        return object;
    struct strbuf inner;
    strbuf_init(&inner, RESULT_JSON_MAX_BYTES);
    json_t *result = NULL;
    if (base64_decode(span_from_string(payload), BASE64_ALPHABET_URL, &inner) == OUTCOME_OK && inner.len > 0)
        result = json_loadb(inner.data, inner.len, 0, NULL);
    strbuf_clear(&inner);
    json_decref(object);
    return result;
}

static void copy_settings(const json_t *array, char *out, size_t size)
{
    size_t len = 0;
    size_t count = json_array_size(array);
    out[0] = '\0';
    for (size_t i = 0; i < count && len < size; i++) {
        const char *line = json_string_value(json_array_get(array, i));
        int n = snprintf(out + len, size - len, "%s\n", line != NULL ? line : "");
        len += n > 0 ? (size_t)n : 0;
    }
}

bool result_json_read_envelope(struct span text, struct result_envelope *out)
{
    memset(out, 0, sizeof *out);
    json_t *result = load_result(text);
    const json_t *smtp = json_object_get(result, "smtp");
    const char *received = json_string_value(json_object_get(result, "receivedAt"));
    copy_text(json_object_get(result, "challengeAddress"), out->recipient, sizeof out->recipient);
    copy_text(json_object_get(result, "verdict"), out->verdict, sizeof out->verdict);
    copy_text(json_object_get(result, "tokenPart1"), out->token, sizeof out->token);
    copy_text(json_object_get(result, "digest"), out->digest, sizeof out->digest);
    copy_text(json_object_get(result, "messageSha256"), out->message_sha256, sizeof out->message_sha256);
    copy_text(json_object_get(smtp, "mailFrom"), out->sender, sizeof out->sender);
    copy_text(json_object_get(smtp, "queueId"), out->queue_id, sizeof out->queue_id);
    copy_text(json_object_get(result, "id"), out->id, sizeof out->id);
    copy_text(json_object_get(result, "from"), out->author, sizeof out->author);
    copy_text(json_object_get(smtp, "clientAddress"), out->client_address, sizeof out->client_address);
    copy_settings(json_object_get(result, "settings"), out->settings, sizeof out->settings);
    bool ok =
        received != NULL && clock_parse_rfc3339(received, &out->received_at) && out->recipient[0] != '\0';
    json_decref(result);
    return ok;
}

bool result_json_read_answer(struct span text, struct result_answer *out)
{
    json_t *answer = text.len > 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const json_t *status = json_object_get(answer, "status");
    bool ok = json_is_integer(status) && json_integer_value(status) >= 0 && json_integer_value(status) < 1000;
    memset(out, 0, sizeof *out);
    if (ok) {
        out->status = (int)json_integer_value(status);
        out->attempts = (unsigned)json_integer_value(json_object_get(answer, "attempts"));
        copy_text(json_object_get(answer, "outcome"), out->outcome, sizeof out->outcome);
        copy_text(json_object_get(answer, "answeredAt"), out->answered_at, sizeof out->answered_at);
        copy_text(json_object_get(answer, "detail"), out->detail, sizeof out->detail);
    }
    json_decref(answer);
    return ok;
}

const char *result_json_library_text(void)
{
    return jansson_version_str();
}
