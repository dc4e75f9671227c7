/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request to the ACME server and its answer, on libcurl, all of it by one deadline. libcurl's own look-up
 * of names would outlive it, so that libcurl is given addresses. Each handle of libcurl has one connection,
 * which is kept for the next request after a whole answer, and never after anything else.
 */
#ifndef ENDPOINT_ATTEMPT_H
#define ENDPOINT_ATTEMPT_H

#include <pthread.h>

#include "endpoint_http.h"
#include "endpoint_socket.h"
#include "endpoint_url.h"
#include "endpoint_wait.h"

enum { ENDPOINT_IDLE_MAX = 64 /* handles that are kept */ };

struct endpoint_connection {
    void *easy; /* CURL */
    struct deadline
        end; /* when it is too old for another request: the host's address may be another by now */
};

struct endpoint {
    struct endpoint_url url;
    struct endpoint_peer peer;
    endpoint_look_up *look_up;
    void *look_up_context;
    int64_t timeout_ms;
    int64_t retry_for_ms;
    int64_t posts_max;
    char *token; /* owned, as are the file names; NULL: none */
    const char *signature_field;
    char *ca_file;
    char *certificate_file;
    char *key_file;
    pthread_mutex_t lock; /* of what follows */
    struct endpoint_connection idle[ENDPOINT_IDLE_MAX];
    size_t idle_count;
    int64_t posts; /* under way */
};

/* One request and what came back. */
struct endpoint_attempt {
    struct endpoint_wait *wait;
    struct deadline deadline;
    struct endpoint_http http;
    const struct endpoint_peer *peer; /* from here on set by endpoint_attempt_perform */
    void *easy;                       /* CURL: the connection that it is on */
    bool has_surplus;                 /* more came by TLS than the answer */
    int unchecked;                    /* a new connection's socket, -1 once its peer has been checked */
    void *resolve;                    /* struct curl_slist, or NULL */
    bool is_peer_wrong;
    int64_t retry_after_ms;
    char error[ENDPOINT_ERROR_BYTES];
};

/* Gives the status of a whole answer, or 0 with error set. */
int endpoint_attempt_perform(struct endpoint *e, const struct endpoint_request *request,
                             struct endpoint_attempt *a) MUST_CHECK;

void endpoint_attempt_close_idle(struct endpoint *e);

#endif
