/* SPDX-License-Identifier: BSD-2-Clause */
#include "encoded_word.h"

#include <string.h>

#include "tap.h"

static const struct {
    const char *name;
    const char *text;
    const char *want;
    bool is_foreign;
} rows[] = {
    {"plain", "Re: ACME: x", "Re: ACME: x", false},
    {"Q", "=?utf-8?Q?a=20b_c?=", "a b c", false},
    {"B", "=?utf-8?B?YWJj?=", "abc", false},
    {"either case", "=?UTF-8?q?=c3=A4?= =?utf-8?b?YQ==?=",
     "\xc3\xa4"
     "a",
     false},
    {"R-31 RFC 2231 language", "=?us-ascii*en?Q?abc?=", "abc", false},
    {"text around", "x =?utf-8?Q?b?= y", "x b y", false},
    {"white space between adjacent words goes", "=?utf-8?Q?a?=  =?utf-8?Q?b?=", "ab", false},
    {"a fold between adjacent words goes", "=?utf-8?Q?a?=\r\n =?utf-8?Q?b?=", "ab", false},
    {"white space before text stays", "=?utf-8?Q?a?= b", "a b", false},
    {"a character cut in two", "=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "\xc3\xa4", false},
    {"a character cut in two of different charsets stays cut",
     "=?utf-8?Q?=C3?= =?us-ascii?Q?=A4?=", "\xef\xbf\xbd\xef\xbf\xbd", false},
    {"padding inside a run", "=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=", "ab", false},
    {"R-13 another charset", "=?iso-8859-1?Q?=E4?=", "\xc3\xa4", true},
    {"R-13 another charset later", "=?utf-8?Q?a?= =?iso-8859-1?Q?=E4?=", "a\xc3\xa4", true},
    {"unknown charset stays", "=?x-none?Q?a?=", "=?x-none?Q?a?=", false},
    {"unknown encoding stays", "=?utf-8?X?a?=", "=?utf-8?X?a?=", false},
    {"broken base64 stays", "=?utf-8?B?YQ?=", "=?utf-8?B?YQ?=", false},
    {"a broken word behind a good one stays", "=?utf-8?Q?a?= =?utf-8?B?!!?=", "a =?utf-8?B?!!?=", false},
    {"broken Q stays", "=?utf-8?Q?=4?=", "=?utf-8?Q?=4?=", false},
    {"a blank inside stays", "=?utf-8?Q?a b?=", "=?utf-8?Q?a b?=", false},
    {"no end", "=?utf-8?Q?abc", "=?utf-8?Q?abc", false},
    {"empty",
     "=?utf-8?Q?"
     "?=",
     "", false},
    {"next to text", "x=?utf-8?Q?a?=y", "xay", false},
    {"only the beginning", "=?=?=?", "=?=?=?", false},
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct strbuf out;
        bool is_foreign;
        strbuf_init(&out, 1000);
        bool ok = encoded_word_decode(span_from_string(rows[i].text), &out, &is_foreign) == OUTCOME_OK;
        tap_is_string(ok ? strbuf_string(&out) : NULL, rows[i].want, rows[i].name);
        tap_ok(is_foreign == rows[i].is_foreign, "%s: charset", rows[i].name);
        strbuf_clear(&out);
    }
    return tap_done();
}
