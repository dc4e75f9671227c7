/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_results.h"

static const char *word(enum auth_result result)
{
    const char *name = name_table_name(auth_result_names, (int)result);
    return result == AUTH_RESULT_UNKNOWN || name == NULL ? "none" : name;
}

bool auth_results_append(const struct reply_record *record, const char *authserv_id, struct strbuf *out)
{
    (void)strbuf_append_format(out, "%s;\n\tdkim=%s", authserv_id,
                               word(record->chosen != NULL ? record->chosen->result : AUTH_RESULT_NONE));
    if (record->chosen != NULL)
        (void)strbuf_append_format(out, " header.d=%s header.s=%s header.a=%s", record->chosen->domain.name,
                                   record->chosen->selector, record->chosen->algorithm);
    (void)strbuf_append_format(out, ";\n\tdmarc=%s",
                               word(record->dmarc != NULL ? record->dmarc->result : AUTH_RESULT_NONE));
    if (record->form->has_author)
        (void)strbuf_append_format(out, " header.from=%s", record->form->author.domain.name);
    return out->error == STRBUF_ERROR_NONE;
}

bool auth_results_claims(struct span field_body, const char *authserv_id)
{
    size_t at = span_skip_cfws(field_body, 0);
    bool is_quoted = at < field_body.len && field_body.data[at] == '"';
    at += is_quoted;
    for (; *authserv_id != '\0'; authserv_id++, at++) {
        at += is_quoted && at < field_body.len && field_body.data[at] == '\\';
        if (at >= field_body.len || byte_to_lower(field_body.data[at]) != byte_to_lower(*authserv_id))
            return false;
    }
    if (at == field_body.len)
        return true;
    char c = field_body.data[at];
    return is_quoted ? c == '"' : byte_is_blank(c) || c == ';' || c == '(' || c == '\r' || c == '\n';
}
