/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines to syslog, standard error or systemd's journal. Contract section 7: one line an event, key=value, and
 * whatever came from the network goes through log_line_*, which escapes it to printable ASCII.
 */
#ifndef LOG_H
#define LOG_H

#include <stdint.h>

#include "strbuf.h"

enum log_level {
    LOG_LEVEL_ERROR = 1,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

enum { LOG_LINE_BYTES = 4096, LOG_VALUE_BYTES = 512 };

/* facility: a name of syslog.conf(5). Call once before threads start; log_set_level may come later at any
 * time. */
void log_open_syslog(const char *ident, int facility);
void log_open_stderr(void);
/* Behind either of them: where systemd's journal listens at path (JOURNAL_SOCKET), and where syslog or
 * standard error leads to it, lines go there with their fields (journal.h). What the journal does not take
 * still goes to syslog or standard error. */
void log_open_journal(const char *path, int facility);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
bool log_facility_from_name(struct span name, int *facility);
const char *log_facility_name(int facility);
bool log_level_from_name(struct span name, enum log_level *level);
const char *log_level_name(enum log_level level);

/* What every line of this thread begins with, "QUEUEID: ". Set it at each callback's start; NULL takes it
 * away. */
void log_set_prefix(const char *queue_id);

/* Whole line, "EVENT KEY=VALUE ...", for values that need no quotes; control characters in it are escaped. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* A logfmt line made key by key. Values are quoted when they hold a blank, a quote, '=' or nothing at all. */
struct log_line {
    struct strbuf text;
};

/* pairs: key, value, key, value ... and NULL; a key whose value is NULL is left out. */
void log_write_event(enum log_level level, const char *event, const char *const *pairs);

void log_line_begin(struct log_line *line, const char *event); /* "reply" */
void log_line_add(struct log_line *line, const char *key, struct span value);
void log_line_add_string(struct log_line *line, const char *key, const char *value); /* NULL: left out */
void log_line_add_number(struct log_line *line, const char *key, int64_t value);
void log_line_write(struct log_line *line, enum log_level level); /* writes and frees */

#endif
