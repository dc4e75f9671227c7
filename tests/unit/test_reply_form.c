/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_form.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define TOKEN  "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"
#define DIGEST "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define BLOCK  "-----BEGIN ACME RESPONSE-----\r\n" DIGEST "\r\n-----END ACME RESPONSE-----\r\n"

/* What a good reply has; a row replaces, adds or leaves out. */
struct row {
    const char *name;
    const char *field; /* a field to add, or to replace the first of that name; "" to leave it out */
    const char *value;
    bool is_added;
    const char *body; /* NULL: the good one */
    enum finding_id wanted;
};

static const struct row rows[] = {
    {"a good reply", "X-None", " x", true, NULL, FINDING_NONE},
    {"R-34 two From fields", "From", " b@example.com", true, NULL, FINDING_HEADER_DUPLICATE},
    {"a second Subject", "SUBJECT", " ACME: " TOKEN, true, NULL, FINDING_HEADER_DUPLICATE},
    {"a second Content-Type", "Content-Type", " text/plain", true, NULL, FINDING_HEADER_DUPLICATE},
    {"R-34 no From", "From", NULL, false, NULL, FINDING_AUTHOR_AMBIGUOUS},
    {"R-34 two mailboxes", "From", " a@example.com, b@example.com", false, NULL, FINDING_AUTHOR_AMBIGUOUS},
    {"R-02 a wildcard", "From", " *@example.com", false, NULL, FINDING_AUTHOR_AMBIGUOUS},
    {"R-38 a List field", "List-Id", " <x.example.com>", true, NULL, FINDING_LIST_FIELD},
    {"R-38 an unknown List field", "LIST-FOO", " x", true, NULL, FINDING_LIST_FIELD},
    {"R-38 a field that only begins so", "Listen", " x", true, NULL, FINDING_NONE},
    {"Latin-1 in a field that nobody reads", "X-Mailer", " Gr\xfc\xdf", true, NULL, FINDING_HEADER_8BIT},
    {"Latin-1 in Organization", "Organization", " Caf\xe9", true, NULL, FINDING_HEADER_8BIT},
    {"Latin-1 in a Received field", "Received", " from caf\xe9", true, NULL, FINDING_HEADER_8BIT},
    {"UTF-8 is no defect", "X-Mailer", " Gr\xc3\xbc\xc3\x9f", true, NULL, FINDING_NONE},
    {"Latin-1 in Cc", "Cc", " Ren\xe9 <r@example.com>", true, NULL, FINDING_HEADER_MALFORMED},
    {"Latin-1 in In-Reply-To", "In-Reply-To", " <\xe9@ca.example>", false, NULL, FINDING_HEADER_MALFORMED},
    {"Latin-1 in a MIME field", "content-description", " \xe9", true, NULL, FINDING_HEADER_MALFORMED},
    {"Latin-1 in a signature", "DKIM-Signature", " \xe9", true, NULL, FINDING_HEADER_MALFORMED},
    {"Latin-1 in what we edit", "Authentication-Results", " \xe9", true, NULL, FINDING_HEADER_MALFORMED},
    {"Latin-1 in a Resent field", "Resent-From", " \xe9", true, NULL, FINDING_HEADER_MALFORMED},
    {"a bare CR behind Latin-1", "X-Mailer", " \xfc\rx", true, NULL, FINDING_HEADER_MALFORMED},
    {"R-30 no Subject", "Subject", NULL, false, NULL, FINDING_SUBJECT_NO_TOKEN},
    {"R-13 another charset", "Subject", " =?iso-8859-1?Q?R=E9:?= ACME: " TOKEN, false, NULL,
     FINDING_SUBJECT_CHARSET},
    {"R-05 a short token", "Subject", " ACME: LgYemJLy3F1LDkiJr", false, NULL, FINDING_TOKEN_SHORT},
    {"R-35 To another address", "To", " other@ca.example", false, NULL, FINDING_TO_MISMATCH},
    {"R-35 no To", "To", NULL, false, NULL, FINDING_TO_MISMATCH},
    {"R-35 To several", "To", " other@ca.example, The CA <acme@ca.example>", false, NULL, FINDING_NONE},
    {"R-37 no In-Reply-To", "In-Reply-To", NULL, false, NULL, FINDING_IN_REPLY_TO_MISSING},
    {"R-39 HTML", "Content-Type", " text/html", false, NULL, FINDING_BODY_NO_TEXT},
    {"a bounce", "Content-Type", " multipart/report; boundary=b", false, "--b\r\n\r\n" BLOCK "--b--\r\n",
     FINDING_DELIVERY_REPORT},
    {"R-40 no block", "X-None", " x", true, "hello\r\n", FINDING_BLOCK_MISSING},
    {"R-42 half a digest", "X-None", " x", true,
     "-----BEGIN ACME RESPONSE-----\r\nabc\r\n-----END ACME RESPONSE-----\r\n", FINDING_DIGEST_MALFORMED},
    {"R-41 bare LF in the body", "X-None", " x", true, "a\nb\r\n" BLOCK, FINDING_HEADER_MALFORMED},
    {"a control in the header", "X-Odd", " a\x01z", true, NULL, FINDING_HEADER_MALFORMED},
    {"a blank before the colon", "X-Odd ", " a", true, NULL, FINDING_HEADER_MALFORMED},
};

static const char *const good[][2] = {
    {"From", " Alice <alice@example.com>"},
    {"To", " acme@ca.example"},
    {"Subject", " Re: ACME: " TOKEN},
    {"Message-ID", " <1@example.com>"},
    {"In-Reply-To", " <2@ca.example>\r\n <3@ca.example>"},
    {"Content-Type", " text/plain; charset=utf-8"},
};

static void add(struct message *m, const char *name, const char *value)
{
    if (message_add_field(m, span_from_string(name), span_from_string(value)) != OUTCOME_OK)
        abort();
}

static struct message *make(const struct row *row)
{
    const struct message_limits limits = {65536, 100};
    struct message *m = message_new(&limits);
    if (m == NULL)
        abort();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        bool is_replaced = !row->is_added && strcmp(row->field, good[i][0]) == 0;
        if (!is_replaced)
            add(m, good[i][0], good[i][1]);
        else if (row->value != NULL)
            add(m, row->field, row->value);
    }
    if (row->is_added)
        add(m, row->field, row->value);
    if (message_add_body(m, span_from_string(row->body != NULL ? row->body : BLOCK)) != OUTCOME_OK)
        abort();
    message_end(m);
    return m;
}

static bool is_challenge(const struct mailbox *m, void *context)
{
    (void)context;
    return strcmp(m->local, "acme") == 0 && strcmp(m->domain.name, "ca.example") == 0;
}

/* Escaped once. */
static void test_where_a_defect_is(const struct mime_limits *limits, struct mime_text *text)
{
    static const struct row row = {"odd name", "X-\xc3\xa9\\", " a", true, NULL, FINDING_HEADER_MALFORMED};
    struct message *m = make(&row);
    struct finding_list findings = {.count = 0};
    struct reply_form form;
    tap_is_int(reply_form_examine_header(m, is_challenge, NULL, &form, &findings), OUTCOME_OK, row.name);
    tap_is_int(reply_form_examine_body(m, limits, text, &form, &findings), OUTCOME_OK, row.name);
    tap_is_string(findings.items[0].detail, "header field X-\\xc3\\xa9\\x5c: invalid field name", row.name);
    message_free(m);
}

int main(void)
{
    const struct mime_limits limits = {8, 64};
    struct mime_text text;
    mime_text_init(&text, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message *m = make(&rows[i]);
        struct finding_list findings = {.count = 0};
        struct reply_form form;
        tap_is_int(reply_form_examine_header(m, is_challenge, NULL, &form, &findings), OUTCOME_OK,
                   rows[i].name);
        tap_is_int(reply_form_examine_body(m, &limits, &text, &form, &findings), OUTCOME_OK, rows[i].name);
        if (rows[i].wanted == FINDING_NONE)
            tap_is_int((long long)findings.count, 0, rows[i].name);
        else
            tap_ok(finding_list_has(&findings, rows[i].wanted), "%s: %s", rows[i].name,
                   finding_rule(rows[i].wanted)->name);
        if (rows[i].wanted == FINDING_NONE) {
            tap_is_string(form.author.local, "alice", rows[i].name);
            tap_is_string(form.subject.token, TOKEN, rows[i].name);
            tap_is_string(form.block.digest, DIGEST, rows[i].name);
            tap_is_string(form.in_reply_to, "<2@ca.example> <3@ca.example>", "identifiers unfolded");
        }
        message_free(m);
    }
    test_where_a_defect_is(&limits, &text);
    mime_text_clear(&text);
    return tap_done();
}
