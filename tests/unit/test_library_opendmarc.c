/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's libopendmarc does, right or wrong: auth_dmarc is built around it. A row that fails
 * after an upgrade asks for a look at auth_dmarc, not only for a new expectation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <opendmarc/dmarc.h>

#include "dns_server.h"
#include "tap.h"

/* Exported, and in no header that is installed. */
int opendmarc_get_tld(u_char *domain, u_char *tld, size_t tld_len);
u_char *opendmarc_util_cleanup(u_char *str, u_char *buf, size_t buflen);

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define LIST_FILE   "/usr/share/publicsuffix/public_suffix_list.dat"

enum {
    TEXT_BYTES = 512,
    OUTCOME_PASS = DMARC_POLICY_DKIM_OUTCOME_PASS,
    OUTCOME_FAIL = DMARC_POLICY_DKIM_OUTCOME_FAIL,
};

/* The library wants writable unsigned char. */
struct text {
    unsigned char bytes[TEXT_BYTES];
};

static struct text text(const char *s)
{
    struct text copy;
    (void)snprintf((char *)copy.bytes, sizeof copy.bytes, "%s", s);
    return copy;
}

static DMARC_POLICY_T *connect_init(void)
{
    struct text address = text("192.0.2.1");
    DMARC_POLICY_T *ctx = opendmarc_policy_connect_init(address.bytes, 0);
    if (ctx == NULL)
        abort();
    return ctx;
}

static int store_dkim(DMARC_POLICY_T *ctx, const char *domain, int outcome)
{
    struct text d = text(domain), s = text("s"), why = text("why");
    return opendmarc_policy_store_dkim(ctx, d.bytes, s.bytes, outcome, why.bytes);
}

static int store_record(DMARC_POLICY_T *ctx, const char *record, const char *domain)
{
    struct text r = text(record), d = text(domain);
    return opendmarc_policy_store_dmarc(ctx, r.bytes, d.bytes, NULL);
}

struct signature {
    const char *domain; /* NULL: no signature */
    int outcome;
};

struct verdict_row {
    const char *name, *record, *from;
    struct signature signatures[2];
    int want;
};

/* With and without the public suffix list. */
static const struct verdict_row verdict_rows[] = {
    {"exact domain", "v=DMARC1; p=reject", "example.com", {{"example.com", OUTCOME_PASS}}, DMARC_POLICY_PASS},
    {"exact domain, strict",
     "v=DMARC1; p=reject; adkim=s",
     "example.com",
     {{"example.com", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    {"exact domain fails",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.com", OUTCOME_FAIL}},
     DMARC_POLICY_REJECT},
    {"no signature, reject", "v=DMARC1; p=reject", "example.com", {{NULL, 0}}, DMARC_POLICY_REJECT},
    {"no signature, quarantine",
     "v=DMARC1; p=quarantine",
     "example.com",
     {{NULL, 0}},
     DMARC_POLICY_QUARANTINE},
    {"no signature, none", "v=DMARC1; p=none", "example.com", {{NULL, 0}}, DMARC_POLICY_NONE},
    {"another domain",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.net", OUTCOME_PASS}},
     DMARC_POLICY_REJECT},
    {"subdomain, relaxed",
     "v=DMARC1; p=reject",
     "example.com",
     {{"mail.example.com", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    {"trailing dot",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.com.", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    /* 21: wrong */
    {"owner by tenant",
     "v=DMARC1; p=reject",
     "github.io",
     {{"alice.github.io", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    {"tenant by owner",
     "v=DMARC1; p=reject",
     "alice.github.io",
     {{"github.io", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    {"by a public suffix", "v=DMARC1; p=reject", "example.com", {{"com", OUTCOME_PASS}}, DMARC_POLICY_PASS},
    {"by co.uk", "v=DMARC1; p=reject", "example.co.uk", {{"co.uk", OUTCOME_PASS}}, DMARC_POLICY_PASS},
    /* 23: wrong */
    {"subdomain passes, then exact fails",
     "v=DMARC1; p=reject",
     "example.com",
     {{"mail.example.com", OUTCOME_PASS}, {"example.com", OUTCOME_FAIL}},
     DMARC_POLICY_REJECT},
    {"exact fails, then subdomain passes",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.com", OUTCOME_FAIL}, {"mail.example.com", OUTCOME_PASS}},
     DMARC_POLICY_PASS},
    {"subdomain passes, then subdomain fails",
     "v=DMARC1; p=reject",
     "example.com",
     {{"mail.example.com", OUTCOME_PASS}, {"mail.example.com", OUTCOME_FAIL}},
     DMARC_POLICY_REJECT},
    {"exact passes, then fails",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.com", OUTCOME_PASS}, {"example.com", OUTCOME_FAIL}},
     DMARC_POLICY_PASS},
    {"unaligned passes, exact fails",
     "v=DMARC1; p=reject",
     "example.com",
     {{"example.net", OUTCOME_PASS}, {"example.com", OUTCOME_FAIL}},
     DMARC_POLICY_REJECT},
};

/* 20 and the table: what a public suffix list makes of it. It does not help. */
struct list_row {
    const char *name, *record, *from, *signer;
    int without, with;
};

static const struct list_row list_rows[] = {
    {"20: strict, a subdomain", "v=DMARC1; p=reject; adkim=s", "example.com", "mail.example.com",
     DMARC_POLICY_REJECT, DMARC_POLICY_PASS},
    {"two tenants", "v=DMARC1; p=reject", "a.github.io", "b.github.io", DMARC_POLICY_PASS, DMARC_POLICY_PASS},
    {"two owners below *.ck", "v=DMARC1; p=reject", "v.x.ck", "w.y.ck", DMARC_POLICY_REJECT,
     DMARC_POLICY_PASS},
};

struct record_row {
    const char *name, *record;
    int store, enforce; /* with no signature */
};

static const struct record_row record_rows[] = {
    {"upper case", "V=DMARC1; P=REJECT", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"25: something before the version", "hello v=DMARC1; p=reject", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"25: version not first", "p=reject; v=DMARC1", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"no version", "p=reject", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"another version", "v=DMARC2; p=reject", DMARC_PARSE_ERROR_BAD_VERSION, DMARC_POLICY_ABSENT},
    {"no p, rua", "v=DMARC1; sp=none; rua=mailto:a@example.com", DMARC_PARSE_ERROR_NO_REQUIRED_P,
     DMARC_POLICY_ABSENT},
    {"unknown p, rua", "v=DMARC1; p=foo; rua=mailto:a@example.com", DMARC_PARSE_ERROR_BAD_VALUE,
     DMARC_POLICY_ABSENT},
    {"shortened p", "v=DMARC1; p=r", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"p twice", "v=DMARC1; p=none; p=reject", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"31: np, psd and t", "v=DMARC1; p=reject; np=none; psd=y; t=y", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"31: empty rua leaves half a record", "v=DMARC1; p=reject; rua=,", DMARC_PARSE_ERROR_BAD_VALUE,
     DMARC_POLICY_REJECT},
    {"pct=0", "v=DMARC1; p=reject; pct=0", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"pct=101 leaves half a record", "v=DMARC1; p=reject; pct=101", DMARC_PARSE_ERROR_BAD_VALUE,
     DMARC_POLICY_REJECT},
    {"31: rua of no scheme", "v=DMARC1; p=reject; rua=nonsense", DMARC_PARSE_OKAY, DMARC_POLICY_REJECT},
    {"unknown adkim leaves half a record", "v=DMARC1; p=reject; adkim=x", DMARC_PARSE_ERROR_BAD_VALUE,
     DMARC_POLICY_REJECT},
    {"empty", "", DMARC_PARSE_ERROR_EMPTY, DMARC_POLICY_ABSENT},
};

static int enforce(const char *record, const char *from, const struct signature signatures[2])
{
    DMARC_POLICY_T *ctx = connect_init();
    if (store_record(ctx, record, from) != DMARC_PARSE_OKAY)
        abort();
    for (int i = 0; i < 2; i++)
        if (signatures[i].domain != NULL && store_dkim(ctx, signatures[i].domain, signatures[i].outcome) != 0)
            tap_note("store_dkim refuses %s", signatures[i].domain);
    int got = opendmarc_get_policy_to_enforce(ctx);
    (void)opendmarc_policy_connect_shutdown(ctx);
    return got;
}

static void test_verdicts(const char *mode)
{
    for (size_t i = 0; i < ROWS(verdict_rows); i++) {
        const struct verdict_row *row = &verdict_rows[i];
        char name[TEXT_BYTES];
        (void)snprintf(name, sizeof name, "%s: %s", mode, row->name);
        tap_is_int(enforce(row->record, row->from, row->signatures), row->want, name);
    }
}

static void test_lists(bool has_list)
{
    for (size_t i = 0; i < ROWS(list_rows); i++) {
        const struct list_row *row = &list_rows[i];
        const struct signature signatures[2] = {{row->signer, OUTCOME_PASS}};
        char name[TEXT_BYTES];
        (void)snprintf(name, sizeof name, "%s: %s", has_list ? "with the list" : "without the list",
                       row->name);
        tap_is_int(enforce(row->record, row->from, signatures), has_list ? row->with : row->without, name);
    }
}

static void test_records(void)
{
    for (size_t i = 0; i < ROWS(record_rows); i++) {
        DMARC_POLICY_T *ctx = connect_init();
        struct text from = text("example.com");
        (void)opendmarc_policy_store_from_domain(ctx, from.bytes);
        tap_is_int(store_record(ctx, record_rows[i].record, "example.com"), record_rows[i].store,
                   record_rows[i].name);
        tap_is_int(opendmarc_get_policy_to_enforce(ctx), record_rows[i].enforce, record_rows[i].name);
        (void)opendmarc_policy_connect_shutdown(ctx);
    }
}

/* 24: a signature that is stored before the record is chosen by relaxed rules, whatever adkim= says. */
static void test_order(void)
{
    DMARC_POLICY_T *ctx = connect_init();
    struct text from = text("example.com");
    (void)opendmarc_policy_store_from_domain(ctx, from.bytes);
    tap_is_int(store_dkim(ctx, "mail.example.com", OUTCOME_PASS), DMARC_PARSE_OKAY,
               "24: signature before record");
    tap_is_int(store_dkim(ctx, "example.net", OUTCOME_PASS), DMARC_PARSE_OKAY, "24: and another one");
    tap_is_int(store_record(ctx, "v=DMARC1; p=reject", "example.com"), DMARC_PARSE_OKAY, "24: record");
    tap_is_int(opendmarc_get_policy_to_enforce(ctx), DMARC_POLICY_PASS, "24: verdict");
    (void)opendmarc_policy_connect_shutdown(ctx);
    ctx = connect_init();
    tap_is_int(store_dkim(ctx, "example.com", OUTCOME_PASS), DMARC_FROM_DOMAIN_ABSENT,
               "signature before From");
    (void)opendmarc_policy_connect_shutdown(ctx);
}

/* The second argument of store_dmarc becomes the From domain, whatever it is. */
static void test_from(void)
{
    unsigned char got[TEXT_BYTES] = "";
    DMARC_POLICY_T *ctx = connect_init();
    struct text from = text("example.com");
    (void)opendmarc_policy_store_from_domain(ctx, from.bytes);
    (void)store_record(ctx, "v=DMARC1; p=none", "Alice <a@example.net>");
    tap_is_int(opendmarc_policy_fetch_from_domain(ctx, got, sizeof got), DMARC_PARSE_OKAY,
               "From after store_dmarc");
    tap_is_string((const char *)got, "Alice <a@example.net>", "From after store_dmarc: verbatim");
    (void)opendmarc_policy_connect_shutdown(ctx);
}

struct from_row {
    const char *field, *want;
};

/* 8 and 27: header text is read in a way of its own, so it must never get any. */
static const struct from_row from_rows[] = {
    {"example.com", "example.com"},
    {"example.com.", "example.com"},
    {"\"x <a@evil.example>\"@good.example", "evil.example"},
    {"x <a@evil.example> <b@good.example>", "good.example"},
    {"a@good.example (<b@evil.example>)", "evil.example"},
    {"a@good.example>", "good.example>"},
    {"\"a\\\"b\"@good.example", "b"},
};

static void test_from_fields(void)
{
    for (size_t i = 0; i < ROWS(from_rows); i++) {
        unsigned char got[TEXT_BYTES] = "";
        DMARC_POLICY_T *ctx = connect_init();
        struct text from = text(from_rows[i].field);
        (void)opendmarc_policy_store_from_domain(ctx, from.bytes);
        (void)opendmarc_policy_fetch_from_domain(ctx, got, sizeof got);
        tap_is_string((const char *)got, from_rows[i].want, from_rows[i].field);
        (void)opendmarc_policy_connect_shutdown(ctx);
    }
}

static void test_u_labels(void)
{
    DMARC_POLICY_T *ctx = connect_init();
    (void)store_record(ctx, "v=DMARC1; p=reject",
                       "b\xc3\xbc"
                       "cher.example");
    tap_is_int(store_dkim(ctx,
                          "b\xc3\xbc"
                          "cher.example",
                          OUTCOME_PASS),
               DMARC_PARSE_ERROR_BAD_VALUE, "d= in UTF-8");
    tap_is_int(store_dkim(ctx, "xn--bcher-kva.example", OUTCOME_PASS), DMARC_PARSE_OKAY, "d= as A-labels");
    tap_is_int(opendmarc_get_policy_to_enforce(ctx), DMARC_POLICY_REJECT, "no IDNA: not aligned");
    (void)opendmarc_policy_connect_shutdown(ctx);
}

/* 21 and the table: organisational domains by the library itself, with the list. */
static void test_org_domains(void)
{
    static const struct {
        const char *domain, *want;
    } rows[] = {
        {"mail.example.com", "example.com"},    {"a.github.io", "github.io"},       {"x.y.ck", "y.ck"},
        {"a.b.c.kawasaki.jp", "c.kawasaki.jp"}, {"example.co.uk", "example.co.uk"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char got[TEXT_BYTES] = "";
        struct text domain = text(rows[i].domain);
        (void)opendmarc_get_tld(domain.bytes, got, sizeof got);
        tap_is_string((const char *)got, rows[i].want, rows[i].domain);
    }
}

/* 28: upstream 1.4.2 writes behind a buffer that is filled to its end; Debian's does not. */
static void test_cleanup(void)
{
    unsigned char out[8] = "";
    struct text seven = text("1234567"), eight = text("12345678");
    tap_ok(opendmarc_util_cleanup(seven.bytes, out, sizeof out) != NULL, "28: one byte is left for the end");
    tap_ok(opendmarc_util_cleanup(eight.bytes, out, sizeof out) == NULL, "28: none is left: refused");
}

static int query(const char *domain)
{
    DMARC_POLICY_T *ctx = connect_init();
    struct text d = text(domain);
    int got = opendmarc_policy_query_dmarc(ctx, d.bytes);
    (void)opendmarc_policy_connect_shutdown(ctx);
    return got;
}

/* 25: RFC 9989 wants both discarded. */
static void test_two_records(void)
{
    DMARC_POLICY_T *ctx = connect_init();
    struct text domain = text("policies.com");
    tap_is_int(opendmarc_policy_query_dmarc(ctx, domain.bytes), DMARC_PARSE_OKAY, "25: two records");
    tap_is_int(opendmarc_get_policy_to_enforce(ctx), DMARC_POLICY_NONE, "25: the first one counts");
    (void)opendmarc_policy_connect_shutdown(ctx);
}

/* 22: its own look-ups, which we never let it do. */
static void test_look_ups(OPENDMARC_LIB_T *options)
{
    struct dns_server server;
    if (!dns_server_start(&server, 0)) {
        tap_skip("22: look-ups of the library", "no loopback");
        return;
    }
    options->nscount = 1;
    options->nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET,
                                                   .sin_port = htons((unsigned short)server.port),
                                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    tap_is_int(opendmarc_policy_library_init(options), DMARC_PARSE_OKAY, "starts with a name server");
    tap_is_int(query("dmarc.com"), DMARC_PARSE_OKAY, "22: a record");
    tap_is_int(query("nx.com"), DMARC_DNS_ERROR_NO_RECORD, "22: none");
    tap_is_int(query("servfail.nx.com"), DMARC_DNS_ERROR_NO_RECORD, "22: SERVFAIL, then none: told as none");
    tap_is_int(query("servfail.dmarc.com"), DMARC_PARSE_OKAY,
               "22: SERVFAIL, then the parent's: the parent's");
    tap_is_int(query("nx.dmarc.com"), DMARC_PARSE_OKAY, "26: none, then the parent's");
    tap_is_int(query("nx.dmarc.unlisted"), DMARC_DNS_ERROR_NO_RECORD,
               "26: no default rule: below an unlisted top-level domain none");
    test_two_records();
    options->tld_type = OPENDMARC_TLD_TYPE_NONE;
    options->tld_source_file[0] = 0;
    (void)opendmarc_policy_library_shutdown(options);
    tap_is_int(opendmarc_policy_library_init(options), DMARC_PARSE_OKAY, "starts without the list");
    tap_is_int(query("nx.dmarc.com"), DMARC_DNS_ERROR_NO_RECORD,
               "26: without the list the parent is not asked");
    dns_server_stop(&server);
}

int main(void)
{
    OPENDMARC_LIB_T options;
    memset(&options, 0, sizeof options);
    tap_is_int(opendmarc_policy_library_init(&options), DMARC_PARSE_OKAY, "starts");
    tap_ok(opendmarc_policy_connect_init(NULL, 0) == NULL, "no address, no context");
    test_records();
    test_order();
    test_from();
    test_from_fields();
    test_u_labels();
    test_verdicts("without the list");
    test_lists(false);
    if (access(LIST_FILE, R_OK) != 0) {
        tap_skip("with the public suffix list", LIST_FILE " is missing");
        return tap_done();
    }
    options.tld_type = OPENDMARC_TLD_TYPE_MOZILLA;
    (void)snprintf((char *)options.tld_source_file, sizeof options.tld_source_file, "%s", LIST_FILE);
    tap_is_int(opendmarc_policy_library_init(&options), DMARC_PARSE_OKAY, "starts with the list");
    test_verdicts("with the list");
    test_lists(true);
    test_org_domains();
    test_cleanup();
    test_look_ups(&options);
    (void)opendmarc_policy_library_shutdown(&options);
    return tap_done();
}
