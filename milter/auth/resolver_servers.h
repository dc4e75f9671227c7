/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which name servers are asked: those of the options, else those of /etc/resolv.conf.
 */
#ifndef RESOLVER_SERVERS_H
#define RESOLVER_SERVERS_H

#include "resolver.h"

#define RESOLVER_SERVERS_KEY SPAN_LITERAL("  forward-addr: ")

/* Appends a line of that key and ADDRESS[@PORT] for each server. False: an address that is none. */
bool resolver_servers_append(struct strbuf *config, const struct resolver_options *options);

#endif
