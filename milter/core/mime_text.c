/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime_text.h"

#include <string.h>

#include "base64.h"
#include "mime_entity.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

void mime_text_init(struct mime_text *t, size_t max_text_bytes)
{
    memset(t, 0, sizeof *t);
    strbuf_init(&t->text, max_text_bytes);
}

void mime_text_clear(struct mime_text *t)
{
    strbuf_clear(&t->text);
}

/* "=XX" at the front of s; -1: malformed. */
static int quoted_byte(struct span s)
{
    int high = s.len >= 3 ? byte_hex_value(s.data[1]) : -1;
    int low = s.len >= 3 ? byte_hex_value(s.data[2]) : -1;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool decode_quoted_line(struct span line, struct strbuf *out)
{
    for (size_t i = 0; i < line.len; i++) {
        int byte = (unsigned char)line.data[i];
        if (byte == '=') {
            byte = quoted_byte(span_slice(line, i, line.len));
            i += 2;
        }
        if (byte < 0 || !strbuf_append_byte(out, (char)byte))
            return false;
    }
    return true;
}

/* RFC 2045 section 6.7: blanks at a line's end were added on the way. */
static bool decode_quoted_printable(struct span s, struct strbuf *out)
{
    for (size_t from = 0; from < s.len;) {
        size_t end = span_find(s, from, SPAN_LITERAL("\r\n"));
        size_t last = end;
        while (last > from && byte_is_blank(s.data[last - 1]))
            last--;
        bool is_soft = last > from && s.data[last - 1] == '=';
        if (!decode_quoted_line(span_slice(s, from, last - is_soft), out))
            return false;
        if (end < s.len && !is_soft && !strbuf_append(out, SPAN_LITERAL("\r\n")))
            return false;
        from = end + 2;
    }
    return true;
}

/* Foreign characters are refused, where RFC 2045 section 6.8 would skip them: readers differ in what they
 * skip. */
static enum outcome decode_base64(struct span s, struct strbuf *out)
{
    struct strbuf text;
    strbuf_init(&text, s.len);
    for (size_t from = 0; from < s.len;) {
        size_t end = span_find_byte(s, from, '\n');
        (void)strbuf_append(&text, span_trim(span_slice(s, from, end)));
        from = end + 1;
    }
    enum outcome outcome = OUTCOME_INTERNAL;
    if (text.error == STRBUF_ERROR_NONE)
        outcome = base64_decode(strbuf_view(&text), BASE64_ALPHABET_STANDARD, out);
    strbuf_clear(&text);
    return outcome;
}

static enum outcome decode_transfer(const struct mime_entity *e, struct strbuf *out)
{
    if (e->encoding == MIME_ENCODING_BASE64)
        return decode_base64(e->body, out);
    if (e->encoding == MIME_ENCODING_QUOTED_PRINTABLE ? decode_quoted_printable(e->body, out)
                                                      : strbuf_append(out, e->body))
        return OUTCOME_OK;
    return out->error != STRBUF_ERROR_NONE ? OUTCOME_INTERNAL : OUTCOME_BROKEN_INPUT;
}

/* CRLF and CR to LF, in place; a byte order mark goes. */
static void normalise_lines(struct strbuf *text)
{
    struct span s = strbuf_view(text);
    struct span mark = SPAN_LITERAL(byte_order_mark);
    size_t from = span_equal(span_slice(s, 0, mark.len), mark) ? mark.len : 0;
    size_t len = 0;
    for (size_t i = from; i < s.len; i++) {
        char c = text->data[i];
        if (c == '\r') {
            c = '\n';
            i += i + 1 < s.len && text->data[i + 1] == '\n';
        }
        text->data[len++] = c;
    }
    text->len = len;
    if (text->data != NULL)
        text->data[len] = '\0';
}

/*
 * The entity's text into out. format=flowed needs no undoing: what it adds are blanks at the ends of lines,
 * and those mean nothing to whoever reads the text.
 */
static enum outcome decode(const struct mime_entity *e, struct mime_text *out)
{
    struct strbuf bytes;
    out->why = "unknown transfer encoding";
    if (e->encoding == MIME_ENCODING_UNKNOWN)
        return OUTCOME_BROKEN_INPUT;
    out->why = "unknown charset";
    if (!charset_is_known(span_from_string(e->charset)))
        return OUTCOME_BROKEN_INPUT;
    strbuf_init(&bytes, e->body.len);
    out->why = "malformed transfer encoding";
    enum outcome outcome = decode_transfer(e, &bytes);
    if (outcome == OUTCOME_OK)
        outcome = charset_to_utf8(span_from_string(e->charset), strbuf_view(&bytes), &out->text);
    if (out->text.error == STRBUF_ERROR_LIMIT)
        outcome = OUTCOME_BROKEN_INPUT;
    strbuf_clear(&bytes);
    if (outcome == OUTCOME_OK) {
        out->why = NULL;
        normalise_lines(&out->text);
    }
    return outcome;
}

struct walk {
    const struct mime_limits *limits;
    struct mime_text *out;
    unsigned parts;
    bool is_found;
};

/* Depth first; the depth is bounded by the limits. Only the first text is decoded, but every part is counted.
 */
static enum outcome walk_entity(struct walk *w, const struct mime_entity *e, unsigned depth)
{
    if (!mime_entity_is_multipart(e)) {
        if (w->is_found || e->is_attachment || strcmp(e->type, "text/plain") != 0)
            return OUTCOME_OK;
        w->is_found = true;
        return decode(e, w->out);
    }
    w->out->why = "nested too deep";
    w->out->is_too_deep = depth >= w->limits->max_depth;
    if (w->out->is_too_deep)
        return OUTCOME_BROKEN_INPUT;
    struct span part;
    for (size_t at = 0; mime_entity_next_part(e, &at, &part);) {
        struct mime_entity child;
        w->out->why = "too many parts";
        w->out->has_too_many = ++w->parts > w->limits->max_parts;
        if (w->out->has_too_many || !mime_entity_of_part(part, &child, &w->out->why))
            return OUTCOME_BROKEN_INPUT;
        enum outcome outcome = walk_entity(w, &child, depth + 1);
        if (outcome != OUTCOME_OK)
            return outcome;
    }
    return OUTCOME_OK;
}

static void describe_top(const struct mime_entity *top, struct mime_text *out)
{
    memcpy(out->top_type, top->type, sizeof out->top_type);
    out->is_allowed_top =
        strcmp(top->type, "text/plain") == 0 || strcmp(top->type, "multipart/alternative") == 0;
    out->is_report = strcmp(top->type, "multipart/report") == 0 ||
                     strcmp(top->type, "message/delivery-status") == 0 ||
                     strcmp(top->type, "message/disposition-notification") == 0;
}

enum outcome mime_text_extract(const struct message *m, const struct mime_limits *limits,
                               struct mime_text *out)
{
    struct mime_entity top;
    struct strbuf text = out->text;
    strbuf_reset(&text);
    *out = (struct mime_text){.text = text};
    if (!mime_entity_of_message(m, &top, &out->why))
        return OUTCOME_BROKEN_INPUT;
    describe_top(&top, out);
    struct walk walk = {.limits = limits, .out = out};
    enum outcome outcome = walk_entity(&walk, &top, 0);
    if (outcome != OUTCOME_OK)
        return outcome;
    out->why = walk.is_found ? NULL : "no text/plain part";
    return walk.is_found ? OUTCOME_OK : OUTCOME_ABSENT;
}
