/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../milter/delivery/endpoint_socket.h"
#include "clock.h"
#include "http_server.h"
#include "tap.h"

enum {
    LONG_MS = 20000, /* what must come back at once: only a broken program needs it */
    SHORT_MS = 100,  /* what must never come back */
    URL_BYTES = 512,
    NOBODY = 65534,
};

static const struct {
    const char *url;
    bool is_valid;
} urls[] = {
    {"http://unix:/run/acme-server/email-reply.sock:/email-reply", true},
    {"http://unix:/run/a b.sock:/", true},
    {"HTTP://UNIX:/s:/p?q=1&r=%20", true},
    {"https://acme.ca.example/email-reply", true},
    {"https://acme.ca.example:8443/a/b", true},
    {"https://192.0.2.1/", true},
    {"https://[2001:db8::1]:443/p", true},
    {"https://localhost/p", true},
    {"", false},
    {"/run/s", false},
    {"unix:/run/s:/p", false},
    {"http://acme.ca.example/p", false},
    {"http://localhost/p", false},
    {"http://127.0.0.1:8080/p", false},
    {"ftp://acme.ca.example/p", false},
    {"file:///etc/passwd", false},
    {"http://unix:/run/s", false},
    {"http://unix:/run/s:", false},
    {"http://unix:/run/s:p", false},
    {"http://unix::/p", false},
    {"http://unix:run/s:/p", false},
    {"http://unix:/:/p", false},
    {"http://unix:/run/s:/a b", false},
    {"http://unix:/run/s:/a#b", false},
    {"http://unix:/run/s:/a\r\nX: y", false},
    {"http://unix:/run/s:/%zz", false},
    {"http://unix:/run/s:/%2", false},
    {"http://unix:/run/s:/caf\xc3\xa9", false},
    {"http://unix:/"
     "2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
     "901234567:/p",
     true},
    {"http://unix:/"
     "2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
     "9012345678:/p",
     false},
    {"https://acme.ca.example", false},
    {"https:///p", false},
    {"https://127.1/p", false},
    {"https://0x7f000001/p", false},
    {"https://2130706433/p", false},
    {"https://192.0.2.256/p", false},
    {"https://1.example/p", true},
    {"https://:443/p", false},
    {"https://user@acme.ca.example/p", false},
    {"https://user:secret@acme.ca.example/p", false},
    {"https://acme..example/p", false},
    {"https://.example/p", false},
    {"https://acme_ca.example/p", false},
    {"https://acme.ca.example:/p", false},
    {"https://acme.ca.example:0/p", false},
    {"https://acme.ca.example:65536/p", false},
    {"https://acme.ca.example:44x/p", false},
    {"https://[2001:db8::1/p", false},
    {"https://[2001:db8::g]/p", false},
    {"https://[::1]443/p", false},
    {"https://acme.ca.example?/p", false},
    {"https://acme.ca.example\\@evil.example/p", false},
};

static void test_urls(void)
{
    const char *why;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        tap_ok(endpoint_url_is_valid(urls[i].url, &why) == urls[i].is_valid, "%s: %s",
               urls[i].is_valid ? "valid" : "refused", urls[i].url);
    char url[4096] = "https://acme.ca.example/";
    memset(url + strlen(url), 'p', sizeof url - strlen(url) - 1);
    tap_ok(!endpoint_url_is_valid(url, &why), "refused: a URL of 4 kB");
}

static void test_refused_options(void)
{
    static const char url[] = "https://acme.ca.example/p";
    const struct {
        const char *name;
        struct endpoint_options options;
    } cases[] = {
        {"a bad URL", {.url = "http://acme.ca.example/p"}},
        {"an unknown user", {.url = "http://unix:/s:/p", .peer_user = "no-such-user-here"}},
        {"a peer user without a socket", {.url = url, .peer_user = "root"}},
        {"no token file", {.url = url, .token_file = "/nonexistent/token"}},
        {"no CA file", {.url = url, .ca_file = "/nonexistent/ca.pem"}},
        {"no certificate", {.url = url, .certificate_file = "/nonexistent/cert.pem"}},
        {"no key", {.url = url, .key_file = "/nonexistent/key.pem"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[ENDPOINT_ERROR_BYTES];
        struct endpoint *e = endpoint_new(&cases[i].options, error);
        tap_ok(e == NULL && error[0] != '\0', "refused: %s: %s", cases[i].name, error);
        endpoint_free(e);
    }
}

/* As it is after a connect() that found the backlog full: not somebody else's socket. */
static void test_unconnected(void)
{
    const struct endpoint_peer peer = {.is_checked = true, .user = geteuid()};
    char error[ENDPOINT_ERROR_BYTES];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tap_is_int(endpoint_socket_check(fd, &peer, error), OUTCOME_TEMPORARY, "a socket that is not connected");
    (void)close(fd);
}

static const struct http_server_step says_yes[HTTP_SERVER_STEPS_MAX] = {
    {HTTP_SERVER_ACTION_KEEP, "HTTP/1.1 204 No Content\r\n\r\n", 0}};

static struct endpoint *open_endpoint(const struct http_server *s, struct endpoint_options options)
{
    char url[URL_BYTES], error[ENDPOINT_ERROR_BYTES];
    (void)snprintf(url, sizeof url, "http://unix:%s:/p", http_server_path(s));
    options.url = url;
    return endpoint_new(&options, error);
}

static void post(struct endpoint *e, struct endpoint_answer *answer)
{
    const struct endpoint_request request = {
        .id = "i", .content_type = "application/json", .body = SPAN_LITERAL("{}")};
    endpoint_post(e, &request, answer);
}

static const struct {
    const char *name;
    const char *text;
    const char *want; /* NULL: refused */
} tokens[] = {
    {"a token", "abc.DEF-_~+/=", "\r\nAuthorization: Bearer abc.DEF-_~+/=\r\n"},
    {"white space around it", " abc\r\n", "\r\nAuthorization: Bearer abc\r\n"},
    {"empty file", "", NULL},
    {"a blank in it", "a b", NULL},
    {"a field of its own in it", "a\r\nX-Evil: 1", NULL},
    {"8-bit", "caf\xc3\xa9", NULL},
};

static struct endpoint *open_with_token(const struct http_server *s, const char *text)
{
    char path[URL_BYTES];
    (void)snprintf(path, sizeof path, "%s.token", http_server_path(s));
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        return NULL;
    struct endpoint *e =
        open_endpoint(s, (struct endpoint_options){.timeout_ms = LONG_MS, .token_file = path});
    (void)unlink(path);
    return e;
}

/* A socket on the server's path that is somebody else's: SO_PEERCRED tells who listened. */
static int listen_as(const char *path, uid_t user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    bool ok = unlink(path) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              seteuid(user) == 0 && listen(fd, 4) == 0;
    return seteuid(0) == 0 && ok ? fd : -1;
}

/* A kept connection ends, and libcurl opens the next one by itself within the same request. */
static void test_peer_of_second_connection(void)
{
    static const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {
        {HTTP_SERVER_ACTION_KEEP, "HTTP/1.1 204 No Content\r\n\r\n", 0}, {HTTP_SERVER_ACTION_CLOSE, NULL, 0}};
    struct endpoint_answer got;
    char byte;
    if (geteuid() != 0) {
        tap_skip("EndpointPeerUser on the connection after the first",
                 "only root can listen as another user");
        return;
    }
    struct http_server *s = http_server_new(steps);
    bool is_started = http_server_start(s);
    struct endpoint *e =
        open_endpoint(s, (struct endpoint_options){.timeout_ms = LONG_MS, .peer_user = "root"});
    post(e, &got);
    tap_ok(is_started && got.outcome == OUTCOME_OK, "the first connection leads to root");
    int other = listen_as(http_server_path(s), NOBODY);
    post(e, &got);
    endpoint_free(e);
    tap_ok(got.outcome == OUTCOME_BROKEN_INPUT, "the second to nobody: outcome %d %s", (int)got.outcome,
           got.error);
    int connection = accept(other, NULL, NULL);
    tap_ok(connection >= 0 && read(connection, &byte, 1) == 0, "and nothing was sent on it");
    (void)close(connection);
    (void)close(other);
    http_server_free(s);
}

static void test_tokens(void)
{
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        struct endpoint_answer got = {.outcome = OUTCOME_INTERNAL};
        struct http_server *s = http_server_new(says_yes);
        bool is_started = http_server_start(s);
        struct endpoint *e = open_with_token(s, tokens[i].text);
        bool is_refused = e == NULL;
        if (!is_refused)
            post(e, &got);
        endpoint_free(e);
        http_server_stop(s);
        if (tokens[i].want == NULL)
            tap_ok(is_started && is_refused, "token refused: %s", tokens[i].name);
        else
            tap_ok(got.outcome == OUTCOME_OK && strstr(http_server_last_request(s), tokens[i].want) != NULL,
                   "token sent: %s", tokens[i].name);
        http_server_free(s);
    }
}

/* A listener that accepts nothing and whose backlog is full. */
static void test_full_backlog(void)
{
    struct http_server *s = http_server_new(says_yes);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, http_server_path(s), strlen(http_server_path(s)) + 1);
    int fds[8];
    fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(fds[0], (struct sockaddr *)&address, sizeof address) == 0 && listen(fds[0], 0) == 0;
    for (int i = 1; i < 8; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof address); /* the later ones must fail */
    }
    struct endpoint_answer got;
    struct endpoint *e = open_endpoint(s, (struct endpoint_options){.timeout_ms = SHORT_MS});
    int64_t began = clock_monotonic_ms();
    post(e, &got);
    tap_ok(ok && got.outcome == OUTCOME_TEMPORARY && clock_monotonic_ms() - began < LONG_MS,
           "a full backlog: %s", got.error);
    endpoint_free(e);
    for (int i = 0; i < 8; i++)
        (void)close(fds[i]);
    http_server_free(s);
}

/* Listens on a free port of the loopback interface. */
static int open_listener(char *port, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    (void)snprintf(port, size, "%u", ntohs(address.sin_port));
    return fd;
}

static bool is_called(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void test_proxy(void)
{
    char port[8], proxy[64], url[64], error[ENDPOINT_ERROR_BYTES];
    struct endpoint_answer got;
    int proxy_fd = open_listener(port, sizeof port);
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%s", port);
    int server_fd = open_listener(port, sizeof port);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%s/p", port);
    if (proxy_fd < 0 || server_fd < 0) {
        tap_skip("a proxy of the environment", "no loopback interface");
        return;
    }
    (void)setenv("https_proxy", proxy, 1);
    (void)setenv("ALL_PROXY", proxy, 1);
    struct endpoint *e = endpoint_new(&(struct endpoint_options){.url = url, .timeout_ms = 500}, error);
    post(e, &got);
    endpoint_free(e);
    tap_ok(got.outcome == OUTCOME_TEMPORARY && is_called(server_fd), "the server itself is called: %s",
           got.error);
    tap_ok(!is_called(proxy_fd), "and no proxy of the environment");
    (void)close(proxy_fd);
    (void)close(server_fd);
}

int main(void)
{
    if (!tap_ok(endpoint_start_library(), "libcurl %s", endpoint_library_text()))
        return tap_done();
    test_urls();
    test_refused_options();
    test_unconnected();
    test_peer_of_second_connection();
    test_tokens();
    test_full_backlog();
    test_proxy();
    return tap_done();
}
