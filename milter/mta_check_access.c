/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the MTA's user may come to the socket: to each folder on the way, and to the socket itself.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mta_check_internal.h"

enum { NAME_BUFFER_BYTES = 16384, GROUPS_MAX = 256 };

/* A user as the kernel sees him. */
struct user {
    uid_t id;
    gid_t groups[GROUPS_MAX];
    int group_count;
};

static bool find_user(const char *name, struct user *out)
{
    char buffer[NAME_BUFFER_BYTES];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return false;
    out->id = found->pw_uid;
    out->group_count = GROUPS_MAX;
    return getgrouplist(name, found->pw_gid, out->groups, &out->group_count) >= 0;
}

static bool is_in_group(const struct user *user, gid_t group)
{
    for (int i = 0; i < user->group_count; i++)
        if (user->groups[i] == group)
            return true;
    return false;
}

/* bit: S_IXOTH or S_IWOTH, of which the class that the user is in counts. */
static bool may(const struct user *user, uid_t owner, gid_t group, mode_t mode, mode_t bit)
{
    if (user->id == 0)
        return true;
    if (user->id == owner)
        return (mode & bit << 6) != 0;
    return (mode & (is_in_group(user, group) ? bit << 3 : bit)) != 0;
}

struct visit {
    struct mta_check *check;
    const struct user *user;
    const char *user_name;
};

/*
 * Calls visit for each folder above path that can be seen, from the top; from: how many bytes of path the
 * first one has. False once visit says so.
 */
bool mta_check_walk(const char *path, size_t from,
                    bool (*visit)(void *context, const char *folder, const struct stat *status),
                    void *context)
{
    char folder[PATH_MAX];
    struct stat status;
    for (size_t end = from; path[end] != '\0'; end++) {
        bool is_whole = path[end] == '/' && path[end + 1] != '/';
        if (!is_whole || snprintf(folder, sizeof folder, "%.*s", (int)(end > 0 ? end : 1), path) < 1)
            continue;
        if (stat(folder, &status) != 0)
            return true;
        if (!visit(context, folder, &status))
            return false;
    }
    return true;
}

static bool check_searchable(void *context, const char *folder, const struct stat *status)
{
    const struct visit *v = context;
    if (may(v->user, status->st_uid, status->st_gid, status->st_mode, S_IXOTH))
        return true;
    mta_check_tell(v->check, MTA_CHECK_FAIL,
                   "%s: the user %s cannot enter this folder: let others search it (chmod o+x), or "
                   "give it to a group of his (chgrp %s, chmod g+x)",
                   folder, v->user_name, v->user_name);
    return false;
}

/* The group of the socket: as set, else its folder's if that hands it down, else that of root, who opens it.
 */
static gid_t socket_group(const struct settings *s, const char *path)
{
    char folder[PATH_MAX];
    char buffer[NAME_BUFFER_BYTES];
    struct group entry, *found = NULL;
    struct stat status;
    if (s->socket_group != NULL) {
        bool is_known = getgrnam_r(s->socket_group, &entry, buffer, sizeof buffer, &found) == 0;
        return is_known && found != NULL ? found->gr_gid : (gid_t)-1;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    return stat(folder, &status) == 0 && (status.st_mode & S_ISGID) != 0 ? status.st_gid : 0;
}

static void check_mode(const struct settings *s, const struct visit *v)
{
    struct user owner;
    uid_t owner_id = find_user(s->user_id, &owner) ? owner.id : (uid_t)-1;
    if (may(v->user, owner_id, socket_group(s, mta_check_path(s)), s->socket_mode, S_IWOTH))
        return;
    mta_check_tell(v->check, MTA_CHECK_FAIL,
                   "SocketGroup, SocketMode: the user %s may not connect to a socket of group %s and "
                   "mode %04o: set SocketGroup to a group of his (%s), and SocketMode 0660",
                   v->user_name, s->socket_group != NULL ? s->socket_group : "root", s->socket_mode,
                   v->user_name);
}

void mta_check_access(struct mta_check *k, const char *user_name, size_t from)
{
    struct user user;
    struct visit visit = {k, &user, user_name};
    if (!mta_check_is_unix(k->settings) || !find_user(user_name, &user))
        return;
    if (mta_check_walk(mta_check_path(k->settings), from, check_searchable, &visit))
        check_mode(k->settings, &visit);
}
