/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

bool scratch_make(char path[static SCRATCH_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, SCRATCH_PATH_BYTES, "%s/acme-milter-test.XXXXXX", parent != NULL ? parent : "/tmp");
    return mkdtemp(path) != NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void scratch_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static FILE *open_file(const char *folder, const char *name, const char *mode)
{
    char path[2 * SCRATCH_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, mode);
}

const char *scratch_read(const char *folder, const char *name)
{
    static char text[SCRATCH_TEXT_BYTES];
    FILE *file = open_file(folder, name, "r");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file != NULL)
        (void)fclose(file);
    return text;
}

bool scratch_write(const char *folder, const char *name, const char *text)
{
    FILE *file = open_file(folder, name, "w");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

void scratch_limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}
