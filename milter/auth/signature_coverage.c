/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_coverage.h"

#include <stdio.h>
#include <string.h>

#include "signature_tags.h"

/* RFC 8823 section 3.2 (9). */
static const char *const needed[] = {
    "from", "sender",      "reply-to",   "to",         "cc",           "subject",
    "date", "in-reply-to", "references", "message-id", "content-type", "content-transfer-encoding",
};

static const char *const recommended[] = {
    "resent-date",      "resent-from",    "resent-to", "resent-cc",  "list-id",      "list-help",
    "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive", "list-unsubscribe-post",
};

static const char *const core[] = {"from", "subject"};

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

/* Whole names only: a detail is read by people. */
static void note(char detail[static AUTH_DETAIL_MAX_BYTES + 1], const char *name)
{
    size_t len = strlen(detail);
    if (len + 1 + strlen(name) <= AUTH_DETAIL_MAX_BYTES)
        (void)snprintf(detail + len, AUTH_DETAIL_MAX_BYTES + 1 - len, "%s%s", len > 0 ? "," : "", name);
}

/* Whether h= covers each of names at least as often as wanted says. */
static bool covers(const struct message *m, const struct auth_signature *s, const char *const *names,
                   size_t count, size_t (*wanted)(const struct message *m, const char *name), char *detail)
{
    bool all = true;
    detail[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (signature_tags_times_signed(s->signed_fields, span_from_string(names[i])) >= wanted(m, names[i]))
            continue;
        all = false;
        note(detail, names[i]);
    }
    return all;
}

static size_t each_instance(const struct message *m, const char *name)
{
    return message_count(m, span_from_string(name));
}

static size_t once(const struct message *m, const char *name)
{
    (void)m;
    (void)name;
    return 1;
}

/* The core must be named even where the mail has none, or it could be added. */
static size_t each_instance_and_once(const struct message *m, const char *name)
{
    size_t count = each_instance(m, name);
    return count > 0 ? count : 1;
}

void signature_coverage_measure(const struct message *m, struct auth_signature *s)
{
    char ignored[AUTH_DETAIL_MAX_BYTES + 1];
    s->covers_core = covers(m, s, core, COUNT(core), each_instance_and_once, s->core_detail);
    s->covers_present = covers(m, s, needed, COUNT(needed), each_instance, s->present_detail);
    s->covers_full = covers(m, s, needed, COUNT(needed), once, s->full_detail);
    s->covers_should = covers(m, s, recommended, COUNT(recommended), once, ignored);
}
