/* SPDX-License-Identifier: BSD-2-Clause */
#include "tag_list.h"

#include "utf8.h"

static bool is_tag_name(struct span name)
{
    if (name.len == 0 || !byte_is_alpha(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!byte_is_alnum(name.data[i]) && name.data[i] != '_')
            return false;
    return true;
}

static bool has_text_bytes(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (byte_is_control(c) && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return utf8_is_valid(text);
}

bool tag_list_find(const struct tag_list *list, struct span name, struct span *value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (span_equal(list->tags[i].name, name)) {
            *value = list->tags[i].value;
            return true;
        }
    }
    return false;
}

/* Adds one "name=value"; NULL, or what is wrong with it. */
static const char *add_tag(struct tag_list *list, struct span spec)
{
    struct span earlier;
    size_t equals = span_find_byte(spec, 0, '=');
    struct tag tag = {
        .name = span_trim(span_slice(spec, 0, equals)),
        .value = span_trim(span_slice(spec, equals + 1, spec.len)),
    };
    if (equals == spec.len)
        return "tag without \"=\"";
    if (!is_tag_name(tag.name))
        return "malformed tag name";
    if (tag_list_find(list, tag.name, &earlier))
        return "tag twice";
    if (!has_text_bytes(tag.value))
        return "control or malformed bytes";
    if (list->count == TAG_LIST_TAGS_MAX)
        return "too many tags";
    list->tags[list->count++] = tag;
    return NULL;
}

enum outcome tag_list_parse(struct span text, enum tag_list_manner manner, struct tag_list *out,
                            const char **why)
{
    const char *first = text.len > TAG_LIST_MAX_BYTES ? "too long" : NULL;
    out->count = 0;
    text = span_slice(text, 0, TAG_LIST_MAX_BYTES);
    for (size_t at = 0; at <= text.len;) {
        size_t end = span_find_byte(text, at, ';');
        struct span spec = span_trim(span_slice(text, at, end));
        bool may_be_empty = manner == TAG_LIST_MANNER_EMPTY_TAGS || (end == text.len && out->count > 0);
        const char *fault = spec.len == 0 && may_be_empty ? NULL : add_tag(out, spec);
        if (first == NULL)
            first = fault;
        at = end + 1;
    }
    if (first == NULL && out->count == 0)
        first = "no tags";
    *why = first;
    return first == NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}

bool tag_list_next_item(struct span *rest, struct span *item)
{
    if (rest->data == NULL)
        return false;
    size_t colon = span_find_byte(*rest, 0, ':');
    *item = span_trim(span_slice(*rest, 0, colon));
    *rest = colon < rest->len ? span_slice(*rest, colon + 1, rest->len) : (struct span){NULL, 0};
    return true;
}
