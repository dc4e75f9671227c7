/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter --doctor: looks at configuration and MTA and prints a line each: what is right, and what to do
 * about the rest. Unlike -n it runs programs of the MTA.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "settings.h"

/* 0; 1: a warning is the worst; EX_CONFIG: a fault is. Takes settings. */
int doctor_run(struct settings *settings);

#endif
