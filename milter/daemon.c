/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "journal.h"
#include "milter_glue.h"
#include "runtime.h"

/* ANSWER_MS: libmilter sends an answer of ours after we have forgotten the mail. */
enum { USER_BUFFER_BYTES = 16384, DRAIN_MS = 30000, POLL_MS = 50, ANSWER_MS = 100, TICK_MS = 1000 };

static volatile sig_atomic_t wants_reload;
static volatile sig_atomic_t wants_stop;

static void on_signal(int number)
{
    if (number == SIGHUP)
        wants_reload = 1;
    else
        wants_stop = 1;
}

/*
 * libmilter has a thread of its own that waits for SIGHUP, SIGTERM and SIGINT, and ends everything on any of
 * them. The kernel hands a signal of the process to the main thread if that one does not block it, so the
 * main thread only waits for signals, with handlers, and libmilter runs in another.
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

/* Whom root becomes; nobody when root did not start us. */
struct identity {
    bool is_needed;
    uid_t user;
    gid_t group;
};

static int find_identity(const char *name, struct identity *out)
{
    char buffer[USER_BUFFER_BYTES];
    struct passwd entry, *found = NULL;
    *out = (struct identity){.is_needed = geteuid() == 0};
    if (!out->is_needed)
        return EX_OK;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return complain(EX_CONFIG, "UserID: no such user", name);
    if (found->pw_uid == 0)
        return complain(EX_CONFIG, "UserID: the milter does not run as root", name);
    out->user = found->pw_uid;
    out->group = found->pw_gid;
    return EX_OK;
}

/* For good; what only root may do was done before. */
static int become(const struct identity *identity, const char *name)
{
    if (!identity->is_needed)
        return EX_OK;
    if (initgroups(name, identity->group) != 0 || setgid(identity->group) != 0 ||
        setuid(identity->user) != 0 || setuid(0) == 0)
        return complain(EX_SOFTWARE, "UserID: cannot become", name);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return EX_OK;
}

static bool is_unix_socket(const struct settings *s)
{
    return strncmp(s->socket, "inet", 4) != 0;
}

static const char *socket_path(const struct settings *s)
{
    return strchr(s->socket, '/');
}

/* Whoever owns the socket's file may change its mode and, in a folder of his, take it away. */
static void give_socket(const struct settings *s, const struct identity *identity)
{
    if (identity->is_needed && is_unix_socket(s) && chown(socket_path(s), identity->user, (gid_t)-1) != 0)
        log_write_event(LOG_LEVEL_WARNING, "socket",
                        (const char *[]){"reason", "chown", "path", socket_path(s), "error",
                                         strerrordesc_np(errno), NULL});
}

static bool go_to_background(void)
{
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid > 0)
        _exit(EX_OK);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = setsid() >= 0 && chdir("/") == 0 && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
              dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0;
    if (null > STDERR_FILENO)
        close(null);
    return ok;
}

static void warn_of_test_settings(const struct settings *s)
{
    if (s->test_dns_data != NULL)
        log_write_event(LOG_LEVEL_WARNING, "test-setting",
                        (const char *[]){"TestDNSData", s->test_dns_data, NULL});
    if (s->test_time != 0)
        log_write(LOG_LEVEL_WARNING, "test-setting TestTime=%lld", (long long)s->test_time);
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

static void reload(const char *file, struct metrics *metrics)
{
    struct strbuf error;
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    struct runtime *before = milter_glue_runtime();
    struct settings *settings = settings_load(file, &error);
    struct runtime *runtime = settings != NULL ? runtime_renew(settings, before, &error) : NULL;
    metrics_count_event(metrics, runtime != NULL ? METRICS_EVENT_RELOAD : METRICS_EVENT_RELOAD_FAILED);
    if (runtime == NULL) {
        log_write_event(LOG_LEVEL_ERROR, "reload-failed",
                        (const char *[]){"error", strbuf_string(&error), NULL});
        reopen_evidence_log(before);
    } else {
        log_set_level((enum log_level)runtime->settings->log_level);
        metrics_set_capacity(metrics, runtime->settings->max_concurrent_replies);
        warn_of_test_settings(runtime->settings);
        milter_glue_replace_runtime(runtime);
        log_write_event(LOG_LEVEL_INFO, "reloaded", (const char *[]){"file", file, NULL});
        log_chain(runtime);
    }
    runtime_unref(before);
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

/*
 * No new connections, no new replies; those under way end, for as long as the contract gives them.
 */
static void drain(const struct settings *s, const struct metrics *metrics)
{
    struct runtime *runtime = milter_glue_runtime();
    runtime->is_stopping = true;
    runtime_unref(runtime);
    if (is_unix_socket(s))
        (void)unlink(socket_path(s));
    milter_glue_stop_listening();
    struct deadline deadline = deadline_in(DRAIN_MS);
    while (metrics_in_flight(metrics) > 0 && !deadline_passed(deadline))
        nap(POLL_MS);
    nap(ANSWER_MS);
    log_write(LOG_LEVEL_INFO, metrics_in_flight(metrics) == 0 ? "stopped" : "stopped reason=drain-timeout");
    write_chain_end();
}

struct server {
    struct runtime *runtime;
    struct metrics *metrics;
    struct deadline next_metrics;
    atomic_bool has_failed;
};

static void *serve(void *context)
{
    struct server *server = context;
    if (!milter_glue_serve(server->runtime))
        server->has_failed = true;
    return NULL;
}

/* The file and the interval are those of the configuration in force. */
static void write_metrics(struct server *server, bool is_last)
{
    struct runtime *runtime = milter_glue_runtime();
    const char *path = runtime->settings->metrics_file;
    if (path != NULL && (is_last || deadline_passed(server->next_metrics))) {
        server->next_metrics = deadline_in(runtime->settings->metrics_interval_ms);
        if (!metrics_write_file(server->metrics, path))
            log_write_event(LOG_LEVEL_ERROR, "metrics",
                            (const char *[]){"file", path, "error", strerrordesc_np(errno), NULL});
    }
    runtime_unref(runtime);
}

static int wait_for_signals(struct server *server, struct settings *settings)
{
    while (!wants_stop && !server->has_failed) {
        write_metrics(server, false);
        nap(TICK_MS);
        if (wants_reload) {
            wants_reload = 0;
            reload(settings->file, server->metrics);
        }
    }
    if (server->has_failed)
        return complain(EX_SOFTWARE, "libmilter", "ended without being asked to");
    drain(settings, server->metrics);
    write_metrics(server, true);
    /* libmilter cannot be ended quickly, and holds nothing worth waiting for. */
    _exit(EX_OK);
}

static int serve_until_signalled(struct settings *settings)
{
    struct strbuf error;
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    struct server server = {.metrics = metrics_new()};
    if (server.metrics != NULL)
        server.runtime =
            runtime_new(settings_ref(settings), RUNTIME_PURPOSE_SERVE, NULL, server.metrics, &error);
    if (server.runtime == NULL) {
        int code = complain(EX_CONFIG, "configuration", strbuf_string(&error));
        strbuf_clear(&error);
        metrics_free(server.metrics);
        return code;
    }
    pthread_t thread;
    metrics_set_capacity(server.metrics, settings->max_concurrent_replies);
    milter_glue_replace_runtime(runtime_ref(server.runtime));
    warn_of_test_settings(settings);
    log_write_event(LOG_LEVEL_INFO, "started",
                    (const char *[]){"version", PACKAGE_VERSION, "socket", settings->socket, "mode",
                                     settings->mode == SETTINGS_MODE_SHADOW ? "shadow" : "enforce", NULL});
    log_chain(server.runtime);
    if (pthread_create(&thread, NULL, serve, &server) != 0)
        return complain(EX_SOFTWARE, "thread", "cannot be started");
    (void)pthread_detach(thread);
    return wait_for_signals(&server, settings);
}

static int start(struct settings *settings, bool stays_in_foreground)
{
    struct identity identity;
    char why[MILTER_GLUE_WHY_BYTES];
    int code = find_identity(settings->user_id, &identity);
    if (code != EX_OK)
        return code;
    /* Before the socket is there: who sees it takes the milter for started, and may send a signal. */
    catch_signals();
    if (!milter_glue_listen(settings, why))
        return complain(EX_UNAVAILABLE, "Socket", why);
    give_socket(settings, &identity);
    code = become(&identity, settings->user_id);
    if (code != EX_OK)
        return code;
    if (!stays_in_foreground) {
        log_open_syslog("acme-milter", settings->syslog_facility);
        log_open_journal(JOURNAL_SOCKET, settings->syslog_facility);
        if (!go_to_background())
            return complain(EX_SOFTWARE, "background", "cannot go there");
    }
    if (!endpoint_start_library())
        return complain(EX_SOFTWARE, "libcurl", "does not start");
    return serve_until_signalled(settings);
}

int daemon_run(struct settings *settings, bool stays_in_foreground)
{
    log_open_stderr();
    log_open_journal(JOURNAL_SOCKET, settings->syslog_facility);
    log_set_level((enum log_level)settings->log_level);
    int code = start(settings, stays_in_foreground);
    settings_unref(settings);
    return code;
}
