/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"
#include "tap.h"

#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

static const struct {
    struct span bytes;
    const char *want;
} encodings[] = {
    {TEXT(""), ""},
    {TEXT("f"), "Zg"},
    {TEXT("fo"), "Zm8"},
    {TEXT("foo"), "Zm9v"},
    {TEXT("foob"), "Zm9vYg"},
    {TEXT("fooba"), "Zm9vYmE"},
    {TEXT("foobar"), "Zm9vYmFy"},
    {TEXT("\xfb\xff\xfe"), "-__-"},
    {TEXT("\0\0\0\0"), "AAAAAA"},
    {TEXT("\xff"), "_w"},
};

#define URL      BASE64_ALPHABET_URL
#define STANDARD BASE64_ALPHABET_STANDARD

static const struct {
    const char *name;
    const char *text;
    enum base64_alphabet alphabet;
    enum outcome want;
    struct span bytes;
} decodings[] = {
    {"RFC 4648 10: empty", "", STANDARD, OUTCOME_OK, TEXT("")},
    {"RFC 4648 10: f", "Zg==", STANDARD, OUTCOME_OK, TEXT("f")},
    {"RFC 4648 10: fo", "Zm8=", STANDARD, OUTCOME_OK, TEXT("fo")},
    {"RFC 4648 10: foobar", "Zm9vYmFy", STANDARD, OUTCOME_OK, TEXT("foobar")},
    {"standard alphabet", "+/+/", STANDARD, OUTCOME_OK, TEXT("\xfb\xff\xbf")},
    {"URL alphabet", "-_-_", URL, OUTCOME_OK, TEXT("\xfb\xff\xbf")},
    {"URL without padding", "Zm9vYg", URL, OUTCOME_OK, TEXT("foob")},
    {"URL with padding", "Zm9vYg==", URL, OUTCOME_OK, TEXT("foob")},
    {"URL with one padding byte", "Zm8=", URL, OUTCOME_OK, TEXT("fo")},
    {"NUL among the bytes", "AAAAYQ", URL, OUTCOME_OK, TEXT("\0\0\0a")},
    {"standard alphabet in URL", "+/+/", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"URL alphabet in standard", "-_-_", STANDARD, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"standard without padding", "Zg", STANDARD, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"standard with too little padding", "Zg=", STANDARD, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"URL with too little padding", "Zg=", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"padding behind whole groups", "Zm9v=", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"four padding bytes", "Zm9v====", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"three padding bytes", "Z===", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"only padding", "==", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"padding inside", "Zg==Zg==", STANDARD, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"a length that no input has", "Zm9vY", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"one byte", "Z", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"RFC 4648 3.5 stray bits, one byte", "Zh", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"RFC 4648 3.5 stray bits, two bytes", "Zm9=", STANDARD, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"white space", "Zm9v Yg", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"line end", "Zm9v\r\n", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
    {"8-bit", "Zm9\xc3", URL, OUTCOME_BROKEN_INPUT, TEXT("")},
};

static void test_encode(void)
{
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        struct strbuf out;
        strbuf_init(&out, 64);
        tap_ok(base64_append_url(&out, encodings[i].bytes), "encodes %zu bytes", encodings[i].bytes.len);
        tap_is_string(strbuf_string(&out), encodings[i].want, "encoded");
        strbuf_clear(&out);
    }
}

static void test_decode(void)
{
    for (size_t i = 0; i < sizeof decodings / sizeof *decodings; i++) {
        struct strbuf out;
        strbuf_init(&out, 64);
        enum outcome got = base64_decode(span_from_string(decodings[i].text), decodings[i].alphabet, &out);
        bool is_right = got == decodings[i].want;
        if (got == OUTCOME_OK)
            is_right = is_right && span_equal(strbuf_view(&out), decodings[i].bytes);
        tap_ok(is_right, "%s", decodings[i].name);
        size_t bytes = 0;
        bool is_good = base64_measure(span_from_string(decodings[i].text), decodings[i].alphabet, &bytes);
        tap_ok(is_good == (got == OUTCOME_OK) && (!is_good || bytes == out.len), "measured: %s",
               decodings[i].name);
        strbuf_clear(&out);
    }
}

static void test_round_trip(void)
{
    bool is_right = true;
    char bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct strbuf text;
        struct strbuf back;
        strbuf_init(&text, 512);
        strbuf_init(&back, 512);
        is_right = is_right && base64_append_url(&text, (struct span){bytes, len});
        is_right = is_right && base64_decode(strbuf_view(&text), URL, &back) == OUTCOME_OK;
        is_right = is_right && span_equal(strbuf_view(&back), (struct span){bytes, len});
        strbuf_clear(&text);
        strbuf_clear(&back);
    }
    tap_ok(is_right, "every length comes back");
}

static void test_limits(void)
{
    struct strbuf out;
    strbuf_init(&out, 3);
    tap_ok(!base64_append_url(&out, SPAN_LITERAL("foo")), "encoding past the limit fails");
    tap_ok(!base64_append_url(&out, SPAN_LITERAL("")), "and goes on failing");
    strbuf_reset(&out);
    tap_is_int(base64_decode(SPAN_LITERAL("Zm9vYg"), URL, &out), OUTCOME_INTERNAL,
               "decoding into a full buffer");
    strbuf_clear(&out);
}

static void test_url_byte(void)
{
    int count = 0;
    for (int c = 0; c < 256; c++)
        count += base64_is_url_byte((char)c);
    tap_is_int(count, 64, "64 bytes are in the URL alphabet");
    tap_ok(base64_is_url_byte('-') && base64_is_url_byte('_'), "hyphen and underscore are");
    tap_ok(!base64_is_url_byte('+') && !base64_is_url_byte('/') && !base64_is_url_byte('='), "+ / = are not");
}

int main(void)
{
    test_encode();
    test_decode();
    test_round_trip();
    test_limits();
    test_url_byte();
    return tap_done();
}
