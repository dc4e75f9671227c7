/* SPDX-License-Identifier: BSD-2-Clause */
#include "service_manager.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "settings_values.h"

enum { FIRST_SOCKET = 3, SOCKETS_MAX = 64, MESSAGE_BYTES = 1024 };

/* NULL: not set. */
static const char *value_of(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

/* -1: not set, or no number. */
static int64_t number_of(char *const *environment, const char *name)
{
    int64_t number;
    const char *value = value_of(environment, name);
    struct span text = value != NULL ? span_from_string(value) : (struct span){NULL, 0};
    return value != NULL && settings_value_read_digits(&text, &number) && text.len == 0 ? number : -1;
}

/* A name that begins with @ is one of Linux' abstract sockets. */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, address_len) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void take_sockets(struct service_manager *m, char *const *environment)
{
    int64_t count = number_of(environment, "LISTEN_FDS");
    if (number_of(environment, "LISTEN_PID") != getpid() || count <= 0 || count > SOCKETS_MAX)
        return;
    const char *names = value_of(environment, "LISTEN_FDNAMES");
    m->socket_count = (int)count;
    m->socket_names = span_from_string(names != NULL ? names : "");
    for (int i = 0; i < m->socket_count; i++)
        (void)fcntl(FIRST_SOCKET + i, F_SETFD, FD_CLOEXEC);
}

void service_manager_init(struct service_manager *m, char *const *environment)
{
    *m = (struct service_manager){.notify = -1};
    const char *notify = value_of(environment, "NOTIFY_SOCKET");
    if (notify != NULL)
        m->notify = connect_to(notify);
    if (notify != NULL && m->notify < 0)
        log_write_event(LOG_LEVEL_WARNING, "service-manager",
                        (const char *[]){"reason", "connect", "socket", notify, NULL});
    int64_t watched = number_of(environment, "WATCHDOG_PID");
    int64_t watchdog_us = number_of(environment, "WATCHDOG_USEC");
    if (m->notify >= 0 && watchdog_us > 0 && (watched < 0 || watched == getpid()))
        m->watchdog_ms = watchdog_us / 1000;
    take_sockets(m, environment);
}

static bool is_listening_stream(int fd)
{
    int type = 0, listens = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

/* The place of the name in a list separated by colons; -1 for none. */
static int place_of(struct span names, struct span name)
{
    for (int place = 0; place < SOCKETS_MAX; place++) {
        size_t colon = span_find_byte(names, 0, ':');
        if (span_equal(span_slice(names, 0, colon), name))
            return place;
        if (colon >= names.len)
            break;
        names = span_slice(names, colon + 1, names.len);
    }
    return -1;
}

static int refuse(char *why, const char *what)
{
    (void)snprintf(why, SERVICE_MANAGER_WHY_BYTES, "%s", what);
    return -1;
}

int service_manager_socket(const struct service_manager *m, struct span name,
                           char why[static SERVICE_MANAGER_WHY_BYTES])
{
    if (m->socket_count == 0)
        return refuse(why, "the service manager gave no socket (LISTEN_FDS)");
    if (name.len == 0 && m->socket_count > 1)
        return refuse(why, "the service manager gave several sockets: fd:systemd:NAME is needed");
    int place = name.len == 0 ? 0 : place_of(m->socket_names, name);
    if (place < 0 || place >= m->socket_count)
        return refuse(why, "the service manager gave no socket of that name (FileDescriptorName=)");
    if (!is_listening_stream(FIRST_SOCKET + place))
        return refuse(why, "what the service manager gave is no listening stream socket (Accept=no)");
    return FIRST_SOCKET + place;
}

void service_manager_tell(const struct service_manager *m, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    if (m->notify < 0)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)send(m->notify, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}
