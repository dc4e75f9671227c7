/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "endpoint_socket.h"
#include "endpoint_token.h"
#include "endpoint_url.h"
#include "endpoint_wait.h"

enum {
    IDLE_MAX = 64, /* handles, each with one connection, that are kept for the next post */
    HEADERS_MAX_BYTES = 64 * 1024,
    FIELD_MAX_BYTES = 8192,
    RETRY_AFTER_MAX_SECONDS = 3600,
};

struct endpoint {
    struct endpoint_url url;
    struct endpoint_peer peer;
    int64_t timeout_ms;
    int64_t retry_for_ms;
    int64_t posts_max;
    char *token; /* owned, as are the file names; NULL: none */
    const char *signature_field;
    char *ca_file;
    char *certificate_file;
    char *key_file;
    pthread_mutex_t lock; /* of what follows */
    CURL *idle[IDLE_MAX];
    size_t idle_count;
    int64_t posts; /* under way */
};

/* One request and what came back. */
struct attempt {
    const struct endpoint *endpoint;
    struct endpoint_wait *wait;
    struct deadline deadline;
    struct strbuf body;
    size_t header_bytes;
    int unchecked; /* a new connection's socket, -1 once its peer has been checked */
    bool is_body_cut;
    bool is_peer_wrong;
    int64_t retry_after_ms;
    char error[ENDPOINT_ERROR_BYTES];
};

bool endpoint_start_library(void)
{
    /* A server that goes away while OpenSSL writes to it must not end the process. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &ignore, NULL) == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const char *endpoint_library_text(void)
{
    static const struct span prefix = SPAN_LITERAL("libcurl/");
    const char *text = curl_version();
    return span_starts_nocase(span_from_string(text), prefix) ? text + prefix.len : text;
}

/* A file that libcurl will read at each connection: better known to be unreadable now than then. */
static bool keep_file_name(const char *path, char **out, char error[static ENDPOINT_ERROR_BYTES])
{
    if (path == NULL)
        return true;
    *out = strdup(path);
    if (*out != NULL && access(path, R_OK) == 0)
        return true;
    (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.150s: %m", path);
    return false;
}

static bool configure(struct endpoint *e, const struct endpoint_options *options,
                      char error[static ENDPOINT_ERROR_BYTES])
{
    const char *why;
    e->timeout_ms = options->timeout_ms;
    e->retry_for_ms = options->retry_for_ms;
    e->posts_max = options->posts_max;
    e->signature_field = options->signature_field;
    if (!endpoint_url_parse(options->url, &e->url, &why)) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.100s: %s", options->url, why);
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
    while (e->idle_count > 0)
        curl_easy_cleanup(e->idle[--e->idle_count]);
    (void)pthread_mutex_destroy(&e->lock); /* nobody holds it any more */
    if (e->token != NULL)
        explicit_bzero(e->token, strlen(e->token));
    free(e->token);
    free(e->ca_file);
    free(e->certificate_file);
    free(e->key_file);
    free(e);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct attempt *a = context;
    a->is_body_cut = !strbuf_append(&a->body, (struct span){data, size * count});
    return a->is_body_cut ? 0 : size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct attempt *a = context;
    (void)data;
    a->header_bytes += size * count;
    return a->header_bytes > HEADERS_MAX_BYTES ? 0 : size * count;
}

static int report_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    endpoint_wait_tick(((struct attempt *)context)->wait);
    return 0;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct attempt *a = context;
    (void)purpose;
    a->unchecked = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return a->unchecked;
}

/* Called when the connection stands and nothing has been sent. One that was kept was checked when it was new.
 */
static int check_peer(void *context, char *ip, char *local_ip, int port, int local_port)
{
    struct attempt *a = context;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    if (a->unchecked < 0)
        return CURL_PREREQFUNC_OK;
    enum outcome outcome = endpoint_socket_check(a->unchecked, &a->endpoint->peer, a->error);
    a->unchecked = -1;
    a->is_peer_wrong = outcome == OUTCOME_BROKEN_INPUT;
    return outcome == OUTCOME_OK ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static bool set_text(CURL *easy, CURLoption option, const char *value)
{
    return value == NULL || curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_tls(const struct endpoint *e, CURL *easy)
{
    if (e->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else the system's would be trusted beside it */
    return set_text(easy, CURLOPT_CAINFO, e->ca_file) &&
           set_text(easy, CURLOPT_SSLCERT, e->certificate_file) &&
           set_text(easy, CURLOPT_SSLKEY, e->key_file);
}

static bool set_transport(const struct endpoint *e, CURL *easy)
{
    bool is_unix = e->url.socket_path[0] != '\0';
#if LIBCURL_VERSION_NUM >= 0x075500
    if (!set_text(easy, CURLOPT_PROTOCOLS_STR, is_unix ? "http" : "https"))
        return false;
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, is_unix ? (long)CURLPROTO_HTTP : (long)CURLPROTO_HTTPS);
#endif
    if (!is_unix)
        return set_tls(e, easy);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, check_peer);
    return set_text(easy, CURLOPT_UNIX_SOCKET_PATH, e->url.socket_path);
}

struct option_value {
    CURLoption option;
    long value;
};

static const struct option_value switches[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_PATH_AS_IS, 1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_MAXCONNECTS, 1},
    {CURLOPT_NOPROGRESS, 0},
    {CURLOPT_POST, 1},
};

/* What no request changes. NULL: out of memory, or a libcurl without what we need. */
static CURL *make_handle(const struct endpoint *e)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    bool ok = set_text(easy, CURLOPT_URL, e->url.url) && set_transport(e, easy) &&
              set_text(easy, CURLOPT_PROXY, "") && set_text(easy, CURLOPT_NOPROXY, "*") &&
              set_text(easy, CURLOPT_USERAGENT, "acme-milter/" PACKAGE_VERSION);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        ok = ok && curl_easy_setopt(easy, switches[i].option, switches[i].value) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, report_progress);
    if (ok)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static CURL *borrow_handle(struct endpoint *e)
{
    CURL *easy = NULL;
    (void)pthread_mutex_lock(&e->lock); /* of a default mutex: cannot fail here */
    if (e->idle_count > 0)
        easy = e->idle[--e->idle_count];
    (void)pthread_mutex_unlock(&e->lock);
    return easy != NULL ? easy : make_handle(e);
}

static void return_handle(struct endpoint *e, CURL *easy)
{
    if (easy == NULL)
        return;
    /* These point into the caller's storage. */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    (void)pthread_mutex_lock(&e->lock);
    if (e->idle_count < IDLE_MAX) {
        e->idle[e->idle_count++] = easy;
        easy = NULL;
    }
    (void)pthread_mutex_unlock(&e->lock);
    curl_easy_cleanup(easy);
}

static bool add_field(struct curl_slist **fields, const char *name, const char *before, const char *value,
                      const char *behind)
{
    char text[FIELD_MAX_BYTES];
    int len = snprintf(text, sizeof text, "%s:%s%s%s", name, before, value, behind);
    struct curl_slist *grown = len > 0 && (size_t)len < sizeof text ? curl_slist_append(*fields, text) : NULL;
    if (grown != NULL)
        *fields = grown;
    return grown != NULL;
}

/* Who posts this. */
static bool add_credentials(struct curl_slist **fields, const struct endpoint *e, struct span body)
{
    char mac[ENDPOINT_TOKEN_HMAC_BYTES];
    if (e->token == NULL)
        return true;
    if (e->signature_field == NULL)
        return add_field(fields, "Authorization", " Bearer ", e->token, "");
    return endpoint_token_sign(e->token, body, mac) &&
           add_field(fields, e->signature_field, " sha256=", mac, "");
}

/* NULL: out of memory. */
static struct curl_slist *make_fields(const struct endpoint *e, const struct endpoint_request *request)
{
    struct curl_slist *fields = NULL;
    bool ok = add_field(&fields, "Content-Type", " ", request->content_type, "") &&
              add_field(&fields, "Idempotency-Key", " \"", request->id, "\"") &&
              add_field(&fields, "Expect", "", "", "") && add_credentials(&fields, e, request->body);
    for (size_t i = 0; i < request->field_count && ok; i++)
        ok = add_field(&fields, request->fields[i].name, " ", request->fields[i].value, "");
    if (ok)
        return fields;
    curl_slist_free_all(fields);
    return NULL;
}

static void set_request(CURL *easy, const struct endpoint_request *request, struct curl_slist *fields)
{
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.data : "");
}

/* Why there was no answer. */
static void explain(CURL *easy, CURLcode code, const char *message, struct attempt *a)
{
    long system_error = 0;
    if (a->error[0] != '\0')
        return;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &system_error);
    errno = (int)system_error;
    if (code == CURLE_COULDNT_CONNECT && system_error != 0)
        (void)snprintf(a->error, sizeof a->error, "cannot connect to %.150s: %m",
                       a->endpoint->url.socket_path[0] != '\0' ? a->endpoint->url.socket_path
                                                               : a->endpoint->url.url);
    else
        (void)snprintf(a->error, sizeof a->error, "%s",
                       message[0] != '\0' ? message : curl_easy_strerror(code));
}

/* Gives the status of a whole answer, or 0. */
static long perform(CURL *easy, struct attempt *a)
{
    long status = 0;
    curl_off_t retry_after = 0;
    char message[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, a);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, a);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, a);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 1 + (long)deadline_left_ms(a->deadline)); /* 0 is for ever */
    CURLcode code = curl_easy_perform(easy);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL); /* libcurl may still write one when it closes */
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && a->is_body_cut)) {
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
        a->retry_after_ms = retry_after < RETRY_AFTER_MAX_SECONDS ? (int64_t)retry_after * 1000 : 0;
    } else {
        explain(easy, code, message, a);
    }
    return status;
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
static enum outcome outcome_of(long status)
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

static void judge(const struct attempt *a, long status, struct endpoint_answer *answer)
{
    answer->outcome = a->is_peer_wrong ? OUTCOME_BROKEN_INPUT : outcome_of(status);
    answer->detail[0] = '\0';
    if (status == 0) {
        (void)snprintf(answer->error, sizeof answer->error, "%s", a->error);
        return;
    }
    answer->http_status = (int)status;
    answer->error[0] = '\0';
    if (answer->outcome != OUTCOME_OK)
        (void)snprintf(answer->error, sizeof answer->error, "HTTP status %ld", status);
    if (!a->is_body_cut)
        (void)result_json_problem_detail(strbuf_view(&a->body), answer->detail);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void try_until_answered(const struct endpoint *e, CURL *easy, const struct endpoint_request *request,
                               struct endpoint_answer *answer)
{
    const struct deadline deadline = deadline_in(e->retry_for_ms);
    struct endpoint_wait wait;
    int64_t timeout_ms = e->timeout_ms;
    int64_t retry_after_ms;
    bool is_worth_waiting; /* a stranger on the socket may be gone when the ACME server is back */
    endpoint_wait_init(&wait, request->progress, request->context);
    do {
        struct attempt a = {
            .endpoint = e, .wait = &wait, .deadline = deadline_in(timeout_ms), .unchecked = -1};
        strbuf_init(&a.body, ENDPOINT_ANSWER_MAX_BYTES);
        answer->attempts++;
        judge(&a, perform(easy, &a), answer);
        strbuf_clear(&a.body);
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

static void post(struct endpoint *e, const struct endpoint_request *request, struct endpoint_answer *answer)
{
    CURL *easy = borrow_handle(e);
    struct curl_slist *fields = make_fields(e, request);
    if (easy != NULL && fields != NULL) {
        set_request(easy, request, fields);
        try_until_answered(e, easy, request, answer);
    } else {
        (void)snprintf(answer->error, sizeof answer->error, "out of memory");
    }
    return_handle(e, easy);
    curl_slist_free_all(fields);
}

void endpoint_post(struct endpoint *e, const struct endpoint_request *request, struct endpoint_answer *answer)
{
    *answer = (struct endpoint_answer){.outcome = OUTCOME_TEMPORARY};
    if (begin_post(e)) {
        post(e, request, answer);
        end_post(e);
    } else {
        (void)snprintf(answer->error, sizeof answer->error, "enough replies wait for it already");
    }
}
