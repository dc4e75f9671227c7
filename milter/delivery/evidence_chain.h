/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of EvidenceLog: a result, and the SHA-256 of the line before it, without its line end, in
 * lower-case hex. Without a key that is the last member of the object, "previousSha256"; with one the line is
 * the JWS of the result as it was posted, and the member stands in its protected header, so that it is signed
 * too.
 */
#ifndef EVIDENCE_CHAIN_H
#define EVIDENCE_CHAIN_H

#include "evidence_log.h"

/* free() it. NULL: out of memory, or result is not an object with a member, or longer than a line may be. */
char *evidence_chain_line(struct span result, const char *previous,
                          const struct crypto_signing_key *key) MUST_CHECK;

/* Reads the hash that a line carries. False: it is no line of ours. */
bool evidence_chain_read(struct span line, char previous[static EVIDENCE_LOG_HASH_SIZE]) MUST_CHECK;

bool evidence_chain_is_hash(struct span text);

bool evidence_chain_hash(struct span line, char hash[static EVIDENCE_LOG_HASH_SIZE]) MUST_CHECK;

#endif
