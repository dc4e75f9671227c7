/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The beginning of a milter session: length, command and what we could do, as an MTA says them. The answer
 * has the same form; libmilter gives it from a thread of its pool, through our callback.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "listen_socket.h"

enum { ANSWER_BYTES = 17, COMMAND_AT = 4, WAKE_MS = 1000 };

static const char negotiation[] = {0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, '\xff', 0, 0x1f, '\xff', '\xff'};
static const char quit[] = {0, 0, 0, 1, 'Q'};

/* False at the deadline, and when a signal comes: whoever waits for that looks first. */
static bool wait_for(int fd, short events, struct deadline deadline)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    return poll(&wanted, 1, (int)deadline_left_ms(deadline)) == 1;
}

static bool connect_to(const struct listen_socket *l, int fd, struct deadline deadline, int *error)
{
    socklen_t len = sizeof *error;
    if (connect(fd, (const struct sockaddr *)&l->address, l->address_len) == 0)
        return true;
    *error = errno;
    if (*error != EINPROGRESS)
        return false;
    return wait_for(fd, POLLOUT, deadline) && getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &len) == 0 &&
           *error == 0;
}

static bool negotiate(int fd, struct deadline deadline)
{
    char answer[ANSWER_BYTES];
    size_t got = 0;
    if (send(fd, negotiation, sizeof negotiation, MSG_NOSIGNAL) != (ssize_t)sizeof negotiation)
        return false;
    while (got < sizeof answer) {
        if (!wait_for(fd, POLLIN, deadline))
            return false;
        ssize_t n = recv(fd, answer + got, sizeof answer - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    (void)send(fd, quit, sizeof quit, MSG_NOSIGNAL);
    return answer[COMMAND_AT] == 'O';
}

enum listen_socket_state listen_socket_probe(const struct listen_socket *l, int64_t timeout_ms)
{
    struct deadline deadline = deadline_in(timeout_ms);
    int error = 0;
    if (l->address_len == 0)
        return LISTEN_SOCKET_UNREACHABLE;
    int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers = fd >= 0 && connect_to(l, fd, deadline, &error) && negotiate(fd, deadline);
    if (fd >= 0)
        close(fd);
    if (answers)
        return LISTEN_SOCKET_ANSWERS;
    return error == EACCES || error == EPERM ? LISTEN_SOCKET_UNREACHABLE : LISTEN_SOCKET_SILENT;
}

/*
 * A UNIX socket takes the connection at once or, its queue full, not at all: then libmilter has enough to
 * see. Over TCP it may come about a moment later, and would not if it were closed before.
 */
bool listen_socket_wake(const struct listen_socket *l)
{
    int error = ENOTCONN;
    bool may_try = l->address_len != 0 && !l->is_stopped;
    int fd = may_try ? socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (may_try && fd < 0)
        error = errno;
    bool ok = fd >= 0 && connect_to(l, fd, deadline_in(WAKE_MS), &error);
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok || error == EAGAIN;
}
