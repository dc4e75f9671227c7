/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_tags.h"

#include <stdio.h>
#include <string.h>

#include "key_size.h"

enum { LENGTH_DIGITS_MAX = 76, TIME_DIGITS_MAX = 12, ED25519_BITS = 256 };

static bool is_fws(char c)
{
    return byte_is_blank(c) || c == '\r' || c == '\n';
}

/* 8-bit bytes may stand in d= and i= (RFC 8616); controls other than folding nowhere. */
static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (byte_is_control(s.data[i]) && !is_fws(s.data[i]))
            return false;
    return true;
}

static bool is_name(struct span s)
{
    if (s.len == 0 || !byte_is_alpha(s.data[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!byte_is_alnum(s.data[i]) && s.data[i] != '_')
            return false;
    return true;
}

bool signature_tags_find(const struct signature_tag_list *list, const char *name, struct span *value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (span_equal(list->tags[i].name, span_from_string(name))) {
            *value = list->tags[i].value;
            return true;
        }
    }
    *value = (struct span){NULL, 0};
    return false;
}

static bool add_tag(struct signature_tag_list *out, struct span spec)
{
    size_t equals = span_find_byte(spec, 0, '=');
    struct signature_tag tag = {span_trim(span_slice(spec, 0, equals)),
                                span_trim(span_slice(spec, equals + 1, spec.len))};
    if (equals == spec.len || !is_name(tag.name) || !is_value(tag.value) || out->count == SIGNATURE_TAGS_MAX)
        return false;
    for (size_t i = 0; i < out->count; i++)
        if (span_equal(out->tags[i].name, tag.name))
            return false;
    out->tags[out->count++] = tag;
    return true;
}

bool signature_tags_parse(struct span text, struct signature_tag_list *out)
{
    out->count = 0;
    for (size_t from = 0; from < text.len;) {
        size_t end = span_find_byte(text, from, ';');
        struct span spec = span_slice(text, from, end);
        bool is_trailing = end == text.len && span_trim(spec).len == 0 && out->count > 0;
        if (!is_trailing && !add_tag(out, spec))
            return false;
        from = end + 1;
    }
    return out->count > 0;
}

/* Without white space, in lower case; false if it does not fit or holds other than printable ASCII. */
static bool copy_compact(struct span value, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (is_fws(c))
            continue;
        if (len + 1 >= size || byte_is_control(c) || (unsigned char)c >= 0x80)
            return false;
        out[len++] = byte_to_lower(c);
    }
    out[len] = '\0';
    return true;
}

static bool is_base64(struct span value)
{
    size_t characters = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (is_fws(c))
            continue;
        if (!byte_is_alnum(c) && c != '+' && c != '/' && c != '=')
            return false;
        characters++;
    }
    return characters > 0;
}

static bool read_number(struct span value, size_t max_digits, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.data[i]) || i >= max_digits)
            return false;
        if (i < TIME_DIGITS_MAX)
            *number = *number * 10 + (value.data[i] - '0');
    }
    return value.len > 0;
}

/* Whether word is one of a colon-separated list. */
static bool list_has(struct span list, const char *word)
{
    for (size_t from = 0; from <= list.len;) {
        size_t end = span_find_byte(list, from, ':');
        if (span_equal_nocase(span_trim(span_slice(list, from, end)), span_from_string(word)))
            return true;
        from = end + 1;
    }
    return false;
}

static bool read_canonicalization(struct span value)
{
    static const char *const known[] = {"simple",         "relaxed",        "simple/simple",
                                        "simple/relaxed", "relaxed/simple", "relaxed/relaxed"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (span_equal_nocase(value, span_from_string(known[i])))
            return true;
    return false;
}

static bool read_signed_fields(struct span value, struct signature_tags_field *out)
{
    if (!copy_compact(value, out->signed_fields, sizeof out->signed_fields))
        return false;
    struct span list = span_from_string(out->signed_fields);
    for (size_t from = 0; from <= list.len;) {
        size_t end = span_find_byte(list, from, ':');
        if (end == from)
            return false;
        from = end + 1;
    }
    return list_has(list, "from");
}

/* i=: its domain is d= or lies below it. */
static bool read_identity(const struct signature_tag_list *list, struct signature_tags_field *out)
{
    struct span value;
    if (!signature_tags_find(list, "i", &value)) {
        (void)snprintf(out->identity, sizeof out->identity, "@%s", out->domain.name);
        return true;
    }
    size_t at = value.len;
    while (at > 0 && value.data[at - 1] != '@')
        at--;
    struct domain domain;
    if (at == 0 || value.len > AUTH_IDENTITY_MAX_BYTES ||
        domain_parse(span_slice(value, at, value.len), true, &domain) != OUTCOME_OK ||
        !domain_is_within(&domain, &out->domain))
        return false;
    (void)snprintf(out->identity, sizeof out->identity, "%.*s", (int)value.len, value.data);
    out->identity_is_subdomain = !domain_equal(&domain, &out->domain);
    return true;
}

static bool read_selector(struct span value, struct signature_tags_field *out)
{
    char name[4 * DOMAIN_MAX_BYTES];
    int len = snprintf(name, sizeof name, "%.*s._domainkey.%s",
                       (int)(value.len <= DOMAIN_MAX_BYTES ? value.len : 0),
                       value.data != NULL ? value.data : "", out->domain.name);
    if (len < 0 || (size_t)len >= sizeof name || value.len == 0 || value.len > DOMAIN_MAX_BYTES ||
        domain_parse((struct span){name, (size_t)len}, true, &out->key_name) != OUTCOME_OK)
        return false;
    const char *end = strstr(out->key_name.name, "._domainkey.");
    (void)snprintf(out->selector, sizeof out->selector, "%.*s",
                   (int)(end != NULL ? end - out->key_name.name : 0), out->key_name.name);
    return end != NULL;
}

static const char *read_times(const struct signature_tag_list *list, struct signature_tags_field *out)
{
    struct span value;
    int64_t ignored;
    out->has_body_length = signature_tags_find(list, "l", &value);
    if (out->has_body_length && !read_number(value, LENGTH_DIGITS_MAX, &ignored))
        return "malformed l=";
    if (signature_tags_find(list, "t", &value) && !read_number(value, TIME_DIGITS_MAX, &out->signed_at))
        return "malformed t=";
    if (signature_tags_find(list, "x", &value) && !read_number(value, TIME_DIGITS_MAX, &out->expires_at))
        return "malformed x=";
    if (out->signed_at >= 0 && out->expires_at >= 0 && out->expires_at <= out->signed_at)
        return "x= is not after t=";
    return NULL;
}

static bool is_algorithm(const char *name)
{
    return strcmp(name, "rsa-sha256") == 0 || strcmp(name, "ed25519-sha256") == 0 ||
           strcmp(name, "rsa-sha1") == 0;
}

/* Everything but d=; NULL, or what is wrong. */
static const char *read_rest(const struct signature_tag_list *list, struct signature_tags_field *out)
{
    struct span value;
    if (!signature_tags_find(list, "a", &value) ||
        !copy_compact(value, out->algorithm, sizeof out->algorithm))
        out->algorithm[0] = '\0';
    if (!signature_tags_find(list, "s", &value) || !read_selector(value, out))
        return "malformed s=";
    if (!signature_tags_find(list, "v", &value) || !span_equal(value, SPAN_LITERAL("1")))
        return "v= is not 1";
    if (!is_algorithm(out->algorithm))
        return "unknown a=";
    if (!signature_tags_find(list, "h", &value) || !read_signed_fields(value, out))
        return "malformed h=";
    if (!signature_tags_find(list, "b", &value) || !is_base64(value))
        return "malformed b=";
    if (!signature_tags_find(list, "bh", &value) || !is_base64(value))
        return "malformed bh=";
    if (signature_tags_find(list, "c", &value) && !read_canonicalization(value))
        return "unknown c=";
    if (signature_tags_find(list, "q", &value) && !list_has(value, "dns/txt"))
        return "unknown q=";
    if (!read_identity(list, out))
        return "i= is not within d=";
    return read_times(list, out);
}

bool signature_tags_read_field(struct span field_body, struct signature_tags_field *out)
{
    struct signature_tag_list list;
    struct span value;
    memset(out, 0, sizeof *out);
    out->signed_at = -1;
    out->expires_at = -1;
    bool is_list = signature_tags_parse(field_body, &list);
    if (!signature_tags_find(&list, "d", &value) || domain_parse(value, true, &out->domain) != OUTCOME_OK)
        return false;
    out->why = is_list ? read_rest(&list, out) : "malformed tag list";
    return true;
}

static const char *check_key(const struct signature_tag_list *list, bool is_ed25519)
{
    struct span value;
    if (signature_tags_find(list, "v", &value) &&
        (!span_equal(value, SPAN_LITERAL("DKIM1")) || !span_equal(list->tags[0].name, SPAN_LITERAL("v"))))
        return "the record is no DKIM1 key";
    bool has_type = signature_tags_find(list, "k", &value);
    if (!span_equal_nocase(has_type ? value : SPAN_LITERAL("rsa"),
                           is_ed25519 ? SPAN_LITERAL("ed25519") : SPAN_LITERAL("rsa")))
        return "the key is of another type";
    if (signature_tags_find(list, "h", &value) && !list_has(value, "sha256"))
        return "the key does not allow sha256";
    if (signature_tags_find(list, "s", &value) && !list_has(value, "*") && !list_has(value, "email"))
        return "the key is not for mail";
    if (!signature_tags_find(list, "p", &value))
        return "the record has no key";
    if (value.len == 0)
        return "the key is revoked";
    return is_base64(value) ? NULL : "the key is malformed";
}

/* Notes and blanks go, for libopendkim takes 1024 bytes and cuts what is longer. */
static bool reduce(struct span key, bool is_ed25519, char out[static SIGNATURE_TAGS_KEY_MAX_BYTES + 1])
{
    int len =
        snprintf(out, SIGNATURE_TAGS_KEY_MAX_BYTES + 1, "v=DKIM1; k=%s; p=", is_ed25519 ? "ed25519" : "rsa");
    size_t used = len > 0 ? (size_t)len : 0;
    for (size_t i = 0; i < key.len; i++) {
        if (is_fws(key.data[i]))
            continue;
        if (used == SIGNATURE_TAGS_KEY_MAX_BYTES)
            return false;
        out[used++] = key.data[i];
    }
    out[used] = '\0';
    return true;
}

void signature_tags_read_key(struct span record, const char *algorithm, struct signature_tags_key *out)
{
    struct signature_tag_list list;
    struct span value;
    memset(out, 0, sizeof *out);
    out->is_ed25519 = strcmp(algorithm, "ed25519-sha256") == 0;
    out->why = "the key record is malformed";
    if (!signature_tags_parse(record, &list))
        return;
    if (signature_tags_find(&list, "t", &value)) {
        out->is_testing = list_has(value, "y");
        out->forbids_subdomains = list_has(value, "s");
    }
    out->why = check_key(&list, out->is_ed25519);
    if (out->why != NULL || !signature_tags_find(&list, "p", &value))
        return;
    if (!reduce(value, out->is_ed25519, out->reduced))
        out->why = "the key is too long";
    else
        out->bits = out->is_ed25519
                        ? ED25519_BITS
                        : key_size_rsa_bits(span_from_string(strrchr(out->reduced, ' ') + strlen(" p=")));
    if (out->why == NULL && out->bits == 0)
        out->why = "the key is malformed";
}
