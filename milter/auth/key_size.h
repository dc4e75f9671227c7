/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size of an RSA key from its DER. libopendkim tells whole bytes only, and takes 1023 bits for 1024.
 */
#ifndef KEY_SIZE_H
#define KEY_SIZE_H

#include "span.h"

enum { KEY_SIZE_EXPONENT_BITS_MAX = 32 }; /* RFC 6376 section 8.13: a large one costs time */

struct key_size {
    unsigned modulus_bits;
    unsigned exponent_bits;
    struct span modulus, exponent; /* in der */
};

/* der: a SubjectPublicKeyInfo (RFC 5280) that holds an RSA key, and nothing behind it. False: it is none.
 * What is taken here OpenSSL takes, too. */
bool key_size_read_rsa(struct span der, struct key_size *out);

#endif
