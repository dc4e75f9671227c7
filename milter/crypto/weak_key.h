/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arithmetic knows against a public key: a signature by such a key may be anybody's.
 */
#ifndef WEAK_KEY_H
#define WEAK_KEY_H

#include <openssl/bn.h>

#include "outcome.h"
#include "span.h"

enum { WEAK_KEY_ED25519_BYTES = 32 };

/* The product of the primes up to 65537, for weak_key_check_rsa. NULL: out of memory. */
BIGNUM *weak_key_small_primes(void) MUST_CHECK;

/*
 * OUTCOME_OK: nothing is known against the key; OUTCOME_BROKEN_INPUT with *why, a constant text;
 * OUTCOME_INTERNAL: out of memory. modulus and exponent: positive, the first byte the highest.
 */
enum outcome weak_key_check_rsa(struct span modulus, struct span exponent, const BIGNUM *small_primes,
                                const char **why) MUST_CHECK;
/* The same for an Ed25519 key of WEAK_KEY_ED25519_BYTES. */
enum outcome weak_key_check_ed25519(const unsigned char *key, const char **why) MUST_CHECK;

#endif
