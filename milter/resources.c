/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Only the main thread calls this. The kernel's numbers are read from files opened before the sandbox, each
 * time from their beginning; limits are asked for each time, since prlimit(1) and the service manager may
 * change them. No loop may run over all descriptors that the limit allows, which may be a thousand million:
 * /proc/self/status says how large the process's table of them has become.
 */
#include "resources.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "span.h"

enum {
    TEXT_BYTES = 4096,
    CHUNK = 256,
    UNKNOWN_TABLE = 65536, /* where nothing says how large it is */
    WARNING_MS = 60000,
    FULL_PERCENT = 80,
    OTHER_CONNECTIONS = 200, /* of MTAs, beside those of replies: twice Postfix's default_process_limit */
    /* Our own files and pipes, and the sockets of two resolvers (outgoing-range, outgoing-num-tcp): a reload
     * makes the new one while the old one is there. */
    OWN_DESCRIPTORS = 64 + 2 * (256 + 32),
    REPLY_DESCRIPTORS =
        6, /* the MTA's connection, the ACME server's, two files of evidence, two to wake libmilter */
    OWN_THREADS = 32, /* the main one, libmilter's, two resolvers', and some for other people's mail */
};

/* limit: INT64_MAX where there is none. */
struct use {
    int64_t used, limit;
    const char *source; /* which limit that is */
};

/* False: there is none, or it cannot be read. */
static bool read_text(int fd, char text[static TEXT_BYTES])
{
    ssize_t len = fd >= 0 ? pread(fd, text, TEXT_BYTES - 1, 0) : -1;
    text[len > 0 ? len : 0] = '\0';
    return len > 0;
}

/* "max" is no number: INT64_MAX. */
static int64_t read_number(const char *text)
{
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    return end != text ? number : INT64_MAX;
}

/* The number behind a name of /proc/self/status; 0 if it is not there. */
static int64_t status_number(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found != NULL ? read_number(found + strlen(name)) : 0;
}

static void open_group(struct resources *r, const char *folder)
{
    char path[PATH_MAX];
    int files[2];
    const char *const names[] = {"pids.current", "pids.max"};
    for (size_t i = 0; i < 2; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        bool fits = len > 0 && (size_t)len < sizeof path;
        files[i] = fits ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    }
    if (files[0] >= 0 && files[1] >= 0) {
        r->groups[r->group_count].current = files[0];
        r->groups[r->group_count++].max = files[1];
        return;
    }
    for (size_t i = 0; i < 2; i++)
        if (files[i] >= 0)
            close(files[i]);
}

/* From a line of /proc/self/cgroup: of version 2 "0::PATH", of version 1 "NUMBER:pids:PATH". */
static void open_groups(struct resources *r, const char *line)
{
    const char *root = strncmp(line, "0::/", 4) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    const char *path = strchr(line, '/');
    char folder[PATH_MAX];
    int len = path != NULL ? snprintf(folder, sizeof folder, "%s%s", root, path) : -1;
    if (len < 0 || (size_t)len >= sizeof folder)
        return;
    if (folder[len - 1] == '/')
        folder[len - 1] = '\0';
    while (r->group_count < RESOURCES_GROUPS_MAX && strlen(folder) >= strlen(root)) {
        open_group(r, folder);
        *strrchr(folder, '/') = '\0';
    }
}

void resources_open(struct resources *r)
{
    char text[TEXT_BYTES], *rest = NULL;
    *r = (struct resources){.status = open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (read_text(fd, text))
        for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
            if (strncmp(line, "0::/", 4) == 0 || strstr(line, ":pids:/") != NULL)
                open_groups(r, line);
    if (fd >= 0)
        close(fd);
}

static int64_t limit_of(int resource)
{
    struct rlimit limit;
    bool is_limited = getrlimit((__rlimit_resource_t)resource, &limit) == 0 && limit.rlim_cur < INT64_MAX;
    return is_limited ? (int64_t)limit.rlim_cur : INT64_MAX;
}

/* Those below end that are open: poll says of each other that it is not valid. */
static int64_t count_open(int64_t end)
{
    struct pollfd some[CHUNK];
    int64_t count = 0;
    for (int64_t at = 0; at < end; at += CHUNK) {
        nfds_t len = (nfds_t)(end - at < CHUNK ? end - at : CHUNK);
        for (nfds_t i = 0; i < len; i++)
            some[i] = (struct pollfd){.fd = (int)(at + (int64_t)i)};
        if (poll(some, len, 0) < 0)
            return count;
        for (nfds_t i = 0; i < len; i++)
            count += (some[i].revents & POLLNVAL) == 0;
    }
    return count;
}

static struct use descriptors(const char *status)
{
    struct use use = {.limit = limit_of(RLIMIT_NOFILE), .source = "RLIMIT_NOFILE"};
    int64_t table = status_number(status, "\nFDSize:");
    table = table > 0 ? table : UNKNOWN_TABLE;
    use.used = count_open(table < use.limit ? table : use.limit);
    return use;
}

/* The limit that leaves the fewest more is told, as ours together with those that it leaves. */
static struct use threads(const struct resources *r, const char *status)
{
    struct use use = {status_number(status, "\nThreads:"), limit_of(RLIMIT_NPROC), "RLIMIT_NPROC"};
    char current[TEXT_BYTES], max[TEXT_BYTES];
    for (size_t i = 0; i < r->group_count; i++) {
        if (!read_text(r->groups[i].current, current) || !read_text(r->groups[i].max, max))
            continue;
        int64_t limit = read_number(max);
        int64_t others = read_number(current) - use.used;
        if (limit == INT64_MAX || limit - others >= use.limit)
            continue;
        use.limit = limit - others;
        use.source = "pids.max";
    }
    return use;
}

static void warn_of_few(struct use use, const char *reason, int64_t needed, const char *cure)
{
    struct log_line line;
    if (use.limit >= needed)
        return;
    log_line_begin(&line, "resources");
    log_line_add_string(&line, "reason", reason);
    log_line_add_string(&line, "source", use.source);
    log_line_add_number(&line, "limit", use.limit);
    log_line_add_number(&line, "needed", needed);
    log_line_add_string(&line, "cure", cure);
    log_line_write(&line, LOG_LEVEL_WARNING);
}

void resources_compare(const struct resources *r, int64_t replies)
{
    char status[TEXT_BYTES];
    (void)read_text(r->status, status);
    warn_of_few(descriptors(status), "few-descriptors",
                OWN_DESCRIPTORS + OTHER_CONNECTIONS + REPLY_DESCRIPTORS * replies,
                "raise LimitNOFILE= of the unit, or ulimit -n, or lower MaxConcurrentReplies");
    warn_of_few(threads(r, status), "few-threads", OWN_THREADS + replies,
                "raise TasksMax= and LimitNPROC= of the unit, or ulimit -u, or lower MaxConcurrentReplies");
}

static void watch(struct resources *r, struct metrics *m, enum metrics_resource which, struct use use,
                  const char *reason)
{
    struct log_line line;
    metrics_set_resource(m, which, use.used, use.limit);
    if (use.used < use.limit / 100 * FULL_PERCENT + use.limit % 100 * FULL_PERCENT / 100 ||
        !deadline_passed(r->next_warning[which]))
        return;
    r->next_warning[which] = deadline_in(WARNING_MS);
    log_line_begin(&line, "resources");
    log_line_add_string(&line, "reason", reason);
    log_line_add_string(&line, "source", use.source);
    log_line_add_number(&line, "used", use.used);
    log_line_add_number(&line, "limit", use.limit);
    log_line_write(&line, LOG_LEVEL_WARNING);
}

void resources_watch(struct resources *r, struct metrics *m)
{
    char status[TEXT_BYTES];
    (void)read_text(r->status, status);
    watch(r, m, METRICS_RESOURCE_DESCRIPTORS, descriptors(status), "descriptors");
    watch(r, m, METRICS_RESOURCE_THREADS, threads(r, status), "threads");
}
