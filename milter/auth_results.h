/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Authentication-Results field (RFC 8601): ours for delivered replies, and which of the others claim our
 * name.
 */
#ifndef AUTH_RESULTS_H
#define AUTH_RESULTS_H

#include "reply_record.h"

enum { AUTH_RESULTS_MAX_BYTES = 2048 };

/* "mx.ca.example; dkim=pass header.d=... ; dmarc=pass header.from=..."; false when out is full. */
bool auth_results_append(const struct reply_record *record, const char *authserv_id, struct strbuf *out);

/* Whether a field body's authserv-id is ours (RFC 8601 section 5), comments and case aside. */
bool auth_results_claims(struct span field_body, const char *authserv_id);

#endif
