/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_form.h"

#include <stdio.h>
#include <string.h>

enum { TOKEN_MIN_BITS = 128 };

/* RFC 5322 section 3.6, and the MIME fields: a second one lets two readers see two mails. */
static const char *const single_fields[] = {
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
};

enum { SINGLE_FIELDS = sizeof single_fields / sizeof single_fields[0] };

/* Beside single_fields: what is read or edited by us, or tells others how to read the mail. */
static const char *const read_prefixes[] = {
    "ARC-", "Authentication-Results", "Content-", "DKIM-", "List-", "MIME-", "Resent-"};

enum { READ_PREFIXES = sizeof read_prefixes / sizeof read_prefixes[0] };

static bool is_read(struct span name)
{
    for (size_t i = 0; i < SINGLE_FIELDS; i++)
        if (span_equal_nocase(name, span_from_string(single_fields[i])))
            return true;
    for (size_t i = 0; i < READ_PREFIXES; i++)
        if (span_starts_nocase(name, span_from_string(read_prefixes[i])))
            return true;
    return false;
}

/* Two readers may take such bytes for two texts, which matters only where somebody reads them. The first
 * field of each kind is told: anybody can send as many as the limit lets him, and other findings need their
 * room. */
static void examine_raw_fields(const struct message *m, struct finding_list *findings)
{
    for (size_t i = 0; i < message_field_count(m); i++) {
        if (message_is_utf8(m, i))
            continue;
        struct span name = span_trim(message_field_at(m, i).name);
        enum finding_id id = is_read(name) ? FINDING_HEADER_MALFORMED : FINDING_HEADER_8BIT;
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "header field %.*s: bytes that are not UTF-8",
                       (int)(name.len < 64 ? name.len : 64), name.data);
        if (!finding_list_has(findings, id))
            finding_list_add(findings, id, detail);
    }
}

static void examine_bytes(const struct message *m, struct finding_list *findings)
{
    if (message_is_too_large(m))
        finding_list_add(findings, FINDING_MESSAGE_TOO_LARGE, "MaxMessageSize");
    if (message_has_too_many_fields(m))
        finding_list_add(findings, FINDING_MESSAGE_TOO_LARGE, "MaxHeaderFields");
    const char *where;
    enum message_defect defect = message_defect(m, &where);
    if (defect != MESSAGE_DEFECT_NONE) {
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "%s: %s", where, message_defect_text(defect));
        finding_list_add_escaped(findings, FINDING_HEADER_MALFORMED, detail);
    }
    examine_raw_fields(m, findings);
}

static void examine_counts(const struct message *m, struct finding_list *findings)
{
    for (size_t i = 0; i < SINGLE_FIELDS; i++)
        if (message_count(m, span_from_string(single_fields[i])) > 1)
            finding_list_add(findings, FINDING_HEADER_DUPLICATE, single_fields[i]);
}

static enum outcome examine_author(const struct message *m, struct reply_form *form,
                                   struct finding_list *findings)
{
    struct message_field from;
    const char *why = "no From field";
    enum outcome outcome = OUTCOME_ABSENT;
    if (message_count(m, SPAN_LITERAL("From")) > 1)
        why = "several From fields";
    else if (message_find(m, SPAN_LITERAL("From"), &from))
        outcome = mailbox_parse_author(from.value, &form->author, &why);
    form->has_author = outcome == OUTCOME_OK;
    if (form->has_author || outcome == OUTCOME_INTERNAL)
        return outcome;
    memset(&form->author, 0, sizeof form->author);
    finding_list_add(findings, FINDING_AUTHOR_AMBIGUOUS, why);
    return OUTCOME_OK;
}

static void examine_list_fields(const struct message *m, struct finding_list *findings)
{
    for (size_t i = 0; i < message_field_count(m); i++) {
        struct message_field field = message_field_at(m, i);
        if (!span_starts_nocase(field.name, SPAN_LITERAL("List-")))
            continue;
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "%.*s", (int)(field.name.len < 64 ? field.name.len : 64),
                       field.name.data);
        finding_list_add(findings, FINDING_LIST_FIELD, detail);
        return;
    }
}

static enum outcome examine_subject(const struct message *m, struct reply_form *form,
                                    struct finding_list *findings)
{
    struct message_field subject;
    const char *why = "no Subject field";
    enum outcome outcome = OUTCOME_ABSENT;
    if (message_count(m, SPAN_LITERAL("Subject")) > 1)
        why = "several Subject fields";
    else if (message_find(m, SPAN_LITERAL("Subject"), &subject))
        outcome = reply_subject_parse(subject.value, &form->subject, &why);
    form->has_token = outcome == OUTCOME_OK;
    if (outcome == OUTCOME_INTERNAL)
        return outcome;
    if (!form->has_token) {
        form->subject.token[0] = '\0';
        finding_list_add(findings, FINDING_SUBJECT_NO_TOKEN, why);
        return OUTCOME_OK;
    }
    if (form->subject.has_foreign_charset)
        finding_list_add(findings, FINDING_SUBJECT_CHARSET, NULL);
    if (form->subject.token_bits < TOKEN_MIN_BITS) {
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "%u bits", form->subject.token_bits);
        finding_list_add(findings, FINDING_TOKEN_SHORT, detail);
    }
    return OUTCOME_OK;
}

struct to_search {
    bool (*names_challenge)(const struct mailbox *, void *);
    void *context;
    bool is_found;
};

static bool visit_to(const struct mailbox *m, void *context)
{
    struct to_search *search = context;
    search->is_found = search->names_challenge(m, search->context);
    return !search->is_found;
}

static enum outcome examine_to(const struct message *m, struct to_search *search,
                               struct finding_list *findings)
{
    struct message_field to;
    enum outcome outcome = OUTCOME_OK;
    if (message_find(m, SPAN_LITERAL("To"), &to))
        outcome = mailbox_visit_list(to.value, visit_to, search);
    if (!search->is_found)
        finding_list_add(findings, FINDING_TO_MISMATCH, NULL);
    return outcome;
}

/* A message identifier list as it stands, unfolded: white space runs become one space. */
static void copy_ids(const struct message *m, struct span name, char out[static REPLY_FORM_ID_MAX_BYTES + 1])
{
    struct message_field field;
    size_t len = 0;
    if (message_find(m, name, &field)) {
        struct span value = span_trim(field.value);
        for (size_t i = 0; i < value.len && len < REPLY_FORM_ID_MAX_BYTES; i++) {
            char c = value.data[i];
            bool is_space = c == '\r' || c == '\n' || byte_is_blank(c);
            if (!is_space)
                out[len++] = c;
            else if (len > 0 && out[len - 1] != ' ')
                out[len++] = ' ';
        }
    }
    out[len] = '\0';
}

enum outcome reply_form_examine_header(const struct message *m,
                                       bool (*to_names_challenge)(const struct mailbox *, void *),
                                       void *context, struct reply_form *form, struct finding_list *findings)
{
    memset(form, 0, sizeof *form);
    struct to_search search = {to_names_challenge, context, false};
    examine_counts(m, findings);
    examine_list_fields(m, findings);
    if (examine_author(m, form, findings) != OUTCOME_OK || examine_subject(m, form, findings) != OUTCOME_OK ||
        examine_to(m, &search, findings) != OUTCOME_OK)
        return OUTCOME_INTERNAL;
    copy_ids(m, SPAN_LITERAL("Message-ID"), form->message_id);
    copy_ids(m, SPAN_LITERAL("In-Reply-To"), form->in_reply_to);
    if (form->in_reply_to[0] == '\0')
        finding_list_add(findings, FINDING_IN_REPLY_TO_MISSING, NULL);
    return OUTCOME_OK;
}

static void examine_block(struct span text, struct reply_form *form, struct finding_list *findings)
{
    const char *why = NULL;
    enum reply_block_status status = reply_block_parse(text, &form->block, &why);
    form->has_digest = status == REPLY_BLOCK_STATUS_OK;
    switch (status) {
    case REPLY_BLOCK_STATUS_OK:
        if (form->block.is_quoted || form->block.has_changed_dashes)
            finding_list_add(findings, FINDING_BLOCK_QUOTED,
                             form->block.is_quoted ? "quoted" : "changed dashes");
        return;
    case REPLY_BLOCK_STATUS_AMBIGUOUS:
        finding_list_add(findings, FINDING_BLOCK_AMBIGUOUS, why);
        break;
    case REPLY_BLOCK_STATUS_MALFORMED:
        finding_list_add(findings, FINDING_DIGEST_MALFORMED, why);
        break;
    case REPLY_BLOCK_STATUS_MISSING:
    case REPLY_BLOCK_STATUS_UNSET:
        finding_list_add(findings, FINDING_BLOCK_MISSING, why);
        break;
    }
    form->block.digest[0] = '\0';
}

enum outcome reply_form_examine_body(const struct message *m, const struct mime_limits *limits,
                                     struct mime_text *text, struct reply_form *form,
                                     struct finding_list *findings)
{
    form->has_digest = false;
    examine_bytes(m, findings);
    enum outcome outcome = mime_text_extract(m, limits, text);
    if (outcome == OUTCOME_INTERNAL)
        return OUTCOME_INTERNAL;
    if (text->is_report)
        finding_list_add(findings, FINDING_DELIVERY_REPORT, text->top_type);
    if (!text->is_allowed_top)
        finding_list_add(findings, FINDING_BODY_TYPE, text->top_type);
    if (outcome == OUTCOME_OK)
        examine_block(strbuf_view(&text->text), form, findings);
    else
        finding_list_add(findings, FINDING_BODY_NO_TEXT, text->why);
    return OUTCOME_OK;
}
