/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_jws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "base64.h"
#include "tap.h"

enum { PATH_BYTES = 4096, ERROR_BYTES = 256, TEXT_BYTES = 1024 * 1024 };

/* RFC 8037 appendix A.1, as PEM. */
static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";

/* RFC 8037 appendix A.2: the public key, A.3: its thumbprint. */
static const char public_key[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
static const char want_header[] =
    "{\"alg\":\"EdDSA\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\",\"typ\":\"acme-email-reply+"
    "json\"}";

static struct crypto_signing_key *load_key(void)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_BYTES];
    char error[ERROR_BYTES];
    (void)snprintf(path, sizeof path, "%s/test_result_jws.XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, private_key, strlen(private_key)) != (ssize_t)strlen(private_key) ||
        close(fd) != 0)
        return NULL;
    struct crypto_signing_key *key = crypto_signing_key_load(path, error, sizeof error);
    (void)unlink(path);
    return key;
}

static bool decode(const char *text, struct strbuf *out)
{
    strbuf_init(out, TEXT_BYTES);
    return text != NULL && base64_decode(span_from_string(text), BASE64_ALPHABET_URL, out) == OUTCOME_OK;
}

/* What a receiver does that knows nothing of this program: OpenSSL alone, with the published key. */
static bool verifies(const char *header, const char *payload, const char *signature)
{
    struct strbuf key_bytes;
    struct strbuf signature_bytes;
    struct strbuf input;
    strbuf_init(&input, TEXT_BYTES);
    bool ok = decode(public_key, &key_bytes);
    ok = decode(signature, &signature_bytes) && ok && strbuf_append_format(&input, "%s.%s", header, payload);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)key_bytes.data,
                                                key_bytes.len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ok = ok && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestVerify(context, (const unsigned char *)signature_bytes.data, signature_bytes.len,
                          (const unsigned char *)input.data, input.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    strbuf_clear(&key_bytes);
    strbuf_clear(&signature_bytes);
    strbuf_clear(&input);
    return ok;
}

static void check_jws(const char *jws, struct span payload, const char *name)
{
    json_t *object = json_loads(jws, JSON_REJECT_DUPLICATES, NULL);
    const char *header_text = json_string_value(json_object_get(object, "protected"));
    const char *payload_text = json_string_value(json_object_get(object, "payload"));
    const char *signature = json_string_value(json_object_get(object, "signature"));
    struct strbuf bytes;
    tap_is_int((long long)json_object_size(object), 3, name);
    tap_ok(decode(payload_text, &bytes) && span_equal(strbuf_view(&bytes), payload), "%s: payload", name);
    strbuf_clear(&bytes);
    tap_ok(decode(header_text, &bytes), "%s: protected header is base64url", name);
    tap_is_string(strbuf_string(&bytes), want_header, "RFC 8037 A.3: header with the key's thumbprint");
    strbuf_clear(&bytes);
    tap_ok(header_text != NULL && payload_text != NULL && verifies(header_text, payload_text, signature),
           "RFC 7515 5.2: %s verifies", name);
    tap_ok(header_text != NULL && !verifies(header_text, "W10", signature), "%s: not over another payload",
           name);
    json_decref(object);
}

int main(void)
{
    static char large[256 * 1024];
    memset(large, 'x', sizeof large);
    const struct {
        const char *name;
        struct span payload;
    } cases[] = {
        {"an object", SPAN_LITERAL("{\"version\":1,\"from\":\"j\xc3\xbcrgen@example.com\"}")},
        {"an empty payload", SPAN_LITERAL("")},
        {"one byte", SPAN_LITERAL("1")},
        {"two bytes", SPAN_LITERAL("{}")},
        {"256 kB", {large, sizeof large}},
    };
    struct crypto_signing_key *key = load_key();
    if (tap_ok(key != NULL, "key loads")) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char *jws = result_jws_sign(key, cases[i].payload, NULL);
            if (tap_ok(jws != NULL && strchr(jws, '\n') == NULL, "%s: signed, on one line", cases[i].name))
                check_jws(jws, cases[i].payload, cases[i].name);
            free(jws);
        }
    }
    crypto_signing_key_free(key);
    return tap_done();
}
