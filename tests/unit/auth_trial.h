/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mail of tests/data/dkim, the DNS beside it, and what auth_dkim makes of them.
 */
#ifndef AUTH_TRIAL_H
#define AUTH_TRIAL_H

#include "auth_dkim.h"

enum { AUTH_TRIAL_NOW = 1795500000 }; /* as in make-dkim-cases */
enum { AUTH_TRIAL_TEXT_BYTES = 1 << 20 };

struct auth_trial {
    struct auth_dkim *dkim;
    struct resolver *resolver;
    struct message *message;
    struct domain author;
    struct auth_dkim_rules rules;
};

/* NUL-terminates; false if there is no such file. */
bool auth_trial_read(const char *folder, const char *name, char text[static AUTH_TRIAL_TEXT_BYTES],
                     size_t *len);

/* zone: as for resolver_new_file. author: NULL for example.com. */
struct auth_trial auth_trial_new(struct auth_dkim *dkim, struct span mail, const char *zone,
                                 const char *author);
void auth_trial_free(struct auth_trial *t);
enum outcome auth_trial_run(const struct auth_trial *t, struct auth_dkim_facts *facts, struct strbuf *dns);

/* See test_auth_dkim.c. */
void auth_trial_describe(const struct auth_dkim_facts *facts, char *out, size_t size);

#endif
