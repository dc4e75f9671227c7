/* SPDX-License-Identifier: BSD-2-Clause */
#include "byte.h"

bool byte_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool byte_is_alnum(char c)
{
    return byte_is_alpha(c) || byte_is_digit(c);
}

bool byte_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool byte_is_space(char c)
{
    return byte_is_blank(c) || c == '\r' || c == '\n';
}

bool byte_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

char byte_to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int byte_hex_value(char c)
{
    if (byte_is_digit(c))
        return c - '0';
    c = byte_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t byte_escape(char c, char out[static BYTE_ESCAPED_MAX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char value = (unsigned char)c;
    out[0] = c;
    if (value >= ' ' && value < 0x7f && value != '\\')
        return 1;
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[value >> 4];
    out[3] = digits[value & 15];
    return BYTE_ESCAPED_MAX;
}
