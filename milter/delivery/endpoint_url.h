/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two forms of an endpoint's URL: http://unix:SOCKET:/PATH, as nginx writes it, and
 * https://HOST[:PORT]/PATH. Plain HTTP to a host is refused: the result and the token would travel in clear.
 */
#ifndef ENDPOINT_URL_H
#define ENDPOINT_URL_H

#include "span.h"

enum { ENDPOINT_URL_MAX_BYTES = 2000, ENDPOINT_SOCKET_MAX_BYTES = 107, ENDPOINT_HOST_MAX_BYTES = 253 };

struct endpoint_url {
    char socket_path[ENDPOINT_SOCKET_MAX_BYTES + 1]; /* "" for https */
    char host[ENDPOINT_HOST_MAX_BYTES + 1];          /* of https, if it is a name and no address; else "" */
    unsigned port;
    char url[ENDPOINT_URL_MAX_BYTES + 32]; /* as libcurl wants it */
};

/* False with *why set. SOCKET is absolute and holds no colon; PATH may have a query, no fragment. */
bool endpoint_url_parse(const char *text, struct endpoint_url *out, const char **why);

#endif
