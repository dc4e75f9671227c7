/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a file of EvidenceLog, which a power cut may have left with anything in it.
 */
#ifndef EVIDENCE_LOG_TAIL_H
#define EVIDENCE_LOG_TAIL_H

#include <sys/types.h>

#include "evidence_log.h"

struct evidence_log_tail {
    off_t good_end;                    /* behind the last line of an evidence log; 0: there is none */
    off_t lines_end;                   /* behind the last line end; what follows is less than a line */
    bool is_open;                      /* what follows is more than a line can be, so that it needs an end */
    char hash[EVIDENCE_LOG_HASH_SIZE]; /* of the last good line */
};

/* False with errno: it cannot be read, or there is no good line near its end (EBADMSG). */
bool evidence_log_read_tail(int fd, off_t size, struct evidence_log_tail *tail) MUST_CHECK;

#endif
