/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 7508: header fields in an attribute of the signature, for clients that look for them there and not in
 * the signed part.
 */
#ifndef CHALLENGE_SECURE_FIELDS_H
#define CHALLENGE_SECURE_FIELDS_H

#include "outcome.h"
#include "strbuf.h"

#define CHALLENGE_SECURE_FIELDS_OID "1.2.840.113549.1.9.16.2.55"

/* fields: "Name: value", each with its CRLF, none of them folded. Appends SecureHeaderFields in DER. */
bool challenge_secure_fields_append(struct span fields, struct strbuf *out) MUST_CHECK;

#endif
