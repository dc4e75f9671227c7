/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 and Ed25519, on OpenSSL; what it needs to verify RSA for libopendkim; what it holds of TLS for
 * libcurl.
 */
#ifndef CRYPTO_H
#define CRYPTO_H

#include <stdint.h>

#include "outcome.h"
#include "span.h"

enum { CRYPTO_SHA256_BYTES = 32, CRYPTO_ED25519_KEY_BYTES = 32, CRYPTO_ED25519_SIGNATURE_BYTES = 64 };

/*
 * Has OpenSSL load what it loads at the first use of SHA-256, RSA and Ed25519, by our calls and by those of
 * other libraries: memory that runs out there is told as a bad signature. Call it before the first mail; it
 * may be called again. False: it lacks one of them, or memory is out.
 */
bool crypto_start(void) MUST_CHECK;

struct crypto_sha256; /* a digest under way */

struct crypto_sha256 *crypto_sha256_new(void); /* NULL: out of memory */
bool crypto_sha256_add(struct crypto_sha256 *h, struct span s) MUST_CHECK;
bool crypto_sha256_finish(struct crypto_sha256 *h,
                          uint8_t out[static CRYPTO_SHA256_BYTES]) MUST_CHECK; /* and starts anew */
void crypto_sha256_free(struct crypto_sha256 *h);
void crypto_hex(const uint8_t *bytes, size_t len, char *out); /* 2 * len + 1 bytes, lower case */

bool crypto_hmac_sha256(struct span key, struct span text,
                        uint8_t out[static CRYPTO_SHA256_BYTES]) MUST_CHECK;

struct crypto_signing_key;

/* An Ed25519 private key in PEM. NULL with a text in error. */
struct crypto_signing_key *crypto_signing_key_load(const char *path, char *error, size_t error_size);
void crypto_signing_key_free(struct crypto_signing_key *key);
void crypto_signing_key_public(const struct crypto_signing_key *key,
                               uint8_t out[static CRYPTO_ED25519_KEY_BYTES]);
bool crypto_sign(const struct crypto_signing_key *key, struct span text,
                 uint8_t out[static CRYPTO_ED25519_SIGNATURE_BYTES]) MUST_CHECK;

struct crypto_verifying_key;

/* An Ed25519 public key in PEM (SubjectPublicKeyInfo). NULL with a text in error. */
struct crypto_verifying_key *crypto_verifying_key_load(const char *path, char *error, size_t error_size);
void crypto_verifying_key_free(struct crypto_verifying_key *key);
bool crypto_verify(const struct crypto_verifying_key *key, struct span text,
                   const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_BYTES]) MUST_CHECK;

/* Whether OpenSSL holds bytes of the connection ssl (SSL *) that nobody has read: poll() does not see them.
 */
bool crypto_tls_has_unread(const void *ssl) MUST_CHECK;

const char *crypto_library_text(void); /* "OpenSSL 3.0.22 1 Jan 2026": for -V */

#endif
