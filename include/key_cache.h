/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signers' keys that were seen before: decoded once, and judged once. What a signature proves rests on
 * its key, so that the size of a key is not all that counts. Process-wide, for every thread.
 */
#ifndef KEY_CACHE_H
#define KEY_CACHE_H

#include <stdint.h>

#include "outcome.h"
#include "span.h"

enum { KEY_FACTS_DIGEST_BYTES = 15 };

struct key_facts {
    const char *weakness;                   /* constant text; NULL: nothing is known against the key */
    uint8_t digest[KEY_FACTS_DIGEST_BYTES]; /* the name of the key in a weak_key_list */
};

/* Before the first judgement; crypto_start calls it. False: out of memory. */
bool key_cache_start(void) MUST_CHECK;

/* Both give false if memory is out. der: the whole SubjectPublicKeyInfo around these two positive numbers. */
bool key_cache_judge_rsa(struct span der, struct span modulus, struct span exponent,
                         struct key_facts *out) MUST_CHECK;
/* key: its 32 bytes. */
bool key_cache_judge_ed25519(struct span key, struct key_facts *out) MUST_CHECK;

#endif
