/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the text of a result is written.
 */
#ifndef RESULT_JSON_INTERNAL_H
#define RESULT_JSON_INTERNAL_H

#include <stddef.h>

/*
 * For json_dump_callback; context: the strbuf. Of what jansson leaves as it is, what is not seen is escaped
 * too: a result is also read in terminals and editors, which take C1 controls and changes of direction for
 * what they are. -1: memory is out, or the limit is reached.
 */
int result_json_append_piece(const char *piece, size_t len, void *context);

#endif
