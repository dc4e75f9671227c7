/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of a DNS answer, as they came.
 */
#ifndef RESOLVER_RESULT_H
#define RESOLVER_RESULT_H

#include "resolver.h"

/* data ends with NULL. *text is the caller's: the records of *answer point into it. */
enum outcome resolver_result_read(char *const *data, const int *lens, enum resolver_type type,
                                  struct resolver_answer *answer, char **text) MUST_CHECK;

bool resolver_result_is_referral(const void *packet, int len);

#endif
