/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a body is once it is canonicalized (RFC 6376 sections 3.4.3 and 3.4.4): what l= counts in.
 */
#ifndef SIGNATURE_BODY_H
#define SIGNATURE_BODY_H

#include "span.h"

/* body: lines that end in CRLF; the last may lack it, and is counted as if it had. */
size_t signature_body_length(struct span body, bool is_relaxed);

#endif
