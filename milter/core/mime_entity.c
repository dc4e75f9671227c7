/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime_entity.h"

#include <stdio.h>
#include <string.h>

enum { PARAMETERS_MAX = 32, PART_FIELDS_MAX = 64 };

/* The three fields that matter, as they stand; a second one of a kind is an ambiguity. */
struct content_fields {
    struct span type;
    struct span encoding;
    struct span disposition;
    bool has_type;
    bool has_encoding;
    bool has_disposition;
};

static bool note_field(struct content_fields *f, struct span name, struct span value, const char **why)
{
    struct {
        struct span name;
        struct span *value;
        bool *is_set;
    } known[] = {
        {SPAN_LITERAL("Content-Type"), &f->type, &f->has_type},
        {SPAN_LITERAL("Content-Transfer-Encoding"), &f->encoding, &f->has_encoding},
        {SPAN_LITERAL("Content-Disposition"), &f->disposition, &f->has_disposition},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!span_equal_nocase(span_trim(name), known[i].name))
            continue;
        *why = "a Content-* field stands twice";
        if (*known[i].is_set)
            return false;
        *known[i].is_set = true;
        *known[i].value = value;
    }
    return true;
}

/* RFC 2045 section 5.1. */
static bool is_token_byte(char c)
{
    return !byte_is_control(c) && (unsigned char)c < 0x80 && strchr(" ()<>@,;:\\\"/[]?=", c) == NULL;
}

static struct span take_token(struct span s, size_t *at)
{
    size_t from = *at;
    while (*at < s.len && is_token_byte(s.data[*at]))
        (*at)++;
    return span_slice(s, from, *at);
}

/* A token or a quoted-string into out, which has size bytes; false: malformed or too long. */
static bool take_value(struct span s, size_t *at, char *out, size_t size)
{
    size_t len = 0;
    bool is_quoted = *at < s.len && s.data[*at] == '"';
    *at += is_quoted;
    for (; *at < s.len; (*at)++) {
        char c = s.data[*at];
        if (is_quoted ? c == '"' : !is_token_byte(c))
            break;
        if (is_quoted && c == '\\' && ++*at < s.len)
            c = s.data[*at];
        if (len + 1 >= size || byte_is_control(c))
            return false;
        out[len++] = c;
    }
    out[len] = '\0';
    if (is_quoted && *at >= s.len)
        return false;
    *at += is_quoted;
    return is_quoted || len > 0;
}

static void copy_lower(struct span s, char *out)
{
    for (size_t i = 0; i < s.len; i++)
        out[i] = byte_to_lower(s.data[i]);
    out[s.len] = '\0';
}

struct parameter {
    struct span name;
    char value[256];
};

/* "; name=value" at *at. False: malformed. *is_end: nothing more stands there. */
static bool take_parameter(struct span s, size_t *at, struct parameter *p, bool *is_end)
{
    *at = span_skip_cfws(s, *at);
    while (*at < s.len && s.data[*at] == ';')
        *at = span_skip_cfws(s, *at + 1);
    *is_end = *at >= s.len;
    if (*is_end)
        return true;
    p->name = take_token(s, at);
    *at = span_skip_cfws(s, *at);
    if (p->name.len == 0 || *at >= s.len || s.data[*at] != '=')
        return false;
    *at = span_skip_cfws(s, *at + 1);
    if (!take_value(s, at, p->value, sizeof p->value))
        return false;
    *at = span_skip_cfws(s, *at);
    return *at >= s.len || s.data[*at] == ';';
}

/* RFC 2231 section 3 spreads a parameter over several; for these two that is only used to mislead. */
static bool is_spread(struct span name)
{
    size_t star = span_find_byte(name, 0, '*');
    struct span base = span_slice(name, 0, star);
    return star < name.len && (span_equal_nocase(base, SPAN_LITERAL("boundary")) ||
                               span_equal_nocase(base, SPAN_LITERAL("charset")));
}

static bool set_once(char *out, size_t size, const char *value)
{
    if (out[0] != '\0' || strlen(value) >= size)
        return false;
    memcpy(out, value, strlen(value) + 1);
    return true;
}

static bool read_parameters(struct span s, size_t at, struct mime_entity *e)
{
    for (int i = 0; i < PARAMETERS_MAX; i++) {
        struct parameter p;
        bool is_end;
        if (!take_parameter(s, &at, &p, &is_end))
            return false;
        if (is_end)
            return true;
        if (is_spread(p.name))
            return false;
        if (span_equal_nocase(p.name, SPAN_LITERAL("charset")) &&
            !set_once(e->charset, sizeof e->charset, p.value))
            return false;
        if (span_equal_nocase(p.name, SPAN_LITERAL("boundary")) &&
            !set_once(e->boundary, sizeof e->boundary, p.value))
            return false;
    }
    return false;
}

static bool read_type(struct span s, struct mime_entity *e)
{
    size_t at = span_skip_cfws(s, 0);
    struct span type = take_token(s, &at);
    if (at >= s.len || s.data[at] != '/')
        return false;
    size_t from = at + 1;
    at = from;
    struct span subtype = take_token(s, &at);
    if (type.len == 0 || subtype.len == 0 || type.len + 1 + subtype.len > MIME_TYPE_MAX_BYTES)
        return false;
    copy_lower(type, e->type);
    e->type[type.len] = '/';
    copy_lower(subtype, e->type + type.len + 1);
    at = span_skip_cfws(s, at);
    return (at >= s.len || s.data[at] == ';') && read_parameters(s, at, e);
}

/* RFC 2045 allows comments here; the other readers know none, and take the body as it stands. */
static enum mime_encoding read_encoding(struct span s)
{
    static const struct {
        const char *name;
        enum mime_encoding encoding;
    } encodings[] = {
        {"7bit", MIME_ENCODING_IDENTITY},   {"8bit", MIME_ENCODING_IDENTITY},
        {"binary", MIME_ENCODING_IDENTITY}, {"quoted-printable", MIME_ENCODING_QUOTED_PRINTABLE},
        {"base64", MIME_ENCODING_BASE64},
    };
    s = span_trim(s);
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
        if (span_equal_nocase(s, span_from_string(encodings[i].name)))
            return encodings[i].encoding;
    return MIME_ENCODING_UNKNOWN;
}

/* RFC 2183 section 2.8: what is not known to be inline is an attachment. */
static bool is_attachment(struct span s)
{
    size_t at = span_skip_cfws(s, 0);
    return !span_equal_nocase(take_token(s, &at), SPAN_LITERAL("inline"));
}

static bool is_boundary(const char *boundary)
{
    size_t len = strlen(boundary);
    for (size_t i = 0; i < len; i++)
        if (!byte_is_alnum(boundary[i]) && strchr("'()+_,-./:=? ", boundary[i]) == NULL)
            return false;
    return len > 0 && boundary[len - 1] != ' ';
}

static bool read_fields(const struct content_fields *f, struct mime_entity *e, const char **why)
{
    *why = "malformed Content-Type";
    if (f->has_type && !read_type(f->type, e))
        return false;
    if (!f->has_type)
        (void)snprintf(e->type, sizeof e->type, "text/plain");
    if (e->charset[0] == '\0')
        (void)snprintf(e->charset, sizeof e->charset, "us-ascii");
    e->encoding = f->has_encoding ? read_encoding(f->encoding) : MIME_ENCODING_IDENTITY;
    e->is_attachment = f->has_disposition && is_attachment(f->disposition);
    if (!mime_entity_is_multipart(e))
        return true;
    *why = "multipart without a valid boundary";
    if (!is_boundary(e->boundary))
        return false;
    *why = "encoded multipart";
    return e->encoding == MIME_ENCODING_IDENTITY;
}

bool mime_entity_is_multipart(const struct mime_entity *e)
{
    return strncmp(e->type, "multipart/", strlen("multipart/")) == 0;
}

bool mime_entity_of_message(const struct message *m, struct mime_entity *out, const char **why)
{
    struct content_fields fields = {.has_type = false};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < message_field_count(m); i++) {
        struct message_field field = message_field_at(m, i);
        if (!note_field(&fields, field.name, field.value, why))
            return false;
    }
    out->body = message_body(m);
    return read_fields(&fields, out, why);
}

/* The end of the field that begins at from, folds included and final CRLF not; *next is behind it. */
static size_t field_end(struct span s, size_t from, size_t *next)
{
    size_t end;
    *next = from;
    do {
        end = span_find(s, *next, SPAN_LITERAL("\r\n"));
        *next = end < s.len ? end + 2 : s.len;
    } while (*next < s.len && byte_is_blank(s.data[*next]));
    return end;
}

bool mime_entity_of_part(struct span part, struct mime_entity *out, const char **why)
{
    struct content_fields fields = {.has_type = false};
    size_t from = 0;
    memset(out, 0, sizeof *out);
    for (int i = 0; from < part.len; i++) {
        size_t next;
        size_t end = field_end(part, from, &next);
        struct span field = span_slice(part, from, end);
        from = next;
        if (field.len == 0)
            break;
        size_t colon = span_find_byte(field, 0, ':');
        *why = "malformed header in a part";
        if (colon == field.len || byte_is_blank(field.data[0]) || i == PART_FIELDS_MAX)
            return false;
        if (!note_field(&fields, span_slice(field, 0, colon), span_slice(field, colon + 1, field.len), why))
            return false;
    }
    out->body = span_slice(part, from, part.len);
    return read_fields(&fields, out, why);
}

struct delimiter {
    size_t start; /* of the line, its preceding CRLF included */
    size_t end;   /* behind the line */
    bool is_closing;
};

/* "CRLF--boundary". Searched for as a whole: a body of other delimiters costs no more than one of text. */
struct delimiter_text {
    char bytes[sizeof "\r\n--" + MIME_BOUNDARY_MAX_BYTES];
    size_t len;
};

/* Reads the rest of a delimiter line whose boundary ends at offset at. */
static bool read_delimiter(struct span body, size_t at, struct delimiter *d)
{
    d->is_closing = span_equal(span_slice(body, at, at + 2), SPAN_LITERAL("--"));
    at += d->is_closing ? 2 : 0;
    while (at < body.len && byte_is_blank(body.data[at]))
        at++;
    if (at < body.len && !span_equal(span_slice(body, at, at + 2), SPAN_LITERAL("\r\n")))
        return false;
    d->end = at < body.len ? at + 2 : at;
    return true;
}

/* The next delimiter line at or after from. */
static bool find_delimiter(struct span body, size_t from, const struct delimiter_text *text,
                           struct delimiter *d)
{
    struct span whole = {text->bytes, text->len};
    struct span at_start = span_slice(whole, 2, whole.len);
    d->start = 0;
    if (from == 0 && span_equal(span_slice(body, 0, at_start.len), at_start) &&
        read_delimiter(body, at_start.len, d))
        return true;
    for (size_t at = span_find(body, from, whole); at < body.len; at = span_find(body, at + 2, whole)) {
        d->start = at;
        if (read_delimiter(body, at + whole.len, d))
            return true;
    }
    return false;
}

bool mime_entity_next_part(const struct mime_entity *multipart, size_t *at, struct span *part)
{
    struct span body = multipart->body;
    struct delimiter_text text;
    struct delimiter opening, closing;
    text.len = (size_t)snprintf(text.bytes, sizeof text.bytes, "\r\n--%s", multipart->boundary);
    if (*at >= body.len || !find_delimiter(body, *at, &text, &opening) || opening.is_closing)
        return false;
    /* An empty part's closing delimiter may begin with the CRLF that ends the opening one. */
    size_t from = opening.end >= 2 ? opening.end - 2 : 0;
    bool is_closed = find_delimiter(body, from, &text, &closing);
    size_t end = is_closed ? closing.start : body.len;
    *part = span_slice(body, opening.end, end > opening.end ? end : opening.end);
    *at = end;
    return true;
}
