/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Set-ups of Postfix in which acme-milter is attached and yet does not see a mail, or sees another one than
 * its sender sent. A row a setting: for which services it is looked at, and when it is wrong. Whatever is
 * right for other mail (a submission service without milters, a content filter that is attached as it should
 * be) has no row that it matches.
 */
#include <stdlib.h>
#include <string.h>

#include "mta_check_internal.h"

enum { PROTOCOL = 6 };

/* A service under the look of a row. */
struct view {
    struct mta_check *check;
    const struct postfix_config *config;
    const struct postfix_service *service;
    struct mta_check_place place; /* of acme-milter among its milters */
    bool has_ours;
};

static bool names_ours(const struct view *v, const struct postfix_service *service,
                       struct mta_check_place *place)
{
    struct span milters = span_from_string(service->values[POSTFIX_SMTPD_MILTERS].text);
    return service->program == POSTFIX_PROGRAM_SMTPD &&
           mta_check_reach_of(v->check->settings, v->config, service, milters, place) ==
               MTA_CHECK_REACH_NAMED;
}

static bool has_word(const char *list, struct span wanted)
{
    struct span rest = span_from_string(list), word;
    while (postfix_config_next_word(&rest, true, &word))
        if (span_equal(word, wanted))
            return true;
    return false;
}

/* "HOST:PORT", "[ADDRESS]:PORT" or "PORT": what comes after the last colon. */
static struct span port_of(const char *name)
{
    const char *colon = strrchr(name, ':');
    return span_from_string(colon != NULL ? colon + 1 : name);
}

static bool is_loopback(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strncmp(name, "localhost:", 10) == 0 ||
           strncmp(name, "[::1]", 5) == 0 || strncmp(name, "::1:", 4) == 0;
}

/* Whether other hosts bring mail to it; those that only users of this host's log in to do not count. */
static bool faces_internet(const struct postfix_config *c, const struct postfix_service *service)
{
    static const char *const submission[] = {"587", "submission", "465", "submissions", "smtps"};
    struct span port = port_of(service->name);
    if (strcmp(service->type, "pass") == 0) {
        for (size_t i = 0; i < c->service_count; i++)
            if (c->services[i].program == POSTFIX_PROGRAM_POSTSCREEN)
                return true;
        return false;
    }
    for (size_t i = 0; i < sizeof submission / sizeof submission[0]; i++)
        if (span_equal(port, span_from_string(submission[i])))
            return false;
    return strcmp(service->type, "inet") == 0 && !is_loopback(service->name);
}

static const char *value_of(const struct view *v, enum postfix_setting setting)
{
    return v->service->values[setting].text;
}

/* Whether an smtpd that only this host reaches, as one after a filter before the queue is, has acme-milter.
 */
static bool has_smtpd_after_proxy(const struct view *v)
{
    struct mta_check_place place;
    for (size_t i = 0; i < v->config->service_count; i++) {
        const struct postfix_service *other = &v->config->services[i];
        if (other != v->service && is_loopback(other->name) &&
            other->values[POSTFIX_SMTPD_PROXY_FILTER].text[0] == '\0' && names_ours(v, other, &place))
            return true;
    }
    return false;
}

static bool has_proxy(const struct view *v)
{
    return value_of(v, POSTFIX_SMTPD_PROXY_FILTER)[0] != '\0';
}

/* --- the rows' conditions */

static bool is_missing(const struct view *v)
{
    return !v->has_ours && v->service->program == POSTFIX_PROGRAM_SMTPD &&
           faces_internet(v->config, v->service) && !(has_proxy(v) && has_smtpd_after_proxy(v));
}

static bool is_not_last(const struct view *v)
{
    return v->has_ours && !v->place.is_last;
}

static bool is_old_protocol(const struct view *v)
{
    return v->has_ours && strtol(value_of(v, POSTFIX_MILTER_PROTOCOL), NULL, 10) < PROTOCOL;
}

static bool is_without_milters(const struct view *v)
{
    return v->has_ours && has_word(value_of(v, POSTFIX_RECEIVE_OVERRIDE_OPTIONS), SPAN_LITERAL("no_milters"));
}

static bool is_before_a_proxy(const struct view *v)
{
    return v->has_ours && has_proxy(v) && !has_smtpd_after_proxy(v);
}

static bool is_after_content_filter(const struct view *v)
{
    bool is_filtered = false;
    for (size_t i = 0; i < v->config->service_count; i++)
        is_filtered = is_filtered || v->config->services[i].values[POSTFIX_CONTENT_FILTER].text[0] != '\0';
    return v->has_ours && is_filtered && is_loopback(v->service->name) &&
           value_of(v, POSTFIX_CONTENT_FILTER)[0] == '\0';
}

static bool has_other_delimiter(const struct view *v)
{
    bool is_other = false;
    for (const char *p = value_of(v, POSTFIX_RECIPIENT_DELIMITER); *p != '\0'; p++)
        is_other = is_other || mta_check_misses_subaddress(v->check->settings, *p);
    return v->has_ours && is_other;
}

/* What sendmail(1) brings is judged by acme-milter alone only where nothing is posted. */
static bool is_local_mail_unjudged(const struct view *v)
{
    const struct settings *s = v->check->settings;
    struct span milters = span_from_string(value_of(v, POSTFIX_NON_SMTPD_MILTERS));
    struct mta_check_place place;
    bool is_gate = false;
    for (size_t i = 0; i < s->endpoint_count; i++)
        is_gate = is_gate || settings_endpoint_is_none(s, i);
    return is_gate && v->service->program == POSTFIX_PROGRAM_CLEANUP &&
           mta_check_reach_of(s, v->config, v->service, milters, &place) != MTA_CHECK_REACH_NAMED;
}

static const struct row {
    enum postfix_setting setting;
    enum mta_check_severity severity;
    bool (*is_wrong)(const struct view *v);
    const char *says;
} rows[] = {
    {POSTFIX_SMTPD_MILTERS, MTA_CHECK_FAIL, is_missing,
     "this smtpd takes mail from other hosts and does not show it to acme-milter: set smtpd_milters for it "
     "as "
     "for the others"},
    {POSTFIX_SMTPD_MILTERS, MTA_CHECK_WARN, is_not_last,
     "a milter after acme-milter may reject a reply that is posted already: put acme-milter last"},
    {POSTFIX_MILTER_PROTOCOL, MTA_CHECK_WARN, is_old_protocol,
     "Postfix does not show the blank after a colon as it is, so that good signatures with simple header "
     "canonicalization are rejected: set milter_protocol = 6"},
    {POSTFIX_RECEIVE_OVERRIDE_OPTIONS, MTA_CHECK_FAIL, is_without_milters,
     "with no_milters acme-milter sees no mail: take no_milters away where mail comes in"},
    {POSTFIX_SMTPD_PROXY_FILTER, MTA_CHECK_FAIL, is_before_a_proxy,
     "with smtpd_proxy_filter this smtpd shows acme-milter no header and no body: set smtpd_milters for the "
     "smtpd "
     "that takes the mail back from that filter, and take acme-milter away here (-o smtpd_milters=)"},
    {POSTFIX_SMTPD_MILTERS, MTA_CHECK_WARN, is_after_content_filter,
     "this smtpd takes mail back from content_filter, which may have broken signatures, and a reply that is "
     "rejected here makes a bounce: set smtpd_milters for the smtpd that other hosts connect to, and "
     "-o smtpd_milters= here"},
    {POSTFIX_RECIPIENT_DELIMITER, MTA_CHECK_FAIL, has_other_delimiter,
     "Postfix delivers subaddresses to the mailbox of a challenge address that acme-milter takes for other "
     "addresses: name each of these characters in SubaddressDelimiter"},
    {POSTFIX_NON_SMTPD_MILTERS, MTA_CHECK_FAIL, is_local_mail_unjudged,
     "with Endpoint none, mail that programs of this host send by sendmail(1) comes into the mailbox "
     "unjudged: "
     "set non_smtpd_milters as smtpd_milters"},
};

/* "FILE:LINE: NAME = VALUE: ", or where it is set nowhere the service or main.cf. */
static void tell(const struct view *v, enum postfix_setting setting, enum mta_check_severity severity,
                 const char *says)
{
    const struct postfix_value *value = &v->service->values[setting];
    const char *name = postfix_config_name(setting);
    bool is_of_service = value->is_of_service || (value->line == 0 && v->service->line != 0);
    mta_check_tell(v->check, severity, "%s:%d: %s = %s: %s",
                   is_of_service ? v->config->master_file : v->config->main_file,
                   value->line != 0 ? value->line : v->service->line, name, value->text, says);
}

/* --- tables: what an entry of header_checks or smtpd_milter_maps does to a mail */

struct looking {
    const struct view *view;
    enum postfix_setting setting;
};

static void tell_entry(const struct looking *l, const char *file, int line, struct span says,
                       enum mta_check_severity severity, const char *sentence)
{
    if (file == NULL)
        tell(l->view, l->setting, severity, sentence);
    else
        mta_check_tell(l->view->check, severity, "%s:%d: %.*s (%s): %s", file, line, (int)says.len, says.data,
                       postfix_config_name(l->setting), sentence);
}

static bool is_challenge(const struct settings *s, struct span address)
{
    struct mailbox mailbox;
    return mailbox_parse_address(address, &mailbox) == OUTCOME_OK &&
           settings_find_challenge(s, &mailbox) != NULL;
}

static void look_at_check(void *context, const char *file, int line, struct span says)
{
    const struct looking *l = context;
    struct span rest = says, action, target;
    if (!postfix_config_next_word(&rest, false, &action))
        return;
    if (span_equal_nocase(action, SPAN_LITERAL("DISCARD")))
        tell_entry(
            l, file, line, says, MTA_CHECK_WARN,
            "a reply that this matches is taken, thrown away and not shown to acme-milter: see that it "
            "matches none");
    if (!span_equal_nocase(action, SPAN_LITERAL("REDIRECT")) ||
        !postfix_config_next_word(&rest, false, &target))
        return;
    if (is_challenge(l->view->check->settings, target))
        tell_entry(l, file, line, says, MTA_CHECK_FAIL,
                   "mail for other addresses comes into the mailbox of a challenge address unjudged: take it "
                   "away");
    else
        tell_entry(
            l, file, line, says, MTA_CHECK_WARN,
            "a reply that this matches goes elsewhere and is not shown to acme-milter: see that it matches "
            "none");
}

static void look_at_milters(void *context, const char *file, int line, struct span says)
{
    const struct looking *l = context;
    const struct view *v = l->view;
    struct mta_check_place place;
    if (mta_check_reach_of(v->check->settings, v->config, v->service, says, &place) == MTA_CHECK_REACH_NAMED)
        return;
    tell_entry(l, file, line, says, MTA_CHECK_FAIL,
               "mail of these clients is not shown to acme-milter: name its socket here as well");
}

static bool is_cleanup(const struct view *v)
{
    return v->service->program == POSTFIX_PROGRAM_CLEANUP;
}

static bool is_ours(const struct view *v)
{
    return v->has_ours;
}

static const struct table_row {
    enum postfix_setting setting;
    bool (*is_due)(const struct view *v);
    void (*look)(void *context, const char *file, int line, struct span says);
} table_rows[] = {
    {POSTFIX_HEADER_CHECKS, is_cleanup, look_at_check},
    {POSTFIX_MIME_HEADER_CHECKS, is_cleanup, look_at_check},
    {POSTFIX_NESTED_HEADER_CHECKS, is_cleanup, look_at_check},
    {POSTFIX_BODY_CHECKS, is_cleanup, look_at_check},
    {POSTFIX_MILTER_HEADER_CHECKS, is_cleanup, look_at_check},
    {POSTFIX_SMTPD_MILTER_MAPS, is_ours, look_at_milters},
};

static void look_at_tables(const struct view *v, const struct table_row *row)
{
    struct looking looking = {v, row->setting};
    struct span rest = span_from_string(value_of(v, row->setting)), table;
    bool all = true;
    if (v->service->values[row->setting].line == 0)
        return; /* empty, or as header_checks is */
    while (postfix_config_next_word(&rest, true, &table))
        all = mta_check_visit_table(table, row->look, &looking) && all;
    if (!all)
        tell(v, row->setting, MTA_CHECK_WARN,
             "not looked at, for its type or because it cannot be read: see that no entry keeps a reply from "
             "acme-milter");
}

void mta_check_bypass(struct mta_check *k, const struct postfix_config *c)
{
    for (size_t i = 0; i < c->service_count; i++) {
        struct view v = {.check = k, .config = c, .service = &c->services[i]};
        v.has_ours = names_ours(&v, v.service, &v.place);
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++)
            if (rows[j].is_wrong(&v))
                tell(&v, rows[j].setting, rows[j].severity, rows[j].says);
        for (size_t j = 0; j < sizeof table_rows / sizeof table_rows[0]; j++)
            if (table_rows[j].is_due(&v))
                look_at_tables(&v, &table_rows[j]);
    }
}
