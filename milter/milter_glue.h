/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmilter's callbacks, turned into session events, and session outcomes turned into libmilter's answers.
 * Nothing is decided here, and no other file includes libmilter.
 */
#ifndef MILTER_GLUE_H
#define MILTER_GLUE_H

#include "runtime.h"

enum { MILTER_GLUE_WHY_BYTES = 256 };

/*
 * Listens at an address as smfi_setconn takes it, with fd:NUMBER for a socket that is open already, which
 * Debian's libmilter knows. replaces: a socket file that is there is taken away. Before any thread. False
 * with a reason in why.
 */
bool milter_glue_listen(const char *address, bool replaces,
                        char why[static MILTER_GLUE_WHY_BYTES]) MUST_CHECK;

/* Serves until the process ends. False when libmilter fails. */
bool milter_glue_serve(void);

/* What new mails are judged by from now on. Takes the reference, and drops that to the one before. */
void milter_glue_replace_runtime(struct runtime *runtime);
/* One more reference to the runtime in force. */
struct runtime *milter_glue_runtime(void);

bool milter_glue_append_library_text(struct strbuf *out);

#endif
