/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libunbound works in a thread of its own; a second thread, the pump, takes its answers and wakes who waits.
 * A question is held by its asker and, until the answer came, by libunbound: whoever lets go last frees it.
 */
#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

#include "log.h"
#include "resolver_anchor.h"
#include "resolver_backend.h"
#include "resolver_result.h"
#include "resolver_servers.h"

enum {
    CLASS_IN = 1,
    RCODE_NOERROR = 0,
    RCODE_NXDOMAIN = 3,
    CONFIG_MAX_BYTES = 4096,
    CONFIG_PATH_BYTES = 32,
    CONFIG_LINE_BYTES = 128,
    START_MS = 10000,
};

struct unbound_resolver {
    struct resolver base;
    struct ub_ctx *ctx;
    pthread_mutex_t lock; /* over every question's holders, is_done and answer */
    pthread_t pump;
    int stop_pipe[2];
    bool has_pump;
    bool is_validating;
    bool is_started;
    bool has_answered; /* its thread lives */
};

struct unbound_question {
    struct resolver_question base;
    struct unbound_resolver *resolver;
    pthread_cond_t done;
    unsigned holders;
    bool is_done;
    int async_id;
    enum resolver_type type;
    char name[DOMAIN_MAX_BYTES + 1];
    char *text; /* owned: what the records point into */
    struct resolver_answer answer;
    struct resolver_answer no_answer;
};

static void question_destroy(struct unbound_question *q)
{
    pthread_cond_destroy(&q->done);
    free(q->text);
    free(q);
}

static void question_let_go(struct unbound_question *q)
{
    struct unbound_resolver *r = q->resolver;
    pthread_mutex_lock(&r->lock);
    unsigned left = --q->holders;
    pthread_mutex_unlock(&r->lock);
    if (left == 0)
        question_destroy(q);
}

static int number_of(enum resolver_type type)
{
    return type == RESOLVER_TYPE_A ? ns_t_a : type == RESOLVER_TYPE_AAAA ? ns_t_aaaa : ns_t_txt;
}

static void read_result(struct unbound_question *q, const struct ub_result *result)
{
    struct resolver_answer *answer = &q->answer;
    if (result->bogus) {
        answer->outcome = OUTCOME_TEMPORARY;
        answer->dnssec = DNSSEC_STATUS_BOGUS;
        return;
    }
    if (result->rcode == RCODE_NXDOMAIN)
        answer->outcome = OUTCOME_ABSENT;
    else if (result->rcode == RCODE_NOERROR && !result->havedata)
        answer->outcome = resolver_result_is_referral(result->answer_packet, result->answer_len)
                              ? OUTCOME_TEMPORARY
                              : OUTCOME_ABSENT;
    else
        answer->outcome = result->rcode == RCODE_NOERROR
                              ? resolver_result_read(result->data, result->len, q->type, answer, &q->text)
                              : OUTCOME_TEMPORARY;
    if (answer->outcome != OUTCOME_OK)
        answer->count = 0;
    if (answer->outcome != OUTCOME_OK && answer->outcome != OUTCOME_ABSENT)
        return;
    answer->ttl_seconds = result->ttl > 0 ? (unsigned)result->ttl : 0;
    if (q->resolver->is_validating)
        answer->dnssec = result->secure ? DNSSEC_STATUS_SECURE : DNSSEC_STATUS_INSECURE;
}

/* Runs in the pump. The asker may have let go already: then this is the last holder. */
static void on_answer(void *arg, int error, struct ub_result *result)
{
    struct unbound_question *q = arg;
    pthread_mutex_lock(&q->resolver->lock);
    if (error == 0 && result != NULL)
        read_result(q, result);
    else
        q->answer.outcome = error == UB_NOMEM ? OUTCOME_INTERNAL : OUTCOME_TEMPORARY;
    q->is_done = true;
    pthread_cond_signal(&q->done);
    pthread_mutex_unlock(&q->resolver->lock);
    ub_resolve_free(result);
    question_let_go(q);
}

static struct unbound_question *question_new(struct unbound_resolver *r, const char *name)
{
    pthread_condattr_t attributes;
    struct unbound_question *q = calloc(1, sizeof *q);
    if (q == NULL || pthread_condattr_init(&attributes) != 0) {
        free(q);
        return NULL;
    }
    bool is_good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(&q->done, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (!is_good) {
        free(q);
        return NULL;
    }
    q->resolver = r;
    resolver_name_copy(span_from_string(name), q->name);
    q->answer = (struct resolver_answer){.name = q->name, .outcome = OUTCOME_INTERNAL};
    q->no_answer = (struct resolver_answer){.name = q->name, .outcome = OUTCOME_TEMPORARY, .is_late = true};
    return q;
}

static struct resolver_question *unbound_ask(struct resolver *base, const char *name,
                                             enum resolver_type type);

static const struct resolver_answer *unbound_wait(struct resolver_question *base, struct deadline deadline)
{
    struct unbound_question *q = (struct unbound_question *)base;
    struct timespec until = {.tv_sec = (time_t)(deadline.at_ms / 1000),
                             .tv_nsec = (long)(deadline.at_ms % 1000) * 1000000};
    int error = 0;
    pthread_mutex_lock(&q->resolver->lock);
    while (!q->is_done && error == 0)
        error = pthread_cond_timedwait(&q->done, &q->resolver->lock, &until);
    bool is_done = q->is_done;
    pthread_mutex_unlock(&q->resolver->lock);
    return is_done ? &q->answer : &q->no_answer;
}

static void unbound_question_free(struct resolver_question *base)
{
    struct unbound_question *q = (struct unbound_question *)base;
    /* UB_NOERROR: on_answer will not be called. Otherwise it was, or is just about to be. */
    if (ub_cancel(q->resolver->ctx, q->async_id) == UB_NOERROR)
        question_let_go(q);
    question_let_go(q);
}

static void *pump_answers(void *arg)
{
    struct unbound_resolver *r = arg;
    struct pollfd fds[] = {{.fd = ub_fd(r->ctx), .events = POLLIN},
                           {.fd = r->stop_pipe[0], .events = POLLIN}};
    for (;;) {
        int ready = poll(fds, 2, -1);
        if (ready < 0 && errno != EINTR)
            break;
        if (ready > 0 && fds[1].revents != 0)
            return NULL;
        if (ready > 0 && fds[0].revents != 0 && ub_process(r->ctx) == UB_PIPE)
            break;
    }
    log_write(LOG_LEVEL_ERROR, "internal reason=libunbound");
    return NULL;
}

static void unbound_free(struct resolver *base)
{
    struct unbound_resolver *r = (struct unbound_resolver *)base;
    if (r->has_pump) {
        ssize_t written;
        do
            written = write(r->stop_pipe[1], "", 1);
        while (written < 0 && errno == EINTR);
        pthread_join(r->pump, NULL);
    }
    if (!r->is_started || r->has_answered) /* else it is lost */
        ub_ctx_delete(r->ctx);
    for (int i = 0; i < 2; i++)
        if (r->stop_pipe[i] >= 0)
            close(r->stop_pipe[i]);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static const struct resolver_operations unbound_operations = {
    .ask = unbound_ask,
    .wait = unbound_wait,
    .question_free = unbound_question_free,
    .free = unbound_free,
};

static struct resolver_question *unbound_ask(struct resolver *base, const char *name, enum resolver_type type)
{
    struct unbound_resolver *r = (struct unbound_resolver *)base;
    struct unbound_question *q = question_new(r, name);
    if (q == NULL)
        return NULL;
    q->base.operations = &unbound_operations;
    q->holders = 2;
    q->type = type;
    int error = ub_resolve_async(r->ctx, q->name, number_of(type), CLASS_IN, q, on_answer, &q->async_id);
    if (error == 0)
        return &q->base;
    question_destroy(q);
    return NULL;
}

struct unbound_option {
    const char *name, *value;
};

static const struct unbound_option unbound_options[] = {
    /* Many questions at a time, so that slow ones do not keep others from being sent. */
    {"outgoing-range:", "256"},
    {"num-queries-per-thread:", "512"},
    {"outgoing-num-tcp:", "32"},
    {"edns-buffer-size:", "1232"},
    {"key-cache-size:", "1m"},
    {"neg-cache-size:", "1m"},
    /* What is known of a server is forgotten soon: one that was down is found again within seconds, and the
     * silence of one hostile domain's servers does not make a forwarder look dead to everybody. */
    {"infra-host-ttl:", "2"},
    {"rrset-roundrobin:", "no"},
    {"do-not-query-localhost:", "no"},
    {"harden-glue:", "yes"},
    {"harden-dnssec-stripped:", "yes"},
    {"harden-referral-path:", "no"},
    {"qname-minimisation:", "no"},
    {"module-config:", "validator iterator"},
};

static int set_options(struct ub_ctx *ctx)
{
    int error = ub_ctx_debugout(ctx, NULL);
    for (size_t i = 0; i < sizeof unbound_options / sizeof unbound_options[0] && error == 0; i++)
        error = ub_ctx_set_option(ctx, unbound_options[i].name, unbound_options[i].value);
    return error;
}

/* libunbound opens its configuration by name, and a memfd has a name only where /proc is mounted. */
static int load_config(struct ub_ctx *ctx, const struct strbuf *config, bool *is_readable)
{
    char path[CONFIG_PATH_BYTES];
    int fd = memfd_create("forward-zone", MFD_CLOEXEC);
    if (fd < 0)
        return UB_READFILE;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *is_readable = access(path, R_OK) == 0;
    int error = UB_READFILE;
    if (*is_readable && write(fd, config->data, config->len) == (ssize_t)config->len)
        error = ub_ctx_config(ctx, path);
    close(fd);
    return error;
}

/* The servers of a configuration, one by one. */
static int set_each_server(struct ub_ctx *ctx, struct span config)
{
    const struct span key = RESOLVER_SERVERS_KEY;
    char address[CONFIG_LINE_BYTES];
    int error = 0;
    for (size_t at = span_find(config, 0, key); at < config.len && error == 0;
         at = span_find(config, at, key)) {
        at += key.len;
        struct span line = span_slice(config, at, span_find_byte(config, at, '\n'));
        (void)snprintf(address, sizeof address, "%.*s", (int)line.len, line.data);
        error = ub_ctx_set_fwd(ctx, address);
    }
    return error;
}

/*
 * libunbound keeps a failure of a forwarder for five seconds, so that a mail sent again at once would meet a
 * server that is already back with the failure of before. Only a configuration file can say forward-no-cache;
 * where none can be read, failures are kept. Keys are still kept for validation, and good answers in
 * resolver_cache.
 */
static int set_servers(struct ub_ctx *ctx, const struct resolver_options *options)
{
    struct strbuf config;
    bool is_readable = true;
    strbuf_init(&config, CONFIG_MAX_BYTES);
    (void)strbuf_append_string(&config, "forward-zone:\n  name: \".\"\n  forward-no-cache: yes\n");
    bool is_good = resolver_servers_append(&config, options);
    int error = is_good ? load_config(ctx, &config, &is_readable) : UB_SYNTAX;
    if (!is_readable)
        error = set_each_server(ctx, strbuf_view(&config));
    strbuf_clear(&config);
    return error;
}

/* Zones that libunbound answers by itself; servers that were named expressly know better. */
static int remove_zones(struct ub_ctx *ctx, const struct resolver_options *options)
{
    static const char *const zones[] = {"test.", "invalid.", "home.arpa."};
    int error = 0;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0] && error == 0; i++)
        if (options->nameserver_count != 0)
            error = ub_ctx_zone_remove(ctx, zones[i]);
    return error;
}

static void on_first_answer(void *arg, int error, struct ub_result *result)
{
    struct unbound_resolver *r = arg;
    (void)error;
    r->has_answered = true;
    ub_resolve_free(result);
}

static void *do_nothing(void *context)
{
    return context;
}

static bool has_thread_to_spare(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

/*
 * A question that libunbound answers itself: it reads its files and starts its thread for it. It does not
 * notice where that thread is refused to it: then it answers nothing, and ub_ctx_delete crashes.
 */
static int start_library(struct unbound_resolver *r)
{
    if (!has_thread_to_spare())
        return UB_FORKFAIL;
    struct pollfd answer = {.fd = ub_fd(r->ctx), .events = POLLIN};
    struct deadline deadline = deadline_in(START_MS);
    int async_id = 0;
    int code = ub_resolve_async(r->ctx, "localhost", ns_t_txt, CLASS_IN, r, on_first_answer, &async_id);
    r->is_started = code == 0;
    while (code == 0 && !r->has_answered) {
        if (poll(&answer, 1, (int)deadline_left_ms(deadline)) != 1)
            return UB_FORKFAIL;
        code = ub_process(r->ctx);
    }
    return code;
}

static bool fail(char *error, const char *what, const char *why)
{
    (void)snprintf(error, RESOLVER_ERROR_BYTES, "%s: %s", what, why);
    return false;
}

static bool configure(struct unbound_resolver *r, const struct resolver_options *options, char *error)
{
    r->is_validating = options->trust_anchor_file != NULL;
    int code = set_options(r->ctx);
    if (code == 0)
        code = ub_ctx_async(r->ctx, 1);
    if (code != 0)
        return fail(error, "libunbound", ub_strerror(code));
    code = set_servers(r->ctx, options);
    if (code != 0)
        return fail(error, options->nameserver_count != 0 ? "Nameservers" : "/etc/resolv.conf",
                    ub_strerror(code));
    const char *fault = r->is_validating ? resolver_anchor_fault(options->trust_anchor_file) : NULL;
    if (fault != NULL)
        return fail(error, options->trust_anchor_file, fault);
    if (r->is_validating)
        code = ub_ctx_add_ta_file(r->ctx, options->trust_anchor_file);
    if (code == 0)
        code = remove_zones(r->ctx, options);
    if (code == 0)
        code = start_library(r);
    /* The anchors are read with the first question. */
    bool is_anchor = code == UB_INITFAIL && r->is_validating;
    if (code != 0)
        return fail(error, is_anchor ? options->trust_anchor_file : "libunbound", ub_strerror(code));
    return true;
}

static bool start_pump(struct unbound_resolver *r, char *error)
{
    if (pipe2(r->stop_pipe, O_CLOEXEC) != 0)
        return fail(error, "libunbound", "no pipe");
    r->has_pump = pthread_create(&r->pump, NULL, pump_answers, r) == 0;
    return r->has_pump || fail(error, "libunbound", "no thread");
}

struct resolver *resolver_new_unbound(const struct resolver_options *options,
                                      char error[static RESOLVER_ERROR_BYTES])
{
    sigset_t all, before;
    struct unbound_resolver *r = calloc(1, sizeof *r);
    (void)snprintf(error, RESOLVER_ERROR_BYTES, "out of memory");
    if (r == NULL)
        return NULL;
    r->base.operations = &unbound_operations;
    r->stop_pipe[0] = r->stop_pipe[1] = -1;
    pthread_mutex_init(&r->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* for the two threads: signals are the program's business */
    r->ctx = ub_ctx_create();
    bool is_good = r->ctx != NULL && configure(r, options, error) && start_pump(r, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!is_good) {
        unbound_free(&r->base);
        return NULL;
    }
    struct resolver *cached = resolver_cache_take(&r->base);
    if (cached != NULL)
        error[0] = '\0';
    return cached;
}

const char *resolver_library_text(void)
{
    return ub_version();
}
