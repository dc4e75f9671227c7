/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What session.c (events), session_judge.c and session_report.c (the end of a mail) share.
 */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "session.h"

/* What one reply needs; other people's mail never has one. */
struct session_reply {
    struct message *message;
    bool has_said_wait;     /* will_wait was called */
    bool is_block_tried;    /* an end line came in: whether the look-ups may start early is decided */
    bool is_early;          /* has a WORKLOAD_PLACE_EARLY */
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

/* How far the mail under way has come. */
enum session_state {
    SESSION_STATE_DEFERRED = 0, /* put off (session.deferral), whatever else is said of it */
    SESSION_STATE_IDLE,         /* there is none: the only state without a runtime */
    SESSION_STATE_ENVELOPE,     /* after MAIL: its recipients */
    SESSION_STATE_HEADER,       /* after DATA; it is for a challenge address, as in the two that follow */
    SESSION_STATE_BODY,         /* its header is complete */
    SESSION_STATE_JUDGED,
    SESSION_STATE_NOT_OURS, /* for other addresses */
    SESSION_STATE_END,
};

/* Why a mail is put off unjudged: session_deferral.c has what is said of it. */
enum session_deferral {
    SESSION_DEFERRAL_MEMORY = 0,
    SESSION_DEFERRAL_ORDER, /* what the MTA said came in an order that no mail has */
    SESSION_DEFERRAL_ACTIONS,
    SESSION_DEFERRAL_RECIPIENTS,
    SESSION_DEFERRAL_UNCLEAR, /* a recipient that may be a challenge address to the MTA */
    SESSION_DEFERRAL_STOPPING,
    SESSION_DEFERRAL_REPLIES,
    SESSION_DEFERRAL_MAX_MEMORY,
    SESSION_DEFERRAL_END,
};

struct session_recipient {
    char *written;  /* owned, as in session_path */
    char *resolved; /* owned: in angle brackets; NULL where the MTA does not tell */
    struct mailbox mailbox;
};

struct session {
    enum session_state state;
    enum session_deferral deferral;
    bool is_deferral_told; /* to log and metrics */

    void (*will_wait)(void); /* may be NULL */
    char *client_name;
    char *client_address;
    char *helo;
    char *mta_address; /* of the MTA's end of the connection; NULL: not known */

    struct runtime *runtime; /* of the mail under way; NULL between mails */
    char *mail_from;
    char *queue_id;
    char *tls_version;
    struct session_recipient *recipients; /* owned: the challenge addresses */
    size_t recipient_count, recipient_room;
    bool has_other_recipients;
    bool cannot_edit;  /* of the connection's MTA */
    bool is_counted;   /* in the metrics */
    size_t text_bytes; /* of recipients and envelope sender */
    size_t held_bytes; /* as the workload knows them */
    struct session_reply *reply;
};

/*
 * OUTCOME_OK; OUTCOME_REJECTED: one challenge address too many; OUTCOME_TEMPORARY: it cannot be read for
 * certain, and what is not judged would be delivered; OUTCOME_INTERNAL: out of memory.
 */
enum outcome session_recipient_add(struct session *s, const struct session_path *path) MUST_CHECK;
/* A piece of the body came in: starts the look-ups if it completes a block, and a place is free. */
void session_judge_start_early(struct session *s, struct span piece);
/* The body is complete, or the mail is given up. */
void session_judge_end_early(struct session *s);
/* Before anything that may wait: see session_on_wait. */
void session_judge_will_wait(struct session *s);
/* The header is complete: its findings. */
void session_judge_header(struct session *s);
/* Everything from there to the outcome. */
void session_judge_reply(struct session *s, void (*progress)(void *context), void *context,
                         struct session_outcome *outcome);
void session_judge_free_reply(struct session_reply *reply);
/*
 * Of a judged mail: a word for the log where a signature of the author's domain was verified and is broken,
 * and the mail came from the MTA's own host or a private address, so that the CA's own mail system is the
 * first to be suspected. NULL in all other cases.
 */
const char *session_suspect(const struct session *s);

#endif
