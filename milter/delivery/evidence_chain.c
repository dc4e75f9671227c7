/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence_chain.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "result_jws.h"
#include "strbuf.h"

enum { HASH_HEX_BYTES = EVIDENCE_LOG_HASH_SIZE - 1, HEADER_MAX_BYTES = 1024 };

#define MEMBER ",\"" RESULT_JWS_PREVIOUS "\":\""
#define END    "\"}"

static char *plain_line(struct span result, const char *previous)
{
    struct strbuf line;
    strbuf_init(&line, EVIDENCE_LOG_LINE_MAX_BYTES);
    bool ok = strbuf_append(&line, span_slice(result, 0, result.len - 1)) &&
              strbuf_append_string(&line, MEMBER) && strbuf_append_string(&line, previous) &&
              strbuf_append_string(&line, END);
    char *text = ok ? strbuf_take(&line) : NULL;
    strbuf_clear(&line);
    return text;
}

char *evidence_chain_line(struct span result, const char *previous, const struct crypto_signing_key *key)
{
    bool is_object = result.len > 2 && result.data[0] == '{' && result.data[result.len - 1] == '}';
    bool is_line = result.len <= RESULT_JSON_MAX_BYTES && span_find_byte(result, 0, '\n') == result.len;
    if (!is_object || !is_line)
        return NULL;
    return key != NULL ? result_jws_sign(key, result, previous) : plain_line(result, previous);
}

bool evidence_chain_is_hash(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_digit(text.data[i]) && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return text.len == HASH_HEX_BYTES;
}

/* The end of an object that carries a hash as its last member. */
static bool read_member(struct span object, char previous[static EVIDENCE_LOG_HASH_SIZE])
{
    const struct span member = SPAN_LITERAL(MEMBER), end = SPAN_LITERAL(END);
    size_t tail = member.len + HASH_HEX_BYTES + end.len;
    if (object.len < tail || object.data[0] != '{')
        return false;
    object = span_slice(object, object.len - tail, object.len);
    struct span hash = span_slice(object, member.len, member.len + HASH_HEX_BYTES);
    if (!span_equal(span_slice(object, 0, member.len), member) ||
        !span_equal(span_slice(object, tail - end.len, tail), end) || !evidence_chain_is_hash(hash))
        return false;
    memcpy(previous, hash.data, hash.len);
    previous[hash.len] = '\0';
    return true;
}

bool evidence_chain_read(struct span line, char previous[static EVIDENCE_LOG_HASH_SIZE])
{
    struct result_jws_parts jws;
    if (!result_jws_read(line, &jws))
        return read_member(line, previous);
    struct strbuf header;
    strbuf_init(&header, HEADER_MAX_BYTES);
    bool ok = base64_decode(jws.header, BASE64_ALPHABET_URL, &header) == OUTCOME_OK &&
              read_member(strbuf_view(&header), previous);
    strbuf_clear(&header);
    return ok;
}

bool evidence_chain_hash(struct span line, char hash[static EVIDENCE_LOG_HASH_SIZE])
{
    uint8_t digest[CRYPTO_SHA256_BYTES];
    struct crypto_sha256 *h = crypto_sha256_new();
    bool ok = h != NULL && crypto_sha256_add(h, line) && crypto_sha256_finish(h, digest);
    crypto_sha256_free(h);
    if (ok)
        crypto_hex(digest, sizeof digest, hash);
    return ok;
}
