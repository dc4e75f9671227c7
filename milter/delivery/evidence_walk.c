/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "evidence_internal.h"

enum { YEAR_MAX = 9999, MONTH_MAX = 12, DAY_MAX = 31 };

/* A folder of evidence by its place: DIRECTORY, DIRECTORY/YYYY and so on. */
struct place {
    char path[EVIDENCE_PATH_MAX_BYTES];
    int fd;
};

static void tell(const struct evidence_walk *walk, const char *path, int error)
{
    if (walk->tell_missed != NULL)
        walk->tell_missed(walk->context, path, strerrordesc_np(error));
}

/* The folder of that number; false, and a word to the caller if it is there but cannot be read. */
static bool enter(const struct evidence_walk *walk, const struct place *parent, int width, int number,
                  struct place *out)
{
    int len = snprintf(out->path, sizeof out->path, "%s/%0*d", parent->path, width, number);
    if (len < 0 || (size_t)len >= sizeof out->path) {
        tell(walk, parent->path, ENAMETOOLONG);
        return false;
    }
    out->fd = evidence_open_folder(parent->fd, out->path + strlen(parent->path) + 1);
    if (out->fd < 0 && errno != ENOENT)
        tell(walk, out->path, errno);
    return out->fd >= 0;
}

static bool walk_month(const struct evidence_walk *walk, const struct place *month)
{
    struct place day;
    bool ok = true;
    for (int number = DAY_MAX; number > 0 && ok; number--)
        if (enter(walk, month, 2, number, &day))
            ok = walk->take_day(walk->context, day.fd, day.path);
    return ok;
}

static bool walk_year(const struct evidence_walk *walk, const struct place *year)
{
    struct place month;
    bool ok = true;
    for (int number = MONTH_MAX; number > 0 && ok; number--) {
        if (!enter(walk, year, 2, number, &month))
            continue;
        ok = walk_month(walk, &month);
        close(month.fd);
    }
    return ok;
}

void evidence_walk(const char *directory, const struct evidence_walk *walk)
{
    struct place top, year;
    bool ok = true;
    (void)snprintf(top.path, sizeof top.path, "%s", directory);
    top.fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top.fd < 0) {
        tell(walk, directory, errno);
        return;
    }
    for (int number = YEAR_MAX; number > 0 && ok; number--) {
        if (!enter(walk, &top, 4, number, &year))
            continue;
        ok = walk_year(walk, &year);
        close(year.fd);
    }
    close(top.fd);
}
