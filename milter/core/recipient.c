/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two steps. The first makes plain text of a path: what RFC 822 and RFC 5321 let stand around and inside an
 * address is taken away, and so are its quotes. The second reads that text from the right, as MTAs do, and
 * reads again what it finds in a local part. It allocates nothing, and its work is bounded by READINGS_MAX.
 */
#include "recipient.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>

#include "mailbox_scan.h"
#include "utf8.h"

enum { READINGS_MAX = 32, DEPTH_MAX = 8 };

struct plain {
    char text[RECIPIENT_PATH_MAX_BYTES];
    size_t len;
    bool is_clear; /* no other reader finds another end of a quoted string, comment or address */
};

struct readings {
    bool (*visit)(const struct mailbox *, void *);
    void *context;
    size_t count; /* of texts that were read */
    bool has_any;
    bool is_clear;
    bool is_over; /* visit wants no more */
    bool is_out_of_memory;
};

static void add(struct plain *p, struct span s)
{
    if (s.len > sizeof p->text - p->len) {
        p->is_clear = false;
        return;
    }
    memcpy(p->text + p->len, s.data, s.len);
    p->len += s.len;
}

/* What is between the quotes, without the backslashes of its quoted-pairs. */
static void add_quoted(struct plain *p, struct span inner)
{
    for (size_t i = 0; i < inner.len; i++) {
        i += inner.data[i] == '\\' && i + 1 < inner.len;
        add(p, span_slice(inner, i, i + 1));
    }
}

/* Takes what begins at offset at; the offset after it. */
static size_t take(struct plain *p, struct span path, size_t at)
{
    size_t end;
    switch (path.data[at]) {
    case ' ':
    case '\t':
        return at + 1;
    case '<': /* what came before it was a name */
        p->len = 0;
        return at + 1;
    case '>':
        return path.len;
    case '"':
        end = mailbox_scan_quoted(path, at);
        if (end != 0)
            add_quoted(p, span_slice(path, at + 1, end - 1));
        break;
    case '(':
        end = mailbox_scan_comment(path, at);
        break;
    case '\\':
        end = at + 1 < path.len ? at + 2 : 0;
        add(p, span_slice(path, at + 1, at + 2));
        break;
    default:
        add(p, span_slice(path, at, at + 1));
        return at + 1;
    }
    p->is_clear = p->is_clear && end != 0;
    return end != 0 ? end : at + 1;
}

static void make_plain(struct span path, struct plain *p)
{
    p->len = 0;
    p->is_clear = path.len <= RECIPIENT_PATH_MAX_BYTES;
    for (size_t at = 0; at < path.len;)
        at = take(p, path, at);
}

static size_t last_byte(struct span s, char byte)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.data[i - 1] == byte)
            return i - 1;
    return s.len;
}

/* Without a source route, "@a,@b:user@host", and the name of a group, "name:user@host;". */
static struct span without_route(struct span s)
{
    size_t sign = last_byte(s, '@');
    size_t colon = last_byte(span_slice(s, 0, sign), ':');
    if (sign == 0) /* a route before a user without a host */
        colon = last_byte(s, ':');
    if (colon < (sign == 0 ? s.len : sign))
        s = span_slice(s, colon + 1, s.len);
    return s.len > 0 && s.data[s.len - 1] == ';' ? span_slice(s, 0, s.len - 1) : s;
}

static struct span without_dots(struct span s)
{
    while (s.len > 0 && s.data[s.len - 1] == '.')
        s.len--;
    while (s.len > 0 && s.data[0] == '.')
        s = span_slice(s, 1, s.len);
    return s;
}

static bool is_dot_atom(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool is_dot = s.data[i] == '.' && i > 0 && s.data[i - 1] != '.';
        if (!is_dot && !mailbox_scan_is_atext(s.data[i]))
            return false;
    }
    return true;
}

/* Into out as a dot-atom or else a quoted-string. False if it is too long, or could not be shown. */
static bool write_local(struct span local, struct mailbox *out)
{
    bool is_quoted = !is_dot_atom(local);
    size_t len = 0;
    if (!utf8_is_valid(local))
        return false;
    if (is_quoted)
        out->local[len++] = '"';
    for (size_t i = 0; i < local.len; i++) {
        if (len + 3 > MAILBOX_LOCAL_MAX_BYTES || byte_is_control(local.data[i]))
            return false;
        if (local.data[i] == '"' || local.data[i] == '\\')
            out->local[len++] = '\\';
        out->local[len++] = local.data[i];
    }
    if (is_quoted)
        out->local[len++] = '"';
    return true;
}

static void offer(struct readings *r, struct span local, struct span domain)
{
    struct mailbox m = {.local = ""};
    if (!write_local(local, &m)) {
        r->is_clear = false;
        return;
    }
    if (domain_parse(domain, false, &m.domain) == OUTCOME_INTERNAL) {
        r->is_out_of_memory = true;
        return;
    }
    r->has_any = true;
    r->is_over = !r->visit(&m, r->context);
}

static void read_text(struct readings *r, struct span text, unsigned depth);

/* "user@host" of two pieces that stood otherwise. */
static void read_as(struct readings *r, struct span user, struct span host, unsigned depth)
{
    struct plain p = {.len = 0, .is_clear = true};
    add(&p, user);
    add(&p, SPAN_LITERAL("@"));
    add(&p, host);
    r->is_clear = r->is_clear && p.is_clear;
    read_text(r, (struct span){p.text, p.len}, depth);
}

/* What an MTA that is the host of the address finds in its local part. */
static void read_local(struct readings *r, struct span local, unsigned depth)
{
    size_t percent = last_byte(local, '%');
    size_t bang = span_find_byte(local, 0, '!');
    if (span_find_byte(local, 0, '@') < local.len)
        read_text(r, local, depth);
    if (percent < local.len)
        read_as(r, span_slice(local, 0, percent), span_slice(local, percent + 1, local.len), depth);
    if (bang < local.len)
        read_as(r, span_slice(local, bang + 1, local.len), span_slice(local, 0, bang), depth);
}

static void read_text(struct readings *r, struct span text, unsigned depth)
{
    if (r->is_over || r->is_out_of_memory)
        return;
    if (depth == DEPTH_MAX || r->count == READINGS_MAX) {
        r->is_clear = false;
        return;
    }
    r->count++;
    text = without_route(text);
    size_t sign = last_byte(text, '@');
    struct span local = without_dots(span_slice(text, 0, sign));
    if (local.len == 0)
        return;
    offer(r, local, without_dots(span_slice(text, sign + 1, text.len)));
    read_local(r, local, depth + 1);
}

enum outcome recipient_visit(struct span path, bool (*visit)(const struct mailbox *, void *), void *context)
{
    struct plain plain;
    struct readings r = {.visit = visit, .context = context, .is_clear = true};
    make_plain(path, &plain);
    read_text(&r, (struct span){plain.text, plain.len}, 0);
    if (r.is_out_of_memory)
        return OUTCOME_INTERNAL;
    return r.is_over || (r.has_any && r.is_clear && plain.is_clear) ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}

size_t recipient_fold_local(struct span local, char out[static RECIPIENT_FOLDED_MAX_BYTES])
{
    struct plain plain;
    size_t len = RECIPIENT_FOLDED_MAX_BYTES;
    if (local.len > MAILBOX_LOCAL_MAX_BYTES)
        return 0;
    make_plain(local, &plain);
    if (span_is_ascii((struct span){plain.text, plain.len})) {
        for (size_t i = 0; i < plain.len; i++)
            out[i] = byte_to_lower(plain.text[i]);
        return plain.len;
    }
    if (!utf8_is_valid((struct span){plain.text, plain.len}))
        return 0;
    uint8_t *folded =
        u8_casefold((const uint8_t *)plain.text, plain.len, NULL, UNINORM_NFC, (uint8_t *)out, &len);
    if (folded == (uint8_t *)out)
        return len;
    free(folded); /* it did not fit, or there is none */
    return 0;
}

bool recipient_equal_local(struct span a, struct span b)
{
    char folded_a[RECIPIENT_FOLDED_MAX_BYTES], folded_b[RECIPIENT_FOLDED_MAX_BYTES];
    size_t len = recipient_fold_local(a, folded_a);
    size_t len_b = recipient_fold_local(b, folded_b);
    bool have_forms = (len > 0 || a.len == 0) && (len_b > 0 || b.len == 0);
    return have_forms && len == len_b && memcmp(folded_a, folded_b, len) == 0;
}
