/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The result object of contract section 4, on jansson. All escaping of what came from the network lives
 * there.
 */
#ifndef RESULT_JSON_H
#define RESULT_JSON_H

#include "reply_record.h"
#include "strbuf.h"

enum { RESULT_JSON_MAX_BYTES = 256 * 1024, RESULT_DETAIL_MAX_BYTES = 200 };

/*
 * The id of a reply: base64url SHA-256, unpadded, over version, challenge address, token-part1, digest,
 * author and Message-ID, in this order. Each is written as its length in bytes in decimal, ':' and its bytes,
 * with nothing between them; one that is not known has length 0:
 *     1:115:acme@ca.example4:LgYe43:AjXW...17:alice@example.com15:<1@example.com>
 * The values are those of the members version, challengeAddress, tokenPart1, digest, from and messageId
 * before any byte that is not UTF-8 is replaced. False: out of memory.
 */
bool result_json_make_id(const struct reply_record *record,
                         char out[static REPLY_RECORD_ID_BYTES + 1]) MUST_CHECK;

/*
 * The object on one line, no line end, at most RESULT_JSON_MAX_BYTES. UTF-8; bytes that are not become
 * U+FFFD. NULL: out of memory. free() it.
 */
char *result_json_encode(const struct reply_record *record) MUST_CHECK;

/*
 * What akamu's POST /acme/email-webhook takes of a reply that passed. Its "body" is the ACME RESPONSE block
 * alone, as we read it: akamu takes the first block of a text, knows no quoting, and decodes no padding.
 * False: no pass, out of memory, or out is full.
 */
bool result_json_append_akamu(const struct reply_record *record, struct span in_reply_to,
                              struct strbuf *out) MUST_CHECK;

/*
 * "detail" (else "title") of a problem document (RFC 9457), made fit for an SMTP answer: printable ASCII, one
 * line, at most RESULT_DETAIL_MAX_BYTES. False if there is none: not JSON, other types, empty.
 */
bool result_json_problem_detail(struct span body, char out[static RESULT_DETAIL_MAX_BYTES + 1]);

/* What a recorded result tells of its mail and of how it came; texts that were null are "". */
struct result_envelope {
    char id[REPLY_RECORD_ID_BYTES + 1];
    char author[MAILBOX_MAX_BYTES + 1];
    char queue_id[1024 + 1]; /* whole, as sender */
    char recipient[MAILBOX_MAX_BYTES + 1];
    char sender[1024 + 1];
    char client_address[64];
    char verdict[16];
    char token[256];
    char digest[64];
    char message_sha256[72];
    char settings[16384]; /* lines */
    int64_t received_at;
};

/* Reads a result object, or the payload of a JWS of one. False: it is neither. */
bool result_json_read_envelope(struct span text, struct result_envelope *out);

/* What answer.json of an evidence folder tells. False: it is none. */
struct result_answer {
    char outcome[16]; /* a word of endpoint_outcome_names */
    int status;
    unsigned attempts;
    char answered_at[32]; /* RFC 3339; "" in older folders */
    char detail[RESULT_DETAIL_MAX_BYTES + 1];
};
bool result_json_read_answer(struct span text, struct result_answer *out);

const char *result_json_library_text(void);

#endif
