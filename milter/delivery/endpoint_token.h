/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secret shared with the ACME server: sent along as a bearer token, or the key of each body's HMAC.
 */
#ifndef ENDPOINT_TOKEN_H
#define ENDPOINT_TOKEN_H

#include "endpoint.h"

/* *token is the caller's, who wipes it. False with a text in error. */
bool endpoint_token_read(const char *path, size_t min_bytes, char **token,
                         char error[static ENDPOINT_ERROR_BYTES]) MUST_CHECK;

enum { ENDPOINT_TOKEN_HMAC_BYTES = 64 + 1 };

/* Lower-case hex HMAC-SHA256 of text under token. False: out of memory. */
bool endpoint_token_sign(const char *token, struct span text,
                         char out[static ENDPOINT_TOKEN_HMAC_BYTES]) MUST_CHECK;

#endif
