/* SPDX-License-Identifier: BSD-2-Clause */
#include "explain_page.h"

#include <stdarg.h>
#include <stdio.h>

enum { LABEL_COLUMNS = 24, VALUE_COLUMNS = 90 };

/* The longest labels are these, and a blank stands behind each. */
#define FINDING(id, name, ...)                                                                               \
    _Static_assert(sizeof(name) <= LABEL_COLUMNS, "the name of a finding is wider than its column");
#include "findings.def"
#undef FINDING

static const char *const tones[] = {
    [EXPLAIN_PAGE_TONE_PLAIN] = "",          [EXPLAIN_PAGE_TONE_STRONG] = "\x1b[1m",
    [EXPLAIN_PAGE_TONE_BAD] = "\x1b[1;31m",  [EXPLAIN_PAGE_TONE_WAIT] = "\x1b[1;33m",
    [EXPLAIN_PAGE_TONE_GOOD] = "\x1b[1;32m", [EXPLAIN_PAGE_TONE_NOTE] = "\x1b[36m",
};

static void append_toned(struct explain_page *p, enum explain_page_tone tone, struct span text)
{
    bool is_coloured = p->has_colour && tone != EXPLAIN_PAGE_TONE_PLAIN;
    if (is_coloured)
        (void)strbuf_append_string(p->out, tones[tone]);
    (void)strbuf_append(p->out, text);
    if (is_coloured)
        (void)strbuf_append_string(p->out, "\x1b[0m");
}

static void append_clean(struct strbuf *out, struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        char byte = value.data[i];
        if (byte == '\r' || byte == '\n')
            continue;
        if (byte == '\\' || byte == '\t' ? !strbuf_append_byte(out, byte == '\t' ? ' ' : byte)
                                         : !strbuf_append_escaped(out, span_slice(value, i, i + 1)))
            return;
    }
}

/* Where the line that begins at from ends: at the last blank that fits, or, in a long word, at its end. */
static size_t line_end(struct span text, size_t from)
{
    if (text.len - from <= VALUE_COLUMNS)
        return text.len;
    for (size_t at = from + VALUE_COLUMNS; at > from; at--)
        if (text.data[at] == ' ')
            return at;
    return span_find_byte(text, from, ' ');
}

static void append_row(struct explain_page *p, const char *label, enum explain_page_tone tone,
                       struct span value)
{
    struct strbuf clean;
    strbuf_init(&clean, EXPLAIN_PAGE_VALUE_MAX_BYTES);
    append_clean(&clean, span_trim(value));
    bool is_cut = clean.error == STRBUF_ERROR_LIMIT;
    if (clean.error == STRBUF_ERROR_MEMORY)
        p->out->error = STRBUF_ERROR_MEMORY;
    struct span text = strbuf_view(&clean);
    size_t from = 0;
    do {
        size_t end = line_end(text, from);
        (void)strbuf_append_format(p->out, "   %-*s", LABEL_COLUMNS, from == 0 ? label : "");
        append_toned(p, tone, span_slice(text, from, end));
        from = end + 1;
        (void)strbuf_append_string(p->out, from < text.len || !is_cut ? "\n" : " [cut]\n");
    } while (from < text.len);
    strbuf_clear(&clean);
}

void explain_page_title(struct explain_page *p, const char *title, enum explain_page_tone tone,
                        const char *word)
{
    struct strbuf clean;
    strbuf_init(&clean, EXPLAIN_PAGE_VALUE_MAX_BYTES);
    append_clean(&clean, span_from_string(title));
    append_toned(p, EXPLAIN_PAGE_TONE_STRONG, strbuf_view(&clean));
    (void)strbuf_append_string(p->out, ": ");
    append_toned(p, tone, span_from_string(word));
    (void)strbuf_append_byte(p->out, '\n');
    strbuf_clear(&clean);
}

void explain_page_step(struct explain_page *p, const char *name)
{
    (void)strbuf_append_format(p->out, "\n%u. ", ++p->steps);
    append_toned(p, EXPLAIN_PAGE_TONE_STRONG, span_from_string(name));
    (void)strbuf_append_byte(p->out, '\n');
}

void explain_page_row(struct explain_page *p, const char *label, struct span value)
{
    append_row(p, label, EXPLAIN_PAGE_TONE_PLAIN, value);
}

void explain_page_toned(struct explain_page *p, const char *label, enum explain_page_tone tone,
                        const char *value)
{
    append_row(p, label, tone, span_from_string(value));
}

void explain_page_format(struct explain_page *p, const char *label, const char *format, ...)
{
    char text[EXPLAIN_PAGE_VALUE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    explain_page_row(p, label, len > 0 ? span_from_string(text) : SPAN_LITERAL("?"));
}
