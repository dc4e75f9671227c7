/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ACME server that costs next to nothing: takes every POST on a UNIX socket and answers 200; to a path
 * that begins with /slow only after DELAY-MS.
 *
 *     endpoint_sink SOCKET DELAY-MS
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    REQUEST_MAX_BYTES = 65536,
    EVENTS_MAX = 64,
};

struct connection {
    size_t len;
    /* 0: no answer is owed. */
    int64_t due_ms;
    char request[REQUEST_MAX_BYTES + 1];
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void answer(int fd, struct connection *c)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    c->due_ms = 0;
    (void)send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
}

/* Whether the request is there whole; one request at a time is on a connection. */
static bool is_whole(const struct connection *c)
{
    const char *end = strstr(c->request, "\r\n\r\n");
    const char *length = end == NULL ? NULL : strcasestr(c->request, "\r\ncontent-length:");
    if (length == NULL || length > end)
        return false;
    size_t body = strtoul(length + sizeof "\r\ncontent-length:" - 1, NULL, 10);
    return c->len >= (size_t)(end + 4 - c->request) + body;
}

/* False at the connection's end. */
static bool take(int fd, struct connection *c, int delay_ms)
{
    ssize_t n = recv(fd, c->request + c->len, REQUEST_MAX_BYTES - c->len, 0);
    if (n <= 0)
        return false;
    c->len += (size_t)n;
    c->request[c->len] = '\0';
    if (!is_whole(c))
        return true;
    c->len = 0;
    if (strncmp(c->request, "POST /slow", sizeof "POST /slow" - 1) == 0)
        c->due_ms = now_ms() + delay_ms;
    else
        answer(fd, c);
    return true;
}

static void answer_due(struct connection **connections)
{
    int64_t now = now_ms();
    for (int fd = 0; fd < CONNECTIONS_MAX; fd++)
        if (connections[fd] != NULL && connections[fd]->due_ms != 0 && connections[fd]->due_ms <= now)
            answer(fd, connections[fd]);
}

static void on_event(int poll_fd, int listener, int fd, struct connection **connections, int delay_ms)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (fd == listener) {
        event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (event.data.fd >= 0 && event.data.fd < CONNECTIONS_MAX) {
            connections[event.data.fd] = calloc(1, sizeof **connections);
            if (connections[event.data.fd] == NULL)
                abort();
            (void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    } else if (!take(fd, connections[fd], delay_ms)) {
        free(connections[fd]);
        connections[fd] = NULL;
        close(fd);
    }
}

static int serve(int listener, int delay_ms)
{
    static struct connection *connections[CONNECTIONS_MAX];
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
        return 70;
    int64_t looked_ms = now_ms();
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(poll_fd, events, EVENTS_MAX, 100);
        for (int i = 0; i < count; i++)
            on_event(poll_fd, listener, events[i].data.fd, connections, delay_ms);
        if (now_ms() >= looked_ms + 50) {
            looked_ms = now_ms();
            answer_due(connections);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path)
        return 64;
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(argv[1], 0666) != 0 || listen(listener, SOMAXCONN) != 0) {
        perror(argv[1]);
        return 69;
    }
    return serve(listener, (int)strtol(argv[2], NULL, 10));
}
