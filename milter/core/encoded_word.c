/* SPDX-License-Identifier: BSD-2-Clause */
#include "encoded_word.h"

#include "base64.h"
#include "charset.h"

enum { DECODED_MAX_BYTES = 16384, PREFIX_MAX_BYTES = 80 };

/* "=?charset*language?encoding?text?=" */
struct word {
    struct span charset;
    struct span text;
    char encoding; /* 'b' or 'q' */
    size_t end;    /* offset behind it */
};

static bool is_token_byte(char c)
{
    return !byte_is_control(c) && c != ' ' && c != '?' && (unsigned char)c < 0x80;
}

/* The run of token bytes from *at up to a '?', which *at is then behind. */
static bool take_part(struct span text, size_t *at, size_t max, struct span *part)
{
    size_t end = *at;
    while (end < text.len && end - *at <= max && is_token_byte(text.data[end]))
        end++;
    if (end >= text.len || text.data[end] != '?')
        return false;
    *part = span_slice(text, *at, end);
    *at = end + 1;
    return true;
}

static bool parse_word(struct span text, size_t at, struct word *w)
{
    struct span encoding;
    if (span_find(text, at, SPAN_LITERAL("=?")) != at)
        return false;
    at += 2;
    if (!take_part(text, &at, PREFIX_MAX_BYTES, &w->charset) || !take_part(text, &at, 1, &encoding) ||
        !take_part(text, &at, text.len, &w->text))
        return false;
    if (at >= text.len || text.data[at] != '=' || encoding.len != 1)
        return false;
    w->charset = span_slice(w->charset, 0, span_find_byte(w->charset, 0, '*'));
    w->encoding = byte_to_lower(encoding.data[0]);
    w->end = at + 1;
    return (w->encoding == 'b' || w->encoding == 'q') && charset_is_known(w->charset);
}

static bool decode_q(struct span text, struct strbuf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '=') {
            int high = i + 2 < text.len ? byte_hex_value(text.data[i + 1]) : -1;
            int low = high >= 0 ? byte_hex_value(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        if (!strbuf_append_byte(out, c))
            return false;
    }
    return true;
}

static enum outcome decode_word(const struct word *w, struct strbuf *out)
{
    bool ok = w->encoding == 'q' ? decode_q(w->text, out)
                                 : base64_decode(w->text, BASE64_ALPHABET_STANDARD, out) == OUTCOME_OK;
    if (ok)
        return OUTCOME_OK;
    return out->error != STRBUF_ERROR_NONE ? OUTCOME_INTERNAL : OUTCOME_BROKEN_INPUT;
}

static size_t skip_blanks(struct span text, size_t at)
{
    while (at < text.len && (byte_is_blank(text.data[at]) || text.data[at] == '\r' || text.data[at] == '\n'))
        at++;
    return at;
}

static enum outcome convert(const struct word *w, struct span bytes, struct strbuf *out, bool *is_foreign)
{
    *is_foreign = *is_foreign || !charset_is_native(w->charset);
    return charset_to_utf8(w->charset, bytes, out);
}

/*
 * A run of adjacent encoded-words from at: decodes them and moves *at behind the last. Neither OUTCOME_OK nor
 * OUTCOME_INTERNAL: none stands there, or the first is malformed.
 */
static enum outcome decode_run(struct span text, size_t *at, struct strbuf *bytes, struct strbuf *out,
                               bool *is_foreign)
{
    struct word w, next;
    size_t mark = 0;
    if (!parse_word(text, *at, &w))
        return OUTCOME_ABSENT;
    strbuf_reset(bytes);
    enum outcome outcome = decode_word(&w, bytes);
    if (outcome != OUTCOME_OK)
        return outcome;
    *at = w.end;
    while (parse_word(text, skip_blanks(text, w.end), &next)) {
        if (!span_equal_nocase(w.charset, next.charset)) {
            outcome = convert(&w, span_slice(strbuf_view(bytes), mark, bytes->len), out, is_foreign);
            if (outcome != OUTCOME_OK)
                return outcome;
            mark = bytes->len;
        }
        size_t before = bytes->len;
        outcome = decode_word(&next, bytes);
        if (outcome == OUTCOME_INTERNAL)
            return outcome;
        if (outcome != OUTCOME_OK) {
            strbuf_truncate(bytes, before);
            break;
        }
        w = next;
        *at = w.end;
    }
    return convert(&w, span_slice(strbuf_view(bytes), mark, bytes->len), out, is_foreign);
}

enum outcome encoded_word_decode(struct span text, struct strbuf *out, bool *is_foreign)
{
    struct strbuf bytes;
    enum outcome outcome = OUTCOME_OK;
    *is_foreign = false;
    strbuf_init(&bytes, DECODED_MAX_BYTES);
    for (size_t at = 0; at < text.len && outcome != OUTCOME_INTERNAL;) {
        size_t start = span_find(text, at, SPAN_LITERAL("=?"));
        (void)strbuf_append(out, span_slice(text, at, start));
        at = start;
        if (at == text.len)
            break;
        outcome = decode_run(text, &at, &bytes, out, is_foreign);
        if (outcome != OUTCOME_OK) {
            (void)strbuf_append(out, SPAN_LITERAL("=?"));
            at = start + 2;
        }
    }
    strbuf_clear(&bytes);
    return outcome != OUTCOME_INTERNAL && out->error == STRBUF_ERROR_NONE ? OUTCOME_OK : OUTCOME_INTERNAL;
}
