/* SPDX-License-Identifier: BSD-2-Clause */
#include "explain.h"

#include <stdio.h>

#include "clock.h"
#include "explain_page.h"
#include "session_report.h"

enum { DNS_LINE_MAX = 64 };

static const char *or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

static enum explain_page_tone verdict_tone(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_PASS:
        return EXPLAIN_PAGE_TONE_GOOD;
    case VERDICT_REJECT:
        return EXPLAIN_PAGE_TONE_BAD;
    case VERDICT_UNSET:
    case VERDICT_TEMPERROR:
        break;
    }
    return EXPLAIN_PAGE_TONE_WAIT;
}

static enum explain_page_tone severity_tone(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTE:
        return EXPLAIN_PAGE_TONE_NOTE;
    case SEVERITY_TEMPORARY:
        return EXPLAIN_PAGE_TONE_WAIT;
    case SEVERITY_UNSET:
    case SEVERITY_REJECT:
        break;
    }
    return EXPLAIN_PAGE_TONE_BAD;
}

static void field_row(struct explain_page *p, const struct session_reply *r, const char *name)
{
    struct message_field field;
    bool is_there = message_find(r->message, span_from_string(name), &field);
    explain_page_row(p, name, is_there ? field.value : SPAN_LITERAL("- (the mail has none)"));
}

static void envelope(struct explain_page *p, const struct session *s)
{
    const struct session_reply *r = s->reply;
    const struct reply_smtp *smtp = &r->record.smtp;
    char time[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(r->received_at, time);
    explain_page_step(p, "How the mail came");
    explain_page_format(p, "challenge address", "%s", r->address);
    if (smtp->client_address != NULL)
        explain_page_format(p, "client", "%s [%s], HELO %s", or_dash(smtp->client_name), smtp->client_address,
                            or_dash(smtp->helo));
    if (smtp->mail_from != NULL)
        explain_page_format(p, "MAIL FROM", "<%s>", smtp->mail_from);
    explain_page_format(p, "received", "%s, %zu bytes%s", time, message_bytes(r->message),
                        message_is_cut(r->message) ? " kept: not whole, it is over a limit" : "");
    explain_page_row(p, "SHA-256", span_from_string(or_dash(r->record.message_sha256)));
    explain_page_row(p, "id", span_from_string(or_dash(r->record.id)));
}

static void form(struct explain_page *p, const struct session *s)
{
    const struct session_reply *r = s->reply;
    const struct reply_form *f = &r->form;
    explain_page_step(p, "The challenge that it answers");
    field_row(p, r, "Subject");
    if (f->has_token)
        explain_page_format(p, "token-part1", "%s (%u bits)", f->subject.token, f->subject.token_bits);
    else
        explain_page_row(p, "token-part1", SPAN_LITERAL("none found"));
    field_row(p, r, "To");
    field_row(p, r, "In-Reply-To");
    explain_page_step(p, "The ACME response in its text");
    const char *without = message_is_cut(r->message) ? "not read: the mail is over a limit" : "none found";
    explain_page_row(p, "digest", span_from_string(f->has_digest ? f->block.digest : without));
    if (f->has_digest && f->block.is_quoted)
        explain_page_row(p, "", SPAN_LITERAL("it stands in quoted lines only"));
    if (f->has_digest && f->block.has_changed_dashes)
        explain_page_row(p, "", SPAN_LITERAL("the mail program changed the dashes around it"));
    explain_page_row(p, "", SPAN_LITERAL("Only the ACME server can tell whether a digest is the right one."));
    explain_page_step(p, "The author");
    field_row(p, r, "From");
    char author[MAILBOX_MAX_BYTES + 1] = "no single mailbox";
    if (f->has_author)
        mailbox_format(&f->author, author);
    explain_page_row(p, "author", span_from_string(author));
}

/* The answers used that are about this name, or, with a prefix, about any such name. */
static void dns_rows(struct explain_page *p, const struct session_reply *r, const char *name, bool is_prefix)
{
    struct span dns = strbuf_view(&r->dns);
    struct span wanted = span_from_string(name);
    size_t lines = 0;
    for (size_t from = 0; from < dns.len && lines < DNS_LINE_MAX;) {
        size_t end = span_find_byte(dns, from, '\n');
        struct span line = span_slice(dns, from, end);
        size_t at = line.len > 2 && line.data[0] == '#' ? 2 : 0;
        size_t stop = span_find_byte(line, at, ' ');
        struct span found = span_slice(line, at, stop);
        if (is_prefix ? span_starts_nocase(found, wanted) : span_equal_nocase(found, wanted)) {
            explain_page_row(p, lines == 0 ? "DNS said" : "", line);
            lines++;
        }
        from = end + 1;
    }
}

static const char *use_of(const struct session_reply *r, const struct auth_signature *g)
{
    if (g == r->record.chosen)
        return g->is_verified ? "the verdict rests on this one"
                              : "the best there is of the author's domain: it is judged";
    if (!g->is_aligned)
        return "not used: its d= is not the author's domain itself, so it is not verified";
    if (g->result == AUTH_RESULT_UNKNOWN)
        return "not needed: a flawless one was found before it";
    return "not used: another one of the author's domain is better";
}

static void date_row(struct explain_page *p, const struct auth_signature *g)
{
    char signed_at[CLOCK_RFC3339_SIZE] = "not told", expires_at[CLOCK_RFC3339_SIZE] = "never";
    if (g->signed_at >= 0)
        clock_format_rfc3339(g->signed_at, signed_at);
    if (g->expires_at >= 0)
        clock_format_rfc3339(g->expires_at, expires_at);
    explain_page_format(p, "signed", "%s, expires: %s", signed_at, expires_at);
}

/* "from:to" with blanks, so that it can be wrapped. */
static void fields_row(struct explain_page *p, const char *fields)
{
    char text[AUTH_FIELDS_MAX_BYTES + 1];
    size_t len = 0;
    for (; fields[len] != '\0' && len < AUTH_FIELDS_MAX_BYTES; len++)
        text[len] = fields[len] == ':' ? ' ' : fields[len];
    explain_page_row(p, "signed fields", len > 0 ? (struct span){text, len} : SPAN_LITERAL("-"));
}

/* What its verification and its key showed. */
static void signature_facts(struct explain_page *p, const struct session_reply *r,
                            const struct auth_signature *g)
{
    const char *dnssec = name_table_name(dnssec_status_names, (int)g->dnssec);
    char name[2 * DOMAIN_MAX_BYTES + sizeof "._domainkey."], bits[32] = "";
    fields_row(p, g->signed_fields);
    date_row(p, g);
    if (g->selector[0] == '\0')
        return;
    (void)snprintf(name, sizeof name, "%s._domainkey.%s", g->selector, g->domain.name);
    if (g->key_bits > 0)
        (void)snprintf(bits, sizeof bits, ", %u bits", g->key_bits);
    explain_page_format(p, "key", "%s%s, DNSSEC: %s", name, bits, dnssec != NULL ? dnssec : "unknown");
    dns_rows(p, r, name, false);
}

static void signature(struct explain_page *p, const struct session_reply *r, const struct auth_signature *g)
{
    const char *result = g->result != AUTH_RESULT_UNKNOWN ? name_table_name(auth_result_names, (int)g->result)
                                                          : "not verified";
    explain_page_format(p, "signature", "d=%s s=%s a=%s: %s%s%s", or_dash(g->domain.name),
                        or_dash(g->selector), or_dash(g->algorithm), result != NULL ? result : "-",
                        g->detail[0] != '\0' ? ", " : "", g->detail);
    explain_page_row(p, "", span_from_string(use_of(r, g)));
    if (g->is_aligned && g->result != AUTH_RESULT_UNKNOWN)
        signature_facts(p, r, g);
}

static void not_looked_at(struct explain_page *p)
{
    explain_page_row(p, "not looked at", SPAN_LITERAL("what was found before decides already"));
}

static void signatures(struct explain_page *p, const struct session *s)
{
    const struct session_reply *r = s->reply;
    explain_page_step(p, "DKIM signatures");
    if (r->record.dkim == NULL) {
        not_looked_at(p);
        return;
    }
    if (r->record.dkim->seen == 0)
        explain_page_row(p, "none", SPAN_LITERAL("the mail has no DKIM-Signature field"));
    for (size_t i = 0; i < r->record.dkim->count; i++)
        signature(p, r, &r->record.dkim->signatures[i]);
    if (r->record.dkim->seen > r->record.dkim->count)
        explain_page_format(p, "more", "%zu that are not looked at (MaxSignatures)",
                            r->record.dkim->seen - r->record.dkim->count);
}

static void policy_rows(struct explain_page *p, const struct auth_dmarc_facts *d)
{
    const char *policy = name_table_name(auth_policy_names, (int)d->policy);
    const char *dnssec = name_table_name(dnssec_status_names, (int)d->dnssec);
    if (!domain_is_set(&d->policy_domain)) {
        explain_page_row(p, "record", SPAN_LITERAL("none that applies"));
        return;
    }
    explain_page_format(p, "record", "at _dmarc.%s, DNSSEC: %s", d->policy_domain.name,
                        dnssec != NULL ? dnssec : "unknown");
    explain_page_format(p, "policy", "%s for this author, DKIM alignment %s%s",
                        policy != NULL && d->policy != AUTH_POLICY_UNKNOWN ? policy : "unknown",
                        d->is_strict ? "strict" : "relaxed", d->is_testing ? ", marked as a test (t=y)" : "");
}

static void dmarc(struct explain_page *p, const struct session *s)
{
    const struct session_reply *r = s->reply;
    const struct auth_dmarc_facts *d = r->record.dmarc;
    explain_page_step(p, "DMARC");
    if (d == NULL) {
        not_looked_at(p);
        return;
    }
    const char *result = name_table_name(auth_result_names, (int)d->result);
    policy_rows(p, d);
    dns_rows(p, r, "_dmarc.", true);
    explain_page_format(p, "result", "%s%s%s", result != NULL ? result : "-",
                        d->detail[0] != '\0' ? ", " : "", d->detail);
}

static void append_other_policies(const struct finding_rule *rule, enum policy own, struct strbuf *out)
{
    for (const struct name_table_row *row = policy_names; row->name != NULL; row++)
        if ((int)own != row->value && rule->severity[row->value] != rule->severity[own])
            (void)strbuf_append_format(out, "; %s: %s", row->name,
                                       name_table_name(severity_names, (int)rule->severity[row->value]));
}

/* Which setting gave a finding its severity. */
static void severity_row(struct explain_page *p, const struct session *s, enum finding_id id)
{
    const struct finding_rule *rule = finding_rule(id);
    const struct settings *settings = s->runtime->settings;
    const struct settings_challenge *c = s->reply->challenge;
    enum policy policy = (enum policy)(c->policy != 0 ? c->policy : settings->policy);
    struct strbuf text;
    strbuf_init(&text, EXPLAIN_PAGE_VALUE_MAX_BYTES);
    if (!rule->may_change)
        (void)strbuf_append_string(&text, "fixed: under every policy, and OnFinding does not change it");
    else if (c->on_finding[id] != SEVERITY_UNSET)
        (void)strbuf_append_string(&text, "OnFinding of this challenge address says so");
    else if (settings->on_finding[id] != SEVERITY_UNSET)
        (void)strbuf_append_string(&text, "OnFinding says so");
    else {
        (void)strbuf_append_format(&text, "Policy %s says so", name_table_name(policy_names, (int)policy));
        append_other_policies(rule, policy, &text);
    }
    explain_page_row(p, "  why", strbuf_view(&text));
    strbuf_clear(&text);
}

/* As measured behind Postfix 3.7 and Sendmail 8.17. */
const char *explain_mta_text(const struct session *s)
{
    const char *where;
    if (s->reply == NULL)
        return NULL;
    switch (message_defect(s->reply->message, &where)) {
    case MESSAGE_DEFECT_BARE_LF:
        return "Postfix takes an LF without CR as the end of a line, unless smtpd_forbid_bare_newline has it "
               "refused; Sendmail refuses the mail";
    case MESSAGE_DEFECT_BARE_CR:
        return "Postfix makes a blank of a CR without LF, which breaks the signature where that is signed; "
               "Sendmail refuses the mail";
    case MESSAGE_DEFECT_NUL:
        return "Postfix and Sendmail cut a header field at a NUL byte; in the body they hand it on";
    case MESSAGE_DEFECT_NO_COLON:
        return "Postfix and Sendmail end the header at a line that is no field; what follows is body to them";
    case MESSAGE_DEFECT_FIELD_NAME:
        return "Postfix and Sendmail take a blank before the colon of a header field away";
    case MESSAGE_DEFECT_NONE:
    case MESSAGE_DEFECT_CONTROL:
        break;
    }
    return NULL;
}

static void mta_row(struct explain_page *p, const struct session *s)
{
    const char *text = explain_mta_text(s);
    if (text != NULL)
        explain_page_row(p, "  behind an MTA", span_from_string(text));
}

/* Before anything that the applicant could have done. */
static void suspect_row(struct explain_page *p, const struct session *s)
{
    if (session_suspect(s) != NULL)
        explain_page_format(
            p, "  suspect first",
            "your own mail system: the client, %s, is the MTA's own host or has a private address, "
            "so that a queue, content filter or relay of yours had the mail after it was signed "
            "(doc/operations.md, section 2)",
            s->client_address);
}

static void findings(struct explain_page *p, const struct session *s)
{
    const struct session_reply *r = s->reply;
    explain_page_step(p, "Findings");
    if (r->findings.count == 0)
        explain_page_row(p, "none", SPAN_LITERAL("nothing is to be said against it"));
    for (size_t i = 0; i < r->findings.count; i++) {
        const struct finding *f = &r->findings.items[i];
        const struct finding_rule *rule = finding_rule(f->id);
        enum severity severity = r->record.policy->severity[f->id];
        const char *word = name_table_name(severity_names, (int)severity);
        if (i > 0 && r->findings.items[i - 1].id == f->id) {
            explain_page_format(p, "  detail", "%s", or_dash(f->detail));
            continue;
        }
        explain_page_toned(p, rule->name, severity_tone(severity), word != NULL ? word : "reject");
        if (f->id == FINDING_DKIM_FAIL)
            suspect_row(p, s);
        if (f->id == FINDING_HEADER_MALFORMED)
            mta_row(p, s);
        severity_row(p, s, f->id);
        if (f->detail[0] != '\0')
            explain_page_format(p, "  detail", "%s", f->detail);
        explain_page_row(p, "  text", span_from_string(f->text));
        explain_page_row(p, "  rule", span_from_string(rule->reference));
    }
}

static void verdict_step(struct explain_page *p, const struct session *s)
{
    const struct verdict_decision *d = &s->reply->record.decision;
    explain_page_step(p, "The verdict");
    explain_page_toned(p, "verdict", verdict_tone(d->verdict),
                       or_dash(name_table_name(verdict_names, (int)d->verdict)));
    if (d->verdict == VERDICT_PASS)
        explain_page_row(p, "because",
                         SPAN_LITERAL("no finding rejects it: the mail is by the author it names, as far as "
                                      "its domain's DKIM and DMARC tell"));
    else if (d->reason == FINDING_NONE)
        explain_page_row(p, "because", SPAN_LITERAL("a failure of ours, such as memory that ran out"));
    else
        explain_page_format(p, "because", "of %s, the first that %s in the order of the table",
                            finding_rule(d->reason)->name,
                            d->verdict == VERDICT_REJECT ? "rejects" : "is temporary");
}

static const char *advice(const struct session *s, const struct session_outcome *o)
{
    switch (o->action) {
    case SESSION_ACTION_TEMPFAIL:
        return "nothing: the sender's mail server tries again by itself";
    case SESSION_ACTION_REJECT:
        return "do what the text says; the same mail sent again is refused again";
    case SESSION_ACTION_DISCARD:
    case SESSION_ACTION_ACCEPT:
        break;
    }
    return session_verdict(s) == VERDICT_PASS
               ? "nothing: the reply is taken"
               : "send a better reply, but is not told that this one is refused";
}

static void answer_rows(struct explain_page *p, const struct session *s, const struct session_outcome *o)
{
    if (o->code != 0)
        explain_page_format(p, "SMTP answer", "%d %s %s", o->code, o->enhanced, o->text);
    else if (session_verdict(s) == VERDICT_PASS)
        explain_page_row(p, "SMTP answer", SPAN_LITERAL("250: taken"));
    else
        explain_page_row(p, "SMTP answer", SPAN_LITERAL("250: taken, by OnReject or Mode"));
    explain_page_row(p, "the sender has to", span_from_string(advice(s, o)));
}

static void server_row(struct explain_page *p, const struct endpoint_answer *answer)
{
    if (answer->attempts == 0 && answer->outcome == OUTCOME_TEMPORARY)
        explain_page_row(p, "ACME server", SPAN_LITERAL("not asked: too many replies waited for it"));
    else if (answer->attempts == 0)
        explain_page_row(p, "ACME server",
                         SPAN_LITERAL("not asked: EndpointFormat has no words for this reply"));
    else if (answer->http_status == 0)
        explain_page_format(p, "ACME server", "no answer, %u attempts", answer->attempts);
    else
        explain_page_format(p, "ACME server", "HTTP %d, %u attempts%s%s", answer->http_status,
                            answer->attempts, answer->detail[0] != '\0' ? ": " : "", answer->detail);
}

/* What the sender's MTA is told, or, of a record, was told. */
static void outcome_step(struct explain_page *p, const struct session *s, const struct session_outcome *now,
                         const struct explain_options *options)
{
    const struct endpoint_answer *answer = options->recorded != NULL ? options->recorded : &s->reply->answer;
    struct session_outcome then = *now;
    explain_page_step(p, options->is_record ? "What the sender was told" : "What the sender is told");
    bool is_unknown = options->is_record && options->recorded == NULL;
    if (session_verdict(s) == VERDICT_PASS && is_unknown) {
        explain_page_row(p, "ACME server",
                         SPAN_LITERAL("its answer is not recorded, so neither is what the sender was told"));
        return;
    }
    if (options->recorded != NULL && session_verdict(s) == VERDICT_PASS)
        session_report_map_answer(options->recorded, &then);
    if (options->recorded != NULL || answer->attempts > 0 || answer->detail[0] != '\0')
        server_row(p, answer);
    else if (s->runtime->settings->mode == SETTINGS_MODE_SHADOW)
        explain_page_row(p, "ACME server", SPAN_LITERAL("not asked: Mode shadow, nothing is posted"));
    else if (settings_endpoint_is_none(s->runtime->settings, s->reply->challenge->endpoint))
        explain_page_row(p, "ACME server", SPAN_LITERAL("not asked: Endpoint none, it reads the mailbox"));
    else if (session_verdict(s) == VERDICT_PASS)
        explain_page_row(p, "ACME server",
                         SPAN_LITERAL("not asked; its answer decides what the sender is told (--post asks)"));
    answer_rows(p, s, &then);
}

bool explain_append(const struct session *s, const struct session_outcome *outcome,
                    const struct explain_options *options, struct strbuf *out)
{
    struct explain_page page = {.out = out, .has_colour = options->has_colour};
    if (s->reply == NULL || s->reply->record.policy == NULL)
        return strbuf_append_format(out, "%s %s\n", outcome->enhanced, outcome->text);
    enum verdict verdict = session_verdict(s);
    explain_page_title(&page, options->title, verdict_tone(verdict),
                       or_dash(name_table_name(verdict_names, (int)verdict)));
    envelope(&page, s);
    form(&page, s);
    signatures(&page, s);
    dmarc(&page, s);
    findings(&page, s);
    verdict_step(&page, s);
    outcome_step(&page, s, outcome, options);
    return out->error == STRBUF_ERROR_NONE;
}
