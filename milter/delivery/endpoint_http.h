/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what a server sent is one whole answer of HTTP/1.1 (RFC 9112), and which. libcurl is lenient: it
 * takes a header section that was cut for a complete one. Here what another reader could read differently,
 * or what has no end, is no answer. libcurl hands over lines and body as they came: of chunks, with
 * what is around the data.
 */
#ifndef ENDPOINT_HTTP_H
#define ENDPOINT_HTTP_H

#include <stdint.h>

#include "span.h"
#include "strbuf.h"

enum endpoint_http_state {
    ENDPOINT_HTTP_BROKEN = 0, /* no answer, whatever follows */
    ENDPOINT_HTTP_STATUS,     /* a status line must come */
    ENDPOINT_HTTP_FIELDS,
    ENDPOINT_HTTP_BODY, /* also of an answer that has none */
};

enum endpoint_http_chunk {
    ENDPOINT_HTTP_CHUNK_BROKEN = 0,
    ENDPOINT_HTTP_CHUNK_SIZE,
    ENDPOINT_HTTP_CHUNK_EXTENSION,
    ENDPOINT_HTTP_CHUNK_SIZE_LF,
    ENDPOINT_HTTP_CHUNK_DATA,
    ENDPOINT_HTTP_CHUNK_DATA_CR,
    ENDPOINT_HTTP_CHUNK_DATA_LF,
    ENDPOINT_HTTP_CHUNK_TRAILER_START,
    ENDPOINT_HTTP_CHUNK_TRAILER,
    ENDPOINT_HTTP_CHUNK_TRAILER_LF,
    ENDPOINT_HTTP_CHUNK_END_LF,
    ENDPOINT_HTTP_CHUNK_END,
};

struct endpoint_http {
    enum endpoint_http_state state;
    int status;        /* of the last status line */
    bool needs_length; /* set by the caller: the end of the connection is no end of a body */
    bool is_version_1_0;
    bool has_length;
    bool is_chunked;
    int64_t length;      /* that Content-Length says */
    size_t header_bytes; /* of interim answers too */
    int64_t body_bytes;  /* as sent: of chunks, with what is around them */
    enum endpoint_http_chunk chunk;
    size_t chunk_digits;
    int64_t chunk_left;
    struct strbuf body; /* its beginning; owned */
    bool is_body_cut;   /* body lacks its end */
    const char *fault;  /* why it is no answer; NULL while nothing is wrong */
};

/* body_max: how much of the body is kept. */
void endpoint_http_init(struct endpoint_http *h, size_t body_max);
void endpoint_http_clear(struct endpoint_http *h);

/* A line of a header section with its end, or as much of it as came. False: it can be no answer any more. */
bool endpoint_http_take_line(struct endpoint_http *h, struct span line) MUST_CHECK;
/* A piece of the body. False as above. */
bool endpoint_http_take_body(struct endpoint_http *h, struct span data) MUST_CHECK;

/*
 * Call when libcurl says that the transfer is over without an error, which of a body without a length is a
 * clean close. False with fault set.
 */
bool endpoint_http_is_whole(struct endpoint_http *h) MUST_CHECK;

#endif
