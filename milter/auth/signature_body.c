/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_body.h"

/* Of one line: a run of blanks counts as one, and none at the end. */
static size_t relaxed_length(struct span line)
{
    size_t len = 0;
    while (line.len > 0 && byte_is_blank(line.data[line.len - 1]))
        line.len--;
    for (size_t i = 0; i < line.len; i++)
        if (!byte_is_blank(line.data[i]) || !byte_is_blank(line.data[i + 1]))
            len++;
    return len;
}

size_t signature_body_length(struct span body, bool is_relaxed)
{
    const struct span end = SPAN_LITERAL("\r\n");
    size_t len = 0;    /* up to the last line that is not empty */
    size_t passed = 0; /* and with the empty ones behind it */
    for (size_t at = 0; at < body.len;) {
        size_t stop = span_find(body, at, end);
        struct span line = span_slice(body, at, stop);
        size_t counted = is_relaxed ? relaxed_length(line) : line.len;
        passed += counted + end.len;
        if (counted > 0)
            len = passed;
        at = stop + end.len;
    }
    return len > 0 || is_relaxed ? len : end.len;
}
