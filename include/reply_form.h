/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The form of a reply: what RFC 8823 section 3.2 asks of its header and body, before any DNS and any
 * cryptography.
 */
#ifndef REPLY_FORM_H
#define REPLY_FORM_H

#include "findings.h"
#include "mailbox.h"
#include "mime_text.h"
#include "reply_block.h"
#include "reply_subject.h"

enum { REPLY_FORM_ID_MAX_BYTES = 998 };

struct reply_form {
    struct mailbox author; /* unset unless exactly one */
    bool has_author;
    struct reply_subject subject;
    bool has_token;
    struct reply_block block;
    bool has_digest;
    char message_id[REPLY_FORM_ID_MAX_BYTES + 1]; /* "" if there is none */
    char in_reply_to[REPLY_FORM_ID_MAX_BYTES + 1];
};

/*
 * The part that needs no body: everything about the header fields. to_names_challenge tells whether a mailbox
 * of the To field is a challenge address that this mail came to. OUTCOME_OK, or OUTCOME_INTERNAL.
 */
enum outcome reply_form_examine_header(const struct message *m,
                                       bool (*to_names_challenge)(const struct mailbox *, void *),
                                       void *context, struct reply_form *form,
                                       struct finding_list *findings) MUST_CHECK;

/* The rest. text is scratch storage that the caller keeps from mail to mail. OUTCOME_OK, or OUTCOME_INTERNAL.
 */
enum outcome reply_form_examine_body(const struct message *m, const struct mime_limits *limits,
                                     struct mime_text *text, struct reply_form *form,
                                     struct finding_list *findings) MUST_CHECK;

#endif
