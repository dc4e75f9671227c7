/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint_attempt.h"
#include "endpoint_token.h"
#include "regular_file.h"

/* A file that libcurl will read at each connection: better known to be unreadable now than then. */
static bool keep_file_name(const char *path, char **out, char error[static ENDPOINT_ERROR_BYTES])
{
    if (path == NULL)
        return true;
    *out = strdup(path);
    int fd = regular_file_open(AT_FDCWD, path, 0);
    if (fd < 0)
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.150s: %s", path, regular_file_why(errno));
    else
        close(fd);
    return fd >= 0 && *out != NULL;
}

static bool configure(struct endpoint *e, const struct endpoint_options *options,
                      char error[static ENDPOINT_ERROR_BYTES])
{
    const char *why;
    e->timeout_ms = options->timeout_ms;
    e->retry_for_ms = options->retry_for_ms;
    e->posts_max = options->posts_max;
    e->signature_field = options->signature_field;
    e->look_up = options->look_up;
    e->look_up_context = options->look_up_context;
    if (!endpoint_url_parse(options->url, &e->url, &why)) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.100s: %s", options->url, why);
        return false;
    }
    if (e->url.host[0] != '\0' && e->look_up == NULL) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "a host name needs a resolver");
        return false;
    }
    if (options->signature_field != NULL && options->token_file == NULL) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "a signature needs a secret");
        return false;
    }
    if (options->peer_user != NULL && e->url.socket_path[0] == '\0') {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "a peer user needs a UNIX socket");
        return false;
    }
    return endpoint_socket_find_peer(options->peer_user, &e->peer, error) &&
           (options->token_file == NULL ||
            endpoint_token_read(options->token_file, options->token_min_bytes, &e->token, error)) &&
           keep_file_name(options->ca_file, &e->ca_file, error) &&
           keep_file_name(options->certificate_file, &e->certificate_file, error) &&
           keep_file_name(options->key_file, &e->key_file, error);
}

struct endpoint *endpoint_new(const struct endpoint_options *options, char error[static ENDPOINT_ERROR_BYTES])
{
    struct endpoint *e = calloc(1, sizeof *e);
    error[0] = '\0';
    if (e == NULL || pthread_mutex_init(&e->lock, NULL) != 0) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "out of memory");
        free(e);
        return NULL;
    }
    if (configure(e, options, error))
        return e;
    endpoint_free(e);
    return NULL;
}

void endpoint_free(struct endpoint *e)
{
    if (e == NULL)
        return;
    endpoint_attempt_close_idle(e);
    (void)pthread_mutex_destroy(&e->lock); /* nobody holds it any more */
    if (e->token != NULL)
        explicit_bzero(e->token, strlen(e->token));
    free(e->token);
    free(e->ca_file);
    free(e->certificate_file);
    free(e->key_file);
    free(e);
}

const struct name_table_row endpoint_outcome_names[] = {
    {OUTCOME_OK, "accepted"},
    {OUTCOME_REJECTED, "refused"},
    {OUTCOME_BROKEN_INPUT, "credentials"},
    {OUTCOME_TEMPORARY, "unavailable"},
    {0, NULL},
};

/* Contract section 5. What is neither a yes nor a no of its table is no answer worth the name: asked again.
 */
static enum outcome outcome_of(int status)
{
    switch (status) {
    case 200:
    case 201:
    case 202:
    case 204:
        return OUTCOME_OK;
    case 401:
    case 403:
    case 407:
        return OUTCOME_BROKEN_INPUT;
    case 408:
    case 421:
    case 425:
    case 429:
        return OUTCOME_TEMPORARY;
    default:
        return status >= 400 && status < 500 ? OUTCOME_REJECTED : OUTCOME_TEMPORARY;
    }
}

static void judge(const struct endpoint_attempt *a, int status, struct endpoint_answer *answer)
{
    answer->outcome = a->is_peer_wrong ? OUTCOME_BROKEN_INPUT : outcome_of(status);
    answer->detail[0] = '\0';
    if (status == 0) {
        (void)snprintf(answer->error, sizeof answer->error, "%s", a->error);
        return;
    }
    answer->http_status = status;
    answer->error[0] = '\0';
    if (answer->outcome != OUTCOME_OK)
        (void)snprintf(answer->error, sizeof answer->error, "HTTP status %d", status);
    if (!a->http.is_body_cut)
        (void)result_json_problem_detail(strbuf_view(&a->http.body), answer->detail);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void try_until_answered(struct endpoint *e, const struct endpoint_request *request,
                               struct endpoint_answer *answer)
{
    const struct deadline deadline = deadline_in(e->retry_for_ms);
    struct endpoint_wait wait;
    int64_t timeout_ms = e->retry_for_ms > 0 ? least(e->timeout_ms, e->retry_for_ms) : e->timeout_ms;
    int64_t retry_after_ms;
    bool is_worth_waiting; /* a stranger on the socket may be gone when the ACME server is back */
    endpoint_wait_init(&wait, request->progress, request->context);
    do {
        struct endpoint_attempt a = {.wait = &wait, .deadline = deadline_in(timeout_ms)};
        endpoint_http_init(&a.http, ENDPOINT_ANSWER_MAX_BYTES);
        answer->attempts++;
        judge(&a, endpoint_attempt_perform(e, request, &a), answer);
        endpoint_http_clear(&a.http);
        retry_after_ms = a.retry_after_ms;
        is_worth_waiting = answer->outcome == OUTCOME_TEMPORARY || a.is_peer_wrong;
    } while (is_worth_waiting && endpoint_wait_pause(&wait, deadline, retry_after_ms) &&
             (timeout_ms = least(e->timeout_ms, deadline_left_ms(deadline))) > 0);
}

static bool begin_post(struct endpoint *e)
{
    (void)pthread_mutex_lock(&e->lock);
    bool has_room = e->posts_max == 0 || e->posts < e->posts_max;
    e->posts += has_room;
    (void)pthread_mutex_unlock(&e->lock);
    return has_room;
}

static void end_post(struct endpoint *e)
{
    (void)pthread_mutex_lock(&e->lock);
    e->posts--;
    (void)pthread_mutex_unlock(&e->lock);
}

void endpoint_post(struct endpoint *e, const struct endpoint_request *request, struct endpoint_answer *answer)
{
    *answer = (struct endpoint_answer){.outcome = OUTCOME_TEMPORARY};
    if (begin_post(e)) {
        try_until_answered(e, request, answer);
        end_post(e);
    } else {
        (void)snprintf(answer->error, sizeof answer->error, "enough replies wait for it already");
    }
}
