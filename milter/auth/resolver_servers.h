/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which name servers are asked: those of the options, else those of /etc/resolv.conf.
 */
#ifndef RESOLVER_SERVERS_H
#define RESOLVER_SERVERS_H

#include "resolver.h"

/* Appends a "  forward-addr: ADDRESS[@PORT]" line for each server. False: an address that is none. */
bool resolver_servers_append(struct strbuf *config, const struct resolver_options *options);

#endif
