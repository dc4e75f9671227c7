/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domain names as people and mails write them, to the one form that we compare and look up:
 * lower-case A-labels, no trailing dot (RFC 5890, UTS #46 non-transitional, RFC 8616).
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include "outcome.h"
#include "span.h"

enum { DOMAIN_MAX_BYTES = 253 };

struct domain {
    char name[DOMAIN_MAX_BYTES + 1]; /* "" when unset */
};

/*
 * At least two labels of letters, digits and inner hyphens, each 1..63 bytes (RFC 5321 section 2.3.5); an
 * underscore only when allow_underscore is set (DNS names that hold keys). One trailing dot is refused (RFC
 * 5322 3.4.1 has none), and a last label that is a number. UTF-8 labels are converted: IDNA2008 code points,
 * letters in either case, no other spelling; A-labels must stand for such. OUTCOME_OK; OUTCOME_BROKEN_INPUT
 * or OUTCOME_INTERNAL (out of memory): *out is then empty.
 */
enum outcome domain_parse(struct span text, bool allow_underscore, struct domain *out) MUST_CHECK;

/* An unset domain equals nothing, not even another one. */
bool domain_equal(const struct domain *a, const struct domain *b);
/* name is parent, or lies below it. */
bool domain_is_within(const struct domain *name, const struct domain *parent);
bool domain_is_set(const struct domain *d);

/* The version of the library that knows IDNA. */
const char *domain_library_text(void);

#endif
