/* SPDX-License-Identifier: BSD-2-Clause */
/* Mails signed by another implementation (tests/data/make-dkim-cases), and what it makes of them itself. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_trial.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { TEXT_BYTES = AUTH_TRIAL_TEXT_BYTES, LINE_BYTES = 4096, THREADS = 4, ROUNDS = 50 };

static const int64_t now = AUTH_TRIAL_NOW;

/*
 * Each signature of the facts, in their order: the word of its result ("-": not looked at), then what is set:
 *   a aligned, v verified, u key unknown, b bogus, x expired, s sha1, k key short, t key testing, l body
 * length, C P F H covers core, present, full, should; then the bits of its key.
 */
struct row {
    const char *name;
    const char *folder;
    const char *want;
    const char *detail;  /* of the first */
    const char *differs; /* why dkimpy says otherwise */
    const char *author;  /* NULL: example.com */
};

#define GOOD "pass av CPF 2048"

static const struct row rows[] = {
    {"RSA of 2048 bits", "rsa-2048", GOOD, "", NULL, NULL},
    {"RSA of 4096 bits", "rsa-4096", "pass av CPF 4096", "", NULL, NULL},
    {"RSA of 4096 bits in a record of over 1,024 characters", "rsa-4096-notes", "pass av CPF 4096", "", NULL,
     NULL},
    {"RSA of 1024 bits", "rsa-1024", "pass av CPF 1024", "", NULL, NULL},
    {"RSA of 512 bits", "rsa-512", "permerror ak CPF 512", "an RSA key of fewer than 1024 bits",
     "it does not mind RFC 8301 3.2", NULL},
    {"RSA of 8192 bits", "rsa-8192", "permerror a CPF 8192", "the key is larger than libopendkim takes",
     "libopendkim's buffer", NULL},
    {"RFC 8301 3.1 rsa-sha1", "rsa-sha1", "permerror as CPF 0", "rsa-sha1 is not accepted", "it takes SHA-1",
     NULL},
    {"Ed25519", "ed25519", "pass av CPF 256", "", NULL, NULL},
    {"Ed25519, p= without padding", "ed25519-no-padding", "pass av CPF 256", "", "it wants padding", NULL},
    {"RSA and Ed25519 beside each other", "rsa-and-ed25519", "pass av CPF 256 pass av CPF 2048", "", NULL,
     NULL},
    {"RFC 8463 appendix A", "rfc8463", "pass av CP 256 pass av CP 1024", "", NULL, "football.example.com"},

    {"c=simple/simple", "canon-simple-simple", GOOD, "", NULL, NULL},
    {"c=simple/relaxed", "canon-simple-relaxed", GOOD, "", NULL, NULL},
    {"c=relaxed/simple", "canon-relaxed-simple", GOOD, "", NULL, NULL},
    {"c=relaxed/relaxed", "canon-relaxed-relaxed", GOOD, "", NULL, NULL},
    {"no c=", "canon-default", GOOD, "", NULL, NULL},
    {"folded fields, simple", "folded-simple", GOOD, "", NULL, NULL},
    {"folded fields, relaxed", "folded-relaxed", GOOD, "", NULL, NULL},
    {"a fold right after the colon, simple", "fold-after-colon-simple", GOOD, "", NULL, NULL},
    {"a fold right after the colon, relaxed", "fold-after-colon-relaxed", GOOD, "", NULL, NULL},
    {"no blank after the colon", "no-blank-after-colon", GOOD, "", NULL, NULL},
    {"empty body, simple", "empty-body-simple", GOOD, "", NULL, NULL},
    {"empty body, relaxed", "empty-body-relaxed", GOOD, "", NULL, NULL},
    {"body without a final line end, simple", "no-final-crlf-simple", GOOD, "", NULL, NULL},
    {"body without a final line end, relaxed", "no-final-crlf-relaxed", GOOD, "", NULL, NULL},
    {"Sender and Resent-From that nobody can read", "odd-sender", GOOD, "", NULL, NULL},
    {"8-bit in a signed field", "utf8-fields", GOOD, "", NULL, NULL},

    {"A05 body changed", "body-changed", "fail a CPF 2048", "the body was changed", NULL, NULL},
    {"body appended", "body-appended", "fail a CPF 2048", "the body was changed", NULL, NULL},
    {"Subject changed", "subject-changed", "fail a CPF 2048",
     "a signed header field was changed, or the key is another", NULL, NULL},
    {"b= changed", "signature-changed", "fail a CPF 2048",
     "a signed header field was changed, or the key is another", NULL, NULL},
    {"signed field removed", "signed-field-removed", "fail a CPF 2048",
     "a signed header field was changed, or the key is another", NULL, NULL},
    {"unsigned field added", "unsigned-field-added", GOOD, "", NULL, NULL},
    {"another key", "other-key", "fail a CPF 2048",
     "a signed header field was changed, or the key is another", NULL, NULL},
    {"J2 From added on top of a signed one", "from-added", "pass av F 2048", "", "it counts every From",
     NULL},
    {"J2 Subject added on top of a signed one", "subject-added", "pass av F 2048", "", NULL, NULL},
    {"two From fields, both signed", "from-twice-signed-twice", GOOD, "", NULL, NULL},
    {"From and Subject signed once more than they stand", "oversigned", "pass av CPFH 2048", "", NULL, NULL},
    {"From added, but signed once more than it stood", "oversigned-from-added", "fail a CPF 2048",
     "a signed header field was changed, or the key is another", NULL, NULL},

    {"A42 l= of the whole body", "length-exact", "policy avl CPF 2048", "only a part of the body is signed",
     NULL, NULL},
    {"l= and appended text", "length-appended", "policy avl CPF 2048", "only a part of the body is signed",
     NULL, NULL},
    {"l= beyond the body", "length-beyond", "permerror al CPF 2048", NULL, NULL, NULL},
    {"l=0", "length-zero", "policy avl CPF 2048", "only a part of the body is signed", NULL, NULL},
    {"A43 x= is past", "expired", "policy avx CPF 2048", "expired, or dated in the future", NULL, NULL},
    {"x= is past, but not beyond ClockSkew", "expired-within-skew", GOOD, "", NULL, NULL},
    {"x= is past by decades", "expired-long-ago", "policy avx CPF 2048", "expired, or dated in the future",
     "no skew", NULL},
    {"x= is to come", "expires-later", GOOD, "", NULL, NULL},
    {"t= is to come", "from-the-future", "policy avx CPF 2048", "expired, or dated in the future", NULL,
     NULL},
    {"t= is to come, but not beyond ClockSkew", "from-the-future-within-skew", GOOD, "", NULL, NULL},
    {"neither t= nor x=", "no-times", GOOD, "", NULL, NULL},
    {"x= before t=", "expires-before-signed", "permerror a CPF 0", "x= is not after t=", "it does not mind",
     NULL},
    {"x= at t=", "expires-when-signed", "permerror a CPF 0", "x= is not after t=", "it does not mind", NULL},
    {"t=1", "signed-in-1970", "permerror a CPF 0", "t= is older than DKIM", "it does not mind", NULL},

    {"A43 key with t=y", "key-testing", "policy avt CPF 2048", "the key is for tests", NULL, NULL},
    {"key with t=y:s", "key-testing-and-strict", "policy avt CPF 2048", "the key is for tests", NULL, NULL},
    {"key with t=s, no i=", "key-strict", GOOD, "", NULL, NULL},
    {"key with t=s, i= below d=", "key-strict-subdomain", "permerror a CPF 2048",
     "the key forbids i= below d= (t=s)", "it does not mind", NULL},
    {"key with an unknown flag", "key-unknown-flag", GOOD, "", NULL, NULL},
    {"i= below d=", "identity-subdomain", GOOD, "", NULL, NULL},
    {"A43 key revoked", "key-revoked", "permerror a CPF 0", "key revoked", NULL, NULL},
    {"key missing", "key-missing", "permerror a CPF 0", "no key", NULL, NULL},
    {"key SERVFAIL", "key-servfail", "temperror au CPF 0", "the key could not be looked up", NULL, NULL},
    {"key TIMEOUT", "key-timeout", "temperror au CPF 0", "the key could not be looked up", NULL, NULL},
    {"key BOGUS", "key-bogus", "temperror aub CPF 0", "the key could not be looked up", NULL, NULL},
    {"key SECURE", "key-secure", GOOD, "", NULL, NULL},
    {"two key records", "key-twice", "permerror a CPF 0", "several key records", "it takes the first", NULL},
    {"a key and an SPF record", "key-beside-spf", GOOD, "", "it takes the first", NULL},
    {"an SPF record only", "key-only-spf", "permerror a CPF 0", "no key record", NULL, NULL},
    {"key with s=tlsrpt", "key-for-tls-reports", "permerror a CPF 0", "the key is not for mail", NULL, NULL},
    {"key with s=tlsrpt:email", "key-for-mail", GOOD, "", "it reads one service", NULL},
    {"key with h=sha1", "key-for-sha1", "permerror a CPF 0", "the key does not allow sha256",
     "it does not mind", NULL},
    {"key with h=sha1:sha256", "key-for-sha1-and-sha256", GOOD, "", NULL, NULL},
    {"key without v=", "key-without-v", GOOD, "", NULL, NULL},
    {"key record with ;;", "key-empty-tags", GOOD, "", "it is stricter", NULL},
    {"p= with blanks", "key-spaced", GOOD, "", NULL, NULL},
    {"key with v=DKIM2", "key-v2", "permerror a CPF 0", "no key record", NULL, NULL},
    {"key with v= behind k=", "key-v-late", "permerror a CPF 0",
     "malformed key record: v=", "it does not mind", NULL},
    {"key with k= twice", "key-tag-twice", "permerror a CPF 0", "malformed key record", NULL, NULL},
    {"key of another type", "key-of-other-type", "permerror a CPF 0",
     "the key is of another type than a=", NULL, NULL},
    {"p= that is not base64", "key-damaged", "permerror a CPF 0", "malformed key", NULL, NULL},
    {"p= that is not DER", "key-not-der", "permerror a CPF 0", "malformed key", NULL, NULL},
    {"p= that is a bare RSAPublicKey", "key-bare-rsa", "permerror a CPF 0", "malformed key",
     "libopendkim cannot read it", NULL},

    {"A08 d= in upper case", "domain-upper-case", GOOD, "", NULL, NULL},
    {"A06 d= a parent", "domain-parent", "-  CPF 0", "", "not the author's", "mail.example.com"},
    {"A07 d= a subdomain", "domain-subdomain", "-  CPF 0", "", "not the author's", NULL},
    {"d= another domain", "domain-other", "-  CPF 0", "", "not the author's", NULL},
    {"RFC 8616 d= in U-labels", "domain-u-label", "permerror a CPF 2048",
     "libopendkim cannot read the signature", "libopendkim", "xn--bcher-kva.example"},
    {"d= in A-labels of a domain in U-labels", "domain-a-label", GOOD, "", NULL, "xn--bcher-kva.example"},
    {"s= with dots and an underscore", "selector-dots", GOOD, "", NULL, NULL},
    {"i= of another domain", "identity-other-domain", "permerror a CPF 0",
     "i= is malformed or not within d=", NULL, NULL},
    {"i= that only ends as d= does", "identity-suffix", "permerror a CPF 0",
     "i= is malformed or not within d=", NULL, NULL},
    {"i= with two @", "identity-two-at", "permerror a CPF 0",
     "i= is malformed or not within d=", "it takes the last", NULL},
    {"i= without @", "identity-no-at", "permerror a CPF 0", "i= is malformed or not within d=", NULL, NULL},
    {"i= with a local part", "identity-local", GOOD, "", NULL, NULL},

    {"R-26 From and Subject only", "core-only", "pass av C 2048", "", NULL, NULL},
    {"A11 Subject not signed", "subject-unsigned", "pass av  2048", "", NULL, NULL},
    {"A14 To not signed", "to-unsigned", "pass av C 2048", "", NULL, NULL},
    {"A12 absent fields not named", "absent-fields-unnamed", "pass av CP 2048", "", NULL, NULL},
    {"no Subject, and none named", "no-subject", "pass av  2048", "", NULL, NULL},

    {"good, broken", "good-broken", "pass av CPF 2048 fail a CPF 2048", "", NULL, NULL},
    {"broken, good", "broken-good", "fail a CPF 2048 pass av CPF 2048", NULL, NULL, NULL},
    {"undecidable, good", "undecidable-good", "temperror au CPF 0 pass av CPF 2048", NULL, NULL, NULL},
    {"good, undecidable", "good-undecidable", "pass av CPF 2048 temperror au CPF 0", "", NULL, NULL},
    {"bad syntax, good", "syntax-good", "pass av CPF 2048 permerror a  0", "", NULL, NULL},
    {"A10 other domain, good", "other-good", "pass av CPF 2048 -  CPF 0", "", NULL, NULL},
    {"good, other domain", "good-other", "pass av CPF 2048 -  CPF 0", "", NULL, NULL},
    {"rsa-sha1, good", "sha1-good", "pass av CPF 2048 permerror as CPF 0", "", NULL, NULL},
    {"1024 bits, 2048 bits", "short-good", "pass av CPF 1024 pass av CPF 2048", "", NULL, NULL},
    {"A13 little covered, all covered", "core-full", "pass av C 2048 pass av CPF 2048", "", NULL, NULL},
    {"h= names the other signature", "covers-signature", "pass av CPF 256 pass av CPF 2048", "", NULL, NULL},
};

static const struct row attacks[] = {
    {"a forged signature is not taken for the honest one below: junk above", "mix-up-junk-above",
     "permerror a CPF 2048 pass av  2048 permerror a  0", "libopendkim cannot read the signature", NULL,
     NULL},
    {"... junk between", "mix-up-junk-below", "permerror a CPF 2048 pass av  2048 permerror a  0",
     "libopendkim cannot read the signature", NULL, NULL},
    {"... the honest one with a blank before its colon", "mix-up-blank-before-colon",
     "pass av  2048 fail a CPF 2048", "", "it reads no such field", NULL},
    {"h= names every field of the mail and one more", "names-all-and-more", "fail a CP 2048", NULL, NULL,
     NULL},
    {"h= names the signature's own field", "names-own-signature", "fail a CPF 2048", NULL, NULL, NULL},
};

struct texts {
    char mail[TEXT_BYTES];
    char zone[TEXT_BYTES];
    char opinions[TEXT_BYTES];
    struct auth_dkim_facts facts;
};

/* Whether dkimpy took one of the mail's signatures. */
static bool is_taken_by_dkimpy(const char *opinions, const char *folder)
{
    char start[LINE_BYTES];
    (void)snprintf(start, sizeof start, "\n%s ", folder);
    const char *line = strstr(opinions, start);
    if (line == NULL)
        return false;
    const char *pass = strstr(line, " pass");
    const char *next = strchr(line + 1, '\n');
    return pass != NULL && next != NULL && pass < next;
}

static void run_row(struct auth_dkim *dkim, const struct row *row, struct texts *texts)
{
    char got[LINE_BYTES];
    size_t len, zone_len;
    if (!auth_trial_read(row->folder, "message.eml", texts->mail, &len) ||
        !auth_trial_read(row->folder, "dns.txt", texts->zone, &zone_len)) {
        tap_ok(false, "%s: no such case", row->folder);
        return;
    }
    struct auth_trial t = auth_trial_new(dkim, (struct span){texts->mail, len}, texts->zone, row->author);
    bool is_done = auth_trial_run(&t, &texts->facts, NULL) == OUTCOME_OK;
    auth_trial_describe(&texts->facts, got, sizeof got);
    tap_ok(is_done && (row->want == NULL || strcmp(got, row->want) == 0), "%s", row->name);
    if (row->want != NULL && strcmp(got, row->want) != 0)
        tap_note("got  %s (%s)\nwant %s", got, texts->facts.signatures[0].detail, row->want);
    if (row->detail != NULL)
        tap_is_string(texts->facts.signatures[0].detail, row->detail, row->name);
    bool is_verified = false;
    for (size_t i = 0; i < texts->facts.count; i++)
        is_verified = is_verified || texts->facts.signatures[i].is_verified;
    bool is_taken = is_taken_by_dkimpy(texts->opinions, row->folder);
    tap_ok((is_taken == is_verified) == (row->differs == NULL), "%s: dkimpy: %s", row->name,
           row->differs != NULL ? row->differs : "says the same");
    auth_trial_free(&t);
}

/* All that a signature says, and the transcript of the DNS. */
static void test_facts(struct auth_dkim *dkim, struct texts *texts)
{
    size_t len;
    struct strbuf dns;
    strbuf_init(&dns, TEXT_BYTES);
    (void)auth_trial_read("key-secure", "message.eml", texts->mail, &len);
    struct span mail = {texts->mail, len};
    (void)auth_trial_read("key-secure", "dns.txt", texts->zone, &len);
    struct auth_trial t = auth_trial_new(dkim, mail, texts->zone, NULL);
    const struct auth_signature *s = &texts->facts.signatures[0];
    tap_ok(auth_trial_run(&t, &texts->facts, &dns) == OUTCOME_OK, "a mail is judged");
    tap_is_string(s->domain.name, "example.com", "d=");
    tap_is_string(s->selector, "s1", "s=");
    tap_is_string(s->algorithm, "rsa-sha256", "a=");
    tap_is_string(s->identity, "@example.com", "i=, not given");
    tap_is_string(s->signed_fields,
                  "from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:content-type:"
                  "content-transfer-encoding",
                  "h=, folded");
    tap_is_int(s->signed_at, now, "t=");
    tap_is_int(s->expires_at, -1, "x=, not given");
    tap_is_int(s->dnssec, DNSSEC_STATUS_SECURE, "the key's DNSSEC");
    tap_is_int((long long)texts->facts.seen, 1, "signatures seen");
    tap_ok(strstr(strbuf_string(&dns), "s1._domainkey.example.com TXT \"v=DKIM1; k=rsa; p=") != NULL &&
               strstr(strbuf_string(&dns), "s1._domainkey.example.com SECURE\n") != NULL,
           "the answer is in the transcript");
    struct auth_trial again = auth_trial_new(dkim, mail, strbuf_string(&dns), NULL);
    bool ok = auth_trial_run(&again, &texts->facts, NULL) == OUTCOME_OK;
    tap_ok(ok && s->result == AUTH_RESULT_PASS && s->dnssec == DNSSEC_STATUS_SECURE,
           "the transcript gives the same again");
    auth_trial_free(&again);
    t.rules.minimum_key_bits = 2049;
    ok = auth_trial_run(&t, &texts->facts, NULL) == OUTCOME_OK;
    tap_ok(ok && s->is_key_short && s->is_verified && s->result == AUTH_RESULT_POLICY, "MinimumKeyBits");
    t.rules.clock_skew_seconds = 0;
    t.rules.now = now - 1;
    ok = auth_trial_run(&t, &texts->facts, NULL) == OUTCOME_OK;
    tap_ok(ok && s->is_expired && s->is_verified, "ClockSkew 0, t= one second to come");
    t.rules.now = 4000000000;
    ok = auth_trial_run(&t, &texts->facts, NULL) == OUTCOME_OK;
    tap_ok(ok && !s->is_expired && s->is_verified, "judged again after decades");
    auth_trial_free(&t);
    strbuf_clear(&dns);
}

/* How many names the transcript asks. */
static size_t count_names(const struct strbuf *dns)
{
    size_t count = 0;
    for (const char *p = strbuf_string(dns); (p = strstr(p, "._domainkey.")) != NULL; p++)
        count++;
    return count;
}

/* A good mail below many signatures that no key fits; how many names were asked. */
static size_t test_many(struct auth_dkim *dkim, struct texts *texts, const char *before, const char *after,
                        unsigned limit)
{
    enum { MANY = 299 };
    size_t len, zone_len;
    struct strbuf mail, dns;
    strbuf_init(&mail, TEXT_BYTES);
    strbuf_init(&dns, TEXT_BYTES);
    for (unsigned i = 0; i < MANY; i++) {
        (void)strbuf_append_format(&mail,
                                   "DKIM-Signature: v=1; a=rsa-sha256; %s%u%s h=from:subject;\r\n"
                                   " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n",
                                   before, i, after);
    }
    (void)auth_trial_read("rsa-2048", "message.eml", texts->mail, &len);
    (void)auth_trial_read("rsa-2048", "dns.txt", texts->zone, &zone_len);
    (void)strbuf_append(&mail, (struct span){texts->mail, len});
    struct auth_trial t = auth_trial_new(dkim, strbuf_view(&mail), texts->zone, NULL);
    t.rules.max_signatures = limit;
    bool ok = auth_trial_run(&t, &texts->facts, &dns) == OUTCOME_OK;
    tap_ok(ok && texts->facts.seen == MANY + 1 && texts->facts.count == limit, "300 signatures, limit %u",
           limit);
    size_t names = count_names(&dns);
    auth_trial_free(&t);
    strbuf_clear(&mail);
    strbuf_clear(&dns);
    return names;
}

static void test_limits(struct auth_dkim *dkim, struct texts *texts)
{
    const struct auth_signature *first = &texts->facts.signatures[0];
    tap_is_int((long long)test_many(dkim, texts, "d=other", ".example; s=s1;", 8), 1,
               "other domains' keys are not asked");
    tap_ok(first->is_verified, "other domains' signatures do not crowd out the author's");
    tap_is_int((long long)test_many(dkim, texts, "d=example.com; s=s", "; x=;", 8), 1,
               "broken signatures' keys are not asked");
    tap_ok(first->is_verified, "broken signatures do not crowd out a good one");
    (void)test_many(dkim, texts, "d=example.com; s=k", ";", AUTH_SIGNATURES_MAX);
    tap_ok(first->result == AUTH_RESULT_PERMERROR, "no key for the first of many");
    tap_is_string(texts->facts.signatures[4].detail, "too many different keys", "four keys are asked");
    tap_is_int((long long)test_many(dkim, texts, "d=esp", ".example; s=s1;", 1), 1, "MaxSignatures 1");
    tap_ok(first->is_verified, "MaxSignatures 1 keeps the author's");
}

struct worker {
    struct auth_dkim *dkim;
    const struct row *row;
    struct texts *texts;
    unsigned failures;
};

static void *work(void *context)
{
    struct worker *w = context;
    char got[LINE_BYTES];
    size_t len, zone_len;
    (void)auth_trial_read(w->row->folder, "message.eml", w->texts->mail, &len);
    (void)auth_trial_read(w->row->folder, "dns.txt", w->texts->zone, &zone_len);
    struct auth_trial t =
        auth_trial_new(w->dkim, (struct span){w->texts->mail, len}, w->texts->zone, w->row->author);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool ok = auth_trial_run(&t, &w->texts->facts, NULL) == OUTCOME_OK;
        auth_trial_describe(&w->texts->facts, got, sizeof got);
        w->failures += !ok || strcmp(got, w->row->want) != 0;
    }
    auth_trial_free(&t);
    return NULL;
}

/* One library for all threads: each must get the verdict of its own mail. */
static void test_threads(struct auth_dkim *dkim)
{
    static const char *const folders[THREADS] = {"rsa-2048", "body-changed", "ed25519", "covers-signature"};
    struct worker workers[THREADS] = {{NULL}};
    pthread_t threads[THREADS];
    unsigned failures = 0;
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.dkim = dkim, .texts = malloc(sizeof *workers[i].texts)};
        for (size_t k = 0; k < ROWS(rows); k++)
            if (strcmp(rows[k].folder, folders[i]) == 0)
                workers[i].row = &rows[k];
        if (workers[i].texts == NULL || pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        failures += workers[i].failures;
        free(workers[i].texts);
    }
    tap_is_int(failures, 0, "4 threads, 50 mails each, on one library");
}

int main(void)
{
    struct auth_dkim *dkim = auth_dkim_new();
    struct texts *texts = calloc(1, sizeof *texts);
    size_t len;
    if (dkim == NULL || texts == NULL || !auth_trial_read(".", "dkimpy.txt", texts->opinions, &len))
        abort();
    memmove(texts->opinions + 1, texts->opinions, len + 1);
    texts->opinions[0] = '\n';
    for (size_t i = 0; i < ROWS(rows); i++)
        run_row(dkim, &rows[i], texts);
    for (size_t i = 0; i < ROWS(attacks); i++)
        run_row(dkim, &attacks[i], texts);
    test_facts(dkim, texts);
    test_limits(dkim, texts);
    test_threads(dkim);
    struct strbuf library;
    strbuf_init(&library, 256);
    tap_ok(auth_dkim_append_library_text(&library) && strncmp(strbuf_string(&library), "2.", 2) == 0,
           "library: %s", strbuf_string(&library));
    strbuf_clear(&library);
    auth_dkim_free(dkim);
    free(texts);
    return tap_done();
}
