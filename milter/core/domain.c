/* SPDX-License-Identifier: BSD-2-Clause */
#include "domain.h"

#include <idn2.h>
#include <string.h>

#include "utf8.h"

enum { LABEL_MAX_BYTES = 63, LABEL_MAX_UTF8_BYTES = 4 * LABEL_MAX_BYTES };

static const struct span a_label_prefix = {"xn--", 4};

/* Letters, digits, inner hyphens, and 8-bit bytes: those are judged as code points elsewhere. */
static bool has_label_bytes(struct span label, bool allow_underscore)
{
    if (label.len == 0 || label.data[0] == '-' || label.data[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.data[i];
        bool is_underscore = c == '_' && allow_underscore;
        if (!byte_is_alnum(c) && c != '-' && !is_underscore && (unsigned char)c < 0x80)
            return false;
    }
    return true;
}

/* Upper and lower case of one letter lie so far apart; nothing else that UTS #46 maps does. */
static bool is_lower_case_of(uint32_t lower, uint32_t code)
{
    uint32_t distance = lower - code;
    return distance == 0 || distance == 1 || distance == 0x20 || distance == 0x30 || distance == 0x50;
}

/*
 * Whether UTS #46 did nothing to label but lower its case. Its other mappings (wide forms, ligatures, ignored
 * code points) make one domain of two spellings, and libidn2's drop characters that STD 3 does not allow.
 */
static bool is_same_label(struct span label, struct span mapped)
{
    size_t at = 0;
    size_t mapped_at = 0;
    while (at < label.len && mapped_at < mapped.len) {
        uint32_t code;
        uint32_t lower;
        size_t len = utf8_decode(label, at, &code);
        size_t mapped_len = utf8_decode(mapped, mapped_at, &lower);
        if (len == 0 || mapped_len == 0 || !is_lower_case_of(lower, code))
            return false;
        at += len;
        mapped_at += mapped_len;
    }
    return at == label.len && mapped_at == mapped.len;
}

/* A label in UTF-8, ASCII letters in lower case -> its A-label. */
static enum outcome to_a_label(const char *label, char a_label[static LABEL_MAX_BYTES + 1])
{
    uint8_t *mapped = NULL;
    uint8_t *again = NULL;
    char *decoded = NULL;
    int status = idn2_lookup_u8((const uint8_t *)label, &mapped, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status == IDN2_OK)
        status = idn2_to_unicode_8z8z((const char *)mapped, &decoded, 0);
    /*
     * IDNA2008 without any mapping must find the same: that leaves out what only UTS #46 knows, as emoji. As
     * for a registration, because a look-up does not apply the rules of context (RFC 5892 A.3 to A.9).
     */
    if (status == IDN2_OK)
        status = idn2_register_u8((const uint8_t *)decoded, NULL, &again, 0);
    enum outcome outcome = status == IDN2_MALLOC ? OUTCOME_INTERNAL : OUTCOME_BROKEN_INPUT;
    if (status == IDN2_OK) {
        struct span result = span_from_string((const char *)mapped);
        struct span given = span_from_string(label);
        bool is_kept = !span_is_ascii(given) ? is_same_label(given, span_from_string(decoded))
                                             : span_equal(given, result);
        if (is_kept && span_equal(result, span_from_string((const char *)again)) &&
            result.len <= LABEL_MAX_BYTES) {
            memcpy(a_label, result.data, result.len + 1);
            outcome = OUTCOME_OK;
        }
    }
    idn2_free(mapped);
    idn2_free(again);
    idn2_free(decoded);
    return outcome;
}

/* label as it is compared and looked up, behind the used bytes of out->name. */
static enum outcome append_label(struct span label, struct domain *out, size_t *used)
{
    char lower[LABEL_MAX_UTF8_BYTES + 1];
    char a_label[LABEL_MAX_BYTES + 1];
    if (label.len > LABEL_MAX_UTF8_BYTES)
        return OUTCOME_BROKEN_INPUT;
    for (size_t i = 0; i < label.len; i++)
        lower[i] = byte_to_lower(label.data[i]);
    lower[label.len] = '\0';
    struct span result = {lower, label.len};
    if (!span_is_ascii(label) || span_starts_nocase(label, a_label_prefix)) {
        enum outcome outcome = to_a_label(lower, a_label);
        if (outcome != OUTCOME_OK)
            return outcome;
        result = span_from_string(a_label);
    }
    if (result.len > LABEL_MAX_BYTES || result.len > DOMAIN_MAX_BYTES - *used)
        return OUTCOME_BROKEN_INPUT;
    memcpy(out->name + *used, result.data, result.len);
    *used += result.len;
    return OUTCOME_OK;
}

/* Decimal or hexadecimal: what has such a last label is read as an IPv4 address by some. */
static bool is_number(struct span label)
{
    bool is_hex = span_starts_nocase(label, SPAN_LITERAL("0x"));
    for (size_t i = is_hex ? 2 : 0; i < label.len; i++)
        if (is_hex ? byte_hex_value(label.data[i]) < 0 : !byte_is_digit(label.data[i]))
            return false;
    return true;
}

static enum outcome parse_labels(struct span text, bool allow_underscore, struct domain *out)
{
    size_t used = 0;
    size_t labels = 1;
    for (size_t at = 0;; labels++) {
        size_t dot = span_find_byte(text, at, '.');
        struct span label = span_slice(text, at, dot);
        if (!has_label_bytes(label, allow_underscore))
            return OUTCOME_BROKEN_INPUT;
        enum outcome outcome = append_label(label, out, &used);
        if (outcome != OUTCOME_OK)
            return outcome;
        if (dot == text.len)
            return labels >= 2 && !is_number(label) ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
        if (used == DOMAIN_MAX_BYTES)
            return OUTCOME_BROKEN_INPUT;
        out->name[used++] = '.';
        at = dot + 1;
    }
}

enum outcome domain_parse(struct span text, bool allow_underscore, struct domain *out)
{
    memset(out, 0, sizeof *out);
    enum outcome outcome = parse_labels(text, allow_underscore, out);
    if (outcome != OUTCOME_OK)
        memset(out, 0, sizeof *out);
    return outcome;
}

bool domain_equal(const struct domain *a, const struct domain *b)
{
    return domain_is_set(a) && strcmp(a->name, b->name) == 0;
}

bool domain_is_within(const struct domain *name, const struct domain *parent)
{
    size_t len = strlen(name->name);
    size_t parent_len = strlen(parent->name);
    if (parent_len == 0 || len < parent_len || strcmp(name->name + len - parent_len, parent->name) != 0)
        return false;
    return len == parent_len || name->name[len - parent_len - 1] == '.';
}

bool domain_is_set(const struct domain *d)
{
    return d->name[0] != '\0';
}

const char *domain_library_text(void)
{
    return idn2_check_version(NULL);
}
