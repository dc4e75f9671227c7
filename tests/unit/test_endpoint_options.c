/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../milter/delivery/endpoint_socket.h"
#include "tap.h"

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
    const struct endpoint_request request = {.id = "i", .content_type = "application/json"};
    endpoint_post(e, &request, &got);
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
    test_proxy();
    endpoint_stop_library();
    return tap_done();
}
