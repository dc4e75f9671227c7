/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judges by owner and mode alone: the file itself, the folder it lies in, and for a link the folder of the
 * link, since whoever can write to a folder can put another file in its place. In a sticky folder, such as
 * /tmp, nobody but its owner can do that to a file of root's or the milter's user's. Folders further up are
 * not looked at. What is no regular file, such as /dev/null, is left alone.
 */
#include "settings_files.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings_values.h"

enum { FAULT_MAX_BYTES = 4 * PATH_MAX };

struct judgement {
    const struct settings *settings;
    uid_t user;
    gid_t group;
    settings_files_teller *tell;
    void *context;
    size_t faults;
};

static void tell_fault(struct judgement *j, const char *keyword, const char *path, const char *what,
                       const char *cure)
{
    struct strbuf text;
    strbuf_init(&text, FAULT_MAX_BYTES);
    (void)strbuf_append_format(&text, "%s: %s: %s %s: %s %s", j->settings->file, keyword, path, what, cure,
                               path);
    j->tell(strbuf_string(&text), j->context);
    j->faults++;
    strbuf_clear(&text);
}

static bool is_trusted_user(const struct judgement *j, uid_t user)
{
    return user == 0 || user == j->user || user == geteuid();
}

static bool is_trusted_group(const struct judgement *j, gid_t group)
{
    return group == 0 || group == j->group || group == getegid();
}

/* Whoever owns it may change its mode and then write. */
static void judge_writers(struct judgement *j, const char *keyword, const char *path, const struct stat *s)
{
    bool is_sticky = S_ISDIR(s->st_mode) && (s->st_mode & S_ISVTX) != 0;
    if (!is_trusted_user(j, s->st_uid))
        tell_fault(j, keyword, path, "belongs to another user than root and UserID", "chown root");
    if ((s->st_mode & S_IWOTH) != 0 && !is_sticky)
        tell_fault(j, keyword, path, "can be written by every user", "chmod o-w");
    if ((s->st_mode & S_IWGRP) != 0 && !is_trusted_group(j, s->st_gid) && !is_sticky)
        tell_fault(j, keyword, path, "can be written by another group than root's and UserID's own",
                   "chmod g-w");
}

static void judge_readers(struct judgement *j, const char *keyword, const char *path, const struct stat *s)
{
    if ((s->st_mode & S_IROTH) != 0)
        tell_fault(j, keyword, path, "is secret and can be read by every user", "chmod o-r");
    if ((s->st_mode & S_IRGRP) != 0 && !is_trusted_group(j, s->st_gid))
        tell_fault(j, keyword, path,
                   "is secret and can be read by another group than root's and UserID's own", "chmod g-r");
}

static void judge_folder_of(struct judgement *j, const char *keyword, const char *path)
{
    char folder[PATH_MAX];
    struct stat status;
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof folder)
        return;
    memcpy(folder, path, len);
    if (len == 0)
        folder[len++] = slash == NULL ? '.' : '/';
    folder[len] = '\0';
    if (stat(folder, &status) == 0)
        judge_writers(j, keyword, folder, &status);
}

static void judge_file(struct judgement *j, const char *keyword, const char *path,
                       enum settings_file_kind kind)
{
    struct stat status, link;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || lstat(path, &link) != 0)
        return;
    judge_writers(j, keyword, path, &status);
    if (kind == SETTINGS_FILE_SECRET)
        judge_readers(j, keyword, path, &status);
    judge_folder_of(j, keyword, path);
    if (!S_ISLNK(link.st_mode))
        return;
    char *target = realpath(path, NULL);
    if (target != NULL)
        judge_folder_of(j, keyword, target);
    free(target);
}

size_t settings_files_judge(const struct settings *s, uid_t user, gid_t group, settings_files_teller *tell,
                            void *context)
{
    struct judgement j = {s, user, group, tell, context, 0};
    judge_file(&j, "configuration", s->file, SETTINGS_FILE_TRUSTED);
    for (const struct settings_option *o = settings_options; o->keyword != NULL; o++) {
        if (o->file_kind == 0)
            continue;
        const char *path = *(char *const *)settings_value_at_const(o, s);
        if (path != NULL)
            judge_file(&j, o->keyword, path, o->file_kind);
    }
    return j.faults;
}
