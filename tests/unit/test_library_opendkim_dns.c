/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's libopendkim makes of DNS by its own resolver, which we keep it from (resolver, and
 * dkim_set_key_lookup in signature_verifier). The numbers are those of the failures that the design rests on;
 * a failure here after an upgrade means: read what the row names again.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "dns_server.h"
#include "opendkim_signer.h"
#include "scratch.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { ANSWER_BYTES = 8192 /* the library's buffer */ };

struct outcome_seen {
    int eoh, eom, error, dnssec, next_dnssec; /* next: of the second signature */
    bool is_passed, says_truncated;
};

static const char *const mail_fields[] = {"From: Alice <alice@example.com>", "Subject: x", NULL};
static const char mail_body[] = "text\r\n";

static struct opendkim_signer_text sign(const char *selector)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    struct opendkim_signer_text field = opendkim_signer_sign(library, selector, mail_fields, mail_body);
    dkim_close(library);
    return field;
}

/* copies: of the signature, which names one key. */
static struct outcome_seen verify(DKIM_LIB *library, const char *selector, int copies)
{
    struct opendkim_signer_text signature = sign(selector);
    struct outcome_seen seen = {.error = -1};
    DKIM_SIGINFO **signatures;
    DKIM_STAT status;
    int count = 0;
    DKIM *dkim = dkim_verify(library, (const unsigned char *)"t", NULL, &status);
    if (dkim == NULL)
        abort();
    for (int i = 0; i < copies; i++)
        (void)opendkim_signer_feed(dkim, signature.bytes, "");
    for (size_t i = 0; mail_fields[i] != NULL; i++)
        (void)opendkim_signer_feed(dkim, mail_fields[i], "");
    seen.eoh = dkim_eoh(dkim);
    opendkim_signer_feed_body(dkim, mail_body);
    seen.eom = dkim_eom(dkim, NULL);
    if (dkim_getsiglist(dkim, &signatures, &count) == DKIM_STAT_OK && count == copies) {
        seen.error = dkim_sig_geterror(signatures[0]);
        seen.dnssec = dkim_sig_getdnssec(signatures[0]);
        seen.next_dnssec = dkim_sig_getdnssec(signatures[count - 1]);
        seen.is_passed = DKIM_SIG_CHECK(signatures[0]) && seen.error == DKIM_SIGERROR_OK;
    }
    const char *why = dkim_geterror(dkim);
    seen.says_truncated = why != NULL && strstr(why, "truncated") != NULL;
    (void)dkim_free(dkim);
    return seen;
}

static void ask_server(struct __res_state *state, const struct dns_server *server)
{
    state->nscount = 1;
    state->nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET,
                                                 .sin_port = htons((unsigned short)server->port),
                                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* The library's resolver as it is, with our server in place of those of /etc/resolv.conf. */
static DKIM_LIB *stock_library(const struct dns_server *server)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (library == NULL || dkim_dns_init(library) != DKIM_DNS_SUCCESS)
        abort();
    struct __res_state *state = dkim_dns_set_query_service(library, NULL);
    if (state == NULL)
        abort();
    ask_server(state, server);
    (void)dkim_dns_set_query_service(library, state);
    return library;
}

struct row {
    const char *selector, *name;
    int eom, error;
};

static void is_row(struct outcome_seen seen, const struct row *row)
{
    tap_ok(seen.eom == row->eom && seen.error == row->error, "%s: eom %d, error %d", row->name, seen.eom,
           seen.error);
}

static void test_stock_resolver(const struct dns_server *server)
{
    static const struct row rows[] = {
        {"given", "a key", DKIM_STAT_OK, DKIM_SIGERROR_OK},
        {"alias-given", "a CNAME to a key is followed", DKIM_STAT_OK, DKIM_SIGERROR_OK},
        {"nx", "2: NXDOMAIN is temporary", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL},
        {"servfail", "2: SERVFAIL is the same", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL},
        {"nodata", "2: no TXT record is the same", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL},
        {"refused", "2: REFUSED is the same", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL},
        {"alias-nx", "a CNAME to nothing is a missing key", DKIM_STAT_NOKEY, DKIM_SIGERROR_NOKEY},
        {"alias-servfail", "2: a CNAME without its target too", DKIM_STAT_NOKEY, DKIM_SIGERROR_NOKEY},
        {"given-twice", "15: two records of one key", DKIM_STAT_CANTVRFY, DKIM_SIGERROR_MULTIREPLY},
        {"two", "15: two records", DKIM_STAT_CANTVRFY, DKIM_SIGERROR_MULTIREPLY},
        {"revoked", "an empty p=", DKIM_STAT_REVOKED, DKIM_SIGERROR_KEYREVOKED},
        {"empty", "an empty record", DKIM_STAT_CANTVRFY, DKIM_SIGERROR_DNSSYNTAX},
        {"overlong", "a string longer than its record", DKIM_STAT_CANTVRFY, DKIM_SIGERROR_DNSSYNTAX},
    };
    DKIM_LIB *library = stock_library(server);
    for (size_t i = 0; i < ROWS(rows); i++) {
        int before = server->asked;
        is_row(verify(library, rows[i].selector, 1), &rows[i]);
        tap_ok(server->asked > before, "%s: our server was asked", rows[i].name);
    }
    struct outcome_seen seen = verify(library, "by-tcp", 1);
    tap_ok(seen.error == DKIM_SIGERROR_KEYFAIL && seen.says_truncated,
           "4: an answer longer than its buffer is said to be truncated");
    dkim_close(library);
}

static void test_length(const struct dns_server *server)
{
    unsigned char answer[ANSWER_BYTES];
    struct __res_state state = {0};
    if (res_ninit(&state) != 0)
        abort();
    ask_server(&state, server);
    int len = res_nquery(&state, "by-tcp.example.com", ns_c_in, ns_t_txt, answer, sizeof answer);
    tap_ok(len > (int)sizeof answer, "4: res_nquery tells more bytes than the buffer has: %d", len);
    tap_ok((answer[2] & 2) != 0, "4: and sets TC, which alone keeps the library from reading on");
    res_nclose(&state);
}

/* What the functions in place of the library's resolver say; of the thread that verifies. */
static struct {
    int rcode, status, dnssec;
    size_t len;
    const char *text;
} scripted;

static void put_scripted_text(unsigned char *answer)
{
    size_t text_len = strlen(scripted.text);
    const unsigned char head[] = {
        0xc0, 12, 0, ns_t_txt, 0, 1, 0, 0, 0, 60, 0, (unsigned char)(text_len + 1), (unsigned char)text_len};
    memcpy(answer + scripted.len, head, sizeof head);
    memcpy(answer + scripted.len + sizeof head, scripted.text, text_len);
    answer[7] = 1;
    scripted.len += sizeof head + text_len;
}

static int start_scripted(void *service, int type, unsigned char *name, unsigned char *answer, size_t size,
                          void **query)
{
    (void)service;
    int len = res_mkquery(ns_o_query, (char *)name, ns_c_in, type, NULL, 0, NULL, answer, (int)size);
    if (len < 0)
        abort();
    answer[2] |= 0x80;
    answer[3] = (unsigned char)scripted.rcode;
    scripted.len = (size_t)len;
    if (scripted.text != NULL)
        put_scripted_text(answer);
    *query = answer;
    return DKIM_DNS_SUCCESS;
}

static int wait_scripted(void *service, void *query, struct timeval *limit, size_t *bytes, int *error,
                         int *dnssec)
{
    (void)service, (void)query, (void)limit;
    *bytes = scripted.len;
    *error = 0;
    *dnssec = scripted.dnssec;
    return scripted.status;
}

static int cancel_scripted(void *service, void *query)
{
    (void)service, (void)query;
    return 0;
}

static DKIM_LIB *scripted_library(void)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (library == NULL)
        abort();
    dkim_dns_set_query_start(library, start_scripted);
    dkim_dns_set_query_waitreply(library, wait_scripted);
    dkim_dns_set_query_cancel(library, cancel_scripted);
    return library;
}

static void test_hooks(void)
{
    static const struct {
        struct row row;
        int rcode, status;
    } rows[] = {
        {{"x", "hooks: NXDOMAIN", DKIM_STAT_NOKEY, DKIM_SIGERROR_NOKEY}, ns_r_nxdomain, DKIM_DNS_SUCCESS},
        {{"x", "hooks: SERVFAIL is a missing key too", DKIM_STAT_NOKEY, DKIM_SIGERROR_NOKEY},
         ns_r_servfail,
         DKIM_DNS_SUCCESS},
        {{"x", "hooks: an error", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL}, ns_r_noerror, DKIM_DNS_ERROR},
        {{"x", "hooks: expired", DKIM_STAT_KEYFAIL, DKIM_SIGERROR_KEYFAIL}, ns_r_noerror, DKIM_DNS_EXPIRED},
        {{"x", "hooks: \"no reply\" is read as one", DKIM_STAT_NOKEY, DKIM_SIGERROR_NOKEY},
         ns_r_noerror,
         DKIM_DNS_NOREPLY},
    };
    DKIM_LIB *library = scripted_library();
    for (size_t i = 0; i < ROWS(rows); i++) {
        scripted.rcode = rows[i].rcode;
        scripted.status = rows[i].status;
        scripted.dnssec = DKIM_DNSSEC_BOGUS;
        struct outcome_seen seen = verify(library, rows[i].row.selector, 1);
        is_row(seen, &rows[i].row);
        bool has_answer = rows[i].row.eom == DKIM_STAT_NOKEY;
        tap_is_int(seen.dnssec, has_answer ? DKIM_DNSSEC_BOGUS : DKIM_DNSSEC_UNKNOWN,
                   "DNSSEC is told with an answer only");
    }
    scripted.rcode = ns_r_noerror;
    scripted.status = DKIM_DNS_SUCCESS;
    scripted.dnssec = DKIM_DNSSEC_SECURE;
    scripted.text = "v=DKIM1; p=";
    struct outcome_seen seen = verify(library, "x", 2);
    tap_ok(seen.dnssec == DKIM_DNSSEC_SECURE && seen.next_dnssec == DKIM_DNSSEC_UNKNOWN,
           "DNSSEC of the second signature by one key is lost");
    dkim_close(library);
}

static void test_file(const struct opendkim_signer_text *key)
{
    static const struct row found = {"given", "a key from a file", DKIM_STAT_OK, DKIM_SIGERROR_OK};
    static const struct row missing = {"other", "a key missing from a file", DKIM_STAT_NOKEY,
                                       DKIM_SIGERROR_NOKEY};
    char folder[SCRATCH_PATH_BYTES];
    struct opendkim_signer_text line = {""}, path;
    dkim_query_t method = DKIM_QUERY_FILE;
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (library == NULL || !scratch_make(folder))
        abort();
    (void)snprintf(line.bytes, sizeof line.bytes, "given._domainkey.example.com %.2000s\n", key->bytes);
    (void)snprintf(path.bytes, sizeof path.bytes, "%s/keys", folder);
    (void)scratch_write(folder, "keys", line.bytes);
    (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof method);
    (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, path.bytes, strlen(path.bytes));
    struct outcome_seen seen = verify(library, found.selector, 1);
    is_row(seen, &found);
    tap_is_int(seen.dnssec, DKIM_DNSSEC_UNKNOWN, "and nothing about DNSSEC");
    is_row(verify(library, missing.selector, 1), &missing);
    dkim_close(library);
    scratch_remove(folder);
}

int main(void)
{
    struct dns_server server;
    struct opendkim_signer_text key = opendkim_signer_public_key();
    test_hooks();
    test_file(&key);
    if (!dns_server_start(&server, 0)) {
        tap_skip("the library's own resolver", "no loopback");
        return tap_done();
    }
    server.given = key.bytes;
    test_stock_resolver(&server);
    test_length(&server);
    dns_server_stop(&server);
    return tap_done();
}
