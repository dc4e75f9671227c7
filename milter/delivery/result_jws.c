/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_jws.h"

#include <stdlib.h>

#include "base64.h"
#include "strbuf.h"

enum { HEADER_MAX_BYTES = 512, OVERHEAD_MAX_BYTES = 1024 };

#define PAYLOAD   "{\"payload\":\""
#define PROTECTED "\",\"protected\":\""
#define SIGNATURE "\",\"signature\":\""
#define END       "\"}"

/* RFC 7638: the SHA-256 of the JWK's required members in the order of their names (RFC 8037 section 2). */
static bool append_thumbprint(const struct crypto_signing_key *key, struct strbuf *out)
{
    uint8_t public_key[CRYPTO_ED25519_KEY_BYTES];
    uint8_t digest[CRYPTO_SHA256_BYTES];
    struct crypto_sha256 *hash = crypto_sha256_new();
    struct strbuf jwk;
    strbuf_init(&jwk, HEADER_MAX_BYTES);
    crypto_signing_key_public(key, public_key);
    bool ok = hash != NULL && strbuf_append_string(&jwk, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"") &&
              base64_append_url(&jwk, (struct span){(const char *)public_key, sizeof public_key}) &&
              strbuf_append_string(&jwk, "\"}") && crypto_sha256_add(hash, strbuf_view(&jwk)) &&
              crypto_sha256_finish(hash, digest) &&
              base64_append_url(out, (struct span){(const char *)digest, sizeof digest});
    crypto_sha256_free(hash);
    strbuf_clear(&jwk);
    return ok;
}

static bool append_protected(const struct crypto_signing_key *key, const char *previous, struct strbuf *out)
{
    struct strbuf header;
    strbuf_init(&header, HEADER_MAX_BYTES);
    bool ok = strbuf_append_string(&header, "{\"alg\":\"EdDSA\",\"kid\":\"") &&
              append_thumbprint(key, &header) &&
              strbuf_append_string(&header, "\",\"typ\":\"acme-email-reply+json\"");
    if (previous != NULL)
        (void)strbuf_append_format(&header, ",\"" RESULT_JWS_PREVIOUS "\":\"%s\"", previous);
    ok = ok && strbuf_append_byte(&header, '}') && base64_append_url(out, strbuf_view(&header));
    strbuf_clear(&header);
    return ok;
}

/* What is signed is BASE64URL(header) "." BASE64URL(payload): RFC 7515 section 5.1. */
static bool append_members(const struct crypto_signing_key *key, struct strbuf *input, size_t header_len,
                           struct strbuf *out)
{
    uint8_t signature[CRYPTO_ED25519_SIGNATURE_BYTES];
    struct span signed_text = strbuf_view(input);
    return crypto_sign(key, signed_text, signature) && strbuf_append_string(out, PAYLOAD) &&
           strbuf_append(out, span_slice(signed_text, header_len + 1, signed_text.len)) &&
           strbuf_append_string(out, PROTECTED) &&
           strbuf_append(out, span_slice(signed_text, 0, header_len)) &&
           strbuf_append_string(out, SIGNATURE) &&
           base64_append_url(out, (struct span){(const char *)signature, sizeof signature}) &&
           strbuf_append_string(out, END);
}

char *result_jws_sign(const struct crypto_signing_key *key, struct span payload, const char *previous)
{
    char *jws = NULL;
    struct strbuf input;
    struct strbuf out;
    strbuf_init(&input, payload.len / 3 * 4 + OVERHEAD_MAX_BYTES);
    strbuf_init(&out, payload.len / 3 * 4 + 2 * OVERHEAD_MAX_BYTES);
    if (append_protected(key, previous, &input)) {
        size_t header_len = input.len;
        if (strbuf_append_byte(&input, '.') && base64_append_url(&input, payload) &&
            append_members(key, &input, header_len, &out))
            jws = strbuf_take(&out);
    }
    strbuf_clear(&input);
    strbuf_clear(&out);
    return jws;
}

/* What stands behind mark up to the next quote; text moves to that quote. */
static bool take_value(struct span *text, struct span mark, struct span *value)
{
    if (!span_equal(span_slice(*text, 0, mark.len), mark))
        return false;
    *text = span_slice(*text, mark.len, text->len);
    size_t quote = span_find_byte(*text, 0, '"');
    *value = span_slice(*text, 0, quote);
    *text = span_slice(*text, quote, text->len);
    return true;
}

bool result_jws_read(struct span text, struct result_jws_parts *out)
{
    return take_value(&text, SPAN_LITERAL(PAYLOAD), &out->payload) &&
           take_value(&text, SPAN_LITERAL(PROTECTED), &out->header) &&
           take_value(&text, SPAN_LITERAL(SIGNATURE), &out->signature) && span_equal(text, SPAN_LITERAL(END));
}

static bool verify(const struct crypto_verifying_key *key, const struct result_jws_parts *parts)
{
    struct strbuf input, bytes;
    strbuf_init(&input, parts->header.len + 1 + parts->payload.len);
    strbuf_init(&bytes, CRYPTO_ED25519_SIGNATURE_BYTES);
    bool ok = strbuf_append(&input, parts->header) && strbuf_append_byte(&input, '.') &&
              strbuf_append(&input, parts->payload) &&
              base64_decode(parts->signature, BASE64_ALPHABET_URL, &bytes) == OUTCOME_OK &&
              bytes.len == CRYPTO_ED25519_SIGNATURE_BYTES &&
              crypto_verify(key, strbuf_view(&input), (const uint8_t *)bytes.data);
    strbuf_clear(&input);
    strbuf_clear(&bytes);
    return ok;
}

bool result_jws_verify_text(const struct crypto_verifying_key *key, struct span text)
{
    struct result_jws_parts parts;
    return result_jws_read(text, &parts) && verify(key, &parts);
}
