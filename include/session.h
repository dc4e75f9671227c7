/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection of an MTA, and the mails that come over it, from events to an outcome. It knows nothing of
 * libmilter: milter_glue and test_mode drive it, and so do the tests.
 *
 * A mail: session_begin, session_recipient for each, session_data; if session_interest is then OURS,
 * session_header for each field, session_end_of_header, session_body for each piece, session_judge; then
 * session_reset, which may come at any time, as every other event may: whoever reaches the socket says what
 * he likes. A mail whose events came in another order is never judged: it is put off.
 */
#ifndef SESSION_H
#define SESSION_H

#include "reply_record.h"
#include "runtime.h"

enum session_action {
    SESSION_ACTION_TEMPFAIL = 0,
    SESSION_ACTION_REJECT,
    SESSION_ACTION_DISCARD, /* say yes and deliver to nobody */
    SESSION_ACTION_ACCEPT,  /* deliver, after the edits */
};

enum { SESSION_TEXT_MAX_BYTES = 480, SESSION_ENHANCED_MAX_BYTES = 15 };

/* Challenge addresses of one mail: as many recipients as any server takes (RFC 5321 section 4.5.3.1.8). */
enum { SESSION_RECIPIENTS_MAX = 100 };

struct session_outcome {
    enum session_action action;
    int code; /* SMTP reply of TEMPFAIL and REJECT */
    char enhanced[SESSION_ENHANCED_MAX_BYTES + 1];
    char text[SESSION_TEXT_MAX_BYTES + 1]; /* printable ASCII */
    bool drops_challenge_recipients;       /* ACCEPT: the others get their mail */
    const char
        *authentication_results; /* ACCEPT: a field body to add, NULL for none; belongs to the session */
    const size_t *forged_fields; /* ACCEPT: Authentication-Results fields to delete, 1 for the first */
    size_t forged_field_count;
};

struct session;

struct session *session_new(void); /* NULL: out of memory */
void session_free(struct session *s);

void session_connect(struct session *s, const char *client_name, const char *client_address);
void session_helo(struct session *s, const char *helo);

/* Whether the MTA of the connection lets us add and change fields and remove recipients. Until told: it does.
 */
void session_allow_edits(struct session *s, bool is_allowed);

/*
 * will_wait is called once for a mail, right before the first thing that may keep its thread waiting: the
 * DNS, the disk, the ACME server. NULL, as at first: nobody needs to know.
 */
void session_on_wait(struct session *s, void (*will_wait)(void));

/* A mail begins. Takes the reference to runtime. mail_from: as in MAIL FROM, with or without angle brackets.
 */
void session_begin(struct session *s, struct runtime *runtime, const char *mail_from);
/* A recipient. NULL where the MTA does not tell. */
struct session_path {
    const char *written;  /* as in RCPT TO, never NULL; kept as it stands for session_challenge_recipient */
    const char *resolved; /* the address that the MTA delivers to, {rcpt_addr} */
    const char *mailer;   /* by what, {rcpt_mailer} */
};
void session_recipient(struct session *s, const struct session_path *path);

/* The envelope is complete. */
void session_data(struct session *s);

/* What the mail under way is to us. */
enum session_interest {
    SESSION_INTEREST_DEFERRED = 0, /* it has to be put off: session_put_off says why */
    SESSION_INTEREST_UNDECIDED,    /* its envelope is not complete */
    SESSION_INTEREST_OURS,
    SESSION_INTEREST_NOT_OURS,
    SESSION_INTEREST_NO_MAIL, /* none began, or the last one has ended */
};
enum session_interest session_interest(const struct session *s);

/* Of a mail that is DEFERRED: why, to log and counters (once) and in outcome, whose action is TEMPFAIL, or
 * ACCEPT in shadow mode. */
void session_put_off(struct session *s, struct session_outcome *outcome);

/* What the MTA tells of the mail; NULL where it does not. May be called more than once. */
void session_describe(struct session *s, const char *queue_id, const char *tls_version);
/* The address that the client connected to; NULL where the MTA does not tell. */
void session_describe_mta(struct session *s, const char *address);

void session_header(struct session *s, struct span name, struct span value);
void session_header_defect(struct session *s, enum message_defect defect, struct span where);
void session_end_of_header(struct session *s);
/* False once no more body is needed. */
bool session_body(struct session *s, struct span piece);

/* Judges and, where the purpose of the runtime is to, posts. progress may be NULL. A mail that is not whole
 * is put off; one that is not ours is accepted. */
void session_judge(struct session *s, void (*progress)(void *context), void *context,
                   struct session_outcome *outcome);

/* After session_judge of a mail of ours: the result object; NULL if there is none, as of a reject that the
 * milter tells nobody. Belongs to the session. */
const char *session_result(const struct session *s);
enum verdict session_verdict(const struct session *s);

/* The challenge recipients for deletion: as the MTA gave them, and resolved in angle brackets or NULL. False
 * past the last. */
bool session_challenge_recipient(const struct session *s, size_t index, struct session_path *path) MUST_CHECK;

/* Forgets the mail, keeps the connection. */
void session_reset(struct session *s);

#endif
