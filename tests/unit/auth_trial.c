/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { PATH_BYTES = 4096 };

bool auth_trial_read(const char *folder, const char *name, char text[static AUTH_TRIAL_TEXT_BYTES],
                     size_t *len)
{
    char path[PATH_BYTES];
    const char *top = getenv("TEST_SRCDIR");
    (void)snprintf(path, sizeof path, "%s/tests/data/dkim/%s/%s", top != NULL ? top : ".", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    *len = fread(text, 1, AUTH_TRIAL_TEXT_BYTES - 1, f);
    text[*len] = '\0';
    (void)fclose(f);
    return *len > 0;
}

/* A mail with CRLF line ends, field by field, and its body in two pieces. */
static struct message *read_message(struct span mail)
{
    const struct message_limits limits = {AUTH_TRIAL_TEXT_BYTES, 1000};
    struct message *m = message_new(&limits);
    size_t at = 0;
    while (m != NULL && at < mail.len) {
        size_t end = span_find(mail, at, SPAN_LITERAL("\r\n"));
        if (end == at)
            break;
        while (end + 2 < mail.len && byte_is_blank(mail.data[end + 2]))
            end = span_find(mail, end + 2, SPAN_LITERAL("\r\n"));
        struct span field = span_slice(mail, at, end);
        size_t colon = span_find_byte(field, 0, ':');
        if (message_add_field(m, span_slice(field, 0, colon), span_slice(field, colon + 1, field.len)) !=
            OUTCOME_OK)
            abort();
        at = end + 2;
    }
    struct span body = span_slice(mail, at + 2, mail.len);
    if (m == NULL || message_add_body(m, span_slice(body, 0, body.len / 2)) != OUTCOME_OK ||
        message_add_body(m, span_slice(body, body.len / 2, body.len)) != OUTCOME_OK)
        abort();
    message_end(m);
    return m;
}

void auth_trial_describe(const struct auth_dkim_facts *facts, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < facts->count && len < size; i++) {
        const struct auth_signature *s = &facts->signatures[i];
        const char *word = name_table_name(auth_result_names, (int)s->result);
        const struct {
            bool is_set;
            char letter;
        } flags[] = {
            {s->is_aligned, 'a'},   {s->is_verified, 'v'},    {s->is_key_unknown, 'u'},
            {s->is_bogus, 'b'},     {s->is_expired, 'x'},     {s->is_sha1, 's'},
            {s->is_key_short, 'k'}, {s->is_key_testing, 't'}, {s->has_body_length, 'l'},
        };
        const bool covers[] = {s->covers_core, s->covers_present, s->covers_full, s->covers_should};
        char letters[ROWS(flags) + ROWS(covers) + 2];
        size_t n = 0;
        for (size_t k = 0; k < ROWS(flags); k++)
            if (flags[k].is_set)
                letters[n++] = flags[k].letter;
        letters[n++] = ' ';
        for (size_t k = 0; k < ROWS(covers); k++)
            if (covers[k])
                letters[n++] = "CPFH"[k];
        letters[n] = '\0';
        len += (size_t)snprintf(out + len, size - len, "%s%s %s %u", i > 0 ? " " : "",
                                word != NULL ? word : "-", letters, s->key_bits);
    }
}

struct auth_trial auth_trial_new(struct auth_dkim *dkim, struct span mail, const char *zone,
                                 const char *author)
{
    char error[RESOLVER_ERROR_BYTES];
    char path[] = "/tmp/test_auth_dkim.XXXXXX";
    struct auth_trial t = {
        .dkim = dkim,
        .rules = {.minimum_key_bits = 1024,
                  .max_signatures = 8,
                  .clock_skew_seconds = 300,
                  .now = AUTH_TRIAL_NOW},
    };
    int fd = mkstemp(path);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f == NULL || fputs(zone, f) == EOF || fclose(f) != 0)
        abort();
    t.resolver = resolver_new_file(path, error);
    (void)remove(path);
    t.message = read_message(mail);
    if (t.resolver == NULL || domain_parse(span_from_string(author != NULL ? author : "example.com"), false,
                                           &t.author) != OUTCOME_OK)
        abort();
    return t;
}

void auth_trial_free(struct auth_trial *t)
{
    message_free(t->message);
    resolver_free(t->resolver);
}

enum outcome auth_trial_run(const struct auth_trial *t, struct auth_dkim_facts *facts, struct strbuf *dns)
{
    struct auth_dkim_check *check = auth_dkim_start(t->dkim, t->message, &t->author, &t->rules, t->resolver);
    enum outcome outcome =
        check != NULL ? auth_dkim_finish(check, deadline_in(200), facts, dns) : OUTCOME_INTERNAL;
    auth_dkim_check_free(check);
    return outcome;
}
