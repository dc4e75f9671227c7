/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log line with its fields, in the native protocol of systemd's journal: one datagram an entry, one
 * "FIELD=value" a line. The fields are the keys of the line, so that journalctl can be asked for them:
 *
 *     PRIORITY=6
 *     SYSLOG_FACILITY=2
 *     SYSLOG_IDENTIFIER=acme-milter
 *     MESSAGE=4X7bQz1Yp5z: reply verdict=pass ...
 *     ACME_MILTER_QUEUE_ID=4X7bQz1Yp5z
 *     ACME_MILTER_EVENT=reply
 *     ACME_MILTER_VERDICT=pass
 *
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "strbuf.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

enum { JOURNAL_ENTRY_MAX_BYTES = 131072, JOURNAL_SEND_TIMEOUT_SECONDS = 1 };

struct journal {
    int fd;       /* -1: not open */
    int facility; /* as of syslog(3) */
};

/* Whether fd is the journal's, by the text of $JOURNAL_STREAM, "DEVICE:INODE" (sd-daemon(3)); NULL: it is
 * not. */
bool journal_is_stream(int fd, const char *stream);

/* False where nobody listens at path: j stays as it was, and the log goes where it went before. */
bool journal_open(struct journal *j, const char *path, int facility);
void journal_close(struct journal *j);

/* prefix: "QUEUEID: " or nothing. text: "EVENT KEY=VALUE ...", escaped as log.h says. priority: as of
 * syslog(3). False: not sent, within a second at the latest. */
bool journal_send(const struct journal *j, int priority, const char *prefix, const char *text) MUST_CHECK;

#endif
