/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's libopendkim does today where our code depends on it or guards against it. A failure
 * here after an upgrade means: read the code that the row names again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "resolver.h"
#include "tap.h"

enum { MAIL_MAX_BYTES = 256 * 1024, KEY_BUFFER_BYTES = 1025 };

/* One verification and what it needs. */
struct trial {
    const char *folder;     /* of tests/data/dkim */
    const char *extra;      /* header fields put on top, with their CRLF */
    const char *body_extra; /* put behind the body */
    size_t copies;          /* of the DKIM-Signature, more than the one */
    DKIM_CBSTAT answer;     /* of the key look-up */
    char key[8192];
    size_t look_ups;
    int listed;
    size_t buffer_size;
    DKIM_STAT eoh;
    DKIM_STAT eom;
    int error;
    int algorithm;
    bool is_passed;
    bool is_test_key;
    unsigned bits;
};

static DKIM_CBSTAT look_up(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
    struct trial *t = dkim_get_user_context(dkim);
    (void)signature;
    t->look_ups++;
    t->buffer_size = size;
    if (t->answer == DKIM_CBSTAT_CONTINUE)
        (void)snprintf((char *)buffer, size, "%s", t->key);
    return t->answer;
}

static char *read_file(const char *folder, const char *name)
{
    const char *source = getenv("TEST_SRCDIR");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/tests/data/dkim/%s/%s", source != NULL ? source : ".", folder,
                   name);
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, MAIL_MAX_BYTES);
    if (file == NULL || text == NULL)
        abort();
    if (fread(text, 1, MAIL_MAX_BYTES - 1, file) == 0)
        abort();
    fclose(file);
    return text;
}

/* The key of selector s1 of example.com, as the mails of these folders use it. */
static void read_key(struct trial *t, const char *name)
{
    const char *source = getenv("TEST_SRCDIR");
    char path[4096], error[RESOLVER_ERROR_BYTES];
    (void)snprintf(path, sizeof path, "%s/tests/data/dkim/%s/dns.txt", source != NULL ? source : ".",
                   t->folder);
    struct resolver *resolver = resolver_new_file(path, error);
    struct resolver_question *question = resolver != NULL ? resolver_ask_txt(resolver, name) : NULL;
    if (question == NULL)
        abort();
    const struct resolver_answer *answer = resolver_wait(question, deadline_in(1000));
    if (answer->count > 0)
        (void)snprintf(t->key, sizeof t->key, "%.*s", (int)answer->records[0].len, answer->records[0].data);
    resolver_question_free(question);
    resolver_free(resolver);
}

static size_t field_len(const char *p)
{
    const char *end = strstr(p, "\r\n");
    while (end != NULL && (end[2] == ' ' || end[2] == '\t'))
        end = strstr(end + 2, "\r\n");
    return end != NULL ? (size_t)(end - p) : strlen(p);
}

static void feed_fields(DKIM *dkim, char *header, const struct trial *t)
{
    for (char *p = header; *p != '\0' && *p != '\r';) {
        size_t len = field_len(p);
        size_t times = strncasecmp(p, "DKIM-Signature:", 15) == 0 ? t->copies + 1 : 1;
        for (size_t i = 0; i < times; i++)
            (void)dkim_header(dkim, (u_char *)p, len);
        p += len + (p[len] == '\r' ? 2 : 0);
    }
}

static void run(DKIM_LIB *library, struct trial *t)
{
    DKIM_STAT status;
    char *mail = read_file(t->folder, "message.eml");
    char *body = strstr(mail, "\r\n\r\n") + 4;
    DKIM *dkim = dkim_verify(library, (const unsigned char *)"t", NULL, &status);
    char extra[512];
    (void)snprintf(extra, sizeof extra, "%s", t->extra != NULL ? t->extra : "");
    if (dkim == NULL || dkim_set_user_context(dkim, t) != DKIM_STAT_OK)
        abort();
    feed_fields(dkim, extra, t);
    feed_fields(dkim, mail, t);
    t->eoh = dkim_eoh(dkim);
    (void)dkim_body(dkim, (u_char *)body, strlen(body));
    if (t->body_extra != NULL) {
        char more[64];
        (void)snprintf(more, sizeof more, "%s", t->body_extra);
        (void)dkim_body(dkim, (u_char *)more, strlen(more));
    }
    bool ignored;
    t->eom = dkim_eom(dkim, &ignored);
    DKIM_SIGINFO **signatures;
    int count = 0;
    if (dkim_getsiglist(dkim, &signatures, &count) == DKIM_STAT_OK && count > 0) {
        t->listed = count;
        t->error = dkim_sig_geterror(signatures[0]);
        t->is_passed = DKIM_SIG_CHECK(signatures[0]) && t->error == DKIM_SIGERROR_OK;
        t->is_test_key = (dkim_sig_getflags(signatures[0]) & DKIM_SIGFLAG_TESTKEY) != 0;
        dkim_alg_t algorithm;
        t->algorithm = dkim_sig_getsignalg(signatures[0], &algorithm) == DKIM_STAT_OK ? (int)algorithm : -1;
        if (dkim_sig_getkeysize(signatures[0], &t->bits) != DKIM_STAT_OK)
            t->bits = 0;
    }
    (void)dkim_free(dkim);
    free(mail);
}

static struct trial attempt(DKIM_LIB *library, struct trial t)
{
    read_key(&t, "s1._domainkey.example.com");
    run(library, &t);
    return t;
}

static void test_look_up(DKIM_LIB *library)
{
    struct trial t = attempt(library, (struct trial){.folder = "rsa-2048"});
    tap_ok(t.is_passed && t.bits == 2048, "a good signature, with the key handed over (signature_verifier)");
    tap_is_int((long long)t.buffer_size, KEY_BUFFER_BYTES,
               "the key buffer's size (key_record: what is longer is cut)");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .answer = DKIM_CBSTAT_NOTFOUND});
    tap_is_int(t.error, DKIM_SIGERROR_NOKEY, "NOTFOUND is a missing key");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .answer = DKIM_CBSTAT_TRYAGAIN});
    tap_is_int(t.eoh, DKIM_STAT_CBTRYAGAIN,
               "TRYAGAIN ends all signatures (auth_dkim: keys are looked up before)");
    tap_is_int(t.eom, DKIM_STAT_BADSIG, "and the end of the mail then says \"bad signature\"");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .answer = DKIM_CBSTAT_ERROR});
    tap_is_int(t.eoh, DKIM_STAT_CBERROR, "ERROR ends all signatures (auth_dkim: the same)");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .copies = 299});
    tap_is_int(t.listed, 300, "300 signatures are all processed (auth_dkim: MaxSignatures, one at a time)");
    tap_is_int((long long)t.look_ups, 1, "with one look-up where all name one key");
}

static void test_leniency(DKIM_LIB *library)
{
    struct trial t =
        attempt(library, (struct trial){.folder = "rsa-2048", .extra = "From: evil@attack.example\r\n"});
    tap_ok(t.is_passed, "a second From above is taken (reply_form: header-duplicate)");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .extra = "X-Odd: a\x01z\r\n"});
    tap_ok(t.is_passed, "a control character is taken (message: header-malformed)");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .extra = "X-Odd : a\r\n"});
    tap_ok(t.is_passed, "a blank before the colon is taken (message: header-malformed)");
    t = attempt(library, (struct trial){.folder = "length-appended"});
    tap_ok(t.is_passed, "text behind l= is taken (dkim-body-length)");
    t = attempt(library, (struct trial){.folder = "length-appended", .body_extra = "no line end"});
    tap_is_int(t.eom, DKIM_STAT_SYNTAX, "14: l=, and a body that ends without a line end");
    t = attempt(library, (struct trial){.folder = "key-testing"});
    tap_ok(t.is_passed && t.is_test_key, "t=y is a flag only (dkim-key-testing)");
    t = attempt(library, (struct trial){.folder = "rsa-sha1"});
    tap_ok(t.is_passed, "rsa-sha1 verifies (dkim-algorithm)");
    t = attempt(library, (struct trial){.folder = "rsa-512"});
    tap_is_int(t.error, DKIM_SIGERROR_KEYTOOSMALL,
               "512 bits are too small by default (signature_verifier: 1, we judge)");
    t = attempt(library, (struct trial){.folder = "subject-unsigned"});
    tap_ok(t.is_passed, "an unsigned Subject is no concern of its own (dkim-coverage-core)");
    t = attempt(library, (struct trial){.folder = "body-changed"});
    tap_ok(!t.is_passed && t.eom != DKIM_STAT_OK, "a changed body does not verify");
}

static void test_algorithms(DKIM_LIB *library)
{
    static const char no_from[] =
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=subject; bh=AAAA; b=AAAA\r\n";
    struct trial t = attempt(library, (struct trial){.folder = "ed25519"});
    tap_ok(t.is_passed && t.algorithm == DKIM_SIGN_ED25519SHA256, "Ed25519 verifies");
    tap_is_int(t.bits, 0, "and its key has no bits (signature_verifier)");
    t = attempt(library, (struct trial){.folder = "rsa-sha1"});
    tap_is_int(t.algorithm, DKIM_SIGN_RSASHA1, "rsa-sha1 is algorithm 0, like one that is not known");
    t = attempt(library, (struct trial){.folder = "key-revoked"});
    tap_is_int(t.error, DKIM_SIGERROR_KEYREVOKED, "an empty p= (key_record)");
    t = attempt(library, (struct trial){.folder = "key-not-der"});
    tap_ok(!t.is_passed && t.error != DKIM_SIGERROR_OK, "a key that is none (key_size)");
    t = attempt(library, (struct trial){.folder = "rsa-2048", .extra = no_from});
    tap_is_int(t.error, DKIM_SIGERROR_INVALID_H, "11: h= without From (dkim-coverage-core)");
}

/* Never used by us: mailbox reads the author. */
static void test_mail_parse(void)
{
    static const struct {
        const char *text;
        const char *domain;
    } rows[] = {
        {"x <a@evil.test> <b@good.test>", "evil.test"},
        {"a@evil.test, b@good.test", "evil.test"},
        {"\"x <a@evil.test>\"@good.test", "good.test"},
        {"a@good.test>", "good.test>"},
        {"Alice <a@good.test>", "good.test"},
        {"a@good.test\r\n b@evil.test", "evil.test"},
        {"x: a@good.test, b@evil.test;", "good.test"},
        {"<@evil.test:a@good.test>", "good.test"},
        {"a@good.test (<b@evil.test>)", "good.test"},
        {"\"a\\\"b\"@good.test", "good.test"},
        {"<a@b.test@good.test>", "good.test"},
        {"a@good.test.", "good.test."},
        {"undisclosed:;", NULL},
        {"", NULL},
        {"<>", NULL},
        {"a@good.test <b@evil.test>", "evil.test"},
        {"<a@good.test> <b@evil.test>", "good.test"},
        {"a@good.test\nX: y", "good.test X: y"},
        {"a@b\xc3\xbc"
         "cher.test",
         "b\xc3\xbc"
         "cher.test"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char text[128];
        unsigned char *user = NULL;
        unsigned char *domain = NULL;
        (void)snprintf((char *)text, sizeof text, "%s", rows[i].text);
        int status = dkim_mail_parse(text, &user, &domain);
        tap_is_int(status, 0, "7: no error");
        tap_is_string((char *)domain, rows[i].domain, rows[i].text);
    }
}

/* Two things are errors, and no others were found. */
static void test_mail_parse_errors(void)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {{"\"a@good.test", 2}, {"(a@good.test", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char text[128], *user = NULL, *domain = NULL;
        (void)snprintf((char *)text, sizeof text, "%s", rows[i].text);
        tap_is_int(dkim_mail_parse(text, &user, &domain), rows[i].status, rows[i].text);
    }
}

/* The user too: what a reader takes for the address is put together of several. */
static void test_mail_parse_users(void)
{
    static const struct {
        const char *text, *user;
    } rows[] = {{"a@good.test\r\n b@evil.test", "a"}, {"@evil.test:a@good.test", "evil.test:a"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char text[128], *user = NULL, *domain = NULL;
        (void)snprintf((char *)text, sizeof text, "%s", rows[i].text);
        (void)dkim_mail_parse(text, &user, &domain);
        tap_is_string((char *)user, rows[i].user, rows[i].text);
    }
}

int main(void)
{
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (library == NULL || dkim_set_key_lookup(library, look_up) != DKIM_STAT_OK)
        return 1;
    tap_ok(dkim_libfeature(library, DKIM_FEATURE_SHA256) && dkim_libfeature(library, DKIM_FEATURE_ED25519),
           "SHA-256 and Ed25519 are built in");
    test_look_up(library);
    test_leniency(library);
    test_algorithms(library);
    test_mail_parse();
    test_mail_parse_errors();
    test_mail_parse_users();
    dkim_close(library);
    return tap_done();
}
