/* SPDX-License-Identifier: BSD-2-Clause */
#include "span.h"

#include <string.h>

struct span span_from_string(const char *s)
{
    return (struct span){s, s != NULL ? strlen(s) : 0};
}

bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_equal_nocase(struct span a, struct span b)
{
    return a.len == b.len && span_starts_nocase(a, b);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (byte_to_lower(s.data[i]) != byte_to_lower(prefix.data[i]))
            return false;
    return true;
}

struct span span_slice(struct span s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return (struct span){s.data != NULL ? s.data + from : NULL, to - from};
}

bool span_is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

struct span span_trim(struct span s)
{
    while (s.len > 0 && byte_is_space(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && byte_is_space(s.data[0]))
        s = span_slice(s, 1, s.len);
    return s;
}

size_t span_find(struct span s, size_t from, struct span needle)
{
    if (from > s.len)
        return s.len;
    if (needle.len == 0)
        return from;
    if (s.len - from < needle.len)
        return s.len;
    const char *hit = memmem(s.data + from, s.len - from, needle.data, needle.len);
    return hit != NULL ? (size_t)(hit - s.data) : s.len;
}

size_t span_find_byte(struct span s, size_t from, char byte)
{
    if (from >= s.len)
        return s.len;
    const char *hit = memchr(s.data + from, byte, s.len - from);
    return hit != NULL ? (size_t)(hit - s.data) : s.len;
}

void span_copy_escaped(struct span s, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < s.len; i++) {
        char escaped[BYTE_ESCAPED_MAX];
        size_t len = byte_escape(s.data[i], escaped);
        if (len >= size - used)
            break;
        memcpy(out + used, escaped, len);
        used += len;
    }
    out[used] = '\0';
}

size_t span_skip_cfws(struct span s, size_t at)
{
    size_t depth = 0;
    for (; at < s.len; at++) {
        char c = s.data[at];
        if (c == '\\' && depth > 0)
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !byte_is_blank(c) && c != '\r' && c != '\n')
            break;
    }
    return at < s.len ? at : s.len;
}
