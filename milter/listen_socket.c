/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A UNIX socket is made in two steps. Its name is made, and a left-over one removed, by whoever path_actor.h
 * says may act on that path; it is born with its mode. Owner and group are then given to the file itself,
 * through a descriptor that is known to be the socket: a name would lead to a file of root's if somebody
 * turned it in between.
 */
#include "listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "path_actor.h"

enum {
    GROUP_BUFFER_BYTES = 16384,
    CONNECTION_BYTES = 32,
    DESCRIPTORS_MAX = 1024, /* below it lies what is opened at the start */
};

static const char systemd_prefix[] = "fd:systemd";

static bool fail(char *why, const char *what, const char *path)
{
    int error = errno;
    (void)snprintf(why, MILTER_GLUE_WHY_BYTES, "%s %s: %s", what, path,
                   error != 0 ? strerrordesc_np(error) : "not possible");
    return false;
}

static bool set_unix_address(struct listen_socket *l, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return false;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    memcpy(&l->address, &address, sizeof address);
    l->address_len = sizeof address;
    return true;
}

/*
 * Whether a process answers; a socket file nobody listens on is left over from a crash. What cannot be told,
 * such as a full backlog, is an answer.
 */
static bool is_served(const struct listen_socket *l)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_left_over = fd >= 0 && connect(fd, (const struct sockaddr *)&l->address, l->address_len) != 0 &&
                        (errno == ECONNREFUSED || errno == ENOENT || errno == ENOTDIR);
    if (fd >= 0)
        close(fd);
    return !is_left_over;
}

/* The socket's folder, which must be there: libmilter's "no such file" does not say so. */
static int open_folder(const char *path, char *why)
{
    char folder[sizeof((struct sockaddr_un *)NULL)->sun_path];
    int len = (int)(strrchr(path, '/') - path);
    (void)snprintf(folder, sizeof folder, "%.*s", len > 0 ? len : 1, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)fail(why, "there is no folder for the socket, make it (systemd: RuntimeDirectory):", folder);
    return fd;
}

/* (gid_t)-1: none was set. */
static bool find_group(const struct settings *s, gid_t *group, char *why)
{
    char buffer[GROUP_BUFFER_BYTES];
    struct group entry, *found = NULL;
    *group = (gid_t)-1;
    if (s->socket_group == NULL)
        return true;
    int error = getgrnam_r(s->socket_group, &entry, buffer, sizeof buffer, &found);
    if (found == NULL) {
        (void)snprintf(why, MILTER_GLUE_WHY_BYTES, "SocketGroup %s: %s", s->socket_group,
                       error != 0 ? strerrordesc_np(error) : "there is no such group, make it");
        return false;
    }
    *group = found->gr_gid;
    return true;
}

/* Whoever owns the socket's file may change its mode and, in a folder of his, take it away. */
static void give_away(const struct listen_socket *l, int file, const struct privileges *p)
{
    if (p->is_root && fchownat(file, "", p->user, (gid_t)-1, AT_EMPTY_PATH) != 0)
        log_write_event(
            LOG_LEVEL_WARNING, "socket",
            (const char *[]){"reason", "chown", "path", l->path, "error", strerrordesc_np(errno), NULL});
}

/* Of the file itself, whatever its name leads to by now. It was made with its mode, which a default ACL of
 * the folder may have changed. */
static bool set_access(const struct listen_socket *l, int file, const struct settings *s,
                       const struct privileges *p, gid_t group, char *why)
{
    char link[sizeof "/proc/self/fd/" + CONNECTION_BYTES];
    struct stat status;
    give_away(l, file, p);
    if (group != (gid_t)-1 && fchownat(file, "", (uid_t)-1, group, AT_EMPTY_PATH) != 0)
        return fail(why, "cannot change the group of", l->path);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (fstat(file, &status) != 0 ||
        ((status.st_mode & 0777) != s->socket_mode && chmod(link, s->socket_mode) != 0))
        return fail(why, "cannot change the mode of", l->path);
    return true;
}

/* The file that was just made, as O_PATH; -1: something else has its place. */
static int open_made(struct listen_socket *l, char *why)
{
    struct stat status;
    int file = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_uid == geteuid()) {
        l->device = status.st_dev;
        l->inode = status.st_ino;
        return file;
    }
    if (file >= 0)
        close(file);
    (void)fail(why, "the socket was taken away while it was made:", l->path);
    return -1;
}

static int make_file(struct listen_socket *l, const struct settings *s, char *why)
{
    struct stat status;
    errno = EEXIST;
    if (lstat(l->path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        (void)fail(why, "what stands there is no socket, move it away:", l->path);
        return -1;
    }
    errno = EADDRINUSE;
    if (is_served(l)) {
        (void)fail(why, "another process serves", l->path);
        return -1;
    }
    mode_t mask = umask(0777 & ~s->socket_mode);
    bool ok = milter_glue_listen(s->socket, true, why);
    (void)umask(mask);
    return ok ? open_made(l, why) : -1;
}

/* One at a time, so that of two started at once the second finds the socket of the first alive. -1 with a
 * reason. */
static int make_alone(struct listen_socket *l, const struct settings *s, char *why)
{
    int folder = open_folder(l->path, why);
    if (folder < 0)
        return -1;
    (void)flock(folder, LOCK_EX);
    int file = make_file(l, s, why);
    close(folder);
    return file;
}

static void blame_actor(const struct path_actor *actor, char *why)
{
    size_t len = strlen(why);
    if (actor->is_other)
        (void)snprintf(why + len, MILTER_GLUE_WHY_BYTES - len,
                       " (as user %lu: another user could change the path, so root does not act there)",
                       (unsigned long)actor->user);
}

static bool open_unix(struct listen_socket *l, const struct settings *s, const struct privileges *p,
                      char *why)
{
    struct path_actor actor;
    gid_t group;
    l->path = strchr(s->socket, '/');
    errno = ENAMETOOLONG;
    if (!set_unix_address(l, l->path))
        return fail(why, "Socket", l->path);
    if (!find_group(s, &group, why))
        return false;
    if (!path_actor_begin(&actor, p, l->path))
        return fail(why, "there is no folder for the socket, make it (systemd: RuntimeDirectory):", l->path);
    int file = make_alone(l, s, why);
    path_actor_end(&actor);
    if (file < 0) {
        blame_actor(&actor, why);
        return false;
    }
    bool ok = set_access(l, file, s, p, group, why);
    close(file);
    return ok;
}

/* Of a name several addresses may be known; an unspecified one leads to ourselves. */
static bool find_own_address(struct listen_socket *l, int fd)
{
    l->address_len = sizeof l->address;
    if (getsockname(fd, (struct sockaddr *)&l->address, &l->address_len) == 0)
        return true;
    l->address_len = 0;
    return false;
}

static bool take_over(struct listen_socket *l, const struct settings *s, const struct service_manager *m,
                      char *why)
{
    char connection[CONNECTION_BYTES];
    struct span name = span_from_string(s->socket + strlen(systemd_prefix));
    int fd = service_manager_socket(m, span_slice(name, 1, name.len), why);
    if (fd < 0)
        return false;
    if (!find_own_address(l, fd))
        return fail(why, "no address of", s->socket);
    (void)snprintf(connection, sizeof connection, "fd:%d", fd);
    l->descriptor = fd;
    return milter_glue_listen(connection, false, why);
}

/* For who has not opened it: libmilter reads the same text by itself. It takes brackets around the host. */
static void find_inet_address(struct listen_socket *l, const struct settings *s)
{
    struct span text = span_from_string(s->socket);
    size_t colon = span_find_byte(text, 0, ':'), sign = span_find_byte(text, 0, '@');
    char port[16], host[NI_MAXHOST];
    const struct addrinfo hints = {.ai_family = s->socket[4] == '6' ? AF_INET6 : AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)snprintf(port, sizeof port, "%.*s", (int)(sign - colon - 1), s->socket + colon + 1);
    bool has_brackets = text.data[sign + 1] == '[' && text.data[text.len - 1] == ']';
    struct span bare = span_slice(text, sign + 1 + has_brackets, text.len - has_brackets);
    int len = snprintf(host, sizeof host, "%.*s", (int)bare.len, bare.data);
    if (len < 0 || (size_t)len >= sizeof host || getaddrinfo(host, port, &hints, &found) != 0)
        return;
    memcpy(&l->address, found->ai_addr, found->ai_addrlen);
    l->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static bool listens(int fd)
{
    int answer = 0;
    socklen_t size = sizeof answer;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer != 0;
}

static void mark_listening(bool found[static DESCRIPTORS_MAX])
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        found[fd] = listens(fd);
}

/* libmilter does not tell which descriptor it listens at: the one that did not before. */
static int find_new(const bool before[static DESCRIPTORS_MAX])
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (!before[fd] && listens(fd))
            return fd;
    return -1;
}

/* A socket that has a name nobody knows and answers "try again". */
static int make_stand_in(void)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (bind(fd, (const struct sockaddr *)&any, sizeof any.sun_family) == 0 && listen(fd, 1) == 0))
        return fd;
    close(fd);
    return -1;
}

static bool open_as_told(struct listen_socket *l, const struct settings *s, const struct service_manager *m,
                         const struct privileges *p, char *why)
{
    if (strncmp(s->socket, systemd_prefix, strlen(systemd_prefix)) == 0)
        return take_over(l, s, m, why);
    bool before[DESCRIPTORS_MAX];
    bool is_inet = strncmp(s->socket, "inet", 4) == 0;
    mark_listening(before);
    if (is_inet ? !milter_glue_listen(s->socket, false, why) : !open_unix(l, s, p, why))
        return false;
    l->is_ours = true;
    l->descriptor = find_new(before);
    if (is_inet)
        (void)find_own_address(l, l->descriptor);
    return true;
}

bool listen_socket_open(struct listen_socket *l, const struct settings *s, const struct service_manager *m,
                        const struct privileges *p, char why[static MILTER_GLUE_WHY_BYTES])
{
    *l = (struct listen_socket){.descriptor = -1, .stand_in = -1};
    if (!open_as_told(l, s, m, p, why))
        return false;
    l->stand_in = make_stand_in();
    return true;
}

bool listen_socket_find(struct listen_socket *l, const struct settings *s)
{
    *l = (struct listen_socket){.descriptor = -1, .stand_in = -1};
    if (strncmp(s->socket, systemd_prefix, strlen(systemd_prefix)) == 0)
        return false;
    if (strncmp(s->socket, "inet", 4) == 0)
        find_inet_address(l, s);
    else
        (void)set_unix_address(l, strchr(s->socket, '/'));
    return true;
}

/*
 * libmilter cannot stop taking connections and go on with those it has: after smfi_stop a mail whose next
 * piece has not come yet is forgotten. So another socket takes the place of the one it listens at. A socket
 * of the service manager's is only left: whoever comes then waits there for our successor.
 */
bool listen_socket_stop(struct listen_socket *l)
{
    l->is_stopped = true;
    int old = fcntl(l->descriptor, F_DUPFD_CLOEXEC, 0);
    bool ok = old >= 0 && l->stand_in >= 0 && dup2(l->stand_in, l->descriptor) == l->descriptor;
    if (ok && l->is_ours)
        (void)shutdown(old, SHUT_RDWR);
    if (old >= 0)
        close(old);
    return ok;
}

void listen_socket_remove(const struct listen_socket *l, const struct privileges *p)
{
    struct path_actor actor;
    struct stat status;
    if (l->path == NULL || !path_actor_begin(&actor, p, l->path))
        return;
    if (lstat(l->path, &status) == 0 && status.st_dev == l->device && status.st_ino == l->inode)
        (void)unlink(l->path);
    path_actor_end(&actor);
}
