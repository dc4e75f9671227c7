/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether Sendmail will reach the socket and show the milter each mail: sendmail.cf's X lines (filters) and
 * O lines (options).
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "mta_check_internal.h"

enum { LINE_MAX_BYTES = 2048, NAME_MAX_BYTES = 256, DAEMONS_MAX = 16 };

static bool check_unsafe(void *context, const char *folder, const struct stat *status)
{
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    mta_check_tell(context, MTA_CHECK_FAIL,
                   "%s: Sendmail does not start when more than its owner may write to a folder on the "
                   "way to the socket: chmod go-w, or set another Socket",
                   folder);
    return false;
}

/* A list of filters: of all daemons, or of one. */
struct list {
    char names[LINE_MAX_BYTES];
    int line;
};

struct reading {
    struct mta_check *check;
    const char *file;
    char socket[PATH_MAX];            /* as Sendmail writes it */
    char filter[NAME_MAX_BYTES];      /* acme-milter's name there; "": none */
    struct list filters;              /* InputMailFilters */
    struct list daemons[DAEMONS_MAX]; /* each that has its own */
    size_t daemon_count;
};

/* "Xname, S=local:PATH, F=T, T=..." */
static void take_filter(struct reading *r, const char *line, int number)
{
    struct span rest = span_from_string(line + 1);
    struct span word, name = {NULL, 0};
    bool is_ours = false, has_action = false;
    while (postfix_config_next_word(&rest, true, &word)) {
        name = name.data != NULL ? name : word;
        is_ours = is_ours || (span_starts_nocase(word, SPAN_LITERAL("S=")) &&
                              span_equal(span_slice(word, 2, word.len), span_from_string(r->socket)));
        has_action = has_action || span_starts_nocase(word, SPAN_LITERAL("F=T")) ||
                     span_starts_nocase(word, SPAN_LITERAL("F=4"));
    }
    if (is_ours && !has_action)
        mta_check_tell(r->check, MTA_CHECK_FAIL,
                       "%s:%d: without F=T a reply passes unjudged while the milter is away: add F=T",
                       r->file, number);
    if (is_ours)
        (void)snprintf(r->filter, sizeof r->filter, "%.*s", (int)name.len, name.data);
}

/* The value of a daemon that other mail than its users' own comes to. */
static void take_daemon(struct reading *r, const char *value, int number)
{
    struct span rest = span_from_string(value), word, list = {NULL, 0};
    struct span mark = SPAN_LITERAL("InputMailFilters=");
    bool is_submission = false;
    while (postfix_config_next_word(&rest, true, &word)) {
        if (span_starts_nocase(word, mark))
            list = span_slice(word, mark.len, word.len);
        is_submission = is_submission || span_equal_nocase(word, SPAN_LITERAL("Name=MSA")) ||
                        span_equal_nocase(word, SPAN_LITERAL("Port=587")) ||
                        span_equal_nocase(word, SPAN_LITERAL("Port=submission"));
    }
    if (list.data == NULL || is_submission || r->daemon_count == DAEMONS_MAX)
        return;
    struct list *daemon = &r->daemons[r->daemon_count++];
    daemon->line = number;
    (void)snprintf(daemon->names, sizeof daemon->names, "%.*s", (int)list.len, list.data);
    for (char *p = daemon->names; *p != '\0'; p++)
        *p = *p == ';' ? ',' : *p;
}

static void take_option(struct reading *r, const char *line, int number)
{
    static const char filters[] = "O InputMailFilters=", daemon[] = "O DaemonPortOptions=";
    if (strncmp(line, filters, sizeof filters - 1) == 0) {
        r->filters.line = number;
        (void)snprintf(r->filters.names, sizeof r->filters.names, "%s", line + sizeof filters - 1);
    } else if (strncmp(line, daemon, sizeof daemon - 1) == 0) {
        take_daemon(r, line + sizeof daemon - 1, number);
    }
}

static void check_list(const struct reading *r, const struct list *list)
{
    struct span rest = span_from_string(list->names), word;
    bool is_named = false, is_last = false;
    while (postfix_config_next_word(&rest, true, &word)) {
        is_last = span_equal(word, span_from_string(r->filter));
        is_named = is_named || is_last;
    }
    if (!is_named)
        mta_check_tell(r->check, MTA_CHECK_FAIL,
                       "%s:%d: InputMailFilters does not name %s, so that acme-milter sees no mail: add "
                       "it, last, to confINPUT_MAIL_FILTERS in sendmail.mc, or to that daemon's list",
                       r->file, list->line, r->filter);
    else if (!is_last)
        mta_check_tell(r->check, MTA_CHECK_WARN,
                       "%s:%d: InputMailFilters has a filter after %s, which may reject a reply that "
                       "acme-milter has posted already: put %s last",
                       r->file, list->line, r->filter, r->filter);
}

static void judge(const struct reading *r)
{
    if (r->filter[0] == '\0') {
        mta_check_tell(r->check, MTA_CHECK_FAIL,
                       "%s: no filter has S=%s: add INPUT_MAIL_FILTER to sendmail.mc", r->file, r->socket);
    } else if (r->filters.line == 0) {
        mta_check_tell(
            r->check, MTA_CHECK_FAIL,
            "%s: InputMailFilters is not set, so that acme-milter sees no mail: use INPUT_MAIL_FILTER "
            "instead of MAIL_FILTER in sendmail.mc",
            r->file);
    } else {
        check_list(r, &r->filters);
        for (size_t i = 0; i < r->daemon_count; i++)
            check_list(r, &r->daemons[i]);
    }
    if (mta_check_misses_subaddress(r->check->settings, '+'))
        mta_check_tell(r->check, MTA_CHECK_FAIL,
                       "SubaddressDelimiter: Sendmail delivers acme+anything to the mailbox of acme, and "
                       "acme-milter takes it for another address: add +");
    if (mta_check_is_unix(r->check->settings))
        (void)mta_check_walk(mta_check_path(r->check->settings), 0, check_unsafe, r->check);
}

void mta_check_sendmail(struct mta_check *k, FILE *file, const char *name)
{
    struct reading r = {.check = k, .file = name};
    const struct settings *s = k->settings;
    char line[LINE_MAX_BYTES];
    (void)snprintf(r.socket, sizeof r.socket, "%s%s", mta_check_is_unix(s) ? "local:" : "",
                   mta_check_is_unix(s) ? mta_check_path(s) : s->socket);
    for (int number = 1; number < POSTFIX_CONFIG_LINES_MAX && fgets(line, sizeof line, file) != NULL;
         number++) {
        if (line[0] == 'X')
            take_filter(&r, line, number);
        else if (line[0] == 'O')
            take_option(&r, line, number);
    }
    judge(&r);
}
