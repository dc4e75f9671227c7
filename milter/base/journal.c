/* SPDX-License-Identifier: BSD-2-Clause */
#include "journal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "byte.h"

enum { STREAM_MAX_BYTES = 48 };

bool journal_is_stream(int fd, const char *stream)
{
    struct stat status;
    char own[STREAM_MAX_BYTES];
    if (stream == NULL || fstat(fd, &status) != 0)
        return false;
    (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(own, stream) == 0;
}

bool journal_open(struct journal *j, const char *path, int facility)
{
    const struct timeval limit = {.tv_sec = JOURNAL_SEND_TIMEOUT_SECONDS};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return false;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return false;
    }
    journal_close(j);
    *j = (struct journal){.fd = fd, .facility = facility};
    return true;
}

void journal_close(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/* The key as a field's name: capitals, digits, low lines. */
static void append_name(struct strbuf *out, struct span key)
{
    (void)strbuf_append_string(out, "ACME_MILTER_");
    for (size_t i = 0; i < key.len; i++) {
        char c = byte_to_lower(key.data[i]);
        bool is_letter = c >= 'a' && c <= 'z';
        (void)strbuf_append_byte(out, is_letter ? (char)(c - 'a' + 'A') : byte_is_digit(c) ? c : '_');
    }
}

/* One value and where it ends. In quotes a backslash stands before a quote and before another one. */
static const char *append_value(struct strbuf *out, const char *at)
{
    bool is_quoted = *at == '"';
    if (is_quoted)
        at++;
    for (; *at != '\0' && *at != (is_quoted ? '"' : ' '); at++) {
        if (is_quoted && at[0] == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        (void)strbuf_append_byte(out, *at);
    }
    return is_quoted && *at == '"' ? at + 1 : at;
}

/* Words that are no KEY=VALUE are passed over. */
static void append_fields(struct strbuf *out, const char *text)
{
    size_t event = strcspn(text, " ");
    (void)strbuf_append_format(out, "ACME_MILTER_EVENT=%.*s\n", (int)event, text);
    for (const char *at = text + event; *at != '\0';) {
        at += strspn(at, " ");
        size_t len = strcspn(at, "= ");
        if (len == 0 || at[len] != '=') {
            at += len + (at[len] == '=');
            continue;
        }
        append_name(out, (struct span){at, len});
        (void)strbuf_append_byte(out, '=');
        at = append_value(out, at + len + 1);
        (void)strbuf_append_byte(out, '\n');
    }
}

bool journal_send(const struct journal *j, int priority, const char *prefix, const char *text)
{
    struct strbuf entry;
    size_t queue_id = strlen(prefix) > 2 ? strlen(prefix) - 2 : 0;
    strbuf_init(&entry, JOURNAL_ENTRY_MAX_BYTES);
    (void)strbuf_append_format(
        &entry, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=acme-milter\nMESSAGE=%s%s\n", priority,
        LOG_FAC(j->facility), prefix, text);
    if (queue_id > 0)
        (void)strbuf_append_format(&entry, "ACME_MILTER_QUEUE_ID=%.*s\n", (int)queue_id, prefix);
    append_fields(&entry, text);
    bool ok = entry.error == STRBUF_ERROR_NONE &&
              send(j->fd, entry.data, entry.len, MSG_NOSIGNAL) == (ssize_t)entry.len;
    strbuf_clear(&entry);
    return ok;
}
