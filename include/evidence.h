/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EvidenceDirectory: for auditors, a folder a reply that passed (contract section 3).
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <stdint.h>

#include "outcome.h"
#include "span.h"

enum { EVIDENCE_PATH_MAX_BYTES = 4096 };

struct evidence_folder {
    struct span header; /* message.eml: header bytes, an empty line, */
    struct span body;   /* then the body */
    struct span dns;    /* dns.txt */
    struct span result; /* result.json or result.jws */
    bool is_signed;
};

/*
 * Writes DIRECTORY/YYYY/MM/DD/ID/ whole, under another name first, and syncs it. path gets the folder's name.
 * A folder of that id that is already there stays as it is: OUTCOME_OK. Anything that keeps it from disk is
 * OUTCOME_TEMPORARY.
 */
enum outcome evidence_folder_write(const char *directory, const char *id, int64_t received_at,
                                   const struct evidence_folder *folder,
                                   char path[static EVIDENCE_PATH_MAX_BYTES]) MUST_CHECK;
/* Whether folders can be made in it now; errno tells why not. */
bool evidence_folder_can_write(const char *directory) MUST_CHECK;
/* Adds answer.json to a folder written before. */
enum outcome evidence_folder_add_answer(const char *path, struct span answer) MUST_CHECK;

#endif
