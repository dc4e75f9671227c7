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

/* The settings that matter here. */
enum postfix_setting {
    POSTFIX_ALIAS_MAPS = 0,
    POSTFIX_BODY_CHECKS,
    POSTFIX_CANONICAL_MAPS,
    POSTFIX_CONTENT_FILTER,
    POSTFIX_HEADER_CHECKS,
    POSTFIX_MAIL_OWNER,
    POSTFIX_MILTER_DEFAULT_ACTION,
    POSTFIX_MILTER_HEADER_CHECKS,
    POSTFIX_MILTER_PROTOCOL,
    POSTFIX_MIME_HEADER_CHECKS,
    POSTFIX_NESTED_HEADER_CHECKS,
    POSTFIX_NON_SMTPD_MILTERS,
    POSTFIX_QUEUE_DIRECTORY,
    POSTFIX_RECEIVE_OVERRIDE_OPTIONS,
    POSTFIX_RECIPIENT_CANONICAL_MAPS,
    POSTFIX_RECIPIENT_DELIMITER,
    POSTFIX_SMTPD_MILTER_MAPS,
    POSTFIX_SMTPD_MILTERS,
    POSTFIX_SMTPD_PROXY_FILTER,
    POSTFIX_VIRTUAL_ALIAS_MAPS,
    POSTFIX_SETTING_END,
};

struct postfix_value {
    char *text;         /* $names replaced; the default of postconf(5) where it is not set */
    int line;           /* 0: set nowhere */
    bool is_of_service; /* set in master.cf, by -o */
};

enum postfix_program {
    POSTFIX_PROGRAM_OTHER = 0,
    POSTFIX_PROGRAM_SMTPD,
    POSTFIX_PROGRAM_CLEANUP,
    POSTFIX_PROGRAM_POSTSCREEN,
};

/* A service of master.cf that runs one of these programs. */
struct postfix_service {
    enum postfix_program program;
    int line;
    char *name; /* "smtp", "127.0.0.1:2525" */
    char *type; /* "inet", "pass", "unix" */
    bool is_chrooted;
    struct postfix_value values[POSTFIX_SETTING_END]; /* as they hold for this service */
};

struct postfix_config {
    char main_file[PATH_MAX];
    char master_file[PATH_MAX];
    struct postfix_value values[POSTFIX_SETTING_END]; /* of main.cf */
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

const char *postfix_config_name(enum postfix_setting setting);

/*
 * Cuts the next word off; text in braces is one word, without them if it begins with one. Commas separate
 * like blanks if is_list. False at the end.
 */
bool postfix_config_next_word(struct span *rest, bool is_list, struct span *word);

#endif
