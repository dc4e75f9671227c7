/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "tap.h"
#include "utf8.h"

#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

static const struct {
    const char *name;
    struct span input;
    bool want;
} validity[] = {
    {"nothing", TEXT(""), true},
    {"ASCII with controls and NUL", TEXT("a\0\t\r\n\x7f"), true},
    {"U+0080, the first of two bytes", TEXT("\xc2\x80"), true},
    {"U+07FF, the last of two bytes", TEXT("\xdf\xbf"), true},
    {"U+0800, the first of three bytes", TEXT("\xe0\xa0\x80"), true},
    {"U+D7FF, before the surrogates", TEXT("\xed\x9f\xbf"), true},
    {"U+E000, behind the surrogates", TEXT("\xee\x80\x80"), true},
    {"U+FFFF", TEXT("\xef\xbf\xbf"), true},
    {"U+10000, the first of four bytes", TEXT("\xf0\x90\x80\x80"), true},
    {"U+10FFFF, the last there is", TEXT("\xf4\x8f\xbf\xbf"), true},
    {"text among ASCII", TEXT("Grüße aus Köln, 例え"), true},
    {"overlong slash in two bytes", TEXT("\xc0\xaf"), false},
    {"overlong NUL", TEXT("\xc0\x80"), false},
    {"overlong U+007F", TEXT("\xc1\xbf"), false},
    {"overlong slash in three bytes", TEXT("\xe0\x80\xaf"), false},
    {"overlong U+07FF in three bytes", TEXT("\xe0\x9f\xbf"), false},
    {"overlong U+FFFF in four bytes", TEXT("\xf0\x8f\xbf\xbf"), false},
    {"first surrogate", TEXT("\xed\xa0\x80"), false},
    {"last surrogate", TEXT("\xed\xbf\xbf"), false},
    {"U+110000", TEXT("\xf4\x90\x80\x80"), false},
    {"lead byte 0xF5", TEXT("\xf5\x80\x80\x80"), false},
    {"byte 0xFF", TEXT("abcdefgh\xff"), false},
    {"byte 0xFE", TEXT("\xfe"), false},
    {"continuation byte alone", TEXT("abcdefghijk\x80"), false},
    {"cut in two bytes", TEXT("a\xc3"), false},
    {"cut in three bytes", TEXT("a\xe2\x82"), false},
    {"cut in four bytes", TEXT("\xf0\x9f\x92"), false},
    {"lead byte, then ASCII", TEXT("\xc3(abcdefg"), false},
    {"Latin-1",
     TEXT("Gr\xfc\xdf"
          "e"),
     false},
};

static void test_decode(void)
{
    uint32_t code = 0;
    struct span s = TEXT("aé€💩");
    tap_ok(utf8_decode(s, 0, &code) == 1 && code == 'a', "decodes one byte");
    tap_ok(utf8_decode(s, 1, &code) == 2 && code == 0xe9, "decodes two bytes");
    tap_ok(utf8_decode(s, 3, &code) == 3 && code == 0x20ac, "decodes three bytes");
    tap_ok(utf8_decode(s, 6, &code) == 4 && code == 0x1f4a9, "decodes four bytes");
    tap_ok(utf8_decode(s, 2, &code) == 0, "a continuation byte starts nothing");
}

/* Every byte value at every place of a word and behind it. */
static void test_skip(void)
{
    bool is_right = true;
    for (int value = 0; value < 256; value++) {
        for (size_t at = 0; at < 19; at++) {
            char text[20];
            memset(text, '~', sizeof text);
            text[at] = (char)value;
            size_t want = value >= ' ' && value < 0x7f ? sizeof text : at;
            is_right = is_right && utf8_skip_printable((struct span){text, sizeof text}, 0) == want;
            is_right = is_right && utf8_skip_printable((struct span){text, sizeof text}, at) == want;
            is_right =
                is_right && utf8_skip_printable((struct span){text, sizeof text}, at + 1) == sizeof text;
        }
    }
    tap_ok(is_right, "each byte value stops the skip, or does not, wherever it stands");
    tap_ok(utf8_skip_printable((struct span){"", 0}, 0) == 0, "the empty span is skipped");
}

static void test_hidden(void)
{
    static const uint32_t hidden[] = {0,      0x1f,   0x7f,   0x9b,   0xa0,   0xad,   0x61c,  0x200b,
                                      0x200e, 0x202e, 0x2028, 0x2066, 0x3000, 0xfeff, 0xe0041};
    static const uint32_t seen[] = {' ', '~', 0xa1, 0xe9, 0x5d0, 0x2010, 0x4f8b, 0x1f600, 0x10ffff};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        tap_ok(utf8_is_hidden(hidden[i]), "U+%04X is hidden", (unsigned)hidden[i]);
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        tap_ok(!utf8_is_hidden(seen[i]), "U+%04X is seen", (unsigned)seen[i]);
}

int main(void)
{
    test_hidden();
    for (size_t i = 0; i < sizeof validity / sizeof *validity; i++)
        tap_ok(utf8_is_valid(validity[i].input) == validity[i].want, "%s", validity[i].name);
    test_decode();
    test_skip();
    return tap_done();
}
