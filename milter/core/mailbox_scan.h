/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens that the strict reader of one author and the lenient one of a list have in common (RFC 5322
 * section 3.2).
 */
#ifndef MAILBOX_SCAN_H
#define MAILBOX_SCAN_H

#include "span.h"

enum { MAILBOX_COMMENT_MAX_DEPTH = 16 };

/* RFC 5322 atext, and every 8-bit byte (RFC 6532). */
bool mailbox_scan_is_atext(char c);

/* Offset behind the comment, or the quoted string, that opens at offset at; 0 if it does not end or nests too
 * deep. */
size_t mailbox_scan_comment(struct span text, size_t at);
size_t mailbox_scan_quoted(struct span text, size_t at);

#endif
