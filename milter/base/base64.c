/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"

#include <stdint.h>

enum { PIECE_BYTES = 192 };

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool base64_is_url_byte(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '_';
}

/* One more than the value of each byte of both alphabets, the last two of base64url behind all others. */
static const unsigned char places[256] = {
    ['A'] = 1, 2,  3,  4,  5,          6,  7,  8,          9,          10,         11,
    12,        13, 14, 15, 16,         17, 18, 19,         20,         21,         22,
    23,        24, 25, 26, ['a'] = 27, 28, 29, 30,         31,         32,         33,
    34,        35, 36, 37, 38,         39, 40, 41,         42,         43,         44,
    45,        46, 47, 48, 49,         50, 51, 52,         ['0'] = 53, 54,         55,
    56,        57, 58, 59, 60,         61, 62, ['+'] = 63, ['/'] = 64, ['-'] = 65, ['_'] = 66,
};

/* -1 for a byte that is not in the alphabet. */
static int value_of(char c, enum base64_alphabet alphabet)
{
    int value = places[(unsigned char)c] - 1;
    if (value < 62)
        return value;
    if (alphabet == BASE64_ALPHABET_URL)
        return value >= 64 ? value - 2 : -1;
    return value < 64 ? value : -1;
}

bool base64_append_url(struct strbuf *out, struct span s)
{
    unsigned bits = 0;
    unsigned held = 0;
    bool ok = true;
    for (size_t i = 0; i < s.len; i++) {
        bits = bits << 8 | (unsigned char)s.data[i];
        for (held += 8; held >= 6; held -= 6)
            ok = strbuf_append_byte(out, url_alphabet[bits >> (held - 6) & 63]);
        bits &= 63;
    }
    if (held > 0)
        ok = strbuf_append_byte(out, url_alphabet[bits << (6 - held) & 63]);
    return ok && out->error == STRBUF_ERROR_NONE;
}

/* The text without its padding; false where the padding is wrong. */
static bool strip_padding(struct span *text, enum base64_alphabet alphabet)
{
    size_t padding = 0;
    while (padding < text->len && padding < 2 && text->data[text->len - 1 - padding] == '=')
        padding++;
    bool is_whole = text->len % 4 == 0;
    text->len -= padding;
    if (padding == 0 && alphabet == BASE64_ALPHABET_URL)
        return text->len % 4 != 1;
    return is_whole && text->len % 4 != 1;
}

/* Up to four characters as the bits of up to three bytes; negative if one is foreign or a bit is left over.
 */
static int32_t group_of(struct span text, enum base64_alphabet alphabet)
{
    int32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < text.len ? value_of(text.data[i], alphabet) : 0;
        if (value < 0)
            return -1;
        bits = bits << 6 | value;
    }
    bool is_left_over = (text.len == 2 && (bits & 0xffff) != 0) || (text.len == 3 && (bits & 0xff) != 0);
    return is_left_over ? -1 : bits;
}

/* text is without padding; out may be NULL. */
static enum outcome decode(struct span text, enum base64_alphabet alphabet, struct strbuf *out)
{
    char piece[PIECE_BYTES];
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += 4) {
        struct span group = {text.data + at, text.len - at < 4 ? text.len - at : 4};
        int32_t bits = group_of(group, alphabet);
        if (bits < 0)
            return OUTCOME_BROKEN_INPUT;
        piece[len] = (char)(bits >> 16);
        piece[len + 1] = (char)(bits >> 8);
        piece[len + 2] = (char)bits;
        len += group.len - 1;
        if (len + 3 <= sizeof piece && at + 4 < text.len)
            continue;
        if (out != NULL && !strbuf_append(out, (struct span){piece, len}))
            return OUTCOME_INTERNAL;
        len = 0;
    }
    return OUTCOME_OK;
}

enum outcome base64_decode(struct span text, enum base64_alphabet alphabet, struct strbuf *out)
{
    return strip_padding(&text, alphabet) ? decode(text, alphabet, out) : OUTCOME_BROKEN_INPUT;
}

bool base64_measure(struct span text, enum base64_alphabet alphabet, size_t *bytes)
{
    bool is_good = strip_padding(&text, alphabet) && decode(text, alphabet, NULL) == OUTCOME_OK;
    *bytes = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    return is_good;
}
