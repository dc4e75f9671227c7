/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter --verify-log: whether the lines of EvidenceLog, and of the files that it was moved to, are
 * those that were written.
 */
#ifndef VERIFY_LOG_H
#define VERIFY_LOG_H

/*
 * files: in the order of writing, the oldest first; "-" is standard input. key_file: a public key that each
 * line must be signed with; NULL: signatures are not looked at. Tells each file on standard output, each
 * fault on standard error. Returns the exit status: 0, 1 (a fault), 66 (a file cannot be read), 70.
 */
int verify_log_run(const char *key_file, char *const *files, int count);

#endif
