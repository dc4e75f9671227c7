/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "endpoint.h"
#include "settings_values.h"

static const struct name_table_row disposition_names[] = {
    {SETTINGS_DISPOSITION_DISCARD, "discard"},
    {SETTINGS_DISPOSITION_DELIVER, "deliver"},
    {0, NULL},
};

static const struct name_table_row on_reject_names[] = {
    {SETTINGS_ON_REJECT_REJECT, "reject"},
    {SETTINGS_ON_REJECT_DISCARD, "discard"},
    {SETTINGS_ON_REJECT_DELIVER, "deliver"},
    {0, NULL},
};

static const struct name_table_row mode_names[] = {
    {SETTINGS_MODE_ENFORCE, "enforce"},
    {SETTINGS_MODE_SHADOW, "shadow"},
    {0, NULL},
};

static const struct name_table_row format_names[] = {
    {POST_FORMAT_NATIVE, "native"},
    {POST_FORMAT_AKAMU, "akamu"},
    {POST_FORMAT_RAPIDMX, "rapidmx"},
    {0, NULL},
};

static bool is_port(struct span text)
{
    int64_t port;
    return settings_value_read_digits(&text, &port) && text.len == 0 && port > 0 && port <= 65535;
}

/* "systemd", or "systemd:" and the name that the service manager knows the socket by. */
static bool is_given_socket(struct span rest)
{
    const struct span systemd = SPAN_LITERAL("systemd");
    bool begins_so = span_equal(span_slice(rest, 0, systemd.len), systemd);
    return begins_so &&
           (rest.len == systemd.len || (rest.len > systemd.len + 1 && rest.data[systemd.len] == ':'));
}

static bool is_socket(struct span kind, struct span rest)
{
    size_t sign = span_find_byte(rest, 0, '@');
    if (span_equal(kind, SPAN_LITERAL("unix")) || span_equal(kind, SPAN_LITERAL("local")))
        return rest.len > 1 && rest.data[0] == '/' && rest.len < 104;
    if (span_equal(kind, SPAN_LITERAL("inet")) || span_equal(kind, SPAN_LITERAL("inet6")))
        return sign < rest.len - (rest.len != 0) && is_port(span_slice(rest, 0, sign));
    return span_equal(kind, SPAN_LITERAL("fd")) && is_given_socket(rest);
}

static bool read_socket(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    size_t colon = span_find_byte(value, 0, ':');
    if (!is_socket(span_slice(value, 0, colon), span_slice(value, colon + 1, value.len)))
        return settings_value_refuse(
            why, "unix:PATH (absolute), inet:PORT@HOST, inet6:PORT@HOST or fd:systemd[:NAME] is needed");
    return settings_value_read_text(o, s, value, why);
}

/* It stands unquoted in Authentication-Results fields (RFC 8601 section 2.2): an RFC 2045 token. */
static bool read_authserv_id(const struct settings_option *o, struct settings *s, struct span value,
                             char *why)
{
    bool is_good = !settings_value_is_none(value);
    for (size_t i = 0; i < value.len && is_good; i++)
        is_good =
            value.data[i] > ' ' && value.data[i] < 0x7f && strchr("()<>@,;:\\\"/[]?=", value.data[i]) == NULL;
    return is_good
               ? settings_value_read_text(o, s, value, why)
               : settings_value_refuse(why, "a host name, or another word of letters, digits, \".\", \"-\" "
                                            "and \"_\", is needed");
}

static bool read_delimiter(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    char *delimiters = settings_value_at(o, s);
    bool is_none = settings_value_is_none(value);
    bool is_good = value.len > 0 && value.len <= SETTINGS_DELIMITERS_MAX;
    for (size_t i = 0; i < value.len && is_good; i++)
        is_good = value.data[i] > ' ' && value.data[i] < 0x7f && !byte_is_alnum(value.data[i]) &&
                  value.data[i] != '@' && span_find_byte(value, i + 1, value.data[i]) == value.len;
    if (!is_good && !is_none)
        return settings_value_refuse(
            why,
            "up to 8 different ASCII characters that are neither letter, digit nor @ are needed, or none");
    (void)snprintf(delimiters, SETTINGS_DELIMITERS_MAX + 1, "%.*s", is_none ? 0 : (int)value.len, value.data);
    return true;
}

static bool print_delimiter(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    const char *delimiters = settings_value_at_const(o, s);
    return strbuf_append_format(out, "%s %s\n", o->keyword, delimiters[0] != '\0' ? delimiters : "none");
}

/* The index of a URL among the endpoints, added if it is new; SETTINGS_ENDPOINTS_MAX when it does not fit. */
static size_t add_endpoint(struct settings *s, struct span url)
{
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (span_equal(span_from_string(s->endpoints[i]), url))
            return i;
    if (s->endpoint_count == SETTINGS_ENDPOINTS_MAX)
        return SETTINGS_ENDPOINTS_MAX;
    char *text = settings_value_copy(url);
    if (text == NULL)
        return SETTINGS_ENDPOINTS_MAX;
    s->endpoints[s->endpoint_count] = text;
    return s->endpoint_count++;
}

static bool check_url(struct span url, char *why)
{
    const char *reason = "not an endpoint";
    char *text = settings_value_copy(url);
    bool ok = text != NULL && endpoint_url_is_valid(text, &reason);
    free(text);
    return ok || settings_value_refuse(why, reason);
}

/* The default endpoint has place 0, which the reader of the file keeps free for it. */
static bool read_endpoint(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    (void)o;
    if (!span_equal_nocase(value, SPAN_LITERAL(SETTINGS_ENDPOINT_NONE)) && !check_url(value, why))
        return false;
    free(s->endpoints[0]);
    s->endpoints[0] = settings_value_copy(value);
    if (s->endpoint_count == 0)
        s->endpoint_count = 1;
    return s->endpoints[0] != NULL || settings_value_refuse(why, "out of memory");
}

static bool print_endpoint(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    return strbuf_append_format(out, "%s %s\n", o->keyword, s->endpoints[0]);
}

static bool read_challenge_mailbox(struct span text, struct mailbox *out)
{
    memset(out, 0, sizeof *out);
    if (text.len > 0 && text.data[0] == '@')
        return domain_parse(span_slice(text, 1, text.len), false, &out->domain) == OUTCOME_OK;
    return mailbox_parse_address(text, out) == OUTCOME_OK;
}

/* The next word of *rest, which loses it. */
static struct span take_word(struct span *rest)
{
    *rest = span_trim(*rest);
    size_t end = 0;
    while (end < rest->len && !byte_is_blank(rest->data[end]))
        end++;
    struct span word = span_slice(*rest, 0, end);
    *rest = span_slice(*rest, end, rest->len);
    return word;
}

/* One override into a table of them. */
static bool set_on_finding(enum severity *table, struct span name, struct span word, char *why)
{
    enum finding_id id;
    int severity;
    struct finding_policy policy;
    if (!finding_from_name(name, &id))
        return settings_value_refuse(why, "no such finding; the manual acme-milter.conf(5) lists them");
    if (!name_table_value(severity_names, word, &severity) || severity == SEVERITY_TEMPORARY)
        return settings_value_refuse(why, "reject or note is needed for a finding");
    if (table[id] != SEVERITY_UNSET)
        return settings_value_refuse(why, "this finding was given before");
    finding_policy_init(&policy, POLICY_INTEROP);
    if (!finding_policy_override(&policy, id, (enum severity)severity))
        return settings_value_refuse(why, "the severity of this finding is fixed, see acme-milter.conf(5)");
    table[id] = (enum severity)severity;
    return true;
}

/* What may stand behind an address: Policy=WORD, OnFinding=FINDING:SEVERITY, or a URL. */
static bool read_challenge_word(struct settings *s, struct settings_challenge *c, struct span word, char *why)
{
    const struct span policy = SPAN_LITERAL("Policy=");
    const struct span finding = SPAN_LITERAL("OnFinding=");
    if (span_starts_nocase(word, policy))
        return name_table_value(policy_names, span_slice(word, policy.len, word.len), &c->policy) ||
               settings_value_refuse(why, "Policy=rfc8823, Policy=interop or Policy=strict is needed");
    if (span_starts_nocase(word, finding)) {
        size_t colon = span_find_byte(word, finding.len, ':');
        return set_on_finding(c->on_finding, span_slice(word, finding.len, colon),
                              span_slice(word, colon + 1, word.len), why);
    }
    if (!check_url(word, why))
        return false;
    c->endpoint = add_endpoint(s, word);
    return c->endpoint != SETTINGS_ENDPOINTS_MAX || settings_value_refuse(why, "too many endpoints");
}

static bool read_challenge(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    (void)o;
    struct settings_challenge challenge = {.endpoint = 0};
    if (!read_challenge_mailbox(take_word(&value), &challenge.address))
        return settings_value_refuse(why, "ADDRESS [ENDPOINT] is needed, ADDRESS a mail address or @DOMAIN");
    for (struct span word = take_word(&value); word.len > 0; word = take_word(&value))
        if (!read_challenge_word(s, &challenge, word, why))
            return false;
    if (s->challenge_count == SETTINGS_CHALLENGES_MAX)
        return settings_value_refuse(why, "too many challenge addresses");
    for (size_t i = 0; i < s->challenge_count; i++)
        if (domain_equal(&s->challenges[i].address.domain, &challenge.address.domain) &&
            recipient_equal_local(span_from_string(s->challenges[i].address.local),
                                  span_from_string(challenge.address.local)))
            return settings_value_refuse(why, "this address was given before");
    s->challenges[s->challenge_count++] = challenge;
    return true;
}

static void print_challenge(const struct settings_option *o, const struct settings *s,
                            const struct settings_challenge *c, struct strbuf *out)
{
    (void)strbuf_append_format(out, "%s %s@%s", o->keyword, c->address.local, c->address.domain.name);
    if (c->endpoint != 0)
        (void)strbuf_append_format(out, " %s", s->endpoints[c->endpoint]);
    if (c->policy != 0)
        (void)strbuf_append_format(out, " Policy=%s", name_table_name(policy_names, c->policy));
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        if (c->on_finding[i] != SEVERITY_UNSET)
            (void)strbuf_append_format(out, " OnFinding=%s:%s", finding_rule((enum finding_id)i)->name,
                                       name_table_name(severity_names, (int)c->on_finding[i]));
    (void)strbuf_append_byte(out, '\n');
}

static bool print_challenges(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    for (size_t i = 0; i < s->challenge_count; i++)
        print_challenge(o, s, &s->challenges[i], out);
    return out->error == STRBUF_ERROR_NONE;
}

static bool read_on_finding(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    (void)o;
    struct span name = take_word(&value);
    return set_on_finding(s->on_finding, name, span_trim(value), why);
}

static bool print_on_finding(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    bool ok = true;
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        if (s->on_finding[i] != SEVERITY_UNSET)
            ok = strbuf_append_format(out, "%s %s %s\n", o->keyword, finding_rule((enum finding_id)i)->name,
                                      name_table_name(severity_names, (int)s->on_finding[i]));
    return ok;
}

static bool read_nameservers(const struct settings_option *o, struct settings *s, struct span value,
                             char *why)
{
    (void)o;
    if (span_equal_nocase(value, SPAN_LITERAL("system")))
        return true;
    for (size_t from = 0; from <= value.len;) {
        size_t comma = span_find_byte(value, from, ',');
        struct span one = span_trim(span_slice(value, from, comma));
        if (s->nameserver_count == RESOLVER_NAMESERVERS_MAX)
            return settings_value_refuse(why, "too many name servers");
        if (!resolver_server_is_valid(one))
            return settings_value_refuse(why, "a list of ADDRESS or ADDRESS@PORT is needed");
        s->nameservers[s->nameserver_count] = settings_value_copy(one);
        if (s->nameservers[s->nameserver_count] == NULL)
            return settings_value_refuse(why, "out of memory");
        s->nameserver_count++;
        from = comma + 1;
    }
    return true;
}

static bool print_nameservers(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    (void)strbuf_append_format(out, "%s%s", o->keyword, s->nameserver_count == 0 ? " system" : "");
    for (size_t i = 0; i < s->nameserver_count; i++)
        (void)strbuf_append_format(out, i > 0 ? ",%s" : " %s", s->nameservers[i]);
    return strbuf_append_byte(out, '\n');
}

static bool read_facility(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    return log_facility_from_name(value, settings_value_at(o, s)) ||
           settings_value_refuse(why, "a facility of syslog.conf(5) is needed");
}

static bool print_facility(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    return strbuf_append_format(out, "%s %s\n", o->keyword,
                                log_facility_name(*(const int *)settings_value_at_const(o, s)));
}

static bool read_level(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    enum log_level level;
    if (!log_level_from_name(value, &level))
        return settings_value_refuse(why, "error, warning, info or debug is needed");
    *(int *)settings_value_at(o, s) = (int)level;
    return true;
}

static bool print_level(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    return strbuf_append_format(
        out, "%s %s\n", o->keyword,
        log_level_name((enum log_level) * (const int *)settings_value_at_const(o, s)));
}

static bool read_moment(const struct settings_option *o, struct settings *s, struct span value, char *why)
{
    int64_t *target = settings_value_at(o, s);
    struct span rest = value;
    if (settings_value_is_none(value))
        return true;
    char *text = settings_value_copy(value);
    bool ok = (settings_value_read_digits(&rest, target) && rest.len == 0) ||
              (text != NULL && clock_parse_rfc3339(text, target));
    free(text);
    return (ok && *target > 0) ||
           settings_value_refuse(why, "seconds since 1970 or a time such as 2026-11-24T05:00:00Z is needed");
}

static bool print_moment(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    int64_t moment = *(const int64_t *)settings_value_at_const(o, s);
    if (moment == 0)
        return strbuf_append_format(out, "%s none\n", o->keyword);
    return strbuf_append_format(out, "%s %lld\n", o->keyword, (long long)moment);
}

enum { MS = 1, SECOND = 1000, HOUR = 3600 * SECOND, KILO = 1024, MEGA = 1024 * KILO };

#define FIELD(name) offsetof(struct settings, name)

const struct settings_option settings_options[] = {
    {"Socket", "unix:/run/acme-milter/milter.sock", read_socket, settings_value_print_text, FIELD(socket)},
    {"SocketMode", "0660", settings_value_read_mode, settings_value_print_mode, FIELD(socket_mode)},
    {"SocketGroup", "none", settings_value_read_text, settings_value_print_text, FIELD(socket_group)},
    {"UserID", "acme-milter", settings_value_read_needed_text, settings_value_print_text, FIELD(user_id)},
    {"PidFile", "none", settings_value_read_path, settings_value_print_text, FIELD(pid_file)},
    {"RequireSafeFiles", "yes", settings_value_read_bool, settings_value_print_bool,
     FIELD(require_safe_files)},
    {"Sandbox", "yes", settings_value_read_bool, settings_value_print_bool, FIELD(sandbox)},
    {"CoreDumps", "no", settings_value_read_bool, settings_value_print_bool, FIELD(core_dumps)},
    {"Endpoint", "http://unix:/run/acme-server/email-reply.sock:/email-reply", read_endpoint, print_endpoint},
    {"ChallengeAddress", NULL, read_challenge, print_challenges, .is_repeatable = true},
    {"SubaddressDelimiter", "+", read_delimiter, print_delimiter, FIELD(subaddress_delimiters),
     .is_judgement = true},
    {"EndpointPeerUser", "none", settings_value_read_text, settings_value_print_text,
     FIELD(endpoint_peer_user)},
    {"EndpointTimeout", "5s", settings_value_read_time, settings_value_print_time, FIELD(endpoint_timeout_ms),
     10 * MS, HOUR},
    {"EndpointRetryFor", "20s", settings_value_read_time, settings_value_print_time,
     FIELD(endpoint_retry_for_ms), 0, HOUR},
    {"EndpointTokenFile", "none", settings_value_read_path, settings_value_print_text,
     FIELD(endpoint_token_file), .file_kind = SETTINGS_FILE_SECRET},
    {"EndpointCAFile", "none", settings_value_read_path, settings_value_print_text, FIELD(endpoint_ca_file),
     .file_kind = SETTINGS_FILE_TRUSTED},
    {"EndpointCertificateFile", "none", settings_value_read_path, settings_value_print_text,
     FIELD(endpoint_certificate_file), .file_kind = SETTINGS_FILE_TRUSTED},
    {"EndpointKeyFile", "none", settings_value_read_path, settings_value_print_text, FIELD(endpoint_key_file),
     .file_kind = SETTINGS_FILE_SECRET},
    {"EndpointFormat", "native", settings_value_read_word, settings_value_print_word, FIELD(endpoint_format),
     .words = format_names},
    {"Policy", "interop", settings_value_read_word, settings_value_print_word, FIELD(policy),
     .words = policy_names, .is_judgement = true},
    {"OnFinding", NULL, read_on_finding, print_on_finding, .is_repeatable = true, .is_judgement = true},
    {"Disposition", "discard", settings_value_read_word, settings_value_print_word, FIELD(disposition),
     .words = disposition_names},
    {"OnReject", "reject", settings_value_read_word, settings_value_print_word, FIELD(on_reject),
     .words = on_reject_names},
    {"Mode", "enforce", settings_value_read_word, settings_value_print_word, FIELD(mode),
     .words = mode_names},
    {"AuthservID", NULL, read_authserv_id, settings_value_print_text, FIELD(authserv_id)},
    {"Nameservers", "system", read_nameservers, print_nameservers},
    {"TrustAnchorFile", "/usr/share/dns/root.key", settings_value_read_path, settings_value_print_text,
     FIELD(trust_anchor_file), .file_kind = SETTINGS_FILE_TRUSTED, .is_judgement = true},
    {"DNSTimeout", "5s", settings_value_read_time, settings_value_print_time, FIELD(dns_timeout_ms), 10 * MS,
     HOUR},
    {"DMARCDiscovery", "rfc9989", settings_value_read_word, settings_value_print_word, FIELD(dmarc_discovery),
     .words = auth_dmarc_discovery_names, .is_judgement = true},
    {"MinimumKeyBits", "1024", settings_value_read_number, settings_value_print_number,
     FIELD(minimum_key_bits), 1024, 16384, .is_judgement = true},
    {"WeakKeyFile", "none", settings_value_read_path, settings_value_print_text, FIELD(weak_key_file),
     .file_kind = SETTINGS_FILE_TRUSTED, .is_judgement = true},
    {"ClockSkew", "300s", settings_value_read_time, settings_value_print_time, FIELD(clock_skew_ms), 0,
     24 * HOUR, .is_judgement = true},
    {"MaxMessageSize", "256k", settings_value_read_size, settings_value_print_size, FIELD(max_message_size),
     KILO, 16 * MEGA, .is_judgement = true},
    {"MaxHeaderFields", "200", settings_value_read_number, settings_value_print_number,
     FIELD(max_header_fields), 10, 10000, .is_judgement = true},
    {"MaxSignatures", "8", settings_value_read_number, settings_value_print_number, FIELD(max_signatures), 1,
     AUTH_SIGNATURES_MAX, .is_judgement = true},
    {"MaxMIMEDepth", "8", settings_value_read_number, settings_value_print_number, FIELD(max_mime_depth), 1,
     64, .is_judgement = true},
    {"MaxMIMEParts", "64", settings_value_read_number, settings_value_print_number, FIELD(max_mime_parts), 1,
     10000, .is_judgement = true},
    {"MaxConcurrentReplies", "64", settings_value_read_number, settings_value_print_number,
     FIELD(max_concurrent_replies), 1, 100000},
    {"MaxMemory", NULL, settings_value_read_size, settings_value_print_size, FIELD(max_memory), MEGA,
     (int64_t)MEGA *MEGA},
    {"ReportRejects", "no", settings_value_read_bool, settings_value_print_bool, FIELD(report_rejects)},
    {"EvidenceKeyFile", "none", settings_value_read_path, settings_value_print_text, FIELD(evidence_key_file),
     .file_kind = SETTINGS_FILE_SECRET},
    {"EvidenceDirectory", "none", settings_value_read_path, settings_value_print_text,
     FIELD(evidence_directory)},
    {"EvidenceLog", "none", settings_value_read_path, settings_value_print_text, FIELD(evidence_log)},
    {"MetricsFile", "none", settings_value_read_path, settings_value_print_text, FIELD(metrics_file)},
    {"MetricsInterval", "15s", settings_value_read_time, settings_value_print_time,
     FIELD(metrics_interval_ms), SECOND, HOUR},
    {"SyslogFacility", "mail", read_facility, print_facility, FIELD(syslog_facility)},
    {"LogLevel", "info", read_level, print_level, FIELD(log_level)},
    {"LogTokens", "no", settings_value_read_bool, settings_value_print_bool, FIELD(log_tokens)},
    {"TestDNSData", "none", settings_value_read_path, settings_value_print_text, FIELD(test_dns_data)},
    {"TestTime", "none", read_moment, print_moment, FIELD(test_time)},
    {NULL},
};
