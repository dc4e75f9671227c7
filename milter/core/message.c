/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum { FIELDS_FIRST_ROOM = 32, WHERE_MAX_BYTES = 128, WHERE_NAME_MAX_BYTES = 64 };

static const struct span crlf = {"\r\n", 2};

/* Offsets into the header buffer, which moves as it grows. */
struct field_slot {
    size_t at;
    size_t name_len;
    size_t end;        /* behind the value, before its CRLF */
    size_t trimmed_at; /* the name without blanks around it: what it is counted as */
    size_t trimmed_len;
    bool is_utf8;
};

struct message {
    struct message_limits limits;
    struct strbuf header;
    struct strbuf body;
    struct field_slot *fields;
    size_t field_count;
    size_t field_room;

    size_t body_lines;  /* line ends seen */
    bool is_cr_pending; /* the body so far ends with CR */
    bool is_too_large;
    bool has_too_many_fields;
    bool is_out_of_memory;

    enum message_defect defect;
    struct strbuf where;
};

struct message *message_new(const struct message_limits *limits)
{
    struct message *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    strbuf_init(&m->header, SIZE_MAX / 4);
    strbuf_init(&m->body, SIZE_MAX / 4);
    strbuf_init(&m->where, WHERE_MAX_BYTES);
    m->limits = *limits;
    return m;
}

void message_free(struct message *m)
{
    if (m == NULL)
        return;
    strbuf_clear(&m->header);
    strbuf_clear(&m->body);
    strbuf_clear(&m->where);
    free(m->fields);
    free(m);
}

/* OUTCOME_OK while the message takes more. */
static enum outcome state_of(const struct message *m)
{
    if (m->is_out_of_memory || m->header.error != STRBUF_ERROR_NONE || m->body.error != STRBUF_ERROR_NONE)
        return OUTCOME_INTERNAL;
    return message_is_cut(m) ? OUTCOME_REJECTED : OUTCOME_OK;
}

static size_t bytes_left(const struct message *m)
{
    size_t used = message_bytes(m);
    return used < m->limits.max_bytes ? m->limits.max_bytes - used : 0;
}

void message_note_defect(struct message *m, enum message_defect defect, struct span where)
{
    if (m->defect != MESSAGE_DEFECT_NONE || defect == MESSAGE_DEFECT_NONE)
        return;
    m->defect = defect;
    (void)strbuf_append_escaped(&m->where, span_slice(where, 0, WHERE_MAX_BYTES / 4));
}

static void note_in_field(struct message *m, enum message_defect defect, struct span name)
{
    if (m->defect != MESSAGE_DEFECT_NONE || defect == MESSAGE_DEFECT_NONE)
        return;
    m->defect = defect;
    (void)strbuf_append_string(&m->where, "header field ");
    (void)strbuf_append_escaped(&m->where, span_slice(name, 0, WHERE_NAME_MAX_BYTES));
}

static void note_in_body(struct message *m, enum message_defect defect, size_t line)
{
    if (m->defect != MESSAGE_DEFECT_NONE)
        return;
    m->defect = defect;
    (void)strbuf_append_format(&m->where, "body line %zu", line);
}

static bool is_field_name(struct span name)
{
    if (name.len == 0 || name.len > MESSAGE_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f || name.data[i] == ':')
            return false;
    return true;
}

static bool is_blank_at(struct span s, size_t at)
{
    return at < s.len && byte_is_blank(s.data[at]);
}

/* What is wrong with the byte or code point at offset at, which is not printable ASCII; *len: its bytes, 0 if
 * they are not UTF-8. */
static enum message_defect judge_unprintable(struct span value, size_t at, size_t *len)
{
    uint32_t code;
    *len = 1;
    switch (value.data[at]) {
    case '\t':
        return MESSAGE_DEFECT_NONE;
    case '\0':
        return MESSAGE_DEFECT_NUL;
    case '\n':
        return is_blank_at(value, at + 1) ? MESSAGE_DEFECT_NONE : MESSAGE_DEFECT_BARE_LF;
    case '\r':
        if (at + 1 == value.len || value.data[at + 1] != '\n')
            return MESSAGE_DEFECT_BARE_CR;
        *len = 2;
        return is_blank_at(value, at + 2) ? MESSAGE_DEFECT_NONE : MESSAGE_DEFECT_BARE_LF;
    default:
        break;
    }
    *len = utf8_decode(value, at, &code);
    return *len == 1 ? MESSAGE_DEFECT_CONTROL : MESSAGE_DEFECT_NONE;
}

/* Appends value with each fold as CRLF; the first thing wrong with it. *is_utf8: cleared if it is not. */
static enum message_defect append_value(struct strbuf *out, struct span value, bool *is_utf8)
{
    enum message_defect first = MESSAGE_DEFECT_NONE;
    size_t at = 0;
    while (at < value.len) {
        size_t plain = at;
        size_t len = 0;
        at = utf8_skip_printable(value, at);
        (void)strbuf_append(out, span_slice(value, plain, at));
        if (at == value.len)
            break;
        enum message_defect defect = judge_unprintable(value, at, &len);
        if (len == 0) {
            *is_utf8 = false;
            len = 1;
        }
        bool is_fold = value.data[at] == '\n' && defect == MESSAGE_DEFECT_NONE;
        (void)strbuf_append(out, is_fold ? crlf : span_slice(value, at, at + len));
        first = first == MESSAGE_DEFECT_NONE ? defect : first;
        at += len;
    }
    return first;
}

static bool reserve_field(struct message *m)
{
    if (m->field_count < m->field_room)
        return true;
    size_t room = m->field_room != 0 ? 2 * m->field_room : FIELDS_FIRST_ROOM;
    struct field_slot *fields = realloc(m->fields, room * sizeof *fields);
    m->is_out_of_memory = fields == NULL;
    if (fields == NULL)
        return false;
    m->fields = fields;
    m->field_room = room;
    return true;
}

enum outcome message_add_field(struct message *m, struct span name, struct span value)
{
    if (state_of(m) != OUTCOME_OK)
        return state_of(m);
    m->has_too_many_fields = m->field_count >= m->limits.max_fields;
    size_t left = bytes_left(m);
    m->is_too_large = name.len > left || value.len > left;
    if (state_of(m) != OUTCOME_OK)
        return OUTCOME_REJECTED;
    if (!reserve_field(m))
        return OUTCOME_INTERNAL;

    size_t at = m->header.len;
    (void)strbuf_append(&m->header, name);
    (void)strbuf_append_byte(&m->header, ':');
    bool is_utf8 = true;
    enum message_defect defect = append_value(&m->header, value, &is_utf8);
    size_t end = m->header.len;
    if (!strbuf_append(&m->header, crlf))
        return OUTCOME_INTERNAL;
    if (m->header.len - at > left) {
        strbuf_truncate(&m->header, at);
        m->is_too_large = true;
        return OUTCOME_REJECTED;
    }
    struct span trimmed = span_trim(name);
    note_in_field(m, is_field_name(name) ? defect : MESSAGE_DEFECT_FIELD_NAME, trimmed);
    size_t blanks = trimmed.len != 0 ? (size_t)(trimmed.data - name.data) : 0;
    m->fields[m->field_count++] = (struct field_slot){at, name.len, end, at + blanks, trimmed.len, is_utf8};
    return OUTCOME_OK;
}

/* Looks for NUL and for CR and LF that do not stand together. */
static void scan_body(struct message *m, struct span piece)
{
    if (m->is_cr_pending && piece.data[0] != '\n')
        note_in_body(m, MESSAGE_DEFECT_BARE_CR, m->body_lines + 1);
    bool has_nul = span_find_byte(piece, 0, '\0') < piece.len;
    bool is_behind_cr = m->is_cr_pending;
    size_t at = 0;
    while (at < piece.len && m->defect == MESSAGE_DEFECT_NONE) {
        size_t lf = span_find_byte(piece, at, '\n');
        struct span line = span_slice(piece, at, lf);
        if (line.len > 0)
            is_behind_cr = line.data[line.len - 1] == '\r';
        if (has_nul && span_find_byte(line, 0, '\0') < line.len)
            note_in_body(m, MESSAGE_DEFECT_NUL, m->body_lines + 1);
        if (span_find_byte(line, 0, '\r') + 1 < line.len)
            note_in_body(m, MESSAGE_DEFECT_BARE_CR, m->body_lines + 1);
        if (lf < piece.len) {
            if (!is_behind_cr)
                note_in_body(m, MESSAGE_DEFECT_BARE_LF, m->body_lines + 1);
            m->body_lines++;
            is_behind_cr = false;
        }
        at = lf + 1;
    }
    m->is_cr_pending = piece.data[piece.len - 1] == '\r';
}

enum outcome message_add_body(struct message *m, struct span piece)
{
    if (state_of(m) != OUTCOME_OK || piece.len == 0)
        return state_of(m);
    if (piece.len > bytes_left(m)) {
        m->is_too_large = true;
        return OUTCOME_REJECTED;
    }
    if (!strbuf_append(&m->body, piece))
        return OUTCOME_INTERNAL;
    scan_body(m, piece);
    return OUTCOME_OK;
}

void message_end(struct message *m)
{
    if (m->is_cr_pending)
        note_in_body(m, MESSAGE_DEFECT_BARE_CR, m->body_lines + 1);
    m->is_cr_pending = false;
}

size_t message_field_count(const struct message *m)
{
    return m->field_count;
}

struct message_field message_field_at(const struct message *m, size_t index)
{
    if (index >= m->field_count)
        return (struct message_field){{NULL, 0}, {NULL, 0}};
    const struct field_slot *f = &m->fields[index];
    struct span header = strbuf_view(&m->header);
    size_t colon = f->at + f->name_len;
    return (struct message_field){span_slice(header, f->at, colon), span_slice(header, colon + 1, f->end)};
}

bool message_is_utf8(const struct message *m, size_t index)
{
    return index >= m->field_count || m->fields[index].is_utf8;
}

static bool is_named(const struct message *m, const struct field_slot *f, struct span name)
{
    return f->trimmed_len == name.len &&
           span_equal_nocase((struct span){m->header.data + f->trimmed_at, f->trimmed_len}, name);
}

size_t message_count(const struct message *m, struct span name)
{
    size_t count = 0;
    for (size_t i = 0; i < m->field_count; i++)
        count += is_named(m, &m->fields[i], name);
    return count;
}

bool message_find(const struct message *m, struct span name, struct message_field *out)
{
    for (size_t i = 0; i < m->field_count; i++) {
        if (is_named(m, &m->fields[i], name)) {
            *out = message_field_at(m, i);
            return true;
        }
    }
    return false;
}

struct span message_header_bytes(const struct message *m)
{
    return strbuf_view(&m->header);
}

struct span message_body(const struct message *m)
{
    return strbuf_view(&m->body);
}

size_t message_bytes(const struct message *m)
{
    return m->header.len + crlf.len + m->body.len;
}

enum message_defect message_defect(const struct message *m, const char **where)
{
    *where = strbuf_string(&m->where);
    return m->defect;
}

size_t message_held_bytes(const struct message *m)
{
    return sizeof *m + m->header.room + m->body.room + m->field_room * sizeof *m->fields;
}

const char *message_defect_text(enum message_defect defect)
{
    switch (defect) {
    case MESSAGE_DEFECT_NONE:
        break;
    case MESSAGE_DEFECT_NUL:
        return "NUL byte";
    case MESSAGE_DEFECT_CONTROL:
        return "control character";
    case MESSAGE_DEFECT_BARE_CR:
        return "CR without LF";
    case MESSAGE_DEFECT_BARE_LF:
        return "LF without CR";
    case MESSAGE_DEFECT_NO_COLON:
        return "header line that is no field";
    case MESSAGE_DEFECT_FIELD_NAME:
        return "invalid field name";
    }
    return "";
}

bool message_is_too_large(const struct message *m)
{
    return m->is_too_large;
}

bool message_has_too_many_fields(const struct message *m)
{
    return m->has_too_many_fields;
}

bool message_is_cut(const struct message *m)
{
    return m->is_too_large || m->has_too_many_fields;
}
