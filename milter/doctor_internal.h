/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checks of the doctor share.
 */
#ifndef DOCTOR_INTERNAL_H
#define DOCTOR_INTERNAL_H

#include "doctor.h"

enum doctor_verdict {
    DOCTOR_FAIL = 0,
    DOCTOR_WARN,
    DOCTOR_OK,
};

struct doctor {
    const struct settings *settings;
    enum doctor_verdict worst;
    mta_check_teller *hint; /* NULL: all is printed; else it hears the faults, and nobody the rest */
};

/* A line, escaped to printable ASCII: "WHERE: what is wrong, and what to do". */
void doctor_tell(struct doctor *d, enum doctor_verdict verdict, const char *format, ...) PRINTF_LIKE(3, 4);

/* Which addresses the MTA leads to the mailbox of a challenge address. */
void doctor_aliases(struct doctor *d);

#endif
