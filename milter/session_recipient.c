/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which challenge address a recipient is. Both are looked at: what the sender wrote and what the MTA resolved
 * it to, each in every way in which it can be read (recipient.h); a mail is for a challenge address if either
 * says so. What is overlooked here lies in the mailbox unjudged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "session_internal.h"

enum { FIRST_RECIPIENTS_ROOM = 4, TOLD_EVERY_US = 60 * 1000 * 1000 };

/* As Postfix and Sendmail call what delivers to the users of the host, whatever the domain was. */
static const struct span local_mailer = {"local", 5};

struct search {
    const struct settings *settings;
    struct mailbox found;
    bool is_found;
};

static bool look_up(const struct mailbox *m, void *context)
{
    struct search *search = context;
    const struct settings_challenge *c = settings_find_challenge(search->settings, m);
    if (c == NULL)
        return true;
    search->found = *m;
    search->found.domain = c->address.domain;
    search->is_found = true;
    return false;
}

static bool look_up_user(const struct mailbox *m, void *context)
{
    struct mailbox user = *m;
    memset(&user.domain, 0, sizeof user.domain);
    return look_up(&user, context);
}

/* "<user@host>", resolved to just that, as nearly all are: reading it twice would tell nothing new. */
static bool is_same(struct span written, struct span resolved)
{
    return written.len == resolved.len + 2 && written.data[0] == '<' &&
           written.data[written.len - 1] == '>' &&
           span_equal(span_slice(written, 1, written.len - 1), resolved);
}

/* OUTCOME_OK with the mailbox, OUTCOME_ABSENT: none of ours; OUTCOME_BROKEN_INPUT: neither can be read for
 * certain. */
static enum outcome find(const struct settings *settings, const struct session_path *path,
                         struct mailbox *out)
{
    struct search search = {.settings = settings};
    struct span written = span_from_string(path->written);
    struct span resolved = span_from_string(path->resolved);
    bool is_local = span_equal_nocase(span_from_string(path->mailer), local_mailer);
    enum outcome as_resolved = OUTCOME_BROKEN_INPUT;
    enum outcome as_written = recipient_visit(written, look_up, &search);
    if (!search.is_found && path->resolved != NULL && !is_same(written, resolved))
        as_resolved = recipient_visit(resolved, look_up, &search);
    if (!search.is_found && is_local)
        as_resolved = recipient_visit(resolved, look_up_user, &search);
    *out = search.found;
    if (search.is_found)
        return OUTCOME_OK;
    if (as_written == OUTCOME_INTERNAL || as_resolved == OUTCOME_INTERNAL)
        return OUTCOME_INTERNAL;
    return as_written == OUTCOME_OK || as_resolved == OUTCOME_OK ? OUTCOME_ABSENT : OUTCOME_BROKEN_INPUT;
}

static bool reserve(struct session *s)
{
    if (s->recipient_count < s->recipient_room)
        return true;
    size_t room = s->recipient_room != 0 ? 2 * s->recipient_room : FIRST_RECIPIENTS_ROOM;
    struct session_recipient *recipients = realloc(s->recipients, room * sizeof *recipients);
    if (recipients == NULL)
        return false;
    s->recipients = recipients;
    s->recipient_room = room;
    return true;
}

static enum outcome keep(struct session *s, const struct session_path *path, const struct mailbox *mailbox)
{
    if (!reserve(s))
        return OUTCOME_INTERNAL;
    struct session_recipient *r = &s->recipients[s->recipient_count];
    *r = (struct session_recipient){.written = strndup(path->written, strlen(path->written)),
                                    .mailbox = *mailbox};
    if (r->written == NULL)
        return OUTCOME_INTERNAL;
    s->recipient_count++;
    s->text_bytes += strlen(path->written) + (path->resolved != NULL ? strlen(path->resolved) : 0);
    if (path->resolved == NULL || asprintf(&r->resolved, "<%s>", path->resolved) >= 0)
        return OUTCOME_OK;
    r->resolved = NULL;
    return OUTCOME_INTERNAL;
}

/* Whether what passes by unjudged would lie in a mailbox that somebody believes. */
static bool is_gate(const struct settings *s)
{
    bool is_gate = s->disposition == SETTINGS_DISPOSITION_DELIVER;
    for (size_t i = 0; i < s->endpoint_count; i++)
        is_gate = is_gate || settings_endpoint_is_none(s, i);
    return is_gate;
}

/* At most once a minute: anybody can send such mails. */
static void tell(struct runtime *runtime, const struct session_path *path)
{
    int64_t now = clock_monotonic_us();
    int64_t next = runtime->unclear_told_next_us;
    if (now >= next &&
        atomic_compare_exchange_strong(&runtime->unclear_told_next_us, &next, now + TOLD_EVERY_US))
        log_write_event(LOG_LEVEL_WARNING, "recipient",
                        (const char *[]){"reason", "unclear", "rcpt", path->written, NULL});
}

enum outcome session_recipient_add(struct session *s, const struct session_path *path)
{
    struct mailbox mailbox;
    switch (find(s->runtime->settings, path, &mailbox)) {
    case OUTCOME_OK:
        /* Those that are not kept could not be removed from a mail that others get too. */
        return s->recipient_count < SESSION_RECIPIENTS_MAX ? keep(s, path, &mailbox) : OUTCOME_REJECTED;
    case OUTCOME_BROKEN_INPUT:
        tell(s->runtime, path);
        s->has_other_recipients = true;
        return is_gate(s->runtime->settings) ? OUTCOME_TEMPORARY : OUTCOME_OK;
    case OUTCOME_ABSENT:
        s->has_other_recipients = true;
        return OUTCOME_OK;
    case OUTCOME_TEMPORARY:
    case OUTCOME_REJECTED:
    case OUTCOME_INTERNAL:
        break;
    }
    return OUTCOME_INTERNAL;
}
