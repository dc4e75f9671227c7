/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What systemd, or whoever speaks its two small protocols, gives to a service and wants to be told by it:
 * sd_listen_fds(3) and sd_notify(3).
 */
#ifndef SERVICE_MANAGER_H
#define SERVICE_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "outcome.h"
#include "span.h"

struct service_manager {
    int notify;          /* a connected datagram socket; -1: nobody wants to be told */
    int64_t watchdog_ms; /* within this time it wants to hear of us; 0: no watchdog */
    int socket_count;
    struct span socket_names; /* LISTEN_FDNAMES, borrowed of the environment */
};

enum { SERVICE_MANAGER_WHY_BYTES = 128 };

/* Reads the environment. Before the sandbox and before any fork, since LISTEN_PID is who was started. */
void service_manager_init(struct service_manager *m, char *const *environment);

/*
 * The listening stream socket of that name, or the only one there is for an empty name; -1 with a reason.
 */
int service_manager_socket(const struct service_manager *m, struct span name,
                           char why[static SERVICE_MANAGER_WHY_BYTES]) MUST_CHECK;

/* "READY=1\nSTATUS=...": lines of sd_notify(3). Lost when nobody listens. */
void service_manager_tell(const struct service_manager *m, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
