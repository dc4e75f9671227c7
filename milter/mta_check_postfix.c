/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether Postfix will reach the socket: whether smtpd_milters names it by the path that smtpd sees, whether
 * its user may connect, and what becomes of mail while the milter is away.
 */
#include <stdio.h>
#include <string.h>

#include "mta_check_internal.h"

/* The path of the socket below the queue directory; NULL: it lies elsewhere. */
static const char *path_in_queue(const struct settings *s, const struct postfix_config *c)
{
    size_t len = strlen(c->values[POSTFIX_QUEUE_DIRECTORY].text);
    const char *path = mta_check_path(s);
    return strncmp(path, c->values[POSTFIX_QUEUE_DIRECTORY].text, len) == 0 && path[len] == '/' ? path + len
                                                                                                : NULL;
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

static enum mta_check_reach reach_by_path(const struct settings *s, const struct postfix_config *c,
                                          struct span path, bool is_chrooted)
{
    const char *inside = path_in_queue(s, c);
    bool is_relative = path.len > 0 && path.data[0] != '/';
    bool is_outer = span_equal(path, span_from_string(mta_check_path(s)));
    bool is_inner = inside != NULL && span_equal(path, span_from_string(inside + (is_relative ? 1 : 0)));
    if (!is_outer && !is_inner)
        return MTA_CHECK_REACH_NOT_NAMED;
    return (is_chrooted ? is_inner : is_outer || is_relative) ? MTA_CHECK_REACH_NAMED
                                                              : MTA_CHECK_REACH_MISTAKEN;
}

/* An address of smtpd_milters, "unix:PATH" or "inet:HOST:PORT". */
static enum mta_check_reach reach_by(const struct settings *s, const struct postfix_config *c,
                                     struct span address, bool is_chrooted)
{
    size_t colon = span_find_byte(address, 0, ':');
    struct span kind = span_slice(address, 0, colon);
    struct span rest = span_slice(address, colon + 1, address.len);
    if (!mta_check_is_unix(s))
        return is_our_port(s, kind, rest) ? MTA_CHECK_REACH_NAMED : MTA_CHECK_REACH_NOT_NAMED;
    return span_equal(kind, SPAN_LITERAL("unix")) ? reach_by_path(s, c, rest, is_chrooted)
                                                  : MTA_CHECK_REACH_NOT_NAMED;
}

/* As its own braces say, or as main.cf does. */
static struct span action_of(const struct postfix_service *service, struct span options)
{
    struct span word;
    struct span action = span_from_string(service->values[POSTFIX_MILTER_DEFAULT_ACTION].text);
    struct span mark = SPAN_LITERAL("default_action=");
    while (postfix_config_next_word(&options, true, &word))
        if (span_starts_nocase(word, mark))
            action = span_slice(word, mark.len, word.len);
    return action;
}

enum mta_check_reach mta_check_reach_of(const struct settings *s, const struct postfix_config *c,
                                        const struct postfix_service *service, struct span milters,
                                        struct mta_check_place *place)
{
    struct span element, address;
    enum mta_check_reach found = MTA_CHECK_REACH_NOT_NAMED;
    while (found != MTA_CHECK_REACH_NAMED && postfix_config_next_word(&milters, true, &element)) {
        if (!postfix_config_next_word(&element, true, &address))
            continue;
        enum mta_check_reach reach = reach_by(s, c, address, service->is_chrooted);
        if (reach != MTA_CHECK_REACH_NOT_NAMED) {
            place->action = action_of(service, element);
            found = reach;
        }
    }
    place->is_last = !postfix_config_next_word(&milters, true, &element);
    return found;
}

/* What smtpd_milters should hold for a service, and Socket where that cannot stay. */
static void advise(const struct settings *s, const struct postfix_config *c,
                   const struct postfix_service *service, struct strbuf *advice)
{
    const char *inside = mta_check_is_unix(s) ? path_in_queue(s, c) : NULL;
    if (!mta_check_is_unix(s)) {
        const char *at = strchr(s->socket, '@');
        (void)strbuf_append_format(advice, "smtpd_milters = inet:%s:%.*s", at != NULL ? at + 1 : "localhost",
                                   (int)strcspn(strchr(s->socket, ':') + 1, "@"), strchr(s->socket, ':') + 1);
    } else if (!service->is_chrooted || inside != NULL) {
        (void)strbuf_append_format(advice, "smtpd_milters = unix:%s",
                                   service->is_chrooted ? inside : mta_check_path(s));
    } else {
        (void)strbuf_append_format(advice,
                                   "Socket unix:%s/acme-milter/milter.sock in our configuration and "
                                   "smtpd_milters = unix:/acme-milter/milter.sock in main.cf",
                                   c->values[POSTFIX_QUEUE_DIRECTORY].text);
    }
}

static void complain(struct mta_check *k, const struct postfix_config *c,
                     const struct postfix_service *service, enum mta_check_reach reach)
{
    const struct settings *s = k->settings;
    const struct postfix_value *milters = &service->values[POSTFIX_SMTPD_MILTERS];
    const char *where = service->is_chrooted ? "chrooted to the queue directory" : "not chrooted";
    struct strbuf advice;
    strbuf_init(&advice, MTA_CHECK_TEXT_MAX_BYTES);
    advise(s, c, service, &advice);
    if (reach == MTA_CHECK_REACH_MISTAKEN)
        mta_check_tell(
            k, MTA_CHECK_FAIL, "%s:%d: smtpd of %s runs %s, where smtpd_milters does not lead to %s: set %s",
            c->master_file, service->line, service->name, where, s->socket, strbuf_string(&advice));
    else if (milters->line != 0)
        mta_check_tell(k, MTA_CHECK_FAIL, "%s:%d: smtpd_milters does not name %s: add to it %s",
                       milters->is_of_service ? c->master_file : c->main_file, milters->line, s->socket,
                       strbuf_string(&advice));
    else
        mta_check_tell(k, MTA_CHECK_FAIL,
                       "%s: smtpd_milters is not set, so that acme-milter sees no mail: set %s", c->main_file,
                       strbuf_string(&advice));
    strbuf_clear(&advice);
}

static void check_action(struct mta_check *k, const struct postfix_config *c, struct span action)
{
    if (span_equal(action, SPAN_LITERAL("tempfail")))
        return;
    mta_check_tell(k, MTA_CHECK_FAIL,
                   "%s: with milter_default_action %.*s a reply %s while the milter is away: set "
                   "milter_default_action = tempfail",
                   c->main_file, (int)action.len, action.data,
                   span_equal(action, SPAN_LITERAL("accept")) ? "passes unjudged" : "is not tried again");
}

/* That none has acme-milter is a mistake; of one that has not, mta_check_bypass judges. */
void mta_check_postfix(struct mta_check *k, const struct postfix_config *c)
{
    const struct postfix_service *named = NULL, *first = NULL;
    struct mta_check_place place, named_place = {.is_last = true};
    bool is_mistaken = false;
    for (size_t i = 0; i < c->service_count; i++) {
        const struct postfix_service *service = &c->services[i];
        if (service->program != POSTFIX_PROGRAM_SMTPD)
            continue;
        struct span milters = span_from_string(service->values[POSTFIX_SMTPD_MILTERS].text);
        enum mta_check_reach reach = mta_check_reach_of(k->settings, c, service, milters, &place);
        first = first != NULL ? first : service;
        if (reach == MTA_CHECK_REACH_NAMED && named == NULL) {
            named = service;
            named_place = place;
        }
        if (reach == MTA_CHECK_REACH_MISTAKEN)
            complain(k, c, service, reach);
        is_mistaken = is_mistaken || reach == MTA_CHECK_REACH_MISTAKEN;
    }
    if (named != NULL) {
        const char *queue = c->values[POSTFIX_QUEUE_DIRECTORY].text;
        mta_check_access(k, c->values[POSTFIX_MAIL_OWNER].text, named->is_chrooted ? strlen(queue) : 0);
        check_action(k, c, named_place.action);
        mta_check_bypass(k, c);
    } else if (!is_mistaken && first != NULL) {
        complain(k, c, first, MTA_CHECK_REACH_NOT_NAMED);
    }
}
