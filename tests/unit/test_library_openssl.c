/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's OpenSSL does today where milter/crypto/weak_key.c guards against it. A failure here
 * after an upgrade means: read that file again. It may do too much, never too little.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "tap.h"

enum { KEY_BYTES = 32, SIGNATURE_BYTES = 64, TEXTS = 64 };

/* Of so many texts, how many does a signature verify that no private key was used for: R the identity, S 0?
 */
static int count_forged(const unsigned char key[static KEY_BYTES])
{
    const unsigned char signature[SIGNATURE_BYTES] = {1};
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
    int count = 0;
    for (unsigned char text = 0; text < TEXTS && public_key != NULL; text++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        count += EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1 &&
                 EVP_DigestVerify(context, signature, sizeof signature, &text, 1) == 1;
        EVP_MD_CTX_free(context);
    }
    EVP_PKEY_free(public_key);
    return public_key != NULL ? count : -1;
}

static void read_hex(const char *hex, unsigned char out[static KEY_BYTES])
{
    for (size_t i = 0; i < KEY_BYTES; i++) {
        unsigned byte = 0;
        (void)sscanf(hex + 2 * i, "%2x", &byte);
        out[i] = (unsigned char)byte;
    }
}

static void test_small_orders(void)
{
    static const struct {
        int order;
        const char *hex;
    } points[] = {
        {1, "0100000000000000000000000000000000000000000000000000000000000000"},
        {1, "0100000000000000000000000000000000000000000000000000000000000080"},
        {2, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
        {2, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {4, "0000000000000000000000000000000000000000000000000000000000000000"},
        {4, "0000000000000000000000000000000000000000000000000000000000000080"},
        {8, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
        {8, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"},
        {8, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
        {8, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"},
        {4, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
        {4, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {1, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
        {1, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
    };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        unsigned char key[KEY_BYTES];
        read_hex(points[i].hex, key);
        int count = count_forged(key);
        bool is_as_measured = points[i].order == 1 ? count == TEXTS : count > 0 && count < TEXTS;
        tap_ok(is_as_measured, "a point of order %d, %s: %d of %d forgeries verify", points[i].order,
               points[i].hex, count, TEXTS);
    }
}

static void test_other_encodings(void)
{
    unsigned char key[KEY_BYTES] = {2};
    tap_is_int(count_forged(key), 0, "a y that is not on the curve is taken for a key, and verifies nothing");
    read_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key);
    tap_is_int(count_forged(key), 0, "the key of RFC 8032 verifies no forgery");
}

int main(void)
{
    test_small_orders();
    test_other_encodings();
    return tap_done();
}
