/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mails that libopendkim signs itself, for the tests of what it makes of them. Whatever fails here aborts.
 */
#ifndef OPENDKIM_SIGNER_H
#define OPENDKIM_SIGNER_H

#include <sys/types.h>

#include <stdbool.h>

#include <opendkim/dkim.h>

enum { OPENDKIM_SIGNER_TEXT_BYTES = 16384 };

/* The library wants writable bytes. */
struct opendkim_signer_text {
    char bytes[OPENDKIM_SIGNER_TEXT_BYTES];
};

struct opendkim_signer_text opendkim_signer_text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* What dkim_header says. */
int opendkim_signer_feed(DKIM *dkim, const char *field, const char *behind);
void opendkim_signer_feed_body(DKIM *dkim, const char *body);

/* The DKIM-Signature field of a mail, by example.com. fields: to NULL, without their line ends. */
struct opendkim_signer_text opendkim_signer_sign(DKIM_LIB *library, const char *selector,
                                                 const char *const *fields, const char *body);

/* The key record that goes with it. */
struct opendkim_signer_text opendkim_signer_public_key(void);

#endif
