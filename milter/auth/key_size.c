/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_size.h"

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OBJECT_IDENTIFIER = 0x06,
    DER_SEQUENCE = 0x30,
    DER_LONG_FORM = 0x80,
    LENGTH_BYTES_MAX = 3,
};

/* rsaEncryption, RFC 8017 appendix A.1. */
static const struct span rsa_encryption = {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9};
static const struct span null_parameters = {"\x05\x00", 2};

/* Takes the element of that tag from the front of s. */
static bool take(struct span *s, unsigned char tag, struct span *contents)
{
    const unsigned char *bytes = (const unsigned char *)s->data;
    if (s->len < 2 || bytes[0] != tag)
        return false;
    size_t len = bytes[1];
    size_t at = 2;
    if (len >= DER_LONG_FORM) {
        size_t count = len - DER_LONG_FORM;
        if (count == 0 || count > LENGTH_BYTES_MAX || s->len < 2 + count)
            return false;
        for (len = 0; at < 2 + count; at++)
            len = len << 8 | bytes[at];
    }
    if (len > s->len - at)
        return false;
    *contents = span_slice(*s, at, at + len);
    *s = span_slice(*s, at + len, s->len);
    return true;
}

/* 0 for a negative number, too. */
static unsigned integer_bits(struct span s)
{
    if (s.len == 0 || (unsigned char)s.data[0] >= 0x80)
        return 0;
    while (s.len > 0 && s.data[0] == 0)
        s = span_slice(s, 1, s.len);
    if (s.len == 0)
        return 0;
    unsigned top = 0;
    for (unsigned first = (unsigned char)s.data[0]; first > 0; first >>= 1)
        top++;
    return (unsigned)(s.len - 1) * 8 + top;
}

/* The bits of a SubjectPublicKeyInfo that says rsaEncryption. */
static bool take_rsa_bits(struct span der, struct span *bits)
{
    struct span info, algorithm, identifier;
    if (!take(&der, DER_SEQUENCE, &info) || der.len != 0 || !take(&info, DER_SEQUENCE, &algorithm) ||
        !take(&algorithm, DER_OBJECT_IDENTIFIER, &identifier) || !span_equal(identifier, rsa_encryption))
        return false;
    if (algorithm.len > 0 && !span_equal(algorithm, null_parameters))
        return false;
    if (!take(&info, DER_BIT_STRING, bits) || info.len != 0 || bits->len < 1 || bits->data[0] != 0)
        return false;
    *bits = span_slice(*bits, 1, bits->len);
    return true;
}

bool key_size_read_rsa(struct span der, struct key_size *out)
{
    struct span bits, key, modulus, exponent;
    if (!take_rsa_bits(der, &bits) || !take(&bits, DER_SEQUENCE, &key) ||
        !take(&key, DER_INTEGER, &modulus) || !take(&key, DER_INTEGER, &exponent) || bits.len != 0 ||
        key.len != 0)
        return false;
    out->modulus_bits = integer_bits(modulus);
    out->exponent_bits = integer_bits(exponent);
    out->modulus = modulus;
    out->exponent = exponent;
    return out->modulus_bits > 0 && out->exponent_bits > 0;
}
