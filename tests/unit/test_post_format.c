/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"
#include "post_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_server.h"
#include "tap.h"

#define DIGEST "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
#define SECRET "0123456789abcdef0123456789abcdef"
#define HEADER "From: alice@example.com\r\nSubject: Re: ACME: x\r\n"
#define BODY   "text\0with a NUL\r\n"

enum { TIMEOUT_MS = 20000, SHORT_MS = 50, PATH_BYTES = 512 };

struct facts {
    struct reply_form form;
    struct auth_signature signature;
    struct reply_record record;
    struct post_format_source source;
};

static void fill(struct facts *f)
{
    memset(f, 0, sizeof *f);
    f->form.has_author = f->form.has_digest = true;
    (void)snprintf(f->form.author.local, sizeof f->form.author.local, "%s", "Alice.B");
    (void)snprintf(f->form.author.domain.name, sizeof f->form.author.domain.name, "%s", "example.com");
    (void)snprintf(f->form.block.digest, sizeof f->form.block.digest, "%s", DIGEST);
    (void)snprintf(f->form.in_reply_to, sizeof f->form.in_reply_to, "%s", "<2@ca.example>");
    (void)snprintf(f->signature.domain.name, sizeof f->signature.domain.name, "%s", "example.com");
    f->record = (struct reply_record){
        .id = "2dXq-_",
        .decision = {VERDICT_PASS, FINDING_NONE},
        .form = &f->form,
        .chosen = &f->signature,
        .smtp = {.client_address = "192.0.2.1", .mail_from = "bounce@example.com"},
    };
    f->source = (struct post_format_source){
        .record = &f->record,
        .header = SPAN_LITERAL(HEADER),
        .body = SPAN_LITERAL(BODY),
        .result = SPAN_LITERAL("{\"version\":1}"),
    };
}

static bool is_text(struct span s, const char *text)
{
    return span_equal(s, span_from_string(text));
}

#define AKAMU(id)                                                                                            \
    "{\"from\":\"Alice.B@example.com\",\"in_reply_to\":\"" id "\",\"dkim_domain\":\"example.com\","          \
    "\"dkim_status\":\"pass\",\"body\":\"-----BEGIN ACME RESPONSE-----\\n" DIGEST                            \
    "\\n-----END ACME RESPONSE-----\\n\"}"

static const struct {
    const char *name;
    const char *in_reply_to;
    const char *want; /* NULL: refused */
} akamu[] = {
    {"as it should be", "<2@ca.example>", AKAMU("<2@ca.example>")},
    {"words around it", "Your mail <2@ca.example> of today", AKAMU("<2@ca.example>")},
    {"a quote and a backslash", "<\"a\\b\"@ca.example>", AKAMU("<\\\"a\\\\b\\\"@ca.example>")},
    {"not UTF-8", "<\xff@ca.example>", AKAMU("<\xef\xbf\xbd@ca.example>")},
    {"none", "", NULL},
    {"no brackets", "2@ca.example", NULL},
    {"nothing in them", "<>", NULL},
    {"no end", "<2@ca.example", NULL},
    {"no beginning", "2@ca.example>", NULL},
    {"two", "<1@ca.example> <2@ca.example>", NULL},
    {"one in another", "<1<2@ca.example>", NULL},
};

static void test_akamu(struct facts *f)
{
    struct post_format_content got;
    for (size_t i = 0; i < sizeof akamu / sizeof *akamu; i++) {
        fill(f);
        (void)snprintf(f->form.in_reply_to, sizeof f->form.in_reply_to, "%s", akamu[i].in_reply_to);
        enum outcome outcome = post_format_make(POST_FORMAT_AKAMU, &f->source, &got);
        if (akamu[i].want == NULL)
            tap_ok(outcome == OUTCOME_REJECTED && strlen(got.refusal) <= RESULT_DETAIL_MAX_BYTES,
                   "akamu, In-Reply-To refused: %s", akamu[i].name);
        else
            tap_ok(outcome == OUTCOME_OK && is_text(got.body, akamu[i].want) && got.field_count == 0,
                   "akamu, In-Reply-To: %s: %s", akamu[i].name, got.body.data);
        post_format_clear(&got);
    }
    static const enum verdict others[] = {VERDICT_UNSET, VERDICT_REJECT, VERDICT_TEMPERROR};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fill(f);
        f->record.decision.verdict = others[i];
        tap_is_int(post_format_make(POST_FORMAT_AKAMU, &f->source, &got), OUTCOME_INTERNAL,
                   "akamu is never told of a pass that is none");
        post_format_clear(&got);
    }
}

static void test_rapidmx(struct facts *f)
{
    struct post_format_content got;
    fill(f);
    tap_is_int(post_format_make(POST_FORMAT_RAPIDMX, &f->source, &got), OUTCOME_OK, "rapidmx");
    tap_is_string(got.content_type, "message/rfc822", "content type");
    tap_ok(span_equal(got.body, SPAN_LITERAL(HEADER "\r\n" BODY)), "the mail as it came, byte for byte");
    tap_ok(got.field_count == 2 && strcmp(got.fields[0].name, "x-envelope-from") == 0 &&
               strcmp(got.fields[0].value, "bounce@example.com") == 0 &&
               strcmp(got.fields[1].name, "x-remote-address") == 0 &&
               strcmp(got.fields[1].value, "192.0.2.1") == 0,
           "envelope");
    post_format_clear(&got);
    f->record.smtp = (struct reply_smtp){.mail_from = ""};
    tap_is_int(post_format_make(POST_FORMAT_RAPIDMX, &f->source, &got), OUTCOME_OK, "null sender, no client");
    tap_is_int((long)got.field_count, 0, "neither field");
    post_format_clear(&got);
    f->record.smtp.mail_from = "a\r\nX-Evil: 1\x7f\xc3\xa9";
    tap_is_int(post_format_make(POST_FORMAT_RAPIDMX, &f->source, &got), OUTCOME_OK, "a hostile sender");
    tap_is_string(got.fields[0].value, "a??X-Evil: 1???", "makes no field of its own");
    post_format_clear(&got);
    static char long_sender[POST_FORMAT_VALUE_BYTES + 1];
    memset(long_sender, 'a', POST_FORMAT_VALUE_BYTES);
    f->record.smtp.mail_from = long_sender;
    tap_is_int(post_format_make(POST_FORMAT_RAPIDMX, &f->source, &got), OUTCOME_OK, "a long sender");
    tap_is_int((long)got.field_count, 0, "is not cut to another");
    post_format_clear(&got);
    static char large[POST_FORMAT_MAIL_MAX_BYTES];
    f->source.body = (struct span){large, sizeof large};
    tap_is_int(post_format_make(POST_FORMAT_RAPIDMX, &f->source, &got), OUTCOME_INTERNAL, "a mail too large");
    post_format_clear(&got);
}

static void test_native(struct facts *f)
{
    struct post_format_content got;
    fill(f);
    tap_ok(post_format_make(POST_FORMAT_NATIVE, &f->source, &got) == OUTCOME_OK &&
               is_text(got.body, "{\"version\":1}") && strcmp(got.content_type, "application/json") == 0,
           "native");
    post_format_clear(&got);
    f->source.is_signed = true;
    tap_ok(post_format_make(POST_FORMAT_NATIVE, &f->source, &got) == OUTCOME_OK &&
               strcmp(got.content_type, "application/jose+json") == 0,
           "native, signed");
    post_format_clear(&got);
}

static struct endpoint *open_endpoint(const struct http_server *server, const char *secret,
                                      const struct post_format_needs *needs)
{
    char path[PATH_BYTES], url[PATH_BYTES + 32], error[ENDPOINT_ERROR_BYTES];
    (void)snprintf(path, sizeof path, "%s.token", http_server_path(server));
    (void)snprintf(url, sizeof url, "http://unix:%s:/p", http_server_path(server));
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(secret, file) < 0 || fclose(file) != 0)
        return NULL;
    struct endpoint *e = endpoint_new(&(struct endpoint_options){.url = url,
                                                                 .timeout_ms = TIMEOUT_MS,
                                                                 .retry_for_ms = SHORT_MS,
                                                                 .token_file = path,
                                                                 .token_min_bytes = needs->secret_min_bytes,
                                                                 .signature_field = needs->signature_field},
                                      error);
    (void)unlink(path);
    return e;
}

/* Posts in a format and hands over what the server got, until it is freed. */
static struct http_server *post(struct facts *f, enum post_format format, const char *status_line,
                                struct endpoint_answer *answer)
{
    const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {{HTTP_SERVER_ACTION_CLOSE, status_line, 0}};
    struct http_server *server = http_server_new(steps);
    struct post_format_content content;
    struct endpoint *e = open_endpoint(server, SECRET, post_format_needs(format));
    if (!http_server_start(server) || e == NULL ||
        post_format_make(format, &f->source, &content) != OUTCOME_OK)
        return NULL;
    const struct endpoint_request request = {.id = f->record.id,
                                             .content_type = content.content_type,
                                             .body = content.body,
                                             .fields = content.fields,
                                             .field_count = content.field_count};
    endpoint_post(e, &request, answer);
    endpoint_free(e);
    post_format_clear(&content);
    http_server_stop(server);
    return server;
}

#define EMPTY(line) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"

/* printf BODY | openssl dgst -sha256 -hmac SECRET, BODY being AKAMU("<2@ca.example>") */
#define MAC "69fd4bab8b42d2f85aee5211e03e620cef8903708d8233fab20daeed982eb57f"

static void test_akamu_request(struct facts *f)
{
    struct endpoint_answer answer = {.outcome = OUTCOME_INTERNAL};
    fill(f);
    struct http_server *server = post(f, POST_FORMAT_AKAMU, EMPTY("200 OK"), &answer);
    if (!tap_ok(server != NULL && answer.outcome == OUTCOME_OK, "akamu says 200"))
        return;
    const char *text = http_server_last_request(server);
    const char *body = strstr(text, "\r\n\r\n");
    tap_ok(strstr(text, "\r\nX-Akamu-Signature: sha256=" MAC "\r\n") != NULL, "the body's HMAC: %s", text);
    tap_ok(strstr(text, "\r\nAuthorization:") == NULL && strstr(text, SECRET) == NULL,
           "the secret is not told");
    tap_ok(strstr(text, "\r\nContent-Type: application/json\r\n") != NULL, "JSON");
    tap_is_string(body != NULL ? body + 4 : "", AKAMU("<2@ca.example>"), "and the body");
    http_server_free(server);
}

static void test_rapidmx_request(struct facts *f)
{
    struct endpoint_answer answer = {.outcome = OUTCOME_INTERNAL};
    fill(f);
    f->source.body = SPAN_LITERAL("text\r\n");
    struct http_server *server = post(f, POST_FORMAT_RAPIDMX, EMPTY("202 Accepted"), &answer);
    if (!tap_ok(server != NULL && answer.outcome == OUTCOME_OK, "rapidmx says 202"))
        return;
    const char *text = http_server_last_request(server);
    const char *body = strstr(text, "\r\n\r\n");
    tap_ok(strstr(text, "\r\nAuthorization: Bearer " SECRET "\r\n") != NULL &&
               strstr(text, "\r\nContent-Type: message/rfc822\r\n") != NULL &&
               strstr(text, "\r\nx-envelope-from: bounce@example.com\r\n") != NULL &&
               strstr(text, "\r\nx-remote-address: 192.0.2.1\r\n") != NULL,
           "its fields: %s", text);
    tap_is_string(body != NULL ? body + 4 : "", HEADER "\r\ntext\r\n", "and the mail");
    http_server_free(server);
}

static const struct {
    const char *status_line;
    enum post_format format;
    enum outcome want;
} answers[] = {
    {EMPTY("403 Forbidden"), POST_FORMAT_AKAMU, OUTCOME_BROKEN_INPUT},
    {EMPTY("503 Service Unavailable"), POST_FORMAT_AKAMU, OUTCOME_TEMPORARY},
    {EMPTY("401 Unauthorized"), POST_FORMAT_RAPIDMX, OUTCOME_BROKEN_INPUT},
    {EMPTY("400 Bad Request"), POST_FORMAT_RAPIDMX, OUTCOME_REJECTED},
    {EMPTY("429 Too Many Requests"), POST_FORMAT_RAPIDMX, OUTCOME_TEMPORARY},
};

static void test_answers(struct facts *f)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct endpoint_answer answer = {.outcome = OUTCOME_INTERNAL};
        fill(f);
        struct http_server *server = post(f, answers[i].format, answers[i].status_line, &answer);
        tap_is_int(answer.outcome, answers[i].want, answers[i].status_line);
        http_server_free(server);
    }
}

static void test_refused(void)
{
    const struct post_format_needs *needs = post_format_needs(POST_FORMAT_AKAMU);
    struct http_server *server = http_server_new(
        (const struct http_server_step[HTTP_SERVER_STEPS_MAX]){{HTTP_SERVER_ACTION_CLOSE, NULL, 0}});
    struct endpoint *e = open_endpoint(server, "0123456789abcdef0123456789abcde", needs);
    tap_ok(e == NULL, "a secret of 31 characters opens no endpoint");
    endpoint_free(e);
    char error[ENDPOINT_ERROR_BYTES];
    e = endpoint_new(
        &(struct endpoint_options){.url = "https://ca.example/p", .signature_field = needs->signature_field},
        error);
    tap_ok(e == NULL && error[0] != '\0', "no secret at all: %s", error);
    endpoint_free(e);
    http_server_free(server);
}

int main(void)
{
    struct facts *f = malloc(sizeof *f);
    if (f == NULL || !endpoint_start_library())
        return EXIT_FAILURE;
    test_native(f);
    test_akamu(f);
    test_rapidmx(f);
    test_akamu_request(f);
    test_rapidmx_request(f);
    test_answers(f);
    test_refused();
    free(f);
    return tap_done();
}
