/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"
#include "endpoint.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_server.h"
#include "tap.h"

enum {
    LONG_MS = 20000,    /* what must come back at once: only a broken program needs it */
    STRANGER_MS = 1500, /* a few attempts on a socket that somebody else serves */
    SHORT_MS = 100,     /* what must never come back */
    SLOW_MS = 2500,     /* long enough for a sign of life or two */
    LATE_MS = 10 * LONG_MS,
    URL_BYTES = 512,
    THREADS = 8,
    POSTS_EACH = 25,
    POSTED_BYTES = 1300 * 1000, /* libcurl would ask for a "100 Continue" first */
};

#define CLOSE HTTP_SERVER_ACTION_CLOSE
#define KEEP  HTTP_SERVER_ACTION_KEEP
#define DRIP  HTTP_SERVER_ACTION_DRIP
#define WAIT  HTTP_SERVER_ACTION_WAIT
#define HALF  HTTP_SERVER_ACTION_HALF

#define NO_CONTENT  "HTTP/1.1 204 No Content\r\n\r\n"
#define EMPTY(line) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"
#define PROBLEM(line)                                                                                        \
    "HTTP/1.1 " line "\r\nContent-Type: application/problem+json\r\nContent-Length: 27\r\n\r\n"              \
    "{\"detail\":\"Unknown token.\"}"

static const struct {
    const char *name;
    struct http_server_step steps[HTTP_SERVER_STEPS_MAX];
    enum outcome want;
    int status;
    unsigned attempts;
    const char *detail;
} answers[] = {
    {"200 with a body",
     {{KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0}},
     OUTCOME_OK,
     200,
     1,
     ""},
    {"201", {{KEEP, EMPTY("201 Created"), 0}}, OUTCOME_OK, 201, 1, ""},
    {"202", {{KEEP, EMPTY("202 Accepted"), 0}}, OUTCOME_OK, 202, 1, ""},
    {"204", {{KEEP, NO_CONTENT, 0}}, OUTCOME_OK, 204, 1, ""},
    {"204 with a body it must not have, then nothing of it",
     {{KEEP, "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody", 0}},
     OUTCOME_OK,
     204,
     1,
     ""},
    {"200 until the server's half of the connection ends",
     {{HALF, "HTTP/1.1 200 OK\r\n\r\nfine", 0}},
     OUTCOME_OK,
     200,
     1,
     ""},
    {"half-closed without an answer, then 200",
     {{HALF, NULL, 0}, {KEEP, EMPTY("200 OK"), 0}},
     OUTCOME_OK,
     200,
     2,
     ""},
    {"404 in HTTP/1.0 that says close",
     {{CLOSE, "HTTP/1.0 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0}},
     OUTCOME_REJECTED,
     404,
     1,
     ""},
    {"404 with a chunked detail, trailers behind it",
     {{KEEP,
       "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"detail\"\r\n9\r\n:\"Used.\"}\r\n0\r\nX: "
       "y\r\n\r\n",
       0}},
     OUTCOME_REJECTED,
     404,
     1,
     "Used."},
    {"200 until the connection ends", {{CLOSE, "HTTP/1.0 200 OK\r\n\r\nfine", 0}}, OUTCOME_OK, 200, 1, ""},
    {"100 and 103 before 200",
     {{KEEP, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" EMPTY("200 OK"),
       0}},
     OUTCOME_OK,
     200,
     1,
     ""},
    {"chunked",
     {{KEEP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", 0}},
     OUTCOME_OK,
     200,
     1,
     ""},
    {"400", {{KEEP, PROBLEM("400 Bad Request"), 0}}, OUTCOME_REJECTED, 400, 1, "Unknown token."},
    {"404", {{KEEP, PROBLEM("404 Not Found"), 0}}, OUTCOME_REJECTED, 404, 1, "Unknown token."},
    {"404 without a body", {{KEEP, EMPTY("404 Not Found"), 0}}, OUTCOME_REJECTED, 404, 1, ""},
    {"404 with HTML", {{CLOSE, "HTTP/1.0 404 No\r\n\r\n<html>", 0}}, OUTCOME_REJECTED, 404, 1, ""},
    {"409", {{KEEP, EMPTY("409 Conflict"), 0}}, OUTCOME_REJECTED, 409, 1, ""},
    {"410", {{KEEP, EMPTY("410 Gone"), 0}}, OUTCOME_REJECTED, 410, 1, ""},
    {"418", {{KEEP, EMPTY("418 Teapot"), 0}}, OUTCOME_REJECTED, 418, 1, ""},
    {"422", {{KEEP, PROBLEM("422 Unprocessable"), 0}}, OUTCOME_REJECTED, 422, 1, "Unknown token."},
    {"401", {{KEEP, EMPTY("401 Unauthorized"), 0}}, OUTCOME_BROKEN_INPUT, 401, 1, ""},
    {"403", {{KEEP, EMPTY("403 Forbidden"), 0}}, OUTCOME_BROKEN_INPUT, 403, 1, ""},
    {"407", {{KEEP, EMPTY("407 Proxy"), 0}}, OUTCOME_BROKEN_INPUT, 407, 1, ""},
    {"404 of 70 kB",
     {{CLOSE, "HTTP/1.1 404 No\r\nContent-Length: 70000\r\n\r\n", 70000}},
     OUTCOME_REJECTED,
     404,
     1,
     ""},
    {"200 of 70 kB without a length", {{CLOSE, "HTTP/1.0 200 OK\r\n\r\n", 70000}}, OUTCOME_OK, 200, 1, ""},
    {"500, then 200", {{KEEP, EMPTY("500 Oops"), 0}, {KEEP, EMPTY("200 OK"), 0}}, OUTCOME_OK, 200, 2, ""},
    {"503 with Retry-After, then 204",
     {{KEEP, "HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 0}, {KEEP, NO_CONTENT, 0}},
     OUTCOME_OK,
     204,
     2,
     ""},
    {"408, 429, then 404",
     {{CLOSE, EMPTY("408 Slow"), 0}, {KEEP, EMPTY("429 Many"), 0}, {KEEP, PROBLEM("404 No"), 0}},
     OUTCOME_REJECTED,
     404,
     3,
     "Unknown token."},
    {"421, 425, then 200",
     {{KEEP, EMPTY("421 Misdirected"), 0}, {KEEP, EMPTY("425 Early"), 0}, {KEEP, EMPTY("200 OK"), 0}},
     OUTCOME_OK,
     200,
     3,
     ""},
    {"a 5xx detail does not stay",
     {{KEEP, PROBLEM("500 Oops"), 0}, {KEEP, EMPTY("404 No"), 0}},
     OUTCOME_REJECTED,
     404,
     2,
     ""},
    {"closed without an answer, then 200",
     {{CLOSE, NULL, 0}, {KEEP, EMPTY("200 OK"), 0}},
     OUTCOME_OK,
     200,
     2,
     ""},
    {"garbage, then 200",
     {{CLOSE, "SSH-2.0-x\r\n\r\n", 0}, {KEEP, EMPTY("200 OK"), 0}},
     OUTCOME_OK,
     200,
     2,
     ""},
    {"cut body, then 204",
     {{CLOSE, "HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n{", 0}, {KEEP, NO_CONTENT, 0}},
     OUTCOME_OK,
     204,
     2,
     ""},
};

#define TIMES_8(s)    s s s s s s s s
#define TIMES_4096(s) TIMES_8(TIMES_8(TIMES_8(TIMES_8(s))))

/* None of these may ever become a yes or a no. */
static const struct {
    const char *name;
    struct http_server_step step;
    int status;
} no_answers[] = {
    {"closed without an answer", {CLOSE, NULL, 0}, 0},
    {"half-closed", {HALF, NULL, 0}, 0},
    {"half-closed in the status line", {HALF, "HTTP/1.1 20", 0}, 0},
    {"half-closed in the body", {HALF, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0}, 0},
    {"one 100 after the other", {WAIT, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 0}, 0},
    {"silence", {WAIT, NULL, 0}, 0},
    {"a slow drip", {DRIP, "HTTP/1.1 200 OK\r\nX: yyyyyyyyy", 0}, 0},
    {"a header that does not end", {WAIT, "HTTP/1.1 200 OK\r\n", 0}, 0},
    {"a body that does not come", {WAIT, "HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n", 0}, 0},
    {"a body that stops half-way", {CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0}, 0},
    {"HTTP/0.9", {CLOSE, "fine", 0}, 0},
    {"another protocol", {CLOSE, "220 mx.example ESMTP\r\n", 0}, 0},
    {"a status line of 200 kB", {CLOSE, "HTTP/1.1 200 ", 200000}, 0},
    {"a header of 200 kB", {CLOSE, "HTTP/1.1 200 OK\r\nX: ", 200000}, 0},
    {"150 kB of header fields",
     {CLOSE, "HTTP/1.1 200 OK\r\n" TIMES_4096("X: 0123456789abcdef0123456789abcdef\r\n"), 0},
     0},
    {"a broken chunk", {CLOSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0}, 0},
    {"a negative length", {CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", 0}, 0},
    {"206", {KEEP, EMPTY("206 Partial"), 0}, 206},
    {"a redirect",
     {KEEP, "HTTP/1.1 307 Go\r\nLocation: http://localhost/ok\r\nContent-Length: 0\r\n\r\n", 0},
     307},
    {"304", {KEEP, "HTTP/1.1 304 Same\r\n\r\n", 0}, 304},
    {"500", {KEEP, EMPTY("500 Oops"), 0}, 500},
    {"502 with a detail", {KEEP, PROBLEM("502 Bad"), 0}, 502},
    {"599", {KEEP, EMPTY("599 What"), 0}, 599},
    {"a status above 599", {KEEP, EMPTY("999 What"), 0}, 999},
    {"429 for longer than we wait",
     {KEEP, "HTTP/1.1 429 No\r\nRetry-After: 999\r\nContent-Length: 0\r\n\r\n", 0},
     429},
};

/* A server that plays steps, and an endpoint to it. */
struct pair {
    struct http_server *server;
    struct endpoint *endpoint;
    struct endpoint_answer got;
    bool is_started;
};

static const struct http_server_step says_yes[HTTP_SERVER_STEPS_MAX] = {{KEEP, NO_CONTENT, 0}};

static struct endpoint *open_endpoint(const struct http_server *s, struct endpoint_options options)
{
    char url[URL_BYTES];
    char error[ENDPOINT_ERROR_BYTES];
    (void)snprintf(url, sizeof url, "http://unix:%s:/a/../b?c=%%20d", http_server_path(s));
    options.url = url;
    return endpoint_new(&options, error);
}

static void open_pair(struct pair *p, const struct http_server_step *steps, int64_t timeout_ms,
                      int64_t retry_for_ms)
{
    *p = (struct pair){.server = http_server_new(steps)};
    p->is_started = http_server_start(p->server);
    p->endpoint = open_endpoint(
        p->server, (struct endpoint_options){.timeout_ms = timeout_ms, .retry_for_ms = retry_for_ms});
}

/* The connections end, and the server's counts are settled. */
static void stop_pair(struct pair *p)
{
    endpoint_free(p->endpoint);
    p->endpoint = NULL;
    http_server_stop(p->server);
}

static void post(struct endpoint *e, struct endpoint_answer *answer)
{
    const struct endpoint_request request = {
        .id = "2dXq-_", .content_type = "application/json", .body = SPAN_LITERAL("{\"version\":1}")};
    endpoint_post(e, &request, answer);
}

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct pair p;
        open_pair(&p, answers[i].steps, LONG_MS, LONG_MS);
        post(p.endpoint, &p.got);
        stop_pair(&p);
        tap_ok(p.is_started && p.got.outcome == answers[i].want && p.got.http_status == answers[i].status &&
                   p.got.attempts == answers[i].attempts && strcmp(p.got.detail, answers[i].detail) == 0 &&
                   http_server_requests(p.server) == p.got.attempts,
               "%s: outcome %d, status %d, attempts %u, detail '%s', error '%s'", answers[i].name,
               (int)p.got.outcome, p.got.http_status, p.got.attempts, p.got.detail, p.got.error);
        http_server_free(p.server);
    }
}

static void test_no_answers(void)
{
    for (size_t i = 0; i < sizeof no_answers / sizeof *no_answers; i++) {
        const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {no_answers[i].step};
        struct pair p;
        bool has_status = no_answers[i].status != 0;
        open_pair(&p, steps, has_status ? LONG_MS : SHORT_MS, has_status ? 10 * SHORT_MS : 2 * SHORT_MS);
        int64_t began = clock_monotonic_ms();
        post(p.endpoint, &p.got);
        int64_t took = clock_monotonic_ms() - began;
        stop_pair(&p);
        tap_ok(p.is_started && p.got.outcome == OUTCOME_TEMPORARY &&
                   p.got.http_status == no_answers[i].status && p.got.attempts >= 1 &&
                   p.got.error[0] != '\0' && took < LONG_MS,
               "%s: outcome %d, status %d, attempts %u, error '%s'", no_answers[i].name, (int)p.got.outcome,
               p.got.http_status, p.got.attempts, p.got.error);
        http_server_free(p.server);
    }
}

static void test_kept_alive(void)
{
    struct pair p;
    open_pair(&p, says_yes, LONG_MS, 0);
    for (int i = 0; i < 3; i++)
        post(p.endpoint, &p.got);
    stop_pair(&p);
    tap_ok(p.is_started && p.got.outcome == OUTCOME_OK && http_server_requests(p.server) == 3, "three posts");
    tap_is_int(http_server_accepts(p.server), 1, "on one connection");
    http_server_free(p.server);
}

static void test_stale(void)
{
    static const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {
        {KEEP, EMPTY("200 OK"), 0}, {CLOSE, NULL, 0}, {KEEP, EMPTY("202 OK"), 0}};
    struct pair p;
    open_pair(&p, steps, LONG_MS, 0);
    post(p.endpoint, &p.got);
    tap_ok(p.is_started && p.got.http_status == 200, "the first post opens a connection");
    post(p.endpoint, &p.got);
    stop_pair(&p);
    tap_ok(p.got.outcome == OUTCOME_OK && p.got.http_status == 202 && p.got.attempts == 1,
           "it ends without an answer to the second: asked again at once on a new one (%s)", p.got.error);
    tap_is_int(http_server_accepts(p.server), 2, "two connections");
    http_server_free(p.server);
}

/* What a server sends beyond its answer must not become the answer to somebody else's reply. */
static void test_surplus(void)
{
    static const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {
        {KEEP, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
        {KEEP, PROBLEM("404 Not Found"), 0}};
    struct pair p;
    open_pair(&p, steps, LONG_MS, LONG_MS);
    post(p.endpoint, &p.got);
    tap_ok(p.is_started && p.got.http_status == 204, "two answers to one request");
    post(p.endpoint, &p.got);
    stop_pair(&p);
    tap_ok(p.got.outcome == OUTCOME_REJECTED && p.got.http_status == 404,
           "the second is not the answer to the next: status %d", p.got.http_status);
    http_server_free(p.server);
}

static void test_request(void)
{
    static char body[POSTED_BYTES + 1];
    struct pair p;
    open_pair(&p, says_yes, LONG_MS, 0);
    memset(body, 'b', sizeof body - 1);
    const struct endpoint_request request = {
        .id = "2dXq-_", .content_type = "application/jose+json", .body = {body, sizeof body - 1}};
    endpoint_post(p.endpoint, &request, &p.got);
    stop_pair(&p);
    const char *text = http_server_last_request(p.server);
    const char *end = strstr(text, "\r\n\r\n");
    tap_ok(p.is_started && p.got.outcome == OUTCOME_OK, "a request of 1.3 MB is taken %s", p.got.error);
    tap_ok(strncmp(text, "POST /a/../b?c=%20d HTTP/1.1\r\n", 30) == 0, "request line, path as configured");
    tap_ok(strstr(text, "\r\nHost: localhost\r\n") != NULL, "Host");
    tap_ok(strstr(text, "\r\nUser-Agent: acme-milter/" PACKAGE_VERSION "\r\n") != NULL, "User-Agent");
    tap_ok(strstr(text, "\r\nContent-Type: application/jose+json\r\n") != NULL, "Content-Type");
    tap_ok(strstr(text, "\r\nIdempotency-Key: \"2dXq-_\"\r\n") != NULL, "Idempotency-Key in quotes");
    tap_ok(strstr(text, "\r\nContent-Length: 1300000\r\n") != NULL, "Content-Length");
    tap_ok(strcasestr(text, "\r\nExpect:") == NULL, "no Expect");
    tap_ok(strcasestr(text, "\r\nAuthorization:") == NULL, "no Authorization without a token");
    tap_ok(end != NULL && strcmp(end + 4, body) == 0, "body whole");
    http_server_free(p.server);
}

static void count(void *context)
{
    ++*(int *)context;
}

static void test_absent(void)
{
    struct endpoint_answer got;
    struct http_server *s = http_server_new(says_yes);
    struct endpoint *e = open_endpoint(s, (struct endpoint_options){.timeout_ms = LONG_MS});
    post(e, &got);
    tap_ok(got.outcome == OUTCOME_TEMPORARY && got.http_status == 0 && got.attempts == 1 &&
               strstr(got.error, "No such file") != NULL,
           "no socket, no time: one attempt: %s", got.error);
    endpoint_free(e);
    e = open_endpoint(s, (struct endpoint_options){.timeout_ms = LONG_MS, .retry_for_ms = LATE_MS});
    int calls = 0;
    const struct endpoint_request request = {
        .id = "i", .content_type = "application/json", .progress = count, .context = &calls};
    bool is_started = http_server_start_later(s, SLOW_MS);
    endpoint_post(e, &request, &got);
    tap_ok(is_started && got.outcome == OUTCOME_OK && got.attempts > 1 && got.error[0] == '\0',
           "a socket that appears: %u attempts", got.attempts);
    tap_ok(calls >= 1, "progress was told %d times meanwhile", calls);
    endpoint_free(e);
    http_server_free(s);
}

static void test_progress(void)
{
    static const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {{WAIT, NULL, 0}};
    int calls = 0;
    struct pair p;
    const struct endpoint_request request = {
        .id = "i", .content_type = "application/json", .progress = count, .context = &calls};
    open_pair(&p, steps, SLOW_MS, 0);
    endpoint_post(p.endpoint, &request, &p.got);
    tap_ok(p.is_started && p.got.outcome == OUTCOME_TEMPORARY && calls >= 1,
           "progress was told %d times during one slow attempt", calls);
    stop_pair(&p);
    http_server_free(p.server);
}

static void check_peer(const char *user, bool is_right)
{
    struct pair p = {.server = http_server_new(says_yes)};
    p.is_started = http_server_start(p.server);
    p.endpoint =
        open_endpoint(p.server, (struct endpoint_options){.timeout_ms = LONG_MS,
                                                          .retry_for_ms = is_right ? LONG_MS : STRANGER_MS,
                                                          .peer_user = user});
    for (int i = 0; i < 2; i++) {
        post(p.endpoint, &p.got);
        tap_ok(p.is_started && (p.got.attempts == 1) == is_right &&
                   p.got.outcome == (is_right ? OUTCOME_OK : OUTCOME_BROKEN_INPUT),
               "EndpointPeerUser %s, post %d: outcome %d %s", is_right ? "who it is" : "somebody else", i + 1,
               (int)p.got.outcome, p.got.error);
    }
    stop_pair(&p);
    tap_ok((http_server_bytes(p.server) > 0) == is_right, "and %s sent",
           is_right ? "the results are" : "nothing was");
    http_server_free(p.server);
}

static void test_peer(void)
{
    const struct passwd *own = getpwuid(geteuid());
    char name[64] = "";
    if (own != NULL)
        (void)snprintf(name, sizeof name, "%s", own->pw_name);
    const char *other = geteuid() == 0 ? "nobody" : "root";
    if (own == NULL || getpwnam(other) == NULL) {
        tap_skip("EndpointPeerUser", "this user or the other one has no name here");
        return;
    }
    check_peer(name, true);
    check_peer(other, false);
}

static void *post_many(void *context)
{
    struct endpoint_answer got;
    for (int i = 0; i < POSTS_EACH; i++) {
        post(context, &got);
        if (got.outcome != OUTCOME_OK)
            return context;
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    void *failed = NULL;
    struct pair p;
    open_pair(&p, says_yes, LONG_MS, 0);
    bool ok = p.is_started;
    for (int i = 0; i < THREADS; i++)
        ok = pthread_create(&threads[i], NULL, post_many, p.endpoint) == 0 && ok;
    for (int i = 0; i < THREADS; i++)
        ok = pthread_join(threads[i], &failed) == 0 && failed == NULL && ok;
    stop_pair(&p);
    tap_ok(ok && http_server_requests(p.server) == THREADS * POSTS_EACH, "%u posts of %d threads",
           http_server_requests(p.server), THREADS);
    tap_ok(http_server_accepts(p.server) <= THREADS, "on no more than %d connections: %u", THREADS,
           http_server_accepts(p.server));
    http_server_free(p.server);
}

int main(void)
{
    if (!tap_ok(endpoint_start_library(), "libcurl %s", endpoint_library_text()))
        return tap_done();
    test_answers();
    test_no_answers();
    test_kept_alive();
    test_stale();
    test_surplus();
    test_request();
    test_absent();
    test_progress();
    test_peer();
    test_threads();
    return tap_done();
}
