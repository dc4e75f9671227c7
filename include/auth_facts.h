/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What DKIM, DMARC and DNS said about a mail, in plain structs: made by auth/, judged by verdict, written by
 * delivery/.
 */
#ifndef AUTH_FACTS_H
#define AUTH_FACTS_H

#include <stdint.h>

#include "domain.h"
#include "name_table.h"

enum {
    AUTH_SIGNATURES_MAX = 32, /* the most that MaxSignatures may be */
    AUTH_FIELDS_MAX_BYTES = 2048,
    AUTH_DETAIL_MAX_BYTES = 128,
    AUTH_IDENTITY_MAX_BYTES = 320,
};

/* The words of RFC 8601 section 2.7. */
enum auth_result {
    AUTH_RESULT_UNKNOWN = 0, /* not looked at */
    AUTH_RESULT_NONE,
    AUTH_RESULT_PASS,
    AUTH_RESULT_FAIL,
    AUTH_RESULT_NEUTRAL,
    AUTH_RESULT_POLICY, /* verifies, but may not be relied on */
    AUTH_RESULT_TEMPERROR,
    AUTH_RESULT_PERMERROR,
};
extern const struct name_table_row auth_result_names[];

enum dnssec_status {
    DNSSEC_STATUS_UNKNOWN = 0,
    DNSSEC_STATUS_SECURE,
    DNSSEC_STATUS_INSECURE,
    DNSSEC_STATUS_BOGUS,
};
extern const struct name_table_row dnssec_status_names[];

/* What a question to the DNS came to. */
enum auth_lookup {
    AUTH_LOOKUP_NONE = 0, /* not asked */
    AUTH_LOOKUP_FOUND,
    AUTH_LOOKUP_ABSENT,
    AUTH_LOOKUP_FAILED, /* no answer in time, or one that cannot be used */
    AUTH_LOOKUP_BOGUS,
    AUTH_LOOKUP_END,
};
extern const struct name_table_row auth_lookup_names[];

/* How many came to each. */
struct auth_lookups {
    unsigned counts[AUTH_LOOKUP_END];
};

struct auth_signature {
    struct domain domain; /* d=, A-labels */
    char selector[DOMAIN_MAX_BYTES + 1];
    char algorithm[32];                            /* a= in lower case */
    char identity[AUTH_IDENTITY_MAX_BYTES + 1];    /* i=, or "@d" */
    char signed_fields[AUTH_FIELDS_MAX_BYTES + 1]; /* h= in lower case, no blanks: "from:to:subject" */
    unsigned key_bits;                             /* 0: unknown. Ed25519: 256 */
    int64_t signed_at;                             /* t=, -1 if absent */
    int64_t expires_at;                            /* x=, -1 if absent */
    enum dnssec_status dnssec;                     /* of the key's answer */
    enum auth_result result;
    int64_t verify_us; /* what its cryptography took */

    bool is_aligned;      /* d= equals the author's domain */
    bool is_verified;     /* the cryptography holds, whatever else is wrong */
    bool is_key_unknown;  /* the key could not be looked up: temporary */
    bool is_bogus;        /* ... because its answer failed DNSSEC validation */
    bool is_expired;      /* x= past, or t= in the future, beyond ClockSkew */
    bool is_sha1;         /* rsa-sha1: RFC 8301 */
    bool is_key_weak;     /* known to be weak: whoever likes can sign by it */
    bool is_key_short;    /* RSA below MinimumKeyBits */
    bool is_key_testing;  /* the key record says t=y */
    bool has_body_length; /* l= */
    bool is_body_open;    /* ... and text stands behind what it covers, which anybody can have put there */

    /* Coverage of the reply's fields by h=; the details name the first fields that lack it. */
    bool covers_core;    /* every instance of From and Subject */
    bool covers_present; /* every field of RFC 8823 3.2 (9) that the reply has */
    bool covers_full;    /* h= names all twelve of them */
    bool covers_should;  /* and the Resent-* and List-* fields recommended there */
    char core_detail[AUTH_DETAIL_MAX_BYTES + 1];
    char present_detail[AUTH_DETAIL_MAX_BYTES + 1];
    char full_detail[AUTH_DETAIL_MAX_BYTES + 1];
    char detail[AUTH_DETAIL_MAX_BYTES + 1]; /* why result is what it is, "key revoked" */
};

struct auth_dkim_facts {
    struct auth_signature signatures[AUTH_SIGNATURES_MAX]; /* the author's domain first, else in order */
    size_t count;
    size_t seen; /* DKIM-Signature fields in the mail, those over the limit too */
    struct auth_lookups lookups;
};

enum auth_policy { /* of the record that applies, after sp= and np= */
                   AUTH_POLICY_UNKNOWN = 0,
                   AUTH_POLICY_NONE,
                   AUTH_POLICY_QUARANTINE,
                   AUTH_POLICY_REJECT,
};
extern const struct name_table_row auth_policy_names[];

struct auth_dmarc_facts {
    enum auth_result result; /* none pass fail temperror permerror */
    enum auth_policy policy;
    struct domain policy_domain; /* where the record stands, without "_dmarc." */
    enum dnssec_status dnssec;
    bool is_strict;        /* adkim=s */
    bool is_testing;       /* t=y */
    bool is_lookup_failed; /* the record could not be looked up: temporary */
    bool is_bogus;         /* ... because an answer failed DNSSEC validation */
    bool is_broken;        /* malformed, several records, or our reading and libopendmarc's disagree */
    char detail[AUTH_DETAIL_MAX_BYTES + 1];
    /* What each of two ways of discovery came to, "rfc9989: none; rfc7489: reject"; "" where they agree. */
    char difference[AUTH_DETAIL_MAX_BYTES + 1];
    struct auth_lookups lookups;
};

#endif
