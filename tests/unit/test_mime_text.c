/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static const struct message_limits roomy = {4 * 1024 * 1024, 1000};
static const struct mime_limits usual = {8, 64};

/* A message out of header lines, "\n" after each, and a body whose "\n" become CRLF. */
static struct message *make(const char *header, const char *body)
{
    struct message *m = message_new(&roomy);
    for (const char *line = header; m != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        size_t colon = strcspn(line, ":");
        if (message_add_field(m, (struct span){line, colon},
                              (struct span){line + colon + 1, len - colon - 1}) != OUTCOME_OK)
            abort();
        line += len + (line[len] == '\n');
    }
    for (const char *line = body; m != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (message_add_body(m, (struct span){line, len}) != OUTCOME_OK ||
            (line[len] == '\n' && message_add_body(m, SPAN_LITERAL("\r\n")) != OUTCOME_OK))
            abort();
        line += len + (line[len] == '\n');
    }
    if (m != NULL)
        message_end(m);
    return m;
}

#define MIXED       "Content-Type: multipart/mixed; boundary=b"
#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=\"b\""

static const struct {
    const char *name;
    const char *header;
    const char *body;
    enum outcome outcome;
    const char *want; /* the text, or why there is none */
    bool is_allowed;
} rows[] = {
    {"R-39 no MIME at all", "Subject: x", "a\nb\n", OUTCOME_OK, "a\nb\n", true},
    {"R-39 text/plain", "Content-Type: text/plain", "a", OUTCOME_OK, "a", true},
    {"any case, parameters, comments", "Content-Type: TEXT/Plain (c) ; (d) Charset=\"UTF-8\"; format=flowed",
     "a", OUTCOME_OK, "a", true},
    {"a comment in front of the encoding, which others do not know",
     "Content-Transfer-Encoding: (c) quoted-printable", "=61", OUTCOME_BROKEN_INPUT,
     "unknown transfer encoding", true},
    {"blanks around the encoding", "Content-Transfer-Encoding:  Quoted-Printable \t", "=61", OUTCOME_OK, "a",
     true},
    {"R-39 HTML only", "Content-Type: text/html", "<p>a", OUTCOME_ABSENT, "no text/plain part", false},
    {"R-39 alternative", ALTERNATIVE,
     "--b\nContent-Type: text/plain\n\na\n--b\nContent-Type: text/html\n\n<a>\n--b--\n", OUTCOME_OK, "a",
     true},
    {"R-39 alternative with HTML first", ALTERNATIVE,
     "--b\nContent-Type: text/html\n\n<a>\n--b\nContent-Type: text/plain\n\na\n--b--\n", OUTCOME_OK, "a",
     true},
    {"R-39 mixed", MIXED, "--b\n\na\n--b--\n", OUTCOME_OK, "a", false},
    {"the first of two", MIXED, "--b\n\na\n--b\n\nb\n--b--\n", OUTCOME_OK, "a", false},
    {"attachments are passed over", MIXED,
     "--b\nContent-Disposition: attachment; filename=x\n\na\n--b\nContent-Disposition: inline\n\nb\n--b--\n",
     OUTCOME_OK, "b", false},
    {"an unknown disposition is an attachment", MIXED, "--b\nContent-Disposition: other\n\na\n--b--\n",
     OUTCOME_ABSENT, "no text/plain part", false},
    {"A35 preamble and epilogue", MIXED, "no\n--b\n\na\n--b--\nno\n", OUTCOME_OK, "a", false},
    {"A35 an attached mail is not entered", MIXED,
     "--b\nContent-Type: message/rfc822\n\nContent-Type: text/plain\n\na\n--b--\n", OUTCOME_ABSENT,
     "no text/plain part", false},
    {"nested", MIXED,
     "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\na\n--c\nContent-Type: "
     "text/html\n\nh\n--c--\n--b--\n",
     OUTCOME_OK, "a", false},
    {"no closing line", MIXED, "--b\n\na\n", OUTCOME_OK, "a\n", false},
    {"blanks behind the boundary", MIXED, "--b \t\n\na\n--b-- \n", OUTCOME_OK, "a", false},
    {"a boundary that begins another", MIXED, "--bb\n\nx\n--b\n\na\n--bb\n--b--\n", OUTCOME_OK, "a\n--bb",
     false},
    {"an empty part", MIXED, "--b\n--b\n\na\n--b--\n", OUTCOME_OK, "", false},
    {"no part at all", MIXED, "--b--\n", OUTCOME_ABSENT, "no text/plain part", false},
    {"no boundary", "Content-Type: multipart/mixed", "--b\n\na\n--b--\n", OUTCOME_BROKEN_INPUT,
     "multipart without a valid boundary", false},
    {"a boundary that ends in a blank", "Content-Type: multipart/mixed; boundary=\"b \"", "",
     OUTCOME_BROKEN_INPUT, "multipart without a valid boundary", false},
    {"a boundary in pieces", "Content-Type: multipart/mixed; boundary*0=b", "--b\n\na\n--b--\n",
     OUTCOME_BROKEN_INPUT, "malformed Content-Type", false},
    {"two boundaries", "Content-Type: multipart/mixed; boundary=b; boundary=c", "", OUTCOME_BROKEN_INPUT,
     "malformed Content-Type", false},
    {"malformed Content-Type", "Content-Type: text", "a", OUTCOME_BROKEN_INPUT, "malformed Content-Type",
     false},
    {"a parameter without a value", "Content-Type: text/plain; charset", "a", OUTCOME_BROKEN_INPUT,
     "malformed Content-Type", false},
    {"a quoted string without an end", "Content-Type: text/plain; charset=\"utf-8", "a", OUTCOME_BROKEN_INPUT,
     "malformed Content-Type", false},
    {"Content-Type twice in a part", MIXED,
     "--b\nContent-Type: text/plain\nContent-Type: text/html\n\na\n--b--\n", OUTCOME_BROKEN_INPUT,
     "a Content-* field stands twice", false},
    {"a malformed header in a part", MIXED, "--b\nno colon\n\na\n--b--\n", OUTCOME_BROKEN_INPUT,
     "malformed header in a part", false},
    {"an encoded multipart", MIXED "\nContent-Transfer-Encoding: base64", "--b\n\na\n--b--\n",
     OUTCOME_BROKEN_INPUT, "encoded multipart", false},
    {"R-44 quoted-printable", "Content-Transfer-Encoding: Quoted-Printable", "a=3d=C3=A4  \nb=\nc= \nd",
     OUTCOME_OK, "a=\xc3\xa4\nbcd", true},
    {"R-44 quoted-printable, UTF-8",
     "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8", "=C3=A4",
     OUTCOME_OK, "\xc3\xa4", true},
    {"broken quoted-printable", "Content-Transfer-Encoding: quoted-printable", "a=4", OUTCOME_BROKEN_INPUT,
     "malformed transfer encoding", true},
    {"quoted-printable that is none", "Content-Transfer-Encoding: quoted-printable", "a=zz",
     OUTCOME_BROKEN_INPUT, "malformed transfer encoding", true},
    {"R-44 base64", "Content-Transfer-Encoding: base64", "YWJj\nZGVm\n", OUTCOME_OK, "abcdef", true},
    {"base64 with padding", "Content-Transfer-Encoding: base64", "YWI=\n", OUTCOME_OK, "ab", true},
    {"base64 with foreign characters", "Content-Transfer-Encoding: base64", "YW-Jj\n", OUTCOME_BROKEN_INPUT,
     "malformed transfer encoding", true},
    {"base64 with text behind", "Content-Transfer-Encoding: base64", "YWI=\nYWI=\n", OUTCOME_BROKEN_INPUT,
     "malformed transfer encoding", true},
    {"unknown encoding", "Content-Transfer-Encoding: x-uuencode", "a", OUTCOME_BROKEN_INPUT,
     "unknown transfer encoding", true},
    {"unknown charset", "Content-Type: text/plain; charset=x-none", "a", OUTCOME_BROKEN_INPUT,
     "unknown charset", true},
    {"Latin 1", "Content-Type: text/plain; charset=iso-8859-1", "a\xe4", OUTCOME_OK, "a\xc3\xa4", true},
    {"a byte order mark goes", "Content-Type: text/plain; charset=utf-8",
     "\xef\xbb\xbf"
     "a",
     OUTCOME_OK, "a", true},
};

static void test_rows(void)
{
    struct mime_text got;
    mime_text_init(&got, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message *m = make(rows[i].header, rows[i].body);
        if (m == NULL)
            abort();
        tap_is_int(mime_text_extract(m, &usual, &got), rows[i].outcome, rows[i].name);
        tap_is_string(rows[i].outcome == OUTCOME_OK ? strbuf_string(&got.text) : got.why, rows[i].want,
                      rows[i].name);
        tap_ok(got.is_allowed_top == rows[i].is_allowed || rows[i].outcome == OUTCOME_BROKEN_INPUT,
               "%s: R-39", rows[i].name);
        message_free(m);
    }
    mime_text_clear(&got);
}

static void test_reports(void)
{
    static const struct {
        const char *header;
        bool is_report;
    } types[] = {{"Content-Type: multipart/report; report-type=delivery-status; boundary=b", true},
                 {"Content-Type: message/delivery-status", true},
                 {"Content-Type: message/disposition-notification", true},
                 {"Content-Type: text/plain", false}};
    struct mime_text got;
    mime_text_init(&got, 65536);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct message *m = make(types[i].header, "--b\n\na\n--b--\n");
        enum outcome outcome = mime_text_extract(m, &usual, &got);
        tap_ok(outcome != OUTCOME_INTERNAL && got.is_report == types[i].is_report, "%s", types[i].header);
        message_free(m);
    }
    mime_text_clear(&got);
}

/* depth multiparts around a text. */
static enum outcome nest(unsigned depth, struct mime_text *got)
{
    struct strbuf body;
    char header[80];
    strbuf_init(&body, 65536);
    for (unsigned i = 1; i <= depth; i++) {
        (void)strbuf_append_format(&body, "--b%u\n", i);
        if (i < depth)
            (void)strbuf_append_format(&body, "Content-Type: multipart/mixed; boundary=b%u\n", i + 1);
        (void)strbuf_append_byte(&body, '\n');
    }
    (void)strbuf_append_string(&body, "a\n");
    (void)snprintf(header, sizeof header, "Content-Type: multipart/mixed; boundary=b1");
    struct message *m = make(header, strbuf_string(&body));
    enum outcome outcome = mime_text_extract(m, &usual, got);
    message_free(m);
    strbuf_clear(&body);
    return outcome;
}

static enum outcome repeat(unsigned parts, struct mime_text *got)
{
    struct strbuf body;
    strbuf_init(&body, 1024 * 1024);
    for (unsigned i = 0; i < parts; i++)
        (void)strbuf_append_string(&body, "--b\n\na\n");
    (void)strbuf_append_string(&body, "--b--\n");
    struct message *m = make(MIXED, strbuf_string(&body));
    enum outcome outcome = mime_text_extract(m, &usual, got);
    message_free(m);
    strbuf_clear(&body);
    return outcome;
}

static void test_limits(void)
{
    struct mime_text got;
    mime_text_init(&got, 100);
    tap_is_int(nest(8, &got), OUTCOME_OK, "as deep as allowed");
    tap_is_int(nest(9, &got), OUTCOME_BROKEN_INPUT, "one level too deep");
    tap_is_string(got.why, "nested too deep", "and says so");
    tap_is_int(nest(64, &got), OUTCOME_BROKEN_INPUT, "64 nested parts");
    tap_is_int(repeat(64, &got), OUTCOME_OK, "as many parts as allowed");
    tap_is_int(repeat(65, &got), OUTCOME_BROKEN_INPUT, "one part too many, behind the text");
    tap_is_string(got.why, "too many parts", "and says so");
    tap_is_int(repeat(50000, &got), OUTCOME_BROKEN_INPUT, "50,000 parts");
    struct message *m = make("Subject: x", "12345678901234567890123456789012345678901234567890"
                                           "123456789012345678901234567890123456789012345678901");
    tap_is_int(mime_text_extract(m, &usual, &got), OUTCOME_BROKEN_INPUT, "a text over its limit");
    message_free(m);
    m = make("Subject: x", "short");
    tap_is_int(mime_text_extract(m, &usual, &got), OUTCOME_OK, "and the next mail is read again");
    tap_is_string(strbuf_string(&got.text), "short", "with nothing of the one before");
    message_free(m);
    mime_text_clear(&got);
}

int main(void)
{
    test_rows();
    test_reports();
    test_limits();
    return tap_done();
}
