/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "../../milter/auth/policy_record.h"
#include "strbuf.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

struct row {
    const char *name, *text;
    const char *want; /* as describe() writes it */
};

static const struct row rows[] = {
    {"p=none", "v=DMARC1; p=none", "none"},
    {"p=quarantine", "v=DMARC1;p=quarantine;", "quarantine"},
    {"p=reject", "v=DMARC1; p=reject", "reject"},
    {"values in any case", "v=DMARC1; p=REJECT; adkim=S; t=Y; psd=N", "reject strict testing psd=n"},
    {"tag names in any case", "V=DMARC1; P=reject", "reject"},
    {"blanks around everything", "v \t= DMARC1 ; \t p = reject \t ; sp\t=\tnone ", "reject sp=none"},
    {"p need not be second", "v=DMARC1; rua=mailto:a@b.example; adkim=r; p=reject", "reject"},
    {"all tags",
     "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=s; psd=y; t=y; fo=1:d; pct=50; rf=afrf; "
     "ri=3600; "
     "rua=mailto:a@b.example!10m,https://c.example/; ruf=mailto:a@b.example",
     "reject sp=quarantine strict testing partial psd=y"},
    {"unknown tags are ignored", "v=DMARC1; x=1; p=reject; x=1; y=\x80", "reject"},
    {"what is no tag is ignored", "v=DMARC1; p=reject; ; nonsense; =; ;;", "reject"},

    {"no version", "p=reject", "absent"},
    {"empty", "", "absent"},
    {"SPF", "v=spf1 -all", "absent"},
    {"version is not first", "p=reject; v=DMARC1", "absent"},
    {"something before the version", "hello v=DMARC1; p=reject", "absent"},
    {"a blank before the version", " v=DMARC1; p=reject", "absent"},
    {"an empty tag before the version", "; v=DMARC1; p=reject", "absent"},
    {"version in lower case", "v=dmarc1; p=reject", "absent"},
    {"another version", "v=DMARC2; p=reject", "absent"},
    {"version with more behind it", "v=DMARC1 p=reject", "absent"},
    {"version with a comma", "v=DMARC1, p=reject", "absent"},
    {"version in quotes", "\"v=DMARC1\"; p=reject", "absent"},
    {"NUL behind the version", "v=DMARC1?; p=reject", "absent"},

    {"p twice", "v=DMARC1; p=none; p=reject", "a tag occurs twice"},
    {"p twice, in two cases", "v=DMARC1; p=reject; P=none", "a tag occurs twice"},
    {"p twice, the same", "v=DMARC1; p=reject; p=reject", "a tag occurs twice"},
    {"version twice", "v=DMARC1; v=DMARC1; p=reject", "a tag occurs twice"},
    {"rua twice", "v=DMARC1; p=reject; rua=mailto:a@b.example; rua=mailto:c@d.example", "a tag occurs twice"},

    {"no p, rua", "v=DMARC1; rua=mailto:a@b.example", "none"},
    {"no p, sp, rua", "v=DMARC1; sp=reject; rua=mailto:a@b.example", "none"},
    {"no p, no rua", "v=DMARC1; adkim=s", "no policy"},
    {"version only", "v=DMARC1", "no policy"},
    {"version only, with its separator", "v=DMARC1;", "no policy"},
    {"unknown p, rua", "v=DMARC1; p=block; rua=mailto:a@b.example", "none"},
    {"unknown p, no rua", "v=DMARC1; p=block", "an unknown policy"},
    {"empty p", "v=DMARC1; p=", "an unknown policy"},
    {"shortened p", "v=DMARC1; p=r", "an unknown policy"},
    {"p with more behind it", "v=DMARC1; p=reject rua=mailto:a@b.example", "an unknown policy"},
    {"control character in p", "v=DMARC1; p=re\x01ject", "an unknown policy"},
    {"unknown sp, rua", "v=DMARC1; p=reject; sp=block; rua=mailto:a@b.example", "none"},
    {"unknown sp, no rua", "v=DMARC1; p=reject; sp=block", "an unknown policy"},
    {"unknown np, no rua", "v=DMARC1; p=reject; np=block", "an unknown policy"},
    {"unknown np, rua", "v=DMARC1; p=reject; np=block; rua=mailto:a@b.example", "none"},

    {"rua of two, one good", "v=DMARC1; rua=nonsense, https://b.example/x!1k", "none"},
    {"rua without a scheme", "v=DMARC1; rua=a@b.example", "no policy"},
    {"rua without a mailbox", "v=DMARC1; rua=mailto:", "no policy"},
    {"rua with half a mailbox", "v=DMARC1; rua=mailto:a@", "no policy"},
    {"rua with a blank inside", "v=DMARC1; rua=mailto:a b@c.example", "no policy"},
    {"rua of commas", "v=DMARC1; rua=,,", "no policy"},

    {"unknown adkim", "v=DMARC1; p=reject; adkim=x", "reject"},
    {"unknown psd and t", "v=DMARC1; p=reject; psd=x; t=1", "reject"},
    {"psd=u", "v=DMARC1; p=reject; psd=u", "reject"},
    {"pct=100", "v=DMARC1; p=reject; pct=100", "reject"},
    {"pct=0", "v=DMARC1; p=reject; pct=0", "reject partial"},
    {"pct of no sense", "v=DMARC1; p=reject; pct=-1", "reject"},
    {"pct over 100", "v=DMARC1; p=reject; pct=4294967297", "reject"},
};

static const char *policy_name(enum auth_policy policy)
{
    static const char *const names[] = {"unknown", "none", "quarantine", "reject"};
    return names[policy];
}

static void describe(enum outcome outcome, const struct policy_record *r, const char *why, struct strbuf *out)
{
    if (outcome != OUTCOME_OK) {
        (void)strbuf_append_string(out, outcome == OUTCOME_ABSENT ? "absent" : why);
        return;
    }
    (void)strbuf_append_string(out, policy_name(r->policy));
    if (r->subdomain_policy != AUTH_POLICY_UNKNOWN)
        (void)strbuf_append_format(out, " sp=%s", policy_name(r->subdomain_policy));
    (void)strbuf_append_string(out, r->is_strict ? " strict" : "");
    (void)strbuf_append_string(out, r->is_testing ? " testing" : "");
    (void)strbuf_append_string(out, r->is_partial ? " partial" : "");
    if (r->psd != POLICY_RECORD_PSD_UNSET)
        (void)strbuf_append_string(out, r->psd == POLICY_RECORD_PSD_YES ? " psd=y" : " psd=n");
}

static void test_rows(void)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct policy_record record;
        const char *why;
        char text[512];
        struct strbuf got;
        strbuf_init(&got, 256);
        size_t len = strlen(rows[i].text);
        memcpy(text, rows[i].text, len);
        for (size_t k = 0; k < len; k++) /* a C string cannot hold the NUL */
            text[k] = text[k] == '?' ? '\0' : text[k];
        enum outcome outcome = policy_record_parse((struct span){text, len}, &record, &why);
        describe(outcome, &record, why, &got);
        tap_is_string(strbuf_string(&got), rows[i].want, rows[i].name);
        strbuf_clear(&got);
    }
}

static void test_many_tags(void)
{
    struct policy_record record;
    const char *why;
    struct strbuf text;
    strbuf_init(&text, 4096);
    (void)strbuf_append_string(&text, "v=DMARC1; p=reject");
    for (int i = 0; i < 100; i++)
        (void)strbuf_append_string(&text, "; x=y");
    tap_is_int(policy_record_parse(strbuf_view(&text), &record, &why), OUTCOME_BROKEN_INPUT, "too many tags");
    tap_is_string(why, "too many tags", "too many tags: why");
    strbuf_clear(&text);
}

static void test_policy(void)
{
    struct policy_record r = {.policy = AUTH_POLICY_REJECT};
    tap_is_int(policy_record_policy(&r, true), AUTH_POLICY_REJECT, "no sp: p");
    r.subdomain_policy = AUTH_POLICY_NONE;
    tap_is_int(policy_record_policy(&r, true), AUTH_POLICY_NONE, "sp");
    tap_is_int(policy_record_policy(&r, false), AUTH_POLICY_REJECT, "the domain itself: p");
}

int main(void)
{
    test_rows();
    test_many_tags();
    test_policy();
    return tap_done();
}
