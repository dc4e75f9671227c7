/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything known about one judged reply: filled by session, written out by delivery. Plain data; the
 * pointers are borrowed from the session for as long as the record is used. NULL and -1 stand for "not
 * known".
 */
#ifndef REPLY_RECORD_H
#define REPLY_RECORD_H

#include "verdict.h"

enum { REPLY_RECORD_ID_BYTES = 43, REPLY_RECORD_SHA256_HEX_BYTES = 64 };

struct reply_smtp {
    const char *client_address;
    const char *client_name;
    const char *helo;
    const char *mail_from; /* without angle brackets; "" for the null sender */
    const char *queue_id;
    const char *tls_version;
};

struct reply_record {
    char id[REPLY_RECORD_ID_BYTES + 1];                     /* result_json_make_id; "" if there is none */
    char message_sha256[REPLY_RECORD_SHA256_HEX_BYTES + 1]; /* "" if not known */
    struct verdict_decision decision;
    const struct finding_policy *policy;
    const struct finding_list *findings;
    const char *challenge_address; /* the recipient as the mail came to it: local@domain */
    const struct reply_form *form;
    int64_t received_at;
    const struct auth_dkim_facts *dkim;   /* NULL: not looked at */
    const struct auth_signature *chosen;  /* NULL: none */
    const struct auth_dmarc_facts *dmarc; /* NULL: not looked at */
    struct reply_smtp smtp;
    const char *settings; /* "Keyword value" lines that the verdict depended on */
    const char *milter_name;
    const char *milter_version;
};

#endif
