/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"

enum { PIECE_BYTES = 192 };

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool base64_is_url_byte(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '_';
}

static int value_of(char c, enum base64_alphabet alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (byte_is_digit(c))
        return c - '0' + 52;
    if (c == (alphabet == BASE64_ALPHABET_URL ? '-' : '+'))
        return 62;
    if (c == (alphabet == BASE64_ALPHABET_URL ? '_' : '/'))
        return 63;
    return -1;
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

/* text is without padding; out may be NULL. */
static enum outcome decode(struct span text, enum base64_alphabet alphabet, struct strbuf *out)
{
    char piece[PIECE_BYTES];
    size_t piece_len = 0;
    unsigned bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.data[i], alphabet);
        if (value < 0)
            return OUTCOME_BROKEN_INPUT;
        bits = (bits << 6 | (unsigned)value) & 0xfff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            piece[piece_len++] = (char)(bits >> held & 0xff);
        }
        if (piece_len < sizeof piece && i + 1 < text.len)
            continue;
        if (out != NULL && !strbuf_append(out, (struct span){piece, piece_len}))
            return OUTCOME_INTERNAL;
        piece_len = 0;
    }
    return (bits & ((1u << held) - 1)) == 0 ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
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
