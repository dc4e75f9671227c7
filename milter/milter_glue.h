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

/*
 * Makes libmilter see a new connection. A thread that will wait calls it first: libmilter may have promised
 * it the next packet of another connection, which only a thread that is free takes up
 * (doc/libmilter-pool.md).
 */
struct milter_glue_waker {
    void (*wake)(const void *context);
    const void *context;
};

/* Serves until the process ends. False when libmilter fails. */
bool milter_glue_serve(struct milter_glue_waker waker);

/* What new mails are judged by from now on. Takes the reference, and drops that to the one before. */
void milter_glue_replace_runtime(struct runtime *runtime);
/* One more reference to the runtime in force. */
struct runtime *milter_glue_runtime(void);

bool milter_glue_append_library_text(struct strbuf *out);

#endif
