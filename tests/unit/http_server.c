/* SPDX-License-Identifier: BSD-2-Clause */
#include "http_server.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_BYTES = 100, CONNECTIONS_MAX = 64, DRIP_MS = 20 };

struct http_server {
    struct http_server_step steps[HTTP_SERVER_STEPS_MAX];
    char folder[PATH_BYTES];
    char path[PATH_BYTES + 8];
    int listener;
    int delay_ms;
    bool is_running;
    pthread_t thread;
    pthread_t connections[CONNECTIONS_MAX];
    pthread_mutex_t lock; /* of what follows */
    unsigned accepts;
    unsigned requests;
    size_t bytes;
    char *last_request;
};

struct connection {
    struct http_server *server;
    int fd;
};

struct http_server *http_server_new(const struct http_server_step steps[HTTP_SERVER_STEPS_MAX])
{
    const char *folder = getenv("TMPDIR");
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    memcpy(s->steps, steps, sizeof s->steps);
    s->listener = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    /* A socket's path is short: a TMPDIR that is not gives way to /tmp. */
    bool is_short = folder != NULL && strlen(folder) < PATH_BYTES - 32;
    (void)snprintf(s->folder, sizeof s->folder, "%s/test_endpoint.XXXXXX", is_short ? folder : "/tmp");
    if (mkdtemp(s->folder) == NULL) {
        free(s);
        return NULL;
    }
    (void)snprintf(s->path, sizeof s->path, "%s/s o", s->folder);
    return s;
}

const char *http_server_path(const struct http_server *s)
{
    return s->path;
}

/* The length that a request must reach to be whole; 0 while its header is not. */
static size_t request_length(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    const char *field = end != NULL ? strstr(text, "Content-Length: ") : NULL;
    if (end == NULL)
        return 0;
    return (size_t)(end + 4 - text) + (field != NULL && field < end ? strtoul(field + 16, NULL, 10) : 0);
}

/* Reads one request into text. False once the client is gone. */
static bool read_request(struct http_server *s, int fd, char *text)
{
    size_t len = 0;
    text[0] = '\0';
    while (len == 0 || request_length(text, len) == 0 || len < request_length(text, len)) {
        ssize_t got = read(fd, text + len, HTTP_SERVER_REQUEST_MAX_BYTES - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
        (void)pthread_mutex_lock(&s->lock);
        s->bytes += (size_t)got;
        (void)pthread_mutex_unlock(&s->lock);
    }
    return true;
}

static struct http_server_step next_step(struct http_server *s, const char *request)
{
    (void)pthread_mutex_lock(&s->lock);
    free(s->last_request);
    s->last_request = strdup(request);
    unsigned at = s->requests++;
    (void)pthread_mutex_unlock(&s->lock);
    while (at > 0 && (at >= HTTP_SERVER_STEPS_MAX || s->steps[at].action == HTTP_SERVER_ACTION_END))
        at--;
    return s->steps[at];
}

static bool send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool send_padding(int fd, size_t len)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    for (; len > sizeof block; len -= sizeof block)
        if (!send_all(fd, block, sizeof block))
            return false;
    return send_all(fd, block, len);
}

static void wait_for_client(int fd)
{
    char byte;
    while (read(fd, &byte, 1) > 0)
        ;
}

static void drip(int fd, const char *text)
{
    while (send_all(fd, text, 1)) {
        (void)poll(NULL, 0, DRIP_MS);
        if (text[1] != '\0')
            text++;
    }
}

/* Plays a step. False once the connection is to end. */
static bool play(int fd, const struct http_server_step *step)
{
    if (step->action == HTTP_SERVER_ACTION_DRIP) {
        drip(fd, step->text);
        return false;
    }
    size_t len = step->len != 0 || step->text == NULL ? step->len : strlen(step->text);
    bool ok = send_all(fd, step->text, len);
    ok = ok && send_padding(fd, step->padding);
    if (ok && step->action == HTTP_SERVER_ACTION_HALF)
        (void)shutdown(fd, SHUT_WR);
    if (ok && (step->action == HTTP_SERVER_ACTION_WAIT || step->action == HTTP_SERVER_ACTION_HALF))
        wait_for_client(fd);
    return ok && step->action == HTTP_SERVER_ACTION_KEEP;
}

static void *serve_connection(void *context)
{
    struct connection *c = context;
    char *text = malloc(HTTP_SERVER_REQUEST_MAX_BYTES + 1);
    bool goes_on = text != NULL;
    while (goes_on && read_request(c->server, c->fd, text)) {
        struct http_server_step step = next_step(c->server, text);
        goes_on = play(c->fd, &step);
    }
    (void)close(c->fd);
    free(text);
    free(c);
    return NULL;
}

static bool open_listener(struct http_server *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->path, strlen(s->path) + 1);
    return bind(s->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(s->listener, 16) == 0;
}

static void *serve(void *context)
{
    struct http_server *s = context;
    if (s->delay_ms > 0) {
        (void)poll(NULL, 0, s->delay_ms);
        if (!open_listener(s))
            abort();
    }
    for (int fd = accept(s->listener, NULL, NULL); fd >= 0; fd = accept(s->listener, NULL, NULL)) {
        struct connection *c = malloc(sizeof *c);
        if (c == NULL || s->accepts == CONNECTIONS_MAX)
            abort();
        *c = (struct connection){s, fd};
        if (pthread_create(&s->connections[s->accepts++], NULL, serve_connection, c) != 0)
            abort();
    }
    return NULL;
}

bool http_server_start_later(struct http_server *s, int delay_ms)
{
    s->delay_ms = delay_ms;
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->is_running = s->listener >= 0 && (delay_ms > 0 || open_listener(s)) &&
                    pthread_create(&s->thread, NULL, serve, s) == 0;
    return s->is_running;
}

bool http_server_start(struct http_server *s)
{
    return http_server_start_later(s, 0);
}

void http_server_stop(struct http_server *s)
{
    if (!s->is_running)
        return;
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->accepts; i++)
        (void)pthread_join(s->connections[i], NULL);
    (void)close(s->listener);
    s->is_running = false;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    http_server_stop(s);
    (void)unlink(s->path);
    (void)rmdir(s->folder);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->last_request);
    free(s);
}

unsigned http_server_accepts(const struct http_server *s)
{
    return s->accepts;
}

unsigned http_server_requests(const struct http_server *s)
{
    return s->requests;
}

size_t http_server_bytes(const struct http_server *s)
{
    return s->bytes;
}

const char *http_server_last_request(const struct http_server *s)
{
    return s->last_request != NULL ? s->last_request : "";
}
