/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a file holds a trust anchor. Of one that does not, libunbound would validate nothing, and not say
 * so.
 */
#ifndef RESOLVER_ANCHOR_H
#define RESOLVER_ANCHOR_H

/* What is wrong with the file; NULL: nothing. */
const char *resolver_anchor_fault(const char *path);

#endif
