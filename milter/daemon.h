/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of the serving process: socket, user, background, signals, reload, drain.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "settings.h"

/*
 * Serves until a signal ends it; takes settings. environment: what a service manager says in it. The exit
 * code of contract section 2.
 */
int daemon_run(struct settings *settings, bool stays_in_foreground, char *const *environment);

#endif
