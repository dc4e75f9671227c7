/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "byte.h"
#include "clock.h"
#include "journal.h"
#include "name_table.h"

enum { QUEUE_ID_MAX_BYTES = 32, PREFIX_BYTES = 4 * QUEUE_ID_MAX_BYTES + 3 };

static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_bool is_syslog;
static struct journal journal = {.fd = -1};
static _Thread_local char prefix[PREFIX_BYTES];

static const struct name_table_row level_names[] = {
    {LOG_LEVEL_ERROR, "error"},
    {LOG_LEVEL_WARNING, "warning"},
    {LOG_LEVEL_INFO, "info"},
    {LOG_LEVEL_DEBUG, "debug"},
    {0, NULL},
};

static const struct name_table_row facility_names[] = {
    {LOG_MAIL, "mail"},     {LOG_DAEMON, "daemon"},
    {LOG_AUTH, "auth"},     {LOG_AUTHPRIV, "authpriv"},
    {LOG_USER, "user"},     {LOG_LOCAL0, "local0"},
    {LOG_LOCAL1, "local1"}, {LOG_LOCAL2, "local2"},
    {LOG_LOCAL3, "local3"}, {LOG_LOCAL4, "local4"},
    {LOG_LOCAL5, "local5"}, {LOG_LOCAL6, "local6"},
    {LOG_LOCAL7, "local7"}, {0, NULL},
};

void log_open_syslog(const char *ident, int facility)
{
    openlog(ident, LOG_PID | LOG_NDELAY, facility);
    is_syslog = true;
}

void log_open_stderr(void)
{
    is_syslog = false;
}

void log_open_journal(const char *path, int facility)
{
    if (is_syslog || journal_is_stream(STDERR_FILENO, secure_getenv("JOURNAL_STREAM")))
        (void)journal_open(&journal, path,
                           facility); /* where there is none, lines go where they went before */
}

void log_set_level(enum log_level level)
{
    current_level = (int)level;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= current_level;
}

bool log_facility_from_name(struct span name, int *facility)
{
    return name_table_value(facility_names, name, facility);
}

const char *log_facility_name(int facility)
{
    return name_table_name(facility_names, facility);
}

bool log_level_from_name(struct span name, enum log_level *level)
{
    int value;
    if (!name_table_value(level_names, name, &value))
        return false;
    *level = (enum log_level)value;
    return true;
}

const char *log_level_name(enum log_level level)
{
    return name_table_name(level_names, (int)level);
}

void log_set_prefix(const char *queue_id)
{
    struct strbuf text;
    prefix[0] = '\0';
    if (queue_id == NULL || *queue_id == '\0')
        return;
    strbuf_init(&text, PREFIX_BYTES - 1);
    (void)strbuf_append_escaped(&text, span_slice(span_from_string(queue_id), 0, QUEUE_ID_MAX_BYTES));
    (void)strbuf_append_string(&text, ": ");
    (void)snprintf(prefix, sizeof prefix, "%s", strbuf_string(&text));
    strbuf_clear(&text);
}

static int syslog_priority(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return LOG_ERR;
    case LOG_LEVEL_WARNING:
        return LOG_WARNING;
    case LOG_LEVEL_INFO:
        return LOG_INFO;
    case LOG_LEVEL_DEBUG:
        break;
    }
    return LOG_DEBUG;
}

static void emit(enum log_level level, const char *text)
{
    if (journal.fd >= 0 && journal_send(&journal, syslog_priority(level), prefix, text))
        return;
    if (is_syslog) {
        syslog(syslog_priority(level), "%s%s", prefix, text);
        return;
    }
    char now[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(clock_wall_seconds(0), now);
    (void)fprintf(stderr, "%s acme-milter: %s%s\n", now, prefix, text);
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char raw[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (len < 0)
        return;
    struct strbuf text;
    strbuf_init(&text, 4 * sizeof raw);
    for (const char *p = raw; *p != '\0'; p++)
        if (*p == '\\' ? !strbuf_append_byte(&text, *p) : !strbuf_append_escaped(&text, (struct span){p, 1}))
            break;
    emit(level, strbuf_string(&text));
    strbuf_clear(&text);
}

void log_line_begin(struct log_line *line, const char *event)
{
    strbuf_init(&line->text, LOG_LINE_BYTES);
    (void)strbuf_append_string(&line->text, event);
}

static bool needs_quotes(struct span value)
{
    if (value.len == 0)
        return true;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] == ' ' || value.data[i] == '"' || value.data[i] == '=')
            return true;
    return false;
}

void log_line_add(struct log_line *line, const char *key, struct span value)
{
    bool quoted = needs_quotes(value);
    value = span_slice(value, 0, LOG_VALUE_BYTES);
    (void)strbuf_append_format(&line->text, quoted ? " %s=\"" : " %s=", key);
    for (size_t i = 0; i < value.len; i++) {
        char escaped[BYTE_ESCAPED_MAX];
        size_t len = byte_escape(value.data[i], escaped);
        if (escaped[0] == '"' || (quoted && escaped[0] == '\\'))
            (void)strbuf_append_byte(&line->text, '\\');
        (void)strbuf_append(&line->text, (struct span){escaped, len});
    }
    if (quoted)
        (void)strbuf_append_byte(&line->text, '"');
}

void log_line_add_string(struct log_line *line, const char *key, const char *value)
{
    if (value != NULL)
        log_line_add(line, key, span_from_string(value));
}

void log_line_add_number(struct log_line *line, const char *key, int64_t value)
{
    (void)strbuf_append_format(&line->text, " %s=%lld", key, (long long)value);
}

void log_write_event(enum log_level level, const char *event, const char *const *pairs)
{
    struct log_line line;
    log_line_begin(&line, event);
    for (; pairs[0] != NULL; pairs += 2)
        log_line_add_string(&line, pairs[0], pairs[1]);
    log_line_write(&line, level);
}

void log_line_write(struct log_line *line, enum log_level level)
{
    if (log_enabled(level))
        emit(level, strbuf_string(&line->text));
    strbuf_clear(&line->text);
}
