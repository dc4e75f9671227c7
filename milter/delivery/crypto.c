/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

struct crypto_sha256 {
    EVP_MD_CTX *context; /* owned */
};

struct crypto_signing_key {
    EVP_PKEY *key; /* owned */
    uint8_t public_key[CRYPTO_ED25519_KEY_BYTES];
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

static struct crypto_signing_key *read_signing_key(FILE *file, const char **why)
{
    struct crypto_signing_key *key = calloc(1, sizeof *key);
    size_t len = sizeof key->public_key;
    *why = "out of memory";
    if (key == NULL)
        return NULL;
    key->key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
    if (key->key == NULL)
        *why = "not a private key in PEM without a passphrase";
    else if (EVP_PKEY_id(key->key) != EVP_PKEY_ED25519)
        *why = "not an Ed25519 key";
    else if (EVP_PKEY_get_raw_public_key(key->key, key->public_key, &len) == 1)
        return key;
    ERR_clear_error();
    crypto_signing_key_free(key);
    return NULL;
}

struct crypto_signing_key *crypto_signing_key_load(const char *path, char *error, size_t error_size)
{
    const char *why;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(error, error_size, "%s: %m", path);
        return NULL;
    }
    struct crypto_signing_key *key = read_signing_key(file, &why);
    if (key == NULL)
        (void)snprintf(error, error_size, "%s: %s", path, why);
    (void)fclose(file); /* it was only read */
    return key;
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

const char *crypto_library_text(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
