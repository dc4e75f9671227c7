/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/auth/key_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../milter/auth/key_size.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
/* RFC 8463 appendix A. */
#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RSA                                                                                                  \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/"  \
    "byYzCNb3W91y3FutACDfzwQ/BC/e/"                                                                          \
    "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l"                             \
    "/K4w3QIDAQAB"
#define TEXT(s)   SPAN_LITERAL(s)
#define NOTE(s)   s s s s s s s s s s s s s s s s s s s s
#define LONG_NOTE NOTE("0123456789012345678901234567890123456789012345678901234567890 ")

struct row {
    const char *name;
    struct span text;
    enum signature_algorithm algorithm;
    const char *why; /* NULL: a sound one; "absent": of another kind */
    unsigned bits;
    const char *flags; /* y testing, s no subdomains */
};

#define R SIGNATURE_ALGORITHM_RSA_SHA256
#define E SIGNATURE_ALGORITHM_ED25519_SHA256

static const struct row rows[] = {
    {"RSA", TEXT("v=DKIM1; k=rsa; p=" RSA), R, NULL, 1024, ""},
    {"k= is RSA if absent", TEXT("p=" RSA), R, NULL, 1024, ""},
    {"Ed25519", TEXT("v=DKIM1; k=ed25519; p=" ED25519), E, NULL, 256, ""},
    {"all tags", TEXT("v=DKIM1; h=sha1 : sha256; k=RSA; n=note; s=email:*; t=y:s:x; p=" RSA ";"), R, NULL,
     1024, "ys"},
    {"flags with blanks", TEXT("v=DKIM1; t= s : y ; p=" RSA), R, NULL, 1024, "ys"},
    {"a long note", TEXT("v=DKIM1; n=" LONG_NOTE "; p=" RSA), R, NULL, 1024, ""},
    {"a long note behind", TEXT("v=DKIM1; p=" RSA "; n=" LONG_NOTE), R, NULL, 1024, ""},
    {"8-bit note", TEXT("v=DKIM1; n=\303\274; p=" RSA), R, NULL, 1024, ""},
    {"empty tags", TEXT("v=DKIM1;; k=rsa; p=" RSA ";;"), R, NULL, 1024, ""},
    {"p= with blanks and a fold",
     TEXT("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7T \r\n\tyWQHOg7hcvPapiMlrwIaaPcHURo ="), E, NULL, 256, ""},
    {"p= without padding", TEXT("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"), E, NULL,
     256, ""},

    {"SPF", TEXT("v=spf1 -all"), R, "absent", 0, ""},
    {"DMARC", TEXT("v=DMARC1; p=reject"), R, "absent", 0, ""},
    {"v=DKIM2", TEXT("v=DKIM2; p=" RSA), R, "absent", 0, ""},
    {"v=dkim1", TEXT("v=dkim1; p=" RSA), R, "absent", 0, ""},
    {"no tag at all", TEXT("hello"), R, "absent", 0, ""},
    {"empty", TEXT(""), R, "absent", 0, ""},
    {"v= is not first", TEXT("k=rsa; v=DKIM1; p=" RSA), R, "malformed key record: v=", 0, ""},
    {"v= behind and another", TEXT("k=rsa; v=spf1; p=" RSA), R, "malformed key record: v=", 0, ""},
    {"a tag twice", TEXT("v=DKIM1; p=; p=" RSA), R, "malformed key record", 0, ""},
    {"a control", TEXT("v=DKIM1; n=\001; p=" RSA), R, "malformed key record", 0, ""},
    {"RFC 6376 3.6.1 revoked", TEXT("v=DKIM1; p="), R, "key revoked", 0, ""},
    {"revoked, a test", TEXT("v=DKIM1; t=y; p= ;"), R, "key revoked", 0, "y"},
    {"no p=", TEXT("v=DKIM1; k=rsa"), R, "malformed key record: no p=", 0, ""},
    {"Ed25519 for RSA", TEXT("v=DKIM1; k=ed25519; p=" ED25519), R, "the key is of another type than a=", 0,
     ""},
    {"RSA for Ed25519", TEXT("v=DKIM1; k=rsa; p=" RSA), E, "the key is of another type than a=", 0, ""},
    {"no k= for Ed25519", TEXT("v=DKIM1; p=" ED25519), E, "the key is of another type than a=", 0, ""},
    {"k= empty", TEXT("v=DKIM1; k=; p=" RSA), R, "the key is of another type than a=", 0, ""},
    {"h=sha1", TEXT("v=DKIM1; h=sha1; p=" RSA), R, "the key does not allow sha256", 0, ""},
    {"h=sha25", TEXT("v=DKIM1; h=sha25:sha2567; p=" RSA), R, "the key does not allow sha256", 0, ""},
    {"s=tlsrpt", TEXT("v=DKIM1; s=tlsrpt; p=" RSA), R, "the key is not for mail", 0, ""},
    {"s= empty", TEXT("v=DKIM1; s=; p=" RSA), R, "the key is not for mail", 0, ""},
    {"p= not base64", TEXT("v=DKIM1; p=MIG*"), R, "malformed key", 0, ""},
    {"p= with = inside", TEXT("v=DKIM1; p=MI=G"), R, "malformed key", 0, ""},
    {"p= with a quote", TEXT("v=DKIM1; p=\"" RSA "\""), R, "malformed key", 0, ""},
    {"p= cut", TEXT("v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB"), R, "malformed key", 0, ""},
    {"p= with bytes behind the key", TEXT("v=DKIM1; p=" RSA "AAAA"), R, "malformed key", 0, ""},
    {"Ed25519 of 31 bytes", TEXT("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ=="), E,
     "malformed key", 0, ""},
    {"Ed25519 of 33 bytes", TEXT("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURoA"), E,
     "malformed key", 0, ""},
    {"Ed25519, all zeros", TEXT("v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), E,
     "weak key: the Ed25519 key is a point of small order", 256, ""},
    {"Ed25519, all ones", TEXT("v=DKIM1; k=ed25519; p=//////////////////////////////////////////8="), E,
     "weak key: the Ed25519 key is not in canonical form", 256, ""},
    {"Ed25519, y = 2", TEXT("v=DKIM1; k=ed25519; p=AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), E,
     "weak key: the Ed25519 key is not a point of the curve", 256, ""},
    {"p= of more than 4096 bytes",
     TEXT("v=DKIM1; p=" RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA RSA),
     R, "the key is too large", 0, ""},
};

static void test_rows(void)
{
    struct key_record key;
    const char *why;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        enum outcome outcome = key_record_parse(row->text, row->algorithm, &key, &why);
        tap_is_string(outcome == OUTCOME_ABSENT ? "absent" : why, row->why, row->name);
        tap_ok((outcome == OUTCOME_OK) == (row->why == NULL), "%s: outcome", row->name);
        tap_is_int(key.bits, row->bits, row->name);
        tap_ok(key.is_testing == (strchr(row->flags, 'y') != NULL) &&
                   key.forbids_subdomains == (strchr(row->flags, 's') != NULL),
               "%s: flags", row->name);
    }
    if (key_record_parse(SPAN_LITERAL("v=DKIM1; n=x; t=y; p=" RSA), R, &key, &why) == OUTCOME_OK)
        tap_is_string(key.text, "k=rsa; p=" RSA, "what libopendkim gets, RSA");
    if (key_record_parse(SPAN_LITERAL("k=ed25519; p=11qYAYKxCrfVS/7Ty WQHOg7hcvPapiMlrwIaaPcHURo"), E, &key,
                         &why) == OUTCOME_OK)
        tap_is_string(key.text, "k=ed25519; p=" ED25519, "what libopendkim gets, Ed25519");
}

static void test_choice(void)
{
    static const char good[] = "v=DKIM1; p=" RSA;
    const struct {
        const char *name;
        const char *records[3];
        const char *why;
    } choices[] = {
        {"one", {good}, NULL},
        {"one and SPF", {"v=spf1 -all", good}, NULL},
        {"one and nonsense", {good, "hello"}, NULL},
        {"SPF alone", {"v=spf1 -all"}, "no key record"},
        {"two alike", {good, good}, "several key records"},
        {"one and a revoked one", {good, "v=DKIM1; p="}, "several key records"},
        {"a broken one first", {"v=DKIM1; k", good}, "several key records"},
    };
    struct key_record key;
    const char *why;
    for (size_t i = 0; i < ROWS(choices); i++) {
        struct resolver_answer answer = {.outcome = OUTCOME_OK};
        while (answer.count < ROWS(choices[i].records) && choices[i].records[answer.count] != NULL) {
            answer.records[answer.count] = span_from_string(choices[i].records[answer.count]);
            answer.count++;
        }
        enum outcome outcome = key_record_choose(&answer, R, &key, &why);
        tap_is_string(why, choices[i].why, choices[i].name);
        tap_ok((outcome == OUTCOME_OK) == (why == NULL) && (key.text[0] != '\0') == (why == NULL),
               "%s: outcome", choices[i].name);
    }
    struct resolver_answer many = {.outcome = OUTCOME_OK, .count = RESOLVER_RECORDS_MAX + 1};
    many.records[0] = span_from_string(good);
    tap_ok(key_record_choose(&many, R, &key, &why) == OUTCOME_BROKEN_INPUT, "more records than are kept");
    tap_is_string(why, "several key records", "more records than are kept");
}

#define ALGORITHM "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"

static void test_sizes(void)
{
    const struct {
        const char *name;
        struct span der;
        unsigned modulus, exponent; /* 0: no key */
    } sizes[] = {
        {"17 bits, 3", TEXT("\x30\x1c" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"), 17,
         2},
        {"a leading 0", TEXT("\x30\x1b" ALGORITHM "\x03\x0a\x00\x30\x07\x02\x02\x00\xff\x02\x01\x03"), 8, 2},
        {"lengths in the long form",
         TEXT("\x30\x81\x1d" ALGORITHM "\x03\x81\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"), 17, 2},
        {"lengths of four bytes",
         TEXT("\x30\x84\x00\x00\x00\x1c" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"), 0,
         0},
        {"no end", TEXT("\x30\x80" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"), 0, 0},
        {"exponent 1", TEXT("\x30\x1c" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x01"), 17,
         1},
        {"exponent 0", TEXT("\x30\x1c" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x00"), 0,
         0},
        {"modulus 0", TEXT("\x30\x1a" ALGORITHM "\x03\x09\x00\x30\x06\x02\x01\x00\x02\x01\x03"), 0, 0},
        {"negative modulus", TEXT("\x30\x1a" ALGORITHM "\x03\x09\x00\x30\x06\x02\x01\xff\x02\x01\x03"), 0, 0},
        {"RSA-PSS",
         TEXT("\x30\x1c\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x05\x00"
              "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"),
         0, 0},
        {"no parameters",
         TEXT("\x30\x1a\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
              "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"),
         17, 2},
        {"parameters that are not NULL",
         TEXT("\x30\x1c\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x30\x00"
              "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03"),
         0, 0},
        {"something behind the exponent",
         TEXT("\x30\x1e" ALGORITHM "\x03\x0d\x00\x30\x0a\x02\x03\x01\x00\x01\x02\x01\x03\x05\x00"), 0, 0},
        {"something behind the key",
         TEXT("\x30\x1e" ALGORITHM "\x03\x0d\x00\x30\x08\x02\x03\x01\x00\x01\x02\x01\x03\x05\x00"), 0, 0},
        {"a length beyond the end",
         TEXT("\x30\x1c" ALGORITHM "\x03\x0b\x00\x30\x08\x02\x03\x01\x00\x01\x02\x02\x03"), 0, 0},
        {"cut", TEXT("\x30"), 0, 0},
        {"empty", TEXT(""), 0, 0},
    };
    for (size_t i = 0; i < ROWS(sizes); i++) {
        struct key_size size = {.modulus_bits = 0};
        bool is_read = key_size_read_rsa(sizes[i].der, &size);
        tap_ok(is_read == (sizes[i].modulus != 0), "%s: is a key", sizes[i].name);
        if (is_read && tap_is_int(size.modulus_bits, sizes[i].modulus, sizes[i].name))
            tap_is_int(size.exponent_bits, sizes[i].exponent, sizes[i].name);
    }
}

int main(void)
{
    test_rows();
    test_choice();
    test_sizes();
    return tap_done();
}
