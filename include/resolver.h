/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look-ups, of TXT and of addresses, that keep found, proven absent and unknown apart, with their DNSSEC
 * status. One resolver serves all threads of the process; a question that is answered late never holds up
 * another.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "auth_facts.h"
#include "deadline.h"
#include "strbuf.h"

enum {
    RESOLVER_RECORDS_MAX = 16, /* TXT records kept of one answer; RESOLVER_RECORDS_MAX + 1 is "too many" */
    RESOLVER_RECORD_MAX_BYTES = 8192, /* one record with its strings joined */
    RESOLVER_ERROR_BYTES = 256,
    RESOLVER_NAMESERVERS_MAX = 8,
};

struct resolver;
struct resolver_question;

enum resolver_type {
    RESOLVER_TYPE_NONE = 0,
    RESOLVER_TYPE_TXT,
    RESOLVER_TYPE_A,    /* records of 4 bytes */
    RESOLVER_TYPE_AAAA, /* records of 16 bytes */
};

struct resolver_options {
    const char
        *nameservers[RESOLVER_NAMESERVERS_MAX]; /* "ADDRESS" or "ADDRESS@PORT"; none: /etc/resolv.conf */
    size_t nameserver_count;
    const char *trust_anchor_file; /* NULL: no validation */
};

/* What a question came to. Borrowed from the question. */
struct resolver_answer {
    const char *name;     /* in lower case; "" for one that the DNS cannot hold, which is ABSENT */
    enum outcome outcome; /* OK; ABSENT: NXDOMAIN or no such record; TEMPORARY: time-out, SERVFAIL, bogus, a
                             record that cannot be read or is over the limit; INTERNAL */
    enum dnssec_status dnssec; /* UNKNOWN: TEMPORARY, or nothing was validated (no trust anchor) */
    size_t count;
    struct span records[RESOLVER_RECORDS_MAX]; /* the strings of each TXT record joined, or an address */
    unsigned ttl_seconds;
    bool is_late; /* TEMPORARY because nothing came by the deadline: it may still come */
};

/* "ADDRESS" or "ADDRESS@PORT", IPv4 or IPv6. */
bool resolver_server_is_valid(struct span address);

/* Validating, asynchronous, on libunbound. NULL with a text in error. Starts a thread: call after fork. */
struct resolver *resolver_new_unbound(const struct resolver_options *options,
                                      char error[static RESOLVER_ERROR_BYTES]);
const char *resolver_library_text(void); /* libunbound's version: for -V */

/*
 * Answers from a file and from nothing else (contract section 2, -D); must outlive its questions:
 *   NAME [TTL] TXT "string" ["string"...]     NAME SERVFAIL     NAME TIMEOUT     NAME BOGUS
 *   NAME SECURE     NAME UNVALIDATED
 * '#' and ';' begin a comment. A name not in the file is NXDOMAIN; one that is both a failure and a record
 * fails. Without SECURE an answer is INSECURE; with UNVALIDATED (nobody looked) it is UNKNOWN. It knows no
 * addresses. error:
 * "FILE:LINE: what is wrong".
 */
struct resolver *resolver_new_file(const char *path, char error[static RESOLVER_ERROR_BYTES]);

/* By the thread that made it: libunbound makes and destroys locks of the whole process with its contexts. */
void resolver_free(struct resolver *r);

/* Starts a look-up and returns at once. name: ASCII, at most DOMAIN_MAX_BYTES. NULL: out of memory. */
struct resolver_question *resolver_ask(struct resolver *r, const char *name, enum resolver_type type);
struct resolver_question *resolver_ask_txt(struct resolver *r, const char *name);

/* Waits for the answer until the deadline; if there is none by then, OUTCOME_TEMPORARY. Never NULL. May be
 * called again, with a later deadline too. */
const struct resolver_answer *resolver_wait(struct resolver_question *q, struct deadline deadline);

enum auth_lookup resolver_answer_kind(const struct resolver_answer *answer);

/* Cancels what still runs. NULL is fine. */
void resolver_question_free(struct resolver_question *q);

const char *resolver_library_text(void); /* of libunbound */

/* Appends an answer as lines of the file format above, so that it can be judged again. */
bool resolver_append_answer(struct strbuf *out, const struct resolver_answer *answer);

#endif
