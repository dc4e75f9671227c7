/* SPDX-License-Identifier: BSD-2-Clause */
#include "strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM_BYTES = 64 };

void strbuf_init(struct strbuf *b, size_t limit_bytes)
{
    *b = (struct strbuf){.limit = limit_bytes};
}

void strbuf_clear(struct strbuf *b)
{
    free(b->data);
    strbuf_init(b, b->limit);
}

void strbuf_reset(struct strbuf *b)
{
    b->len = 0;
    b->error = STRBUF_ERROR_NONE;
    if (b->data != NULL)
        b->data[0] = '\0';
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
    if (len >= b->len)
        return;
    b->len = len;
    b->data[len] = '\0';
}

/* Room for extra more bytes and the NUL behind them. */
static bool reserve(struct strbuf *b, size_t extra)
{
    if (b->error != STRBUF_ERROR_NONE)
        return false;
    if (extra > b->limit - b->len) {
        b->error = STRBUF_ERROR_LIMIT;
        return false;
    }
    size_t needed = b->len + extra + 1;
    if (needed <= b->room)
        return true;
    size_t room = b->room != 0 ? b->room : FIRST_ROOM_BYTES;
    while (room < needed)
        room *= 2;
    char *data = realloc(b->data, room);
    if (data == NULL) {
        b->error = STRBUF_ERROR_MEMORY;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

bool strbuf_append(struct strbuf *b, struct span s)
{
    if (!reserve(b, s.len))
        return false;
    if (s.len > 0)
        memcpy(b->data + b->len, s.data, s.len);
    b->len += s.len;
    b->data[b->len] = '\0';
    return true;
}

bool strbuf_append_string(struct strbuf *b, const char *s)
{
    return strbuf_append(b, span_from_string(s));
}

bool strbuf_append_byte(struct strbuf *b, char c)
{
    return strbuf_append(b, (struct span){&c, 1});
}

bool strbuf_append_format(struct strbuf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !reserve(b, (size_t)len))
        return false;
    va_start(args, format);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
    return true;
}

bool strbuf_append_without_space(struct strbuf *b, struct span s)
{
    for (size_t from = 0; from < s.len;) {
        size_t to = from;
        while (to < s.len && !byte_is_space(s.data[to]))
            to++;
        if (!strbuf_append(b, span_slice(s, from, to)))
            return false;
        from = to + 1;
    }
    return b->error == STRBUF_ERROR_NONE;
}

bool strbuf_append_escaped(struct strbuf *b, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char escaped[BYTE_ESCAPED_MAX];
        size_t len = byte_escape(s.data[i], escaped);
        if (!strbuf_append(b, (struct span){escaped, len}))
            return false;
    }
    return true;
}

struct span strbuf_view(const struct strbuf *b)
{
    return (struct span){b->data, b->len};
}

const char *strbuf_string(const struct strbuf *b)
{
    return b->data != NULL ? b->data : "";
}

char *strbuf_take(struct strbuf *b)
{
    if (b->error != STRBUF_ERROR_NONE || !reserve(b, 0)) {
        strbuf_clear(b);
        return NULL;
    }
    char *data = b->data;
    data[b->len] = '\0';
    strbuf_init(b, b->limit);
    return data;
}
