/* SPDX-License-Identifier: BSD-2-Clause */
#include "post_format.h"

#include <stdlib.h>
#include <string.h>

enum { AKAMU_SECRET_MIN_BYTES = 32 };

static const struct post_format_needs needs[] = {
    [POST_FORMAT_NATIVE] = {.is_pass_only = false},
    [POST_FORMAT_AKAMU] = {.is_pass_only = true,
                           .is_secret_needed = true,
                           .secret_min_bytes = AKAMU_SECRET_MIN_BYTES,
                           .signature_field = "X-Akamu-Signature"},
    [POST_FORMAT_RAPIDMX] = {.is_pass_only = true,
                             .is_secret_needed = true,
                             .secret_min_bytes = 1,
                             .is_whole_mail = true},
};

const struct post_format_needs *post_format_needs(enum post_format format)
{
    return &needs[format];
}

static enum outcome make_native(const struct post_format_source *source, struct post_format_content *out)
{
    out->content_type = source->is_signed ? "application/jose+json" : "application/json";
    out->body = source->result;
    return OUTCOME_OK;
}

/* The one "<identifier>" of a field; false where there is none or more. */
static bool only_id(struct span ids, struct span *id)
{
    size_t from = span_find_byte(ids, 0, '<');
    size_t to = span_find_byte(ids, from, '>');
    if (to == ids.len || span_find_byte(ids, to, '<') < ids.len)
        return false;
    *id = span_slice(ids, from, to + 1);
    return id->len > sizeof "<>" - 1 && span_find_byte(*id, 1, '<') == id->len;
}

static enum outcome make_akamu(const struct post_format_source *source, struct post_format_content *out)
{
    struct span id;
    out->content_type = "application/json";
    out->refusal =
        "The reply must name the challenge mail, and no other, in its In-Reply-To field. Answer the "
        "challenge mail itself.";
    if (!only_id(span_from_string(source->record->form->in_reply_to), &id))
        return OUTCOME_REJECTED;
    if (!result_json_append_akamu(source->record, id, &out->storage))
        return OUTCOME_INTERNAL;
    out->body = strbuf_view(&out->storage);
    return OUTCOME_OK;
}

/* Printable ASCII stays, so that nothing of an envelope is a header field of its own. */
/* Whole or not at all: what was cut would pass for another address. */
static void add_field(struct post_format_content *out, const char *name, const char *text)
{
    char *value = out->values[out->field_count];
    struct span s = span_trim(span_from_string(text));
    size_t len = s.len < POST_FORMAT_VALUE_BYTES ? s.len : 0;
    for (size_t i = 0; i < len; i++)
        value[i] = s.data[i] >= ' ' && s.data[i] < 0x7f ? s.data[i] : '?';
    value[len] = '\0';
    if (len > 0)
        out->fields[out->field_count++] = (struct endpoint_field){name, value};
}

static enum outcome make_rapidmx(const struct post_format_source *source, struct post_format_content *out)
{
    out->content_type = "message/rfc822";
    if (!strbuf_append(&out->storage, source->header) || !strbuf_append_string(&out->storage, "\r\n") ||
        !strbuf_append(&out->storage, source->body))
        return OUTCOME_INTERNAL;
    out->body = strbuf_view(&out->storage);
    add_field(out, "x-envelope-from", source->record->smtp.mail_from);
    add_field(out, "x-remote-address", source->record->smtp.client_address);
    return OUTCOME_OK;
}

enum outcome post_format_make(enum post_format format, const struct post_format_source *source,
                              struct post_format_content *out)
{
    memset(out, 0, sizeof *out);
    strbuf_init(&out->storage, POST_FORMAT_MAIL_MAX_BYTES);
    switch (format) {
    case POST_FORMAT_NATIVE:
        return make_native(source, out);
    case POST_FORMAT_AKAMU:
        return make_akamu(source, out);
    case POST_FORMAT_RAPIDMX:
        return make_rapidmx(source, out);
    }
    return OUTCOME_INTERNAL;
}

void post_format_clear(struct post_format_content *content)
{
    strbuf_clear(&content->storage);
}
