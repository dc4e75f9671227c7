/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A result signed: JWS in flattened JSON (RFC 7515), EdDSA (RFC 8037).
 */
#ifndef RESULT_JWS_H
#define RESULT_JWS_H

#include "crypto.h"

/*
 * {"payload","protected","signature"} on one line; protected: alg EdDSA, kid (the JWK thumbprint of the key,
 * RFC 7638), typ acme-email-reply+json. NULL: out of memory. free() it.
 */
char *result_jws_sign(const struct crypto_signing_key *key, struct span payload) MUST_CHECK;

#endif
