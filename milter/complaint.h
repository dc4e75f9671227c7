/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command says on standard error to whoever called it.
 */
#ifndef COMPLAINT_H
#define COMPLAINT_H

/*
 * "acme-milter: about: what". about, a file's name or a word of an argument or a record, is escaped to
 * printable ASCII: anybody may have chosen it, and it must not reach a terminal as it is.
 */
void complaint_print(const char *about, const char *what);

#endif
