/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server on a UNIX socket in a folder of its own that plays a script: for each request that it reads,
 * whatever the connection, the next step.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_SERVER_STEPS_MAX = 4, HTTP_SERVER_REQUEST_MAX_BYTES = 2 * 1024 * 1024 };

enum http_server_action {
    HTTP_SERVER_ACTION_END = 0, /* the script is over: the step before it is played again */
    HTTP_SERVER_ACTION_CLOSE,   /* says what it has to say and closes */
    HTTP_SERVER_ACTION_KEEP,    /* ... and reads the next request on the same connection */
    HTTP_SERVER_ACTION_HALF, /* ..., ends its half of the connection and waits until the client goes away */
    HTTP_SERVER_ACTION_DRIP, /* a byte at a time, then the last byte for ever */
    HTTP_SERVER_ACTION_WAIT, /* ... and waits until the client goes away */
};

struct http_server_step {
    enum http_server_action action;
    const char *text; /* NULL: nothing */
    size_t padding;   /* that many 'x' behind it */
    size_t len;       /* of a text that holds a NUL or is to be cut; 0: up to its NUL */
};

struct http_server;

/* Does not listen yet. NULL: something is wrong with the machine. */
struct http_server *http_server_new(const struct http_server_step steps[HTTP_SERVER_STEPS_MAX]);
const char *http_server_path(const struct http_server *s);
bool http_server_start(struct http_server *s);
/* Starts after that time, in a thread of its own. */
bool http_server_start_later(struct http_server *s, int delay_ms);
/* Call when no client is connected any more. */
void http_server_stop(struct http_server *s);
void http_server_free(struct http_server *s);

/* What it saw; settled once it is stopped. */
unsigned http_server_accepts(const struct http_server *s);
unsigned http_server_requests(const struct http_server *s);
size_t http_server_bytes(const struct http_server *s);
const char *http_server_last_request(const struct http_server *s); /* header and body */

#endif
