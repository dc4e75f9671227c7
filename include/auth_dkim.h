/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DKIM (RFC 6376, 8301, 8463) of the author's own domain, on libopendkim, with keys from resolver.
 */
#ifndef AUTH_DKIM_H
#define AUTH_DKIM_H

#include "auth_facts.h"
#include "message.h"
#include "resolver.h"
#include "weak_key_list.h"

struct auth_dkim;       /* process-wide: the library */
struct auth_dkim_check; /* one mail's signatures and the look-ups of their keys */

struct auth_dkim_rules {
    unsigned minimum_key_bits;
    unsigned max_signatures; /* 1..AUTH_SIGNATURES_MAX */
    int64_t clock_skew_seconds;
    int64_t now;                           /* seconds since 1970: what t= and x= are held against */
    const struct weak_key_list *weak_keys; /* outlives the check; NULL: none */
};

struct auth_dkim *auth_dkim_new(void); /* NULL: the library does not start, or lacks SHA-256 or Ed25519 */
void auth_dkim_free(struct auth_dkim *dkim);

/* "2.11.0 (ed25519)": for -V. */
bool auth_dkim_append_library_text(struct strbuf *out);

/*
 * Reads the DKIM-Signature fields and starts the look-ups of the keys that the verdict may need. The
 * message's header must be complete, its body need not be; message and resolver must outlive the check. NULL:
 * out of memory.
 */
struct auth_dkim_check *auth_dkim_start(struct auth_dkim *dkim, const struct message *m,
                                        const struct domain *author, const struct auth_dkim_rules *rules,
                                        struct resolver *resolver) MUST_CHECK;

/*
 * Verifies what auth_dkim_start found, once the body is complete, and fills *facts. Look-ups end at the
 * deadline. dns: if not NULL, the answers used are appended in resolver's file format. OUTCOME_OK: facts are
 * complete (whatever they say); OUTCOME_INTERNAL: out of memory or a failing library.
 */
enum outcome auth_dkim_finish(struct auth_dkim_check *check, struct deadline deadline,
                              struct auth_dkim_facts *facts, struct strbuf *dns) MUST_CHECK;

void auth_dkim_check_free(struct auth_dkim_check *check);

#endif
