/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tag=value lists of DKIM signatures and key records (RFC 6376 section 3.2).
 */
#ifndef TAG_LIST_H
#define TAG_LIST_H

#include "outcome.h"
#include "span.h"

enum { TAG_LIST_TAGS_MAX = 48, TAG_LIST_MAX_BYTES = 32768 };

struct tag {
    struct span name;
    struct span value; /* without the white space around it; what stands inside is kept */
};

/* Borrows from the text. */
struct tag_list {
    struct tag tags[TAG_LIST_TAGS_MAX];
    size_t count;
};

enum tag_list_manner {
    TAG_LIST_MANNER_STRICT = 1,
    TAG_LIST_MANNER_EMPTY_TAGS, /* ";;" is passed over: it stands in many key records and hides nothing */
};

/*
 * OUTCOME_OK; OUTCOME_BROKEN_INPUT with *why (constant text): a tag without name or "=", a name twice,
 * control or malformed 8-bit bytes, too long. *out then still holds what could be read, the first of two
 * alike.
 */
enum outcome tag_list_parse(struct span text, enum tag_list_manner manner, struct tag_list *out,
                            const char **why) MUST_CHECK;

/* Tag names are case-sensitive. */
bool tag_list_find(const struct tag_list *list, struct span name, struct span *value);

/*
 * The next item of a colon-separated value, without the white space around it; false after the last one.
 * *rest begins as the value; an empty item is an item.
 */
bool tag_list_next_item(struct span *rest, struct span *item);

#endif
