/* SPDX-License-Identifier: BSD-2-Clause */
#include "charset.h"

#include "tap.h"
#include "utf8.h"

#define BYTES(s)                                                                                             \
    {                                                                                                        \
        (s), sizeof(s) - 1                                                                                   \
    }

static const struct {
    const char *name;
    const char *charset;
    struct span bytes;
    const char *want; /* NULL: unknown charset */
} rows[] = {
    {"ASCII", "US-ASCII", BYTES("abc"), "abc"},
    {"8-bit in ASCII", "us-ascii", BYTES("a\xe4z"), "a\xef\xbf\xbdz"},
    {"UTF-8 as it stands", "utf-8", BYTES("a\xc3\xa4z"), "a\xc3\xa4z"},
    {"cut UTF-8", "UTF-8", BYTES("a\xc3"), "a\xef\xbf\xbd"},
    {"overlong UTF-8", "utf-8", BYTES("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},
    {"surrogate in UTF-8", "utf-8", BYTES("\xed\xa0\x80x"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx"},
    {"Latin 1", "ISO-8859-1", BYTES("a\xe4"), "a\xc3\xa4"},
    {"Latin 9", "iso-8859-15", BYTES("\xa4"), "\xe2\x82\xac"},
    {"Windows", "windows-1252", BYTES("\x80\x97"), "\xe2\x82\xac\xe2\x80\x94"},
    {"a hole in Windows-1252", "Windows-1252", BYTES("a\x81z"), "a\xef\xbf\xbdz"},
    {"Cyrillic", "koi8-r", BYTES("\xc1"), "\xd0\xb0"},
    {"Chinese", "gb18030", BYTES("\xbb\xd8\xb8\xb4\xa3\xba"), "\xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9a"},
    {"gb2312 is its subset", "GB2312", BYTES("\xbb\xd8"), "\xe5\x9b\x9e"},
    {"Japanese with escapes", "iso-2022-jp", BYTES("\x1b$B$\"\x1b(Ba"),
     "\xe3\x81\x82"
     "a"},
    {"UTF-16 with a mark", "utf-16",
     BYTES("\xff\xfe"
           "a\0b\0"),
     "ab"},
    {"UTF-16BE", "utf-16be", BYTES("\0a\0b"), "ab"},
    {"UTF-16LE, cut", "utf-16le", BYTES("a\0b"), "a\xef\xbf\xbd"},
    {"UTF-7 is refused on purpose", "utf-7", BYTES("+AGE-"), NULL},
    {"iconv's own words are refused", "utf-8//IGNORE", BYTES("a"), NULL},
    {"no name", "", BYTES("a"), NULL},
    {"nonsense", "x-user-defined", BYTES("a"), NULL},
    {"nothing", "utf-16", BYTES(""), ""},
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct strbuf out;
        strbuf_init(&out, 1000);
        enum outcome outcome = charset_to_utf8(span_from_string(rows[i].charset), rows[i].bytes, &out);
        if (rows[i].want == NULL)
            tap_ok(outcome == OUTCOME_BROKEN_INPUT && !charset_is_known(span_from_string(rows[i].charset)),
                   "%s", rows[i].name);
        else
            tap_is_string(outcome == OUTCOME_OK ? strbuf_string(&out) : NULL, rows[i].want, rows[i].name);
        tap_ok(utf8_is_valid(strbuf_view(&out)), "%s: what comes out is UTF-8", rows[i].name);
        strbuf_clear(&out);
    }
    tap_ok(charset_is_native(SPAN_LITERAL("Utf-8")) && charset_is_native(SPAN_LITERAL("US-ASCII")) &&
               !charset_is_native(SPAN_LITERAL("iso-8859-1")) && !charset_is_native(SPAN_LITERAL("none")),
           "R-13 UTF-8 and US-ASCII are those that RFC 8823 allows");
    struct strbuf small;
    strbuf_init(&small, 3);
    tap_is_int(charset_to_utf8(SPAN_LITERAL("iso-8859-1"), SPAN_LITERAL("\xe4\xe4\xe4"), &small),
               OUTCOME_INTERNAL, "a full buffer is an error of ours");
    strbuf_clear(&small);
    return tap_done();
}
