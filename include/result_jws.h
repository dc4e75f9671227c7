/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A result signed: JWS in flattened JSON (RFC 7515), EdDSA (RFC 8037).
 */
#ifndef RESULT_JWS_H
#define RESULT_JWS_H

#include "crypto.h"

#define RESULT_JWS_PREVIOUS "previousSha256"

/*
 * {"payload","protected","signature"} on one line; protected: alg EdDSA, kid (the JWK thumbprint of the key,
 * RFC 7638), typ acme-email-reply+json, and previousSha256 if previous is not NULL. NULL: out of memory.
 * free() it.
 */
char *result_jws_sign(const struct crypto_signing_key *key, struct span payload,
                      const char *previous) MUST_CHECK;

/* The three parts as they stand in a JWS, in base64url. False: the signature is not by this key over these.
 */
bool result_jws_verify(const struct crypto_verifying_key *key, struct span header, struct span payload,
                       struct span signature) MUST_CHECK;

#endif
