/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DKIM tag lists (RFC 6376 section 3.2), read strictly: those of DKIM-Signature fields and of key records.
 */
#ifndef SIGNATURE_TAGS_H
#define SIGNATURE_TAGS_H

#include <stdint.h>

#include "auth_facts.h"

enum { SIGNATURE_TAGS_MAX = 32, SIGNATURE_TAGS_KEY_MAX_BYTES = 1000 };

/* One tag of a list. */
struct signature_tag {
    struct span name;
    struct span value; /* white space around it removed, inside it not */
};

struct signature_tag_list {
    struct signature_tag tags[SIGNATURE_TAGS_MAX];
    size_t count;
};

/* False: not a tag list, a tag stands twice, or there are too many. Borrows text. */
bool signature_tags_parse(struct span text, struct signature_tag_list *out) MUST_CHECK;
/* The value of a tag; false if there is none. */
bool signature_tags_find(const struct signature_tag_list *list, const char *name, struct span *value);

/* A DKIM-Signature field, RFC 6376 section 3.5. */
struct signature_tags_field {
    struct domain domain;   /* d=, A-labels */
    struct domain key_name; /* s._domainkey.d */
    char selector[DOMAIN_MAX_BYTES + 1];
    char algorithm[32];
    char identity[AUTH_IDENTITY_MAX_BYTES + 1];
    char signed_fields[AUTH_FIELDS_MAX_BYTES + 1];
    bool identity_is_subdomain; /* i= lies below d=: a key with t=s forbids it */
    bool has_body_length;
    int64_t signed_at; /* -1: absent */
    int64_t expires_at;
    const char *why; /* NULL, or why the signature is a permanent error */
};

/*
 * Reads a field body. False: not even d= can be told, so that the signature is nobody's. True with why set:
 * it is that domain's, and broken.
 */
bool signature_tags_read_field(struct span field_body, struct signature_tags_field *out);

/* A key record, RFC 6376 section 3.6.1. */
struct signature_tags_key {
    bool is_testing;         /* t=y */
    bool forbids_subdomains; /* t=s */
    bool is_ed25519;
    unsigned bits;                                  /* of the key; 0: not known */
    char reduced[SIGNATURE_TAGS_KEY_MAX_BYTES + 1]; /* "v=DKIM1; k=...; p=..." and nothing else */
    const char *why;                                /* NULL, or why there is no key in it */
};

/* algorithm: of the signature that wants it. */
void signature_tags_read_key(struct span record, const char *algorithm, struct signature_tags_key *out);

#endif
