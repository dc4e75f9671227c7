/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "settings.h"

enum { TEXT_MAX_BYTES = 1024 * 1024 };

/* A file in memory that settings_load can open by name. */
static int file_of(const void *data, size_t size, char *path, size_t path_size)
{
    int fd = memfd_create("settings", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, path_size, "/proc/self/fd/%d", fd);
    return fd;
}

/* What is printed reads back, and prints the same. */
static void check_round_trip(const struct settings *s)
{
    struct strbuf first, second, error;
    char path[64];
    strbuf_init(&first, TEXT_MAX_BYTES);
    strbuf_init(&second, TEXT_MAX_BYTES);
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    FUZZ_MUST(settings_print(s, &first));
    int fd = file_of(first.data, first.len, path, sizeof path);
    struct settings *again = settings_load(path, &error);
    FUZZ_MUST(again != NULL && settings_print(again, &second));
    FUZZ_MUST(strcmp(strbuf_string(&first), strbuf_string(&second)) == 0);
    settings_unref(again);
    close(fd);
    strbuf_clear(&first);
    strbuf_clear(&second);
    strbuf_clear(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf error;
    char path[64];
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    int fd = file_of(data, size, path, sizeof path);
    struct settings *s = settings_load(path, &error);
    FUZZ_MUST(s != NULL || error.len > 0);
    if (s != NULL)
        check_round_trip(s);
    settings_unref(s);
    close(fd);
    strbuf_clear(&error);
    return 0;
}
