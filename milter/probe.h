/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter --probe: does the milter that is to serve Socket answer? For health checks.
 */
#ifndef PROBE_H
#define PROBE_H

#include "settings.h"

/*
 * 0: it does; EX_UNAVAILABLE: it does not; EX_NOPERM: we may not connect. The reason is printed. Takes
 * settings.
 */
int probe_run(struct settings *settings);

#endif
