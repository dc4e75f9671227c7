/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "name_table.h"
#include "span.h"
#include "tap.h"

static bool is_text(struct span s, const char *want)
{
    return span_equal(s, span_from_string(want));
}

static void test_equal(void)
{
    struct span nothing = {NULL, 0};
    tap_ok(span_from_string(NULL).len == 0, "NULL gives the empty span");
    tap_ok(span_equal(nothing, SPAN_LITERAL("")), "empty spans are equal, wherever they point");
    tap_ok(span_equal(SPAN_LITERAL("a\0b"), SPAN_LITERAL("a\0b")), "bytes behind NUL are compared");
    tap_ok(!span_equal(SPAN_LITERAL("a\0b"), SPAN_LITERAL("a\0c")), "and tell spans apart");
    tap_ok(!span_equal(SPAN_LITERAL("ab"), SPAN_LITERAL("a")), "a prefix is not equal");
    tap_ok(span_equal_nocase(SPAN_LITERAL("Message-ID"), SPAN_LITERAL("message-id")),
           "ASCII case is ignored");
    tap_ok(!span_equal_nocase(SPAN_LITERAL("\xc4"), SPAN_LITERAL("\xe4")), "8-bit bytes have no case");
    tap_ok(!span_equal_nocase(SPAN_LITERAL("@"), SPAN_LITERAL("`")), "only letters have case");
    tap_ok(!span_equal_nocase(SPAN_LITERAL("["), SPAN_LITERAL("{")), "on either side of them");
    tap_ok(span_starts_nocase(SPAN_LITERAL("List-Id"), SPAN_LITERAL("LIST-")), "prefix without case");
    tap_ok(!span_starts_nocase(SPAN_LITERAL("Lis"), SPAN_LITERAL("List-")),
           "a shorter text has no such prefix");
    tap_ok(span_starts_nocase(nothing, nothing), "nothing starts with nothing");
}

static void test_cut(void)
{
    struct span s = SPAN_LITERAL("abcdef");
    tap_ok(is_text(span_slice(s, 1, 3), "bc"), "slice");
    tap_ok(is_text(span_slice(s, 4, 99), "ef"), "slice beyond the end is cut");
    tap_ok(is_text(span_slice(s, 5, 2), ""), "slice backwards is empty");
    tap_ok(is_text(span_slice(s, 9, 12), ""), "slice behind the end is empty");
    tap_ok(span_slice((struct span){NULL, 0}, 0, 4).len == 0, "slice of nothing");
    tap_ok(is_text(span_trim(SPAN_LITERAL(" \t\r\n a b\r\n ")), "a b"),
           "trim takes blanks and line ends at both ends");
    tap_ok(is_text(span_trim(SPAN_LITERAL(" \r\n\t")), ""), "trim of blanks leaves nothing");
    tap_ok(is_text(span_trim(SPAN_LITERAL("\va\f")), "\va\f"), "trim leaves other white space");
}

static void test_find(void)
{
    struct span s = SPAN_LITERAL("one two two");
    tap_is_int((long long)span_find(s, 0, SPAN_LITERAL("two")), 4, "the first one");
    tap_is_int((long long)span_find(s, 5, SPAN_LITERAL("two")), 8, "the next one");
    tap_is_int((long long)span_find(s, 9, SPAN_LITERAL("two")), 11, "none is the length");
    tap_is_int((long long)span_find(s, 99, SPAN_LITERAL("two")), 11, "a start behind the end");
    tap_is_int((long long)span_find(s, 3, SPAN_LITERAL("")), 3, "nothing is found at once");
    tap_is_int((long long)span_find(SPAN_LITERAL("a\0b"), 0, SPAN_LITERAL("\0b")), 1, "NUL is a byte");
    tap_is_int((long long)span_find_byte(s, 0, 't'), 4, "a byte");
    tap_is_int((long long)span_find_byte(s, 4, 't'), 4, "a byte at the start");
    tap_is_int((long long)span_find_byte(s, 0, 'x'), 11, "no byte is the length");
    tap_is_int((long long)span_find_byte(s, 99, 't'), 11, "a byte, from behind the end");
    tap_is_int((long long)span_find_byte((struct span){NULL, 0}, 0, 'x'), 0, "a byte in nothing");
}

static int count_bytes(bool (*is)(char))
{
    int count = 0;
    for (int c = 0; c < 256; c++)
        count += is((char)c);
    return count;
}

static void test_bytes(void)
{
    tap_is_int(count_bytes(byte_is_alpha), 52, "52 letters");
    tap_is_int(count_bytes(byte_is_digit), 10, "10 digits");
    tap_is_int(count_bytes(byte_is_alnum), 62, "62 letters and digits");
    tap_is_int(count_bytes(byte_is_blank), 2, "2 blanks");
    tap_is_int(count_bytes(byte_is_control), 33, "33 controls, no 8-bit byte among them");
    tap_ok(byte_to_lower('A') == 'a' && byte_to_lower('Z') == 'z' && byte_to_lower('[') == '[' &&
               byte_to_lower('\xc4') == '\xc4',
           "lower case of ASCII letters only");
    const char *digits = "0123456789abcdef";
    bool is_right = true;
    for (int i = 0; i < 16; i++)
        is_right = is_right && byte_hex_value(digits[i]) == i;
    tap_ok(is_right && byte_hex_value('F') == 15 && byte_hex_value('A') == 10, "hexadecimal digits");
    tap_ok(byte_hex_value('g') == -1 && byte_hex_value('@') == -1 && byte_hex_value('\0') == -1,
           "and no others");
}

static void test_name_table(void)
{
    static const struct name_table_row table[] = {{1, "relaxed"}, {2, "strict"}, {0, NULL}};
    int value = -1;
    tap_is_string(name_table_name(table, 2), "strict", "name of a value");
    tap_is_string(name_table_name(table, 0), NULL, "the end of the table is no value");
    tap_ok(name_table_value(table, SPAN_LITERAL("STRICT"), &value) && value == 2,
           "value of a name, in any case");
    value = -1;
    tap_ok(!name_table_value(table, SPAN_LITERAL("stric"), &value) && value == -1, "no such name");
    tap_ok(!name_table_value(table, SPAN_LITERAL(""), &value), "nothing is no name");
}

static void test_cfws(void)
{
    static const struct {
        struct span text;
        size_t want;
    } rows[] = {
        {SPAN_LITERAL("a"), 0},      {SPAN_LITERAL(" \t\r\n a"), 5},
        {SPAN_LITERAL("(b) a"), 4},  {SPAN_LITERAL("(b(c)d)a"), 7},
        {SPAN_LITERAL("(\\))a"), 4}, {SPAN_LITERAL("(b"), 2},
        {SPAN_LITERAL("(b\\"), 3},   {SPAN_LITERAL("((((((((((((((((((b))))))))))))))))))a"), 37},
        {SPAN_LITERAL(")"), 0},      {SPAN_LITERAL(""), 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        tap_is_int((long long)span_skip_cfws(rows[i].text, 0), (long long)rows[i].want,
                   "white space and comments");
}

int main(void)
{
    test_equal();
    test_cut();
    test_find();
    test_bytes();
    test_cfws();
    test_name_table();
    return tap_done();
}
