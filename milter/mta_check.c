/* SPDX-License-Identifier: BSD-2-Clause */
#include "mta_check.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "postfix_config.h"

enum { NAME_BUFFER_BYTES = 16384, GROUPS_MAX = 256, SENDMAIL_LINE_MAX_BYTES = 2048 };

/* A user as the kernel sees him. */
struct user {
    uid_t id;
    gid_t groups[GROUPS_MAX];
    int group_count;
};

static bool find_user(const char *name, struct user *out)
{
    char buffer[NAME_BUFFER_BYTES];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return false;
    out->id = found->pw_uid;
    out->group_count = GROUPS_MAX;
    return getgrouplist(name, found->pw_gid, out->groups, &out->group_count) >= 0;
}

static bool is_in_group(const struct user *user, gid_t group)
{
    for (int i = 0; i < user->group_count; i++)
        if (user->groups[i] == group)
            return true;
    return false;
}

/* bit: S_IXOTH or S_IWOTH, of which the class that the user is in counts. */
static bool may(const struct user *user, uid_t owner, gid_t group, mode_t mode, mode_t bit)
{
    if (user->id == 0)
        return true;
    if (user->id == owner)
        return (mode & bit << 6) != 0;
    return (mode & (is_in_group(user, group) ? bit << 3 : bit)) != 0;
}

static bool is_unix(const struct settings *s)
{
    return strncmp(s->socket, "unix:", 5) == 0 || strncmp(s->socket, "local:", 6) == 0;
}

static bool is_inet(const struct settings *s)
{
    return strncmp(s->socket, "inet", 4) == 0;
}

static const char *path_of(const struct settings *s)
{
    return strchr(s->socket, '/');
}

/*
 * Calls visit for each folder above path that can be seen, from the top; from: how many bytes of path the
 * first one has. False once visit says so.
 */
static bool walk(const char *path, size_t from,
                 bool (*visit)(void *context, const char *folder, const struct stat *status), void *context)
{
    char folder[PATH_MAX];
    struct stat status;
    for (size_t end = from; path[end] != '\0'; end++) {
        bool is_whole = path[end] == '/' && path[end + 1] != '/';
        if (!is_whole || snprintf(folder, sizeof folder, "%.*s", (int)(end > 0 ? end : 1), path) < 1)
            continue;
        if (stat(folder, &status) != 0)
            return true;
        if (!visit(context, folder, &status))
            return false;
    }
    return true;
}

struct visit {
    const struct user *user;
    const char *user_name;
    struct strbuf *hints;
};

static bool check_searchable(void *context, const char *folder, const struct stat *status)
{
    const struct visit *v = context;
    if (may(v->user, status->st_uid, status->st_gid, status->st_mode, S_IXOTH))
        return true;
    (void)strbuf_append_format(
        v->hints,
        "hint: %s: the user %s cannot enter this folder: let others search it (chmod o+x), or "
        "give it to a group of his (chgrp %s, chmod g+x)\n",
        folder, v->user_name, v->user_name);
    return false;
}

/* The group of the socket: as set, else its folder's if that hands it down, else that of root, who opens it.
 */
static gid_t socket_group(const struct settings *s, const char *path)
{
    char folder[PATH_MAX];
    char buffer[NAME_BUFFER_BYTES];
    struct group entry, *found = NULL;
    struct stat status;
    if (s->socket_group != NULL) {
        bool is_known = getgrnam_r(s->socket_group, &entry, buffer, sizeof buffer, &found) == 0;
        return is_known && found != NULL ? found->gr_gid : (gid_t)-1;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    return stat(folder, &status) == 0 && (status.st_mode & S_ISGID) != 0 ? status.st_gid : 0;
}

static void check_mode(const struct settings *s, const struct visit *v)
{
    struct user owner;
    uid_t owner_id = find_user(s->user_id, &owner) ? owner.id : (uid_t)-1;
    if (may(v->user, owner_id, socket_group(s, path_of(s)), s->socket_mode, S_IWOTH))
        return;
    (void)strbuf_append_format(
        v->hints,
        "hint: SocketGroup, SocketMode: the user %s may not connect to a socket of group %s and "
        "mode %04o: set SocketGroup to a group of his (%s), and SocketMode 0660\n",
        v->user_name, s->socket_group != NULL ? s->socket_group : "root", s->socket_mode, v->user_name);
}

/* How smtpd of one service stands to the socket. */
enum reach {
    REACH_NOT_NAMED = 0,
    REACH_NAMED,
    REACH_MISTAKEN, /* it is named by the path that a chrooted one needs and this is none, or the other way
                       round */
};

/* The path of the socket below the queue directory; NULL: it lies elsewhere. */
static const char *path_in_queue(const struct settings *s, const struct postfix_config *c)
{
    size_t len = strlen(c->queue_directory);
    const char *path = path_of(s);
    return strncmp(path, c->queue_directory, len) == 0 && path[len] == '/' ? path + len : NULL;
}

/* Whether "inet", rest "HOST:PORT" is the port of ours; hosts have too many names to compare. */
static bool is_our_port(const struct settings *s, struct span kind, struct span rest)
{
    struct span own = span_from_string(strchr(s->socket, ':') + 1);
    struct span port = span_slice(own, 0, span_find_byte(own, 0, '@'));
    size_t tail = rest.len > port.len ? rest.len - port.len : 0;
    return span_equal(kind, SPAN_LITERAL("inet")) && tail > 0 && rest.data[tail - 1] == ':' &&
           span_equal(span_slice(rest, tail, rest.len), port);
}

static enum reach reach_by_path(const struct settings *s, const struct postfix_config *c, struct span path,
                                bool is_chrooted)
{
    const char *inside = path_in_queue(s, c);
    bool is_relative = path.len > 0 && path.data[0] != '/';
    bool is_outer = span_equal(path, span_from_string(path_of(s)));
    bool is_inner = inside != NULL && span_equal(path, span_from_string(inside + (is_relative ? 1 : 0)));
    if (!is_outer && !is_inner)
        return REACH_NOT_NAMED;
    return (is_chrooted ? is_inner : is_outer || is_relative) ? REACH_NAMED : REACH_MISTAKEN;
}

/* An address of smtpd_milters, "unix:PATH" or "inet:HOST:PORT". */
static enum reach reach_by(const struct settings *s, const struct postfix_config *c, struct span address,
                           bool is_chrooted)
{
    size_t colon = span_find_byte(address, 0, ':');
    struct span kind = span_slice(address, 0, colon);
    struct span rest = span_slice(address, colon + 1, address.len);
    if (is_inet(s))
        return is_our_port(s, kind, rest) ? REACH_NAMED : REACH_NOT_NAMED;
    return span_equal(kind, SPAN_LITERAL("unix")) ? reach_by_path(s, c, rest, is_chrooted) : REACH_NOT_NAMED;
}

/* What becomes of mail while the milter is away: as its own braces say, or as main.cf does. */
static struct span action_of(const struct postfix_config *c, struct span options)
{
    struct span word;
    struct span action = span_from_string(c->default_action);
    struct span mark = SPAN_LITERAL("default_action=");
    while (postfix_config_next_word(&options, true, &word))
        if (span_starts_nocase(word, mark))
            action = span_slice(word, mark.len, word.len);
    return action;
}

/* action: set if the socket is named. */
static enum reach reach_of(const struct settings *s, const struct postfix_config *c,
                           const struct postfix_service *service, struct span *action)
{
    struct span rest = span_from_string(service->milters);
    struct span element, address;
    enum reach found = REACH_NOT_NAMED;
    while (found != REACH_NAMED && postfix_config_next_word(&rest, true, &element)) {
        if (!postfix_config_next_word(&element, true, &address))
            continue;
        enum reach reach = reach_by(s, c, address, service->is_chrooted);
        if (reach == REACH_NAMED)
            *action = action_of(c, element);
        if (reach != REACH_NOT_NAMED)
            found = reach;
    }
    return found;
}

/* What smtpd_milters should hold for a service, and Socket where that cannot stay. */
static void advise(const struct settings *s, const struct postfix_config *c,
                   const struct postfix_service *service, struct strbuf *hints)
{
    const char *inside = is_unix(s) ? path_in_queue(s, c) : NULL;
    if (!is_unix(s)) {
        const char *at = strchr(s->socket, '@');
        (void)strbuf_append_format(hints, "smtpd_milters = inet:%s:%.*s\n", at != NULL ? at + 1 : "localhost",
                                   (int)strcspn(strchr(s->socket, ':') + 1, "@"), strchr(s->socket, ':') + 1);
    } else if (!service->is_chrooted || inside != NULL) {
        (void)strbuf_append_format(hints, "smtpd_milters = unix:%s\n",
                                   service->is_chrooted ? inside : path_of(s));
    } else {
        (void)strbuf_append_format(hints,
                                   "Socket unix:%s/acme-milter/milter.sock in our configuration and "
                                   "smtpd_milters = unix:/acme-milter/milter.sock in main.cf\n",
                                   c->queue_directory);
    }
}

static void complain(const struct settings *s, const struct postfix_config *c,
                     const struct postfix_service *service, enum reach reach, struct strbuf *hints)
{
    const char *where = service->is_chrooted ? "chrooted to the queue directory" : "not chrooted";
    if (reach == REACH_MISTAKEN)
        (void)strbuf_append_format(
            hints, "hint: %s:%d: smtpd of %s runs %s, where smtpd_milters does not lead to %s: set ",
            c->master_file, service->line, service->name, where, s->socket);
    else if (c->milters_line != 0)
        (void)strbuf_append_format(hints, "hint: %s:%d: smtpd_milters does not name %s: add to it ",
                                   c->main_file, c->milters_line, s->socket);
    else
        (void)strbuf_append_format(
            hints, "hint: %s: smtpd_milters is not set, so that no mail comes to us: set ", c->main_file);
    advise(s, c, service, hints);
}

static void check_action(const struct postfix_config *c, struct span action, struct strbuf *hints)
{
    if (span_equal(action, SPAN_LITERAL("tempfail")))
        return;
    (void)strbuf_append_format(
        hints,
        "hint: %s: with milter_default_action %.*s a reply %s while the milter is away: set "
        "milter_default_action = tempfail\n",
        c->main_file, (int)action.len, action.data,
        span_equal(action, SPAN_LITERAL("accept")) ? "passes unjudged" : "is not tried again");
}

static void check_access(const struct settings *s, const struct postfix_config *c,
                         const struct postfix_service *service, struct strbuf *hints)
{
    struct user user;
    struct visit visit = {&user, c->mail_owner, hints};
    if (!is_unix(s) || !find_user(c->mail_owner, &user))
        return;
    size_t from = service->is_chrooted ? strlen(c->queue_directory) : 0;
    if (walk(path_of(s), from, check_searchable, &visit))
        check_mode(s, &visit);
}

/* A service may have no milters on purpose; that none has ours is a mistake. */
static void check_postfix(const struct settings *s, const struct postfix_config *c, struct strbuf *hints)
{
    const struct postfix_service *named = NULL;
    struct span action = SPAN_LITERAL("");
    bool is_mistaken = false;
    for (size_t i = 0; i < c->service_count; i++) {
        enum reach reach = reach_of(s, c, &c->services[i], &action);
        if (reach == REACH_NAMED && named == NULL)
            named = &c->services[i];
        if (reach == REACH_MISTAKEN)
            complain(s, c, &c->services[i], reach, hints);
        is_mistaken = is_mistaken || reach == REACH_MISTAKEN;
    }
    if (named != NULL) {
        check_access(s, c, named, hints);
        check_action(c, action, hints);
    } else if (!is_mistaken && c->service_count > 0) {
        complain(s, c, &c->services[0], REACH_NOT_NAMED, hints);
    }
}

static bool check_unsafe(void *context, const char *folder, const struct stat *status)
{
    const struct visit *v = context;
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    (void)strbuf_append_format(
        v->hints,
        "hint: %s: Sendmail does not start when more than its owner may write to a folder on the "
        "way to the socket: chmod go-w, or set another Socket\n",
        folder);
    return false;
}

/* "Xname, S=local:PATH, F=T, T=..." of sendmail.cf; socket: as Sendmail writes ours. */
static bool check_filter(const char *line, const char *socket, const char *file, int number,
                         struct strbuf *hints)
{
    struct span rest = span_from_string(line + 1);
    struct span word;
    bool is_ours = false, has_action = false;
    while (postfix_config_next_word(&rest, true, &word)) {
        is_ours = is_ours || (span_starts_nocase(word, SPAN_LITERAL("S=")) &&
                              span_equal(span_slice(word, 2, word.len), span_from_string(socket)));
        has_action = has_action || span_starts_nocase(word, SPAN_LITERAL("F=T")) ||
                     span_starts_nocase(word, SPAN_LITERAL("F=4"));
    }
    if (is_ours && !has_action)
        (void)strbuf_append_format(
            hints, "hint: %s:%d: without F=T a reply passes unjudged while the milter is away\n", file,
            number);
    return is_ours;
}

static void check_sendmail(const struct settings *s, FILE *file, const char *name, struct strbuf *hints)
{
    char socket[PATH_MAX];
    char line[SENDMAIL_LINE_MAX_BYTES];
    bool is_named = false;
    (void)snprintf(socket, sizeof socket, "%s%s", is_unix(s) ? "local:" : "",
                   is_unix(s) ? path_of(s) : s->socket);
    for (int number = 1; number < POSTFIX_CONFIG_LINES_MAX && fgets(line, sizeof line, file) != NULL;
         number++)
        if (line[0] == 'X')
            is_named = check_filter(line, socket, name, number, hints) || is_named;
    if (!is_named)
        (void)strbuf_append_format(
            hints, "hint: %s: no filter has S=%s: add INPUT_MAIL_FILTER to sendmail.mc\n", name, socket);
    struct visit visit = {NULL, NULL, hints};
    if (is_unix(s))
        (void)walk(path_of(s), 0, check_unsafe, &visit);
}

void mta_check_append_hints(const struct settings *s, const char *postfix_folder, const char *sendmail_file,
                            struct strbuf *hints)
{
    if (!is_unix(s) && !is_inet(s))
        return;
    struct postfix_config *postfix = postfix_config_read(postfix_folder);
    if (postfix != NULL) {
        check_postfix(s, postfix, hints);
        postfix_config_free(postfix);
        return;
    }
    FILE *file = postfix_config_open_file(sendmail_file);
    if (file == NULL)
        return;
    check_sendmail(s, file, sendmail_file, hints);
    (void)fclose(file);
}
