/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which header fields of a reply a signature covers (RFC 8823 section 3.2 (9), RFC 6376 section 5.4.2),
 * counted by instance: a name in h= covers one field, from the bottom up.
 */
#ifndef SIGNATURE_COVERAGE_H
#define SIGNATURE_COVERAGE_H

#include "auth_facts.h"
#include "message.h"

/* Reads s->signed_fields, sets s->covers_* and s->*_detail. */
void signature_coverage_measure(const struct message *m, struct auth_signature *s);

#endif
