/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file (contract section 3) as an immutable, reference-counted object. One table of options
 * serves the reader, the printer (-n) and the manual's check.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "auth_dmarc.h"
#include "findings.h"
#include "log.h"
#include "post_format.h"
#include "recipient.h"

enum {
    SETTINGS_CHALLENGES_MAX = 256,
    SETTINGS_ENDPOINTS_MAX = 32,
    SETTINGS_DELIMITERS_MAX = 8,
    SETTINGS_LINE_MAX_BYTES = 4096,
    SETTINGS_LINES_MAX = 10000,
    SETTINGS_TEXT_MAX_BYTES = 1024 * 1024, /* what settings_print makes at the most */
};

enum settings_disposition {
    SETTINGS_DISPOSITION_DISCARD = 1,
    SETTINGS_DISPOSITION_DELIVER,
};

enum settings_on_reject {
    SETTINGS_ON_REJECT_REJECT = 1,
    SETTINGS_ON_REJECT_DISCARD,
    SETTINGS_ON_REJECT_DELIVER,
};

enum settings_mode {
    SETTINGS_MODE_ENFORCE = 1,
    SETTINGS_MODE_SHADOW,
};

/* "acme@ca.example" or, with an empty local part, "@acme.ca.example". */
struct settings_challenge {
    struct mailbox address;
    size_t endpoint;                       /* index into settings.endpoints */
    int policy;                            /* 0: as settings.policy */
    enum severity on_finding[FINDING_END]; /* SEVERITY_UNSET: as the settings and the policy say */
    struct finding_policy finding_policy;  /* what holds for this address: everything taken together */
    char *judgement; /* the settings that its verdicts depend on, as settings_print has them */
};

struct settings {
    char *file; /* where it was read from */

    char *socket;
    unsigned socket_mode;
    char *socket_group; /* NULL: none; so for every optional text */
    char *user_id;
    char *pid_file;
    bool require_safe_files;
    bool sandbox;
    bool core_dumps;

    struct settings_challenge challenges[SETTINGS_CHALLENGES_MAX];
    size_t challenge_count;
    char subaddress_delimiters[SETTINGS_DELIMITERS_MAX + 1]; /* "": none */

    char *endpoints[SETTINGS_ENDPOINTS_MAX]; /* the first is Endpoint */
    size_t endpoint_count;
    char *endpoint_peer_user;
    int64_t endpoint_timeout_ms;
    int64_t endpoint_retry_for_ms;
    char *endpoint_token_file;
    char *endpoint_ca_file;
    char *endpoint_certificate_file;
    char *endpoint_key_file;
    int endpoint_format; /* enum post_format */

    int policy;
    enum severity on_finding[FINDING_END]; /* SEVERITY_UNSET: as the policy says */
    int disposition;
    int on_reject;
    int mode;
    char *authserv_id;

    char *nameservers[RESOLVER_NAMESERVERS_MAX];
    size_t nameserver_count;
    char *trust_anchor_file;
    int64_t dns_timeout_ms;
    int dmarc_discovery;
    int64_t minimum_key_bits;
    char *weak_key_file;
    int64_t clock_skew_ms;

    int64_t max_message_size;
    int64_t max_header_fields;
    int64_t max_signatures;
    int64_t max_mime_depth;
    int64_t max_mime_parts;
    int64_t max_concurrent_replies;
    int64_t max_memory;

    bool report_rejects;
    char *evidence_key_file;
    char *evidence_directory;
    char *evidence_log;
    char *metrics_file;
    int64_t metrics_interval_ms;

    int syslog_facility;
    int log_level;
    bool log_tokens;
    char *test_dns_data;
    int64_t test_time; /* 0: the real time */
};

#define SETTINGS_DEFAULT_FILE SYSCONFDIR "/acme-milter.conf"
/* For Endpoint: nothing is posted, the mailbox is the ACME server's. */
#define SETTINGS_ENDPOINT_NONE "none"

/*
 * Reads a file. NULL with "FILE:LINE: Keyword: what is wrong" in error. The result carries one reference.
 */
struct settings *settings_load(const char *path, struct strbuf *error) MUST_CHECK;
/* The same from a text, not empty; name stands for the file in errors. */
struct settings *settings_load_text(const char *name, const char *text, struct strbuf *error) MUST_CHECK;
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is fine */

/* Every setting in force as "Keyword value" lines that settings_load reads again. */
bool settings_print(const struct settings *s, struct strbuf *out);

/* Whether it is the word none, and so nothing to be posted to. */
bool settings_endpoint_is_none(const struct settings *s, size_t endpoint);

/*
 * The challenge address that a recipient is: itself, its subaddress, or its whole domain, in this order; NULL
 * for none. Case is ignored in both parts, and so are quotes that a local part does not need. A recipient
 * without a domain is one of this host's: the local part alone counts.
 */
const struct settings_challenge *settings_find_challenge(const struct settings *s,
                                                         const struct mailbox *recipient);

#endif
