/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EndpointFormat: what is posted, and how the ACME server knows who posts it. Besides the result object of
 * the contract these are the inbound interfaces that two ACME servers had before it.
 */
#ifndef POST_FORMAT_H
#define POST_FORMAT_H

#include "endpoint.h"

enum post_format {
    POST_FORMAT_NATIVE = 1, /* the result object, or its JWS */
    POST_FORMAT_AKAMU,      /* JSON of five members, under an HMAC */
    POST_FORMAT_RAPIDMX,    /* the mail itself */
};

enum { POST_FORMAT_FIELDS_MAX = 2, POST_FORMAT_MAIL_MAX_BYTES = 2047 * 1024, POST_FORMAT_VALUE_BYTES = 1025 };

/* What a format asks of the settings. */
struct post_format_needs {
    bool is_pass_only; /* it has no words for a reject */
    bool is_secret_needed;
    size_t secret_min_bytes;
    const char *signature_field; /* as endpoint_options has it */
    bool is_whole_mail;          /* of at most POST_FORMAT_MAIL_MAX_BYTES */
};

const struct post_format_needs *post_format_needs(enum post_format format);

struct post_format_source {
    const struct reply_record *record;
    struct span header; /* of the mail as received, without the empty line */
    struct span body;
    struct span result; /* the object, or its JWS */
    bool is_signed;
};

/* Borrows from the source; clear it. */
struct post_format_content {
    const char *content_type;
    struct span body;
    struct endpoint_field fields[POST_FORMAT_FIELDS_MAX];
    size_t field_count;
    const char *refusal; /* what the sender is told after OUTCOME_REJECTED */
    struct strbuf storage;
    char values[POST_FORMAT_FIELDS_MAX][POST_FORMAT_VALUE_BYTES];
};

/*
 * OUTCOME_OK; OUTCOME_REJECTED: this format cannot tell the ACME server which challenge is meant;
 * OUTCOME_INTERNAL: out of memory.
 */
enum outcome post_format_make(enum post_format format, const struct post_format_source *source,
                              struct post_format_content *out) MUST_CHECK;
void post_format_clear(struct post_format_content *content);

#endif
