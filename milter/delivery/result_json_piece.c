/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json_internal.h"

#include "strbuf.h"
#include "utf8.h"

enum { REPLACEMENT = 0xfffd, BEYOND_PLANE_0 = 0x10000, HIGH_SURROGATE = 0xd800, LOW_SURROGATE = 0xdc00 };

static bool append_escape(struct strbuf *out, uint32_t code)
{
    if (code < BEYOND_PLANE_0)
        return strbuf_append_format(out, "\\u%04X", (unsigned)code);
    code -= BEYOND_PLANE_0;
    return strbuf_append_format(out, "\\u%04X\\u%04X", (unsigned)(HIGH_SURROGATE + (code >> 10)),
                                (unsigned)(LOW_SURROGATE + (code & 0x3ff)));
}

int result_json_append_piece(const char *piece, size_t len, void *context)
{
    struct strbuf *out = context;
    struct span s = {piece, len};
    uint32_t code;
    bool ok = true;
    for (size_t at = 0; at < len && ok;) {
        size_t end = utf8_skip_printable(s, at);
        ok = strbuf_append(out, span_slice(s, at, end));
        at = end;
        if (at == len)
            break;
        size_t bytes = utf8_decode(s, at, &code);
        if (bytes > 0 && code != REPLACEMENT && utf8_is_hidden(code))
            ok = append_escape(out, code);
        else
            ok = strbuf_append(out, span_slice(s, at, at + (bytes > 0 ? bytes : 1)));
        at += bytes > 0 ? bytes : 1;
    }
    return ok ? 0 : -1;
}
