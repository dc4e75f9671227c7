/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 256 slots, found by the bytes of a key. What is decoded or judged lies there until another key takes the
 * slot. Both are pure functions of the bytes, so that a lost slot costs time only. Any thread of the milter
 * comes here; nothing is computed under the lock.
 */
#include "key_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "weak_key.h"

enum { KEPT_KEYS = 256, KEPT_KEY_MAX_BYTES = 1200 }; /* of RSA with 8192 bits; longer ones are not kept */

struct kept_key {
    EVP_PKEY *key; /* owned; NULL: not decoded, as no Ed25519 key is */
    bool is_judged;
    struct key_facts facts;
    size_t len;
    unsigned char bytes[KEPT_KEY_MAX_BYTES];
};

/* Each key has one slot that it may share with others: the later one takes it. */
static struct {
    pthread_mutex_t lock;
    BIGNUM *small_primes; /* made once */
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

/* The lock must be held. NULL: not kept. */
static struct kept_key *find_kept(const unsigned char *bytes, size_t len)
{
    struct kept_key *slot = *slot_of(bytes, len);
    return slot != NULL && slot->len == len && memcmp(slot->bytes, bytes, len) == 0 ? slot : NULL;
}

/* A reference of the caller's own; NULL if the key is not kept. */
static EVP_PKEY *find_key(const unsigned char *bytes, size_t len)
{
    EVP_PKEY *key = NULL;
    (void)pthread_mutex_lock(&kept.lock);
    const struct kept_key *found = find_kept(bytes, len);
    if (found != NULL && found->key != NULL && EVP_PKEY_up_ref(found->key) == 1)
        key = found->key;
    (void)pthread_mutex_unlock(&kept.lock);
    return key;
}

static bool find_facts(struct span bytes, struct key_facts *out)
{
    (void)pthread_mutex_lock(&kept.lock);
    const struct kept_key *found = find_kept((const unsigned char *)bytes.data, bytes.len);
    bool is_judged = found != NULL && found->is_judged;
    if (is_judged)
        *out = found->facts;
    (void)pthread_mutex_unlock(&kept.lock);
    return is_judged;
}

static void free_kept(struct kept_key *k)
{
    if (k != NULL)
        EVP_PKEY_free(k->key);
    free(k);
}

/* What is new of a key joins what is known of it. Either may be NULL; without memory nothing is kept. */
static void keep(const unsigned char *bytes, size_t len, EVP_PKEY *key, const struct key_facts *facts)
{
    if (len > KEPT_KEY_MAX_BYTES)
        return;
    struct kept_key *spare = calloc(1, sizeof *spare);
    (void)pthread_mutex_lock(&kept.lock);
    struct kept_key *k = find_kept(bytes, len);
    if (k == NULL && spare != NULL) {
        struct kept_key **slot = slot_of(bytes, len);
        k = spare;
        spare = *slot;
        *slot = k;
        k->len = len;
        memcpy(k->bytes, bytes, len);
    }
    if (k != NULL && key != NULL && k->key == NULL && EVP_PKEY_up_ref(key) == 1)
        k->key = key;
    if (k != NULL && facts != NULL) {
        k->facts = *facts;
        k->is_judged = true;
    }
    (void)pthread_mutex_unlock(&kept.lock);
    free_kept(spare);
}

bool key_cache_start(void)
{
    (void)pthread_mutex_lock(&kept.lock);
    if (kept.small_primes == NULL)
        kept.small_primes = weak_key_small_primes();
    bool ok = kept.small_primes != NULL;
    (void)pthread_mutex_unlock(&kept.lock);
    return ok;
}

/* As the badkeys project names a key: by SHA-256 of the number without leading zeros, cut. */
static bool make_digest(struct span number, uint8_t out[static KEY_FACTS_DIGEST_BYTES])
{
    uint8_t digest[CRYPTO_SHA256_BYTES];
    while (number.len > 0 && number.data[0] == '\0')
        number = span_slice(number, 1, number.len);
    struct crypto_sha256 *hash = crypto_sha256_new();
    bool ok = hash != NULL && crypto_sha256_add(hash, number) && crypto_sha256_finish(hash, digest);
    crypto_sha256_free(hash);
    if (ok)
        memcpy(out, digest, KEY_FACTS_DIGEST_BYTES);
    return ok;
}

/* check: what the arithmetic said, with its weakness in *facts. */
static bool keep_facts(struct span bytes, struct span number, enum outcome check, struct key_facts *facts)
{
    if (check == OUTCOME_INTERNAL || !make_digest(number, facts->digest))
        return false;
    if (check == OUTCOME_OK)
        facts->weakness = NULL;
    keep((const unsigned char *)bytes.data, bytes.len, NULL, facts);
    return true;
}

bool key_cache_judge_rsa(struct span der, struct span modulus, struct span exponent, struct key_facts *out)
{
    if (find_facts(der, out))
        return true;
    if (!key_cache_start())
        return false;
    enum outcome check = weak_key_check_rsa(modulus, exponent, kept.small_primes, &out->weakness);
    return keep_facts(der, modulus, check, out);
}

bool key_cache_judge_ed25519(struct span key, struct key_facts *out)
{
    if (find_facts(key, out))
        return true;
    enum outcome check = weak_key_check_ed25519((const unsigned char *)key.data, &out->weakness);
    return keep_facts(key, key, check, out);
}

/*
 * libopendkim decodes the signer's key anew for each signature, by d2i_PUBKEY_bio, and OpenSSL 3.0 takes
 * longer over that than the rest of a reply costs. The linker gives libraries the program's own function of
 * that name: this one, which does the same, and gives the same key for the same bytes without decoding them
 * again. What is verified and by whom stays as it was; where a library does not come here, only time is lost.
 */
EVP_PKEY *key_cache_decode(BIO *bio, EVP_PKEY **out) __asm__("d2i_PUBKEY_bio")
    __attribute__((visibility("default")));

EVP_PKEY *key_cache_decode(BIO *bio, EVP_PKEY **out)
{
    unsigned char bytes[KEPT_KEY_MAX_BYTES];
    char *pending = NULL;
    long len = BIO_method_type(bio) == BIO_TYPE_MEM ? BIO_get_mem_data(bio, &pending) : 0;
    if (out != NULL || len <= 0 || len > KEPT_KEY_MAX_BYTES)
        return ASN1_d2i_bio_of(EVP_PKEY, EVP_PKEY_new, d2i_PUBKEY, bio, out);
    memcpy(bytes, pending, (size_t)len);
    const unsigned char *end = bytes + len;
    EVP_PKEY *key = find_key(bytes, (size_t)len);
    if (key == NULL) {
        end = bytes;
        key = d2i_PUBKEY(NULL, &end, len);
        if (key != NULL && end == bytes + len)
            keep(bytes, (size_t)len, key, NULL);
    }
    if (key != NULL)
        (void)BIO_read(bio, bytes, (int)(end - bytes)); /* of memory: cannot fail */
    return key;
}
