/* SPDX-License-Identifier: BSD-2-Clause */
#include "recipient.h"

#include <string.h>

#include "strbuf.h"
#include "tap.h"

struct row {
    const char *name;
    const char *path;
    const char *want; /* the readings in order, a blank after each; a domain that is unset is empty */
};

static const struct row clear_paths[] = {
    {"RFC 5321 4.1.2 path", "<a@d.example>", "a@d.example "},
    {"no brackets", "a@d.example", "a@d.example "},
    {"domain in upper case, local part as it stands", "<A@D.EXAMPLE>", "A@d.example "},
    {"blanks around", " < a@d.example >", "a@d.example "},
    {"blanks inside", "<a @ d.example>", "a@d.example "},
    {"brackets twice", "<<a@d.example>>", "a@d.example "},
    {"a name", "Bob <a@d.example>", "a@d.example "},
    {"a quoted name", "\"x@y.example\" <a@d.example>", "a@d.example "},
    {"a name inside", "<Bob <a@d.example>>", "a@d.example "},
    {"parameters after it", "<a@d.example> NOTIFY=NEVER", "a@d.example "},
    {"quoted", "<\"a\"@d.example>", "a@d.example "},
    {"a word of it quoted", "<\"a\"b@d.example>", "ab@d.example "},
    {"quoted-pair in quotes", "<\"a\\b\"@d.example>", "ab@d.example "},
    {"quoted-pair without quotes", "<a\\b@d.example>", "ab@d.example "},
    {"what needs its quotes keeps them", "<\"a b\"@d.example>", "\"a b\"@d.example "},
    {"quote in quotes", "<\"a\\\"b\"@d.example>", "\"a\\\"b\"@d.example "},
    {"two dots need quotes", "<a..b@d.example>", "\"a..b\"@d.example "},
    {"comment", "<a(x)@d.example>", "a@d.example "},
    {"comment in a comment", "<(x(y)\\))a@(z)d.example>", "a@d.example "},
    {"dot after the domain", "<a@d.example.>", "a@d.example "},
    {"dots after both", "<a.@d.example..>", "a@d.example "},
    {"dot before", "<.a@d.example>", "a@d.example "},
    {"route", "<@r.example:a@d.example>", "a@d.example "},
    {"route of two", "<@r.example,@s.example:a@d.example>", "a@d.example "},
    {"route without a host", "<@r.example:a>", "a@ "},
    {"group", "<g:a@d.example;>", "a@d.example "},
    {"no host", "<a>", "a@ "},
    {"one label", "<a@localhost>", "a@ "},
    {"literal", "<a@[127.0.0.1]>", "a@ "},
    {"IPv6 literal", "<a@[IPv6:::1]>", "a@ "},
    {"a domain that is none", "<a@d_e.example>", "a@ "},
    {"bang", "<d.example!a>", "d.example!a@ a@d.example "},
    {"bangs", "<r.example!d.example!a>", "r.example!d.example!a@ d.example!a@r.example a@d.example "},
    {"bang and host", "<d.example!a@r.example>", "d.example!a@r.example a@d.example "},
    {"percent", "<a%d.example>", "a%d.example@ a@d.example "},
    {"percent and host", "<a%d.example@r.example>", "a%d.example@r.example a@d.example "},
    {"percent twice", "<a%d.example%s.example@r.example>",
     "a%d.example%s.example@r.example a%d.example@s.example a@d.example "},
    {"address in quotes", "<\"a@d.example\">", "a@d.example "},
    {"address in a local part", "<\"a@d.example\"@r.example>", "\"a@d.example\"@r.example a@d.example "},
    {"two hosts", "<a@d.example@r.example>", "\"a@d.example\"@r.example a@d.example "},
    {"UTF-8", "<\xc3\xa4@d.example>", "\xc3\xa4@d.example "},
    {"U-label",
     "<a@b\xc3\xbc"
     "cher.example>",
     "a@xn--bcher-kva.example "},
};

static const struct row unclear_paths[] = {
    {"nothing", "", ""},
    {"null path", "<>", ""},
    {"no local part", "<@d.example>", ""},
    {"dots alone", "<...>", ""},
    {"quoted string without an end", "<\"a@d.example>", "a@d.example "},
    {"comment without an end", "<a(@d.example>", "a@d.example "},
    {"quoted-pair without an end", "<a@d.example\\", "a@d.example "},
    {"control", "<a\x01@d.example>", ""},
    {"not UTF-8", "<a\xe4@d.example>", ""},
};

static bool note(const struct mailbox *m, void *context)
{
    char text[MAILBOX_MAX_BYTES + 1];
    mailbox_format(m, text);
    return strbuf_append_string(context, text) && strbuf_append_string(context, " ");
}

static bool stop(const struct mailbox *m, void *context)
{
    (void)m;
    ++*(int *)context;
    return false;
}

static void test_rows(const struct row *rows, size_t count, enum outcome outcome)
{
    for (size_t i = 0; i < count; i++) {
        struct strbuf got;
        strbuf_init(&got, 4096);
        tap_is_int(recipient_visit(span_from_string(rows[i].path), note, &got), outcome, rows[i].name);
        tap_is_string(strbuf_string(&got), rows[i].want, rows[i].name);
        strbuf_clear(&got);
    }
}

/* What no limit holds must not be taken for read, and costs no more than the limit. */
static void test_limits(void)
{
    char path[2 * RECIPIENT_PATH_MAX_BYTES + 1];
    struct strbuf got;
    int count = 0;
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    strbuf_init(&got, 100000);
    tap_is_int(recipient_visit(span_from_string(path), note, &got), OUTCOME_BROKEN_INPUT, "a long path");
    memset(path, '%', sizeof path - 1);
    for (size_t i = 0; i < 600; i += 2)
        path[i] = 'a';
    path[600] = '\0';
    tap_is_int(recipient_visit(span_from_string(path), note, &got), OUTCOME_BROKEN_INPUT, "many percents");
    for (size_t i = 1; i < 600; i += 2)
        path[i] = "!%@"[i % 3];
    tap_is_int(recipient_visit(span_from_string(path), note, &got), OUTCOME_BROKEN_INPUT, "many of each");
    strbuf_clear(&got);
    tap_is_int(recipient_visit(SPAN_LITERAL("a%d.example@r.example"), stop, &count), OUTCOME_OK,
               "visit ends it");
    tap_is_int(count, 1, "after the first");
}

struct pair {
    const char *a, *b;
    bool is_equal;
};

static const struct pair pairs[] = {
    {"acme", "ACME", true},
    {"acme", "\"a\\cme\"", true},
    {"acme", "acm", false},
    {"", "", true},
    {"", "\xff", false},
    {"desk", "de\xc5\xbfk", true},     /* U+017F LATIN SMALL LETTER LONG S */
    {"desk", "des\xe2\x84\xaa", true}, /* U+212A KELVIN SIGN */
    {"strasse",
     "stra\xc3\x9f"
     "e",
     true}, /* full case folding */
    {"office",
     "o\xef\xac\x83"
     "ce",
     true},
    {"\xc3\xa4", "A\xcc\x88", true}, /* composed, and not */
    {"\xce\xa3\xce\xa3", "\xcf\x83\xcf\x82", true},
    {"\xc3\xa4", "a", false},
    {"\xff", "\xff", false},
};

int main(void)
{
    test_rows(clear_paths, sizeof clear_paths / sizeof *clear_paths, OUTCOME_OK);
    test_rows(unclear_paths, sizeof unclear_paths / sizeof *unclear_paths, OUTCOME_BROKEN_INPUT);
    test_limits();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        tap_is_int(recipient_equal_local(span_from_string(pairs[i].a), span_from_string(pairs[i].b)),
                   pairs[i].is_equal, pairs[i].b);
    return tap_done();
}
