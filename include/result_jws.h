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

/* The parts of a JWS, still in base64url. */
struct result_jws_parts {
    struct span payload, header, signature;
};

/* False: text is no JWS as result_jws_sign writes it, to the byte. */
bool result_jws_read(struct span text, struct result_jws_parts *out);

/* False: text is no JWS, or its signature is not by this key. */
bool result_jws_verify_text(const struct crypto_verifying_key *key, struct span text) MUST_CHECK;

#endif
