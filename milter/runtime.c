/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include "host_addresses.h"
#include "log.h"

static struct resolver *open_unbound(const struct settings *s, const char *trust_anchor_file,
                                     char why[static RESOLVER_ERROR_BYTES])
{
    struct resolver_options options = {.nameserver_count = s->nameserver_count,
                                       .trust_anchor_file = trust_anchor_file};
    for (size_t i = 0; i < s->nameserver_count; i++)
        options.nameservers[i] = s->nameservers[i];
    return resolver_new_unbound(&options, why);
}

static bool open_resolver(struct runtime *r, const char *dns_file, struct strbuf *error)
{
    const struct settings *s = r->settings;
    char why[RESOLVER_ERROR_BYTES] = "";
    if (dns_file == NULL)
        dns_file = s->test_dns_data;
    if (dns_file != NULL) {
        r->resolver = resolver_new_file(dns_file, why);
    } else {
        r->resolver = open_unbound(s, s->trust_anchor_file, why);
    }
    if (r->resolver == NULL)
        (void)strbuf_append_format(error, dns_file != NULL ? "%s%s" : "%s: TrustAnchorFile, Nameservers: %s",
                                   dns_file != NULL ? "" : s->file, why);
    return r->resolver != NULL;
}

static bool is_in_use(const struct settings *s, size_t endpoint)
{
    for (size_t i = 0; i < s->challenge_count; i++)
        if (s->challenges[i].endpoint == endpoint)
            return !settings_endpoint_is_none(s, endpoint);
    return false;
}

/* Of the replies that are worked on at once, how many may wait for one ACME server: one that hangs leaves
 * room. */
static int64_t share_of_one(const struct settings *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->endpoint_count; i++)
        count += is_in_use(s, i);
    return count > 1 ? s->max_concurrent_replies - s->max_concurrent_replies / 4 : 0;
}

/*
 * The resolver of endpoints' hosts. It is another one: what mails ask does not hold it up, TestDNSData is not
 * asked for it, and it does not validate, since names of an internal zone, which the public DNS refutes, are
 * common there. Who is at the address is for TLS to say.
 */
static bool open_host_resolver(struct runtime *r, struct strbuf *error)
{
    const struct settings *s = r->settings;
    char why[RESOLVER_ERROR_BYTES] = "";
    bool is_needed = false;
    for (size_t i = 0; i < s->endpoint_count; i++)
        is_needed = is_needed || (!settings_endpoint_is_none(s, i) && endpoint_url_has_name(s->endpoints[i]));
    if (is_needed)
        r->host_resolver = open_unbound(s, NULL, why);
    if (is_needed && r->host_resolver == NULL)
        (void)strbuf_append_format(error, "%s: Nameservers: %s", s->file, why);
    return !is_needed || r->host_resolver != NULL;
}

static bool open_endpoints(struct runtime *r, struct strbuf *error)
{
    const struct settings *s = r->settings;
    const struct post_format_needs *needs = post_format_needs((enum post_format)s->endpoint_format);
    for (size_t i = 0; i < s->endpoint_count; i++) {
        if (settings_endpoint_is_none(s, i))
            continue;
        const struct endpoint_options options = {
            .url = s->endpoints[i],
            .peer_user = s->endpoint_peer_user,
            .timeout_ms = s->endpoint_timeout_ms,
            .retry_for_ms = s->endpoint_retry_for_ms,
            .posts_max = share_of_one(s),
            .look_up = host_addresses_find,
            .look_up_context = r->host_resolver,
            .token_file = s->endpoint_token_file,
            .token_min_bytes = needs->secret_min_bytes,
            .signature_field = needs->signature_field,
            .ca_file = s->endpoint_ca_file,
            .certificate_file = s->endpoint_certificate_file,
            .key_file = s->endpoint_key_file,
        };
        char why[ENDPOINT_ERROR_BYTES] = "";
        r->endpoints[i] = endpoint_new(&options, why);
        if (r->endpoints[i] == NULL) {
            (void)strbuf_append_format(error, "%s: Endpoint %s: %s", s->file, s->endpoints[i], why);
            return false;
        }
    }
    return true;
}

/* Nobody but a log that was open before knows the last line of a file that was moved away. */
static bool take_log(struct runtime *r, const struct runtime *before, struct strbuf *error)
{
    const struct settings *s = r->settings;
    struct evidence_log *log = before != NULL ? before->evidence_log : NULL;
    char why[ENDPOINT_ERROR_BYTES] = "";
    if (log != NULL && strcmp(evidence_log_path(log), s->evidence_log) == 0) {
        r->evidence_log = evidence_log_ref(log);
        if (!evidence_log_reopen(log))
            log_write(LOG_LEVEL_ERROR, "evidence reason=reopen");
        return true;
    }
    r->evidence_log = evidence_log_open(s->evidence_log, why, sizeof why);
    if (r->evidence_log == NULL)
        (void)strbuf_append_format(error, "%s: EvidenceLog: %s", s->file, why);
    return r->evidence_log != NULL;
}

static bool open_evidence(struct runtime *r, enum runtime_purpose purpose, const struct runtime *before,
                          struct strbuf *error)
{
    const struct settings *s = r->settings;
    char why[ENDPOINT_ERROR_BYTES] = "";
    if (s->evidence_key_file != NULL) {
        r->evidence_key = crypto_signing_key_load(s->evidence_key_file, why, sizeof why);
        if (r->evidence_key == NULL) {
            (void)strbuf_append_format(error, "%s: EvidenceKeyFile: %s", s->file, why);
            return false;
        }
    }
    return s->evidence_log == NULL || purpose != RUNTIME_PURPOSE_SERVE || take_log(r, before, error);
}

static bool open_libraries(struct runtime *r, struct strbuf *error)
{
    bool has_crypto = crypto_start();
    r->dkim = auth_dkim_new();
    r->dmarc = auth_dmarc_new();
    if (!has_crypto)
        (void)strbuf_append_string(error, "OpenSSL does not start, or lacks SHA-256, RSA or Ed25519");
    else if (r->dkim == NULL)
        (void)strbuf_append_string(error, "libopendkim does not start, or lacks SHA-256 or Ed25519");
    else if (r->dmarc == NULL)
        (void)strbuf_append_string(error, "libopendmarc or the public suffix list does not start");
    return has_crypto && r->dkim != NULL && r->dmarc != NULL;
}

static bool open_weak_keys(struct runtime *r, struct strbuf *error)
{
    const struct settings *s = r->settings;
    if (s->weak_key_file == NULL)
        return true;
    struct strbuf why;
    strbuf_init(&why, SETTINGS_LINE_MAX_BYTES);
    r->weak_keys = weak_key_list_load(s->weak_key_file, &why);
    if (r->weak_keys == NULL)
        (void)strbuf_append_format(error, "%s: WeakKeyFile: %s", s->file, strbuf_string(&why));
    strbuf_clear(&why);
    return r->weak_keys != NULL;
}

static struct runtime *open_runtime(struct settings *settings, enum runtime_purpose purpose,
                                    const char *dns_file, struct metrics *metrics,
                                    const struct runtime *before, struct strbuf *error)
{
    struct runtime *r = calloc(1, sizeof *r);
    if (r == NULL) {
        settings_unref(settings);
        return NULL;
    }
    r->purpose = purpose;
    r->settings = settings;
    r->metrics = metrics;
    r->references = 1;
    r->workload = before != NULL ? workload_ref(before->workload) : workload_new();
    if (r->workload != NULL && open_libraries(r, error) && open_weak_keys(r, error) &&
        open_resolver(r, dns_file, error) &&
        (purpose == RUNTIME_PURPOSE_JUDGE || (open_host_resolver(r, error) && open_endpoints(r, error) &&
                                              open_evidence(r, purpose, before, error))))
        return r;
    runtime_unref(r);
    return NULL;
}

struct runtime *runtime_new(struct settings *settings, enum runtime_purpose purpose, const char *dns_file,
                            struct metrics *metrics, struct strbuf *error)
{
    return open_runtime(settings, purpose, dns_file, metrics, NULL, error);
}

struct runtime *runtime_renew(struct settings *settings, const struct runtime *before, struct strbuf *error)
{
    return open_runtime(settings, RUNTIME_PURPOSE_SERVE, NULL, before->metrics, before, error);
}

struct runtime *runtime_ref(struct runtime *r)
{
    r->references++;
    return r;
}

bool runtime_is_shared(const struct runtime *r)
{
    return r->references > 1;
}

void runtime_unref(struct runtime *r)
{
    if (r == NULL || --r->references > 0)
        return;
    evidence_log_close(r->evidence_log);
    crypto_signing_key_free(r->evidence_key);
    for (size_t i = 0; i < SETTINGS_ENDPOINTS_MAX; i++)
        endpoint_free(r->endpoints[i]);
    resolver_free(r->host_resolver);
    resolver_free(r->resolver);
    auth_dmarc_free(r->dmarc);
    auth_dkim_free(r->dkim);
    weak_key_list_free(r->weak_keys);
    workload_unref(r->workload);
    settings_unref(r->settings);
    free(r);
}
