/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_attempt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "crypto.h"
#include "endpoint_token.h"

enum {
    FIELD_MAX_BYTES = 8192,
    RETRY_AFTER_MAX_SECONDS = 3600,
    CONNECTION_MAX_MS = 5 * 60 * 1000,
    RESOLVE_MAX_BYTES = 4096,
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

/*
 * libcurl reads the rest of a body and no more. What stands after it in the same TLS record stays with
 * OpenSSL, and would answer the next request on this connection. libcurl names the SSL * only while it
 * transfers: the last call before the answer is whole decides.
 */
static void look_for_surplus(struct endpoint_attempt *a)
{
    struct curl_tlssessioninfo *tls = NULL;
    a->has_surplus = curl_easy_getinfo(a->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK ||
                     (tls->internals != NULL &&
                      (tls->backend != CURLSSLBACKEND_OPENSSL || crypto_tls_has_unread(tls->internals)));
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct endpoint_attempt *a = context;
    look_for_surplus(a);
    return endpoint_http_take_body(&a->http, (struct span){data, size * count}) ? size * count : 0;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct endpoint_attempt *a = context;
    look_for_surplus(a);
    return endpoint_http_take_line(&a->http, (struct span){data, size * count}) ? size * count : 0;
}

static int report_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    endpoint_wait_tick(((struct endpoint_attempt *)context)->wait);
    return 0;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct endpoint_attempt *a = context;
    (void)purpose;
    a->unchecked = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return a->unchecked;
}

/* Called when the connection stands and nothing has been sent. One that was kept was checked when it was new.
 */
static int check_peer(void *context, char *ip, char *local_ip, int port, int local_port)
{
    struct endpoint_attempt *a = context;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    if (a->unchecked < 0)
        return CURL_PREREQFUNC_OK;
    enum outcome outcome = endpoint_socket_check(a->unchecked, a->peer, a->error);
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
    {CURLOPT_HTTP_TRANSFER_DECODING, 0}, /* endpoint_http is stricter with chunks */
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

/*
 * Whether a kept connection is there, and nothing has come on it since its last answer. What has come would
 * be taken for the answer to the next request.
 */
static bool is_quiet(CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

static struct endpoint_connection take_idle(struct endpoint *e)
{
    struct endpoint_connection c = {.easy = NULL};
    (void)pthread_mutex_lock(&e->lock); /* of a default mutex: cannot fail here */
    if (e->idle_count > 0)
        c = e->idle[--e->idle_count];
    (void)pthread_mutex_unlock(&e->lock);
    return c;
}

static void tick(void *context)
{
    endpoint_wait_tick(context);
}

/* Tells libcurl the addresses of the host, so that it does not look for them itself. */
static bool give_addresses(const struct endpoint *e, CURL *easy, struct endpoint_attempt *a)
{
    struct endpoint_addresses found;
    const struct endpoint_tick sign = {tick, a->wait};
    struct strbuf entry;
    if (!e->look_up(e->look_up_context, e->url.host, a->deadline, &sign, &found)) {
        (void)snprintf(a->error, sizeof a->error, "cannot look up %.*s", (int)sizeof a->error - 20,
                       found.error);
        return false;
    }
    strbuf_init(&entry, RESOLVE_MAX_BYTES);
    (void)strbuf_append_format(&entry, "%s:%u", e->url.host, e->url.port);
    for (size_t i = 0; i < found.count; i++)
        (void)strbuf_append_format(&entry, strchr(found.texts[i], ':') != NULL ? "%c[%s]" : "%c%s",
                                   i == 0 ? ':' : ',', found.texts[i]);
    struct curl_slist *list = curl_slist_append(NULL, strbuf_string(&entry));
    strbuf_clear(&entry);
    /* libcurl reads the list when it begins: until then it is the attempt's. */
    a->resolve = list;
    return list != NULL && curl_easy_setopt(easy, CURLOPT_RESOLVE, list) == CURLE_OK;
}

/* easy NULL: a->error says why, or memory has run out. */
static struct endpoint_connection open_connection(const struct endpoint *e, struct endpoint_attempt *a)
{
    struct endpoint_connection c = {make_handle(e), deadline_in(CONNECTION_MAX_MS)};
    if (c.easy == NULL || e->url.host[0] == '\0' || give_addresses(e, c.easy, a))
        return c;
    curl_easy_cleanup(c.easy);
    c.easy = NULL;
    return c;
}

static struct endpoint_connection borrow_connection(struct endpoint *e, struct endpoint_attempt *a)
{
    for (struct endpoint_connection c = take_idle(e); c.easy != NULL; c = take_idle(e)) {
        if (is_quiet(c.easy) && !deadline_passed(c.end))
            return c;
        curl_easy_cleanup(c.easy);
    }
    return open_connection(e, a);
}

/* is_good: it gave one whole answer, and may give the next. */
static void return_connection(struct endpoint *e, struct endpoint_connection c, bool is_good)
{
    if (c.easy == NULL)
        return;
    /* These point into the caller's storage. */
    curl_easy_setopt(c.easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(c.easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(c.easy, CURLOPT_RESOLVE, NULL);
    (void)pthread_mutex_lock(&e->lock);
    if (is_good && e->idle_count < ENDPOINT_IDLE_MAX) {
        e->idle[e->idle_count++] = c;
        c.easy = NULL;
    }
    (void)pthread_mutex_unlock(&e->lock);
    curl_easy_cleanup(c.easy);
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
static void explain(const struct endpoint *e, CURL *easy, CURLcode code, const char *message,
                    struct endpoint_attempt *a)
{
    long system_error = 0;
    if (a->error[0] != '\0')
        return;
    if (a->http.fault != NULL) {
        (void)snprintf(a->error, sizeof a->error, "no whole answer: %s", a->http.fault);
        return;
    }
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &system_error);
    errno = (int)system_error;
    if (code == CURLE_COULDNT_CONNECT && system_error != 0)
        (void)snprintf(a->error, sizeof a->error, "cannot connect to %.150s: %m",
                       e->url.socket_path[0] != '\0' ? e->url.socket_path : e->url.url);
    else
        (void)snprintf(a->error, sizeof a->error, "%s",
                       message[0] != '\0' ? message : curl_easy_strerror(code));
}

static int perform(const struct endpoint *e, CURL *easy, struct endpoint_attempt *a)
{
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
    if (code != CURLE_OK || !endpoint_http_is_whole(&a->http)) {
        explain(e, easy, code, message, a);
        return 0;
    }
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    a->retry_after_ms = retry_after < RETRY_AFTER_MAX_SECONDS ? (int64_t)retry_after * 1000 : 0;
    return a->http.status;
}

int endpoint_attempt_perform(struct endpoint *e, const struct endpoint_request *request,
                             struct endpoint_attempt *a)
{
    int status = 0;
    struct curl_slist *fields = make_fields(e, request);
    struct endpoint_connection c = borrow_connection(e, a);
    a->peer = &e->peer;
    a->unchecked = -1;
    a->easy = c.easy;
    a->http.needs_length = e->url.socket_path[0] == '\0'; /* libcurl does not tell how TLS ended */
    if (c.easy != NULL && fields != NULL) {
        set_request(c.easy, request, fields);
        status = perform(e, c.easy, a);
    } else if (a->error[0] == '\0') {
        (void)snprintf(a->error, sizeof a->error, "out of memory");
    }
    return_connection(e, c, status != 0 && !a->has_surplus);
    curl_slist_free_all(fields);
    curl_slist_free_all(a->resolve);
    return status;
}

void endpoint_attempt_close_idle(struct endpoint *e)
{
    while (e->idle_count > 0)
        curl_easy_cleanup(e->idle[--e->idle_count].easy);
}
