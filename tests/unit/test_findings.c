/* SPDX-License-Identifier: BSD-2-Clause */
#include "findings.h"

#include <string.h>

#include "tap.h"

/* Contract section 6, written a second time on purpose: a change of the table must be meant. Ours beside it:
 * dmarc-discovery-differs, header-8bit. */
static const struct {
    const char *name;
    const char *severities; /* rfc8823, interop, strict */
    int code;
    const char *enhanced;
} contract[] = {
    {"message-too-large", "rrr", 552, "5.3.4"},
    {"header-malformed", "rrr", 550, "5.6.0"},
    {"header-8bit", "nnn", 550, "5.6.0"},
    {"header-duplicate", "rrr", 550, "5.6.0"},
    {"author-ambiguous", "rrr", 550, "5.6.0"},
    {"delivery-report", "rrr", 550, "5.6.0"},
    {"list-field", "rrr", 550, "5.7.1"},
    {"subject-no-token", "rrr", 550, "5.6.0"},
    {"subject-charset", "rnr", 550, "5.6.0"},
    {"token-short", "nnr", 550, "5.6.0"},
    {"to-mismatch", "rnr", 550, "5.6.0"},
    {"in-reply-to-missing", "nnr", 550, "5.6.0"},
    {"body-type", "rnr", 550, "5.6.1"},
    {"body-no-text", "rrr", 550, "5.6.1"},
    {"block-missing", "rrr", 550, "5.6.0"},
    {"block-ambiguous", "rrr", 550, "5.6.0"},
    {"block-quoted", "rnr", 550, "5.6.0"},
    {"digest-malformed", "rrr", 550, "5.6.0"},
    {"dkim-none", "rrr", 550, "5.7.20"},
    {"dkim-unaligned", "rrr", 550, "5.7.22"},
    {"dkim-fail", "rrr", 550, "5.7.20"},
    {"dkim-expired", "rrr", 550, "5.7.21"},
    {"dkim-algorithm", "rrr", 550, "5.7.21"},
    {"dkim-key-weak", "rrr", 550, "5.7.21"},
    {"dkim-key-short", "rrr", 550, "5.7.21"},
    {"dkim-key-1024", "nnr", 550, "5.7.21"},
    {"dkim-key-testing", "rrr", 550, "5.7.21"},
    {"dkim-body-length", "rrr", 550, "5.7.21"},
    {"dkim-coverage-core", "rrr", 550, "5.7.21"},
    {"dkim-coverage-present", "rnr", 550, "5.7.21"},
    {"dkim-coverage-full", "rnr", 550, "5.7.21"},
    {"dkim-coverage-should", "nnn", 0, ""},
    {"dkim-temperror", "ttt", 451, "4.7.5"},
    {"dmarc-none", "nnr", 550, "5.7.1"},
    {"dmarc-policy-none", "nnr", 550, "5.7.1"},
    {"dmarc-permerror", "nnr", 550, "5.7.1"},
    {"dmarc-fail", "rrr", 550, "5.7.26"},
    {"dmarc-temperror", "ttt", 451, "4.4.3"},
    {"dmarc-discovery-differs", "nnn", 550, "5.7.1"},
    {"dnssec-none", "nnr", 550, "5.7.1"},
    {"dnssec-bogus", "ttt", 451, "4.4.3"},
};

enum { CONTRACT_ROWS = sizeof contract / sizeof contract[0] };

static char letter(enum severity severity)
{
    static const char letters[] = {
        [SEVERITY_UNSET] = '?', [SEVERITY_REJECT] = 'r', [SEVERITY_TEMPORARY] = 't', [SEVERITY_NOTE] = 'n'};
    return letters[severity];
}

static void test_contract(void)
{
    tap_is_int(FINDING_END - 1, CONTRACT_ROWS, "the table has the contract's rows and no other");
    for (int i = 0; i < CONTRACT_ROWS && i + 1 < FINDING_END; i++) {
        const struct finding_rule *rule = finding_rule((enum finding_id)(i + 1));
        char severities[] = {letter(rule->severity[POLICY_RFC8823]), letter(rule->severity[POLICY_INTEROP]),
                             letter(rule->severity[POLICY_STRICT]), '\0'};
        tap_is_string(rule->name, contract[i].name, "name and place");
        tap_is_string(severities, contract[i].severities, contract[i].name);
        tap_is_int(rule->code, contract[i].code, contract[i].name);
        tap_is_string(rule->enhanced, contract[i].enhanced, contract[i].name);
    }
}

static void test_texts(void)
{
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++) {
        const struct finding_rule *rule = finding_rule((enum finding_id)i);
        struct strbuf text;
        strbuf_init(&text, 1000);
        bool ok = finding_list_append_text(NULL, rule->id, &text);
        bool is_plain = strchr(rule->text, '%') == NULL && strchr(rule->text, '\n') == NULL;
        tap_ok(ok && is_plain && text.len < 300 && strstr(strbuf_string(&text), rule->name) != NULL,
               "SMTP text of %s is one short line that names it", rule->name);
        strbuf_clear(&text);
    }
}

/* "Nobody looked" is not the applicant's fault, and the SMTP answer must not send him to his administrator.
 */
static void test_unvalidated(void)
{
    struct finding_list list = {.count = 0};
    struct strbuf text, plain;
    strbuf_init(&text, 1000);
    strbuf_init(&plain, 1000);
    finding_list_add_unvalidated(&list, "s1._domainkey.example.com");
    tap_ok(finding_list_append_text(&list, FINDING_DNSSEC_NONE, &text) && text.len < 300 &&
               strstr(strbuf_string(&text), "validates no DNS answers") != NULL &&
               strstr(strbuf_string(&text), "[dnssec-none]") != NULL,
           "dnssec-none has a text of its own where nothing was validated");
    tap_is_string(list.items[0].detail, "s1._domainkey.example.com: not validated",
                  "and says so of the name");
    tap_ok(finding_list_append_text(NULL, FINDING_DNSSEC_NONE, &plain) &&
               strstr(strbuf_string(&plain), "is not signed with DNSSEC") != NULL,
           "an unsigned zone is told as one");
    strbuf_clear(&text);
    strbuf_clear(&plain);
}

static void test_overrides(void)
{
    struct finding_policy p;
    finding_policy_init(&p, POLICY_INTEROP);
    tap_ok(finding_policy_override(&p, FINDING_DMARC_NONE, SEVERITY_REJECT) &&
               p.severity[FINDING_DMARC_NONE] == SEVERITY_REJECT,
           "a row can be made stricter");
    tap_ok(finding_policy_override(&p, FINDING_DKIM_KEY_TESTING, SEVERITY_NOTE) &&
               p.severity[FINDING_DKIM_KEY_TESTING] == SEVERITY_NOTE,
           "a row can be relaxed");
    static const enum finding_id fixed[] = {
        FINDING_AUTHOR_AMBIGUOUS, FINDING_DKIM_NONE,          FINDING_DKIM_UNALIGNED,
        FINDING_DKIM_FAIL,        FINDING_DKIM_COVERAGE_CORE, FINDING_DIGEST_MALFORMED,
        FINDING_SUBJECT_NO_TOKEN, FINDING_DNSSEC_BOGUS,       FINDING_DKIM_TEMPERROR};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        enum severity before = p.severity[fixed[i]];
        tap_ok(!finding_policy_override(&p, fixed[i], SEVERITY_NOTE) && p.severity[fixed[i]] == before,
               "%s stays as it is", finding_rule(fixed[i])->name);
    }
}

static void test_list(void)
{
    struct finding_list list = {.count = 0};
    finding_list_add(&list, FINDING_DMARC_NONE, NULL);
    finding_list_add(&list, FINDING_DKIM_FAIL, "bad\r\n\x1b[31m");
    finding_list_add(&list, FINDING_DMARC_NONE, NULL);
    finding_list_add(&list, FINDING_DNSSEC_NONE, "a");
    finding_list_add(&list, FINDING_DNSSEC_NONE, "b");
    tap_is_int((long long)list.count, 4, "the same finding with the same detail stands once");
    tap_is_int(list.items[0].id, FINDING_DKIM_FAIL, "table order, whatever the order of adding");
    tap_is_string(list.items[0].detail, "bad\\x0d\\x0a\\x1b[31m", "details are printable ASCII");
    for (int i = 0; i < 2 * FINDING_LIST_MAX; i++) {
        char detail[] = {(char)('a' + i % 26), (char)('a' + i / 26), '\0'};
        finding_list_add(&list, FINDING_LIST_FIELD, detail);
    }
    tap_is_int((long long)list.count, FINDING_LIST_MAX, "a full list stays within its bounds");
    char long_detail[2 * FINDING_DETAIL_MAX_BYTES];
    memset(long_detail, 'x', sizeof long_detail - 1);
    long_detail[sizeof long_detail - 1] = '\0';
    struct finding_list other = {.count = 0};
    finding_list_add(&other, FINDING_DKIM_FAIL, long_detail);
    tap_is_int((long long)strlen(other.items[0].detail), FINDING_DETAIL_MAX_BYTES, "long details are cut");
}

static void test_names(void)
{
    enum finding_id id = FINDING_NONE;
    tap_ok(finding_from_name(SPAN_LITERAL("DKIM-None"), &id) && id == FINDING_DKIM_NONE, "names in any case");
    tap_ok(!finding_from_name(SPAN_LITERAL("dkim"), &id), "unknown names are refused");
}

int main(void)
{
    test_contract();
    test_texts();
    test_unvalidated();
    test_overrides();
    test_list();
    test_names();
    return tap_done();
}
