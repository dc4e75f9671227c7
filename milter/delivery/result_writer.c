/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_writer.h"

#include <inttypes.h>

#include "byte.h"
#include "utf8.h"

static void begin_value(struct result_writer *w, const char *name)
{
    if (w->is_behind_value)
        (void)strbuf_append_byte(w->text, ',');
    w->is_behind_value = true;
    if (name == NULL)
        return;
    (void)strbuf_append_byte(w->text, '"');
    (void)strbuf_append_string(w->text, name);
    (void)strbuf_append(w->text, SPAN_LITERAL("\":"));
}

void result_writer_open(struct result_writer *w, const char *name, char bracket)
{
    begin_value(w, name);
    (void)strbuf_append_byte(w->text, bracket);
    w->is_behind_value = false;
}

void result_writer_close(struct result_writer *w, char bracket)
{
    (void)strbuf_append_byte(w->text, bracket);
    w->is_behind_value = true;
}

static const struct span replacement = {"\xef\xbf\xbd", 3};

/* The offset behind the bytes from at on that need no escape. */
static size_t skip_plain(struct span s, size_t at)
{
    size_t end = utf8_skip_printable(s, at);
    for (size_t i = at; i < end; i++)
        if (s.data[i] == '"' || s.data[i] == '\\')
            return i;
    return end;
}

static void append_escape(struct strbuf *out, unsigned char c)
{
    static const char letters[] = "btn fr"; /* of U+0008 to U+000D */
    bool has_letter = c >= '\b' && c <= '\r' && letters[c - '\b'] != ' ';
    if (c == '"' || c == '\\')
        (void)strbuf_append_format(out, "\\%c", c);
    else if (has_letter)
        (void)strbuf_append_format(out, "\\%c", letters[c - '\b']);
    else
        (void)strbuf_append_format(out, "\\u%04X", c);
}

void result_writer_text(struct result_writer *w, const char *name, struct span value)
{
    size_t left = RESULT_WRITER_TEXT_MAX_BYTES;
    uint32_t code;
    begin_value(w, name);
    (void)strbuf_append_byte(w->text, '"');
    for (size_t at = 0; at < value.len && left > 0;) {
        struct span plain = span_slice(value, at, skip_plain(span_slice(value, 0, at + left), at));
        (void)strbuf_append(w->text, plain);
        at += plain.len;
        left -= plain.len;
        if (at == value.len || left == 0)
            break;
        size_t len = utf8_decode(value, at, &code);
        struct span character = len > 0 ? span_slice(value, at, at + len) : replacement;
        if (character.len > left)
            break;
        if (len == 1 && value.data[at] != 0x7f)
            append_escape(w->text, (unsigned char)value.data[at]);
        else
            (void)strbuf_append(w->text, character);
        at += len > 0 ? len : 1;
        left -= character.len;
    }
    (void)strbuf_append_byte(w->text, '"');
}

void result_writer_null(struct result_writer *w, const char *name)
{
    begin_value(w, name);
    (void)strbuf_append(w->text, SPAN_LITERAL("null"));
}

void result_writer_bool(struct result_writer *w, const char *name, bool value)
{
    begin_value(w, name);
    (void)strbuf_append_string(w->text, value ? "true" : "false");
}

void result_writer_integer(struct result_writer *w, const char *name, int64_t value)
{
    begin_value(w, name);
    (void)strbuf_append_format(w->text, "%" PRId64, value);
}
