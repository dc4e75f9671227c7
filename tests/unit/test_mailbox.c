/* SPDX-License-Identifier: BSD-2-Clause */
#include "mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "tap.h"

struct row {
    const char *name;
    struct span text;
    const char *want; /* NULL: refused */
};

#define ROW(name, text, want)                                                                                \
    {                                                                                                        \
        name, {text, sizeof(text) - 1}, want                                                                 \
    }

static const struct row good_authors[] = {
    ROW("bare address", "a@example.com", "a@example.com"),
    ROW("as it stands behind the colon", " a@example.com", "a@example.com"),
    ROW("angle address", "<a@example.com>", "a@example.com"),
    ROW("display name", "Alice Smith <a@example.com>", "a@example.com"),
    ROW("no blank before the angle", "Alice<a@example.com>", "a@example.com"),
    ROW("domain in lower case, local part as it stands", "Alice <A.Lice@EXAMPLE.Com>", "A.Lice@example.com"),
    ROW("RFC 5322 3.4 quoted display name", "\"Smith, Alice\" <a@example.com>", "a@example.com"),
    ROW("RFC 5322 3.2.4 quoted-pair in a display name", "\"Alice \\\"Al\\\" Smith\" <a@example.com>",
        "a@example.com"),
    ROW("RFC 5322 4.1 dots in a display name", "Dr. X. Y. Smith <a@b.example>", "a@b.example"),
    ROW("several words and quoted strings", "\"A\" b \"C\" <a@b.example>", "a@b.example"),
    ROW("empty display name", "\"\" <a@b.example>", "a@b.example"),
    ROW("A38 display name is another address", "\"victim@x.example\" <a@example.com>", "a@example.com"),
    ROW("A38 display name with an angle address", "\"<victim@x.example>\" <a@example.com>", "a@example.com"),
    ROW("A38 display name with a list", "\"v@x.example, w@x.example\" <a@example.com>", "a@example.com"),
    ROW("encoded-word display name, Q", "=?utf-8?Q?J=C3=BCrgen?= <j@example.com>", "j@example.com"),
    ROW("encoded-word display name, B", "=?UTF-8?B?5byg5LiJ?= =?UTF-8?B?5byg5LiJ?= <j@example.com>",
        "j@example.com"),
    ROW("encoded-word that decodes to an address", "=?utf-8?B?PGFkbWluQHguZXhhbXBsZT4=?= <j@example.com>",
        "j@example.com"),
    ROW("encoded-word in a quoted string", "\"=?utf-8?Q?J?=\" <j@example.com>", "j@example.com"),
    ROW("UTF-8 display name", "张三 <z@example.com>", "z@example.com"),
    ROW("right-to-left override in the display name",
        "\xe2\x80\xae"
        "ecilA <a@example.com>",
        "a@example.com"),
    ROW("folded before the angle", "Alice Smith\r\n <a@example.com>", "a@example.com"),
    ROW("folded right behind the colon", "\r\n\tAlice <a@example.com>", "a@example.com"),
    ROW("blank line of a fold at the end", "a@example.com\r\n ", "a@example.com"),
    ROW("fold in a quoted string", "\"Alice\r\n Smith\" <a@example.com>", "a@example.com"),
    ROW("comment behind a bare address", "b@y.example (Bob)", "b@y.example"),
    ROW("comment right behind a bare address", "b@y.example(Bob)", "b@y.example"),
    ROW("comment before a bare address", "(Bob) b@y.example", "b@y.example"),
    ROW("comment behind an angle address", "Bob <b@y.example> (home)", "b@y.example"),
    ROW("comment in the display name", "Bob (the builder) B <b@y.example>", "b@y.example"),
    ROW("comments nest", "b@y.example (a (b (c)) d)", "b@y.example"),
    ROW("comments nest to the limit", "b@y.example ((((((((((((((((x))))))))))))))))", "b@y.example"),
    ROW("quoted-pair in a comment", "b@y.example (a \\) b)", "b@y.example"),
    ROW("quote in a comment", "b@y.example (the \" one)", "b@y.example"),
    ROW("UTF-8 in a comment", "b@y.example (Jürgen)", "b@y.example"),
    ROW("every atext", "!#$%&'*+-=/?^_`{|}~@example.com", "!#$%&'*+-=/?^_`{|}~@example.com"),
    ROW("T-14 subaddress is kept", "a+tag@example.com", "a+tag@example.com"),
    ROW("RFC 5321 4.1.2 quotes that mean nothing", "\"alice\"@example.com", "alice@example.com"),
    ROW("quoted local part", "\"john smith\"@example.com", "\"john smith\"@example.com"),
    ROW("blank inside the brackets", "< b@y.example>", "b@y.example"),
    ROW("blank before the closing bracket", "<b@y.example >", "b@y.example"),
    ROW("fold inside the brackets", "<b@y.example\r\n >", "b@y.example"),
    ROW("quoted local part in angle brackets", "J <\"john..smith.\"@example.com>",
        "\"john..smith.\"@example.com"),
    ROW("local part of 64", "a234567890123456789012345678901234567890123456789012345678901234@example.com",
        "a234567890123456789012345678901234567890123456789012345678901234@example.com"),
    ROW("A39 EAI", "用户@例え.test", "用户@xn--r8jz45g.test"),
    ROW("EAI in angle brackets", "用户 <用户@例え.test>", "用户@xn--r8jz45g.test"),
    ROW("EAI quoted", "\"用 户\"@例え.test", "\"用 户\"@xn--r8jz45g.test"),
    ROW("EAI is not normalised", "u\xcc\x88@example.com", "u\xcc\x88@example.com"),
    ROW("R-01 U-label and A-label", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ROW("client_a3 another account's address cannot be told", "admin@example.com", "admin@example.com"),
};

static const struct row bad_authors[] = {
    ROW("nothing", "", NULL),
    ROW("blank", " \r\n ", NULL),
    ROW("A37 empty angle", "<>", NULL),
    ROW("A37 display name with an empty angle", "Alice <>", NULL),
    ROW("display name alone", "Alice", NULL),
    ROW("comment alone", "(a)", NULL),
    ROW("quoted string alone", "\"a@example.com\"", NULL),
    ROW("no domain", "alice@", NULL),
    ROW("no local part", "@example.com", NULL),
    ROW("no local part in angle brackets", "<@example.com>", NULL),
    ROW("R-02 wildcard", "*@example.com", NULL),
    ROW("R-02 quoted wildcard", "\"*\"@example.com", NULL),

    ROW("server_a12 no valid From value", "n : first@attack.example", NULL),
    ROW("server_a14 client_a2 two angle addresses", "<first@attack.example>, <admin@legitimate.example>",
        NULL),
    ROW("server_a15 encoded-word as an address",
        "=?utf-8?B?PGFkbWluQGxlZ2l0aW1hdGUuZXhhbXBsZT4=?=,<second@attack.example>", NULL),
    ROW("server_a15 encoded-word alone", "=?utf-8?B?PGFkbWluQGxlZ2l0aW1hdGUuZXhhbXBsZT4=?=", NULL),
    ROW("server_a16 route", "<@attack.example,@any.example:admin@legitimate.example>", NULL),
    ROW("server_a17 quoted-pair outside quotes", "<admin@legitimate.example>\\,<second@attack.example>",
        NULL),
    ROW("server_a18 bare, then angle address", "admin@legitimate.example,<second@attack.example>", NULL),
    ROW("server_a19 text behind the angle", "<any@attack.example>admin@legitimate.example", NULL),
    ROW("client_a2 two bare addresses", "attacker@example.com, admin@example.com", NULL),
    ROW("server_a2 comment that opens inside the address", "(any@legitimate.example", NULL),
    ROW("server_a5 parenthesis in the domain", "any@legitimate.example(a.attack.example", NULL),
    ROW("server_a6 quote in the address", "any@legitimate.example'@any.attack.example", NULL),
    ROW("server_a7 route without angle brackets", "@legitimate.example,@any.example:'any@attack.example",
        NULL),

    ROW("LIBRARIES 7: two angle addresses", "x <a@evil.test> <b@good.test>", NULL),
    ROW("LIBRARIES 7: list", "a@evil.test, b@good.test", NULL),
    ROW("LIBRARIES 7: closing bracket alone", "a@good.test>", NULL),
    ROW("LIBRARIES 7: folded, two lines", "a@good.test\r\n b@evil.test", NULL),
    ROW("LIBRARIES 7: CRLF that folds nothing", "a@good.test\r\nb@evil.test", NULL),
    ROW("LIBRARIES 7: group", "friends: a@good.test, b@evil.test;", NULL),
    ROW("LIBRARIES 7: group of one", "friends: a@good.test;", NULL),
    ROW("LIBRARIES 7: empty group", "undisclosed-recipients:;", NULL),
    ROW("LIBRARIES 7: route", "@evil.test:a@good.test", NULL),
    ROW("LIBRARIES 7: semicolon", "a@good.test; b@evil.test", NULL),
    ROW("LIBRARIES 8: angle address in a quoted local part", "\"x <a@evil.test>\"@good.test", NULL),
    ROW("LIBRARIES 8: angle address in a comment", "a@good.test (<b@evil.test>)", NULL),
    ROW("LIBRARIES 8: quoted-pair in a local part", "\"a\\\"b\"@good.test", NULL),
    ROW("LIBRARIES 27: bracket in the domain", "<a@b.test>>", NULL),
    ROW("table: address, then angle address", "a@b.test <d@e.test>", NULL),
    ROW("table: two angle addresses", "<a@b.test> <c@d.test>", NULL),
    ROW("table: line feed and a field", "a@b.test\nX: y", NULL),
    ROW("table: trailing dot", "a@b.test.", NULL),
    ROW("table: two at signs", "<a@b@c.test>", NULL),
    ROW("table: comment in the local part", "com(ment)@d.test", NULL),
    ROW("table: unbalanced quote", "\"a <a@b.test>", NULL),
    ROW("table: unbalanced parenthesis", "a@b.test (x", NULL),
    ROW("table: NUL", "a@b.test\0.evil.test", NULL),

    ROW("address in a comment", "b@y.example (a@x.example)", NULL),
    ROW("address in a comment before", "(a@x.example) b@y.example", NULL),
    ROW("address in a comment of a display name", "B (a@x.example) <b@y.example>", NULL),
    ROW("bracket in a comment", "b@y.example (<)", NULL),
    ROW("address as an unquoted display name", "a@x.example <b@y.example>", NULL),
    ROW("address behind words", "From a@x.example", NULL),
    ROW("quotes that open in a comment", "(\") \"evil@x.example (\" <good@y.example>", NULL),
    ROW("quotes that end at a quoted-pair for some", "\"a\\\" <evil@x.example>, \" <good@y.example>", NULL),
    ROW("brackets behind a quoted-pair", "\"a\\\" <evil> \" <good@y.example>", NULL),
    ROW("comment that ends at a quoted-pair for some", "(a\\) \"b) evil@x.example (\" <good@y.example>",
        NULL),
    ROW("quoted-pair in a comment beside an address in quotes", "(a\\)) \"x@v.example\" <good@y.example>",
        NULL),
    ROW("line end that folds nothing in a display name", "Bob\r\nB <b@y.example>", NULL),
    ROW("comments nest too deep", "b@y.example (((((((((((((((((x)))))))))))))))))", NULL),
    ROW("comment without an end at a quoted-pair", "b@y.example (a\\)", NULL),
    ROW("comment between the parts", "b(x)@y.example", NULL),
    ROW("comment behind the at sign", "b@(x)y.example", NULL),
    ROW("comment in the domain", "b@y(x).example", NULL),
    ROW("blank before the at sign", "b @y.example", NULL),
    ROW("blank behind the at sign", "b@ y.example", NULL),
    ROW("blank in the domain", "b@y. example", NULL),
    ROW("fold in the local part", "b\r\n c@y.example", NULL),
    ROW("comment inside the brackets", "<b@y.example(x)>", NULL),
    ROW("no closing bracket", "Bob <b@y.example", NULL),
    ROW("two opening brackets", "<<b@y.example>>", NULL),
    ROW("comma behind", "b@y.example,", NULL),
    ROW("comma before", ",b@y.example", NULL),
    ROW("unquoted comma in the display name", "Smith, Bob <b@y.example>", NULL),
    ROW("unquoted colon in the display name", "Bob: B <b@y.example>", NULL),
    ROW("unquoted at sign in the display name", "Bob @ work <b@y.example>", NULL),
    ROW("unquoted bracket in the display name", "[ext] Bob <b@y.example>", NULL),
    ROW("unquoted backslash in the display name", "Bob\\ B <b@y.example>", NULL),
    ROW("mailto", "<mailto:b@y.example>", NULL),
    ROW("encoded-word in the local part", "=?utf-8?Q?b?=@y.example", NULL),
    ROW("encoded-word in the local part, in brackets", "<=?utf-8?Q?b?=@y.example>", NULL),
    ROW("encoded-word in a quoted local part", "\"=?utf-8?Q?b?=\"@y.example", NULL),
    ROW("encoded-word as the domain", "b@=?utf-8?Q?y.example?=", NULL),
    ROW("A37 domain literal", "b@[192.0.2.1]", NULL),
    ROW("A37 domain literal in brackets", "<b@[192.0.2.1]>", NULL),
    ROW("A37 IPv4 address as a domain", "b@192.0.2.1", NULL),
    ROW("domain of one label", "root@localhost", NULL),
    ROW("underscore in the domain", "b@a_b.example", NULL),
    ROW("dot first", ".b@y.example", NULL),
    ROW("dot last", "b.@y.example", NULL),
    ROW("two dots", "b..c@y.example", NULL),
    ROW("empty quoted local part", "\"\"@y.example", NULL),
    ROW("quoted local part with an at sign", "\"b@y\"@x.example", NULL),
    ROW("quoted local part with a comma", "\"b,c\"@x.example", NULL),
    ROW("quoted local part with a space at its edge", "\" b\"@x.example", NULL),
    ROW("quoted local part of a space", "\" \"@x.example", NULL),
    ROW("quoted local part with a tab", "\"b\tc\"@x.example", NULL),
    ROW("quoted local part with a fold", "\"b\r\n c\"@x.example", NULL),
    ROW("quoted and unquoted words of a local part", "\"b\".c@x.example", NULL),
    ROW("unquoted, then quoted", "c.\"b\"@x.example", NULL),
    ROW("local part of 65", "a2345678901234567890123456789012345678901234567890123456789012345@example.com",
        NULL),
    ROW("control in the display name", "B\x01 <b@y.example>", NULL),
    ROW("NUL in the display name", "B\0 <b@y.example>", NULL),
    ROW("NUL in a quoted string", "\"B\0\" <b@y.example>", NULL),
    ROW("NUL in a comment", "b@y.example (\0)", NULL),
    ROW("DEL", "b\x7f@y.example", NULL),
    ROW("C1 control in the display name", "B\xc2\x9b <b@y.example>", NULL),
    ROW("A54 bare CR", "B\r <b@y.example>", NULL),
    ROW("A54 bare LF", "B\n <b@y.example>", NULL),
    ROW("CRLF at the end", "b@y.example\r\n", NULL),
    ROW("Latin-1 display name", "J\xfcrgen <b@y.example>", NULL),
    ROW("overlong angle bracket",
        "a@x.example \xc0\xbc"
        "b@y.example>",
        NULL),
    ROW("surrogate in the local part", "b\xed\xa0\x80@y.example", NULL),
    ROW("zero width space in the local part", "b\xe2\x80\x8b@y.example", NULL),
    ROW("zero width joiner in the local part", "b\xe2\x80\x8d@y.example", NULL),
    ROW("byte order mark in the local part",
        "\xef\xbb\xbf"
        "b@y.example",
        NULL),
    ROW("soft hyphen in the local part", "b\xc2\xad@y.example", NULL),
    ROW("right-to-left override in the local part", "b\xe2\x80\xae@y.example", NULL),
    ROW("isolate in the local part", "b\xe2\x81\xa6@y.example", NULL),
    ROW("no-break space in the local part", "b\xc2\xa0@y.example", NULL),
    ROW("variation selector in the local part", "b\xef\xb8\x8f@y.example", NULL),
    ROW("tag character in the local part", "b\xf3\xa0\x81\xa1@y.example", NULL),
    ROW("noncharacter in the local part", "b\xef\xbf\xbf@y.example", NULL),
    ROW("wide at sign in the local part", "b＠good.example@y.example", NULL),
    ROW("wide at sign as the only one", "b＠y.example", NULL),
    ROW("zero width joiner that IDNA allows in a domain", "b@क्\xe2\x80\x8dष.example", NULL),
    ROW("zero width space in the domain", "b@y\xe2\x80\x8b.example", NULL),
    ROW("wide letters in the domain", "b@ｅxample.com", NULL),
    ROW("A-label that is none", "b@xn--a.example", NULL),
};

/* What the parser says of an author, "" if it refuses. */
static const char *author_of(struct span text, char out[static MAILBOX_MAX_BYTES + 1])
{
    struct mailbox m;
    const char *why = NULL;
    memset(&m, 'x', sizeof m);
    enum outcome got = mailbox_parse_author(text, &m, &why);
    out[0] = '\0';
    if (got == OUTCOME_OK)
        mailbox_format(&m, out);
    else if (got != OUTCOME_BROKEN_INPUT || why == NULL || *why == '\0' || *m.local != '\0' ||
             *m.domain.name != '\0')
        return "refused, but not cleanly";
    return out;
}

static void test_authors(const struct row *rows, size_t count)
{
    char got[MAILBOX_MAX_BYTES + 1];
    for (size_t i = 0; i < count; i++)
        tap_is_string(author_of(rows[i].text, got), rows[i].want != NULL ? rows[i].want : "", rows[i].name);
}

static void test_reasons(void)
{
    static const struct {
        const char *text;
        const char *why;
    } reasons[] = {
        {"", "no address"},
        {"<>", "no address"},
        {"a@x.example, b@x.example", "more than one mailbox"},
        {"g: a@x.example;", "group"},
        {"<@a.example:b@x.example>", "route"},
        {"Bob <a@x.example", "angle bracket without an end"},
        {"a@[192.0.2.1]", "domain literal"},
        {"<a@[192.0.2.1]>", "domain literal"},
        {"a@localhost", "invalid domain"},
        {"a@x.example (b@x.example)", "address in a comment"},
        {"A\x01 <a@x.example>", "control character"},
        {"A\xff <a@x.example>", "bytes that are not UTF-8"},
        {"*@x.example", "wildcard local part"},
        {"<=?a?q?b?=@x.example>", "encoded-word in the address"},
        {"a @x.example", "blank, comment or missing quotes in the address"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct mailbox m;
        const char *why = NULL;
        enum outcome got = mailbox_parse_author(span_from_string(reasons[i].text), &m, &why);
        tap_ok(got == OUTCOME_BROKEN_INPUT, "refuses: %s", reasons[i].why);
        tap_is_string(why, reasons[i].why, "and says so");
    }
}

static void test_long_fields(void)
{
    static char text[MAILBOX_FIELD_MAX_BYTES + 1];
    char got[MAILBOX_MAX_BYTES + 1];
    static const char tail[] = " <a@example.com>";
    size_t tail_at = sizeof text - (sizeof tail - 1);
    memset(text, 'n', tail_at);
    memcpy(text + tail_at, tail, sizeof tail - 1);
    tap_is_string(author_of((struct span){text + 1, sizeof text - 1}, got), "a@example.com",
                  "a display name up to the limit");
    tap_is_string(author_of((struct span){text, sizeof text}, got), "", "a field over the limit");
    memset(text, '(', sizeof text);
    tap_is_string(author_of((struct span){text, MAILBOX_FIELD_MAX_BYTES}, got), "",
                  "nothing but parentheses");
    for (size_t i = 0; i < MAILBOX_FIELD_MAX_BYTES; i++)
        text[i] = "\"\" "[i % 3];
    tap_is_string(author_of((struct span){text, MAILBOX_FIELD_MAX_BYTES}, got), "", "nothing but quotes");
}

static const struct row addresses[] = {
    ROW("address", "acme@CA.example", "acme@ca.example"),
    ROW("EAI address", "用户@例え.test", "用户@xn--r8jz45g.test"),
    ROW("quoted local part", "\"a b\"@x.example", "\"a b\"@x.example"),
    ROW("blank before", " a@x.example", NULL),
    ROW("blank behind", "a@x.example ", NULL),
    ROW("line end behind", "a@x.example\n", NULL),
    ROW("angle brackets", "<a@x.example>", NULL),
    ROW("display name", "A <a@x.example>", NULL),
    ROW("comment", "a@x.example (A)", NULL),
    ROW("NUL", "a@x.example\0", NULL),
    ROW("invalid UTF-8", "a\xff@x.example", NULL),
    ROW("control", "a\x01@x.example", NULL),
    ROW("nothing", "", NULL),
    ROW("a quote", "\"", NULL),
    ROW("only quotes", "\"\"", NULL),
    ROW("an at sign", "@", NULL),
};

static void test_addresses(void)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const struct row *row = &addresses[i];
        struct mailbox m;
        char got[MAILBOX_MAX_BYTES + 1] = "";
        memset(&m, 'x', sizeof m);
        enum outcome outcome = mailbox_parse_address(row->text, &m);
        tap_ok(outcome == (row->want != NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT), "%s", row->name);
        if (outcome == OUTCOME_OK)
            mailbox_format(&m, got);
        tap_is_string(got, row->want != NULL ? row->want : "", row->name);
        tap_ok(outcome == OUTCOME_OK || (*m.local == '\0' && *m.domain.name == '\0'),
               "nothing is left behind");
    }
}

static const struct row lists[] = {
    ROW("one", "acme@ca.example", "acme@ca.example|"),
    ROW("A41 several", "a@x.example, B <b@x.example>,\r\n c@x.example (C)",
        "a@x.example|b@x.example|c@x.example|"),
    ROW("display names with commas", "\"Doe, J\" <j@x.example>, k@x.example", "j@x.example|k@x.example|"),
    ROW("comments with commas", "(a, b) j@x.example, k@x.example (c@x.example, d@x.example)",
        "j@x.example|k@x.example|"),
    ROW("group", "Team: a@x.example, <b@x.example>; c@x.example", "a@x.example|b@x.example|c@x.example|"),
    ROW("empty group", "undisclosed-recipients:;", ""),
    ROW("group name in quotes", "\"a@x.example\": b@x.example;", "b@x.example|"),
    ROW("empty elements", ", ,a@x.example,,", "a@x.example|"),
    ROW("route is skipped", "<@a.example,@b.example:c@x.example>, d@x.example", "d@x.example|"),
    ROW("blanks inside are skipped", "a @x.example, <b@ x.example>, c@x.example", "c@x.example|"),
    ROW("address as a display name is skipped", "a@x.example <b@x.example>", "b@x.example|"),
    ROW("words without brackets are skipped", "hello a@x.example, b@x.example", "b@x.example|"),
    ROW("bad domains are skipped",
        "a@localhost, b@x.example., c@[192.0.2.1], d@[IPv6:2001:db8::1], e@x.example", "e@x.example|"),
    ROW("unquoted comma in a display name", "Doe, J <j@x.example>", "j@x.example|"),
    ROW("no blank between", "a@x.example,b@x.example;c@x.example", "a@x.example|b@x.example|c@x.example|"),
    ROW("quote without an end", "a@x.example, \"b <b@x.example>, c@x.example", "a@x.example|"),
    ROW("comment without an end", "a@x.example, (b@x.example", "a@x.example|"),
    ROW("bracket without an end", "a@x.example, <b@x.example, c@x.example", "a@x.example|"),
    ROW("quoted local part", "\"a b\"@x.example, \"c,d\"@x.example", "\"a b\"@x.example|"),
    ROW("NUL is skipped", "a\0@x.example, b@x.example", "b@x.example|"),
    ROW("nothing", "", ""),
    ROW("blank", " \r\n ", ""),
};

static bool note_address(const struct mailbox *m, void *context)
{
    char address[MAILBOX_MAX_BYTES + 1];
    mailbox_format(m, address);
    return strbuf_append_string(context, address) && strbuf_append_byte(context, '|');
}

static bool count_to_three(const struct mailbox *m, void *context)
{
    int *count = context;
    return m->local[0] == 'a' && ++*count < 3;
}

static bool count_all(const struct mailbox *m, void *context)
{
    int *count = context;
    *count += m->local[0] == 'a';
    return true;
}

static void test_lists(void)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct strbuf got;
        strbuf_init(&got, 1000);
        tap_is_int(mailbox_visit_list(lists[i].text, note_address, &got), OUTCOME_OK, lists[i].name);
        tap_is_string(strbuf_string(&got), lists[i].want, lists[i].name);
        strbuf_clear(&got);
    }
    struct strbuf many;
    int count = 0;
    strbuf_init(&many, 100000);
    for (int i = 0; i < MAILBOX_LIST_MAX + 10; i++)
        if (!strbuf_append_string(&many, "a@x.example, bad, "))
            tap_ok(false, "append");
    tap_is_int(mailbox_visit_list(strbuf_view(&many), count_to_three, &count), OUTCOME_OK, "a long list");
    tap_is_int(count, 3, "the visitor ends the walk");
    count = 0;
    tap_is_int(mailbox_visit_list(strbuf_view(&many), count_all, &count), OUTCOME_OK, "all of it");
    tap_is_int(count, MAILBOX_LIST_MAX, "a list has its limit");
    strbuf_clear(&many);
}

int main(void)
{
    test_authors(good_authors, sizeof good_authors / sizeof *good_authors);
    test_authors(bad_authors, sizeof bad_authors / sizeof *bad_authors);
    test_reasons();
    test_long_fields();
    test_addresses();
    test_lists();
    return tap_done();
}
