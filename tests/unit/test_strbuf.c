/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "tap.h"

static void test_append(void)
{
    struct strbuf b;
    strbuf_init(&b, 1000);
    tap_is_string(strbuf_string(&b), "", "a new buffer is the empty string");
    tap_ok(strbuf_view(&b).len == 0, "and an empty span");
    tap_ok(strbuf_append(&b, SPAN_LITERAL("a\0b")) && b.len == 3, "NUL is a byte");
    tap_ok(strbuf_append_string(&b, "cd") && strbuf_append_byte(&b, 'e'), "strings and bytes");
    tap_ok(strbuf_append_format(&b, "%d-%s", 12, "x"), "formats");
    tap_ok(span_equal(strbuf_view(&b), SPAN_LITERAL("a\0bcde12-x")), "stand behind each other");
    tap_ok(strbuf_append(&b, (struct span){NULL, 0}), "nothing can be appended");
    tap_ok(b.data[b.len] == '\0', "a NUL stands behind the end");
    strbuf_truncate(&b, 4);
    tap_ok(span_equal(strbuf_view(&b), SPAN_LITERAL("a\0bc")) && b.data[4] == '\0', "truncate drops the end");
    strbuf_truncate(&b, 400);
    tap_is_int((long long)b.len, 4, "truncate never grows");
    const char *storage = b.data;
    strbuf_reset(&b);
    tap_ok(b.len == 0 && b.data == storage && *strbuf_string(&b) == '\0', "reset keeps the storage");
    strbuf_clear(&b);
    tap_ok(b.data == NULL && b.limit == 1000 && strbuf_append_byte(&b, 'x'), "clear keeps the limit");
    strbuf_clear(&b);
}

static void test_limit(void)
{
    struct strbuf b;
    strbuf_init(&b, 8);
    tap_ok(strbuf_append_string(&b, "12345678"), "as many bytes as the limit fit");
    tap_ok(!strbuf_append_byte(&b, '9') && b.error == STRBUF_ERROR_LIMIT, "one more does not");
    tap_is_string(strbuf_string(&b), "12345678", "and adds nothing");
    tap_ok(!strbuf_append(&b, (struct span){NULL, 0}), "after a failure nothing at all goes in");
    strbuf_truncate(&b, 0);
    tap_ok(!strbuf_append_byte(&b, 'x'), "not even into a truncated one");
    strbuf_reset(&b);
    tap_ok(!strbuf_append_string(&b, "123456789") && b.len == 0, "too much at once adds nothing");
    strbuf_reset(&b);
    tap_ok(!strbuf_append_format(&b, "%s", "123456789") && b.len == 0, "nor does a format");
    strbuf_reset(&b);
    tap_ok(strbuf_append_format(&b, "%s", "12345678"), "a format that fits");
    strbuf_clear(&b);
    strbuf_init(&b, 0);
    tap_ok(strbuf_append_string(&b, "") && !strbuf_append_byte(&b, 'x'), "a limit of nothing");
    strbuf_clear(&b);
}

static void test_growth(void)
{
    struct strbuf b;
    bool is_right = true;
    strbuf_init(&b, 100000);
    for (size_t i = 0; i < 100000; i++)
        is_right = is_right && strbuf_append_byte(&b, (char)('a' + i % 26));
    for (size_t i = 0; i < 100000; i++)
        is_right = is_right && b.data[i] == (char)('a' + i % 26);
    tap_ok(is_right && strlen(b.data) == 100000, "keeps what it holds as it grows");
    strbuf_clear(&b);
}

static void test_escaped(void)
{
    static const struct {
        struct span input;
        const char *want;
    } rows[] = {
        {{"plain ~ text", 12}, "plain ~ text"},
        {{"a\r\nb", 4}, "a\\x0d\\x0ab"},
        {{"\0\x1f\x7f", 3}, "\\x00\\x1f\\x7f"},
        {{"\xc3\xa9", 2}, "\\xc3\\xa9"},
        {{"\\x41", 4}, "\\x5cx41"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct strbuf b;
        strbuf_init(&b, 100);
        tap_ok(strbuf_append_escaped(&b, rows[i].input), "escapes");
        tap_is_string(strbuf_string(&b), rows[i].want, rows[i].want);
        strbuf_clear(&b);
    }
    struct strbuf b;
    strbuf_init(&b, 6);
    tap_ok(!strbuf_append_escaped(&b, SPAN_LITERAL("a\n\n")), "an escape past the limit fails");
    tap_is_string(strbuf_string(&b), "a\\x0a", "what fits stays, whole escapes only");
    strbuf_clear(&b);
}

static void test_take(void)
{
    struct strbuf b;
    strbuf_init(&b, 10);
    char *empty = strbuf_take(&b);
    tap_is_string(empty, "", "an empty buffer gives the empty string");
    free(empty);
    tap_ok(strbuf_append_string(&b, "0123456789"), "fill");
    char *full = strbuf_take(&b);
    tap_is_string(full, "0123456789", "take hands over");
    tap_ok(b.data == NULL && b.len == 0, "and leaves an empty buffer");
    free(full);
    tap_ok(!strbuf_append_string(&b, "0123456789a"), "overfill");
    tap_is_string(strbuf_take(&b), NULL, "after an error there is nothing to take");
    tap_ok(strbuf_append_byte(&b, 'x'), "and the buffer can be used again");
    strbuf_clear(&b);
}

int main(void)
{
    test_append();
    test_limit();
    test_growth();
    test_escaped();
    test_take();
    return tap_done();
}
