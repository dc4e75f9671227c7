/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "key_cache.h"
#include "regular_file.h"
#include "weak_key.h"

enum { RSA_SIGNATURE_BYTES = 256 };

struct crypto_sha256 {
    EVP_MD_CTX *context; /* owned */
};

struct crypto_signing_key {
    EVP_PKEY *key; /* owned */
    uint8_t public_key[CRYPTO_ED25519_KEY_BYTES];
};

struct crypto_verifying_key {
    EVP_PKEY *key; /* owned */
};

struct crypto_sha256 *crypto_sha256_new(void)
{
    struct crypto_sha256 *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->context = EVP_MD_CTX_new();
    if (h->context == NULL || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1) {
        crypto_sha256_free(h);
        return NULL;
    }
    return h;
}

bool crypto_sha256_add(struct crypto_sha256 *h, struct span s)
{
    return s.len == 0 || EVP_DigestUpdate(h->context, s.data, s.len) == 1;
}

bool crypto_sha256_finish(struct crypto_sha256 *h, uint8_t out[static CRYPTO_SHA256_BYTES])
{
    return EVP_DigestFinal_ex(h->context, out, NULL) == 1 &&
           EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) == 1;
}

void crypto_sha256_free(struct crypto_sha256 *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->context);
    free(h);
}

void crypto_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

bool crypto_hmac_sha256(struct span key, struct span text, uint8_t out[static CRYPTO_SHA256_BYTES])
{
    return key.len <= INT32_MAX && HMAC(EVP_sha256(), key.len > 0 ? key.data : "", (int)key.len,
                                        (const unsigned char *)text.data, text.len, out, NULL) != NULL;
}

/* A key under a passphrase is refused: a daemon must never ask the terminal for one. */
static int no_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

static EVP_PKEY *read_private(FILE *file)
{
    return PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
}

static EVP_PKEY *read_public(FILE *file)
{
    return PEM_read_PUBKEY(file, NULL, no_passphrase, NULL);
}

/* The Ed25519 key of that file; NULL with a text in error. what: "a private key in PEM". */
static EVP_PKEY *load_key(const char *path, EVP_PKEY *(*read_key)(FILE *), const char *what, char *error,
                          size_t error_size)
{
    FILE *file = regular_file_stream(path);
    if (file == NULL) {
        (void)snprintf(error, error_size, "%s: %s", path, regular_file_why(errno));
        return NULL;
    }
    EVP_PKEY *key = read_key(file);
    (void)fclose(file); /* it was only read */
    if (key == NULL) {
        (void)snprintf(error, error_size, "%s: not %s", path, what);
    } else if (EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
        (void)snprintf(error, error_size, "%s: not an Ed25519 key", path);
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

struct crypto_signing_key *crypto_signing_key_load(const char *path, char *error, size_t error_size)
{
    EVP_PKEY *loaded =
        load_key(path, read_private, "a private key in PEM without a passphrase", error, error_size);
    if (loaded == NULL)
        return NULL;
    struct crypto_signing_key *key = calloc(1, sizeof *key);
    size_t len = sizeof key->public_key;
    if (key != NULL && EVP_PKEY_get_raw_public_key(loaded, key->public_key, &len) == 1) {
        key->key = loaded;
        return key;
    }
    (void)snprintf(error, error_size, "%s: out of memory", path);
    EVP_PKEY_free(loaded);
    free(key);
    return NULL;
}

void crypto_signing_key_free(struct crypto_signing_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->key); /* wipes it */
    free(key);
}

void crypto_signing_key_public(const struct crypto_signing_key *key,
                               uint8_t out[static CRYPTO_ED25519_KEY_BYTES])
{
    for (size_t i = 0; i < sizeof key->public_key; i++)
        out[i] = key->public_key[i];
}

bool crypto_sign(const struct crypto_signing_key *key, struct span text,
                 uint8_t out[static CRYPTO_ED25519_SIGNATURE_BYTES])
{
    size_t len = CRYPTO_ED25519_SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->key) == 1 &&
              EVP_DigestSign(context, out, &len, (const unsigned char *)(text.len > 0 ? text.data : ""),
                             text.len) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

/* A weak key would verify what anybody signed. */
static bool check_public(EVP_PKEY *key, const char *path, char *error, size_t error_size)
{
    uint8_t bytes[CRYPTO_ED25519_KEY_BYTES];
    size_t len = sizeof bytes;
    const char *why = "out of memory";
    if (EVP_PKEY_get_raw_public_key(key, bytes, &len) == 1 &&
        weak_key_check_ed25519(bytes, &why) == OUTCOME_OK)
        return true;
    (void)snprintf(error, error_size, "%s: %s", path, why);
    return false;
}

struct crypto_verifying_key *crypto_verifying_key_load(const char *path, char *error, size_t error_size)
{
    EVP_PKEY *loaded = load_key(path, read_public, "a public key in PEM", error, error_size);
    if (loaded == NULL)
        return NULL;
    if (!check_public(loaded, path, error, error_size)) {
        EVP_PKEY_free(loaded);
        return NULL;
    }
    struct crypto_verifying_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        (void)snprintf(error, error_size, "%s: out of memory", path);
        EVP_PKEY_free(loaded);
        return NULL;
    }
    key->key = loaded;
    return key;
}

void crypto_verifying_key_free(struct crypto_verifying_key *key)
{
    if (key != NULL)
        EVP_PKEY_free(key->key);
    free(key);
}

bool crypto_verify(const struct crypto_verifying_key *key, struct span text,
                   const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->key) == 1 &&
              EVP_DigestVerify(context, signature, CRYPTO_ED25519_SIGNATURE_BYTES,
                               (const unsigned char *)(text.len > 0 ? text.data : ""), text.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return ok;
}

/* The SubjectPublicKeyInfo of an RSA key of 2048 bits around its modulus; any odd number does for that. */
static EVP_PKEY *make_rsa_key(void)
{
    static const unsigned char head[] = {0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                         0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
                                         0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
    static const unsigned char tail[] = {0x02, 0x03, 0x01, 0x00, 0x01};
    unsigned char bytes[sizeof head + RSA_SIGNATURE_BYTES + sizeof tail];
    const unsigned char *at = bytes;
    memcpy(bytes, head, sizeof head);
    memset(bytes + sizeof head, 0xff, RSA_SIGNATURE_BYTES);
    memcpy(bytes + sizeof head + RSA_SIGNATURE_BYTES, tail, sizeof tail);
    return d2i_PUBKEY(NULL, &at, sizeof bytes);
}

/* By a signature that is none: what matters is that it was looked at. */
static bool can_verify_rsa(void)
{
    const unsigned char signature[RSA_SIGNATURE_BYTES] = {0};
    EVP_PKEY *key = make_rsa_key();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = key != NULL && context != NULL &&
              EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(context, signature, sizeof signature, signature, 0) <= 0 &&
              ERR_GET_REASON(ERR_peek_last_error()) != ERR_R_MALLOC_FAILURE;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok;
}

static bool can_sign_ed25519(void)
{
    const uint8_t seed[CRYPTO_ED25519_KEY_BYTES] = {1};
    uint8_t signature[CRYPTO_ED25519_SIGNATURE_BYTES];
    struct crypto_signing_key key = {
        .key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed)};
    const struct crypto_verifying_key public_key = {.key = key.key};
    bool ok = key.key != NULL && crypto_sign(&key, SPAN_LITERAL("start"), signature) &&
              crypto_verify(&public_key, SPAN_LITERAL("start"), signature);
    EVP_PKEY_free(key.key);
    return ok;
}

bool crypto_start(void)
{
    return can_verify_rsa() && can_sign_ed25519() && key_cache_start();
}

bool crypto_tls_has_unread(const void *ssl)
{
    return SSL_has_pending(ssl) == 1;
}

const char *crypto_library_text(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
