/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of mta_check share.
 */
#ifndef MTA_CHECK_INTERNAL_H
#define MTA_CHECK_INTERNAL_H

#include <sys/stat.h>

#include "mta_check.h"
#include "postfix_config.h"

struct mta_check {
    const struct settings *settings;
    mta_check_teller *tell;
    void *context;
    struct strbuf told; /* each line once: what main.cf says holds for many services */
};

void mta_check_tell(struct mta_check *k, enum mta_check_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);

bool mta_check_is_unix(const struct settings *s);
const char *mta_check_path(const struct settings *s); /* of Socket unix: */

/*
 * Calls visit for each folder above path that can be seen, from the top; from: how many bytes of path the
 * first one has. False once visit says so.
 */
bool mta_check_walk(const char *path, size_t from,
                    bool (*visit)(void *context, const char *folder, const struct stat *status),
                    void *context);
/* from: how many bytes of the socket's path are the root of what the MTA sees. */
void mta_check_access(struct mta_check *k, const char *user_name, size_t from);

/* Whether a subaddress that begins with delimiter reaches a mailbox whose replies nobody judges. */
bool mta_check_misses_subaddress(const struct settings *s, char delimiter);

/* How a list of milters stands to the socket. */
enum mta_check_reach {
    MTA_CHECK_REACH_NOT_NAMED = 0,
    MTA_CHECK_REACH_NAMED,
    MTA_CHECK_REACH_MISTAKEN, /* it is named by the path that a chrooted smtpd needs and this is not, or the
                                 other way round */
};

struct mta_check_place {
    struct span action; /* what becomes of mail while the milter is away; set if it is named */
    bool is_last;       /* no milter is after it */
};

enum mta_check_reach mta_check_reach_of(const struct settings *s, const struct postfix_config *c,
                                        const struct postfix_service *service, struct span milters,
                                        struct mta_check_place *place);

void mta_check_postfix(struct mta_check *k, const struct postfix_config *c);
/* What else keeps the milter from seeing a mail that comes by Postfix. */
void mta_check_bypass(struct mta_check *k, const struct postfix_config *c);
void mta_check_sendmail(struct mta_check *k, FILE *file, const char *name);

/*
 * Calls visit for each entry of a table of Postfix, "TYPE:NAME": file and line where it is, or NULL for one
 * in the setting itself, and what the entry says. False: it was not looked at, for its type or its file.
 */
bool mta_check_visit_table(struct span table,
                           void (*visit)(void *context, const char *file, int line, struct span says),
                           void *context);

#endif
