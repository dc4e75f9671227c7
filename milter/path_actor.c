/* SPDX-License-Identifier: BSD-2-Clause */
#include "path_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as the kernel */ };

/* Where a walk along a path has come to. */
struct walk {
    int folder; /* O_PATH */
    int links;
    char rest[2 * PATH_MAX];
};

static bool is_roots_alone(const struct stat *s)
{
    return s->st_uid == 0 && (s->st_mode & S_IWOTH) == 0 && ((s->st_mode & S_IWGRP) == 0 || s->st_gid == 0);
}

static bool enter(struct walk *w, const char *name)
{
    int next = openat(w->folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return false;
    if (w->folder >= 0)
        close(w->folder);
    w->folder = next;
    return true;
}

/* Puts what the link says before the rest of the path. */
static bool follow(struct walk *w, const char *name)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t len = readlinkat(w->folder, name, target, sizeof target);
    if (len < 0)
        return false;
    errno = ELOOP;
    if (++w->links > LINKS_MAX)
        return false;
    errno = ENAMETOOLONG;
    if (len == sizeof target || strlen(w->rest) >= sizeof rest)
        return false;
    memcpy(rest, w->rest, strlen(w->rest) + 1);
    (void)snprintf(w->rest, sizeof w->rest, "%.*s/%s", (int)len, target, rest);
    return w->rest[0] != '/' || enter(w, "/");
}

/* Moves the next name out of the rest; false where it is the last one, or none is left. */
static bool take_folder_name(struct walk *w, char name[static NAME_MAX + 1])
{
    size_t from = strspn(w->rest, "/"), len = strcspn(w->rest + from, "/");
    size_t next = from + len + strspn(w->rest + from + len, "/");
    if (w->rest[next] == '\0')
        return false;
    (void)snprintf(name, NAME_MAX + 1, "%.*s", (int)len, w->rest + from);
    memmove(w->rest, w->rest + next, strlen(w->rest + next) + 1);
    return true;
}

/* The user who could change what the path leads to; 0: nobody but root. False with errno. */
static bool find_changer(struct walk *w, uid_t milter_user, uid_t *changer)
{
    char name[NAME_MAX + 1];
    struct stat here, child;
    bool has_child = true;
    while (has_child) {
        if (fstat(w->folder, &here) != 0)
            return false;
        has_child = take_folder_name(w, name);
        if (has_child && fstatat(w->folder, name, &child, AT_SYMLINK_NOFOLLOW) != 0)
            return false;
        /* In a folder such as /tmp nobody else can move what is root's. */
        bool is_kept = has_child && here.st_uid == 0 && (here.st_mode & S_ISVTX) != 0 && child.st_uid == 0;
        if (!is_roots_alone(&here) && !is_kept) {
            *changer = here.st_uid != 0 ? here.st_uid : milter_user;
            return true;
        }
        if (has_child && !(S_ISLNK(child.st_mode) ? follow(w, name) : enter(w, name)))
            return false;
    }
    *changer = 0;
    return true;
}

static bool walk_along(const char *path, uid_t milter_user, uid_t *changer)
{
    struct walk w = {.folder = AT_FDCWD};
    errno = ENAMETOOLONG;
    if (strlen(path) >= PATH_MAX)
        return false;
    (void)snprintf(w.rest, sizeof w.rest, "%s", path);
    if (!enter(&w, path[0] == '/' ? "/" : "."))
        return false;
    bool ok = find_changer(&w, milter_user, changer);
    int error = errno;
    close(w.folder);
    errno = error;
    return ok;
}

bool path_actor_begin(struct path_actor *a, const struct privileges *p, const char *path)
{
    *a = (struct path_actor){.is_other = false};
    if (geteuid() != 0)
        return true;
    uid_t changer = 0;
    if (!walk_along(path, p->user, &changer))
        return false;
    if (changer == 0)
        return true;
    /* The groups stay: root needs none of its own, and the milter's user keeps his. */
    a->is_other = true;
    a->user = changer;
    if (initgroups(p->name, p->group) == 0 && setegid(p->group) == 0 && seteuid(changer) == 0)
        return true;
    path_actor_end(a);
    return false;
}

void path_actor_end(const struct path_actor *a)
{
    int error = errno;
    /* Where this failed, root could not be given up for good either, and the start ends there. */
    if (a->is_other && seteuid(0) == 0)
        (void)!setegid(0);
    errno = error;
}
