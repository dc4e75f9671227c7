/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cryptography of one DKIM signature, on libopendkim.
 */
#ifndef SIGNATURE_VERIFIER_H
#define SIGNATURE_VERIFIER_H

#include "message.h"

struct signature_verifier; /* process-wide, shared by threads */

enum signature_verdict {
    SIGNATURE_VERDICT_INTERNAL = 0, /* the library failed */
    SIGNATURE_VERDICT_VERIFIED,
    SIGNATURE_VERDICT_BODY_CHANGED,
    SIGNATURE_VERDICT_HEADER_CHANGED,
    SIGNATURE_VERDICT_UNUSABLE, /* the library cannot read the signature or the key */
};

struct signature_verifier_request {
    const struct message *message;
    size_t index;           /* of the DKIM-Signature field */
    const char *key;        /* key_record's text */
    struct span h;          /* the tag, as lower-case names with colons: what must be verified */
    bool covers_signatures; /* h= names DKIM-Signature: then the others must be shown, too */
};

/* NULL: the library does not start, or cannot do SHA-256 or Ed25519. */
struct signature_verifier *signature_verifier_new(void);
void signature_verifier_free(struct signature_verifier *v);
bool signature_verifier_append_library_text(struct strbuf *out);

/*
 * The other signatures are not shown to the library, so that none of them can harm this one, unless h= names
 * them. *why: a constant text of the library, or NULL.
 */
enum signature_verdict signature_verifier_run(struct signature_verifier *v,
                                              const struct signature_verifier_request *request,
                                              const char **why);

#endif
