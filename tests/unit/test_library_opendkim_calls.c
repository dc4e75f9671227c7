/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * More of what the distribution's libopendkim does today, call by call: mails that it signs itself are
 * verified under other options and other surroundings. A failure after an upgrade means: read the code that
 * the row names again.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "opendkim_signer.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { FIELDS_MAX = 8, THREADS = 4, MAILS_EACH = 200 };

struct mail {
    const char *fields[FIELDS_MAX]; /* as signed; without their line ends */
    const char *added;              /* a field put on top after signing */
    const char *behind;             /* each field when it is verified */
    const char *body, *verified_body;
    uint64_t signed_at, lifetime;
    const char *const *must_be_signed;
    unsigned flags, minimum_bits;
    bool bypasses, ignores;
};

struct outcome_seen {
    int header, eoh, eom, error, algorithm;
    bool is_passed;
    unsigned flags, bits, look_ups;
    ssize_t message_len, signed_limit;
};

static const char *const good_fields[] = {"From: Alice <alice@example.com>", "To: acme@ca.example",
                                          "Subject: Re: ACME: token",
                                          "Date: Tue, 24 Nov 2026 05:00:00 +0000"};

static const char *field_at(const struct mail *m, size_t i)
{
    if (m->fields[0] != NULL)
        return i < FIELDS_MAX ? m->fields[i] : NULL;
    return i < ROWS(good_fields) ? good_fields[i] : NULL;
}

/* at: the time to sign at; verifying always goes by the clock. */
static DKIM_LIB *new_library(const struct mail *m, uint64_t at)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    unsigned flags = m->flags;
    if (library == NULL || (at != 0 && dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FIXEDTIME, &at,
                                                    sizeof at) != DKIM_STAT_OK))
        abort();
    (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags);
    return library;
}

/* The DKIM-Signature field of the mail. */
static struct opendkim_signer_text sign(const struct mail *m)
{
    const char *fields[FIELDS_MAX + 1] = {NULL};
    DKIM_LIB *library = new_library(m, m->signed_at);
    uint64_t lifetime = m->lifetime;
    if (lifetime != 0)
        (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_SIGNATURETTL, &lifetime, sizeof lifetime);
    for (size_t i = 0; i < FIELDS_MAX; i++)
        fields[i] = field_at(m, i);
    struct opendkim_signer_text field =
        opendkim_signer_sign(library, "s1", fields, m->body != NULL ? m->body : "text\r\n");
    dkim_close(library);
    return field;
}

static DKIM_CBSTAT look_up(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
    struct outcome_seen *seen = dkim_get_user_context(dkim);
    struct opendkim_signer_text key = opendkim_signer_public_key();
    (void)signature;
    seen->look_ups++;
    (void)snprintf((char *)buffer, size, "%s", key.bytes);
    return DKIM_CBSTAT_CONTINUE;
}

static DKIM_CBSTAT ignore_all(DKIM *dkim, DKIM_SIGINFO **signatures, int count)
{
    (void)dkim;
    for (int i = 0; i < count; i++)
        dkim_sig_ignore(signatures[i]);
    return DKIM_CBSTAT_CONTINUE;
}

static DKIM_CBSTAT process_all(DKIM *dkim, DKIM_SIGINFO **signatures, int count)
{
    for (int i = 0; i < count; i++)
        (void)dkim_sig_process(dkim, signatures[i]);
    return DKIM_CBSTAT_CONTINUE;
}

static void read_signature(DKIM *dkim, struct outcome_seen *seen)
{
    DKIM_SIGINFO **signatures;
    ssize_t canonical = 0;
    int count = 0;
    if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK || count == 0)
        return;
    DKIM_SIGINFO *last = signatures[count - 1];
    seen->flags = dkim_sig_getflags(last);
    seen->error = dkim_sig_geterror(last);
    seen->is_passed = DKIM_SIG_CHECK(last) && seen->error == DKIM_SIGERROR_OK;
    dkim_alg_t algorithm;
    seen->algorithm = dkim_sig_getsignalg(last, &algorithm) == DKIM_STAT_OK ? (int)algorithm : -1;
    if (dkim_sig_getkeysize(last, &seen->bits) != DKIM_STAT_OK)
        seen->bits = 1;
    (void)dkim_sig_getcanonlen(dkim, last, &seen->message_len, &canonical, &seen->signed_limit);
}

static struct outcome_seen verify(DKIM_LIB *library, const struct mail *m,
                                  const struct opendkim_signer_text *signature)
{
    struct outcome_seen seen = {.header = -1};
    const char *behind = m->behind != NULL ? m->behind : "";
    DKIM_STAT status;
    DKIM *dkim = dkim_verify(library, (const unsigned char *)"t", NULL, &status);
    if (dkim == NULL || dkim_set_user_context(dkim, &seen) != DKIM_STAT_OK)
        abort();
    if (m->added != NULL)
        seen.header = opendkim_signer_feed(dkim, m->added, behind);
    (void)opendkim_signer_feed(dkim, signature->bytes, behind);
    for (size_t i = 0; field_at(m, i) != NULL; i++)
        (void)opendkim_signer_feed(dkim, field_at(m, i), behind);
    seen.eoh = dkim_eoh(dkim);
    opendkim_signer_feed_body(dkim, m->verified_body != NULL ? m->verified_body
                                    : m->body != NULL        ? m->body
                                                             : "text\r\n");
    seen.eom = dkim_eom(dkim, NULL);
    read_signature(dkim, &seen);
    (void)dkim_free(dkim);
    return seen;
}

static DKIM_LIB *verifying_library(const struct mail *m)
{
    DKIM_LIB *library = new_library(m, 0);
    unsigned bits = m->minimum_bits;
    if (dkim_set_key_lookup(library, look_up) != DKIM_STAT_OK)
        abort();
    if (bits != 0)
        (void)dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits);
    union {
        const char *const *read;
        void *given;
    } names = {.read = m->must_be_signed};
    if (names.read != NULL && dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MUSTBESIGNED, names.given,
                                           sizeof names) != DKIM_STAT_OK)
        abort();
    if (m->ignores)
        (void)dkim_set_prescreen(library, ignore_all);
    if (m->bypasses)
        (void)dkim_set_final(library, process_all);
    return library;
}

static struct outcome_seen pass_through(struct mail m)
{
    struct opendkim_signer_text signature = sign(&m);
    DKIM_LIB *library = verifying_library(&m);
    struct outcome_seen seen = verify(library, &m, &signature);
    dkim_close(library);
    return seen;
}

static void test_build(void)
{
    static const struct {
        unsigned feature;
        bool want;
        const char *name;
    } features[] = {
        {DKIM_FEATURE_SHA256, true, "SHA256"},
        {DKIM_FEATURE_ED25519, true, "ED25519"},
        {DKIM_FEATURE_QUERY_CACHE, true, "QUERY_CACHE"},
        {DKIM_FEATURE_OVERSIGN, true, "OVERSIGN"},
        {DKIM_FEATURE_ATPS, true, "ATPS"},
        {DKIM_FEATURE_XTAGS, true, "XTAGS"},
        {DKIM_FEATURE_DNSSEC, false, "DNSSEC"},
        {DKIM_FEATURE_RESIGN, false, "RESIGN"},
        {DKIM_FEATURE_CONDITIONAL, false, "CONDITIONAL"},
        {DKIM_FEATURE_DIFFHEADERS, false, "DIFFHEADERS"},
    };
    DKIM_LIB *library = dkim_init(NULL, NULL);
    unsigned timeout = 0, bits = 0;
    uint64_t drift = 0;
    tap_ok(dkim_libversion() == 0x020b0000, "version %x: another one wants all of this read again",
           (unsigned)dkim_libversion());
    for (size_t i = 0; i < ROWS(features); i++)
        tap_ok(dkim_libfeature(library, features[i].feature) == features[i].want, "feature %s",
               features[i].name);
    (void)dkim_options(library, DKIM_OP_GETOPT, DKIM_OPTS_TIMEOUT, &timeout, sizeof timeout);
    (void)dkim_options(library, DKIM_OP_GETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits);
    (void)dkim_options(library, DKIM_OP_GETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof drift);
    tap_is_int(timeout, 10, "seconds for a key, which its own resolver does not mind (resolver)");
    tap_is_int(bits, 1024, "least bits by default (signature_verifier: 1, we judge)");
    tap_is_int((long long)drift, 300, "seconds of drift by default (signature_verifier)");
    dkim_close(library);
}

static void test_fields(void)
{
    struct mail no_date = {.fields = {good_fields[0], good_fields[2]}};
    tap_ok(pass_through((struct mail){0}).is_passed, "a mail that it signed itself");
    tap_ok(pass_through(no_date).is_passed, "no Date, no To (reply_form)");
    no_date.flags = DKIM_LIBFLAGS_STRICTHDRS;
    struct outcome_seen seen = pass_through((struct mail){.added = "From: evil@attack.example"});
    tap_ok(seen.is_passed, "6: a second From is taken (reply_form: header-duplicate)");
    struct mail two = {
        .fields = {"From: alice@example.com, bob@attack.example", good_fields[2], good_fields[3]}};
    tap_ok(pass_through(two).is_passed, "6: two addresses in one From are taken (mailbox)");
    two.flags = DKIM_LIBFLAGS_STRICTHDRS;
    tap_ok(pass_through(two).is_passed, "6: by STRICTHDRS too");
    tap_ok(pass_through((struct mail){.added = "X-Odd: \xc3\xa4"}).is_passed, "9: UTF-8 is taken (message)");
    struct mail folded = {.fields = {good_fields[0], "Subject:\r\n\tRe: ACME: token", good_fields[3]}};
    tap_ok(pass_through(folded).is_passed, "16: folded directly behind the colon");
    tap_ok(pass_through((struct mail){.behind = "\r\n"}).is_passed, "with line ends behind the fields too");
    seen = pass_through((struct mail){.added = "DKIM-Signature: \xff\xfe"});
    tap_ok(seen.is_passed, "a broken signature field above does not harm (header: %d)", seen.header);
}

static void test_strict(void)
{
    struct mail m = {.added = "From: evil@attack.example"};
    struct opendkim_signer_text signature = sign(&m);
    m.flags = DKIM_LIBFLAGS_STRICTHDRS;
    DKIM_LIB *library = verifying_library(&m);
    struct outcome_seen seen = verify(library, &m, &signature);
    tap_is_int(seen.eoh, DKIM_STAT_SYNTAX, "6: STRICTHDRS refuses a second From");
    tap_is_int(seen.eom, DKIM_STAT_INVALID, "and what comes after that");
    m = (struct mail){.fields = {good_fields[0], good_fields[2]}};
    signature = sign(&m);
    tap_is_int(verify(library, &m, &signature).eoh, DKIM_STAT_SYNTAX,
               "6: STRICTHDRS refuses a mail without Date");
    dkim_close(library);
}

static void test_signature(void)
{
    static const char *const subject[] = {"Subject", NULL};
    struct outcome_seen seen = pass_through((struct mail){.verified_body = "other\r\n"});
    tap_is_int(seen.error, DKIM_SIGERROR_BADSIG, "a changed body");
    tap_ok((seen.flags & DKIM_SIGFLAG_PASSED) != 0 && !seen.is_passed,
           "has the flag PASSED all the same (signature_verifier: DKIM_SIG_CHECK and no error)");
    seen = pass_through((struct mail){0});
    tap_ok(seen.algorithm == DKIM_SIGN_RSASHA256 && seen.bits == 2048, "algorithm and bits of RSA");
    tap_ok(seen.signed_limit == -1, "no l=, no limit");
    seen = pass_through((struct mail){.minimum_bits = 3072});
    tap_is_int(seen.error, DKIM_SIGERROR_KEYTOOSMALL, "MINKEYBITS");
    seen = pass_through((struct mail){.minimum_bits = 3072, .bypasses = true});
    tap_ok(seen.is_passed, "MINKEYBITS is not minded where the final callback verifies (signature_verifier)");
    seen = pass_through((struct mail){.ignores = true});
    tap_ok(seen.look_ups == 0 && !seen.is_passed, "a signature ignored in the prescreen costs no look-up");
    struct mail m = {.fields = {good_fields[0], good_fields[3], "X-Subject: x"}, .must_be_signed = subject};
    tap_ok(pass_through(m).is_passed,
           "MUSTBESIGNED does not mind what the mail has not (signature_coverage)");
    m.added = "Subject: added";
    tap_is_int(pass_through(m).error, DKIM_SIGERROR_MBSFAILED, "but what it has");
}

static void test_times(void)
{
    static const struct {
        const char *name;
        uint64_t lifetime;
        int64_t later;
        int error;
    } rows[] = {
        {"x= to come", 1000, 0, DKIM_SIGERROR_OK},
        {"x= past, within the drift", 1000, 1200, DKIM_SIGERROR_OK},
        {"x= past, beyond the drift", 1000, 1400, DKIM_SIGERROR_EXPIRED},
        {"t= to come, within the drift", 0, -200, DKIM_SIGERROR_OK},
        {"t= to come, beyond the drift", 0, -400, DKIM_SIGERROR_FUTURE},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct mail m = {.signed_at = (uint64_t)(time(NULL) - rows[i].later), .lifetime = rows[i].lifetime};
        tap_is_int(pass_through(m).error, rows[i].error, rows[i].name);
    }
}

/* With dkim_set_key_lookup nobody is asked by DNS, so that the library's own resolver never runs. */
static unsigned asked;

static int count_question(void *service, int type, unsigned char *name, unsigned char *buffer, size_t size,
                          void **query)
{
    (void)service, (void)type, (void)name, (void)buffer, (void)size, (void)query;
    asked++;
    return DKIM_DNS_ERROR;
}

static void test_no_dns(void)
{
    struct mail m = {0};
    struct opendkim_signer_text signature = sign(&m);
    DKIM_LIB *library = verifying_library(&m);
    dkim_dns_set_query_start(library, count_question);
    tap_ok(verify(library, &m, &signature).is_passed && asked == 0,
           "1 to 4: the key look-up takes the place of all DNS");
    dkim_close(library);
}

/* 13: the process is the price of a call that breaks a rule. */
static void test_abort(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)freopen("/dev/null", "w", stderr);
        DKIM_STAT status;
        DKIM_LIB *library = dkim_init(NULL, NULL);
        struct opendkim_signer_text empty = {""};
        DKIM *dkim = dkim_verify(library, (const unsigned char *)"t", NULL, &status);
        (void)dkim_header(dkim, (u_char *)empty.bytes, 0);
        _exit(0);
    }
    int status = 0;
    tap_ok(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
               WTERMSIG(status) == SIGABRT,
           "13: an empty field aborts the process (signature_verifier, message)");
}

struct worker {
    pthread_t thread;
    DKIM_LIB *library;
    const struct mail *good, *bad;
    const struct opendkim_signer_text *signature;
    int wrong;
};

static void *verify_many(void *context)
{
    struct worker *w = context;
    for (int i = 0; i < MAILS_EACH; i++) {
        const struct mail *m = i % 2 == 0 ? w->good : w->bad;
        w->wrong += verify(w->library, m, w->signature).is_passed != (m == w->good) ? 1 : 0;
    }
    return NULL;
}

static void test_threads(void)
{
    struct mail good = {0}, bad = {.verified_body = "other\r\n"};
    struct opendkim_signer_text signature = sign(&good);
    DKIM_LIB *library = verifying_library(&good);
    struct worker workers[THREADS];
    int wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.library = library, .good = &good, .bad = &bad, .signature = &signature};
        if (pthread_create(&workers[i].thread, NULL, verify_many, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        wrong += workers[i].wrong;
    }
    tap_is_int(wrong, 0, "one DKIM_LIB serves several threads, with the key look-up (auth_dkim)");
    dkim_close(library);
}

int main(void)
{
    test_build();
    test_fields();
    test_strict();
    test_signature();
    test_times();
    test_no_dns();
    test_abort();
    test_threads();
    return tap_done();
}
