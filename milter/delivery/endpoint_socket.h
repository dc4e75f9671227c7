/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose end it is that the ACME server's UNIX socket leads to.
 */
#ifndef ENDPOINT_SOCKET_H
#define ENDPOINT_SOCKET_H

#include <sys/types.h>

#include "endpoint.h"

struct endpoint_peer {
    bool is_checked;
    uid_t user;
};

/* NULL for name: nobody is checked. False with a text in error: there is no such user. */
bool endpoint_socket_find_peer(const char *name, struct endpoint_peer *peer,
                               char error[static ENDPOINT_ERROR_BYTES]);

/*
 * OUTCOME_OK: connected, to the peer; OUTCOME_BROKEN_INPUT: the other end is someone else's;
 * OUTCOME_TEMPORARY: not connected. The latter two with a text in error.
 */
enum outcome endpoint_socket_check(int fd, const struct endpoint_peer *peer,
                                   char error[static ENDPOINT_ERROR_BYTES]) MUST_CHECK;

#endif
