/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tap.h"
#include "utf8.h"

/* Everything that a record borrows. */
struct facts {
    struct reply_record record;
    struct finding_policy policy;
    struct finding_list findings;
    struct reply_form form;
    struct auth_dkim_facts dkim;
    struct auth_dmarc_facts dmarc;
};

#define TOKEN  "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"
#define DIGEST "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* SHA-256 of "1:118:acme+7f@ca.example32:LgYe...43:AjXW...17:alice@example.com15:<1@example.com>" */
#define ID "xEaZ3Yb6RZ3vY174aJ7KBsKpd9TZBxN1kXSaCkidq94"

static void set_text(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

#define SET(array, text) set_text(array, sizeof(array), text)

static void fill_signature(struct auth_signature *s)
{
    SET(s->domain.name, "example.com");
    SET(s->selector, "s1");
    SET(s->algorithm, "rsa-sha256");
    SET(s->identity, "@example.com");
    SET(s->signed_fields, "from:to:subject");
    s->key_bits = 2048;
    s->signed_at = -1;
    s->expires_at = -1;
    s->dnssec = DNSSEC_STATUS_INSECURE;
    s->result = AUTH_RESULT_PASS;
    s->is_aligned = true;
    s->is_verified = true;
}

/* The example of contract section 4. */
static void fill_example(struct facts *f)
{
    memset(f, 0, sizeof *f);
    finding_policy_init(&f->policy, POLICY_INTEROP);
    finding_list_add(&f->findings, FINDING_DNSSEC_NONE, "s1._domainkey.example.com");
    f->form.has_author = f->form.has_token = f->form.has_digest = true;
    SET(f->form.author.local, "alice");
    SET(f->form.author.domain.name, "example.com");
    SET(f->form.subject.token, TOKEN);
    SET(f->form.block.digest, DIGEST);
    SET(f->form.message_id, "<1@example.com>");
    SET(f->form.in_reply_to, "<2@ca.example>");
    f->dkim.count = f->dkim.seen = 1;
    fill_signature(&f->dkim.signatures[0]);
    f->dmarc.result = AUTH_RESULT_PASS;
    f->dmarc.policy = AUTH_POLICY_REJECT;
    SET(f->dmarc.policy_domain.name, "example.com");
    f->dmarc.dnssec = DNSSEC_STATUS_INSECURE;
    f->dmarc.is_strict = true;
    f->record = (struct reply_record){
        .message_sha256 = SHA256,
        .decision = {VERDICT_PASS, FINDING_NONE},
        .policy = &f->policy,
        .findings = &f->findings,
        .challenge_address = "acme+7f@ca.example",
        .form = &f->form,
        .received_at = 1795496400,
        .dkim = &f->dkim,
        .chosen = &f->dkim.signatures[0],
        .dmarc = &f->dmarc,
        .smtp = {"192.0.2.1", "mail.example.com", "mail.example.com", "alice@example.com", "4XTEST",
                 "TLSv1.3"},
        .milter_name = "mx1.ca.example",
        .milter_version = "0.1.0",
        .settings = "Policy interop\nMaxSignatures 8\n",
    };
    tap_ok(result_json_make_id(&f->record, f->record.id), "id made");
}

static const char want_example[] =
    "{\"version\":1,\"id\":\"" ID
    "\",\"verdict\":\"pass\",\"reason\":null,\"challengeType\":\"email-reply-00\","
    "\"challengeAddress\":\"acme+7f@ca.example\",\"tokenPart1\":\"" TOKEN "\",\"digest\":\"" DIGEST "\","
    "\"from\":\"alice@example.com\",\"messageId\":\"<1@example.com>\",\"inReplyTo\":\"<2@ca.example>\","
    "\"receivedAt\":\"2026-11-24T05:00:00Z\",\"messageSha256\":\"" SHA256 "\","
    "\"findings\":[{\"id\":\"dnssec-none\",\"severity\":\"note\",\"detail\":\"s1._domainkey.example.com\"}],"
    "\"dkim\":{\"result\":\"pass\",\"domain\":\"example.com\",\"selector\":\"s1\",\"algorithm\":\"rsa-"
    "sha256\","
    "\"keyBits\":2048,\"identity\":\"@example.com\",\"signedFields\":[\"from\",\"to\",\"subject\"],"
    "\"signedAt\":null,\"expiresAt\":null,\"bodyLengthLimited\":false,\"dnssec\":\"insecure\"},"
    "\"signatures\":[{\"domain\":\"example.com\",\"selector\":\"s1\",\"result\":\"pass\"}],"
    "\"dmarc\":{\"result\":\"pass\",\"policy\":\"reject\",\"policyDomain\":\"example.com\","
    "\"dkimAlignment\":\"strict\",\"dnssec\":\"insecure\"},"
    "\"assurance\":{\"dkimKeyDnssec\":false,\"dmarcDnssec\":false,\"policyEnforced\":true,"
    "\"fullHeaderCoverage\":false},"
    "\"smtp\":{\"clientAddress\":\"192.0.2.1\",\"clientName\":\"mail.example.com\",\"helo\":\"mail.example."
    "com\","
    "\"mailFrom\":\"alice@example.com\",\"queueId\":\"4XTEST\",\"tlsVersion\":\"TLSv1.3\"},"
    "\"milter\":{\"name\":\"mx1.ca.example\",\"version\":\"0.1.0\"},\"settings\":[\"Policy "
    "interop\",\"MaxSignatures 8\"]}";

static const char want_nothing_known[] =
    "{\"version\":1,\"id\":null,\"verdict\":\"temperror\","
    "\"reason\":{\"finding\":null,\"code\":451,\"enhanced\":\"4.3.0\","
    "\"text\":\"The mail could not be checked just now. It will be tried again.\"},"
    "\"challengeType\":\"email-reply-00\",\"challengeAddress\":null,\"tokenPart1\":null,\"digest\":null,"
    "\"from\":null,\"messageId\":null,\"inReplyTo\":null,\"receivedAt\":null,\"messageSha256\":null,"
    "\"findings\":[],\"dkim\":null,\"signatures\":[],\"dmarc\":null,"
    "\"assurance\":{\"dkimKeyDnssec\":false,\"dmarcDnssec\":false,\"policyEnforced\":false,"
    "\"fullHeaderCoverage\":false},"
    "\"smtp\":{\"clientAddress\":null,\"clientName\":null,\"helo\":null,\"mailFrom\":null,\"queueId\":null,"
    "\"tlsVersion\":null},\"milter\":{\"name\":null,\"version\":null},\"settings\":[]}";

static void test_whole(struct facts *f)
{
    fill_example(f);
    tap_is_string(f->record.id, ID, "id is what another program computes");
    char *text = result_json_encode(&f->record);
    tap_is_string(text, want_example, "contract section 4, the example");
    free(text);
    const struct reply_record nothing = {.received_at = -1};
    text = result_json_encode(&nothing);
    tap_is_string(text, want_nothing_known,
                  "nothing known: null, never left out; an unset verdict is no pass");
    free(text);
}

static void no_change(struct facts *f)
{
    (void)f;
}

static void make_reject(struct facts *f)
{
    finding_list_add(&f->findings, FINDING_DKIM_FAIL, NULL);
    f->record.decision = (struct verdict_decision){VERDICT_REJECT, FINDING_DKIM_FAIL};
    f->dkim.signatures[0].result = AUTH_RESULT_FAIL;
}

static void make_temperror(struct facts *f)
{
    finding_list_add(&f->findings, FINDING_DKIM_TEMPERROR, NULL);
    f->record.decision = (struct verdict_decision){VERDICT_TEMPERROR, FINDING_DKIM_TEMPERROR};
    f->dkim.signatures[0].result = AUTH_RESULT_TEMPERROR;
    f->dkim.signatures[0].key_bits = 0;
    f->dkim.signatures[0].dnssec = DNSSEC_STATUS_UNKNOWN;
}

static void make_strict(struct facts *f)
{
    finding_policy_init(&f->policy, POLICY_STRICT);
}

static void make_unset_severity(struct facts *f)
{
    f->policy.severity[FINDING_DNSSEC_NONE] = SEVERITY_UNSET;
}

static void make_secure(struct facts *f)
{
    f->dkim.signatures[0].dnssec = DNSSEC_STATUS_SECURE;
    f->dkim.signatures[0].covers_full = true;
    f->dkim.signatures[0].signed_at = 0;
    f->dkim.signatures[0].expires_at = 1795496400;
    f->dkim.signatures[0].has_body_length = true;
    f->dmarc.dnssec = DNSSEC_STATUS_SECURE;
}

static void make_no_record(struct facts *f)
{
    memset(&f->dmarc, 0, sizeof f->dmarc);
    f->dmarc.result = AUTH_RESULT_NONE;
}

static void make_secure_absence(struct facts *f)
{
    make_no_record(f);
    f->dmarc.dnssec = DNSSEC_STATUS_SECURE;
}

static void make_testing(struct facts *f)
{
    f->dmarc.is_testing = true;
    f->dmarc.is_strict = false;
}

static void make_policy_none(struct facts *f)
{
    f->dmarc.policy = AUTH_POLICY_NONE;
}

static void make_quarantine(struct facts *f)
{
    f->dmarc.policy = AUTH_POLICY_QUARANTINE;
}

static void make_dmarc_fail(struct facts *f)
{
    f->dmarc.result = AUTH_RESULT_FAIL;
}

static void make_other_signature(struct facts *f)
{
    f->dkim.count = 2;
    SET(f->dkim.signatures[1].domain.name, "list.example");
    f->record.chosen = NULL;
}

static void make_null_sender(struct facts *f)
{
    f->record.smtp.mail_from = "";
}

static void make_hostile(struct facts *f)
{
    SET(f->form.message_id, "<\"\\\x01\xff\xc3\xa9\xed\xa0\x80</script>\xc3");
    f->record.smtp.helo = "a\",\"verdict\":\"pass\",\"x\":\"\n\r\t\x7f";
    SET(f->dkim.signatures[0].signed_fields, ":from::x\xfe:");
}

static void make_unfinished(struct facts *f)
{
    f->form.has_author = f->form.has_token = f->form.has_digest = false;
}

#define MESSAGE_ID_HOSTILE                                                                                   \
    "<\"\\\x01\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</script>\xef\xbf\xbd"

/* Where: members joined with dots, a number for an array's element. want: the value in JSON. */
static const struct {
    const char *name;
    void (*change)(struct facts *f);
    const char *where;
    const char *want;
} members[] = {
    {"reject", make_reject, "verdict", "\"reject\""},
    {"reject", make_reject, "reason.finding", "\"dkim-fail\""},
    {"reject", make_reject, "reason.code", "550"},
    {"reject", make_reject, "reason.enhanced", "\"5.7.20\""},
    {"reject", make_reject, "findings.0", "{\"id\":\"dkim-fail\",\"severity\":\"reject\",\"detail\":null}"},
    {"reject", make_reject, "findings.1.id", "\"dnssec-none\""},
    {"reject", make_reject, "dkim.result", "\"fail\""},
    {"temperror", make_temperror, "verdict", "\"temperror\""},
    {"temperror", make_temperror, "reason.finding", "\"dkim-temperror\""},
    {"temperror", make_temperror, "reason.code", "451"},
    {"temperror", make_temperror, "reason.enhanced", "\"4.7.5\""},
    {"temperror", make_temperror, "findings.0.severity", "\"temporary\""},
    {"temperror", make_temperror, "dkim.keyBits", "null"},
    {"temperror", make_temperror, "dkim.dnssec", "\"unknown\""},
    {"severity is the policy's", make_strict, "findings.0.severity", "\"reject\""},
    {"unset severity", make_unset_severity, "findings.0.severity", "\"reject\""},
    {"secure", make_secure, "assurance",
     "{\"dkimKeyDnssec\":true,\"dmarcDnssec\":true,\"policyEnforced\":true,\"fullHeaderCoverage\":true}"},
    {"times", make_secure, "dkim.signedAt", "\"1970-01-01T00:00:00Z\""},
    {"times", make_secure, "dkim.expiresAt", "\"2026-11-24T05:00:00Z\""},
    {"l=", make_secure, "dkim.bodyLengthLimited", "true"},
    {"no DMARC record", make_no_record, "dmarc",
     "{\"result\":\"none\",\"policy\":null,\"policyDomain\":null,\"dkimAlignment\":null,\"dnssec\":"
     "\"unknown\"}"},
    {"no DMARC record", make_no_record, "assurance.policyEnforced", "false"},
    {"proof that there is no record", make_secure_absence, "dmarc.dnssec", "\"secure\""},
    {"proof that there is no record", make_secure_absence, "assurance.dmarcDnssec", "false"},
    {"t=y", make_testing, "assurance.policyEnforced", "false"},
    {"adkim=r", make_testing, "dmarc.dkimAlignment", "\"relaxed\""},
    {"p=none", make_policy_none, "dmarc.policy", "\"none\""},
    {"p=none", make_policy_none, "assurance.policyEnforced", "false"},
    {"p=quarantine", make_quarantine, "assurance.policyEnforced", "true"},
    {"DMARC fails", make_dmarc_fail, "assurance.policyEnforced", "false"},
    {"none chosen", make_other_signature, "dkim", "null"},
    {"not looked at", make_other_signature, "signatures.1",
     "{\"domain\":\"list.example\",\"selector\":null,\"result\":null}"},
    {"null sender", make_null_sender, "smtp.mailFrom", "\"\""},
    {"no author", make_unfinished, "from", "null"},
    {"no token", make_unfinished, "tokenPart1", "null"},
    {"no digest", make_unfinished, "digest", "null"},
    {"bytes that are not UTF-8", make_hostile, "dkim.signedFields", "[\"from\",\"x\xef\xbf\xbd\"]"},
    {"JSON in a HELO", make_hostile, "smtp.helo",
     "\"a\\\",\\\"verdict\\\":\\\"pass\\\",\\\"x\\\":\\\"\\n\\r\\t\x7f\""},
    {"JSON in a HELO", make_hostile, "verdict", "\"pass\""},
    {"JSON in a HELO", make_hostile, "smtp.clientName", "\"mail.example.com\""},
    {"nothing changed", no_change, "milter.name", "\"mx1.ca.example\""},
};

static const json_t *find(const json_t *value, const char *where)
{
    char path[128];
    SET(path, where);
    for (char *name = path; name != NULL && value != NULL;) {
        char *dot = strchr(name, '.');
        if (dot != NULL)
            *dot = '\0';
        value = json_is_array(value) ? json_array_get(value, strtoul(name, NULL, 10))
                                     : json_object_get(value, name);
        name = dot != NULL ? dot + 1 : NULL;
    }
    return value;
}

static void test_members(struct facts *f)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char name[256];
        fill_example(f);
        members[i].change(f);
        char *text = result_json_encode(&f->record);
        json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        char *got = json_dumps(find(object, members[i].where), JSON_COMPACT | JSON_ENCODE_ANY);
        (void)snprintf(name, sizeof name, "%s: %s", members[i].name, members[i].where);
        tap_is_string(got, members[i].want, name);
        free(got);
        json_decref(object);
        free(text);
    }
}

static void test_hostile(struct facts *f)
{
    fill_example(f);
    make_hostile(f);
    char *text = result_json_encode(&f->record);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    tap_is_string(json_string_value(find(object, "messageId")), MESSAGE_ID_HOSTILE,
                  "each stray byte is one U+FFFD");
    tap_ok(strpbrk(text, "\n\r") == NULL && utf8_is_valid(span_from_string(text)), "one line of UTF-8");
    json_decref(object);
    free(text);
}

/* For whoever reads it in a terminal or an editor: DEL, CSI as C1, right-to-left override, zero width space,
 * a tag; what is seen stays. */
static void test_hidden(struct facts *f)
{
    static const char helo[] = "a\x7f\xc2\x9b"
                               "31m\xe2\x80\xae\xe2\x80\x8b\xf3\xa0\x81\x81 \xc3\xa9\xe4\xbe\x8b\xef\xbf\xbd";
    static const char want[] =
        "\"helo\":\"a\\u007F\\u009B31m\\u202E\\u200B\\uDB40\\uDC41 \xc3\xa9\xe4\xbe\x8b\xef\xbf\xbd\"";
    fill_example(f);
    f->record.smtp.helo = helo;
    char *text = result_json_encode(&f->record);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    tap_ok(strstr(text, want) != NULL, "what is not seen is escaped: %s", text);
    tap_is_string(json_string_value(find(object, "smtp.helo")), helo, "and is what it was to a reader");
    json_decref(object);
    free(text);
}

/* The most of everything still fits RESULT_JSON_MAX_BYTES. */
static void test_largest(struct facts *f)
{
    static char long_text[4096];
    fill_example(f);
    memset(long_text, '\x01', sizeof long_text - 1);
    memset(f->form.message_id, '\x01', REPLY_FORM_ID_MAX_BYTES);
    memset(f->form.in_reply_to, '\x01', REPLY_FORM_ID_MAX_BYTES);
    f->record.smtp = (struct reply_smtp){long_text, long_text, long_text, long_text, long_text, long_text};
    f->record.challenge_address = f->record.milter_name = f->record.milter_version = long_text;
    f->dkim.count = AUTH_SIGNATURES_MAX;
    for (size_t i = 0; i < AUTH_SIGNATURES_MAX; i++) {
        memset(f->dkim.signatures[i].domain.name, '\x01', DOMAIN_MAX_BYTES);
        memset(f->dkim.signatures[i].selector, '\x01', DOMAIN_MAX_BYTES);
        memset(f->dkim.signatures[i].identity, '\x01', AUTH_IDENTITY_MAX_BYTES);
        memset(f->dkim.signatures[i].signed_fields, '\x01', AUTH_FIELDS_MAX_BYTES);
    }
    for (int i = 0; i < FINDING_LIST_MAX; i++) {
        char detail[FINDING_DETAIL_MAX_BYTES + 1];
        (void)snprintf(detail, sizeof detail, "%0*d", FINDING_DETAIL_MAX_BYTES, i);
        finding_list_add(&f->findings, FINDING_DNSSEC_NONE, detail);
    }
    char *text = result_json_encode(&f->record);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    tap_ok(text != NULL && strlen(text) <= RESULT_JSON_MAX_BYTES, "the largest object: %zu bytes",
           text != NULL ? strlen(text) : 0);
    tap_is_int((long long)json_string_length(find(object, "milter.name")), 1024,
               "a member is cut to 1024 bytes");
    static const char *const whole[] = {"smtp.clientAddress", "smtp.clientName", "smtp.helo",
                                        "smtp.mailFrom",      "smtp.queueId",    "smtp.tlsVersion"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        tap_ok(json_is_null(find(object, whole[i])), "%s is whole or null", whole[i]);
    json_decref(object);
    free(text);
}

static void test_cut(struct facts *f)
{
    static char name[2048];
    fill_example(f);
    memset(name, 'a', sizeof name);
    memcpy(name + 1022, "\xe2\x82\xac", 4);
    f->record.milter_name = name;
    char *text = result_json_encode(&f->record);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    tap_is_int((long long)json_string_length(find(object, "milter.name")), 1022,
               "cut between two characters");
    json_decref(object);
    free(text);
}

static void change_address(struct facts *f)
{
    f->record.challenge_address = "acme+8f@ca.example";
}

static void change_token(struct facts *f)
{
    f->form.subject.token[0] = 'M';
}

static void change_digest(struct facts *f)
{
    f->form.block.digest[0] = 'B';
}

static void change_author(struct facts *f)
{
    f->form.author.local[0] = 'A';
}

static void change_message_id(struct facts *f)
{
    SET(f->form.message_id, "");
}

static void shift_border(struct facts *f)
{
    SET(f->form.author.domain.name, "example.com1");
    SET(f->form.message_id, "5:<1@example.com>");
}

static void change_other_things(struct facts *f)
{
    make_reject(f);
    SET(f->form.in_reply_to, "<9@ca.example>");
    f->record.received_at++;
    f->record.smtp.queue_id = "other";
    SET(f->record.message_sha256, "");
}

static const struct {
    const char *name;
    void (*change)(struct facts *f);
    bool is_same;
} ids[] = {
    {"the same mail later by another way", change_other_things, true},
    {"another challenge address", change_address, false},
    {"another token", change_token, false},
    {"another digest", change_digest, false},
    {"another author", change_author, false},
    {"no Message-ID", change_message_id, false},
    {"a byte that moved over a border", shift_border, false},
    {"no author, token, digest", make_unfinished, false},
};

static void test_ids(struct facts *f)
{
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char id[REPLY_RECORD_ID_BYTES + 1] = "";
        fill_example(f);
        ids[i].change(f);
        tap_ok(result_json_make_id(&f->record, id) && strlen(id) == REPLY_RECORD_ID_BYTES &&
                   (strcmp(id, ID) == 0) == ids[i].is_same,
               "%s: %s id", ids[i].name, ids[i].is_same ? "the same" : "another");
    }
}

int main(void)
{
    struct facts *f = malloc(sizeof *f);
    if (f == NULL)
        return 1;
    test_whole(f);
    test_members(f);
    test_hostile(f);
    test_hidden(f);
    test_largest(f);
    test_cut(f);
    test_ids(f);
    free(f);
    return tap_done();
}
