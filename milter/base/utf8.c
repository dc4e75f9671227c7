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
