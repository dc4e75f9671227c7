/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter --find: replies in the evidence, by id, queue id or address.
 */
#ifndef FIND_H
#define FIND_H

#include "settings.h"

/*
 * Prints a line for each reply in EvidenceDirectory, EvidenceLog and further logs ("-" is standard input)
 * that wanted names, the newest last. What cannot be read is named on standard error. 0: found; 1: not found;
 * EX_NOINPUT: not found, but not all could be read, or what was found is not signed
 * by the key in key_file (NULL: none); EX_CONFIG: no evidence is configured; EX_SOFTWARE. Takes
 * settings.
 */
int find_run(struct settings *settings, const char *wanted, const char *key_file, char *const *logs,
             int count);

#endif
