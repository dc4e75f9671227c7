/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_record.h"

#include <string.h>

#include "base64.h"
#include "key_size.h"
#include "tag_list.h"

enum { ED25519_BYTES = 32, ED25519_BITS = 256, KEY_MAX_BYTES = 4096 };

static bool list_has(struct span list, struct span word)
{
    struct span item;
    while (tag_list_next_item(&list, &item))
        if (span_equal_nocase(item, word))
            return true;
    return false;
}

static bool is_absent_or_has(const struct tag_list *list, struct span tag, struct span word)
{
    struct span value;
    return !tag_list_find(list, tag, &value) || list_has(value, word);
}

/* A record that begins with another version is discarded (RFC 6376 section 3.6.1). */
static bool is_other_kind(struct span text)
{
    size_t equals = span_find_byte(text, 0, '=');
    struct span name = span_trim(span_slice(text, 0, equals));
    struct span value = span_trim(span_slice(text, equals + 1, span_find_byte(text, 0, ';')));
    return equals == text.len ||
           (span_equal(name, SPAN_LITERAL("v")) && !span_equal(value, SPAN_LITERAL("DKIM1")));
}

/* NULL, or what is wrong with all but the key itself. */
static const char *check_tags(const struct tag_list *list, bool is_ed25519)
{
    struct span value;
    struct span wanted = is_ed25519 ? SPAN_LITERAL("ed25519") : SPAN_LITERAL("rsa");
    if (tag_list_find(list, SPAN_LITERAL("v"), &value) &&
        (!span_equal(value, SPAN_LITERAL("DKIM1")) || !span_equal(list->tags[0].name, SPAN_LITERAL("v"))))
        return "malformed key record: v=";
    if (!tag_list_find(list, SPAN_LITERAL("k"), &value))
        value = SPAN_LITERAL("rsa");
    if (!span_equal_nocase(value, wanted))
        return "the key is of another type than a=";
    if (!is_absent_or_has(list, SPAN_LITERAL("h"), SPAN_LITERAL("sha256")))
        return "the key does not allow sha256";
    if (!is_absent_or_has(list, SPAN_LITERAL("s"), SPAN_LITERAL("*")) &&
        !is_absent_or_has(list, SPAN_LITERAL("s"), SPAN_LITERAL("email")))
        return "the key is not for mail";
    if (!tag_list_find(list, SPAN_LITERAL("p"), &value))
        return "malformed key record: no p=";
    return value.len > 0 ? NULL : "key revoked";
}

/* The base64 without white space, padded as libopendkim and base64_decode want it. */
static bool compact(struct span value, struct strbuf *out)
{
    (void)strbuf_append_without_space(out, value);
    while (out->len % 4 != 0 && out->error == STRBUF_ERROR_NONE)
        (void)strbuf_append_byte(out, '=');
    return out->error == STRBUF_ERROR_NONE;
}

static enum outcome judge_rsa(struct span der, struct key_record *out, const char **why)
{
    struct key_size size;
    *why = "malformed key";
    if (!key_size_read_rsa(der, &size))
        return OUTCOME_BROKEN_INPUT;
    out->bits = size.modulus_bits;
    *why = "the key's exponent is too large";
    if (size.exponent_bits > KEY_SIZE_EXPONENT_BITS_MAX)
        return OUTCOME_BROKEN_INPUT;
    *why = NULL;
    return key_cache_judge_rsa(der, size.modulus, size.exponent, &out->facts) ? OUTCOME_OK : OUTCOME_INTERNAL;
}

/* A weak point is no key: what verifies with it is signed by nobody. */
static enum outcome judge_ed25519(struct span key, struct key_record *out, const char **why)
{
    *why = "malformed key";
    if (key.len != ED25519_BYTES)
        return OUTCOME_BROKEN_INPUT;
    out->bits = ED25519_BITS;
    if (!key_cache_judge_ed25519(key, &out->facts))
        return OUTCOME_INTERNAL;
    *why = out->facts.weakness;
    return *why == NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}

static enum outcome judge_key(struct span key, bool is_ed25519, struct key_record *out, const char **why)
{
    struct strbuf bytes;
    *why = "malformed key";
    strbuf_init(&bytes, KEY_MAX_BYTES);
    enum outcome outcome = base64_decode(key, BASE64_ALPHABET_STANDARD, &bytes);
    if (outcome == OUTCOME_OK)
        outcome = (is_ed25519 ? judge_ed25519 : judge_rsa)(strbuf_view(&bytes), out, why);
    else if (bytes.error != STRBUF_ERROR_MEMORY)
        outcome = OUTCOME_BROKEN_INPUT;
    strbuf_clear(&bytes);
    return outcome;
}

static enum outcome read_key(const struct tag_list *list, bool is_ed25519, struct key_record *out,
                             const char **why)
{
    struct strbuf key;
    struct span value;
    enum outcome outcome = OUTCOME_BROKEN_INPUT;
    *why = "malformed key record: no p=";
    if (!tag_list_find(list, SPAN_LITERAL("p"), &value))
        return outcome;
    strbuf_init(&key, KEY_MAX_BYTES);
    *why = "the key is too large";
    if (compact(value, &key))
        outcome = judge_key(strbuf_view(&key), is_ed25519, out, why);
    else if (key.error == STRBUF_ERROR_MEMORY)
        outcome = OUTCOME_INTERNAL;
    const char *kind = is_ed25519 ? "k=ed25519; p=" : "k=rsa; p=";
    if (outcome == OUTCOME_OK && strlen(kind) + key.len > KEY_RECORD_TEXT_MAX_BYTES) {
        *why = "the key is larger than libopendkim takes";
        outcome = OUTCOME_BROKEN_INPUT;
    } else if (outcome == OUTCOME_OK) {
        memcpy(out->text, kind, strlen(kind));
        memcpy(out->text + strlen(kind), key.data, key.len + 1);
    }
    strbuf_clear(&key);
    return outcome;
}

enum outcome key_record_parse(struct span text, enum signature_algorithm algorithm, struct key_record *out,
                              const char **why)
{
    struct tag_list list;
    struct span flags;
    bool is_ed25519 = algorithm == SIGNATURE_ALGORITHM_ED25519_SHA256;
    memset(out, 0, sizeof *out);
    *why = "no key record";
    if (is_other_kind(text))
        return OUTCOME_ABSENT;
    *why = "malformed key record";
    if (tag_list_parse(text, TAG_LIST_MANNER_EMPTY_TAGS, &list, &(const char *){NULL}) != OUTCOME_OK)
        return OUTCOME_BROKEN_INPUT;
    if (tag_list_find(&list, SPAN_LITERAL("t"), &flags)) {
        out->is_testing = list_has(flags, SPAN_LITERAL("y"));
        out->forbids_subdomains = list_has(flags, SPAN_LITERAL("s"));
    }
    *why = check_tags(&list, is_ed25519);
    if (*why != NULL)
        return OUTCOME_BROKEN_INPUT;
    return read_key(&list, is_ed25519, out, why);
}

enum outcome key_record_choose(const struct resolver_answer *answer, enum signature_algorithm algorithm,
                               struct key_record *out, const char **why)
{
    enum outcome chosen = OUTCOME_ABSENT;
    const char *chosen_why = "no key record";
    size_t kept = answer->count < RESOLVER_RECORDS_MAX ? answer->count : RESOLVER_RECORDS_MAX;
    memset(out, 0, sizeof *out);
    *why = "several key records";
    if (kept < answer->count)
        return OUTCOME_BROKEN_INPUT;
    for (size_t i = 0; i < kept; i++) {
        struct key_record record;
        const char *record_why = NULL;
        enum outcome outcome = key_record_parse(answer->records[i], algorithm, &record, &record_why);
        if (outcome == OUTCOME_ABSENT)
            continue;
        if (chosen != OUTCOME_ABSENT) {
            memset(out, 0, sizeof *out);
            return OUTCOME_BROKEN_INPUT;
        }
        *out = record;
        chosen = outcome;
        chosen_why = record_why;
    }
    *why = chosen_why;
    return chosen;
}
