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
 * Opens the listening socket as settings say, with its mode and group. Before privileges are dropped and
 * before any thread. False with a reason in why: a live socket of another process is never taken away.
 */
bool milter_glue_listen(const struct settings *settings, char why[static MILTER_GLUE_WHY_BYTES]);

/* Serves until the process ends; takes the reference to runtime. False when libmilter fails. */
bool milter_glue_serve(struct runtime *runtime);

/* What new mails are judged by from now on. Takes the reference. */
void milter_glue_replace_runtime(struct runtime *runtime);
/* One more reference to the runtime in force. */
struct runtime *milter_glue_runtime(void);

/* No connection comes in any more; those that are there go on. */
void milter_glue_stop_listening(void);

bool milter_glue_append_library_text(struct strbuf *out);

#endif
