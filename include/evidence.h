/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EvidenceDirectory: for auditors, a folder for each posting of a reply that passed (contract section 3).
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <stdint.h>

#include "outcome.h"
#include "span.h"

enum { EVIDENCE_PATH_MAX_BYTES = 4096 };

#define EVIDENCE_ANSWER "answer.json"

struct evidence_folder {
    struct span header; /* message.eml: header bytes, an empty line, */
    struct span body;   /* then the body */
    struct span dns;    /* dns.txt */
    struct span result; /* result.json or result.jws */
    bool is_signed;
};

/*
 * Writes a new folder whole, under another name first, and syncs it: DIRECTORY/YYYY/MM/DD/ID, or, where
 * earlier postings of that day have this id, ID.2, ID.3 and so on. What is there already is never touched.
 * path gets the folder's name, of a failure as far as it is known. Anything that keeps the folder from disk
 * is OUTCOME_TEMPORARY, with errno.
 */
enum outcome evidence_folder_write(const char *directory, const char *id, int64_t received_at,
                                   const struct evidence_folder *folder,
                                   char path[static EVIDENCE_PATH_MAX_BYTES]) MUST_CHECK;
/* Whether folders can be made in it now; errno tells why not. */
bool evidence_folder_can_write(const char *directory) MUST_CHECK;
/* Adds answer.json to a folder written before, once: whole, or not at all and with errno. */
enum outcome evidence_folder_add_answer(const char *path, struct span answer) MUST_CHECK;
/* Takes the name of a folder apart: its id, and 1 for ID, 2 for ID.2. False: it is none. */
bool evidence_folder_read_name(const char *name, struct span *id, unsigned *number) MUST_CHECK;

struct evidence_walk {
    /* Takes fd, the folder of a day. False: the walk ends. */
    bool (*take_day)(void *context, int fd, const char *path);
    /* A folder that is there and cannot be read; may be NULL. */
    void (*tell_missed)(void *context, const char *path, const char *why);
    void *context;
};

/* Goes through the days of an EvidenceDirectory, the newest first. Follows no links. */
void evidence_walk(const char *directory, const struct evidence_walk *walk);

/*
 * Removes the folders that a process which ended left unfinished: older than an hour, and nothing in them but
 * what evidence_folder_write makes. Each has a line in the log. Looks at a million names at most.
 */
void evidence_sweep(const char *directory);

#endif
