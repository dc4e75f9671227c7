/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

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
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(error, error_size, "%s: %m", path);
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

struct crypto_verifying_key *crypto_verifying_key_load(const char *path, char *error, size_t error_size)
{
    EVP_PKEY *loaded = load_key(path, read_public, "a public key in PEM", error, error_size);
    if (loaded == NULL)
        return NULL;
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
    return can_verify_rsa() && can_sign_ed25519();
}

enum { KEPT_KEYS = 256, KEPT_KEY_MAX_BYTES = 1200 }; /* of RSA with 8192 bits; longer ones are not kept */

struct kept_key {
    EVP_PKEY *key; /* owned; NULL: the slot is free */
    size_t len;
    unsigned char bytes[KEPT_KEY_MAX_BYTES];
};

/* Each key has one slot that it may share with others: the later one takes it. */
static struct {
    pthread_mutex_t lock;
    struct kept_key *slots[KEPT_KEYS];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* FNV-1a. */
static struct kept_key **slot_of(const unsigned char *bytes, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &kept.slots[hash % KEPT_KEYS];
}

/* A reference of the caller's own; NULL if the key is not kept. */
static EVP_PKEY *find_kept(const unsigned char *bytes, size_t len)
{
    EVP_PKEY *key = NULL;
    struct kept_key **slot = slot_of(bytes, len);
    (void)pthread_mutex_lock(&kept.lock);
    if (*slot != NULL && (*slot)->len == len && memcmp((*slot)->bytes, bytes, len) == 0 &&
        EVP_PKEY_up_ref((*slot)->key) == 1)
        key = (*slot)->key;
    (void)pthread_mutex_unlock(&kept.lock);
    return key;
}

static void keep(const unsigned char *bytes, size_t len, EVP_PKEY *key)
{
    struct kept_key *kept_key = malloc(sizeof *kept_key);
    struct kept_key **slot = slot_of(bytes, len);
    if (kept_key == NULL || EVP_PKEY_up_ref(key) != 1) {
        free(kept_key);
        return;
    }
    kept_key->key = key;
    kept_key->len = len;
    memcpy(kept_key->bytes, bytes, len);
    (void)pthread_mutex_lock(&kept.lock);
    struct kept_key *old = *slot;
    *slot = kept_key;
    (void)pthread_mutex_unlock(&kept.lock);
    if (old != NULL)
        EVP_PKEY_free(old->key);
    free(old);
}

/*
 * libopendkim decodes the signer's key anew for each signature, by d2i_PUBKEY_bio, and OpenSSL 3.0 takes
 * longer over that than the rest of a reply costs. The linker gives libraries the program's own function of
 * that name: this one, which does the same, and gives the same key for the same bytes without decoding them
 * again. What is verified and by whom stays as it was; where a library does not come here, only time is lost.
 */
EVP_PKEY *crypto_decode_key(BIO *bio, EVP_PKEY **out) __asm__("d2i_PUBKEY_bio")
    __attribute__((visibility("default")));

EVP_PKEY *crypto_decode_key(BIO *bio, EVP_PKEY **out)
{
    unsigned char bytes[KEPT_KEY_MAX_BYTES];
    char *pending = NULL;
    long len = BIO_method_type(bio) == BIO_TYPE_MEM ? BIO_get_mem_data(bio, &pending) : 0;
    if (out != NULL || len <= 0 || len > KEPT_KEY_MAX_BYTES)
        return ASN1_d2i_bio_of(EVP_PKEY, EVP_PKEY_new, d2i_PUBKEY, bio, out);
    memcpy(bytes, pending, (size_t)len);
    const unsigned char *end = bytes + len;
    EVP_PKEY *key = find_kept(bytes, (size_t)len);
    if (key == NULL) {
        end = bytes;
        key = d2i_PUBKEY(NULL, &end, len);
        if (key != NULL && end == bytes + len)
            keep(bytes, (size_t)len, key);
    }
    if (key != NULL)
        (void)BIO_read(bio, bytes, (int)(end - bytes)); /* of memory: cannot fail */
    return key;
}

const char *crypto_library_text(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
