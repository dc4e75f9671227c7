/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static struct settings *load(const char *text, struct strbuf *error)
{
    char path[] = "/tmp/acme-milter-settings-XXXXXX";
    int fd = mkstemp(path);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        return NULL;
    close(fd);
    struct settings *s = settings_load(path, error);
    unlink(path);
    return s;
}

#define GOOD "ChallengeAddress acme@ca.example\n"

static const struct {
    const char *name;
    const char *text;
    const char *error; /* behind the file's name; NULL: the file is good */
} rows[] = {
    {"the least", GOOD, NULL},
    {"comments, blanks and case", "# c\n\n  \t\nCHALLENGEADDRESS  acme@ca.example   # why\nPolicy STRICT\n",
     NULL},
    {"no challenge address", "Policy strict\n", ":1: ChallengeAddress: at least one is needed"},
    {"unknown keyword", GOOD "Colour blue\n", ":2: Colour: unknown keyword"},
    {"a keyword that is not printable", GOOD "\xef\xbb\xbfPolicy strict\n",
     ":2: \\xef\\xbb\\xbfPolicy: unknown keyword"},
    {"a name", GOOD "AuthservID mx1.ca-example_2\n", NULL},
    {"a name that would end the field's first item", GOOD "AuthservID mx1;spf=pass\n",
     ":2: AuthservID: a host name, or another word of letters, digits, \".\", \"-\" and \"_\", is needed"},
    {"a name of two words", GOOD "AuthservID mx1 2\n",
     ":2: AuthservID: a host name, or another word of letters, digits, \".\", \"-\" and \"_\", is needed"},
    {"twice", GOOD "Policy strict\nPolicy interop\n", ":3: Policy: given twice"},
    {"no value", GOOD "Policy\n", ":2: Policy: a value is needed"},
    {"a word that is none", GOOD "Policy lax\n",
     ":2: Policy: one of these is needed: rfc8823 interop strict"},
    {"a size out of range", GOOD "MaxMessageSize 1\n",
     ":2: MaxMessageSize: out of range: a size such as 4096, 256k or 1M is needed, from 1024 to 16777216 "
     "bytes"},
    {"a number with a tail", GOOD "MaxSignatures 8x\n", ":2: MaxSignatures: a number from 1 to 32 is needed"},
    {"a number that overflows", GOOD "MaxSignatures 99999999999999999999999\n",
     ":2: MaxSignatures: a number from 1 to 32 is needed"},
    {"a time", GOOD "DNSTimeout 500ms\n", NULL},
    {"MinimumKeyBits below RFC 8301", GOOD "MinimumKeyBits 512\n",
     ":2: MinimumKeyBits: out of range: a number from 1024 to 16384 is needed"},
    {"an address that is none", "ChallengeAddress acme\n",
     ":1: ChallengeAddress: ADDRESS [ENDPOINT] is needed, ADDRESS a mail address or @DOMAIN"},
    {"a whole domain", "ChallengeAddress @acme.ca.example\n", NULL},
    {"an address twice", GOOD GOOD, ":2: ChallengeAddress: this address was given before"},
    {"an address twice, in two cases", GOOD "ChallengeAddress ACME@CA.example\n",
     ":2: ChallengeAddress: this address was given before"},
    {"a policy of an address", "ChallengeAddress acme@ca.example Policy=strict OnFinding=dmarc-none:note\n",
     NULL},
    {"a policy of an address that is none", "ChallengeAddress acme@ca.example policy=lax\n",
     ":1: ChallengeAddress: Policy=rfc8823, Policy=interop or Policy=strict is needed"},
    {"an address may not relax a fixed row", "ChallengeAddress acme@ca.example OnFinding=dkim-fail:note\n",
     ":1: ChallengeAddress: the severity of this finding is fixed, see acme-milter.conf(5)"},
    {"a socket that is none", GOOD "Socket /run/x\n",
     ":2: Socket: unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed"},
    {"inet", GOOD "Socket inet:8895@127.0.0.1\n", NULL},
    {"a socket of systemd", GOOD "Socket fd:systemd\n", NULL},
    {"one of several, by name", GOOD "Socket fd:systemd:milter\n", NULL},
    {"no name behind the colon", GOOD "Socket fd:systemd:\n",
     ":2: Socket: unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed"},
    {"a descriptor by its number", GOOD "Socket fd:3\n",
     ":2: Socket: unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed"},
    {"inet with a port that no MTA could know", GOOD "Socket inet:0@127.0.0.1\n",
     ":2: Socket: unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed"},
    {"inet with a name for a port", GOOD "Socket inet:smtp@127.0.0.1\n",
     ":2: Socket: unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed"},
    {"a finding", GOOD "OnFinding dmarc-none reject\n", NULL},
    {"a finding that is none", GOOD "OnFinding dmarc reject\n",
     ":2: OnFinding: no such finding; the manual acme-milter.conf(5) lists them"},
    {"a finding's odd severity", GOOD "OnFinding dmarc-none temporary\n",
     ":2: OnFinding: reject or note is needed for a finding"},
    {"a finding that may not be relaxed", GOOD "OnFinding dkim-none note\n",
     ":2: OnFinding: the severity of this finding is fixed, see acme-milter.conf(5)"},
    {"a finding twice", GOOD "OnFinding dmarc-none note\nOnFinding DMARC-none reject\n",
     ":3: OnFinding: this finding was given before"},
    {"a delimiter", GOOD "SubaddressDelimiter -\n", NULL},
    {"a letter is no delimiter", GOOD "SubaddressDelimiter x\n",
     ":2: SubaddressDelimiter: up to 8 different ASCII characters that are neither letter, digit nor @ are "
     "needed, or "
     "none"},
    {"several delimiters", GOOD "SubaddressDelimiter +-\n", NULL},
    {"a relative path", GOOD "EvidenceLog log\n", ":2: EvidenceLog: an absolute path, or none, is needed"},
    {"certificate without key", GOOD "EndpointCertificateFile /c\n",
     ":2: EndpointCertificateFile: EndpointCertificateFile and EndpointKeyFile go together"},
    {"no endpoint, and a mailbox", GOOD "Endpoint NONE\nDisposition deliver\n", NULL},
    {"no endpoint, and no mailbox", GOOD "Endpoint none\nPolicy strict\n",
     ":2: Endpoint: none needs Disposition deliver: else nobody would see the replies"},
    {"no endpoint, but each address has its own",
     "ChallengeAddress acme@ca.example https://h/p\nEndpoint none\n", NULL},
    {"akamu without a secret", GOOD "EndpointFormat akamu\nPolicy strict\n",
     ":2: EndpointFormat: this format needs EndpointTokenFile, the secret shared with the ACME server"},
    {"rapidmx without a secret", GOOD "Policy strict\nEndpointFormat rapidmx\n",
     ":3: EndpointFormat: this format needs EndpointTokenFile, the secret shared with the ACME server"},
    {"a secret that nobody can read yet", GOOD "EndpointFormat akamu\nEndpointTokenFile /nonexistent/s\n",
     NULL},
    {"a secret that is no file", GOOD "EndpointFormat akamu\nEndpointTokenFile /dev/null\n", NULL},
    {"a mail that rapidmx does not take",
     GOOD "MaxMessageSize 2M\nEndpointFormat rapidmx\nEndpointTokenFile /nonexistent/s\n",
     ":2: MaxMessageSize: this EndpointFormat takes mails of at most 2047k"},
    {"one that it does",
     GOOD "MaxMessageSize 2047k\nEndpointFormat rapidmx\nEndpointTokenFile /nonexistent/s\n", NULL},
    {"name servers", GOOD "Nameservers 127.0.0.1@5353, ::1\n", NULL},
    {"a name server's port", GOOD "Nameservers 127.0.0.1@x\n",
     ":2: Nameservers: a list of ADDRESS or ADDRESS@PORT is needed"},
    {"a time", GOOD "TestTime 2026-11-24T05:00:00Z\n", NULL},
    {"a time before 1970", GOOD "TestTime 1969-12-31T23:59:59Z\n",
     ":2: TestTime: seconds since 1970 or a time such as 2026-11-24T05:00:00Z is needed"},
    {"a time that stands for none", GOOD "TestTime 0\n",
     ":2: TestTime: seconds since 1970 or a time such as 2026-11-24T05:00:00Z is needed"},
    {"yes or no", GOOD "LogTokens maybe\n", ":2: LogTokens: yes or no is needed"},
    {"a mode", GOOD "SocketMode 0999\n", ":2: SocketMode: an octal file mode such as 0660 is needed"},
    {"a control character",
     GOOD "UserID a\x01"
          "b\n",
     ":2: line: control characters are not allowed"},
};

static void test_rows(void)
{
    struct strbuf error;
    strbuf_init(&error, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        strbuf_reset(&error);
        struct settings *s = load(rows[i].text, &error);
        if (rows[i].error == NULL) {
            tap_ok(s != NULL, "%s: %s", rows[i].name, strbuf_string(&error));
        } else {
            const char *text = strbuf_string(&error);
            const char *colon = strchr(text, ':');
            tap_is_string(colon, rows[i].error, rows[i].name);
        }
        settings_unref(s);
    }
    strbuf_clear(&error);
}

#define HEX31 "0123456789abcdef0123456789abcde"

static const struct {
    const char *name;
    const char *format;
    const char *secret;
    bool is_good;
} secrets[] = {
    {"32 characters for akamu", "akamu", HEX31 "f", true},
    {"and a line end", "akamu", HEX31 "f\n", true},
    {"31 characters for akamu", "akamu", HEX31, false},
    {"31 characters and a line end", "akamu", HEX31 "\n\n", false},
    {"32 in two words", "akamu", HEX31 " abc", false},
    {"an empty file for akamu", "akamu", "", false},
    {"one character for rapidmx", "rapidmx", "x", true},
    {"an empty file for rapidmx", "rapidmx", "\n", false},
    {"what native has is seen when it starts", "native", "", true},
};

static void test_secrets(void)
{
    char text[256], path[] = "/tmp/acme-milter-secret-XXXXXX";
    struct strbuf error;
    int fd = mkstemp(path);
    strbuf_init(&error, 4096);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        bool is_written = ftruncate(fd, 0) == 0 && pwrite(fd, secrets[i].secret, strlen(secrets[i].secret),
                                                          0) == (ssize_t)strlen(secrets[i].secret);
        (void)snprintf(text, sizeof text, GOOD "EndpointTokenFile %s\nEndpointFormat %s\n", path,
                       secrets[i].format);
        strbuf_reset(&error);
        struct settings *s = load(text, &error);
        tap_ok(is_written && (s != NULL) == secrets[i].is_good &&
                   (s != NULL || strstr(strbuf_string(&error), ":2: EndpointTokenFile: /tmp/") != NULL),
               "%s: %s", secrets[i].name, strbuf_string(&error));
        settings_unref(s);
    }
    close(fd);
    unlink(path);
    strbuf_clear(&error);
}

/* -n prints a file that reads back to the same print. */
static void test_round_trip(void)
{
    struct strbuf error, first, second;
    strbuf_init(&error, 4096);
    strbuf_init(&first, 65536);
    strbuf_init(&second, 65536);
    struct settings *s = load("ChallengeAddress acme@CA.example\nChallengeAddress @b.example "
                              "http://unix:/run/b.sock:/p\nPolicy rfc8823\nOnFinding dmarc-none reject\n"
                              "DNSTimeout 1500ms\nMaxMessageSize 100\x6b\nNameservers 127.0.0.1@53,::1\n",
                              &error);
    tap_ok(s != NULL && settings_print(s, &first), "prints %s", strbuf_string(&error));
    struct settings *again = load(strbuf_string(&first), &error);
    tap_ok(again != NULL && settings_print(again, &second), "reads what it prints: %s",
           strbuf_string(&error));
    tap_is_string(strbuf_string(&second), strbuf_string(&first), "and prints the same");
    tap_ok(strstr(strbuf_string(&first), "ChallengeAddress acme@ca.example\n") != NULL,
           "domains in lower case");
    settings_unref(s);
    settings_unref(again);
    strbuf_clear(&error);
    strbuf_clear(&first);
    strbuf_clear(&second);
}

static void test_challenges(void)
{
    static const struct {
        const char *address;
        int challenge; /* -1: none of ours */
    } wanted[] = {
        {"acme@ca.example", 0},        {"ACME@CA.EXAMPLE", 0},        {"acme+7f@ca.example", 0},
        {"acme+@ca.example", 0},       {"acmeX@ca.example", -1},      {"other@ca.example", -1},
        {"acme+vip@ca.example", 1},    {"any@acme.ca.example", 2},    {"a+b@acme.ca.example", 2},
        {"any@x.acme.ca.example", -1}, {"acme@ca.example.org", -1},   {"acme-7f@ca.example", 0},
        {"acme=7f@ca.example", -1},    {"\"acme+7f\"@ca.example", 0},
    };
    struct strbuf error;
    strbuf_init(&error, 4096);
    struct settings *s = load("SubaddressDelimiter -+\n"
                              "ChallengeAddress acme@ca.example\nChallengeAddress acme+vip@ca.example "
                              "http://unix:/run/v.sock:/v\nChallengeAddress @acme.ca.example\n",
                              &error);
    tap_ok(s != NULL, "loads: %s", strbuf_string(&error));
    for (size_t i = 0; s != NULL && i < sizeof wanted / sizeof wanted[0]; i++) {
        struct mailbox m;
        if (mailbox_parse_address(span_from_string(wanted[i].address), &m) != OUTCOME_OK) {
            tap_ok(false, "%s does not parse", wanted[i].address);
            continue;
        }
        const struct settings_challenge *c = settings_find_challenge(s, &m);
        int got = c != NULL ? (int)(c - s->challenges) : -1;
        tap_ok(got == wanted[i].challenge, "R-04 %s", wanted[i].address);
    }
    const struct mailbox user = {.local = "Acme+7f"}, other = {.local = "other"};
    tap_ok(s != NULL && settings_find_challenge(s, &user) == &s->challenges[0], "a user of this host");
    tap_ok(s != NULL && settings_find_challenge(s, &other) == NULL,
           "another user, whom no domain makes ours");
    tap_ok(s != NULL && s->endpoint_count == 2 && s->challenges[1].endpoint == 1, "an endpoint of its own");
    settings_unref(s);
    strbuf_clear(&error);
}

/* An address's own policy replaces the general one; the general OnFinding holds for it unless it says
 * otherwise. */
static void test_policies(void)
{
    struct strbuf error;
    strbuf_init(&error, 4096);
    struct settings *s = load("Policy rfc8823\nOnFinding dmarc-none reject\nOnFinding token-short reject\n"
                              "ChallengeAddress a@ca.example\n"
                              "ChallengeAddress b@ca.example Policy=strict OnFinding=dmarc-none:note\n",
                              &error);
    if (!tap_ok(s != NULL, "loads: %s", strbuf_string(&error)))
        return;
    const struct finding_policy *a = &s->challenges[0].finding_policy;
    const struct finding_policy *b = &s->challenges[1].finding_policy;
    tap_is_int(a->severity[FINDING_DKIM_KEY_1024], SEVERITY_NOTE, "the general policy");
    tap_is_int(b->severity[FINDING_DKIM_KEY_1024], SEVERITY_REJECT, "the address's policy");
    tap_is_int(a->severity[FINDING_DMARC_NONE], SEVERITY_REJECT, "the general override");
    tap_is_int(b->severity[FINDING_DMARC_NONE], SEVERITY_NOTE, "the address's override");
    tap_is_int(b->severity[FINDING_TOKEN_SHORT], SEVERITY_REJECT, "the general override holds there too");
    tap_ok(strstr(s->challenges[1].judgement, "Policy strict\n") != NULL &&
               strstr(s->challenges[1].judgement, "OnFinding dmarc-none note\n") != NULL,
           "what is recorded is what held");
    settings_unref(s);
    strbuf_clear(&error);
}

int main(void)
{
    test_policies();
    test_rows();
    test_secrets();
    test_round_trip();
    test_challenges();
    struct strbuf error;
    strbuf_init(&error, 4096);
    tap_ok(settings_load("/nonexistent/acme-milter.conf", &error) == NULL && error.len > 0, "no file: %s",
           strbuf_string(&error));
    strbuf_clear(&error);
    return tap_done();
}
