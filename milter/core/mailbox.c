/* SPDX-License-Identifier: BSD-2-Clause */
#include "mailbox.h"

#include <string.h>

#include "mailbox_scan.h"
#include "utf8.h"

/* Cursor over a From field body. */
struct author_scan {
    struct span text;
    size_t at;
    bool
        has_escapes; /* a backslash, or a quote inside a comment: not every program sees the same end there */
    const char *why;
};

static bool is_at(const struct author_scan *s, char c)
{
    return s->at < s->text.len && s->text.data[s->at] == c;
}

static bool refuse(struct author_scan *s, const char *why)
{
    s->why = why;
    return false;
}

/* Spaces, controls and what is not seen, and U+FF20 and U+FE6B, which look like "@" and become one under
 * compatibility normalisation. */
static bool is_misleading(uint32_t code)
{
    return code == ' ' || utf8_is_hidden(code) || code == 0xff20 || code == 0xfe6b;
}

/* 8-bit text of an address: valid, and all of it seen. */
static bool is_plain_text(struct span s)
{
    uint32_t code;
    for (size_t at = utf8_skip_printable(s, 0); at < s.len; at = utf8_skip_printable(s, at)) {
        size_t len = utf8_decode(s, at, &code);
        if (len == 0 || is_misleading(code))
            return false;
        at += len;
    }
    return true;
}

/* RFC 5322 dot-atom; with spaces: what a quoted local part may hold. */
static bool is_dot_atom(struct span s, bool is_quoted)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool is_edge = i == 0 || i + 1 == s.len;
        bool is_dot = c == '.' && (is_quoted || (!is_edge && s.data[i - 1] != '.'));
        bool is_space = c == ' ' && is_quoted && !is_edge;
        if (!mailbox_scan_is_atext(c) && !is_dot && !is_space)
            return false;
    }
    return s.len > 0;
}

/* "=?" alone may stand in a local part; what a decoder would change may not. */
static bool has_encoded_word(struct span s)
{
    size_t start = span_find(s, 0, SPAN_LITERAL("=?"));
    return span_find(s, start + 2, SPAN_LITERAL("?=")) < s.len;
}

static const char *local_fault(struct span local)
{
    bool is_quoted = local.len > 0 && local.data[0] == '"';
    struct span inner = is_quoted ? span_slice(local, 1, local.len - 1) : local;
    if (local.len > MAILBOX_LOCAL_MAX_BYTES)
        return "local part longer than 64 octets";
    if (is_quoted && (local.len < 2 || local.data[local.len - 1] != '"'))
        return "quoted local part without an end";
    if (!is_dot_atom(inner, is_quoted))
        return is_quoted ? "quoted local part with special characters" : "invalid local part";
    if (span_equal(inner, SPAN_LITERAL("*")))
        return "wildcard local part";
    if (has_encoded_word(inner))
        return "encoded-word in the address";
    return NULL;
}

/* A whole addr-spec. */
static enum outcome parse_addr_spec(struct span text, struct mailbox *out, const char **why)
{
    memset(out, 0, sizeof *out);
    bool is_quoted = text.len > 0 && text.data[0] == '"';
    size_t sign = is_quoted ? mailbox_scan_quoted(text, 0) : span_find_byte(text, 0, '@');
    *why = "no addr-spec";
    if (sign >= text.len || text.data[sign] != '@')
        return OUTCOME_BROKEN_INPUT;
    struct span local = span_slice(text, 0, sign);
    struct span domain = span_slice(text, sign + 1, text.len);
    *why = is_plain_text(text) ? local_fault(local)
                               : "control, space, invisible or invalid character in the address";
    if (*why != NULL)
        return OUTCOME_BROKEN_INPUT;
    *why = domain.len > 0 && domain.data[0] == '[' ? "domain literal" : "invalid domain";
    enum outcome outcome = domain_parse(domain, false, &out->domain);
    if (is_quoted && is_dot_atom(span_slice(local, 1, local.len - 1), false))
        local = span_slice(local, 1, local.len - 1);
    if (outcome == OUTCOME_OK)
        memcpy(out->local, local.data, local.len);
    return outcome;
}

enum outcome mailbox_parse_address(struct span text, struct mailbox *out)
{
    const char *why;
    return parse_addr_spec(text, out, &why);
}

static const char *field_fault(struct span text)
{
    uint32_t code;
    if (text.len > MAILBOX_FIELD_MAX_BYTES)
        return "field too long";
    for (size_t at = utf8_skip_printable(text, 0); at < text.len; at = utf8_skip_printable(text, at)) {
        bool is_fold = at + 2 < text.len && text.data[at] == '\r' && text.data[at + 1] == '\n' &&
                       byte_is_blank(text.data[at + 2]);
        size_t len = is_fold ? 3 : utf8_decode(text, at, &code);
        if (len == 0)
            return "bytes that are not UTF-8";
        if (!is_fold && code < 0xa0 && code != '\t')
            return "control character";
        at += len;
    }
    return NULL;
}

/* Folding and comments. A comment that could be taken for an address is refused: programs differ in what they
 * skip. */
static bool skip_cfws(struct author_scan *s)
{
    while (s->at < s->text.len) {
        char c = s->text.data[s->at];
        if (byte_is_blank(c) || c == '\r' || c == '\n') {
            s->at++;
            continue;
        }
        if (c != '(')
            break;
        size_t end = mailbox_scan_comment(s->text, s->at);
        if (end == 0)
            return refuse(s, "comment without an end, or nested too deep");
        for (size_t i = s->at; i < end; i++) {
            c = s->text.data[i];
            if (c == '<' || c == '>' || c == '@')
                return refuse(s, "address in a comment");
            s->has_escapes = s->has_escapes || c == '"' || c == '\\';
        }
        s->at = end;
    }
    return true;
}

static bool refuse_here(struct author_scan *s)
{
    if (s->at >= s->text.len)
        return refuse(s, "no address");
    switch (s->text.data[s->at]) {
    case ',':
    case ';':
        return refuse(s, "more than one mailbox");
    case ':':
        return refuse(s, "group");
    case '@':
        return refuse(s, "blank, comment or missing quotes in the address");
    case '<':
        return refuse(s, "more than one address");
    case '[':
        return refuse(s, "domain literal");
    default:
        return refuse(s, "invalid character, or text behind the address");
    }
}

/* Words, dots (RFC 5322 obs-phrase) and comments, up to the angle bracket. */
static bool skip_phrase(struct author_scan *s)
{
    while (!is_at(s, '<')) {
        size_t from = s->at;
        if (is_at(s, '"')) {
            s->at = mailbox_scan_quoted(s->text, from);
            if (s->at == 0)
                return refuse(s, "quoted string without an end");
            s->has_escapes =
                s->has_escapes || span_find_byte(span_slice(s->text, 0, s->at), from, '\\') < s->at;
            continue;
        }
        while (s->at < s->text.len && (mailbox_scan_is_atext(s->text.data[s->at]) || is_at(s, '.')))
            s->at++;
        if (!skip_cfws(s))
            return false;
        if (s->at == from)
            return refuse_here(s);
    }
    return true;
}

/* The addr-spec that starts at the cursor with nothing around it: its length, 0 if there is none. */
static size_t bare_length(const struct author_scan *s)
{
    size_t at = s->at;
    if (is_at(s, '"'))
        at = mailbox_scan_quoted(s->text, at);
    else
        while (at < s->text.len && (mailbox_scan_is_atext(s->text.data[at]) || s->text.data[at] == '.'))
            at++;
    if (at <= s->at || at >= s->text.len || s->text.data[at] != '@')
        return 0;
    at++;
    while (at < s->text.len && (mailbox_scan_is_atext(s->text.data[at]) || s->text.data[at] == '.'))
        at++;
    return at - s->at;
}

/* Finds the one addr-spec. */
static bool find_address(struct author_scan *s, struct span *address)
{
    if (!skip_cfws(s))
        return false;
    size_t len = bare_length(s);
    if (len > 0) {
        *address = span_slice(s->text, s->at, s->at + len);
        s->at += len;
    } else {
        if (!skip_phrase(s))
            return false;
        size_t close = span_find_byte(s->text, s->at, '>');
        *address = span_trim(span_slice(s->text, s->at + 1, close));
        if (close == s->text.len)
            return refuse(s, "angle bracket without an end");
        if (address->len == 0 || address->data[0] == '@')
            return refuse(s, address->len == 0 ? "no address" : "route");
        s->at = close + 1;
    }
    if (!skip_cfws(s))
        return false;
    return s->at == s->text.len || refuse_here(s);
}

static size_t count_byte(struct span s, char c)
{
    size_t count = 0;
    for (size_t at = span_find_byte(s, 0, c); at < s.len; at = span_find_byte(s, at + 1, c))
        count++;
    return count;
}

enum outcome mailbox_parse_author(struct span field_body, struct mailbox *out, const char **why)
{
    struct author_scan s = {.text = field_body};
    struct span address;
    memset(out, 0, sizeof *out);
    *why = field_fault(field_body);
    if (*why != NULL)
        return OUTCOME_BROKEN_INPUT;
    if (!find_address(&s, &address)) {
        *why = s.why;
        return OUTCOME_BROKEN_INPUT;
    }
    if (s.has_escapes && (count_byte(s.text, '@') > 1 || count_byte(s.text, '<') > 1)) {
        *why = "quoting that programs read differently";
        return OUTCOME_BROKEN_INPUT;
    }
    enum outcome outcome = parse_addr_spec(address, out, why);
    if (outcome == OUTCOME_OK)
        *why = NULL;
    return outcome;
}

void mailbox_format(const struct mailbox *m, char out[static MAILBOX_MAX_BYTES + 1])
{
    size_t local = strlen(m->local);
    size_t domain = strlen(m->domain.name);
    memcpy(out, m->local, local);
    out[local] = '@';
    memcpy(out + local + 1, m->domain.name, domain + 1);
}
