/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EvidenceLog: a line a result, whatever the verdict. Each carries the SHA-256 of the line before, so that
 * one that was changed, dropped, inserted or moved later is found.
 */
#ifndef EVIDENCE_LOG_H
#define EVIDENCE_LOG_H

#include <stdio.h>

#include "crypto.h"
#include "result_json.h"

enum {
    EVIDENCE_LOG_HASH_SIZE = 2 * CRYPTO_SHA256_BYTES + 1, /* lower-case hex and a NUL */
    EVIDENCE_LOG_LINE_MAX_BYTES = RESULT_JSON_MAX_BYTES / 3 * 4 + 4096,
};

/* Behind the log's name: a file with the hash of its last line, written when the log is reopened and at the
 * end. */
#define EVIDENCE_LOG_NOTE ".last"

/* What the first line carries when nothing is known of a line before it. */
#define EVIDENCE_LOG_START "0000000000000000000000000000000000000000000000000000000000000000"

struct evidence_log;

/*
 * Takes up the chain at the last good line, one that evidence_chain_read can read, or with what
 * EVIDENCE_LOG_NOTE says if there is none. Less than a line behind the last line end is what a crash left and
 * is cut off; anything else behind the last good line stays, and has a line end when the next line comes.
 * evidence_log_verify passes over the same bytes. Both are logged. NULL with error: it cannot be opened, or
 * has no good line near its end.
 */
struct evidence_log *evidence_log_open(const char *path, char *error, size_t error_size) MUST_CHECK;
struct evidence_log *evidence_log_ref(struct evidence_log *log);
void evidence_log_close(struct evidence_log *log); /* gives back one reference; NULL is fine */

const char *evidence_log_path(const struct evidence_log *log);
/* The hash that the next line will carry. */
void evidence_log_last(struct evidence_log *log, char hash[static EVIDENCE_LOG_HASH_SIZE]);

/* After the file was moved away: the new one carries the chain on. The old one stays on failure. */
bool evidence_log_reopen(struct evidence_log *log);

/* At the end of the process: the file may be moved away before the next start. */
void evidence_log_note(struct evidence_log *log);

/* What holds when a line was added. */
enum evidence_log_promise {
    EVIDENCE_LOG_PROMISE_ON_DISK = 0, /* it survives a power cut */
    EVIDENCE_LOG_PROMISE_WRITTEN,     /* it survives the end of the process */
};

/*
 * Adds result, one JSON object, and a line end; whole or not at all. key: signs the line; NULL for none.
 * Other threads and processes may add to the same file; threads that wait for the disk at the same time share
 * one fdatasync. OUTCOME_OK, or OUTCOME_TEMPORARY with errno.
 *
 * After an fdatasync that failed nobody knows what is on disk: all who waited for it get OUTCOME_TEMPORARY,
 * though their lines are in the file and the chain goes on behind them. A power cut may then leave a gap in
 * the chain, but no line that somebody was told of is in it.
 */
enum outcome evidence_log_append(struct evidence_log *log, struct span result,
                                 const struct crypto_signing_key *key,
                                 enum evidence_log_promise promise) MUST_CHECK;

/* A verification of files that follow each other. Begin with all zeros but for the caller's members. */
struct evidence_log_check {
    const struct crypto_verifying_key *key;                         /* NULL: signatures are not looked at */
    void (*report)(void *context, uint64_t line, const char *what); /* of each fault, in order */
    void *context;
    uint64_t faults;
    /* Of the file that was read last: */
    uint64_t lines;
    bool is_torn;                       /* its end is a piece of a line, which was not counted */
    uint64_t torn_offset, torn_bytes;   /* where that piece is */
    char first[EVIDENCE_LOG_HASH_SIZE]; /* what its first line carries, "" if that is none of ours */
    char last[EVIDENCE_LOG_HASH_SIZE];  /* of its last good line, or that of the file before; "" if there was
                                           none */
};

/*
 * Reads file to its end, in bounded memory. OUTCOME_OK: read, see faults; OUTCOME_TEMPORARY: it cannot be
 * read; OUTCOME_INTERNAL: out of memory.
 */
enum outcome evidence_log_verify(struct evidence_log_check *check, FILE *file) MUST_CHECK;

#endif
