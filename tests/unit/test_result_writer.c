/* SPDX-License-Identifier: BSD-2-Clause */
/* Held against jansson: what it reads of our text, and how it would write the same. */
#include "../../milter/delivery/result_writer.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tap.h"

enum { BYTES = 256 };

/* One string in an array, read by jansson. NULL: it cannot. */
static json_t *read_back(struct span value, char **text)
{
    struct strbuf out;
    strbuf_init(&out, 64 * 1024);
    struct result_writer w = {.text = &out};
    result_writer_open(&w, NULL, '[');
    result_writer_text(&w, NULL, value);
    result_writer_close(&w, ']');
    *text = strbuf_take(&out);
    return json_loads(*text, JSON_ALLOW_NUL, NULL);
}

static struct span string_of(const json_t *array)
{
    const json_t *value = json_array_get(array, 0);
    return (struct span){json_string_value(value), json_string_length(value)};
}

/* Every pair of bytes: ASCII comes back as it was and is written as jansson does; a byte alone is U+FFFD. */
static void test_bytes(void)
{
    int wrong = 0;
    for (unsigned i = 0; i < BYTES * BYTES; i++) {
        const char pair[] = {(char)(i / BYTES), (char)(i % BYTES)};
        bool is_ascii = i / BYTES < 0x80 && i % BYTES < 0x80;
        char *text;
        json_t *array = read_back((struct span){pair, 2}, &text);
        char *theirs = json_dumps(array, JSON_COMPACT);
        wrong += array == NULL || strcmp(text, theirs) != 0;
        wrong += is_ascii && !span_equal(string_of(array), (struct span){pair, 2});
        free(theirs);
        free(text);
        json_decref(array);
    }
    tap_ok(wrong == 0, "every pair of bytes is JSON, spelt as jansson spells it");
}

static void check(const char *name, struct span value, struct span want)
{
    char *text;
    json_t *array = read_back(value, &text);
    tap_ok(array != NULL && span_equal(string_of(array), want), "%s", name);
    free(text);
    json_decref(array);
}

static void test_text(void)
{
    char long_text[RESULT_WRITER_TEXT_MAX_BYTES + 2];
    struct span whole = {long_text, sizeof long_text};
    check("bytes that are not UTF-8 are replaced one by one", SPAN_LITERAL("a\xe2\x82z"),
          SPAN_LITERAL("a\xef\xbf\xbd\xef\xbf\xbdz"));
    check("characters beyond the BMP stay", SPAN_LITERAL("\xf0\x9f\x98\x80"),
          SPAN_LITERAL("\xf0\x9f\x98\x80"));
    check("the empty text", SPAN_LITERAL(""), SPAN_LITERAL(""));
    memset(long_text, 'x', sizeof long_text);
    check("a long text is cut", whole, span_slice(whole, 0, RESULT_WRITER_TEXT_MAX_BYTES));
    memcpy(long_text + RESULT_WRITER_TEXT_MAX_BYTES - 1, "\xc3\xa4", 2);
    check("... between two characters", whole, span_slice(whole, 0, RESULT_WRITER_TEXT_MAX_BYTES - 1));
    long_text[RESULT_WRITER_TEXT_MAX_BYTES - 1] = '\x01';
    check("... and an escape counts as the character it stands for", whole,
          span_slice(whole, 0, RESULT_WRITER_TEXT_MAX_BYTES));
}

static void test_structure(void)
{
    struct strbuf out;
    strbuf_init(&out, 1024);
    struct result_writer w = {.text = &out};
    result_writer_open(&w, NULL, '{');
    result_writer_open(&w, "a", '[');
    result_writer_close(&w, ']');
    result_writer_open(&w, "b", '[');
    result_writer_text(&w, NULL, SPAN_LITERAL("x"));
    result_writer_open(&w, NULL, '{');
    result_writer_bool(&w, "c", true);
    result_writer_null(&w, "d");
    result_writer_close(&w, '}');
    result_writer_close(&w, ']');
    result_writer_integer(&w, "e", -12);
    result_writer_close(&w, '}');
    tap_is_string(strbuf_string(&out), "{\"a\":[],\"b\":[\"x\",{\"c\":true,\"d\":null}],\"e\":-12}",
                  "commas stand between values");
    strbuf_clear(&out);
}

int main(void)
{
    test_bytes();
    test_text();
    test_structure();
    return tap_done();
}
