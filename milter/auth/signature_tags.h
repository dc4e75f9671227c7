/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A DKIM-Signature field (RFC 6376 section 3.5), read strictly: what two parsers could read differently is a
 * permanent error before anything is looked up.
 */
#ifndef SIGNATURE_TAGS_H
#define SIGNATURE_TAGS_H

#include <stdint.h>

#include "auth_facts.h"
#include "outcome.h"

enum signature_algorithm {
    SIGNATURE_ALGORITHM_UNKNOWN = 0,
    SIGNATURE_ALGORITHM_RSA_SHA1, /* read, never verified: RFC 8301 */
    SIGNATURE_ALGORITHM_RSA_SHA256,
    SIGNATURE_ALGORITHM_ED25519_SHA256,
};

/* 2001: a t= before it is older than DKIM, and refused. signature_verifier rests on it. */
enum { SIGNATURE_TAGS_OLDEST_TIME = 1000000000 };

struct signature_tags {
    struct domain domain;   /* d=, A-labels; unset if it cannot be read */
    struct domain key_name; /* s._domainkey.d */
    char selector[DOMAIN_MAX_BYTES + 1];
    char algorithm_text[32];
    char identity[AUTH_IDENTITY_MAX_BYTES + 1];
    char signed_fields[AUTH_FIELDS_MAX_BYTES + 1];
    struct span signature; /* b= as it stands; borrowed from the field */
    enum signature_algorithm algorithm;
    bool is_identity_below; /* i= lies below d=: a key with t=s forbids it */
    int64_t body_length;    /* l=, of which only the first digits count: larger than any body */
    bool is_body_relaxed;
    bool has_body_length;
    bool is_out_of_memory;
    int64_t signed_at; /* -1: absent */
    int64_t expires_at;
};

/*
 * OUTCOME_OK; OUTCOME_BROKEN_INPUT with *why (constant text): the signature cannot be verified. *out then
 * holds what could be read, d= above all: it tells whose signature it is that is broken. OUTCOME_INTERNAL:
 * out of memory.
 */
enum outcome signature_tags_parse(struct span field_body, struct signature_tags *out,
                                  const char **why) MUST_CHECK;

/* How often h=, as in signed_fields, names a header field (in lower case). */
size_t signature_tags_times_signed(const char *signed_fields, struct span name);

#endif
