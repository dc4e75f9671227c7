/* SPDX-License-Identifier: BSD-2-Clause */
/* What is one whole answer, and what is none (RFC 9112 sections 6 and 8). */
#include "endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_server.h"
#include "tap.h"

enum { LONG_MS = 20000 /* only a broken program needs it */, URL_BYTES = 512 };

#define CLOSE HTTP_SERVER_ACTION_CLOSE
#define KEEP  HTTP_SERVER_ACTION_KEEP

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT(s)     s, sizeof(s) - 1

#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define NO_LINE "HTTP/1.1 404 Not Found\r\n"
#define CHUNKED OK_LINE "Transfer-Encoding: chunked\r\n\r\n"
#define EMPTY   "Content-Length: 0\r\n\r\n"

/* None of these may become a yes or a no. Each server closes when it has said its text. */
static const struct {
    const char *name, *text;
    size_t len;
    size_t padding;
} broken[] = {
    {"200 and nothing more", TEXT(OK_LINE), 0},
    {"404 cut in the name of a field", TEXT(NO_LINE "Conte"), 0},
    {"404 cut behind a field", TEXT(NO_LINE EMPTY) - 2, 0},
    {"200 cut between CR and LF of the empty line", TEXT(OK_LINE EMPTY) - 1, 0},
    {"200 cut in a length that says less then", TEXT(OK_LINE "Content-Length: 0"), 0},
    {"a status line without its end", TEXT("HTTP/1.1 200 OK"), 0},
    {"100 only", TEXT("HTTP/1.1 100 Continue\r\n\r\n"), 0},
    {"103 only, with fields", TEXT("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"), 0},
    {"101, then 200", TEXT("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" OK_LINE EMPTY), 0},
    {"100, then a 200 that is cut", TEXT("HTTP/1.1 100 Continue\r\n\r\n" OK_LINE), 0},
    {"HTTP/0.9", TEXT("{}"), 0},
    {"HTTP/0.9 with a line", TEXT("200 OK\r\n\r\n"), 0},
    {"HTTP/1.2", TEXT("HTTP/1.2 200 OK\r\n" EMPTY), 0},
    {"HTTP/2 in a status line", TEXT("HTTP/2 200\r\n" EMPTY), 0},
    {"HTTP/2's preface", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0},
    {"HTTP/2's first frame", TEXT("\0\0\0\x04\0\0\0\0\0"), 0},
    {"http in small letters", TEXT("http/1.1 200 OK\r\n" EMPTY), 0},
    {"a blank before the status line", TEXT(" " OK_LINE EMPTY), 0},
    {"an empty line before the status line", TEXT("\r\n" OK_LINE EMPTY), 0},
    {"a status of four digits", TEXT("HTTP/1.1 2000 OK\r\n" EMPTY), 0},
    {"a status of two digits", TEXT("HTTP/1.1 20\r\n" EMPTY), 0},
    {"a status of two digits, with a reason", TEXT("HTTP/1.1 20 OK\r\n" EMPTY), 0},
    {"a status below 100, then 200", TEXT("HTTP/1.1 099 X\r\n\r\n" OK_LINE EMPTY), 0},
    {"a status with a sign", TEXT("HTTP/1.1 +20 OK\r\n" EMPTY), 0},
    {"a status with a letter", TEXT("HTTP/1.1 20x OK\r\n" EMPTY), 0},
    {"two blanks before the status", TEXT("HTTP/1.1  200 OK\r\n" EMPTY), 0},
    {"a tab before the status", TEXT("HTTP/1.1\t200 OK\r\n" EMPTY), 0},
    {"a length that is no number", TEXT(OK_LINE "Content-Length: two\r\n\r\n{}"), 0},
    {"a length with text behind it", TEXT(OK_LINE "Content-Length: 2x\r\n\r\n{}"), 0},
    {"a length that is negative", TEXT(OK_LINE "Content-Length: -2\r\n\r\n{}"), 0},
    {"a length with a sign", TEXT(OK_LINE "Content-Length: +2\r\n\r\n{}"), 0},
    {"a length in hex", TEXT(OK_LINE "Content-Length: 0x2\r\n\r\n{}"), 0},
    {"a length that is empty", TEXT(OK_LINE "Content-Length:\r\n\r\n{}"), 0},
    {"a length that is a list", TEXT(OK_LINE "Content-Length: 2, 2\r\n\r\n{}"), 0},
    {"a length past 64 bits", TEXT(OK_LINE "Content-Length: 18446744073709551618\r\n\r\n{}"), 0},
    {"two lengths that differ", TEXT(OK_LINE "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 0},
    {"two lengths that differ, the longer first",
     TEXT(OK_LINE "Content-Length: 3\r\nContent-Length: 2\r\n\r\n{}"), 0},
    {"a body shorter than its length", TEXT(OK_LINE "Content-Length: 3\r\n\r\n{}"), 0},
    {"a body that does not come", TEXT(NO_LINE "Content-Length: 3\r\n\r\n"), 0},
    {"70 kB of 80 kB", TEXT(NO_LINE "Content-Length: 80000\r\n\r\n"), 70000},
    {"a body of 2 MB", TEXT(OK_LINE "Content-Length: 2000000\r\n\r\n"), 2000000},
    {"a body of 2 MB that does not say its length", TEXT(OK_LINE "\r\n"), 2000000},
    {"a length beside chunks",
     TEXT(OK_LINE "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 0},
    {"a length behind chunks",
     TEXT(OK_LINE "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 0},
    {"chunks in HTTP/1.0", TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     0},
    {"chunks twice", TEXT(OK_LINE "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 0},
    {"another coding", TEXT(OK_LINE "Transfer-Encoding: gzip\r\n\r\n{}"), 0},
    {"chunks by another name", TEXT(OK_LINE "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 0},
    {"chunks of a 204", TEXT("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 0},
    {"no last chunk", TEXT(CHUNKED "2\r\n{}\r\n"), 0},
    {"a last chunk without its end", TEXT(CHUNKED "2\r\n{}\r\n0\r\n"), 0},
    {"a trailer without its end", TEXT(CHUNKED "2\r\n{}\r\n0\r\nX: y\r\n"), 0},
    {"a chunk shorter than its size", TEXT(CHUNKED "3\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk longer than its size", TEXT(CHUNKED "1\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk without a size", TEXT(CHUNKED "\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk's size that is no number", TEXT(CHUNKED "g\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk's size with text behind it", TEXT(CHUNKED "2z\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk's size with 0x", TEXT(CHUNKED "0x2\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk's size that is negative", TEXT(CHUNKED "-2\r\n{}\r\n0\r\n\r\n"), 0},
    {"a chunk's size past 64 bits", TEXT(CHUNKED "10000000000000002\r\n{}\r\n0\r\n\r\n"), 0},
    {"a bare LF behind a chunk's size", TEXT(CHUNKED "2\n{}\r\n0\r\n\r\n"), 0},
    {"a bare LF behind a chunk", TEXT(CHUNKED "2\r\n{}\n0\r\n\r\n"), 0},
    {"a bare LF in a chunk's extension", TEXT(CHUNKED "2;a\nb\r\n{}\r\n0\r\n\r\n"), 0},
    {"a bare LF at the end of the chunks", TEXT(CHUNKED "2\r\n{}\r\n0\r\n\n"), 0},
    {"a bare LF in the header", TEXT(OK_LINE "X: y\nContent-Length: 2\r\n\r\n{}"), 0},
    {"bare LFs everywhere", TEXT("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"), 0},
    {"a bare CR in the header", TEXT(OK_LINE "X: y\rContent-Length: 2\r\n\r\n{}"), 0},
    {"a NUL in the header", TEXT(OK_LINE "X: \0\r\n" EMPTY), 0},
    {"a NUL in the status line", TEXT("HTTP/1.1 200 \0\r\n" EMPTY), 0},
    {"a folded field", TEXT(OK_LINE "X: y\r\n z\r\n" EMPTY), 0},
    {"a folded length", TEXT(OK_LINE "Content-Length:\r\n 2\r\n\r\n{}"), 0},
    {"a first field that is folded", TEXT(OK_LINE " X: y\r\n" EMPTY), 0},
    {"a blank before the colon", TEXT(OK_LINE "Content-Length : 2\r\n\r\n{}"), 0},
    {"a line without a colon", TEXT(OK_LINE "nonsense\r\n" EMPTY), 0},
    {"a field without a name", TEXT(OK_LINE ": y\r\n" EMPTY), 0},
    {"a second status line among the fields", TEXT(OK_LINE NO_LINE EMPTY), 0},
    {"a field of 70 kB", TEXT(OK_LINE "X: "), 70000},
};

/* What may look odd, and is whole. */
static const struct {
    const char *name, *text;
    size_t len;
    int status;
} whole[] = {
    {"no reason, no blank", TEXT("HTTP/1.1 200\r\n" EMPTY), 200},
    {"no reason", TEXT("HTTP/1.1 200 \r\n" EMPTY), 200},
    {"the same length twice", TEXT(OK_LINE "Content-Length: 2\r\ncontent-length:2\r\n\r\n{}"), 200},
    {"a length with zeros before it", TEXT(OK_LINE "Content-Length: 002\r\n\r\n{}"), 200},
    {"blanks around the length", TEXT(OK_LINE "Content-Length: \t 2 \t\r\n\r\n{}"), 200},
    {"a length of another answer in an interim one",
     TEXT("HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" OK_LINE "Content-Length: 2\r\n\r\n{}"), 200},
    {"an extension, zeros, capitals and trailers",
     TEXT(CHUNKED "0A;a=\"b\"\r\n{\"a\":1234}\r\n000\r\nX: y\r\nZ:\r\n\r\n"), 200},
    {"chunked in capitals", TEXT(NO_LINE "TRANSFER-ENCODING: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 404},
    {"a field without a value", TEXT(NO_LINE "X:\r\n" EMPTY), 404},
    {"Latin-1 in a field", TEXT(NO_LINE "X: \xe4\r\n" EMPTY), 404},
    {"garbage behind a whole answer", TEXT(NO_LINE EMPTY "garbage"), 404},
};

/* Each of these is whole with its last byte, and not before. */
static const struct {
    const char *name, *text;
    int status;
} grown[] = {
    {"404 with a length",
     NO_LINE "Content-Type: application/problem+json\r\nContent-Length: 14\r\n\r\n{\"detail\":\"x\"}", 404},
    {"200 with a length", OK_LINE "Content-Length: 2\r\n\r\n{}", 200},
    {"200 with a length of nothing", OK_LINE EMPTY, 200},
    {"204", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", 204},
    {"404 in chunks",
     NO_LINE "Transfer-Encoding: chunked\r\n\r\nA\r\n{\"detail\":\r\n4\r\n\"x\"}\r\n0\r\n\r\n", 404},
    {"200 in chunks with a trailer", CHUNKED "2;x\r\n{}\r\n0\r\nX: y\r\n\r\n", 200},
    {"200 behind an interim answer", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" OK_LINE EMPTY, 200},
};

static void post_to(struct http_server *s, struct endpoint_answer *answers, size_t count)
{
    char url[URL_BYTES], error[ENDPOINT_ERROR_BYTES];
    const struct endpoint_request request = {
        .id = "2dXq-_", .content_type = "application/json", .body = SPAN_LITERAL("{}")};
    (void)snprintf(url, sizeof url, "http://unix:%s:/p", http_server_path(s));
    struct endpoint *e = endpoint_new(&(struct endpoint_options){.url = url, .timeout_ms = LONG_MS}, error);
    for (size_t i = 0; i < count; i++)
        endpoint_post(e, &request, &answers[i]);
    endpoint_free(e);
    http_server_stop(s);
}

static struct endpoint_answer post_once(struct http_server_step step)
{
    const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {step};
    struct endpoint_answer answer = {.outcome = OUTCOME_INTERNAL};
    struct http_server *s = http_server_new(steps);
    if (s == NULL || !http_server_start(s))
        abort();
    post_to(s, &answer, 1);
    http_server_free(s);
    return answer;
}

static bool is_none(const struct endpoint_answer *got)
{
    return got->outcome == OUTCOME_TEMPORARY && got->http_status == 0 && got->error[0] != '\0';
}

static void test_broken(void)
{
    for (size_t i = 0; i < ROWS(broken); i++) {
        struct endpoint_answer got =
            post_once((struct http_server_step){CLOSE, broken[i].text, broken[i].padding, broken[i].len});
        tap_ok(is_none(&got), "%s: outcome %d, status %d, error '%s'", broken[i].name, (int)got.outcome,
               got.http_status, got.error);
    }
}

static void test_whole(void)
{
    for (size_t i = 0; i < ROWS(whole); i++) {
        struct endpoint_answer got =
            post_once((struct http_server_step){CLOSE, whole[i].text, 0, whole[i].len});
        tap_ok(got.http_status == whole[i].status, "%s: outcome %d, status %d, error '%s'", whole[i].name,
               (int)got.outcome, got.http_status, got.error);
    }
}

static void test_each_last_byte(void)
{
    for (size_t i = 0; i < ROWS(grown); i++) {
        size_t len = strlen(grown[i].text), taken = 0;
        for (size_t cut = 1; cut < len; cut++) {
            struct endpoint_answer got = post_once((struct http_server_step){CLOSE, grown[i].text, 0, cut});
            if (!is_none(&got))
                tap_note("cut behind byte %zu: status %d", cut, got.http_status);
            taken += !is_none(&got);
        }
        struct endpoint_answer got = post_once((struct http_server_step){CLOSE, grown[i].text, 0, len});
        tap_ok(taken == 0 && got.http_status == grown[i].status,
               "%s: of %zu beginnings %zu are answers, the whole is %d", grown[i].name, len - 1, taken,
               got.http_status);
    }
}

/* A body that says no length ends with the connection: whole wherever the body ends, if the header is. */
static void test_until_close(void)
{
    static const char text[] = "HTTP/1.0 404 No\r\nX: y\r\n\r\n{\"detail\":\"x\"}";
    const size_t header = (size_t)(strstr(text, "\r\n\r\n") - text) + 4;
    size_t wrong = 0;
    for (size_t cut = 1; cut < sizeof text; cut++) {
        struct endpoint_answer got = post_once((struct http_server_step){CLOSE, text, 0, cut});
        wrong += cut < header ? !is_none(&got) : got.http_status != 404;
    }
    tap_is_int((long long)wrong, 0, "until the connection ends: the header decides");
}

/* What is left of a connection is not the answer to the next request, and one without a whole answer is not
 * used again. */
static void test_next_request(void)
{
    static const struct {
        const char *name, *text;
        int first;
        unsigned accepts;
    } rows[] = {
        {"a second answer", NO_LINE EMPTY OK_LINE EMPTY, 404, 0},
        {"a second answer behind a body", NO_LINE "Content-Length: 2\r\n\r\n{}" OK_LINE EMPTY, 404, 0},
        {"a second answer behind chunks", NO_LINE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" OK_LINE EMPTY,
         404, 0},
        {"a second answer that is cut", NO_LINE EMPTY "HTTP/1.1 2", 404, 0},
        {"a body that a 204 cannot have", "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody", 204, 0},
        {"a broken answer", OK_LINE "Content-Length: 2x\r\n\r\n{}" OK_LINE EMPTY, 0, 2},
        {"a whole answer", NO_LINE EMPTY, 404, 1},
        {"chunks", NO_LINE "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 404, 1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {
            {KEEP, rows[i].text, 0, 0}, {KEEP, "HTTP/1.1 410 Gone\r\n" EMPTY, 0, 0}};
        struct endpoint_answer got[2];
        struct http_server *s = http_server_new(steps);
        if (s == NULL || !http_server_start(s))
            abort();
        post_to(s, got, 2);
        tap_ok(got[0].http_status == rows[i].first && got[1].http_status == 410 &&
                   (rows[i].accepts == 0 || http_server_accepts(s) == rows[i].accepts),
               "%s, then 410: status %d, %d, connections %u", rows[i].name, got[0].http_status,
               got[1].http_status, http_server_accepts(s));
        http_server_free(s);
    }
}

int main(void)
{
    if (!tap_ok(endpoint_start_library(), "libcurl %s", endpoint_library_text()))
        return tap_done();
    test_broken();
    test_whole();
    test_each_last_byte();
    test_until_close();
    test_next_request();
    return tap_done();
}
