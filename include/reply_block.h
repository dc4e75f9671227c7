/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The digest out of the ACME RESPONSE block of a decoded text (RFC 8823 section 3.2 (7)), through what mail
 * programs do to it: wrapping, quoting, changed dashes, non-breaking blanks.
 */
#ifndef REPLY_BLOCK_H
#define REPLY_BLOCK_H

#include "outcome.h"
#include "span.h"

enum { REPLY_DIGEST_BYTES = 43 };

enum reply_block_status {
    REPLY_BLOCK_STATUS_UNSET = 0,
    REPLY_BLOCK_STATUS_OK,
    REPLY_BLOCK_STATUS_MISSING,   /* no block, or no end line */
    REPLY_BLOCK_STATUS_AMBIGUOUS, /* blocks with different digests */
    REPLY_BLOCK_STATUS_MALFORMED, /* a block, but no 43 base64url characters in it */
};

struct reply_block {
    char digest[REPLY_DIGEST_BYTES + 1]; /* canonical base64url, unpadded */
    bool is_quoted;                      /* stands in quoted lines only */
    bool has_changed_dashes;             /* the mail program replaced the dashes of a marker */
};

/* text: what mime_text gives. A block outside quoted lines wins over quoted ones. *why: constant text, or
 * NULL. */
enum reply_block_status reply_block_parse(struct span text, struct reply_block *out,
                                          const char **why) MUST_CHECK;

#endif
