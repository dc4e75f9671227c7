/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "tap.h"

static FILE *capture;

/* What was logged since the last call, without the times. */
static const char *logged(void)
{
    static char text[5 * LOG_LINE_BYTES];
    static const char ident[] = " acme-milter: ";
    char line[5 * LOG_LINE_BYTES];
    text[0] = '\0';
    rewind(capture);
    while (fgets(line, sizeof line, capture) != NULL) {
        const char *at = strstr(line, ident);
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s", at != NULL ? at + sizeof ident - 1 : line);
    }
    rewind(capture);
    if (ftruncate(fileno(capture), 0) != 0)
        return "cannot truncate";
    return text;
}

static void test_names(void)
{
    int facility = -1;
    enum log_level level = LOG_LEVEL_ERROR;
    tap_ok(log_facility_from_name(SPAN_LITERAL("mail"), &facility) && facility == LOG_MAIL, "facility mail");
    tap_ok(log_facility_from_name(SPAN_LITERAL("LOCAL7"), &facility) && facility == LOG_LOCAL7,
           "facility local7");
    tap_ok(!log_facility_from_name(SPAN_LITERAL("local8"), &facility), "no such facility");
    tap_is_string(log_facility_name(LOG_DAEMON), "daemon", "name of a facility");
    tap_ok(log_level_from_name(SPAN_LITERAL("debug"), &level) && level == LOG_LEVEL_DEBUG, "level debug");
    tap_ok(!log_level_from_name(SPAN_LITERAL("loud"), &level), "no such level");
    tap_is_string(log_level_name(LOG_LEVEL_WARNING), "warning", "name of a level");
}

static void test_levels(void)
{
    log_set_level(LOG_LEVEL_WARNING);
    tap_ok(log_enabled(LOG_LEVEL_ERROR) && log_enabled(LOG_LEVEL_WARNING), "errors and warnings pass");
    tap_ok(!log_enabled(LOG_LEVEL_INFO) && !log_enabled(LOG_LEVEL_DEBUG), "info and debug do not");
    log_write(LOG_LEVEL_INFO, "not seen");
    tap_is_string(logged(), "", "a line below the level is not written");
    log_set_level(LOG_LEVEL_INFO);
    log_write(LOG_LEVEL_INFO, "seen %d", 7);
    tap_is_string(logged(), "seen 7\n", "one at the level is");
}

static void test_write(void)
{
    log_write(LOG_LEVEL_ERROR, "a\nforged=line \x1b[31m \xc3\xa9 \\x41 %%s");
    tap_is_string(logged(), "a\\x0aforged=line \\x1b[31m \\xc3\\xa9 \\x41 %s\n", "one event stays one line");
    char big[3 * LOG_LINE_BYTES];
    memset(big, '\n', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    log_write(LOG_LEVEL_ERROR, "%s", big);
    const char *line = logged();
    size_t len = strlen(line);
    tap_ok(len > LOG_LINE_BYTES / 2 && strchr(line, '\n') == line + len - 1,
           "a line too long is cut, still one line");
}

static void test_prefix(void)
{
    log_set_prefix("4X7bQz1Yp5z9Rt8mWc3");
    log_write(LOG_LEVEL_INFO, "x");
    tap_is_string(logged(), "4X7bQz1Yp5z9Rt8mWc3: x\n", "a long queue id of Postfix is whole");
    log_set_prefix("a b\n");
    log_write(LOG_LEVEL_INFO, "x");
    tap_is_string(logged(), "a b\\x0a: x\n", "the prefix is escaped");
    log_set_prefix("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1");
    log_write(LOG_LEVEL_INFO, "x");
    tap_ok(strstr(logged(), "\\x01: x\n") != NULL, "and cut, but keeps its colon");
    log_set_prefix("");
    log_write(LOG_LEVEL_INFO, "x");
    tap_is_string(logged(), "x\n", "an empty queue id is no prefix");
    log_set_prefix("Q1");
    log_set_prefix(NULL);
    log_write(LOG_LEVEL_INFO, "x");
    tap_is_string(logged(), "x\n", "NULL takes it away");
}

static void test_line(void)
{
    struct log_line line;
    log_line_begin(&line, "reply");
    log_line_add_string(&line, "verdict", "pass");
    log_line_add_string(&line, "reason", NULL);
    log_line_add_string(&line, "empty", "");
    log_line_add_number(&line, "dns_ms", -3);
    log_line_add(&line, "from", SPAN_LITERAL("\"a b\"@x.example"));
    log_line_add(&line, "equals", SPAN_LITERAL("a=b"));
    log_line_add(&line, "bytes", SPAN_LITERAL("a\0\r\n\\\xff"));
    log_line_add(&line, "quoted", SPAN_LITERAL("a \n\\\"\xff"));
    log_line_write(&line, LOG_LEVEL_INFO);
    tap_is_string(logged(),
                  "reply verdict=pass empty=\"\" dns_ms=-3 from=\"\\\"a b\\\"@x.example\" equals=\"a=b\" "
                  "bytes=a\\x00\\x0d\\x0a\\x5c\\xff quoted=\"a \\\\x0a\\\\x5c\\\"\\\\xff\"\n",
                  "logfmt: quotes where needed, nothing but printable ASCII");
    log_write_event(LOG_LEVEL_ERROR, "metrics",
                    (const char *[]){"file", "/a b", "hint", NULL, "error", "No \"space\"", NULL});
    tap_is_string(logged(), "metrics file=\"/a b\" error=\"No \\\"space\\\"\"\n",
                  "pairs; one without a value is left out");
    char big[2 * LOG_LINE_BYTES];
    memset(big, '\x01', sizeof big);
    log_line_begin(&line, "reply");
    for (int i = 0; i < 3; i++)
        log_line_add(&line, "key", (struct span){big, sizeof big});
    log_line_write(&line, LOG_LEVEL_INFO);
    const char *text = logged();
    tap_ok(strlen(text) <= LOG_LINE_BYTES + 1 && text[strlen(text) - 1] == '\n', "a line has its limit");
    log_line_begin(&line, "reply");
    log_line_write(&line, LOG_LEVEL_DEBUG);
    tap_is_string(logged(), "", "a line below the level is not written");
}

int main(void)
{
    capture = tmpfile();
    int saved = dup(STDERR_FILENO);
    if (capture == NULL || saved < 0 || dup2(fileno(capture), STDERR_FILENO) < 0)
        return 99;
    log_open_stderr();
    test_names();
    test_levels();
    test_write();
    test_prefix();
    test_line();
    (void)dup2(saved, STDERR_FILENO);
    return tap_done();
}
