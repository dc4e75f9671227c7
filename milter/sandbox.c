/* SPDX-License-Identifier: BSD-2-Clause */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "sandbox_internal.h"

enum { DEPTH_MAX = 128, WANTED_MAX = 16 };

struct wanted {
    const char *keyword;
    const char *path; /* NULL: nothing */
    unsigned use;
    bool is_folder; /* the setting names a folder; else a file, whose folder counts: files are replaced whole
                     */
};

/* What libraries read: names, time zones, charsets, authorities, the DNS, and what they load of themselves.
 */
static const char *const system_paths[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/run/systemd/resolve",
    "/run/systemd/userdb",
    "/run/nscd",
    "/var/lib/sss/mc",
    "/dev/urandom",
    "/dev/random",
};

/* Of these the target, which may be elsewhere. */
static const char *const system_links[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/localtime"};

/* Gives the number of them. */
static size_t list_wanted(const struct settings *s, struct wanted out[static WANTED_MAX])
{
    const unsigned record =
        SANDBOX_USE_READ | SANDBOX_USE_WRITE | SANDBOX_USE_MAKE | SANDBOX_USE_REMOVE | SANDBOX_USE_FOLDERS;
    const unsigned append = SANDBOX_USE_READ | SANDBOX_USE_WRITE | SANDBOX_USE_MAKE;
    const unsigned replace = SANDBOX_USE_WRITE | SANDBOX_USE_MAKE | SANDBOX_USE_REMOVE;
    const struct wanted all[] = {
        {"EndpointTokenFile", s->endpoint_token_file, SANDBOX_USE_READ, false},
        {"EndpointCAFile", s->endpoint_ca_file, SANDBOX_USE_READ, false},
        {"EndpointCertificateFile", s->endpoint_certificate_file, SANDBOX_USE_READ, false},
        {"EndpointKeyFile", s->endpoint_key_file, SANDBOX_USE_READ, false},
        {"WeakKeyFile", s->weak_key_file, SANDBOX_USE_READ, false},
        {"TrustAnchorFile", s->trust_anchor_file, SANDBOX_USE_READ, false},
        {"EvidenceKeyFile", s->evidence_key_file, SANDBOX_USE_READ, false},
        {"TestDNSData", s->test_dns_data, SANDBOX_USE_READ, false},
        {"EvidenceDirectory", s->evidence_directory, record, true},
        {"EvidenceLog", s->evidence_log, append, false},
        {"MetricsFile", s->metrics_file, replace, false},
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof all[0];
}

/* The folder above, in place. A path directly below the root stays, so that it does not open all of it. */
static void cut_name(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path)
        *slash = '\0';
}

/*
 * The folder that a wanted path lies in, or that it is; where it is not there yet, the folder that it would
 * be made in. -1: neither is there.
 */
static int open_wanted(const struct wanted *w)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", w->path);
    if (!w->is_folder)
        cut_name(path);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && w->is_folder) {
        cut_name(path);
        fd = open(path, O_PATH | O_CLOEXEC);
    }
    return fd;
}

static bool is_same(const struct sandbox_folder *folder, const struct stat *status)
{
    return folder->device == status->st_dev && folder->inode == status->st_ino;
}

static unsigned use_of(const struct sandbox *sandbox, const struct stat *status)
{
    unsigned use = 0;
    for (size_t i = 0; i < sandbox->folder_count; i++)
        if (is_same(&sandbox->folders[i], status))
            use |= sandbox->folders[i].use;
    return use;
}

/* Walks up as the kernel does. Takes fd. */
static bool reaches(const struct sandbox *sandbox, int fd, unsigned use)
{
    unsigned found = 0;
    struct stat status, above;
    bool is_top = fd < 0 || fstat(fd, &status) != 0;
    for (int depth = 0; !is_top && depth < DEPTH_MAX; depth++) {
        found |= use_of(sandbox, &status);
        int parent = S_ISDIR(status.st_mode) ? openat(fd, "..", O_PATH | O_CLOEXEC) : -1;
        is_top = parent < 0 || fstat(parent, &above) != 0 ||
                 (above.st_dev == status.st_dev && above.st_ino == status.st_ino);
        close(fd);
        fd = parent;
        status = above;
    }
    if (fd >= 0)
        close(fd);
    return (found & use) == use;
}

bool sandbox_reaches(const struct sandbox *sandbox, const struct settings *s,
                     char why[static SANDBOX_WHY_BYTES])
{
    struct wanted wanted[WANTED_MAX];
    size_t count = list_wanted(s, wanted);
    for (size_t i = 0; i < count && sandbox->landlock > 0; i++) {
        int fd = wanted[i].path != NULL ? open_wanted(&wanted[i]) : -1;
        if (fd < 0 || reaches(sandbox, fd, wanted[i].use))
            continue;
        (void)snprintf(
            why, SANDBOX_WHY_BYTES,
            "%s: %s: %s lies outside of what the sandbox allows since the start: restart the milter", s->file,
            wanted[i].keyword, wanted[i].path);
        return false;
    }
    return true;
}

/* Takes fd; one that could not be opened is nothing to allow. */
static bool allow(struct sandbox *sandbox, int rules, int fd, unsigned use)
{
    struct stat status;
    if (fd < 0)
        return true;
    bool ok = sandbox->folder_count < SANDBOX_FOLDERS_MAX && fstat(fd, &status) == 0 &&
              sandbox_landlock_allow(rules, sandbox->landlock, fd, use);
    if (ok)
        sandbox->folders[sandbox->folder_count++] =
            (struct sandbox_folder){.device = status.st_dev, .inode = status.st_ino, .use = use};
    close(fd);
    return ok;
}

static bool allow_path(struct sandbox *sandbox, int rules, const char *path, unsigned use)
{
    return allow(sandbox, rules, open(path, O_PATH | O_CLOEXEC), use);
}

/* Where a link leads to, too: a certificate is often one. */
static bool allow_target(struct sandbox *sandbox, int rules, const char *path, unsigned use)
{
    char *target = realpath(path, NULL);
    if (target == NULL)
        return true;
    cut_name(target);
    bool ok = allow_path(sandbox, rules, target, use);
    free(target);
    return ok;
}

static bool allow_system(struct sandbox *sandbox, int rules)
{
    bool ok = allow_path(sandbox, rules, "/dev/null", SANDBOX_USE_READ | SANDBOX_USE_WRITE);
    for (size_t i = 0; ok && i < sizeof system_paths / sizeof system_paths[0]; i++)
        ok = allow_path(sandbox, rules, system_paths[i], SANDBOX_USE_READ);
    for (size_t i = 0; ok && i < sizeof system_links / sizeof system_links[0]; i++)
        ok = allow_target(sandbox, rules, system_links[i], SANDBOX_USE_READ);
    return ok;
}

static bool allow_wanted(struct sandbox *sandbox, int rules, const struct wanted *wanted, size_t count)
{
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        const struct wanted *w = &wanted[i];
        if (w->path == NULL)
            continue;
        int fd = open_wanted(w);
        if (fd < 0)
            log_write_event(
                LOG_LEVEL_WARNING, "sandbox",
                (const char *[]){"reason", "no-folder", "keyword", w->keyword, "path", w->path, NULL});
        ok = allow(sandbox, rules, fd, w->use) &&
             (w->is_folder || allow_target(sandbox, rules, w->path, w->use));
    }
    return ok;
}

static bool limit_files(struct sandbox *sandbox, const struct settings *s, const char *socket_path)
{
    const struct wanted own[] = {{"file", s->file, SANDBOX_USE_READ, false},
                                 {"Socket", socket_path, SANDBOX_USE_REMOVE, false}};
    struct wanted wanted[WANTED_MAX];
    int rules = sandbox_landlock_begin(sandbox->landlock);
    if (rules < 0)
        return false;
    if (allow_system(sandbox, rules) && allow_wanted(sandbox, rules, own, sizeof own / sizeof own[0]) &&
        allow_wanted(sandbox, rules, wanted, list_wanted(s, wanted)))
        return sandbox_landlock_enter(rules);
    close(rules);
    return false;
}

void sandbox_enter(struct sandbox *sandbox, const struct settings *s, const char *socket_path)
{
    *sandbox = (struct sandbox){.is_on = s->sandbox};
    if (!s->sandbox)
        return;
    sandbox->landlock = sandbox_landlock_version();
    if (sandbox->landlock > 0 && !limit_files(sandbox, s, socket_path)) {
        log_write_event(LOG_LEVEL_WARNING, "sandbox",
                        (const char *[]){"reason", "landlock", "error", strerrordesc_np(errno), NULL});
        sandbox->landlock = 0;
    }
    if (!sandbox_limit_calls())
        log_write_event(LOG_LEVEL_WARNING, "sandbox",
                        (const char *[]){"reason", "seccomp", "error", strerrordesc_np(errno), NULL});
}

void sandbox_tell(const struct sandbox *sandbox)
{
    if (sandbox->is_on)
        log_write(LOG_LEVEL_INFO, "sandbox landlock=%d", sandbox->landlock);
    else
        log_write(LOG_LEVEL_INFO, "sandbox reason=off");
}
