/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the MTA of this host will reach the socket, as far as its configuration and the folders tell: hints
 * for the administrator, "hint: WHERE: what is wrong and what to change", one a line. Nothing is run and
 * nothing is connected to. Where no MTA is set up, or this user may not read what it says, there is no hint.
 */
#ifndef MTA_CHECK_H
#define MTA_CHECK_H

#include "settings.h"

#define MTA_CHECK_POSTFIX_FOLDER "/etc/postfix"
#define MTA_CHECK_SENDMAIL_FILE  "/etc/mail/sendmail.cf"

enum { MTA_CHECK_TEXT_MAX_BYTES = 64 * 1024 };

/* Postfix, where its folder has a configuration, else Sendmail. */
void mta_check_append_hints(const struct settings *s, const char *postfix_folder, const char *sendmail_file,
                            struct strbuf *hints);

#endif
