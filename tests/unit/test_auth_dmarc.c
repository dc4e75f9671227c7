/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_dmarc.h"
#include "starve.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { TEXT_BYTES = 65536, LINE_BYTES = 1024, ZONE_BYTES = 8192 };

#define WALK   AUTH_DMARC_DISCOVERY_RFC9989
#define LIST   AUTH_DMARC_DISCOVERY_RFC7489
#define BOTH   AUTH_DMARC_DISCOVERY_BOTH
#define PASS   AUTH_RESULT_PASS
#define FAIL   AUTH_RESULT_FAIL
#define NONE   AUTH_RESULT_NONE
#define TEMP   AUTH_RESULT_TEMPERROR
#define REJECT "TXT \"v=DMARC1; p=reject\"\n"

struct row {
    const char *name, *author;
    enum auth_dmarc_discovery method;
    enum auth_result dkim;
    const char *zone;
};

static struct resolver *load(const char *text)
{
    char path[] = "/tmp/test-dmarc-XXXXXX", error[RESOLVER_ERROR_BYTES];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
    struct resolver *r = resolver_new_file(path, error);
    unlink(path);
    if (r == NULL)
        tap_note("%s", error);
    return r;
}

static void describe(const struct auth_dmarc_facts *f, struct strbuf *out)
{
    const char *policy = name_table_name(auth_policy_names, (int)f->policy);
    (void)strbuf_append_format(out, "%s %s %s %s", name_table_name(auth_result_names, (int)f->result),
                               policy != NULL ? policy : "unknown",
                               domain_is_set(&f->policy_domain) ? f->policy_domain.name : "-",
                               name_table_name(dnssec_status_names, (int)f->dnssec));
    const struct {
        bool is_set;
        const char *word;
    } words[] = {{f->is_strict, " strict"},
                 {f->is_testing, " testing"},
                 {f->is_lookup_failed, " failed"},
                 {f->is_bogus, " bogus"},
                 {f->is_broken, " broken"}};
    for (size_t i = 0; i < ROWS(words); i++)
        (void)strbuf_append_string(out, words[i].is_set ? words[i].word : "");
    if (f->difference[0] != '\0')
        (void)strbuf_append_format(out, " differs: %s", f->difference);
    if (f->detail[0] != '\0')
        (void)strbuf_append_format(out, ": %s", f->detail);
}

static void judge(struct auth_dmarc *dmarc, const struct row *row, struct auth_dmarc_facts *facts,
                  struct strbuf *dns)
{
    struct domain author;
    struct resolver *r = load(row->zone);
    if (domain_parse(span_from_string(row->author), true, &author) != OUTCOME_OK)
        abort();
    struct auth_dmarc_check *check = auth_dmarc_start(dmarc, &author, row->method, r);
    if (check == NULL || auth_dmarc_finish(check, row->dkim, deadline_in(1000), facts, dns) != OUTCOME_OK)
        abort();
    auth_dmarc_check_free(check);
    resolver_free(r);
}

/* A case of tests/data/dmarc/discovery, whose head says what its lines are. */
struct file_case {
    char name[LINE_BYTES], author[LINE_BYTES], method[LINE_BYTES], dkim[LINE_BYTES], want[LINE_BYTES];
    char zone[ZONE_BYTES];
};

static void take_line(struct file_case *c, const char *line)
{
    const struct {
        const char *key;
        char *value;
    } keys[] = {{"case: ", c->name},
                {"author: ", c->author},
                {"method: ", c->method},
                {"dkim: ", c->dkim},
                {"want: ", c->want}};
    for (size_t i = 0; i < ROWS(keys); i++) {
        size_t len = strlen(keys[i].key);
        if (strncmp(line, keys[i].key, len) == 0) {
            (void)snprintf(keys[i].value, LINE_BYTES, "%.*s", (int)strcspn(line + len, "\n"), line + len);
            return;
        }
    }
    if (line[0] != '#')
        (void)snprintf(c->zone + strlen(c->zone), ZONE_BYTES - strlen(c->zone), "%s", line);
}

static void test_case(struct auth_dmarc *dmarc, const struct file_case *c)
{
    struct auth_dmarc_facts facts;
    struct strbuf got;
    int method = 0, dkim = AUTH_RESULT_UNKNOWN;
    (void)name_table_value(auth_result_names, span_from_string(c->dkim), &dkim);
    if (!name_table_value(auth_dmarc_discovery_names, span_from_string(c->method), &method))
        abort();
    const struct row row = {c->name, c->author, (enum auth_dmarc_discovery)method, (enum auth_result)dkim,
                            c->zone};
    strbuf_init(&got, LINE_BYTES);
    judge(dmarc, &row, &facts, NULL);
    describe(&facts, &got);
    tap_is_string(strbuf_string(&got), c->want, c->name);
    strbuf_clear(&got);
}

static void test_cases(struct auth_dmarc *dmarc)
{
    static struct file_case c;
    const char *top = getenv("TEST_SRCDIR");
    char line[LINE_BYTES];
    int count = 0;
    (void)snprintf(line, sizeof line, "%s/tests/data/dmarc/discovery", top != NULL ? top : ".");
    FILE *file = fopen(line, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        take_line(&c, line);
        if (c.want[0] == '\0')
            continue;
        test_case(dmarc, &c);
        memset(&c, 0, sizeof c);
        count++;
    }
    tap_ok(count >= 80, "%d cases of discovery", count);
    if (file != NULL)
        (void)fclose(file);
}

struct question_row {
    const char *name, *author;
    enum auth_dmarc_discovery method;
    enum auth_result dkim;
    int want;
};

/* No name has a record, so that all that could be asked is. */
static const struct question_row question_rows[] = {
    {"walk: two labels", "example.com", WALK, PASS, 2},
    {"walk: three labels", "mail.example.com", WALK, PASS, 3},
    {"walk: seven labels", "a.b.c.d.e.example.com", WALK, PASS, 7},
    {"walk: eight labels", "a.b.c.d.e.f.example.com", WALK, PASS, 8},
    {"walk: nine labels", "a.b.c.d.e.f.g.example.com", WALK, PASS, 8},
    {"walk: thirteen labels", "a.b.c.d.e.f.g.h.i.j.k.example.com", WALK, PASS, 8},
    {"both: thirteen labels", "a.b.c.d.e.f.g.h.i.j.k.example.com", BOTH, PASS, 8},
    {"list: thirteen labels", "a.b.c.d.e.f.g.h.i.j.k.example.com", LIST, PASS, 2},
    {"list: the organisational domain itself", "example.com", LIST, PASS, 1},
    {"a forgery of four labels", "a.b.example.com", WALK, FAIL, 4},
    {"a forgery of thirteen labels", "a.b.c.d.e.f.g.h.i.j.k.example.com", WALK, FAIL, 4},
    {"a forgery of thirteen labels, no signature", "a.b.c.d.e.f.g.h.i.j.k.example.com", BOTH, NONE, 4},
    {"a key that is not known now", "a.b.c.d.e.f.g.h.i.j.k.example.com", WALK, TEMP, 4},
};

static void test_questions(struct auth_dmarc *dmarc)
{
    for (size_t i = 0; i < ROWS(question_rows); i++) {
        struct row row = {question_rows[i].name, question_rows[i].author, question_rows[i].method,
                          question_rows[i].dkim, "unrelated.example SERVFAIL\n"};
        struct auth_dmarc_facts facts;
        struct strbuf dns;
        int lines = 0;
        strbuf_init(&dns, TEXT_BYTES);
        judge(dmarc, &row, &facts, &dns);
        for (size_t k = 0; k < dns.len; k++)
            lines += dns.data[k] == '\n';
        tap_is_int(lines, question_rows[i].want, question_rows[i].name);
        strbuf_clear(&dns);
    }
}

/* A forgery below a domain with a policy fails, however long its name is. */
static void test_brief(struct auth_dmarc *dmarc)
{
    struct auth_dmarc_facts facts;
    struct row row = {"", "a.b.c.d.e.f.g.h.example.com", WALK, FAIL, "_dmarc.example.com " REJECT};
    judge(dmarc, &row, &facts, NULL);
    tap_is_int(facts.result, FAIL, "forgery with a long name fails");
    tap_is_string(facts.policy_domain.name, "example.com", "by the organisational domain's policy");
}

/* "_dmarc." would make the name longer than the DNS can hold: that name is passed over. */
static void test_long_author(struct auth_dmarc *dmarc)
{
    char author[DOMAIN_MAX_BYTES + 1] = "";
    for (int i = 0; i < 120; i++)
        memcpy(author + 2 * i, "a.", 2);
    memcpy(author + 240, "example.com", 12);
    struct auth_dmarc_facts facts;
    struct row row = {"", author, WALK, PASS, "_dmarc.a.a.example.com " REJECT};
    judge(dmarc, &row, &facts, NULL);
    tap_is_string(facts.policy_domain.name, "a.a.example.com", "longest author");
}

static void test_evidence(struct auth_dmarc *dmarc)
{
    struct row row = {"", "mail.example.com", WALK, PASS,
                      "_dmarc.example.com 60 TXT \"v=DMARC1; p=reject\"\n_dmarc.mail.example.com SECURE\n"};
    struct auth_dmarc_facts facts;
    struct strbuf dns;
    strbuf_init(&dns, TEXT_BYTES);
    judge(dmarc, &row, &facts, &dns);
    tap_is_string(strbuf_string(&dns),
                  "_dmarc.mail.example.com SECURE\n_dmarc.example.com 60 TXT \"v=DMARC1; p=reject\"\n"
                  "# _dmarc.com has no TXT record\n",
                  "the answers used, absent ones too");
    strbuf_clear(&dns);
}

/* The outcome of one mail during which allocation number n fails. */
static enum outcome judge_starved(struct auth_dmarc *dmarc, struct resolver *r, const struct domain *author,
                                  long n, struct auth_dmarc_facts *facts)
{
    struct strbuf dns;
    enum outcome outcome = OUTCOME_INTERNAL;
    strbuf_init(&dns, TEXT_BYTES);
    starve_begin(n);
    struct auth_dmarc_check *check = auth_dmarc_start(dmarc, author, BOTH, r);
    if (check != NULL)
        outcome = auth_dmarc_finish(check, PASS, deadline_in(1000), facts, &dns);
    auth_dmarc_check_free(check);
    strbuf_clear(&dns);
    return outcome;
}

static void test_starved(struct auth_dmarc *dmarc)
{
    struct auth_dmarc_facts facts;
    struct domain author = {.name = "a.b.example.com"};
    struct resolver *r = load("_dmarc.example.com " REJECT);
    long n = 0;
    while (judge_starved(dmarc, r, &author, n, &facts) != OUTCOME_OK && n < 1000)
        n++;
    bool is_fed = starve_end();
    tap_ok(n > 8 && is_fed, "each of %ld allocations failing once is an internal error", n);
    tap_is_int(facts.result, PASS, "and with enough memory the mail passes");
    resolver_free(r);
}

int main(void)
{
    struct auth_dmarc *dmarc = auth_dmarc_new();
    if (!tap_ok(dmarc != NULL, "starts: %s", auth_dmarc_library_text()))
        return tap_done();
    test_cases(dmarc);
    test_questions(dmarc);
    test_brief(dmarc);
    test_long_author(dmarc);
    test_evidence(dmarc);
    test_starved(dmarc);
    auth_dmarc_free(dmarc);
    auth_dmarc_free(NULL);
    auth_dmarc_check_free(NULL);
    return tap_done();
}
