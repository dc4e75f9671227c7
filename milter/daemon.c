/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "journal.h"
#include "listen_socket.h"
#include "milter_glue.h"
#include "pid_file.h"
#include "privileges.h"
#include "resources.h"
#include "runtime.h"
#include "sandbox.h"
#include "service_manager.h"
#include "settings_files.h"

enum {
    DRAIN_MS = 30000,
    POLL_MS = 50,
    ANSWER_MS = 100, /* libmilter sends an answer of ours after we have forgotten the mail */
    TICK_MS = 1000,
    PROBE_MAX_MS = 5000,
    PROBES_PER_WATCHDOG = 4,
};

struct server {
    struct settings *settings; /* those of the start: what a reload cannot change is taken from here */
    struct privileges privileges;
    struct service_manager manager;
    struct listen_socket listener;
    struct background background;
    struct pid_file pid_file;
    struct sandbox sandbox;
    struct resources resources;
    struct runtime *runtime;
    struct runtime *replaced; /* a list: held until no mail under way holds them */
    struct metrics *metrics;
    struct deadline next_metrics;
    bool has_metrics_failed;
    struct deadline next_probe;
    atomic_bool has_failed;
};

/* Atomic, for a signal that comes while the main thread still has another one pending runs in any thread. */
static atomic_bool wants_reload;
static atomic_bool wants_stop;

static void on_signal(int number)
{
    if (number == SIGHUP)
        wants_reload = true;
    else
        wants_stop = true;
}

/*
 * libmilter has a thread of its own that waits for SIGHUP, SIGTERM and SIGINT, and ends everything on any of
 * them. The kernel hands a signal of the process to a thread that does not block it, the main one first, so
 * the main thread only waits for signals, with handlers, and libmilter runs in another.
 */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGHUP, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGXFSZ, &action, NULL); /* a file that may not grow is as a full disk */
}

/* As process 1 of a container we are given the children that others left behind; ignored, none stays. */
static void ignore_children(void)
{
    const struct sigaction action = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGCHLD, &action, NULL);
}

static int complain(int code, const char *what, const char *why)
{
    struct strbuf text;
    strbuf_init(&text, LOG_VALUE_BYTES);
    (void)strbuf_append_format(&text, "%s: %s", what, why);
    log_write_event(LOG_LEVEL_ERROR, "start-failed", (const char *[]){"error", strbuf_string(&text), NULL});
    strbuf_clear(&text);
    return code;
}

static void warn_of_test_settings(const struct settings *s)
{
    if (s->test_dns_data != NULL)
        log_write_event(LOG_LEVEL_WARNING, "test-setting",
                        (const char *[]){"TestDNSData", s->test_dns_data, NULL});
    if (s->test_time != 0)
        log_write(LOG_LEVEL_WARNING, "test-setting TestTime=%lld", (long long)s->test_time);
}

static void warn_of_evidence(const struct settings *s)
{
    if (s->evidence_directory != NULL && s->mode == SETTINGS_MODE_ENFORCE &&
        !evidence_folder_can_write(s->evidence_directory))
        log_write_event(LOG_LEVEL_ERROR, "evidence",
                        (const char *[]){"reason", "directory", "path", s->evidence_directory, "error",
                                         strerrordesc_np(errno), NULL});
}

/* So that a syslog kept elsewhere shows what the end of the log was. */
static void log_chain(const struct runtime *runtime)
{
    char last[EVIDENCE_LOG_HASH_SIZE];
    if (runtime->evidence_log == NULL)
        return;
    evidence_log_last(runtime->evidence_log, last);
    log_write_event(LOG_LEVEL_INFO, "evidence-log",
                    (const char *[]){"file", evidence_log_path(runtime->evidence_log), "last", last, NULL});
}

/* The file may have been moved away even where the new configuration is no good. */
static void reopen_evidence_log(const struct runtime *runtime)
{
    if (runtime->evidence_log != NULL && !evidence_log_reopen(runtime->evidence_log))
        log_write(LOG_LEVEL_ERROR, "evidence reason=reopen");
    log_chain(runtime);
}

static void warn_of_file(const char *fault, void *context)
{
    (void)context;
    log_write_event(LOG_LEVEL_WARNING, "unsafe-file", (const char *[]){"error", fault, NULL});
}

static void keep_first_fault(const char *fault, void *error)
{
    struct strbuf *text = error;
    if (text->len == 0)
        (void)strbuf_append_string(text, fault);
}

/* False with error. */
static bool check_files(const struct settings *s, const struct privileges *p, struct strbuf *error)
{
    size_t faults = settings_files_judge(s, p->user, p->group,
                                         s->require_safe_files ? keep_first_fault : warn_of_file, error);
    if (faults == 0 || !s->require_safe_files)
        return true;
    if (faults > 1)
        (void)strbuf_append_format(error, " (and %zu more: acme-milter -n tells all)", faults - 1);
    return false;
}

/* before: the one in force, or NULL. NULL with error. */
static struct runtime *make_runtime(struct server *server, struct settings *settings,
                                    const struct runtime *before, struct strbuf *error)
{
    char why[SANDBOX_WHY_BYTES];
    if (settings == NULL)
        return NULL;
    if (!sandbox_reaches(&server->sandbox, settings, why)) {
        (void)strbuf_append_string(error, why);
        settings_unref(settings);
        return NULL;
    }
    if (!check_files(settings, &server->privileges, error)) {
        settings_unref(settings);
        return NULL;
    }
    if (before != NULL)
        return runtime_renew(settings, before, error);
    return runtime_new(settings, RUNTIME_PURPOSE_SERVE, NULL, server->metrics, error);
}

static void take_runtime(struct server *server, struct runtime *runtime)
{
    log_set_level((enum log_level)runtime->settings->log_level);
    resources_compare(&server->resources, runtime->settings->max_concurrent_replies);
    server->has_metrics_failed = false;
    warn_of_test_settings(runtime->settings);
    warn_of_evidence(runtime->settings);
    milter_glue_replace_runtime(runtime);
}

/*
 * A reload makes the new runtime while the old one is there. glibc keeps the holes that the old one leaves,
 * and the next one does not fit them: the process grew by two megabytes over 200 reloads.
 */
static void give_heap_back(void)
{
#ifdef M_ARENA_MAX
    (void)malloc_trim(0);
#endif
}

/* A mail under way must not let go last: its thread is not the one that made the runtime. */
static void free_replaced(struct server *server)
{
    for (struct runtime **at = &server->replaced; *at != NULL;) {
        struct runtime *r = *at;
        if (runtime_is_shared(r)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        runtime_unref(r);
        give_heap_back();
    }
}

static void reload(struct server *server)
{
    struct strbuf error;
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    struct runtime *before = milter_glue_runtime();
    service_manager_tell(&server->manager, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading %s",
                         (long long)clock_monotonic_us(), server->settings->file);
    struct runtime *runtime =
        make_runtime(server, settings_load(server->settings->file, &error), before, &error);
    metrics_count_event(server->metrics,
                        runtime != NULL ? METRICS_EVENT_RELOAD : METRICS_EVENT_RELOAD_FAILED);
    if (runtime == NULL) {
        log_write_event(LOG_LEVEL_ERROR, "reload-failed",
                        (const char *[]){"error", strbuf_string(&error), NULL});
        reopen_evidence_log(before);
        service_manager_tell(&server->manager, "READY=1\nSTATUS=Serving %s; the last reload failed: %s",
                             server->settings->socket, strbuf_string(&error));
        runtime_unref(before);
    } else {
        take_runtime(server, runtime);
        log_write_event(LOG_LEVEL_INFO, "reloaded", (const char *[]){"file", server->settings->file, NULL});
        log_chain(runtime);
        service_manager_tell(&server->manager, "READY=1\nSTATUS=Serving %s", server->settings->socket);
        before->next = server->replaced;
        server->replaced = before;
    }
    strbuf_clear(&error);
}

static void nap(int ms)
{
    (void)poll(NULL, 0, ms);
}

static void write_chain_end(void)
{
    struct runtime *runtime = milter_glue_runtime();
    if (runtime->evidence_log != NULL)
        evidence_log_note(runtime->evidence_log);
    log_chain(runtime);
    runtime_unref(runtime);
}

/* No new connections, no new replies; those under way end, for as long as the contract gives them. */
static void drain(struct server *server)
{
    struct runtime *runtime = milter_glue_runtime();
    runtime->is_stopping = true;
    runtime_unref(runtime);
    service_manager_tell(&server->manager, "STOPPING=1\nSTATUS=Letting the replies under way end");
    listen_socket_remove(&server->listener, &server->privileges);
    if (!listen_socket_stop(&server->listener))
        log_write(LOG_LEVEL_WARNING, "socket reason=stop-listening");
    struct deadline deadline = deadline_in(DRAIN_MS);
    while (metrics_in_flight(server->metrics) > 0 && !deadline_passed(deadline))
        nap(POLL_MS);
    nap(ANSWER_MS);
    log_write(LOG_LEVEL_INFO,
              metrics_in_flight(server->metrics) == 0 ? "stopped" : "stopped reason=drain-timeout");
    write_chain_end();
}

static void wake(const void *context)
{
    (void)listen_socket_wake(context);
}

static void *serve(void *context)
{
    struct server *server = context;
    (void)milter_glue_serve((struct milter_glue_waker){wake, &server->listener});
    server->has_failed = true; /* libmilter is never asked to end */
    return NULL;
}

static void measure_load(struct metrics *metrics, const struct runtime *runtime)
{
    metrics_set_resource(metrics, METRICS_RESOURCE_REPLIES,
                         workload_taken(runtime->workload, WORKLOAD_PLACE_REPLY),
                         runtime->settings->max_concurrent_replies);
    metrics_set_resource(metrics, METRICS_RESOURCE_MEMORY, workload_bytes(runtime->workload),
                         runtime->settings->max_memory);
}

/* The file and the interval are those of the configuration in force. A failure is told when it begins. */
static void write_metrics(struct server *server, bool is_last)
{
    struct runtime *runtime = milter_glue_runtime();
    const char *path = runtime->settings->metrics_file;
    if (path != NULL && (is_last || deadline_passed(server->next_metrics))) {
        server->next_metrics = deadline_in(runtime->settings->metrics_interval_ms);
        measure_load(server->metrics, runtime);
        bool has_failed = !metrics_write_file(server->metrics, path);
        if (has_failed && !server->has_metrics_failed)
            log_write_event(LOG_LEVEL_ERROR, "metrics",
                            (const char *[]){"file", path, "error", strerrordesc_np(errno), NULL});
        server->has_metrics_failed = has_failed;
    }
    runtime_unref(runtime);
}

/* The watchdog hears of us only as long as a milter session can be opened; see also listen_socket.h. */
static void feed_watchdog(struct server *server)
{
    int64_t interval_ms = server->manager.watchdog_ms / PROBES_PER_WATCHDOG;
    if (interval_ms == 0 || !deadline_passed(server->next_probe))
        return;
    server->next_probe = deadline_in(interval_ms);
    switch (listen_socket_probe(&server->listener, interval_ms < PROBE_MAX_MS ? interval_ms : PROBE_MAX_MS)) {
    case LISTEN_SOCKET_SILENT:
        if (!wants_stop && !wants_reload)
            log_write(LOG_LEVEL_WARNING, "watchdog reason=silent");
        return;
    case LISTEN_SOCKET_ANSWERS:
    case LISTEN_SOCKET_UNREACHABLE:
        break;
    }
    service_manager_tell(&server->manager, "WATCHDOG=1");
}

static int wait_for_signals(struct server *server)
{
    while (!wants_stop && !server->has_failed) {
        resources_watch(&server->resources, server->metrics);
        write_metrics(server, false);
        feed_watchdog(server);
        free_replaced(server);
        nap(TICK_MS);
        if (wants_reload && !wants_stop) {
            wants_reload = false;
            reload(server);
        }
    }
    if (server->has_failed)
        return complain(EX_SOFTWARE, "libmilter", "ended without being asked to");
    drain(server);
    write_metrics(server, true);
    pid_file_remove(&server->pid_file, &server->privileges);
    /* libmilter cannot be ended quickly, and holds nothing worth waiting for. */
    _exit(EX_OK);
}

/* It stays in the socket's queue until libmilter serves. */
static void warn_of_own_socket(const struct listen_socket *listener)
{
    if (!listen_socket_wake(listener))
        log_write_event(LOG_LEVEL_WARNING, "socket",
                        (const char *[]){"reason", "wake", "error", strerrordesc_np(errno), NULL});
}

/* From here on the milter is there: for the MTA, for who started it and for the service manager. */
static int serve_until_signalled(struct server *server)
{
    const struct settings *s = server->settings;
    pthread_t thread;
    if (server->background.ready >= 0) {
        log_open_syslog("acme-milter", s->syslog_facility);
        log_open_journal(JOURNAL_SOCKET, s->syslog_facility);
    }
    sandbox_tell(&server->sandbox);
    take_runtime(server, server->runtime);
    log_write_event(LOG_LEVEL_INFO, "started",
                    (const char *[]){"version", PACKAGE_VERSION, "socket", s->socket, "mode",
                                     s->mode == SETTINGS_MODE_SHADOW ? "shadow" : "enforce", NULL});
    log_chain(server->runtime);
    warn_of_own_socket(&server->listener);
    if (pthread_create(&thread, NULL, serve, server) != 0)
        return complain(EX_SOFTWARE, "thread", "cannot be started");
    (void)pthread_detach(thread);
    background_ready(&server->background);
    service_manager_tell(&server->manager, "READY=1\nSTATUS=Serving %s", s->socket);
    if (s->evidence_directory != NULL && s->mode == SETTINGS_MODE_ENFORCE)
        evidence_sweep(s->evidence_directory);
    return wait_for_signals(server);
}

static int open_runtime(struct server *server)
{
    struct strbuf error;
    int code = EX_OK;
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    server->metrics = metrics_new();
    if (server->metrics != NULL)
        server->runtime = make_runtime(server, settings_ref(server->settings), NULL, &error);
    if (server->runtime == NULL) {
        code = complain(EX_CONFIG, "configuration", strbuf_string(&error));
        metrics_free(server->metrics);
    }
    strbuf_clear(&error);
    return code;
}

/* What only the user who started us may do, and what has to be done before there are threads. */
static int open_as_starter(struct server *server, bool stays_in_foreground)
{
    const struct settings *s = server->settings;
    char why[MILTER_GLUE_WHY_BYTES];
    privileges_limit(s);
    (void)umask(022); /* MetricsFile and PidFile are for others to read; what is not has a mode of its own */
    if (!listen_socket_open(&server->listener, s, &server->manager, &server->privileges, why))
        return complain(EX_UNAVAILABLE, "Socket", why);
    if (!stays_in_foreground && !background_enter(&server->background))
        return complain(EX_SOFTWARE, "background", strerrordesc_np(errno));
    ignore_children();
    if (!pid_file_write(&server->pid_file, s->pid_file, &server->privileges)) {
        (void)snprintf(why, sizeof why, "%s: %s", s->pid_file, strerrordesc_np(errno));
        return complain(EX_CONFIG, "PidFile", why);
    }
    return EX_OK;
}

static int start(struct server *server, bool stays_in_foreground)
{
    char why[PRIVILEGES_WHY_BYTES];
    int code = privileges_find(server->settings->user_id, &server->privileges, why);
    if (code != EX_OK)
        return complain(code, "UserID", why);
    /* Before the socket is there: who sees it takes the milter for started, and may send a signal. */
    catch_signals();
    code = open_as_starter(server, stays_in_foreground);
    if (code != EX_OK)
        return code;
    resources_open(&server->resources);
    if (!privileges_drop(&server->privileges, server->settings->core_dumps, why))
        return complain(EX_SOFTWARE, "UserID", why);
    if (!endpoint_start_library())
        return complain(EX_SOFTWARE, "libcurl", "does not start");
    sandbox_enter(&server->sandbox, server->settings, server->listener.path);
    code = open_runtime(server);
    return code == EX_OK ? serve_until_signalled(server) : code;
}

/*
 * glibc gives each of libmilter's threads a heap of its own until there are eight for each processor. What
 * one has freed the next does not use: the process grew by four megabytes over 200,000 replies.
 */
static void limit_heaps(void)
{
#ifdef M_ARENA_MAX
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    (void)mallopt(M_ARENA_MAX, processors > 1 ? (int)processors : 1);
#endif
}

int daemon_run(struct settings *settings, bool stays_in_foreground, char *const *environment)
{
    struct server server = {.settings = settings, .background.ready = -1};
    limit_heaps();
    log_open_stderr();
    log_open_journal(JOURNAL_SOCKET, settings->syslog_facility);
    log_set_level((enum log_level)settings->log_level);
    service_manager_init(&server.manager, environment);
    int code = start(&server, stays_in_foreground);
    listen_socket_remove(&server.listener, &server.privileges);
    pid_file_remove(&server.pid_file, &server.privileges);
    settings_unref(settings);
    return code;
}
