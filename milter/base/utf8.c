/* SPDX-License-Identifier: BSD-2-Clause */
#include "utf8.h"

#include <string.h>

static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

size_t utf8_decode(struct span s, size_t at, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)s.data[at];
    size_t len = sequence_length(first);
    if (len == 0 || len > s.len - at)
        return 0;
    uint32_t value = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)s.data[at + i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3f);
    }
    if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return len;
}

bool utf8_is_valid(struct span s)
{
    uint32_t code;
    for (size_t at = utf8_skip_printable(s, 0); at < s.len; at = utf8_skip_printable(s, at)) {
        size_t len = utf8_decode(s, at, &code);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

bool utf8_is_hidden(uint32_t code)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {
        {0x0000, 0x001f},   {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},
        {0x115f, 0x1160},   {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x2000, 0x200f},
        {0x2028, 0x202f},   {0x205f, 0x206f}, {0x3000, 0x3000}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
        {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

#define EACH_BYTE(b) (0x0101010101010101u * (uint64_t)(b))

/* Whether any of eight bytes is below SP, DEL or above: the carries of the sums reach the high bits. */
static bool has_unprintable(uint64_t word)
{
    uint64_t low = word & EACH_BYTE(0x7f);
    uint64_t is_del = low + EACH_BYTE(0x01);
    uint64_t is_not_control = low + EACH_BYTE(0x60);
    return ((word | is_del | ~is_not_control) & EACH_BYTE(0x80)) != 0;
}

size_t utf8_skip_printable(struct span s, size_t from)
{
    uint64_t word;
    while (s.len - from >= sizeof word) {
        memcpy(&word, s.data + from, sizeof word);
        if (has_unprintable(word))
            break;
        from += sizeof word;
    }
    while (from < s.len && !byte_is_control(s.data[from]) && (unsigned char)s.data[from] < 0x80)
        from++;
    return from;
}
