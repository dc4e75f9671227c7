/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A DKIM key record (RFC 6376 section 3.6.1, RFC 8463) and the public key in it.
 */
#ifndef KEY_RECORD_H
#define KEY_RECORD_H

#include "key_cache.h"
#include "outcome.h"
#include "resolver.h"
#include "signature_tags.h"

enum { KEY_RECORD_TEXT_MAX_BYTES = 1024 }; /* libopendkim's buffer: RSA-4096 takes 745, RSA-8192 1429 */

struct key_record {
    bool is_testing;                          /* t=y */
    bool forbids_subdomains;                  /* t=s */
    unsigned bits;                            /* of the modulus; Ed25519: 256; 0: unknown */
    struct key_facts facts;                   /* of a key that can verify */
    char text[KEY_RECORD_TEXT_MAX_BYTES + 1]; /* "k=...; p=..." and nothing else: for libopendkim */
};

/*
 * Reads the key for signatures of algorithm. OUTCOME_OK; OUTCOME_ABSENT: a record of another kind, such as
 * "v=spf1"; OUTCOME_BROKEN_INPUT with *why (constant text): a key that cannot verify these signatures, *out
 * then holds what could be read; OUTCOME_INTERNAL: out of memory.
 */
enum outcome key_record_parse(struct span text, enum signature_algorithm algorithm, struct key_record *out,
                              const char **why) MUST_CHECK;

/* The one key record of an answer that is OUTCOME_OK; same outcomes. */
enum outcome key_record_choose(const struct resolver_answer *answer, enum signature_algorithm algorithm,
                               struct key_record *out, const char **why) MUST_CHECK;

#endif
