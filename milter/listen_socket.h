/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket where the MTA meets us: made, or taken over from the service manager; its folder, mode, group
 * and owner; whether the milter behind it answers; its end.
 */
#ifndef LISTEN_SOCKET_H
#define LISTEN_SOCKET_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "milter_glue.h"
#include "privileges.h"
#include "service_manager.h"

struct listen_socket {
    const char *path; /* of a UNIX socket that we made; NULL for every other. Borrowed of the settings */
    dev_t device;     /* which file at the path is ours */
    ino_t inode;
    struct sockaddr_storage address; /* where it can be reached */
    socklen_t address_len;
    int descriptor; /* libmilter's; -1: not open */
    int stand_in;   /* what takes its place at the end; -1: none */
    bool is_ours;   /* nobody else waits at it */
    atomic_bool is_stopped;
};

enum listen_socket_state {
    LISTEN_SOCKET_ANSWERS = 1,
    LISTEN_SOCKET_SILENT,
    LISTEN_SOCKET_UNREACHABLE, /* we ourselves may not connect, so that nothing can be said */
};

/*
 * Opens it as the settings say, and hands it to libmilter. As root if that started us, before any thread. A
 * live socket of another process is never taken away. False with a reason.
 */
bool listen_socket_open(struct listen_socket *l, const struct settings *s, const struct service_manager *m,
                        const struct privileges *p, char why[static MILTER_GLUE_WHY_BYTES]) MUST_CHECK;

/* Where it is, without opening it. False: only the service manager knows. */
bool listen_socket_find(struct listen_socket *l, const struct settings *s) MUST_CHECK;

/* Opens a milter session through it and ends it again: as far from one side of libmilter to the other as the
 * MTA's. */
enum listen_socket_state listen_socket_probe(const struct listen_socket *l, int64_t timeout_ms);

/*
 * Makes a connection to it and closes it again, for milter_glue_waker; any thread may. False with errno set:
 * nobody will see it, since we may not connect, descriptors ran out or the socket was stopped.
 */
bool listen_socket_wake(const struct listen_socket *l);

/* No connection comes in any more; those that are there go on. False: they may still come. */
bool listen_socket_stop(struct listen_socket *l) MUST_CHECK;

/* Takes the file away, if it is still the one that we made. */
void listen_socket_remove(const struct listen_socket *l, const struct privileges *p);

#endif
