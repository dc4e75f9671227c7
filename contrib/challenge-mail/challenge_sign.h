/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An S/MIME signature (RFC 8551, multipart/signed) with the header protection of RFC 9788, by OpenSSL.
 */
#ifndef CHALLENGE_SIGN_H
#define CHALLENGE_SIGN_H

#include "challenge_mail.h"

enum challenge_sign_status {
    CHALLENGE_SIGN_STATUS_INTERNAL = 0,
    CHALLENGE_SIGN_STATUS_OK,
    CHALLENGE_SIGN_STATUS_NO_FILE, /* a file cannot be read */
    CHALLENGE_SIGN_STATUS_BAD_KEY, /* no certificate or key in it, or they do not fit the mail */
};

/*
 * Appends the whole mail. certificate_file: PEM, the signer's certificate first, then those that are to
 * travel with it; key_file: PEM, without passphrase. error: what is wrong, for people.
 */
enum challenge_sign_status challenge_sign_append(const struct challenge_mail *mail,
                                                 const char *certificate_file, const char *key_file,
                                                 struct strbuf *out, struct strbuf *error) MUST_CHECK;

#endif
