/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of 16 bytes, sorted: the first 15 bytes of a key's SHA-256, and the number of the collection that
 * it comes from. The file is copied into memory that nobody can write, and checked there. A mapping of the
 * file itself would change, or end the process, when somebody writes over the file instead of replacing it.
 */
#include "weak_key_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_BYTES = KEY_FACTS_DIGEST_BYTES + 1 };
static const off_t size_max = (off_t)1 << 30;

struct weak_key_list {
    unsigned char *records; /* owned: a mapping */
    size_t count;
};

#define CURE "fetch the list again, such as by badkeys --update-bl, or set WeakKeyFile none"

/* NULL, or what is wrong with the file itself; errno holds the system's reason where that is not "". */
static const char *check_file(int fd, size_t *size)
{
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return "";
    if (!S_ISREG(status.st_mode))
        return "is not a regular file";
    if (status.st_size == 0 || status.st_size > size_max || status.st_size % RECORD_BYTES != 0)
        return "is not a list of weak keys: its size is not 1 to 67108864 records of 16 bytes";
    *size = (size_t)status.st_size;
    return NULL;
}

static const char *read_whole(int fd, unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, bytes + at, size - at);
        if (got == 0)
            return "became shorter while it was read";
        if (got < 0 && errno != EINTR)
            return "";
        at += got > 0 ? (size_t)got : 0;
    }
    return NULL;
}

static const unsigned char *record_at(const struct weak_key_list *list, size_t i)
{
    return list->records + i * RECORD_BYTES;
}

static const char *check_order(const struct weak_key_list *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (memcmp(record_at(list, i - 1), record_at(list, i), KEY_FACTS_DIGEST_BYTES) > 0)
            return "is not a list of weak keys: its records are not sorted";
    return NULL;
}

static const char *load(int fd, struct weak_key_list *list)
{
    size_t size = 0;
    const char *why = check_file(fd, &size);
    if (why != NULL)
        return why;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return "";
    list->records = bytes;
    list->count = size / RECORD_BYTES;
    why = read_whole(fd, bytes, size);
    if (why == NULL && mprotect(bytes, size, PROT_READ) != 0)
        why = "";
    return why != NULL ? why : check_order(list);
}

struct weak_key_list *weak_key_list_load(const char *path, struct strbuf *error)
{
    struct weak_key_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        (void)strbuf_append_string(error, "out of memory");
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the start */
    const char *why = load(fd, list);
    if (why != NULL && *why == '\0')
        (void)strbuf_append_format(error, "%s: %s; " CURE, path, strerrordesc_np(errno));
    else if (why != NULL)
        (void)strbuf_append_format(error, "%s %s; " CURE, path, why);
    if (fd >= 0)
        close(fd);
    if (why == NULL)
        return list;
    weak_key_list_free(list);
    return NULL;
}

void weak_key_list_free(struct weak_key_list *list)
{
    if (list == NULL)
        return;
    if (list->records != NULL)
        (void)munmap(list->records, list->count * RECORD_BYTES);
    free(list);
}

bool weak_key_list_has(const struct weak_key_list *list, const uint8_t digest[static KEY_FACTS_DIGEST_BYTES])
{
    size_t from = 0;
    size_t to = list != NULL ? list->count : 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = memcmp(record_at(list, middle), digest, KEY_FACTS_DIGEST_BYTES);
        if (order == 0)
            return true;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}
