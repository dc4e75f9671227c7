/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "evidence_internal.h"
#include "log.h"

enum { AGE_SECONDS = 3600, NAMES_MAX = 1000000 };

struct sweep {
    int64_t before; /* what was changed later may still be worked on */
    size_t names;
};

/* A folder of this user's that nobody has changed for an hour. */
static bool is_left(int day, const char *name, int64_t before)
{
    struct stat status;
    int folder = evidence_open_folder(day, name);
    bool ok = folder >= 0 && fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
              status.st_mtim.tv_sec < before;
    if (folder >= 0)
        close(folder);
    return ok;
}

static void remove_left(int day, const char *path, const char *name)
{
    char whole[EVIDENCE_PATH_MAX_BYTES];
    bool is_removed = evidence_remove_unfinished(day, name);
    const char *why = is_removed ? NULL : strerrordesc_np(errno);
    (void)snprintf(whole, sizeof whole, "%s/%s", path, name);
    log_write_event(LOG_LEVEL_WARNING, "evidence",
                    (const char *[]){"reason", "unfinished", "path", whole, "error", why, NULL});
}

static bool sweep_day(void *context, int fd, const char *path)
{
    struct sweep *s = context;
    const struct dirent *entry;
    DIR *list = fdopendir(fd);
    if (list == NULL) {
        close(fd);
        return false;
    }
    while (s->names < NAMES_MAX && (entry = readdir(list)) != NULL) {
        s->names++;
        if (evidence_is_unfinished_name(entry->d_name) && is_left(fd, entry->d_name, s->before))
            remove_left(fd, path, entry->d_name);
    }
    closedir(list);
    return s->names < NAMES_MAX;
}

void evidence_sweep(const char *directory)
{
    struct sweep s = {.before = clock_wall_seconds(0) - AGE_SECONDS};
    const struct evidence_walk walk = {.take_day = sweep_day, .context = &s};
    evidence_walk(directory, &walk);
}
