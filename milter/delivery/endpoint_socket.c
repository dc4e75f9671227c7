/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_socket.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PASSWD_MAX_BYTES = 16384 };

bool endpoint_socket_find_peer(const char *name, struct endpoint_peer *peer,
                               char error[static ENDPOINT_ERROR_BYTES])
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[PASSWD_MAX_BYTES];
    *peer = (struct endpoint_peer){.is_checked = name != NULL};
    if (name == NULL)
        return true;
    errno = getpwnam_r(name, &entry, buffer, sizeof buffer, &found);
    if (found == NULL) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, errno == 0 ? "no user %.100s" : "user %.100s: %m", name);
        return false;
    }
    peer->user = entry.pw_uid;
    return true;
}

/* Who called listen() on the other end. */
static bool peer_user(int fd, uid_t *user)
{
#ifdef SO_PEERCRED
    struct ucred credentials;
    socklen_t len = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0 || len != sizeof credentials)
        return false;
    *user = credentials.uid;
    return true;
#else
    gid_t group;
    return getpeereid(fd, user, &group) == 0;
#endif
}

enum outcome endpoint_socket_check(int fd, const struct endpoint_peer *peer,
                                   char error[static ENDPOINT_ERROR_BYTES])
{
    struct sockaddr_un address;
    socklen_t len = sizeof address;
    uid_t user;
    /* Where the backlog is full, connect() of a non-blocking socket gives EAGAIN and the socket looks
     * writable. */
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "the socket takes no connection now: %m");
        return OUTCOME_TEMPORARY;
    }
    if (!peer->is_checked)
        return OUTCOME_OK;
    if (!peer_user(fd, &user)) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "the socket's other end: %m");
        return OUTCOME_TEMPORARY;
    }
    if (user == peer->user)
        return OUTCOME_OK;
    (void)snprintf(error, ENDPOINT_ERROR_BYTES, "the socket's other end runs as user %lu instead of %lu",
                   (unsigned long)user, (unsigned long)peer->user);
    return OUTCOME_BROKEN_INPUT;
}
