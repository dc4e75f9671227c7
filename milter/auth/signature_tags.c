/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_tags.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "tag_list.h"

enum {
    LENGTH_DIGITS_MAX = 76,
    TIME_DIGITS_MAX = 12,
    SHA256_BYTES = 32,
    SIGNATURE_MAX_BYTES = 2048, /* RSA of 16384 bits */
    BASE64_MAX_BYTES = 4096,
};

static const struct name_table_row algorithms[] = {
    {SIGNATURE_ALGORITHM_RSA_SHA1, "rsa-sha1"},
    {SIGNATURE_ALGORITHM_RSA_SHA256, "rsa-sha256"},
    {SIGNATURE_ALGORITHM_ED25519_SHA256, "ed25519-sha256"},
    {0, NULL},
};

static const struct name_table_row canonicalizations[] = {
    {1, "simple"},
    {1, "relaxed"},
    {1, "simple/simple"},
    {1, "simple/relaxed"},
    {1, "relaxed/simple"},
    {1, "relaxed/relaxed"},
    {0, NULL},
};

/* Base64 with white space anywhere (RFC 6376 section 2.10) that stands for 1..max_bytes, *len of them. */
static bool is_base64(struct span value, size_t max_bytes, size_t *len)
{
    char text[BASE64_MAX_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (byte_is_blank(value.data[i]) || value.data[i] == '\r' || value.data[i] == '\n')
            continue;
        if (used == sizeof text)
            return false;
        text[used++] = value.data[i];
    }
    return base64_measure((struct span){text, used}, BASE64_ALPHABET_STANDARD, len) && *len > 0 &&
           *len <= max_bytes;
}

static bool read_number(struct span value, size_t max_digits, int64_t *number)
{
    *number = 0;
    if (value.len == 0 || value.len > max_digits)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.data[i]))
            return false;
        if (i < TIME_DIGITS_MAX)
            *number = *number * 10 + (value.data[i] - '0');
    }
    return true;
}

/* The characters of a header field's name (RFC 5322 section 3.6.8), but for ";", which ends the tag. */
static bool is_field_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return false;
    return name.len > 0;
}

static bool read_signed_fields(struct span value, struct signature_tags *out)
{
    struct span name;
    size_t len = 0;
    while (tag_list_next_item(&value, &name)) {
        if (!is_field_name(name) || len + name.len + 1 > AUTH_FIELDS_MAX_BYTES)
            return false;
        if (len > 0)
            out->signed_fields[len++] = ':';
        for (size_t i = 0; i < name.len; i++)
            out->signed_fields[len++] = byte_to_lower(name.data[i]);
        out->signed_fields[len] = '\0';
    }
    return len > 0;
}

size_t signature_tags_times_signed(const char *signed_fields, struct span name)
{
    struct span list = span_from_string(signed_fields);
    size_t times = 0;
    for (size_t from = 0; from < list.len;) {
        size_t to = span_find_byte(list, from, ':');
        times += span_equal(span_slice(list, from, to), name);
        from = to + 1;
    }
    return times;
}

static bool read_domain(struct span text, struct signature_tags *out, struct domain *domain)
{
    enum outcome outcome = domain_parse(text, true, domain);
    out->is_out_of_memory = out->is_out_of_memory || outcome == OUTCOME_INTERNAL;
    return outcome == OUTCOME_OK;
}

/* Its domain is d= or lies below it. A quoted local part is read differently by different programs. */
static bool read_identity(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    struct domain domain;
    if (!tag_list_find(list, SPAN_LITERAL("i"), &value)) {
        (void)snprintf(out->identity, sizeof out->identity, "@%s", out->domain.name);
        return true;
    }
    size_t at = span_find_byte(value, 0, '@');
    if (!read_domain(span_slice(value, at + 1, value.len), out, &domain) ||
        !domain_is_within(&domain, &out->domain))
        return false;
    for (size_t i = 0; i < at; i++)
        if (byte_is_space(value.data[i]) || value.data[i] == '"')
            return false;
    int len = snprintf(out->identity, sizeof out->identity, "%.*s@%s", (int)at, value.data, domain.name);
    out->is_identity_below = !domain_equal(&domain, &out->domain);
    if (len > 0 && (size_t)len < sizeof out->identity)
        return true;
    out->identity[0] = '\0';
    return false;
}

static bool read_selector(struct span value, struct signature_tags *out)
{
    char text[4 * DOMAIN_MAX_BYTES];
    struct span key_label = SPAN_LITERAL("._domainkey.");
    if (value.len == 0 || value.len > 2 * DOMAIN_MAX_BYTES)
        return false;
    int len = snprintf(text, sizeof text, "%.*s._domainkey.%s", (int)value.len, value.data, out->domain.name);
    if (len < 0 || (size_t)len >= sizeof text || span_find_byte(value, 0, '\0') < value.len ||
        !read_domain((struct span){text, (size_t)len}, out, &out->key_name))
        return false;
    size_t selector = strlen(out->key_name.name) - strlen(out->domain.name) - key_label.len;
    memcpy(out->selector, out->key_name.name, selector);
    out->selector[selector] = '\0';
    return true;
}

static const char *read_times(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    out->has_body_length = tag_list_find(list, SPAN_LITERAL("l"), &value);
    if (out->has_body_length && !read_number(value, LENGTH_DIGITS_MAX, &out->body_length))
        return "malformed l=";
    if (tag_list_find(list, SPAN_LITERAL("t"), &value) &&
        !read_number(value, TIME_DIGITS_MAX, &out->signed_at)) {
        out->signed_at = -1;
        return "malformed t=";
    }
    if (tag_list_find(list, SPAN_LITERAL("x"), &value) &&
        !read_number(value, TIME_DIGITS_MAX, &out->expires_at)) {
        out->expires_at = -1;
        return "malformed x=";
    }
    if (out->signed_at >= 0 && out->expires_at >= 0 && out->expires_at <= out->signed_at)
        return "x= is not after t=";
    return out->signed_at >= 0 && out->signed_at < SIGNATURE_TAGS_OLDEST_TIME ? "t= is older than DKIM"
                                                                              : NULL;
}

static const char *read_algorithm(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    int algorithm;
    if (!tag_list_find(list, SPAN_LITERAL("a"), &value))
        return "a= is missing";
    if (!name_table_value(algorithms, value, &algorithm))
        return "unknown a=";
    out->algorithm = (enum signature_algorithm)algorithm;
    (void)snprintf(out->algorithm_text, sizeof out->algorithm_text, "%s",
                   name_table_name(algorithms, algorithm));
    return NULL;
}

static const char *read_hashes(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    size_t len;
    if (!tag_list_find(list, SPAN_LITERAL("b"), &out->signature) ||
        !is_base64(out->signature, SIGNATURE_MAX_BYTES, &len))
        return "malformed b=";
    if (!tag_list_find(list, SPAN_LITERAL("bh"), &value) || !is_base64(value, SHA256_BYTES, &len))
        return "malformed bh=";
    return out->algorithm == SIGNATURE_ALGORITHM_RSA_SHA1 || len == SHA256_BYTES ? NULL : "malformed bh=";
}

static bool has_known_canonicalization(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    int ignored;
    if (!tag_list_find(list, SPAN_LITERAL("c"), &value))
        return true;
    struct span of_body = span_slice(value, span_find_byte(value, 0, '/') + 1, value.len);
    out->is_body_relaxed = span_equal_nocase(of_body, SPAN_LITERAL("relaxed"));
    return name_table_value(canonicalizations, value, &ignored);
}

static bool has_known_query(const struct tag_list *list)
{
    struct span value;
    struct span method;
    if (!tag_list_find(list, SPAN_LITERAL("q"), &value))
        return true;
    while (tag_list_next_item(&value, &method))
        if (span_equal_nocase(method, SPAN_LITERAL("dns/txt")))
            return true;
    return false;
}

/* All that d= does not depend on; NULL, or the first fault. Each is read even so, to be shown. */
static const char *read_rest(const struct tag_list *list, struct signature_tags *out)
{
    struct span value;
    bool has_fields = tag_list_find(list, SPAN_LITERAL("h"), &value) && read_signed_fields(value, out);
    const char *faults[] = {
        tag_list_find(list, SPAN_LITERAL("v"), &value) && span_equal(value, SPAN_LITERAL("1"))
            ? NULL
            : "v= is not 1",
        read_algorithm(list, out),
        domain_is_set(&out->domain) ? NULL : "malformed d=",
        tag_list_find(list, SPAN_LITERAL("s"), &value) && read_selector(value, out) ? NULL : "malformed s=",
        has_fields ? NULL : "malformed h=",
        signature_tags_times_signed(out->signed_fields, SPAN_LITERAL("from")) > 0 ? NULL
                                                                                  : "From is not signed",
        read_identity(list, out) ? NULL : "i= is malformed or not within d=",
        read_hashes(list, out),
        has_known_canonicalization(list, out) ? NULL : "unknown c=",
        has_known_query(list) ? NULL : "unknown q=",
        read_times(list, out),
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i] != NULL)
            return faults[i];
    return NULL;
}

enum outcome signature_tags_parse(struct span field_body, struct signature_tags *out, const char **why)
{
    struct tag_list list;
    struct span value;
    memset(out, 0, sizeof *out);
    out->signed_at = -1;
    out->expires_at = -1;
    enum outcome outcome = tag_list_parse(field_body, TAG_LIST_MANNER_STRICT, &list, why);
    if (tag_list_find(&list, SPAN_LITERAL("d"), &value))
        (void)read_domain(value, out, &out->domain);
    const char *fault = read_rest(&list, out);
    if (out->is_out_of_memory)
        return OUTCOME_INTERNAL;
    if (outcome != OUTCOME_OK)
        return outcome;
    *why = fault;
    return fault == NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}
