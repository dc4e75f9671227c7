/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/auth/signature_tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../milter/auth/tag_list.h"
#include "strbuf.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define BH          "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define TAGS(more)  "v=1; a=rsa-sha256; d=example.com; s=s1; h=from:subject; bh=" BH "; b=dGVzdA==" more
/* A signature whose tags are all there but for one, which is given. */
#define NO_V(tag)  "a=rsa-sha256; d=example.com; s=s1; h=from:subject; bh=" BH "; b=dGVzdA==; " tag
#define NO_A(tag)  "v=1; d=example.com; s=s1; h=from:subject; bh=" BH "; b=dGVzdA==; " tag
#define NO_D(tag)  "v=1; a=rsa-sha256; s=s1; h=from:subject; bh=" BH "; b=dGVzdA==; " tag
#define NO_S(tag)  "v=1; a=rsa-sha256; d=example.com; h=from:subject; bh=" BH "; b=dGVzdA==; " tag
#define NO_H(tag)  "v=1; a=rsa-sha256; d=example.com; s=s1; bh=" BH "; b=dGVzdA==; " tag
#define NO_BH(tag) "v=1; a=rsa-sha256; d=example.com; s=s1; h=from:subject; b=dGVzdA==; " tag
#define NO_B(tag)  "v=1; a=rsa-sha256; d=example.com; s=s1; h=from:subject; bh=" BH "; " tag
#define TEN(s)     s s s s s s s s s s
#define LABEL      "0123456789012345678901234567890123456789"

enum { TEXT_BYTES = 4096 };

struct list_row {
    const char *name;
    struct span text;
    const char *strict; /* "name=value|..." of a list, or "why: " and what is kept */
    const char *lenient;
};

#define TEXT(s) SPAN_LITERAL(s)

static const struct list_row list_rows[] = {
    {"one tag", TEXT("a=b"), "a=b", "a=b"},
    {"a semicolon at the end", TEXT("a=b;"), "a=b", "a=b"},
    {"blanks and folds around", TEXT(" \r\n\ta \t=\r\n b \r\n ; c= d"), "a=b|c=d", "a=b|c=d"},
    {"blanks inside a value stay", TEXT("a=b \r\n c"), "a=b \r\n c", "a=b \r\n c"},
    {"an empty value", TEXT("a=; b="), "a=|b=", "a=|b="},
    {"= in a value", TEXT("a=b=c=="), "a=b=c==", "a=b=c=="},
    {"digits and _ in a name", TEXT("a_1=b"), "a_1=b", "a_1=b"},
    {"names differ by case", TEXT("a=b; A=c"), "a=b|A=c", "a=b|A=c"},
    {"8-bit in a value", TEXT("a=\303\274"), "a=\303\274", "a=\303\274"},
    {"a tag twice", TEXT("a=b; c=d; a=e"), "tag twice: a=b|c=d", "tag twice: a=b|c=d"},
    {"an empty tag inside", TEXT("a=b;; c=d"), "tag without \"=\": a=b|c=d", "a=b|c=d"},
    {"two semicolons at the end", TEXT("a=b;;"), "tag without \"=\": a=b", "a=b"},
    {"an empty tag before", TEXT("; a=b"), "tag without \"=\": a=b", "a=b"},
    {"nothing", TEXT(""), "tag without \"=\": ", "no tags: "},
    {"blanks only", TEXT(" \t"), "tag without \"=\": ", "no tags: "},
    {"semicolons only", TEXT(";;"), "tag without \"=\": ", "no tags: "},
    {"no =", TEXT("a; d=e"), "tag without \"=\": d=e", "tag without \"=\": d=e"},
    {"no name", TEXT("=a; d=e"), "malformed tag name: d=e", "malformed tag name: d=e"},
    {"a name with a blank", TEXT("a b=c"), "malformed tag name: ", "malformed tag name: "},
    {"a name that begins with a digit", TEXT("1=c"), "malformed tag name: ", "malformed tag name: "},
    {"a name that begins with _", TEXT("_a=c"), "malformed tag name: ", "malformed tag name: "},
    {"NUL in a value", TEXT("a=b\0c; d=e"), "control or malformed bytes: d=e",
     "control or malformed bytes: d=e"},
    {"NUL in a name", TEXT("a\0=b; d=e"), "malformed tag name: d=e", "malformed tag name: d=e"},
    {"DEL in a value", TEXT("a=b\177"), "control or malformed bytes: ", "control or malformed bytes: "},
    {"vertical tab", TEXT("a=\vb"), "control or malformed bytes: ", "control or malformed bytes: "},
    {"bytes that are not UTF-8", TEXT("a=\374"),
     "control or malformed bytes: ", "control or malformed bytes: "},
};

static void describe_list(const struct tag_list *list, const char *why, char *out)
{
    size_t len = 0;
    out[0] = '\0';
    if (why != NULL)
        len = (size_t)snprintf(out, TEXT_BYTES, "%s: ", why);
    for (size_t i = 0; i < list->count; i++)
        len += (size_t)snprintf(out + len, TEXT_BYTES - len, "%s%.*s=%.*s", i > 0 ? "|" : "",
                                (int)list->tags[i].name.len, list->tags[i].name.data,
                                (int)list->tags[i].value.len, list->tags[i].value.data);
}

static void test_lists(void)
{
    char got[TEXT_BYTES];
    struct tag_list list;
    const char *why;
    for (size_t i = 0; i < ROWS(list_rows); i++) {
        enum outcome outcome = tag_list_parse(list_rows[i].text, TAG_LIST_MANNER_STRICT, &list, &why);
        describe_list(&list, why, got);
        tap_ok((outcome == OUTCOME_OK) == (why == NULL), "%s: outcome", list_rows[i].name);
        tap_is_string(got, list_rows[i].strict, list_rows[i].name);
        outcome = tag_list_parse(list_rows[i].text, TAG_LIST_MANNER_EMPTY_TAGS, &list, &why);
        describe_list(&list, why, got);
        tap_ok((outcome == OUTCOME_OK) == (why == NULL), "%s, lenient: outcome", list_rows[i].name);
        tap_is_string(got, list_rows[i].lenient, list_rows[i].name);
    }
}

static void test_list_limits(void)
{
    struct strbuf text;
    struct tag_list list;
    const char *why;
    strbuf_init(&text, 2 * TAG_LIST_MAX_BYTES);
    for (int i = 0; i < TAG_LIST_TAGS_MAX; i++)
        (void)strbuf_append_format(&text, "t%d=;", i);
    tap_ok(tag_list_parse(strbuf_view(&text), TAG_LIST_MANNER_STRICT, &list, &why) == OUTCOME_OK,
           "as many tags as may be");
    (void)strbuf_append_string(&text, "more=");
    tap_ok(tag_list_parse(strbuf_view(&text), TAG_LIST_MANNER_STRICT, &list, &why) == OUTCOME_BROKEN_INPUT,
           "one tag too many");
    strbuf_reset(&text);
    (void)strbuf_append_string(&text, "a=");
    while (text.len < TAG_LIST_MAX_BYTES)
        (void)strbuf_append_byte(&text, 'b');
    tap_ok(tag_list_parse(strbuf_view(&text), TAG_LIST_MANNER_STRICT, &list, &why) == OUTCOME_OK,
           "as long as may be");
    (void)strbuf_append_byte(&text, 'b');
    tap_ok(tag_list_parse(strbuf_view(&text), TAG_LIST_MANNER_STRICT, &list, &why) == OUTCOME_BROKEN_INPUT,
           "a byte too long");
    strbuf_clear(&text);
}

struct row {
    const char *name;
    struct span text;
    const char *why; /* NULL: a sound one */
    const char *domain;
};

static const struct row rows[] = {
    {"the least", TEXT(TAGS("")), NULL, "example.com"},
    {"v= last", TEXT(NO_V("v=1")), NULL, "example.com"},
    {"unknown tags", TEXT(TAGS("; r=y; xyz=")), NULL, "example.com"},
    {"algorithm in capitals", TEXT(NO_A("a=RSA-SHA256")), NULL, "example.com"},
    {"Ed25519", TEXT(NO_A("a=ed25519-sha256")), NULL, "example.com"},
    {"rsa-sha1 is read", TEXT(NO_A("a=rsa-sha1")), NULL, "example.com"},
    {"h= with folds and blanks", TEXT(NO_H("h=From :\r\n\tSubject")), NULL, "example.com"},
    {"b= and bh= folded", TEXT(NO_BH("bh=47DEQpj8HBSa+/TImW+5JCe\r\n uQeRkm5NMpJWZG3hSuFU=")), NULL,
     "example.com"},
    {"q= with more than one", TEXT(TAGS("; q=dns/xml : dns/txt")), NULL, "example.com"},
    {"c=", TEXT(TAGS("; c=relaxed/simple")), NULL, "example.com"},
    {"l= of 76 digits", TEXT(TAGS("; l=" TEN("0000000") "000001")), NULL, "example.com"},
    {"i= at d=", TEXT(TAGS("; i=@example.com")), NULL, "example.com"},
    {"i= below d=", TEXT(TAGS("; i=me@a.b.EXAMPLE.com")), NULL, "example.com"},
    {"x= after t=", TEXT(TAGS("; t=1795500000; x=1795500001")), NULL, "example.com"},
    {"d= in U-labels", TEXT(NO_D("d=b\303\274cher.example")), NULL, "xn--bcher-kva.example"},
    {"d= in capitals", TEXT(NO_D("d=EXAMPLE.Com")), NULL, "example.com"},
    {"d= with an underscore", TEXT(NO_D("d=_a.example.com")), NULL, "_a.example.com"},

    {"no v=", TEXT(NO_V("")), "v= is not 1", "example.com"},
    {"v=2", TEXT(NO_V("v=2")), "v= is not 1", "example.com"},
    {"v=0.5", TEXT(NO_V("v=0.5")), "v= is not 1", "example.com"},
    {"no a=", TEXT(NO_A("")), "a= is missing", "example.com"},
    {"an unknown a=", TEXT(NO_A("a=rsa-sha512")), "unknown a=", "example.com"},
    {"no d=", TEXT(NO_D("")), "malformed d=", ""},
    {"d= empty", TEXT(NO_D("d=")), "malformed d=", ""},
    {"d= of one label", TEXT(NO_D("d=com")), "malformed d=", ""},
    {"d= with a dot behind", TEXT(NO_D("d=example.com.")), "malformed d=", ""},
    {"d= with a blank", TEXT(NO_D("d=example .com")), "malformed d=", ""},
    {"d= with a NUL", TEXT(NO_D("d=example.com\0.evil.example")), "control or malformed bytes", ""},
    {"d= with a parenthesis", TEXT(NO_D("d=evil.example(.example.com")), "malformed d=", ""},
    {"d= with a quote", TEXT(NO_D("d=evil.example'a.example.com")), "malformed d=", ""},
    {"d= twice", TEXT(TAGS("; d=evil.example")), "tag twice", "example.com"},
    {"no s=", TEXT(NO_S("")), "malformed s=", "example.com"},
    {"s= empty", TEXT(NO_S("s=")), "malformed s=", "example.com"},
    {"s= with a dot behind", TEXT(NO_S("s=s1.")), "malformed s=", "example.com"},
    {"s= with two dots", TEXT(NO_S("s=a..b")), "malformed s=", "example.com"},
    {"s= with a blank", TEXT(NO_S("s=a b")), "malformed s=", "example.com"},
    {"s= with a NUL", TEXT(NO_S("s=s1._domainkey.evil.example\0")), "control or malformed bytes",
     "example.com"},
    {"s= with a slash", TEXT(NO_S("s=a/b")), "malformed s=", "example.com"},
    {"s= too long for a name", TEXT(NO_S("s=" LABEL "." LABEL "." LABEL "." LABEL "." LABEL "." LABEL)),
     "malformed s=", "example.com"},
    {"no h=", TEXT(NO_H("")), "malformed h=", "example.com"},
    {"h= empty", TEXT(NO_H("h=")), "malformed h=", "example.com"},
    {"h= with an empty name", TEXT(NO_H("h=from::subject")), "malformed h=", "example.com"},
    {"h= with a colon behind", TEXT(NO_H("h=from:")), "malformed h=", "example.com"},
    {"h= with a blank in a name", TEXT(NO_H("h=fr om:subject")), "malformed h=", "example.com"},
    {"h= with 8-bit", TEXT(NO_H("h=from:s\303\274bject")), "malformed h=", "example.com"},
    {"h= of 2049 bytes",
     TEXT(NO_H("h=from:" TEN(LABEL LABEL LABEL LABEL LABEL) "012345678901234567890123456789012345678901234")),
     "malformed h=", "example.com"},
    {"RFC 6376 5.4 h= without From", TEXT(NO_H("h=subject:fromm")), "From is not signed", "example.com"},
    {"no b=", TEXT(NO_B("")), "malformed b=", "example.com"},
    {"b= empty", TEXT(NO_B("b=")), "malformed b=", "example.com"},
    {"b= not base64", TEXT(NO_B("b=dGV*dA==")), "malformed b=", "example.com"},
    {"b= with = inside", TEXT(NO_B("b=dG==VzdA")), "malformed b=", "example.com"},
    {"no bh=", TEXT(NO_BH("")), "malformed bh=", "example.com"},
    {"bh= too short", TEXT(NO_BH("bh=dGVzdA==")), "malformed bh=", "example.com"},
    {"bh= too long", TEXT(NO_BH("bh=" BH BH)), "malformed bh=", "example.com"},
    {"an unknown c=", TEXT(TAGS("; c=relaxed/nowsp")), "unknown c=", "example.com"},
    {"c= empty", TEXT(TAGS("; c=")), "unknown c=", "example.com"},
    {"c= of three", TEXT(TAGS("; c=simple/simple/simple")), "unknown c=", "example.com"},
    {"an unknown q=", TEXT(TAGS("; q=http")), "unknown q=", "example.com"},
    {"i= beside d=", TEXT(TAGS("; i=@evil.example")), "i= is malformed or not within d=", "example.com"},
    {"i= above d=", TEXT(TAGS("; i=@com")), "i= is malformed or not within d=", "example.com"},
    {"i= ends like d=", TEXT(TAGS("; i=@badexample.com")), "i= is malformed or not within d=", "example.com"},
    {"i= with two @", TEXT(TAGS("; i=a@b@example.com")), "i= is malformed or not within d=", "example.com"},
    {"i= with a fold", TEXT(TAGS("; i=a\r\n b@example.com")),
     "i= is malformed or not within d=", "example.com"},
    {"i= in quotes", TEXT(TAGS("; i=\"a\"@example.com")), "i= is malformed or not within d=", "example.com"},
    {"i= too long", TEXT(TAGS("; i=" TEN(LABEL) "@example.com")),
     "i= is malformed or not within d=", "example.com"},
    {"l= empty", TEXT(TAGS("; l=")), "malformed l=", "example.com"},
    {"l= negative", TEXT(TAGS("; l=-1")), "malformed l=", "example.com"},
    {"l= of 77 digits", TEXT(TAGS("; l=" TEN("0000000") "0000001")), "malformed l=", "example.com"},
    {"t= not a number", TEXT(TAGS("; t=now")), "malformed t=", "example.com"},
    {"t= of 13 digits", TEXT(TAGS("; t=1795500000000")), "malformed t=", "example.com"},
    {"t= hexadecimal", TEXT(TAGS("; t=0x10")), "malformed t=", "example.com"},
    {"x= with a sign", TEXT(TAGS("; x=+1795500000")), "malformed x=", "example.com"},
    {"x= of 13 digits", TEXT(TAGS("; x=1795500000000")), "malformed x=", "example.com"},
    {"x= at t=", TEXT(TAGS("; t=1795500000; x=1795500000")), "x= is not after t=", "example.com"},
    {"t= of 2001", TEXT(TAGS("; t=999999999")), "t= is older than DKIM", "example.com"},
    {"an empty tag", TEXT(TAGS(";; c=simple")), "tag without \"=\"", "example.com"},
};

static void test_rows(void)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct signature_tags tags;
        const char *why = "unset";
        enum outcome outcome = signature_tags_parse(rows[i].text, &tags, &why);
        tap_ok((outcome == OUTCOME_OK) == (why == NULL), "%s: outcome", rows[i].name);
        tap_is_string(why, rows[i].why, rows[i].name);
        tap_is_string(tags.domain.name, rows[i].domain, rows[i].name);
    }
}

static void test_values(void)
{
    struct signature_tags t;
    const char *why;
    struct span text = SPAN_LITERAL("v=1; a=Ed25519-SHA256; d=B\303\234CHER.example; s=a_b.S\303\234D;\r\n"
                                    " i=me@News.b\303\274cher.example; t=1795500000; x=1795500009; l=5;\r\n"
                                    " h=From : TO:\r\n subject:from ; bh=" BH "; b= dGVz\r\n dA==");
    tap_ok(signature_tags_parse(text, &t, &why) == OUTCOME_OK, "a signature with all tags");
    tap_is_string(t.domain.name, "xn--bcher-kva.example", "d= in A-labels");
    tap_is_string(t.selector, "a_b.xn--sd-xka", "RFC 8616 s= in A-labels");
    tap_is_string(t.key_name.name, "a_b.xn--sd-xka._domainkey.xn--bcher-kva.example", "the key's name");
    tap_is_string(t.identity, "me@news.xn--bcher-kva.example", "i= in A-labels");
    tap_is_string(t.algorithm_text, "ed25519-sha256", "a= in lower case");
    tap_is_string(t.signed_fields, "from:to:subject:from", "h= in lower case, without blanks");
    tap_is_int(t.algorithm, SIGNATURE_ALGORITHM_ED25519_SHA256, "a=");
    tap_is_int(t.signed_at, 1795500000, "t=");
    tap_is_int(t.expires_at, 1795500009, "x=");
    tap_ok(t.is_identity_below && t.has_body_length, "i= below d=; l=");
    tap_is_int((long long)signature_tags_times_signed(t.signed_fields, SPAN_LITERAL("from")), 2,
               "From twice");
    tap_is_int((long long)signature_tags_times_signed(t.signed_fields, SPAN_LITERAL("fro")), 0,
               "whole names");
    tap_is_int((long long)signature_tags_times_signed("", SPAN_LITERAL("from")), 0, "no h=");
    tap_ok(signature_tags_parse(SPAN_LITERAL(TAGS("; i=")), &t, &why) != OUTCOME_OK, "i= empty");
    tap_ok(t.signed_at == -1 && t.expires_at == -1 && !t.has_body_length, "no times, no length");
}

int main(void)
{
    test_lists();
    test_list_limits();
    test_rows();
    test_values();
    return tap_done();
}
