/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_size.h"

#include "base64.h"

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_SEQUENCE = 0x30,
    DER_LONG_FORM = 0x80,
    LENGTH_BYTES_MAX = 3,
    KEY_MAX_BYTES = 16384,
};

/* Takes one element from the front of s: its tag and contents. */
static bool take_element(struct span *s, int *tag, struct span *contents)
{
    if (s->len < 2)
        return false;
    const unsigned char *bytes = (const unsigned char *)s->data;
    size_t len = bytes[1];
    size_t at = 2;
    *tag = bytes[0];
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

static bool take(struct span *s, int wanted, struct span *contents)
{
    int tag;
    return take_element(s, &tag, contents) && tag == wanted;
}

static unsigned integer_bits(struct span s)
{
    while (s.len > 0 && s.data[0] == 0)
        s = span_slice(s, 1, s.len);
    if (s.len == 0)
        return 0;
    unsigned top = 0;
    for (unsigned first = (unsigned char)s.data[0]; first > 0; first >>= 1)
        top++;
    return (unsigned)(s.len - 1) * 8 + top;
}

static unsigned modulus_bits(struct span der)
{
    struct span key, first, bits, inner;
    int tag;
    if (!take(&der, DER_SEQUENCE, &key) || !take_element(&key, &tag, &first))
        return 0;
    if (tag == DER_INTEGER)
        return integer_bits(first);
    if (tag != DER_SEQUENCE || !take(&key, DER_BIT_STRING, &bits) || bits.len < 1 || bits.data[0] != 0)
        return 0;
    bits = span_slice(bits, 1, bits.len);
    if (!take(&bits, DER_SEQUENCE, &inner) || !take(&inner, DER_INTEGER, &first))
        return 0;
    return integer_bits(first);
}

unsigned key_size_rsa_bits(struct span key)
{
    struct strbuf der;
    strbuf_init(&der, KEY_MAX_BYTES);
    unsigned bits = base64_decode(key, BASE64_ALPHABET_STANDARD, &der) == OUTCOME_OK
                        ? modulus_bits(strbuf_view(&der))
                        : 0;
    strbuf_clear(&der);
    return bits;
}
