/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzzer over its corpus, one TAP test a file; without files, over the empty input. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

enum { INPUT_MAX_BYTES = 1024 * 1024, PATH_BYTES = 4096 };

static int run_file(const char *path)
{
    static uint8_t data[INPUT_MAX_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    uint8_t *exact = malloc(size != 0 ? size : 1);
    if (exact == NULL)
        return -1;
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int run_folder(const char *folder, int done)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[PATH_BYTES];
        int len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof path)
            continue;
        int failed = run_file(path);
        printf("%s %d - %s\n", failed ? "not ok" : "ok", ++done, entry->d_name);
        fflush(stdout);
    }
    if (dir != NULL)
        closedir(dir);
    return done;
}

int main(int argc, char **argv)
{
    const char *source = getenv("TEST_SRCDIR");
    const char *name = strrchr(argv[0], '/');
    name = name != NULL ? name + 1 : argv[0];
    name = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
    for (int i = 1; i < argc; i++)
        if (run_file(argv[i]) != 0)
            return 1;
    if (argc > 1)
        return 0;
    char folder[PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".", name);
    const uint8_t nothing = 0;
    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    printf("ok 1 - empty input\n");
    int done = run_folder(folder, 1);
    printf("1..%d\n", done);
    return done > 1 ? 0 : 1; /* a fuzzer without a corpus shows nothing */
}
