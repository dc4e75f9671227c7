/* SPDX-License-Identifier: BSD-2-Clause */
#include "challenge_secure_fields.h"

enum {
    TAG_ENUMERATED = 0x0a,
    TAG_UTF8_STRING = 0x0c,
    TAG_VISIBLE_STRING = 0x1a,
    TAG_SEQUENCE = 0x30,
    TAG_SET = 0x31
};
enum { CANON_RELAXED = 1, FIELDS_MAX_BYTES = 16 * 1024 };

/* Content of up to 64 kB. */
static bool append_element(struct strbuf *out, int tag, struct span content)
{
    bool is_good = content.len <= 0xffff && strbuf_append_byte(out, (char)tag);
    if (content.len > 0xff)
        is_good = is_good && strbuf_append_byte(out, (char)0x82) &&
                  strbuf_append_byte(out, (char)(content.len >> 8));
    else if (content.len > 0x7f)
        is_good = is_good && strbuf_append_byte(out, (char)0x81);
    return is_good && strbuf_append_byte(out, (char)(content.len & 0xff)) && strbuf_append(out, content);
}

/* HeaderField; its status "duplicated" is the default, which DER leaves out. */
static bool append_field(struct strbuf *out, struct span line)
{
    struct strbuf content;
    size_t colon = span_find_byte(line, 0, ':');
    strbuf_init(&content, FIELDS_MAX_BYTES);
    bool is_good =
        append_element(&content, TAG_VISIBLE_STRING, span_slice(line, 0, colon)) &&
        append_element(&content, TAG_UTF8_STRING, span_trim(span_slice(line, colon + 1, line.len))) &&
        append_element(out, TAG_SEQUENCE, strbuf_view(&content));
    strbuf_clear(&content);
    return is_good;
}

static bool append_fields(struct strbuf *out, struct span fields)
{
    while (fields.len > 0) {
        size_t end = span_find(fields, 0, SPAN_LITERAL("\r\n"));
        if (!append_field(out, span_slice(fields, 0, end)))
            return false;
        fields = span_slice(fields, end + 2, fields.len);
    }
    return true;
}

bool challenge_secure_fields_append(struct span fields, struct strbuf *out)
{
    const char relaxed = CANON_RELAXED;
    struct strbuf list;
    struct strbuf set;
    strbuf_init(&list, FIELDS_MAX_BYTES);
    strbuf_init(&set, FIELDS_MAX_BYTES);
    /* In DER the members of a SET stand in the order of their tags. */
    bool is_good = append_fields(&list, fields) &&
                   append_element(&set, TAG_ENUMERATED, (struct span){&relaxed, 1}) &&
                   append_element(&set, TAG_SEQUENCE, strbuf_view(&list)) &&
                   append_element(out, TAG_SET, strbuf_view(&set));
    strbuf_clear(&set);
    strbuf_clear(&list);
    return is_good;
}
