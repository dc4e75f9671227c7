/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of an evidence folder, read by --replay and --find. A folder may be anybody's by now: only
 * regular files are opened, no links are followed, and nothing is read without a limit.
 */
#ifndef RECORD_H
#define RECORD_H

#include "crypto.h"
#include "result_json.h"

/* What a result is worth. */
enum record_result {
    RECORD_RESULT_NONE = 0,  /* there is none that can be read */
    RECORD_RESULT_FORGED,    /* a key was given, and this is not signed by it */
    RECORD_RESULT_UNSIGNED,  /* no key was given, and there is no signature */
    RECORD_RESULT_UNCHECKED, /* no key was given, and there is a signature */
    RECORD_RESULT_SIGNED,
};

/* The folder at path; follows a link to it, as the user named it. -1 with errno. */
int record_open(const char *path) MUST_CHECK;

/*
 * Reads result.jws, or without a key (NULL) result.json where there is no result.jws. text is the room that
 * is read into. why: of RECORD_RESULT_NONE and _FORGED, with the name of the file.
 */
enum record_result record_read_result(int folder, const struct crypto_verifying_key *key, struct strbuf *text,
                                      struct result_envelope *out, const char **why) MUST_CHECK;

/* The same for a line of EvidenceLog. */
enum record_result record_judge_text(struct span text, const struct crypto_verifying_key *key,
                                     struct result_envelope *out) MUST_CHECK;

/* False where the ACME server never answered, or nobody could write it down. */
bool record_read_answer(int folder, struct result_answer *out) MUST_CHECK;

/* Loads an Ed25519 public key; path NULL: key is NULL. False after a line on standard error. */
bool record_load_key(const char *path, struct crypto_verifying_key **key) MUST_CHECK;

/* One line on standard error for each run that looked at signatures which it had no key for. */
void record_tell_unchecked(const char *about);

#endif
