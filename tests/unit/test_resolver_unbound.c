/* SPDX-License-Identifier: BSD-2-Clause */
/* Against a name server of our own on loopback; nothing leaves the machine. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "dns_server.h"
#include "resolver.h"
#include "tap.h"

enum { SOON_MS = 4000 };

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static struct resolver *new_resolver(const struct dns_server *s, const char *trust_anchor_file)
{
    char address[64], error[RESOLVER_ERROR_BYTES];
    (void)snprintf(address, sizeof address, "127.0.0.1@%d", s->port);
    struct resolver_options options = {
        .nameservers = {address}, .nameserver_count = 1, .trust_anchor_file = trust_anchor_file};
    struct resolver *r = resolver_new_unbound(&options, error);
    if (r == NULL)
        tap_note("%s", error);
    return r;
}

struct answer_row {
    const char *name, *ask;
    enum outcome want;
    size_t count;
    size_t len; /* of the first record */
};

static const struct answer_row answer_rows[] = {
    {"one string", "plain.test", OUTCOME_OK, 1, 5},
    {"any case", "PlaiN.TEST", OUTCOME_OK, 1, 5},
    {"strings are joined, NUL stays", "joined.test", OUTCOME_OK, 1, 258},
    {"an empty record", "empty.test", OUTCOME_OK, 1, 0},
    {"two records", "two.test", OUTCOME_OK, 2, 3},
    {"too many records are counted", "seventeen.test", OUTCOME_OK, RESOLVER_RECORDS_MAX + 1, 3},
    {"CNAME", "alias.test", OUTCOME_OK, 1, 5},
    {"longest record", "longest.test", OUTCOME_OK, 1, 8160},
    {"NXDOMAIN", "nx.test", OUTCOME_ABSENT, 0, 0},
    {"no TXT", "nodata.test", OUTCOME_ABSENT, 0, 0},
    {"CNAME to NXDOMAIN", "alias-nx.test", OUTCOME_ABSENT, 0, 0},
    {"CNAME to no TXT", "alias-nodata.test", OUTCOME_ABSENT, 0, 0},
    {"a name of the special zones", "plain.home.arpa", OUTCOME_OK, 1, 5},
    {"a name of the special zones", "plain.invalid", OUTCOME_OK, 1, 5},
    {"NXDOMAIN with NS and no SOA: RFC 2308 2.1 type 4", "nx-ns.test", OUTCOME_ABSENT, 0, 0},
    {"a referral is no answer", "referral.test", OUTCOME_TEMPORARY, 0, 0},
    {"SERVFAIL", "servfail.test", OUTCOME_TEMPORARY, 0, 0},
    {"REFUSED", "refused.test", OUTCOME_TEMPORARY, 0, 0},
    {"NOTIMP", "notimp.test", OUTCOME_TEMPORARY, 0, 0},
    {"FORMERR", "formerr.test", OUTCOME_TEMPORARY, 0, 0},
    {"CNAME to SERVFAIL", "alias-servfail.test", OUTCOME_TEMPORARY, 0, 0},
    {"a string longer than its record", "overlong.test", OUTCOME_TEMPORARY, 0, 0},
    {"a record over the limit", "toolong.test", OUTCOME_TEMPORARY, 0, 0},
    {"label of 64 bytes", "a234567890123456789012345678901234567890123456789012345678901234.test",
     OUTCOME_ABSENT, 0, 0},
    {"empty name", "", OUTCOME_ABSENT, 0, 0},
    {"empty label", "plain..test", OUTCOME_ABSENT, 0, 0},
    {"an escape", "pl\\097in.test", OUTCOME_ABSENT, 0, 0},
};

static void test_answers(struct resolver *r)
{
    for (size_t i = 0; i < ROWS(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i];
        struct resolver_question *q = resolver_ask_txt(r, row->ask);
        const struct resolver_answer *a = resolver_wait(q, deadline_in(SOON_MS));
        bool is_good = a->outcome == row->want && a->count == row->count &&
                       (row->count == 0 || a->records[0].len == row->len) &&
                       a->dnssec == DNSSEC_STATUS_UNKNOWN;
        tap_ok(is_good, "%s: %s", row->name, row->ask);
        if (!is_good)
            tap_note("outcome %d, count %zu, first %zu, dnssec %d", a->outcome, a->count, a->records[0].len,
                     a->dnssec);
        resolver_question_free(q);
    }
}

static void test_joined_text(struct resolver *r)
{
    struct resolver_question *q = resolver_ask_txt(r, "joined.test");
    const struct resolver_answer *a = resolver_wait(q, deadline_in(SOON_MS));
    struct span end = a->count == 1 ? span_slice(a->records[0], 254, 258) : (struct span){NULL, 0};
    tap_ok(span_equal(end, (struct span){"a\0bc", 4}), "joined bytes");
    tap_ok(a->ttl_seconds > 0 && a->ttl_seconds <= 300, "TTL");
    resolver_question_free(q);
}

static void test_addresses_asked(struct resolver *r)
{
    static const struct {
        const char *ask;
        enum resolver_type type;
        enum outcome want;
        size_t count, len;
    } rows[] = {
        {"host.test", RESOLVER_TYPE_A, OUTCOME_OK, 1, 4},
        {"host.test", RESOLVER_TYPE_AAAA, OUTCOME_OK, 1, 16},
        {"host-alias.test", RESOLVER_TYPE_A, OUTCOME_OK, 1, 4},
        {"host4.test", RESOLVER_TYPE_AAAA, OUTCOME_ABSENT, 0, 0},
        {"host-short.test", RESOLVER_TYPE_A, OUTCOME_TEMPORARY, 0, 0},
        {"nx.addresses.test", RESOLVER_TYPE_A, OUTCOME_ABSENT, 0, 0},
        {"servfail.addresses.test", RESOLVER_TYPE_A, OUTCOME_TEMPORARY, 0, 0},
        {"plain.test", RESOLVER_TYPE_A, OUTCOME_ABSENT, 0, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct resolver_question *q = resolver_ask(r, rows[i].ask, rows[i].type);
        const struct resolver_answer *a = resolver_wait(q, deadline_in(SOON_MS));
        tap_ok(a->outcome == rows[i].want && a->count == rows[i].count &&
                   (a->count == 0 || a->records[0].len == rows[i].len),
               "address %zu of %s: outcome %d, count %zu", i, rows[i].ask, (int)a->outcome, a->count);
        resolver_question_free(q);
    }
}

static void test_slow(struct resolver *r)
{
    int64_t start = clock_monotonic_ms();
    struct resolver_question *silent = resolver_ask_txt(r, "silent.test");
    struct resolver_question *plain = resolver_ask_txt(r, "plain.slow.test");
    tap_is_int(resolver_wait(plain, deadline_in(SOON_MS))->outcome, OUTCOME_OK, "not behind a slow one");
    tap_ok(clock_monotonic_ms() - start < 300, "and soon");
    tap_is_int(resolver_wait(silent, deadline_in(200))->outcome, OUTCOME_TEMPORARY, "silence is temporary");
    int64_t took = clock_monotonic_ms() - start;
    tap_ok(took >= 200 && took < 1000, "at the deadline: %d ms", (int)took);
    tap_is_int(resolver_wait(silent, deadline_in(0))->outcome, OUTCOME_TEMPORARY, "a deadline that is past");
    resolver_question_free(silent);
    resolver_question_free(plain);

    struct resolver_question *late = resolver_ask_txt(r, "late.test");
    tap_is_int(resolver_wait(late, deadline_in(50))->outcome, OUTCOME_TEMPORARY, "late: not yet");
    tap_is_int(resolver_wait(late, deadline_in(SOON_MS))->outcome, OUTCOME_OK, "late: asked again");
    resolver_question_free(late);
    for (int i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "plain.free%d.test", i);
        struct resolver_question *q = resolver_ask_txt(r, name);
        sleep_ms(i % 3);
        resolver_question_free(q);
    }
    tap_ok(true, "freed before, while and after the answer comes");
}

struct asker {
    pthread_t thread;
    struct resolver *resolver;
    int number;
    int bad;
};

static void *ask_many(void *arg)
{
    struct asker *a = arg;
    for (int i = 0; i < 50; i++) {
        char name[64];
        const char *kind = i % 5 == 0 ? "nx" : "plain";
        (void)snprintf(name, sizeof name, "%s.t%d-%d.test", kind, i % 2 ? a->number : 0, i);
        struct resolver_question *q = resolver_ask_txt(a->resolver, name);
        if (i % 7 != 0) {
            enum outcome got = resolver_wait(q, deadline_in(SOON_MS))->outcome;
            a->bad += got != (i % 5 == 0 ? OUTCOME_ABSENT : OUTCOME_OK);
        }
        resolver_question_free(q);
    }
    return NULL;
}

static void test_threads(struct resolver *r)
{
    struct asker askers[8];
    int bad = 0;
    for (int i = 0; i < 8; i++) {
        askers[i] = (struct asker){.resolver = r, .number = i};
        if (pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]) != 0)
            abort();
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(askers[i].thread, NULL);
        bad += askers[i].bad;
    }
    tap_is_int(bad, 0, "eight threads");
}

static int ask_until_good(struct resolver *r, const char *name, int limit_ms)
{
    int64_t start = clock_monotonic_ms();
    enum outcome outcome = OUTCOME_INTERNAL;
    while (outcome != OUTCOME_OK && clock_monotonic_ms() - start < limit_ms) {
        struct resolver_question *q = resolver_ask_txt(r, name);
        outcome = resolver_wait(q, deadline_in(500))->outcome;
        resolver_question_free(q);
        sleep_ms(20);
    }
    return outcome == OUTCOME_OK ? (int)(clock_monotonic_ms() - start) : -1;
}

/* The server is gone (port closed) or mute for a while: asked again, it must be found soon after its return.
 */
static void test_recovery(struct dns_server *s, struct resolver *r, bool is_mute)
{
    const char *name = is_mute ? "plain.mute.test" : "plain.gone.test";
    int64_t start = clock_monotonic_ms();
    int bad = 0;
    if (is_mute)
        s->is_silent = true;
    else
        dns_server_stop(s);
    while (clock_monotonic_ms() - start < 1500) {
        struct resolver_question *q = resolver_ask_txt(r, name);
        int64_t asked = clock_monotonic_ms();
        bad += resolver_wait(q, deadline_in(1000))->outcome != OUTCOME_TEMPORARY;
        bad += clock_monotonic_ms() - asked > 1500;
        resolver_question_free(q);
        sleep_ms(50);
    }
    tap_is_int(bad, 0, is_mute ? "server mute: temporary" : "server gone: temporary");
    if (is_mute)
        s->is_silent = false;
    else if (!dns_server_start(s, s->port))
        abort();
    int took = ask_until_good(r, name, 10000);
    tap_ok(took >= 0 && took < 2500, "found again after %d ms", took);
    took = ask_until_good(r, "plain.fresh.test", 10000);
    tap_ok(took >= 0 && took < 2500, "another name after %d ms", took);
}

static bool write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    bool is_good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return is_good;
}

static void test_anchor(const struct dns_server *s)
{
    static const char anchor[] =
        "signed.test. IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    char path[] = "/tmp/test-anchor-XXXXXX";
    if (!write_file(path, anchor))
        abort();
    struct resolver *r = new_resolver(s, path);
    struct resolver_question *bogus = resolver_ask_txt(r, "plain.signed.test");
    struct resolver_question *plain = resolver_ask_txt(r, "plain.test");
    struct resolver_question *absent = resolver_ask_txt(r, "nx.test");
    const struct resolver_answer *a = resolver_wait(bogus, deadline_in(SOON_MS));
    tap_is_int(a->outcome, OUTCOME_TEMPORARY, "signatures stripped: temporary");
    tap_is_int(a->dnssec, DNSSEC_STATUS_BOGUS, "signatures stripped: bogus");
    a = resolver_wait(plain, deadline_in(SOON_MS));
    tap_ok(a->outcome == OUTCOME_OK && a->dnssec == DNSSEC_STATUS_INSECURE, "unsigned: insecure");
    a = resolver_wait(absent, deadline_in(SOON_MS));
    tap_ok(a->outcome == OUTCOME_ABSENT && a->dnssec == DNSSEC_STATUS_INSECURE, "absent: insecure");
    resolver_question_free(bogus);
    resolver_question_free(plain);
    resolver_question_free(absent);
    resolver_free(r);
    unlink(path);
}

/* libunbound only reads it; where Debian keeps it, it could not write to it either. */
static void test_root_anchor(const struct dns_server *s)
{
    static const char path[] = "/usr/share/dns/root.key";
    if (access(path, R_OK) != 0) {
        tap_skip("root anchor", "not installed");
        return;
    }
    struct resolver *r = new_resolver(s, path);
    struct resolver_question *q = r != NULL ? resolver_ask_txt(r, "plain.test") : NULL;
    if (tap_ok(q != NULL, "root anchor"))
        tap_is_int(resolver_wait(q, deadline_in(SOON_MS))->dnssec, DNSSEC_STATUS_BOGUS,
                   "a server that has no signed root");
    resolver_question_free(q);
    resolver_free(r);
}

struct address_row {
    const char *address;
    bool want;
};

static const struct address_row address_rows[] = {
    {"192.0.2.1", true},
    {"192.0.2.1@5353", true},
    {"2001:db8::1", true},
    {"::1@53", true},
    {"fe80::1%eth0", true},
    {"192.0.2.1@0", false},
    {"192.0.2.1@65536", false},
    {"192.0.2.1@", false},
    {"192.0.2", false},
    {"ns.example", false},
    {"", false},
    {"192.0.2.1%eth0", false},
    {"1.2.3.4\nname: x", false},
    {"1.2.3.4@5 3", false},
    {"fe80::1%", false},
    {"@53", false},
    {"192.0.2.1@99999999999999999999", false},
};

static void test_addresses(void)
{
    for (size_t i = 0; i < ROWS(address_rows); i++)
        tap_ok(resolver_server_is_valid(span_from_string(address_rows[i].address)) == address_rows[i].want,
               "address '%s'", address_rows[i].address);
}

static void test_bad_options(void)
{
    char error[RESOLVER_ERROR_BYTES] = "";
    struct resolver_options options = {.nameservers = {"nonsense"}, .nameserver_count = 1};
    tap_ok(resolver_new_unbound(&options, error) == NULL && error[0] != '\0', "not an address: %s", error);
    options.nameservers[0] = "127.0.0.1@53";
    options.trust_anchor_file = "/nonexistent/anchor";
    tap_ok(resolver_new_unbound(&options, error) == NULL && error[0] != '\0', "no anchor: %s", error);
    char path[] = "/tmp/test-anchor-XXXXXX";
    if (!write_file(path, "this is no anchor\n"))
        abort();
    options.trust_anchor_file = path;
    tap_ok(resolver_new_unbound(&options, error) == NULL && error[0] != '\0', "bad anchor: %s", error);
    unlink(path);
    static const char *const without[] = {"", "\n", "; . IN DS 20326 8 2 E06D\n", "  ; nothing\n\n;DNSKEY"};
    for (size_t i = 0; i < ROWS(without); i++) {
        char empty[] = "/tmp/test-anchor-XXXXXX";
        if (!write_file(empty, without[i]))
            abort();
        options.trust_anchor_file = empty;
        tap_ok(resolver_new_unbound(&options, error) == NULL && strstr(error, "no trust anchor") != NULL,
               "file %zu without an anchor: %s", i, error);
        unlink(empty);
    }
}

int main(void)
{
    struct dns_server s;
    if (!dns_server_start(&s, 0)) {
        tap_skip("resolver_unbound", "no loopback");
        return tap_done();
    }
    struct resolver *r = new_resolver(&s, NULL);
    if (!tap_ok(r != NULL, "starts"))
        return tap_done();
    test_answers(r);
    test_joined_text(r);
    test_addresses_asked(r);
    test_slow(r);
    test_threads(r);
    test_recovery(&s, r, false);
    test_recovery(&s, r, true);
    resolver_question_free(resolver_ask_txt(r, "silent.end.test"));
    resolver_free(r);
    test_anchor(&s);
    test_root_anchor(&s);
    test_bad_options();
    test_addresses();
    dns_server_stop(&s);
    return tap_done();
}
