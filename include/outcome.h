/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer of everything that can fail for more than one reason.
 * A temporary error is never folded into a good or a bad one: it stays OUTCOME_TEMPORARY up to the SMTP code.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

enum outcome {
    OUTCOME_INTERNAL = 0, /* our own failure, out of memory included; zeroed memory is never good */
    OUTCOME_OK,
    OUTCOME_ABSENT,       /* proven not to exist */
    OUTCOME_TEMPORARY,    /* not known now; asking again later may help */
    OUTCOME_REJECTED,     /* the other side understood and said no */
    OUTCOME_BROKEN_INPUT, /* the input is malformed */
};

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#endif
