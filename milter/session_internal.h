/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What session.c (events) and session_judge.c (the end of a mail) share.
 */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "session.h"

enum { SESSION_QUEUE_ID_BYTES = 64, SESSION_TLS_BYTES = 32 };

/* What one reply needs; other people's mail never has one. */
struct session_reply {
    struct message *message;
    bool has_said_wait;     /* will_wait was called */
    bool is_message_broken; /* out of memory while it came in or was read */
    struct mime_text text;
    struct reply_form form;
    struct finding_list findings;
    struct auth_dkim_check *dkim_check;
    struct auth_dmarc_check *dmarc_check;
    struct deadline dns_deadline;
    struct auth_dkim_facts *dkim; /* NULL until the signatures were looked at: it is large */
    struct auth_dmarc_facts dmarc;
    struct strbuf dns; /* the answers used, for the evidence */
    struct reply_record record;
    char address[MAILBOX_MAX_BYTES + 1];
    const struct settings_challenge *challenge;
    int64_t received_at;
    int64_t began_us;
    int64_t dns_us;  /* of waiting for answers */
    int64_t dkim_us; /* of cryptography */
    int64_t endpoint_us;
    struct endpoint_answer answer;
    char *result;                 /* JSON */
    char *authentication_results; /* field body */
    size_t *forged_fields;
    size_t forged_field_count;
};

struct session_recipient {
    char *text; /* owned: as the MTA gave it */
    struct mailbox mailbox;
};

struct session {
    void (*will_wait)(void); /* may be NULL */
    char *client_name;
    char *client_address;
    char *helo;

    struct runtime *runtime; /* of the mail under way; NULL between mails */
    char *mail_from;
    char queue_id[SESSION_QUEUE_ID_BYTES];
    char tls_version[SESSION_TLS_BYTES];
    struct session_recipient *recipients; /* owned: the challenge addresses */
    size_t recipient_count, recipient_room;
    bool has_other_recipients;
    bool has_too_many_recipients;
    bool cannot_edit; /* of the connection's MTA */
    bool is_out_of_memory;
    bool is_counted; /* in runtime->replies_under_way */
    struct session_reply *reply;
};

/* Starts the look-ups, once. */
void session_judge_start_lookups(struct session *s);
/* Before anything that may wait: see session_on_wait. */
void session_judge_will_wait(struct session *s);
/* The header is complete: its findings. */
void session_judge_header(struct session *s);
void session_judge_free_reply(struct session_reply *reply);

#endif
