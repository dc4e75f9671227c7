/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Postfix's main.cf and master.cf say about milters, read by ourselves so that a check of our
 * configuration starts no program. Read as postconf(5) and master(5) have it; tables and @include are unknown
 * to both.
 */
#ifndef POSTFIX_CONFIG_H
#define POSTFIX_CONFIG_H

#include <limits.h>
#include <stdio.h>

#include "strbuf.h"

enum {
    POSTFIX_CONFIG_SETTINGS_MAX = 1000,
    POSTFIX_CONFIG_SERVICES_MAX = 32,
    POSTFIX_CONFIG_FILE_MAX_BYTES = 1024 * 1024,
    POSTFIX_CONFIG_LINES_MAX = 20000,
    POSTFIX_CONFIG_LINE_MAX_BYTES = 16 * 1024, /* a logical line, and a value when $names are replaced */
};

/* A service of master.cf that runs smtpd. */
struct postfix_service {
    int line;
    char *name; /* "smtp", "127.0.0.1:2525" */
    bool is_chrooted;
    char *milters; /* smtpd_milters as it holds for this service, $names replaced */
};

struct postfix_config {
    char main_file[PATH_MAX];
    char master_file[PATH_MAX];
    char *queue_directory;
    char *mail_owner;
    char *default_action; /* milter_default_action */
    int milters_line;     /* where main.cf sets smtpd_milters; 0: nowhere */
    struct postfix_service services[POSTFIX_CONFIG_SERVICES_MAX];
    size_t service_count;
};

/* To read, the caller's to close. NULL: it is no plain file of at most POSTFIX_CONFIG_FILE_MAX_BYTES; a FIFO
 * in the place of an MTA's file would keep the check waiting, and a device never end. */
FILE *postfix_config_open_file(const char *path) MUST_CHECK;

/* From main.cf and master.cf in a folder. NULL: not both are plain files within the limits that can be read,
 * or out of memory. */
struct postfix_config *postfix_config_read(const char *folder) MUST_CHECK;
void postfix_config_free(struct postfix_config *c); /* NULL is fine */

/*
 * Cuts the next word off; text in braces is one word, without them. Commas separate like blanks if is_list.
 * False at the end.
 */
bool postfix_config_next_word(struct span *rest, bool is_list, struct span *word);

#endif
