/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tap.h"

enum { PATH_BYTES = 4096, ERROR_BYTES = 256 };

/* The key of RFC 8032 section 7.1, test 1; RFC 8037 appendix A uses it too. */
#define RFC8032_KEY                                                                                          \
    "-----BEGIN PRIVATE KEY-----\n"                                                                          \
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                                     \
    "-----END PRIVATE KEY-----\n"

#define RFC8032_PUBLIC_KEY                                                                                   \
    "-----BEGIN PUBLIC KEY-----\n"                                                                           \
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"                                         \
    "-----END PUBLIC KEY-----\n"
#define X25519_PUBLIC_KEY                                                                                    \
    "-----BEGIN PUBLIC KEY-----\n"                                                                           \
    "MCowBQYDK2VuAyEALH1qIjD51vLmA9yX4xGMVnCh4bqeNUiIWFALq2SBpyE=\n"                                         \
    "-----END PUBLIC KEY-----\n"

/* All zeros: a placeholder, and a point of order 4. */
#define ZERO_PUBLIC_KEY                                                                                      \
    "-----BEGIN PUBLIC KEY-----\n"                                                                           \
    "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"                                         \
    "-----END PUBLIC KEY-----\n"

static const struct {
    const char *name;
    const char *text;
    const char *want;
} digests[] = {
    {"FIPS 180-4: empty", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"FIPS 180-4: abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"FIPS 180-4: two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

#define AA10     "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define DD10     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
#define LONG_KEY AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 AA10 "\xaa"

static const struct {
    const char *name;
    const char *key;
    const char *text;
    const char *want;
} macs[] = {
    {"RFC 4231 4.2", "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
     "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"RFC 4231 4.3", "Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"RFC 4231 4.4", AA10 AA10, DD10 DD10 DD10 DD10 DD10,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"RFC 4231 4.7", LONG_KEY, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"RFC 4231 4.8", LONG_KEY,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
     "be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {"no key, no text", "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static const struct {
    const char *name;
    const char *pem;
    const char *want;
} broken_keys[] = {
    {"empty file", "", "not a private key"},
    {"no PEM", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v", "not a private key"},
    {"cut PEM", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n", "not a private key"},
    {"P-256 key",
     "-----BEGIN PRIVATE KEY-----\n"
     "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgucLhWNceUVAqrd5s\n"
     "Rc8csPVLCWt5vcwiFCNfj50qGG+hRANCAATrjDcICeG9MFdH8tyhjdNcMap1xlfG\n"
     "ATd6gV0CmXDYgBkxERMRkqU01GnkyxJrST0G1lfXoCtHk/ulW0YwVkYs\n"
     "-----END PRIVATE KEY-----\n",
     "not an Ed25519 key"},
    {"X25519 key",
     "-----BEGIN PRIVATE KEY-----\n"
     "MC4CAQAwBQYDK2VuBCIEIFhwdRdvEUNU71IWi4nmjFv2HGsZgT/+npdJwp7K1f9S\n"
     "-----END PRIVATE KEY-----\n",
     "not an Ed25519 key"},
    {"key under a passphrase",
     "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
     "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAinYYwyG4S9zwICCAAw\n"
     "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKBBSTAGuZ+GgEYpWsnY8JEEQNSy\n"
     "yHcnLuvurpoHe5pIG+DTbgSS0wId7C51anJN9C6Y0UDY/tHt+dTOLOAPNz/mK0eQ\n"
     "rExImGCGTPXxrIuYtIs=\n"
     "-----END ENCRYPTED PRIVATE KEY-----\n",
     "passphrase"},
};

static const struct {
    const char *name;
    const char *text;
    const char *want;
} signatures[] = {
    {"RFC 8032 7.1 test 1: empty", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0595bbe"
     "24655141438e7a100b"},
    {"RFC 8037 A.4", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "860c98d2297f3060a33f42739672d61b53cf3adefed3d3c672f320dc021b411e9d59b8628dc351e248b88b29468e0e41855b0fb"
     "7d83bb1"
     "5be902bfccb8cd0a02"},
};

static void test_digests(void)
{
    struct crypto_sha256 *h = crypto_sha256_new();
    uint8_t digest[CRYPTO_SHA256_BYTES];
    char hex[2 * sizeof digest + 1];
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        struct span text = span_from_string(digests[i].text);
        tap_ok(crypto_sha256_add(h, span_slice(text, 0, 1)) &&
                   crypto_sha256_add(h, span_slice(text, 1, text.len)) && crypto_sha256_finish(h, digest),
               "digest made in two pieces, in the same context");
        crypto_hex(digest, sizeof digest, hex);
        tap_is_string(hex, digests[i].want, digests[i].name);
    }
    crypto_sha256_free(h);
    crypto_sha256_free(NULL);
}

static void test_macs(void)
{
    uint8_t mac[CRYPTO_SHA256_BYTES];
    char hex[2 * sizeof mac + 1] = "";
    for (size_t i = 0; i < sizeof macs / sizeof *macs; i++) {
        if (crypto_hmac_sha256(span_from_string(macs[i].key), span_from_string(macs[i].text), mac))
            crypto_hex(mac, sizeof mac, hex);
        tap_is_string(hex, macs[i].want, macs[i].name);
    }
}

static bool write_pem(const char *pem, char path[static PATH_BYTES])
{
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, PATH_BYTES, "%s/test_crypto.XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    return fd >= 0 && write(fd, pem, strlen(pem)) == (ssize_t)strlen(pem) && close(fd) == 0;
}

static struct crypto_signing_key *load(const char *pem, char *error)
{
    char path[PATH_BYTES];
    if (!write_pem(pem, path))
        return NULL;
    struct crypto_signing_key *key = crypto_signing_key_load(path, error, ERROR_BYTES);
    (void)unlink(path);
    return key;
}

static struct crypto_verifying_key *load_public(const char *pem, char *error)
{
    char path[PATH_BYTES];
    if (!write_pem(pem, path))
        return NULL;
    struct crypto_verifying_key *key = crypto_verifying_key_load(path, error, ERROR_BYTES);
    (void)unlink(path);
    return key;
}

static void test_broken_keys(void)
{
    char error[ERROR_BYTES];
    for (size_t i = 0; i < sizeof broken_keys / sizeof *broken_keys; i++) {
        error[0] = '\0';
        struct crypto_signing_key *key = load(broken_keys[i].pem, error);
        tap_ok(key == NULL && strstr(error, broken_keys[i].want) != NULL, "%s: %s", broken_keys[i].name,
               error);
        crypto_signing_key_free(key);
    }
    tap_ok(crypto_signing_key_load("/nonexistent/key.pem", error, sizeof error) == NULL &&
               strstr(error, "/nonexistent/key.pem: ") == error,
           "absent file: %s", error);
}

static void test_signatures(void)
{
    char error[ERROR_BYTES] = "";
    struct crypto_signing_key *key = load(RFC8032_KEY, error);
    uint8_t public_key[CRYPTO_ED25519_KEY_BYTES];
    uint8_t signature[CRYPTO_ED25519_SIGNATURE_BYTES];
    char hex[2 * sizeof signature + 1];
    if (!tap_ok(key != NULL, "an Ed25519 key loads %s", error))
        return;
    crypto_signing_key_public(key, public_key);
    crypto_hex(public_key, sizeof public_key, hex);
    tap_is_string(hex, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                  "RFC 8032 7.1 test 1: public key");
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        hex[0] = '\0';
        if (crypto_sign(key, span_from_string(signatures[i].text), signature))
            crypto_hex(signature, sizeof signature, hex);
        tap_is_string(hex, signatures[i].want, signatures[i].name);
    }
    crypto_signing_key_free(key);
}

static void test_verification(void)
{
    char error[ERROR_BYTES] = "";
    struct crypto_signing_key *key = load(RFC8032_KEY, error);
    struct crypto_verifying_key *public_key = load_public(RFC8032_PUBLIC_KEY, error);
    uint8_t signature[CRYPTO_ED25519_SIGNATURE_BYTES];
    if (!tap_ok(key != NULL && public_key != NULL, "a public key loads %s", error) ||
        !crypto_sign(key, SPAN_LITERAL("text"), signature))
        return;
    tap_ok(crypto_verify(public_key, SPAN_LITERAL("text"), signature), "a signature verifies");
    tap_ok(!crypto_verify(public_key, SPAN_LITERAL("Text"), signature), "not over another text");
    for (size_t i = 0; i < sizeof signature; i += 21) {
        signature[i] ^= 1;
        tap_ok(!crypto_verify(public_key, SPAN_LITERAL("text"), signature), "not with byte %zu changed", i);
        signature[i] ^= 1;
    }
    tap_ok(crypto_sign(key, SPAN_LITERAL(""), signature) &&
               crypto_verify(public_key, SPAN_LITERAL(""), signature),
           "of no text");
    crypto_verifying_key_free(public_key);
    crypto_verifying_key_free(NULL);
    crypto_signing_key_free(key);
    tap_ok(load_public(RFC8032_KEY, error) == NULL && strstr(error, "not a public key") != NULL,
           "a private key: %s", error);
    tap_ok(load_public(X25519_PUBLIC_KEY, error) == NULL && strstr(error, "not an Ed25519 key") != NULL,
           "another kind of key: %s", error);
    tap_ok(load_public(ZERO_PUBLIC_KEY, error) == NULL && strstr(error, "weak key") != NULL,
           "a key that anybody can sign for: %s", error);
    tap_ok(crypto_verifying_key_load("/nonexistent/key.pem", error, sizeof error) == NULL, "absent file: %s",
           error);
}

static EVP_PKEY *decode(const unsigned char *bytes, int len, EVP_PKEY **out, size_t *left)
{
    BIO *bio = BIO_new_mem_buf(bytes, len);
    EVP_PKEY *key = d2i_PUBKEY_bio(bio, out);
    *left = BIO_ctrl_pending(bio);
    BIO_free(bio);
    return key;
}

/* A new key's public half as DER; of 4 bytes more than *len, which are 0. */
static unsigned char *make_public_key(int *len)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    unsigned char *der = NULL;
    *len = i2d_PUBKEY(key, &der);
    unsigned char *bytes = calloc(1, (size_t)*len + 4);
    memcpy(bytes, der, (size_t)*len);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return bytes;
}

/* The function of OpenSSL's that libopendkim calls, which is ours here. */
static void test_decoded_keys(void)
{
    int len, other_len;
    size_t left, rest;
    unsigned char *bytes = make_public_key(&len);
    unsigned char *other_bytes = make_public_key(&other_len);
    EVP_PKEY *first = decode(bytes, len, NULL, &left);
    EVP_PKEY *again = decode(bytes, len, NULL, &rest);
    EVP_PKEY *other = decode(other_bytes, other_len, NULL, &rest);
    tap_ok(first != NULL && first == again && left == 0, "the same bytes are decoded once");
    tap_ok(other != NULL && EVP_PKEY_eq(first, other) == 0, "another key is another");
    EVP_PKEY_free(again);
    again = decode(bytes, len + 4, NULL, &left);
    tap_ok(again != NULL && EVP_PKEY_eq(first, again) == 1 && left == 4, "what follows the key stays unread");
    EVP_PKEY_free(again);
    EVP_PKEY *given = NULL;
    again = decode(bytes, len, &given, &left);
    tap_ok(again != NULL && again == given && again != first,
           "a caller's own variable gets a key of its own");
    EVP_PKEY_free(again);
    bytes[len / 2] ^= 1;
    again = decode(bytes, len, NULL, &left);
    tap_ok(again != NULL && EVP_PKEY_eq(first, again) == 0, "one bit makes another key");
    EVP_PKEY_free(again);
    bytes[0] ^= 1;
    tap_ok(decode(bytes, len, NULL, &left) == NULL, "what is no key is none");
    tap_ok(decode(bytes, len, NULL, &left) == NULL, "... nor the second time");
    EVP_PKEY_free(first);
    EVP_PKEY_free(other);
    free(bytes);
    free(other_bytes);
}

int main(void)
{
    tap_ok(crypto_start() && crypto_start(), "OpenSSL has what is needed, and may be asked twice");
    test_verification();
    test_digests();
    test_macs();
    test_broken_keys();
    test_signatures();
    tap_ok(strncmp(crypto_library_text(), "OpenSSL ", 8) == 0, "%s", crypto_library_text());
    test_decoded_keys();
    return tap_done();
}
