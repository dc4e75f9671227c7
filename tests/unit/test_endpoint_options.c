/* SPDX-License-Identifier: BSD-2-Clause */
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

int main(void)
{
    test_urls();
    test_refused_options();
    test_unconnected();
    return tap_done();
}
