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
/*
 * A message that names by itself what it is about, behind the prefix, with a line end. Line ends and
 * backslashes in it stay: parts of it may be escaped already. An empty one is not printed.
 */
void complaint_print_text(const char *prefix, const char *text);

#endif
