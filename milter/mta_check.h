/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the MTA of this host will reach the socket and show acme-milter each mail, as far as its
 * configuration and the folders tell. Nothing is run and nothing is connected to. Where no MTA is set up, or
 * this user may not read what it says, nothing is told.
 */
#ifndef MTA_CHECK_H
#define MTA_CHECK_H

#include "settings.h"

#define MTA_CHECK_POSTFIX_FOLDER "/etc/postfix"
#define MTA_CHECK_SENDMAIL_FILE  "/etc/mail/sendmail.cf"

enum { MTA_CHECK_TEXT_MAX_BYTES = 64 * 1024 };

enum mta_check_severity {
    MTA_CHECK_FAIL = 0, /* mail comes by unjudged, or replies do not get through */
    MTA_CHECK_WARN,
};

/* text: "WHERE: what is wrong and what to change", without a line end, not escaped. */
typedef void mta_check_teller(enum mta_check_severity severity, const char *text, void *context);

/* Postfix, where its folder has a configuration, else Sendmail. The MTA's name; NULL: there is none. */
const char *mta_check_run(const struct settings *s, const char *postfix_folder, const char *sendmail_file,
                          mta_check_teller *tell, void *context);

#endif
