/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_dmarc.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { TEXT_BYTES = 65536 };

/* The linker sends the allocations of the code under test here: the one counted down to fails. */
static long allocations_left = -1;

void *__real_realloc(void *p, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool is_failing(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_failing() ? NULL : __real_realloc(p, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_failing() ? NULL : __real_calloc(count, size);
}

#define WALK    AUTH_DMARC_DISCOVERY_RFC9989
#define LIST    AUTH_DMARC_DISCOVERY_RFC7489
#define BOTH    AUTH_DMARC_DISCOVERY_BOTH
#define PASS    AUTH_RESULT_PASS
#define FAIL    AUTH_RESULT_FAIL
#define NONE    AUTH_RESULT_NONE
#define TEMP    AUTH_RESULT_TEMPERROR
#define PERM    AUTH_RESULT_PERMERROR
#define REJECT  "TXT \"v=DMARC1; p=reject\"\n"
#define OTHER   "_dmarc.example.com TXT \"x\"\n"
#define NOTHING "TXT \"v=DMARC1; p=none\"\n"

struct row {
    const char *name, *author;
    enum auth_dmarc_discovery method;
    enum auth_result dkim;
    const char *zone;
    const char *want; /* as describe() writes it */
};

static const struct row rows[] = {
    {"pass", "example.com", WALK, PASS, "_dmarc.example.com " REJECT, "pass reject example.com insecure"},
    {"pass, p=none", "example.com", WALK, PASS, "_dmarc.example.com " NOTHING,
     "pass none example.com insecure"},
    {"pass, strict and testing", "example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=DMARC1; p=quarantine; adkim=s; t=y\"\n",
     "pass quarantine example.com insecure strict testing"},
    {"fail", "example.com", WALK, FAIL, "_dmarc.example.com " REJECT,
     "fail reject example.com insecure: no signature of the author's domain passes"},
    {"no signature at all", "example.com", WALK, NONE, "_dmarc.example.com " NOTHING,
     "fail none example.com insecure: no signature of the author's domain passes"},
    {"a signature that may not be relied on", "example.com", WALK, AUTH_RESULT_POLICY,
     "_dmarc.example.com " REJECT,
     "fail reject example.com insecure: no signature of the author's domain passes"},
    {"nobody looked at DKIM", "example.com", WALK, AUTH_RESULT_UNKNOWN, "_dmarc.example.com " REJECT,
     "fail reject example.com insecure: no signature of the author's domain passes"},
    {"the key is unknown now", "example.com", WALK, TEMP, "_dmarc.example.com " REJECT,
     "temperror reject example.com insecure"},
    {"no record", "example.com", WALK, PASS, "", "none unknown - insecure"},
    {"no record, no signature", "example.com", WALK, FAIL, "", "none unknown - insecure"},
    {"no record, the key unknown", "example.com", WALK, TEMP, "", "none unknown - insecure"},
    {"other TXT records", "example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=spf1 -all\"\n_dmarc.example.com " REJECT "_dmarc.example.com TXT \"\"\n",
     "pass reject example.com insecure"},
    {"other TXT records only", "example.com", WALK, PASS,
     "_dmarc.example.com TXT \"hello v=DMARC1; p=reject\"\n", "none unknown - insecure"},

    /* Not known: never pass, never none, never somebody else's record. */
    {"SERVFAIL", "example.com", WALK, PASS, "_dmarc.example.com SERVFAIL\n",
     "temperror unknown - unknown failed: no answer: _dmarc.example.com"},
    {"time-out", "example.com", WALK, PASS, "_dmarc.example.com TIMEOUT\n",
     "temperror unknown - unknown failed: no answer: _dmarc.example.com"},
    {"bogus", "example.com", WALK, PASS, "_dmarc.example.com BOGUS\n",
     "temperror unknown - bogus failed bogus: DNSSEC validation failed: _dmarc.example.com"},
    {"SERVFAIL does not fall back to the parent", "mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com SERVFAIL\n_dmarc.example.com " REJECT,
     "temperror unknown - unknown failed: no answer: _dmarc.mail.example.com"},
    {"SERVFAIL does not fall back to the parent", "mail.example.com", LIST, PASS,
     "_dmarc.mail.example.com SERVFAIL\n_dmarc.example.com " REJECT,
     "temperror unknown - unknown failed: no answer: _dmarc.mail.example.com"},
    {"SERVFAIL then no record", "mail.example.com", BOTH, PASS, "_dmarc.mail.example.com SERVFAIL\n",
     "temperror unknown - unknown failed: no answer: _dmarc.mail.example.com"},
    {"the parent fails", "mail.example.com", WALK, PASS, "_dmarc.example.com SERVFAIL\n",
     "temperror unknown - unknown failed: no answer: _dmarc.example.com"},
    {"the parent fails", "mail.example.com", LIST, FAIL, "_dmarc.example.com BOGUS\n",
     "temperror unknown - bogus failed bogus: DNSSEC validation failed: _dmarc.example.com"},
    {"a name higher up fails, which could hold a record", "mail.example.com", WALK, PASS,
     "_dmarc.example.com " REJECT "_dmarc.com SERVFAIL\n",
     "temperror unknown - unknown failed: no answer: _dmarc.com"},
    {"a name fails above psd=n", "mail.example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.com SERVFAIL\n",
     "pass reject example.com insecure"},
    {"a name fails above the author's record", "example.com", WALK, PASS,
     "_dmarc.example.com " REJECT "_dmarc.com SERVFAIL\n", "pass reject example.com insecure"},

    /* Broken records */
    {"two records", "example.com", WALK, PASS, "_dmarc.example.com " REJECT "_dmarc.example.com " NOTHING,
     "permerror unknown example.com insecure broken: several records: _dmarc.example.com"},
    {"two records, one of them broken", "example.com", WALK, FAIL,
     "_dmarc.example.com " REJECT "_dmarc.example.com TXT \"v=DMARC1\"\n",
     "permerror unknown example.com insecure broken: several records: _dmarc.example.com"},
    {"three records", "example.com", LIST, PASS,
     "_dmarc.example.com " REJECT "_dmarc.example.com " REJECT "_dmarc.example.com " REJECT,
     "permerror unknown example.com insecure broken: several records: _dmarc.example.com"},
    {"malformed", "example.com", WALK, PASS, "_dmarc.example.com TXT \"v=DMARC1; p=reject; p=none\"\n",
     "permerror unknown example.com insecure broken: a tag occurs twice: _dmarc.example.com"},
    {"p=foo and rua", "example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=DMARC1; p=foo; rua=mailto:a@example.com\"\n",
     "pass none example.com insecure"},
    {"two records do not fall back to the parent", "mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com " REJECT "_dmarc.mail.example.com " REJECT "_dmarc.example.com " REJECT,
     "permerror unknown mail.example.com insecure broken: several records: _dmarc.mail.example.com"},
    {"two records at the parent", "mail.example.com", WALK, PASS,
     "_dmarc.example.com " REJECT "_dmarc.example.com " NOTHING,
     "permerror unknown example.com insecure broken: several records: _dmarc.example.com"},
    {"two records above the organisational domain are none", "mail.example.com", WALK, PASS,
     "_dmarc.com " REJECT "_dmarc.com " REJECT "_dmarc.example.com " REJECT,
     "pass reject example.com insecure"},
    {"two records between", "a.b.example.com", WALK, PASS,
     "_dmarc.b.example.com " REJECT "_dmarc.b.example.com " REJECT "_dmarc.example.com " REJECT,
     "permerror unknown b.example.com insecure broken: several records: _dmarc.b.example.com"},

    {"more records than are kept", "example.com", WALK, PASS,
     OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER
     "_dmarc.example.com " REJECT,
     "permerror unknown example.com insecure broken: too many TXT records: _dmarc.example.com"},

    /* RFC 9989 section 4.10 and its examples */
    {"parent", "mail.example.com", WALK, PASS, "_dmarc.example.com " REJECT,
     "pass reject example.com insecure"},
    {"parent: sp", "mail.example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=none; np=reject\"\n", "pass none example.com insecure"},
    {"author: p, not sp", "example.com", WALK, PASS,
     "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=none\"\n", "pass reject example.com insecure"},
    {"author before parent", "mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com " NOTHING "_dmarc.example.com " REJECT, "pass none mail.example.com insecure"},
    {"the fewest labels", "a.mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com " NOTHING "_dmarc.example.com " REJECT, "pass reject example.com insecure"},
    {"psd=n ends the walk", "a.mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=quarantine; psd=n\"\n_dmarc.example.com " REJECT,
     "pass quarantine mail.example.com insecure"},
    {"psd=y: the domain one label below", "a.mail.example.com", WALK, PASS,
     "_dmarc.example.com " REJECT "_dmarc.com TXT \"v=DMARC1; p=none; psd=y\"\n",
     "pass reject example.com insecure"},
    {"psd=y: one label below without a record", "a.mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com " NOTHING "_dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"\n",
     "pass reject com insecure"},
    {"psd=y, sp", "example.com", WALK, PASS, "_dmarc.com TXT \"v=DMARC1; p=reject; sp=quarantine; psd=y\"\n",
     "pass quarantine com insecure"},
    {"psd=y below the top", "a.b.co.example", WALK, PASS,
     "_dmarc.b.co.example " REJECT
     "_dmarc.co.example TXT \"v=DMARC1; p=none; psd=y\"\n_dmarc.example " NOTHING,
     "pass reject b.co.example insecure"},
    {"eight labels", "a.b.c.d.e.f.example.com", WALK, PASS, "_dmarc.b.c.d.e.f.example.com " REJECT,
     "pass reject b.c.d.e.f.example.com insecure"},
    {"nine labels: two are passed over", "a.b.c.d.e.f.g.example.com", WALK, PASS,
     "_dmarc.b.c.d.e.f.g.example.com " REJECT, "none unknown - insecure"},
    {"nine labels: seven are looked at", "a.b.c.d.e.f.g.example.com", WALK, PASS,
     "_dmarc.c.d.e.f.g.example.com " REJECT, "pass reject c.d.e.f.g.example.com insecure"},
    {"the example of thirteen labels", "a.b.c.d.e.f.g.h.i.j.mail.example.com", WALK, PASS,
     "_dmarc.f.g.h.i.j.mail.example.com " NOTHING "_dmarc.g.h.i.j.mail.example.com " REJECT,
     "pass reject g.h.i.j.mail.example.com insecure"},

    /* RFC 7489 */
    {"list: organisational domain", "a.mail.example.co.uk", LIST, PASS,
     "_dmarc.mail.example.co.uk " NOTHING "_dmarc.example.co.uk " REJECT "_dmarc.co.uk " NOTHING,
     "pass reject example.co.uk insecure"},
    {"list: a tenant has no parent", "alice.github.io", LIST, PASS, "_dmarc.github.io " REJECT,
     "none unknown - insecure"},
    {"list: a public suffix as author", "github.io", LIST, PASS, "_dmarc.github.io " REJECT,
     "pass reject github.io insecure"},
    {"list: sp", "mail.example.com", LIST, PASS, "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=reject\"\n",
     "pass reject example.com insecure"},
    {"list: pct=0", "example.com", LIST, PASS, "_dmarc.example.com TXT \"v=DMARC1; p=reject; pct=0\"\n",
     "pass reject example.com insecure testing"},
    {"walk: pct is gone", "example.com", WALK, PASS, "_dmarc.example.com TXT \"v=DMARC1; p=reject; pct=0\"\n",
     "pass reject example.com insecure"},

    /* Both */
    {"both agree", "mail.example.com", BOTH, PASS, "_dmarc.example.com " REJECT,
     "pass reject example.com insecure"},
    {"both: only the walk finds one", "alice.github.io", BOTH, PASS, "_dmarc.github.io " REJECT,
     "pass reject github.io insecure: rfc9989: reject; rfc7489: no record"},
    {"both: the walk's is stricter", "a.mail.example.com", BOTH, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.example.com " NOTHING,
     "pass reject mail.example.com insecure: rfc9989: reject; rfc7489: none"},
    {"both: the list's is stricter", "a.mail.example.com", BOTH, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=none; psd=n\"\n_dmarc.example.com " REJECT,
     "pass reject example.com insecure: rfc9989: none; rfc7489: reject"},
    {"both: only the list's fails", "a.mail.example.com", BOTH, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=none; psd=n\"\n_dmarc.example.com SERVFAIL\n",
     "temperror unknown - unknown failed: no answer: _dmarc.example.com"},

    /* DNSSEC: the worst of what the answer rests on */
    {"secure", "example.com", WALK, PASS, "_dmarc.example.com " REJECT "_dmarc.example.com SECURE\n",
     "pass reject example.com secure"},
    {"absence not proven, parent secure", "mail.example.com", WALK, PASS,
     "_dmarc.example.com " REJECT "_dmarc.example.com SECURE\n_dmarc.com SECURE\n",
     "pass reject example.com insecure"},
    {"absence proven all the way", "mail.example.com", WALK, PASS,
     "_dmarc.example.com " REJECT
     "_dmarc.mail.example.com SECURE\n_dmarc.example.com SECURE\n_dmarc.com SECURE\n",
     "pass reject example.com secure"},
    {"absence of any record proven", "example.com", WALK, PASS,
     "_dmarc.example.com SECURE\n_dmarc.com SECURE\n", "none unknown - secure"},
    {"both: it rests on the answers of both", "a.mail.example.com", BOTH, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.mail.example.com SECURE\n"
     "_dmarc.a.mail.example.com SECURE\n_dmarc.com SECURE\n",
     "pass reject mail.example.com insecure: rfc9989: reject; rfc7489: no record"},
    {"psd=n: what stands above does not matter", "a.mail.example.com", WALK, PASS,
     "_dmarc.mail.example.com TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.mail.example.com SECURE\n"
     "_dmarc.a.mail.example.com SECURE\n",
     "pass reject mail.example.com secure"},
    {"list: absence proven", "mail.example.com", LIST, PASS,
     "_dmarc.example.com " REJECT "_dmarc.mail.example.com SECURE\n_dmarc.example.com SECURE\n",
     "pass reject example.com secure"},
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
    if (f->detail[0] != '\0')
        (void)strbuf_append_format(out, ": %s", f->detail);
}

static void judge(struct auth_dmarc *dmarc, const struct row *row, struct auth_dmarc_facts *facts,
                  struct strbuf *dns)
{
    struct domain author;
    struct resolver *r = load(row->zone);
    (void)snprintf(author.name, sizeof author.name, "%s", row->author);
    struct auth_dmarc_check *check = auth_dmarc_start(dmarc, &author, row->method, r);
    if (check == NULL || auth_dmarc_finish(check, row->dkim, deadline_in(1000), facts, dns) != OUTCOME_OK)
        abort();
    auth_dmarc_check_free(check);
    resolver_free(r);
}

static void test_rows(struct auth_dmarc *dmarc)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct auth_dmarc_facts facts;
        struct strbuf got;
        strbuf_init(&got, 1024);
        judge(dmarc, &rows[i], &facts, NULL);
        describe(&facts, &got);
        tap_is_string(strbuf_string(&got), rows[i].want, rows[i].name);
        strbuf_clear(&got);
    }
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
        struct row row = {question_rows[i].name, question_rows[i].author,        question_rows[i].method,
                          question_rows[i].dkim, "unrelated.example SERVFAIL\n", NULL};
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
    struct row row = {"", "a.b.c.d.e.f.g.h.example.com", WALK, FAIL, "_dmarc.example.com " REJECT, NULL};
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
    struct row row = {"", author, WALK, PASS, "_dmarc.a.a.example.com " REJECT, NULL};
    judge(dmarc, &row, &facts, NULL);
    tap_is_string(facts.policy_domain.name, "a.a.example.com", "longest author");
}

static void test_evidence(struct auth_dmarc *dmarc)
{
    struct row row = {"",
                      "mail.example.com",
                      WALK,
                      PASS,
                      "_dmarc.example.com 60 TXT \"v=DMARC1; p=reject\"\n_dmarc.mail.example.com SECURE\n",
                      NULL};
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
    allocations_left = n;
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
    tap_ok(n > 8 && allocations_left >= 0, "each of %ld allocations failing once is an internal error", n);
    tap_is_int(facts.result, PASS, "and with enough memory the mail passes");
    allocations_left = -1;
    resolver_free(r);
}

int main(void)
{
    struct auth_dmarc *dmarc = auth_dmarc_new();
    if (!tap_ok(dmarc != NULL, "starts: %s", auth_dmarc_library_text()))
        return tap_done();
    test_rows(dmarc);
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
