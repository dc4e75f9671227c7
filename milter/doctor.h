/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter --doctor: looks at configuration and MTA and prints a line each: what is right, and what to do
 * about the rest.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "mta_check.h"

/* 0; 1: a warning is the worst; EX_CONFIG: a fault is. Takes settings. */
int doctor_run(struct settings *settings);
/* Which aliases of the MTA lead to the mailbox of a challenge address that does not name them; for -n. */
void doctor_hint_aliases(const struct settings *settings, mta_check_teller *hint);

#endif
