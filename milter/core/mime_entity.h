/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One MIME entity: its Content-* fields read strictly (RFC 2045, 2183), its body undecoded; and the parts of
 * a multipart body (RFC 2046 section 5.1.1).
 */
#ifndef MIME_ENTITY_H
#define MIME_ENTITY_H

#include "charset.h"
#include "mime_text.h"

enum { MIME_BOUNDARY_MAX_BYTES = 70 };

enum mime_encoding {
    MIME_ENCODING_UNKNOWN = 0,
    MIME_ENCODING_IDENTITY,
    MIME_ENCODING_QUOTED_PRINTABLE,
    MIME_ENCODING_BASE64,
};

struct mime_entity {
    char type[MIME_TYPE_MAX_BYTES + 1]; /* lower case */
    char charset[CHARSET_NAME_MAX_BYTES + 1];
    char boundary[MIME_BOUNDARY_MAX_BYTES + 1]; /* "" if there is none */
    enum mime_encoding encoding;
    bool is_attachment;
    struct span body;
};

/* Each returns false with a constant text in *why. */
bool mime_entity_of_message(const struct message *m, struct mime_entity *out, const char **why) MUST_CHECK;
bool mime_entity_of_part(struct span part, struct mime_entity *out, const char **why) MUST_CHECK;

bool mime_entity_is_multipart(const struct mime_entity *e);

/* Walks the parts: *at is 0 at first. False past the last one; a missing closing line ends the last part. */
bool mime_entity_next_part(const struct mime_entity *multipart, size_t *at, struct span *part) MUST_CHECK;

#endif
