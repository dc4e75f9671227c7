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

struct signature_verifier *signature_verifier_new(void);
void signature_verifier_free(struct signature_verifier *v);
const char *signature_verifier_library_text(void);

/*
 * Verifies the DKIM-Signature that is field number index of m, with key, a record as signature_tags_read_key
 * reduces it. The other signatures are not shown to the library, so that none of them can harm this one,
 * unless h= names them. *why: a constant text of the library, or NULL.
 */
enum signature_verdict signature_verifier_run(struct signature_verifier *v, const struct message *m,
                                              size_t index, const char *key, bool shows_others,
                                              const char **why);

#endif
