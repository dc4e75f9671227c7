/* SPDX-License-Identifier: BSD-2-Clause */
#include "domain.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *name;
    struct span text;
    const char *want; /* NULL: refused */
} rows[] = {
#define ROW(name, text, want)                                                                                \
    {                                                                                                        \
        name, {text, sizeof(text) - 1}, want                                                                 \
    }
    ROW("two labels", "example.com", "example.com"),
    ROW("A08 upper case", "EXAMPLE.Com", "example.com"),
    ROW("digits and hyphens", "1-a.2b.c-3", "1-a.2b.c-3"),
    ROW("hyphens in third and fourth place", "r3---sn.example", "r3---sn.example"),
    ROW("label of 63", L63 ".example", L63 ".example"),
    ROW("label of 64", L63 "4.example", NULL),
    ROW("253 bytes", L63 "." L63 "." L63 ".b2345678901234567890123456789012345678901234567890123.example",
        L63 "." L63 "." L63 ".b2345678901234567890123456789012345678901234567890123.example"),
    ROW("254 bytes", L63 "." L63 "." L63 ".b2345678901234567890123456789012345678901234567890123x.example",
        NULL),
    ROW("253 bytes and a label more",
        L63 "." L63 "." L63 ".b2345678901234567890123456789012345678901234567890123.example.a", NULL),
    ROW("four long labels", L63 "." L63 "." L63 "." L63 ".example", NULL),
    ROW("nothing", "", NULL),
    ROW("one label", "localhost", NULL),
    ROW("a dot", ".", NULL),
    ROW("dot in front", ".example.com", NULL),
    ROW("A37 trailing dot", "example.com.", NULL),
    ROW("two dots", "example..com", NULL),
    ROW("hyphen in front", "-a.example", NULL),
    ROW("hyphen behind", "a-.example", NULL),
    ROW("hyphen alone", "-.example", NULL),
    ROW("underscore", "my_host.example", NULL),
    ROW("space", "exa mple.com", NULL),
    ROW("space behind", "example.com ", NULL),
    ROW("server_a3 NUL", "legitimate.com\0.any", NULL),
    ROW("server_a4 quote", "legitimate.com'a.attack.com", NULL),
    ROW("server_a5 parenthesis", "legitimate.com(a.attack.com", NULL),
    ROW("angle bracket kept by others (LIBRARIES 27)", "good.test>", NULL),
    ROW("line end", "example.com\r\n", NULL),
    ROW("wildcard", "*.example", NULL),
    ROW("percent", "a%2eb.example", NULL),
    ROW("A37 domain literal", "[192.0.2.1]", NULL),
    ROW("domain literal of IPv6", "[IPv6:2001:db8::1]", NULL),
    ROW("IPv4 address", "192.0.2.1", NULL),
    ROW("numeric last label", "example.123", NULL),
    ROW("hexadecimal last label", "a.0x7F", NULL),
    ROW("hexadecimal prefix alone", "a.0x", NULL),
    ROW("last label that only begins with a digit", "a.0xyz", "a.0xyz"),
    ROW("R-01 U-label",
        "b\xc3\xbc"
        "cher.example",
        "xn--bcher-kva.example"),
    ROW("R-01 U-label in upper case",
        "B\xc3\x9c"
        "CHER.EXAMPLE",
        "xn--bcher-kva.example"),
    ROW("R-01 A-label", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ROW("R-01 A-label in upper case", "XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ROW("A39 U-label", "例え.test", "xn--r8jz45g.test"),
    ROW("R-50 U-label at the top", "例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ROW("U-label among others", "mail.例え.test", "mail.xn--r8jz45g.test"),
    ROW("upper case of Greek, Cyrillic, Latin Extended and Armenian", "ΑΩ.ЖЁ.Č.ՀԱՅ.example",
        "xn--mxa2c.xn--f1a8c.xn--bea.xn--y9a3aq.example"),
    ROW("upper case of Vietnamese", "VIỆTNẠM.example", "xn--vitnm-m11bxk.example"),
    ROW("sharp s stays (not transitional)", "straße.example", "xn--strae-oqa.example"),
    ROW("final sigma stays", "σς.example", "xn--3xab.example"),
    ROW("capital sharp s, one or two letters", "STRAẞE.example", NULL),
    ROW("right to left", "דוגמה.example", "xn--6dbbec0c.example"),
    ROW("mixed directions", "נa.example", NULL),
    ROW("wide letters are not made ASCII", "ｅｘａｍｐｌｅ.com", NULL),
    ROW("wide letter in a U-label", "ｂücher.example", NULL),
    ROW("Kelvin sign is not k", "\xe2\x84\xaa.example", NULL),
    ROW("long s is not s", "\xc5\xbf.example", NULL),
    ROW("superscript two is not 2", "a\xc2\xb2.example", NULL),
    ROW("ligature", "\xef\xac\x81.example", NULL),
    ROW("character that libidn2 drops under STD 3", "℀ü.example", NULL),
    ROW("underscore that libidn2 drops under STD 3", "ü_.example", NULL),
    ROW("soft hyphen",
        "b\xc3\xbc\xc2\xad"
        "cher.example",
        NULL),
    ROW("soft hyphen at the end", "b\xc3\xbc\xc2\xad.example", NULL),
    ROW("zero width space",
        "\xe2\x80\x8b"
        "example.com",
        NULL),
    ROW("right-to-left override",
        "\xe2\x80\xae"
        "example.com",
        NULL),
    ROW("not composed",
        "bu\xcc\x88"
        "cher.example",
        NULL),
    ROW("ideographic full stop", "例え。test", NULL),
    ROW("wide full stop", "例え．test", NULL),
    ROW("A.1 joiner that joins nothing",
        "a\xe2\x80\x8c"
        "b.example",
        NULL),
    ROW("A.1 joiner behind a virama", "क्\xe2\x80\x8cष.example", "xn--11b2ezcs70k.example"),
    ROW("A.2 joiner that joins nothing",
        "a\xe2\x80\x8d"
        "b.example",
        NULL),
    ROW("A.2 joiner behind a virama", "क्\xe2\x80\x8dष.example", "xn--11b2ezcw70k.example"),
    ROW("A.3 middle dot between others than l", "a·b.com", NULL),
    ROW("A.3 and as A-label", "xn--ab-0ea.com", NULL),
    ROW("A.3 middle dot at an end", "l·.com", NULL),
    ROW("A.3 middle dot in front", "·l.com", NULL),
    ROW("A.3 middle dot between l", "col·lecció.com", "xn--collecci-ioa91d.com"),
    ROW("A.3 and as A-label", "xn--ll-0ea.com", "xn--ll-0ea.com"),
    ROW("A.4 keraia before no Greek", "a͵b.example", NULL),
    ROW("A.4 and as A-label", "xn--ab-63b.example", NULL),
    ROW("A.4 keraia before Greek", "͵α.example", "xn--wva4j.example"),
    ROW("A.5 geresh in front", "׳א.example", NULL),
    ROW("A.5 geresh behind Hebrew", "א׳.example", "xn--4db4e.example"),
    ROW("A.6 gershayim behind Hebrew", "א״ב.example", "xn--4dbc8h.example"),
    ROW("A.6 gershayim in front, as A-label", "xn--4db5e.example", NULL),
    ROW("A.7 middle dot among no Japanese", "ab・c.example", NULL),
    ROW("A.7 and as A-label", "xn--abc-qs4b.example", NULL),
    ROW("A.7 middle dot alone", "・.example", NULL),
    ROW("A.7 middle dot among Katakana", "カ・タ.example", "xn--lckxb3k.example"),
    ROW("A.8 both kinds of Arabic digits", "ا٠۰.example", NULL),
    ROW("A.8 and as A-label", "xn--mgb8iyr.example", NULL),
    ROW("A.8 Arabic digits", "ا٠١.example", "xn--mgb8id.example"),
    ROW("A.9 extended Arabic digits", "ا۰۱.example", "xn--mgb61bd.example"),
    ROW("symbol", "☃.example", NULL),
    ROW("symbol as A-label", "xn--n3h.example", NULL),
    ROW("A-label of no Punycode", "xn--a.example", NULL),
    ROW("A-label of nothing", "xn--.example", NULL),
    ROW("A-label of ASCII", "xn--example-.example", NULL),
    ROW("A-label with a wrong digit", "xn--bcher-kvb.example", NULL),
    ROW("A-label with 8-bit", "xn--b\xc3\xbc.example", NULL),
    ROW("A-label of an upper case letter", "xn--bcher-2pa.example", NULL),
    ROW("hyphen before a U-label", "-b\xc3\xbc.example", NULL),
    ROW("invalid UTF-8",
        "b\xfc"
        "cher.example",
        NULL),
    ROW("overlong UTF-8",
        "b\xc0\xae"
        "cher.example",
        NULL),
    ROW("U-label that becomes too long",
        "\xc3\xbc"
        "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3"
        "\xa4"
        "\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3"
        "\xb6"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
        NULL),
#undef ROW
};

static const struct {
    const char *text;
    const char *want;
} underscores[] = {
    {"s1._domainkey.Example.com", "s1._domainkey.example.com"},
    {"_dmarc.例え.test", "_dmarc.xn--r8jz45g.test"},
    {"a_b.example", "a_b.example"},
    {"ü_.example", NULL},
    {"-_.example", NULL},
    {"_domainkey", NULL},
};

static void test_parse(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct domain d;
        memset(&d, 'x', sizeof d);
        enum outcome got = domain_parse(rows[i].text, false, &d);
        tap_ok((got == OUTCOME_OK) == (rows[i].want != NULL) &&
                   (got == OUTCOME_OK || got == OUTCOME_BROKEN_INPUT),
               "%s: outcome", rows[i].name);
        tap_is_string(d.name, rows[i].want != NULL ? rows[i].want : "", rows[i].name);
    }
    for (size_t i = 0; i < sizeof underscores / sizeof *underscores; i++) {
        struct domain d;
        enum outcome got = domain_parse(span_from_string(underscores[i].text), true, &d);
        tap_ok((got == OUTCOME_OK) == (underscores[i].want != NULL), "DNS name: %s", underscores[i].text);
        tap_is_string(d.name, underscores[i].want != NULL ? underscores[i].want : "", underscores[i].text);
    }
}

static struct domain domain_of(const char *text)
{
    struct domain d;
    if (domain_parse(span_from_string(text), false, &d) != OUTCOME_OK)
        tap_ok(false, "%s", text);
    return d;
}

static void test_relations(void)
{
    struct domain unset = {""};
    struct domain parent = domain_of("example.com");
    struct domain same = domain_of("Example.COM");
    struct domain child = domain_of("mail.example.com");
    struct domain other = domain_of("myexample.com");
    tap_ok(domain_equal(&parent, &same), "A08 case does not matter");
    tap_ok(!domain_equal(&parent, &child) && !domain_equal(&parent, &other),
           "R-28 parent and child are not equal");
    tap_ok(!domain_equal(&unset, &unset), "an unset domain equals nothing");
    tap_ok(domain_is_within(&child, &parent) && domain_is_within(&same, &parent), "within");
    tap_ok(!domain_is_within(&parent, &child), "not the other way round");
    tap_ok(!domain_is_within(&other, &parent), "an end that is no label does not count");
    tap_ok(!domain_is_within(&child, &unset) && !domain_is_within(&unset, &parent),
           "unset domains hold nothing");
    tap_ok(domain_is_set(&parent) && !domain_is_set(&unset), "set and unset");
}

int main(void)
{
    test_parse();
    test_relations();
    return tap_done();
}
