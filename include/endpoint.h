/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACME server's door (contract section 5): a POST over a UNIX socket or https, on libcurl, tried again
 * within its time. Safe for use by many threads; connections are kept alive and shared.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "deadline.h"
#include "outcome.h"
#include "result_json.h"
#include "span.h"

enum { ENDPOINT_ERROR_BYTES = 256, ENDPOINT_ANSWER_MAX_BYTES = 64 * 1024 };

struct endpoint;

enum { ENDPOINT_ADDRESSES_MAX = 32, ENDPOINT_ADDRESS_BYTES = 46 };

struct endpoint_addresses {
    size_t count;
    char texts[ENDPOINT_ADDRESSES_MAX][ENDPOINT_ADDRESS_BYTES]; /* IPv4 and IPv6, without brackets */
    char error[ENDPOINT_ERROR_BYTES];                           /* why there is none */
};

/* A sign of life: to be called often while waiting. */
struct endpoint_tick {
    void (*call)(void *context);
    void *context;
};

/* Finds the addresses of a host by the deadline. False: there is none, or none is known by then. */
typedef bool endpoint_look_up(void *context, const char *host, struct deadline deadline,
                              const struct endpoint_tick *tick, struct endpoint_addresses *found);

struct endpoint_options {
    const char *url;           /* "http://unix:SOCKET:/PATH" or "https://HOST[:PORT]/PATH" */
    const char *peer_user;     /* NULL: whoever listens */
    int64_t timeout_ms;        /* one attempt */
    int64_t retry_for_ms;      /* all of them; 0: one */
    int64_t posts_max;         /* at once; 0: any number */
    endpoint_look_up *look_up; /* needed where endpoint_url_has_name */
    void *look_up_context;
    const char *token_file; /* bearer token, read by endpoint_new; NULL: none */
    size_t token_min_bytes;
    const char *signature_field; /* not NULL: the token is no bearer token but the key of an HMAC-SHA256 of
                                    the body, which this field carries as "sha256=" and hex */
    const char *ca_file;         /* https; NULL: the system's */
    const char *certificate_file;
    const char *key_file;
};

/* A further header field of the request; its value is printable ASCII and not empty. */
struct endpoint_field {
    const char *name;
    const char *value;
};

struct endpoint_request {
    const char *id;           /* Idempotency-Key */
    const char *content_type; /* "application/json" */
    struct span body;
    const struct endpoint_field *fields;
    size_t field_count;
    void (*progress)(void *context); /* called about once a second while waiting; may be NULL */
    void *context;
};

struct endpoint_answer {
    /*
     * OUTCOME_OK: taken. OUTCOME_REJECTED: the ACME server said no. OUTCOME_TEMPORARY: no answer worth the
     * name within retry_for_ms. OUTCOME_BROKEN_INPUT: it refused our credentials, or its end of the socket is
     * not peer_user.
     */
    enum outcome outcome;
    int http_status; /* of the last answer, 0 if there was none */
    unsigned attempts;
    char detail[RESULT_DETAIL_MAX_BYTES + 1]; /* of a problem document, "" if there is none */
    char error[ENDPOINT_ERROR_BYTES];         /* for the log: why there was no answer */
};

/* The outcomes of an answer: accepted, refused, credentials, unavailable. */
extern const struct name_table_row endpoint_outcome_names[];

/* Whether the text is an endpoint's URL; *why says what is wrong. */
bool endpoint_url_is_valid(const char *url, const char **why);

/* Whether the host of a valid URL is a name, whose addresses must be looked up. */
bool endpoint_url_has_name(const char *url);

/*
 * Whether a file holds a token: OUTCOME_OK, OUTCOME_BROKEN_INPUT, or OUTCOME_ABSENT where it cannot be read
 * or is no regular file, which says nothing about the user that the milter will run as. error tells why not.
 */
enum outcome endpoint_token_check(const char *path, size_t min_bytes,
                                  char error[static ENDPOINT_ERROR_BYTES]) MUST_CHECK;

bool endpoint_start_library(void); /* once, before threads */
const char *endpoint_library_text(void);

struct endpoint *endpoint_new(const struct endpoint_options *options,
                              char error[static ENDPOINT_ERROR_BYTES]);
void endpoint_free(struct endpoint *e);

/* Where posts_max others are under way: OUTCOME_TEMPORARY at once, without an attempt. */
void endpoint_post(struct endpoint *e, const struct endpoint_request *request,
                   struct endpoint_answer *answer);

#endif
