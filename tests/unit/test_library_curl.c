/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's libcurl does today where milter/delivery guards against it. A failure here after an
 * upgrade means: endpoint_http (headers that were cut), or the addresses that endpoint_attempt hands over,
 * may do more than is needed now.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include "clock.h"
#include "http_server.h"
#include "tap.h"

enum { LONG_MS = 20000, TIMEOUT_MS = 100, NAME_SERVER_SECONDS = 2, NO_NAMESPACE = 77, PATH_BYTES = 256 };

static size_t drop(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

struct seen {
    CURLcode code;
    long status;
    int64_t took_ms;
    int questions; /* that the name server was asked */
};

static struct seen get(const char *socket_path, const char *url, long timeout_ms,
                       struct curl_slist *addresses)
{
    struct seen seen = {.code = CURLE_FAILED_INIT};
    CURL *easy = curl_easy_init();
    int64_t began = clock_monotonic_ms();
    if (easy == NULL)
        return seen;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, addresses);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    seen.code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &seen.status);
    curl_easy_cleanup(easy);
    seen.took_ms = clock_monotonic_ms() - began;
    return seen;
}

static void test_cut_headers(void)
{
    static const struct {
        const char *text;
        long status;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", 200},
        {"HTTP/1.1 404 Not Found\r\nConte", 404},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct http_server_step steps[HTTP_SERVER_STEPS_MAX] = {
            {HTTP_SERVER_ACTION_CLOSE, rows[i].text, 0, 0}};
        struct http_server *s = http_server_new(steps);
        if (s == NULL || !http_server_start(s))
            abort();
        struct seen seen = get(http_server_path(s), "http://localhost/", LONG_MS, NULL);
        tap_ok(seen.code == CURLE_OK && seen.status == rows[i].status,
               "66: a header that was cut is complete to libcurl: code %d, status %ld", (int)seen.code,
               seen.status);
        http_server_stop(s);
        http_server_free(s);
    }
}

static bool write_over(const char *target, const char *text)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/run/resolv.%ld", (long)getpid());
    FILE *file = fopen(path, "w");
    bool ok = file != NULL && fputs(text, file) >= 0;
    return file != NULL && fclose(file) == 0 && ok && mount(path, target, NULL, MS_BIND, NULL) == 0;
}

/* Namespaces of our own, in which 127.0.0.1 is the name server. The socket that it listens on; -1: may not.
 */
static int enter_namespaces(void)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[PATH_BYTES];
    (void)snprintf(text, sizeof text, "nameserver 127.0.0.1\noptions timeout:%d attempts:1\n",
                   NAME_SERVER_SECONDS);
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/run", "tmpfs", 0, NULL) != 0 || !write_over("/etc/resolv.conf", text))
        return -1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCSIFFLAGS, &loopback) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    return fd;
}

static int count_questions(int fd)
{
    char query[512];
    int count = 0;
    while (recv(fd, query, sizeof query, MSG_DONTWAIT) >= 0)
        count++;
    return count;
}

/* In a process of its own: what it saw goes to out. */
static int ask_a_silent_server(int out)
{
    struct seen seen[2];
    int fd = enter_namespaces();
    struct curl_slist *addresses = curl_slist_append(NULL, "acme.silent.example:1:127.0.0.1");
    if (fd < 0 || addresses == NULL)
        return NO_NAMESPACE;
    seen[0] = get(NULL, "http://acme.silent.example:1/", TIMEOUT_MS, NULL);
    seen[0].questions = count_questions(fd);
    seen[1] = get(NULL, "http://acme.silent.example:1/", LONG_MS, addresses);
    seen[1].questions = count_questions(fd);
    curl_slist_free_all(addresses);
    return write(out, seen, sizeof seen) == (ssize_t)sizeof seen ? 0 : 1;
}

static void test_silent_name_server(void)
{
    static const char name[] = "65: libcurl's own look-up outlives CURLOPT_TIMEOUT";
    struct seen seen[2];
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0)
        _exit(ask_a_silent_server(ends[1]));
    (void)close(ends[1]);
    ssize_t got = read(ends[0], seen, sizeof seen);
    (void)close(ends[0]);
    (void)waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACE) {
        tap_skip(name, "no namespaces of our own for a name server: run it as root");
        return;
    }
    if (!tap_ok(got == (ssize_t)sizeof seen, "65: the name server was asked"))
        return;
    tap_ok(seen[0].code != CURLE_OK && seen[0].questions > 0 &&
               seen[0].took_ms >= NAME_SERVER_SECONDS * 1000 - TIMEOUT_MS,
           "%s: code %d, %d questions, %lld ms instead of %d", name, (int)seen[0].code, seen[0].questions,
           (long long)seen[0].took_ms, TIMEOUT_MS);
    tap_ok(seen[1].code == CURLE_COULDNT_CONNECT && seen[1].questions == 0,
           "65: who gives it the addresses keeps it from that: code %d, %d questions", (int)seen[1].code,
           seen[1].questions);
}

int main(void)
{
    if (!tap_ok(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "%s", curl_version()))
        return tap_done();
    test_cut_headers();
    test_silent_name_server();
    return tap_done();
}
