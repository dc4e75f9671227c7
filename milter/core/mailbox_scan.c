/* SPDX-License-Identifier: BSD-2-Clause */
#include "mailbox_scan.h"

#include <string.h>

bool mailbox_scan_is_atext(char c)
{
    if (byte_is_alnum(c) || (unsigned char)c >= 0x80)
        return true;
    return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

size_t mailbox_scan_comment(struct span text, size_t at)
{
    unsigned depth = 0;
    for (; at < text.len; at++) {
        char c = text.data[at];
        if (c == '\\') {
            at++;
        } else if (c == '(') {
            if (++depth > MAILBOX_COMMENT_MAX_DEPTH)
                return 0;
        } else if (c == ')' && --depth == 0) {
            return at + 1;
        }
    }
    return 0;
}

size_t mailbox_scan_quoted(struct span text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.data[at] == '\\')
            at++;
        else if (text.data[at] == '"')
            return at + 1;
    }
    return 0;
}
