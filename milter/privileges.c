/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

enum { USER_BUFFER_BYTES = 16384, FILES_ENOUGH = 65536 };

static int refuse(int code, char *why, const char *name, const char *what)
{
    (void)snprintf(why, PRIVILEGES_WHY_BYTES, "%s: %s", name, what);
    return code;
}

/* Of the real, the effective and the saved user. */
static bool has_root(void)
{
    uid_t real = 0, effective = 0, saved = 0;
    return getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0;
}

int privileges_find(const char *user_id, struct privileges *out, char why[static PRIVILEGES_WHY_BYTES])
{
    char buffer[USER_BUFFER_BYTES];
    struct passwd entry, *found = NULL;
    *out = (struct privileges){geteuid() == 0, geteuid(), getegid(), user_id};
    int error = getpwnam_r(user_id, &entry, buffer, sizeof buffer, &found);
    if (found != NULL) {
        out->user = found->pw_uid;
        out->group = found->pw_gid;
    }
    if (found != NULL && found->pw_uid == 0)
        return refuse(EX_CONFIG, why, user_id, "the milter does not run as root");
    if (out->is_root && found == NULL)
        return refuse(EX_CONFIG, why, user_id,
                      error != 0 ? strerrordesc_np(error) : "there is no such user, make it");
    if (!out->is_root && has_root())
        return refuse(EX_SOFTWARE, why, user_id,
                      "root is the real or the saved user: start it as root or without root");
    return EX_OK;
}

/* Soft limits are for programs that cannot do with more. Root may raise the hard one, too. */
static void raise_limits(void)
{
    struct rlimit files, threads;
    const struct rlimit enough = {FILES_ENOUGH, FILES_ENOUGH};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
        (files.rlim_max >= FILES_ENOUGH || setrlimit(RLIMIT_NOFILE, &enough) != 0)) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (getrlimit(RLIMIT_NPROC, &threads) == 0) {
        threads.rlim_cur = threads.rlim_max;
        (void)setrlimit(RLIMIT_NPROC, &threads);
    }
}

void privileges_limit(const struct settings *s)
{
    const struct rlimit none = {0, 0};
    raise_limits();
    if (!s->core_dumps)
        (void)setrlimit(RLIMIT_CORE, &none);
}

/* What an execve of a file with capabilities could give back. Only root can take it away, and may not be able
 * to. */
static void empty_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) != 0)
        return true;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
            return true;
    return false;
}

/* Where there is none, as under systemd, capset may be forbidden. */
static bool empty_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0, sizeof sets);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return !has_capabilities() || (syscall(SYS_capset, &header, sets) == 0 && !has_capabilities());
}

static bool become(const struct privileges *p)
{
    if (!p->is_root)
        return true;
    empty_bounding_set();
    return initgroups(p->name, p->group) == 0 && setresgid(p->group, p->group, p->group) == 0 &&
           setresuid(p->user, p->user, p->user) == 0;
}

bool privileges_drop(const struct privileges *p, bool may_dump_core, char why[static PRIVILEGES_WHY_BYTES])
{
    bool ok = become(p) && empty_capabilities() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              prctl(PR_SET_DUMPABLE, may_dump_core ? 1 : 0, 0, 0, 0) == 0;
    if (!ok)
        (void)refuse(EX_SOFTWARE, why, p->name, strerrordesc_np(errno));
    else if (has_root() || setuid(0) == 0)
        ok = refuse(EX_SOFTWARE, why, p->name, "root was not given up") == EX_OK;
    return ok;
}
