/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_block.h"

#include <string.h>

#include "base64.h"
#include "utf8.h"

enum { DASHES_MIN = 1, DASHES_MAX = 8, DIGEST_TEXT_MAX_BYTES = 256 };

enum line_kind {
    LINE_KIND_OTHER = 0,
    LINE_KIND_BEGIN,
    LINE_KIND_END,
};

struct line {
    struct span text; /* quotation marks and blanks around it removed */
    enum line_kind kind;
    bool is_quoted;
    bool has_changed_dashes;
};

/* Bytes of a blank at offset at: SP, HTAB, CR, or NO-BREAK SPACE in UTF-8; 0 if none stands there. */
static size_t blank_len(struct span s, size_t at)
{
    if (byte_is_blank(s.data[at]) || s.data[at] == '\r')
        return 1;
    return span_equal(span_slice(s, at, at + 2), SPAN_LITERAL("\xc2\xa0")) ? 2 : 0;
}

static struct span trim(struct span s)
{
    size_t n;
    while (s.len > 0 && (n = blank_len(s, 0)) > 0)
        s = span_slice(s, n, s.len);
    while (s.len > 0) {
        if (blank_len(s, s.len - 1) == 1)
            s.len--;
        else if (s.len > 1 && blank_len(s, s.len - 2) == 2)
            s.len -= 2;
        else
            break;
    }
    return s;
}

/* Takes "> > " and "| " away. */
static struct span unquote(struct span s, bool *is_quoted)
{
    *is_quoted = false;
    for (s = trim(s); s.len > 0 && (s.data[0] == '>' || s.data[0] == '|'); s = trim(span_slice(s, 1, s.len)))
        *is_quoted = true;
    return s;
}

/* What mail programs make of hyphens. */
static bool is_dash(uint32_t code)
{
    return code == '-' || (code >= 0x2010 && code <= 0x2015) || code == 0x2212 || code == 0xfe58 ||
           code == 0xfe63 || code == 0xff0d;
}

static size_t dash_len(struct span s, size_t at)
{
    uint32_t code;
    size_t len = at < s.len ? utf8_decode(s, at, &code) : 0;
    return len > 0 && is_dash(code) ? len : 0;
}

/* Removes a run of dashes from the front; the number of them. */
static size_t take_dashes(struct span *s)
{
    size_t count = 0;
    size_t n;
    while (s->len > 0 && count <= DASHES_MAX && (n = dash_len(*s, 0)) > 0) {
        *s = span_slice(*s, n, s->len);
        count++;
    }
    return count;
}

static bool is_exact_marker(struct span s, struct span word)
{
    const struct span dashes_as_sent = SPAN_LITERAL("-----");
    return s.len == word.len + 2 * dashes_as_sent.len &&
           span_equal(span_slice(s, 0, dashes_as_sent.len), dashes_as_sent) &&
           span_equal(span_slice(s, dashes_as_sent.len, s.len - dashes_as_sent.len), word) &&
           span_equal(span_slice(s, s.len - dashes_as_sent.len, s.len), dashes_as_sent);
}

static bool is_marker(struct span s, struct span word, bool *has_changed_dashes)
{
    *has_changed_dashes = !is_exact_marker(s, word);
    size_t before = take_dashes(&s);
    s = trim(s);
    if (before < DASHES_MIN || before > DASHES_MAX || !span_equal(span_slice(s, 0, word.len), word))
        return false;
    s = trim(span_slice(s, word.len, s.len));
    size_t after = take_dashes(&s);
    return after >= DASHES_MIN && after <= DASHES_MAX && s.len == 0;
}

static struct line read_line(struct span raw)
{
    struct line line = {.kind = LINE_KIND_OTHER};
    line.text = unquote(raw, &line.is_quoted);
    if (span_find(line.text, 0, SPAN_LITERAL("ACME RESPONSE")) == line.text.len)
        return line; /* as nearly every line of a mail */
    if (is_marker(line.text, SPAN_LITERAL("BEGIN ACME RESPONSE"), &line.has_changed_dashes))
        line.kind = LINE_KIND_BEGIN;
    else if (is_marker(line.text, SPAN_LITERAL("END ACME RESPONSE"), &line.has_changed_dashes))
        line.kind = LINE_KIND_END;
    return line;
}

/* The digest lines of one block, white space gone. Too long is as wrong as any other length. */
static void add_digest_text(struct span s, char text[static DIGEST_TEXT_MAX_BYTES], size_t *len)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = blank_len(s, i);
        if (n == 0 && *len < DIGEST_TEXT_MAX_BYTES)
            text[(*len)++] = s.data[i];
        i += n > 0 ? n : 1;
    }
}

/* 43 base64url characters, one "=" may follow; stray bits in the last would make two spellings of one digest.
 */
static bool read_digest(const char *text, size_t len, struct reply_block *out)
{
    size_t bytes;
    if (len == REPLY_DIGEST_BYTES + 1 && text[REPLY_DIGEST_BYTES] == '=')
        len--;
    if (len != REPLY_DIGEST_BYTES || !base64_measure((struct span){text, len}, BASE64_ALPHABET_URL, &bytes))
        return false;
    memcpy(out->digest, text, len);
    out->digest[len] = '\0';
    return true;
}

/* All blocks of one sort, quoted or not. */
struct search {
    bool wants_quoted;
    bool is_open;
    bool has_changed_dashes;
    char text[DIGEST_TEXT_MAX_BYTES];
    size_t len;
    size_t good;
    size_t bad;
    size_t halves; /* markers without the other one */
    bool is_ambiguous;
    struct reply_block found;
};

static void close_block(struct search *s)
{
    struct reply_block block = {.is_quoted = s->wants_quoted, .has_changed_dashes = s->has_changed_dashes};
    s->is_open = false;
    if (!read_digest(s->text, s->len, &block)) {
        s->bad++;
        return;
    }
    if (s->good > 0 && strcmp(block.digest, s->found.digest) != 0)
        s->is_ambiguous = true;
    if (s->good == 0 || !block.has_changed_dashes)
        s->found = block;
    s->good++;
}

static void take_line(struct search *s, const struct line *line)
{
    if (line->is_quoted != s->wants_quoted && line->text.len > 0)
        return;
    switch (line->kind) {
    case LINE_KIND_BEGIN:
        s->halves += s->is_open && s->len > 0;
        s->is_open = true;
        s->has_changed_dashes = line->has_changed_dashes;
        s->len = 0;
        break;
    case LINE_KIND_END:
        s->has_changed_dashes = s->has_changed_dashes || line->has_changed_dashes;
        if (s->is_open)
            close_block(s);
        else
            s->halves++;
        break;
    case LINE_KIND_OTHER:
        if (s->is_open)
            add_digest_text(line->text, s->text, &s->len);
        break;
    }
}

static void search(struct span text, struct search *s)
{
    for (size_t from = 0; from < text.len;) {
        size_t end = span_find_byte(text, from, '\n');
        struct line line = read_line(span_slice(text, from, end));
        take_line(s, &line);
        from = end + 1;
    }
    s->halves += s->is_open;
}

/* A damaged block, or half of one, beside a good one leaves open which was meant. */
static enum reply_block_status status_of(const struct search *s, const char **why)
{
    if (s->is_ambiguous || (s->good > 0 && s->bad + s->halves > 0)) {
        *why = s->is_ambiguous ? "blocks with different digests"
                               : "a damaged block, or half of one, beside a good one";
        return REPLY_BLOCK_STATUS_AMBIGUOUS;
    }
    if (s->good > 0)
        return REPLY_BLOCK_STATUS_OK;
    *why = s->bad > 0      ? "not 43 base64url characters"
           : s->halves > 0 ? "no end line, or no begin line"
                           : "no block";
    return s->bad > 0 ? REPLY_BLOCK_STATUS_MALFORMED : REPLY_BLOCK_STATUS_MISSING;
}

enum reply_block_status reply_block_parse(struct span text, struct reply_block *out, const char **why)
{
    struct search plain = {.wants_quoted = false};
    struct search quoted = {.wants_quoted = true};
    memset(out, 0, sizeof *out);
    *why = NULL;
    search(text, &plain);
    enum reply_block_status status = status_of(&plain, why);
    if (status == REPLY_BLOCK_STATUS_MISSING && plain.halves == 0) {
        const char *quoted_why = NULL;
        search(text, &quoted);
        enum reply_block_status quoted_status = status_of(&quoted, &quoted_why);
        if (quoted_status != REPLY_BLOCK_STATUS_MISSING) {
            status = quoted_status;
            *why = quoted_why;
            *out = quoted.found;
        }
    } else {
        *out = plain.found;
    }
    if (status != REPLY_BLOCK_STATUS_OK)
        out->digest[0] = '\0';
    return status;
}
