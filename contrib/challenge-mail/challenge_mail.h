/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The challenge mail of RFC 8823 section 3.1: its header fields and the text for people. It is made in two
 * halves, because an S/MIME signature protects the fields by repeating them in the part that it signs.
 */
#ifndef CHALLENGE_MAIL_H
#define CHALLENGE_MAIL_H

#include <stdint.h>

#include "mailbox.h"
#include "strbuf.h"

enum {
    CHALLENGE_MAIL_MAX_BYTES = 256 * 1024,
    CHALLENGE_MAIL_TOKEN_BYTES =
        24, /* of a new token: a multiple of 3, so that both readings of "concatenates" agree */
    CHALLENGE_MAIL_TOKEN_MIN_BYTES = 16, /* 128 bits: RFC 8823 section 3 */
    CHALLENGE_MAIL_TOKEN_MAX_BYTES = 48,
    CHALLENGE_MAIL_TOKEN_MAX_CHARS = 64,
    CHALLENGE_MAIL_ADDRESS_SIZE = MAILBOX_MAX_BYTES + 1,
    CHALLENGE_MAIL_ID_SIZE = DOMAIN_MAX_BYTES + 32,
    CHALLENGE_MAIL_DATE_SIZE = 32,
};

struct challenge_mail {
    char from[CHALLENGE_MAIL_ADDRESS_SIZE];
    char to[CHALLENGE_MAIL_ADDRESS_SIZE];
    char reply_to[CHALLENGE_MAIL_ADDRESS_SIZE];        /* "" for none */
    char envelope_sender[CHALLENGE_MAIL_ADDRESS_SIZE]; /* "" for none */
    char token[CHALLENGE_MAIL_TOKEN_MAX_CHARS + 1];
    char message_id[CHALLENGE_MAIL_ID_SIZE]; /* with its angle brackets */
    char date[CHALLENGE_MAIL_DATE_SIZE];
    int64_t created;
};

/* A mailbox in the form that is written: local part as given, domain as lower-case A-labels. */
bool challenge_mail_set_address(char out[static CHALLENGE_MAIL_ADDRESS_SIZE], const char *text) MUST_CHECK;
/* base64url without padding that stands for 16 to 48 bytes. *why: constant text. */
bool challenge_mail_set_token(struct challenge_mail *mail, const char *text, const char **why) MUST_CHECK;
/* A new token unless there is one, a Message-ID and the time. False: no random bytes. */
bool challenge_mail_complete(struct challenge_mail *mail) MUST_CHECK;
/* Whether the token stands for a multiple of 3 bytes. */
bool challenge_mail_token_is_portable(const struct challenge_mail *mail);
bool challenge_mail_is_ascii(const struct challenge_mail *mail);

/* The fields that are the same outside of a signed part and in it: no MIME fields. Lines end in CRLF. */
bool challenge_mail_append_fields(const struct challenge_mail *mail, struct strbuf *out) MUST_CHECK;
/* MIME fields, empty line and text. parameters: more of the Content-Type, such as "; hp=\"clear\"". */
bool challenge_mail_append_text(const struct challenge_mail *mail, const char *parameters,
                                struct strbuf *out) MUST_CHECK;

#endif
