/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which addresses the MTA leads to the mailbox of a challenge address. The milter is shown the address that a
 * mail was sent to, not where an alias leads, so each such address needs a ChallengeAddress of its own.
 *
 * Postfix is asked by postmap -s for the entries of each table, and these are followed from challenge
 * addresses backwards, over several levels. Sendmail is asked by sendmail -bv, which follows them itself, for
 * each name in its file of aliases.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"
#include "postfix_config.h"
#include "program.h"

#define POSTMAP  "/usr/sbin/postmap"
#define SENDMAIL "/usr/sbin/sendmail"

enum {
    RUN_MS = 10000,
    OUTPUT_MAX_BYTES = 8 * 1024 * 1024,
    ENTRIES_MAX = 100000,
    LEVELS_MAX = 16,
    OURS_MAX = 1000,
    SENDMAIL_NAMES_MAX = 1000,
};

struct entry {
    struct span key;
    struct span leads_to;
    const char *setting;
    bool is_ours; /* it leads to a challenge address, directly or by others that do */
};

struct walk {
    struct doctor *doctor;
    struct strbuf output[4]; /* of postmap: one a setting */
    struct entry *entries;   /* borrow from output */
    size_t count;
    const struct entry *ours[OURS_MAX];
    size_t ours_count;
    bool is_whole;
};

/* "user@domain", or "user" of this host. */
static bool is_challenge(const struct settings *s, struct span address)
{
    struct mailbox mailbox = {.local = ""};
    if (span_find_byte(address, 0, '@') == address.len && address.len < sizeof mailbox.local)
        (void)snprintf(mailbox.local, sizeof mailbox.local, "%.*s", (int)address.len, address.data);
    else if (mailbox_parse_address(address, &mailbox) != OUTCOME_OK)
        return false;
    return mailbox.local[0] != '\0' && settings_find_challenge(s, &mailbox) != NULL;
}

/* "@domain", the entry for all the rest of a domain, is covered where the whole domain is. */
static bool is_covered(const struct settings *s, struct span key)
{
    char any[MAILBOX_MAX_BYTES + 1];
    if (key.len == 0 || key.data[0] != '@')
        return is_challenge(s, key);
    (void)snprintf(any, sizeof any, "acme-milter-doctor%.*s", (int)key.len, key.data);
    return is_challenge(s, span_from_string(any));
}

/* By its own entry, or by that for all the rest of its domain. */
static bool leads_to_ours(const struct walk *w, struct span address)
{
    for (size_t i = 0; i < w->ours_count; i++) {
        struct span key = w->ours[i]->key;
        bool is_domain = key.len > 0 && key.data[0] == '@' && key.len < address.len;
        struct span tail = span_slice(address, is_domain ? address.len - key.len : 0, address.len);
        if (span_equal_nocase(key, tail))
            return true;
    }
    return false;
}

static bool is_ours(const struct walk *w, struct span list)
{
    struct span word;
    while (postfix_config_next_word(&list, true, &word))
        if (is_challenge(w->doctor->settings, word) || leads_to_ours(w, word))
            return true;
    return false;
}

static void follow(struct walk *w)
{
    bool has_changed = true;
    for (int level = 0; level < LEVELS_MAX && has_changed; level++) {
        has_changed = false;
        for (size_t i = 0; i < w->count && w->ours_count < OURS_MAX; i++)
            if (!w->entries[i].is_ours && is_ours(w, w->entries[i].leads_to)) {
                w->entries[i].is_ours = has_changed = true;
                w->ours[w->ours_count++] = &w->entries[i];
            }
    }
    w->is_whole = w->is_whole && !has_changed && w->ours_count < OURS_MAX;
}

static void tell_alias(struct doctor *d, const char *where, struct span key)
{
    doctor_tell(
        d, DOCTOR_FAIL,
        "%s: %.*s leads to the mailbox of a challenge address, and acme-milter takes it for another address: "
        "take it away, or add ChallengeAddress %.*s%s to %s",
        where, (int)key.len, key.data, (int)key.len, key.data,
        span_find_byte(key, 0, '@') == key.len ? "@DOMAIN" : "", d->settings->file);
}

/* "KEY<TAB>VALUE" a line; a text file of aliases has a colon after its keys. */
static void take_entries(struct walk *w, struct span text, const char *setting)
{
    while (text.len > 0 && w->count < ENTRIES_MAX) {
        size_t end = span_find_byte(text, 0, '\n');
        struct span line = span_slice(text, 0, end);
        size_t tab = span_find_byte(line, 0, '\t');
        struct span key = span_slice(line, 0, tab);
        while (key.len > 0 && key.data[key.len - 1] == ':')
            key.len--;
        w->entries[w->count++] =
            (struct entry){key, span_trim(span_slice(line, tab, line.len)), setting, false};
        text = span_slice(text, end + 1, text.len);
    }
    w->is_whole = w->is_whole && text.len == 0;
}

static void list_tables(struct walk *w, const struct postfix_value *value, enum postfix_setting setting,
                        struct strbuf *output)
{
    struct span rest = span_from_string(value->text), table;
    const char *name = postfix_config_name(setting);
    while (postfix_config_next_word(&rest, true, &table)) {
        if (span_starts_nocase(table, SPAN_LITERAL("proxy:")))
            table = span_slice(table, 6, table.len);
        char *copy = strndup(table.data, table.len);
        char *argv[] = {(char[]){POSTMAP}, (char[]){"-s"}, copy, NULL};
        size_t before = output->len;
        bool ok = copy != NULL && program_run(argv, RUN_MS, output);
        if (!ok)
            strbuf_truncate(output, before);
        if (!ok && value->line != 0) {
            w->is_whole = false;
            doctor_tell(
                w->doctor, DOCTOR_WARN,
                "%s: %.*s: postmap cannot list it: see that no address in it leads to a challenge address",
                name, (int)table.len, table.data);
        }
        free(copy);
    }
    take_entries(w, strbuf_view(output), name);
}

static void ask_postfix(struct doctor *d, const struct postfix_config *c)
{
    static const enum postfix_setting settings[] = {POSTFIX_VIRTUAL_ALIAS_MAPS, POSTFIX_ALIAS_MAPS,
                                                    POSTFIX_CANONICAL_MAPS, POSTFIX_RECIPIENT_CANONICAL_MAPS};
    enum { COUNT = sizeof settings / sizeof settings[0] };
    struct walk walk = {.doctor = d, .entries = calloc(ENTRIES_MAX, sizeof *walk.entries), .is_whole = true};
    size_t faults = 0;
    for (size_t i = 0; i < COUNT; i++) {
        strbuf_init(&walk.output[i], OUTPUT_MAX_BYTES);
        if (walk.entries != NULL)
            list_tables(&walk, &c->values[settings[i]], settings[i], &walk.output[i]);
    }
    follow(&walk);
    for (size_t i = 0; i < walk.ours_count; i++) {
        const struct entry *e = walk.ours[i];
        if (is_covered(d->settings, e->key))
            continue;
        tell_alias(d, e->setting, e->key);
        faults++;
    }
    if (walk.entries == NULL || !walk.is_whole)
        doctor_tell(d, DOCTOR_WARN, "aliases: not all of them were looked at");
    else if (faults == 0)
        doctor_tell(d, DOCTOR_OK,
                    "aliases: Postfix leads no address but ChallengeAddress to its mailbox (%zu looked at)",
                    walk.count);
    for (size_t i = 0; i < COUNT; i++)
        strbuf_clear(&walk.output[i]);
    free(walk.entries);
}

/* "ADDRESS... deliverable: mailer MAILER, [host HOST, ]user USER" a line. */
static bool is_delivered_to_us(const struct settings *s, struct span text)
{
    struct span mark = SPAN_LITERAL("user ");
    for (; text.len > 0; text = span_slice(text, span_find_byte(text, 0, '\n') + 1, text.len)) {
        struct span line = span_slice(text, 0, span_find_byte(text, 0, '\n'));
        size_t user = span_find(line, 0, mark);
        if (user < line.len && is_challenge(s, span_trim(span_slice(line, user + mark.len, line.len))))
            return true;
    }
    return false;
}

/* False: Sendmail does not answer for it. */
static bool ask_for_name(struct doctor *d, const char *file, struct span name, size_t *faults)
{
    struct strbuf output;
    char *copy = strndup(name.data, name.len);
    char *argv[] = {(char[]){SENDMAIL}, (char[]){"-bv"}, (char[]){"--"}, copy, NULL};
    strbuf_init(&output, OUTPUT_MAX_BYTES);
    bool ok = copy != NULL && program_run(argv, RUN_MS, &output);
    if (ok && !is_covered(d->settings, name) && is_delivered_to_us(d->settings, strbuf_view(&output))) {
        tell_alias(d, file, name);
        ++*faults;
    }
    strbuf_clear(&output);
    free(copy);
    return ok;
}

static void ask_sendmail(struct doctor *d, const char *file, FILE *aliases)
{
    char *line = NULL;
    size_t room = 0, count = 0, faults = 0, unknown = 0;
    ssize_t len;
    while (count < SENDMAIL_NAMES_MAX && (len = getline(&line, &room, aliases)) >= 0) {
        struct span text = {line, (size_t)len};
        size_t colon = span_find_byte(text, 0, ':');
        if (byte_is_space(line[0]) || line[0] == '#' || colon == text.len)
            continue;
        count++;
        unknown += !ask_for_name(d, file, span_trim(span_slice(text, 0, colon)), &faults);
    }
    free(line);
    if (unknown > 0 || count == SENDMAIL_NAMES_MAX)
        doctor_tell(d, DOCTOR_WARN,
                    "%s: not all of it was looked at: " SENDMAIL " -bv did not answer for %zu of %zu", file,
                    unknown, count);
    else if (faults == 0)
        doctor_tell(d, DOCTOR_OK,
                    "aliases: Sendmail leads no address but ChallengeAddress to its mailbox (%zu looked at)",
                    count);
}

/* The first file of AliasFile, "[CLASS:]PATH, ..."; NULL: there is none. The caller frees it. */
static char *find_alias_file(FILE *sendmail_cf)
{
    static const char mark[] = "O AliasFile=";
    char *line = NULL, *path = NULL;
    size_t room = 0;
    while (path == NULL && getline(&line, &room, sendmail_cf) >= 0) {
        const char *slash = strncmp(line, mark, sizeof mark - 1) == 0 ? strchr(line, '/') : NULL;
        if (slash != NULL)
            path = strndup(slash, strcspn(slash, ", \t\r\n"));
    }
    free(line);
    return path;
}

void doctor_aliases(struct doctor *d)
{
    struct postfix_config *postfix = postfix_config_read(MTA_CHECK_POSTFIX_FOLDER);
    FILE *sendmail = postfix == NULL ? postfix_config_open_file(MTA_CHECK_SENDMAIL_FILE) : NULL;
    char *file = sendmail != NULL ? find_alias_file(sendmail) : NULL;
    FILE *aliases = file != NULL ? postfix_config_open_file(file) : NULL;
    if (postfix != NULL)
        ask_postfix(d, postfix);
    else if (aliases != NULL)
        ask_sendmail(d, file, aliases);
    else if (file != NULL)
        doctor_tell(d, DOCTOR_WARN, "%s: it cannot be read: see that no alias leads to a challenge address",
                    file);
    postfix_config_free(postfix);
    free(file);
    if (sendmail != NULL)
        (void)fclose(sendmail);
    if (aliases != NULL)
        (void)fclose(aliases);
}
