/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that runs out at a chosen moment. The linker sends the allocations of everything linked in here
 * (STARVED_LINK); what a shared library allocates by itself does not come along unless it is given malloc.
 */
#ifndef STARVE_H
#define STARVE_H

#include <stdbool.h>

/* The allocation of this number from now on, counted from 0, fails; those behind it do not. */
void starve_begin(long step);

/* Nothing fails from now on. True: the allocation of that number did not come. */
bool starve_end(void);

#endif
