/* SPDX-License-Identifier: BSD-2-Clause */
#include "charset.h"

#include <errno.h>
#include <iconv.h>

#include "utf8.h"

enum { CHUNK_BYTES = 4096 };

static const char replacement[] = "\xef\xbf\xbd";

struct charset {
    const char *name;
    const char *iconv_name; /* NULL: UTF-8 or US-ASCII, which need none */
};

/* Stateless or self-synchronising ones that mail programs really send; UTF-7 is not among them on purpose. */
static const struct charset charsets[] = {
    {"utf-8", NULL},
    {"utf8", NULL},
    {"us-ascii", NULL},
    {"ascii", NULL},
    {"iso-8859-1", "ISO-8859-1"},
    {"latin1", "ISO-8859-1"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "ISO-8859-9"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"windows-1252", "CP1252"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"tis-620", "TIS-620"},
    {"utf-16", "UTF-16"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
    {"gb18030", "GB18030"},
    {"gbk", "GB18030"},
    {"gb2312", "GB18030"},
    {"big5", "BIG5"},
    {"shift_jis", "SHIFT_JIS"},
    {"euc-jp", "EUC-JP"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"euc-kr", "EUC-KR"},
    {"ks_c_5601-1987", "CP949"},
};

enum { CHARSETS = sizeof charsets / sizeof charsets[0] };

static const struct charset *find(struct span name)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (span_equal_nocase(span_from_string(charsets[i].name), name))
            return &charsets[i];
    return NULL;
}

bool charset_is_known(struct span name)
{
    return find(name) != NULL;
}

bool charset_is_native(struct span name)
{
    const struct charset *charset = find(name);
    return charset != NULL && charset->iconv_name == NULL;
}

static enum outcome append_utf8(struct span bytes, struct strbuf *out)
{
    size_t from = 0;
    for (size_t at = 0; at < bytes.len;) {
        uint32_t code;
        bool is_ascii = (unsigned char)bytes.data[at] < 0x80;
        size_t len = is_ascii ? 1 : utf8_decode(bytes, at, &code);
        if (len > 0) {
            at += len;
            continue;
        }
        (void)strbuf_append(out, span_slice(bytes, from, at));
        (void)strbuf_append_string(out, replacement);
        from = ++at;
    }
    return strbuf_append(out, span_slice(bytes, from, bytes.len)) ? OUTCOME_OK : OUTCOME_INTERNAL;
}

static bool convert(iconv_t converter, struct span bytes, struct strbuf *out)
{
    char chunk[CHUNK_BYTES];
    /* iconv takes no const, and changes nothing. */
    union {
        const char *read;
        char *given;
    } in = {.read = bytes.data};
    size_t left = bytes.len;
    while (left > 0) {
        char *to = chunk;
        size_t room = sizeof chunk;
        size_t result = iconv(converter, &in.given, &left, &to, &room);
        int error = errno;
        if (!strbuf_append(out, (struct span){chunk, sizeof chunk - room}))
            return false;
        if (result != (size_t)-1 || error == E2BIG)
            continue;
        if (!strbuf_append_string(out, replacement))
            return false;
        in.given++;
        left--;
    }
    return true;
}

enum outcome charset_to_utf8(struct span name, struct span bytes, struct strbuf *out)
{
    const struct charset *charset = find(name);
    if (charset == NULL)
        return OUTCOME_BROKEN_INPUT;
    if (charset->iconv_name == NULL)
        return append_utf8(bytes, out);
    iconv_t converter = iconv_open("UTF-8", charset->iconv_name);
    if (converter == (iconv_t)-1)
        return errno == EINVAL ? OUTCOME_BROKEN_INPUT : OUTCOME_INTERNAL;
    bool ok = convert(converter, bytes, out);
    iconv_close(converter);
    return ok ? OUTCOME_OK : OUTCOME_INTERNAL;
}
