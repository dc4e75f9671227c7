/* SPDX-License-Identifier: BSD-2-Clause */
/* An endpoint by host name, and servers of each kind that do not get done: no post outlasts its deadline. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../milter/host_addresses.h"
#include "clock.h"
#include "dns_server.h"
#include "http_server.h"
#include "tap.h"

enum {
    LONG_MS = 20000, /* what must come back at once: only a broken program needs it */
    TIMEOUT_MS = 400,
    RETRY_FOR_MS = 1200,
    LATE_MS = RETRY_FOR_MS + 1000, /* the second that the manual allows */
    TRIES = 5,                     /* on a busy machine one may be late */
    CONNECTIONS_MAX = 64,
    DRIP_MS = 50,
    TEXT_BYTES = 512,
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static int ticks;

static void count_tick(void *context)
{
    ++*(int *)context;
}

static const struct endpoint_tick tick = {count_tick, &ticks};

static void test_look_up(struct resolver *r)
{
    static const struct {
        const char *host, *first, *second; /* NULL: none */
        const char *error;
    } rows[] = {
        {"localhost", "127.0.0.1", NULL, NULL}, /* of /etc/hosts, where the first line is IPv4's */
        {"host.test", "::1", "127.0.0.1", NULL},
        {"HOST.again.test", "::1", "127.0.0.1", NULL},
        {"host-alias.test", "::1", "127.0.0.1", NULL},
        {"host4.test", "127.0.0.1", NULL, NULL},
        {"host6.test", "::1", NULL, NULL},
        {"host4-servfail.test", "127.0.0.1", NULL, NULL},
        {"host4-silent.test", "127.0.0.1", NULL, NULL},
        {"nx.test", NULL, NULL, "nx.test: the DNS has no address of it"},
        {"plain.test", NULL, NULL, "plain.test: the DNS has no address of it"},
        {"servfail.test", NULL, NULL, "servfail.test: the name servers answered with an error"},
        {"host-short.test", NULL, NULL, "host-short.test: the name servers answered with an error"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct endpoint_addresses found;
        bool is_found = host_addresses_find(r, rows[i].host, deadline_in(LONG_MS), &tick, &found);
        bool is_good = is_found == (rows[i].first != NULL) &&
                       (!is_found || strcmp(found.texts[0], rows[i].first) == 0) &&
                       (rows[i].second == NULL || strcmp(found.texts[1], rows[i].second) == 0) &&
                       (rows[i].error == NULL || strcmp(found.error, rows[i].error) == 0);
        tap_ok(is_good, "addresses of %s: %zu, %s", rows[i].host, found.count,
               is_found ? found.texts[0] : found.error);
    }
    struct endpoint_addresses found;
    ticks = 0;
    tap_ok(!host_addresses_find(r, "silent.test", deadline_in(300), &tick, &found) && ticks > 1 &&
               strstr(found.error, "in time") != NULL,
           "silence: %s, %d signs of life", found.error, ticks);
}

/* What listens on a port of 127.0.0.1. */
struct listener {
    enum {
        LISTENER_NONE = 0,
        LISTENER_CLOSED, /* a port where nobody listens */
        LISTENER_FULL,   /* its backlog is full: the kernel drops what comes */
        LISTENER_SILENT,
        LISTENER_DRIP, /* the beginning of a TLS record, then a byte at a time */
        LISTENER_GARBAGE,
        LISTENER_HANG_UP,
    } kind;
    int fd;
    unsigned port;
    bool is_running;
    pthread_t thread;
    int connections[CONNECTIONS_MAX];
    size_t count;
};

static void speak(const struct listener *l, int fd)
{
    static const char record[] = "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc";
    if (l->kind == LISTENER_GARBAGE)
        (void)send(fd, "220 mx ESMTP\r\n", 14, MSG_NOSIGNAL);
    if (l->kind == LISTENER_HANG_UP)
        (void)shutdown(fd, SHUT_RDWR);
    if (l->kind == LISTENER_DRIP)
        (void)send(fd, record, sizeof record - 1, MSG_NOSIGNAL);
}

static void *serve(void *context)
{
    struct listener *l = context;
    struct timeval limit = {.tv_usec = DRIP_MS * 1000};
    (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno != EAGAIN)
            return NULL;
        for (size_t i = 0; l->kind == LISTENER_DRIP && i < l->count; i++)
            (void)send(l->connections[i], "x", 1, MSG_NOSIGNAL);
        if (fd >= 0 && l->count == CONNECTIONS_MAX)
            abort();
        if (fd >= 0) {
            l->connections[l->count++] = fd;
            speak(l, fd);
        }
    }
}

static bool fill_backlog(struct listener *l, const struct sockaddr_in *address)
{
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return false;
        (void)connect(fd, (const struct sockaddr *)address, sizeof *address); /* the later ones hang */
        l->connections[l->count++] = fd;
    }
    return true;
}

static bool listener_start(struct listener *l)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    l->port = ntohs(address.sin_port);
    if (l->kind == LISTENER_CLOSED)
        return true;
    if (listen(l->fd, l->kind == LISTENER_FULL ? 0 : CONNECTIONS_MAX) != 0)
        return false;
    if (l->kind == LISTENER_FULL)
        return fill_backlog(l, &address);
    l->is_running = pthread_create(&l->thread, NULL, serve, l) == 0;
    return l->is_running;
}

static void listener_stop(struct listener *l)
{
    (void)shutdown(l->fd, SHUT_RDWR);
    if (l->is_running)
        (void)pthread_join(l->thread, NULL);
    for (size_t i = 0; i < l->count; i++)
        (void)close(l->connections[i]);
    (void)close(l->fd);
}

/* Posts until an attempt to do so comes back in time; gives how long that took. */
static int64_t time_post(const char *url, struct resolver *r, struct endpoint_answer *answer)
{
    char error[ENDPOINT_ERROR_BYTES];
    int64_t took = INT64_MAX;
    const struct endpoint_request request = {.id = "2dXq-_",
                                             .content_type = "application/json",
                                             .body = SPAN_LITERAL("{}"),
                                             .progress = count_tick,
                                             .context = &ticks};
    struct endpoint *e = endpoint_new(&(struct endpoint_options){.url = url,
                                                                 .timeout_ms = TIMEOUT_MS,
                                                                 .retry_for_ms = RETRY_FOR_MS,
                                                                 .look_up = host_addresses_find,
                                                                 .look_up_context = r},
                                      error);
    for (int i = 0; i < TRIES && took > LATE_MS; i++) {
        int64_t began = clock_monotonic_ms();
        endpoint_post(e, &request, answer);
        took = clock_monotonic_ms() - began;
    }
    endpoint_free(e);
    return took;
}

static void test_host(struct resolver *r)
{
    static const struct {
        const char *name, *host, *error;
        struct listener listener;
    } rows[] = {
        {"silent name servers", "silent.test", "cannot look up", {.kind = LISTENER_SILENT}},
        {"name servers that fail", "servfail.test", "cannot look up", {.kind = LISTENER_SILENT}},
        {"no such host", "nx.test", "cannot look up", {.kind = LISTENER_SILENT}},
        {"one name server's answer missing", "host4-silent.test", "", {.kind = LISTENER_SILENT}},
        {"nobody listens", "host4.test", "cannot connect", {.kind = LISTENER_CLOSED}},
        {"a full backlog", "host4.test", "", {.kind = LISTENER_FULL}},
        {"a full backlog by address", "127.0.0.1", "", {.kind = LISTENER_FULL}},
        {"silence in the TLS handshake", "host4.test", "", {.kind = LISTENER_SILENT}},
        {"a slow TLS handshake", "host4.test", "", {.kind = LISTENER_DRIP}},
        {"no TLS", "host4.test", "", {.kind = LISTENER_GARBAGE}},
        {"hung up in the TLS handshake", "host4.test", "", {.kind = LISTENER_HANG_UP}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct listener l = rows[i].listener;
        struct endpoint_answer got = {.outcome = OUTCOME_INTERNAL};
        char url[TEXT_BYTES];
        if (!listener_start(&l))
            abort();
        (void)snprintf(url, sizeof url, "https://%s:%u/p", rows[i].host, l.port);
        int64_t took = time_post(url, r, &got);
        listener_stop(&l);
        tap_ok(got.outcome == OUTCOME_TEMPORARY && got.http_status == 0 &&
                   strstr(got.error, rows[i].error) != NULL && took <= LATE_MS,
               "%s: %u attempts, %s (%d ms)", rows[i].name, got.attempts, got.error, (int)took);
    }
}

static void test_answer(void)
{
    static const struct {
        const char *name;
        struct http_server_step step;
    } rows[] = {
        {"silence", {HTTP_SERVER_ACTION_WAIT, NULL, 0, 0}},
        {"a header that stops", {HTTP_SERVER_ACTION_WAIT, "HTTP/1.1 200 OK\r\nX: y", 0, 0}},
        {"a slow header", {HTTP_SERVER_ACTION_DRIP, "HTTP/1.1 200 OK\r\nX: yyyy", 0, 0}},
        {"a body that stops",
         {HTTP_SERVER_ACTION_WAIT, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 0, 0}},
        {"a slow body", {HTTP_SERVER_ACTION_DRIP, "HTTP/1.1 200 OK\r\n\r\nx", 0, 0}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {rows[i].step};
        struct endpoint_answer got = {.outcome = OUTCOME_INTERNAL};
        struct http_server *s = http_server_new(steps);
        char url[TEXT_BYTES];
        if (s == NULL || !http_server_start(s))
            abort();
        (void)snprintf(url, sizeof url, "http://unix:%s:/p", http_server_path(s));
        int64_t took = time_post(url, NULL, &got);
        http_server_stop(s);
        http_server_free(s);
        tap_ok(got.outcome == OUTCOME_TEMPORARY && got.http_status == 0 && took <= LATE_MS,
               "%s: %u attempts, %s (%d ms)", rows[i].name, got.attempts, got.error, (int)took);
    }
}

/* EndpointRetryFor is the shorter one. */
static void test_short_retry(struct resolver *r)
{
    char error[ENDPOINT_ERROR_BYTES];
    struct endpoint_answer got;
    const struct endpoint_request request = {
        .id = "2dXq-_", .content_type = "application/json", .body = SPAN_LITERAL("{}")};
    struct endpoint *e = endpoint_new(&(struct endpoint_options){.url = "https://silent.test/p",
                                                                 .timeout_ms = 3 * LONG_MS,
                                                                 .retry_for_ms = TIMEOUT_MS,
                                                                 .look_up = host_addresses_find,
                                                                 .look_up_context = r},
                                      error);
    int64_t began = clock_monotonic_ms();
    endpoint_post(e, &request, &got);
    tap_ok(got.outcome == OUTCOME_TEMPORARY && clock_monotonic_ms() - began < LONG_MS,
           "the time for all attempts bounds the first: %s", got.error);
    endpoint_free(e);
    tap_ok(endpoint_new(&(struct endpoint_options){.url = "https://host.test/"}, error) == NULL,
           "a name without a resolver: %s", error);
}

int main(void)
{
    struct dns_server s;
    char server[64], error[RESOLVER_ERROR_BYTES];
    if (!tap_ok(endpoint_start_library(), "libcurl %s", endpoint_library_text()))
        return tap_done();
    if (!dns_server_start(&s, 0)) {
        tap_skip("deadlines of an endpoint", "no loopback");
        return tap_done();
    }
    (void)snprintf(server, sizeof server, "127.0.0.1@%d", s.port);
    const struct resolver_options options = {.nameservers = {server}, .nameserver_count = 1};
    struct resolver *r = resolver_new_unbound(&options, error);
    if (tap_ok(r != NULL, "a resolver")) {
        test_look_up(r);
        test_host(r);
        test_answer();
        test_short_retry(r);
    }
    resolver_free(r);
    dns_server_stop(&s);
    return tap_done();
}
