/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of an endpoint's host: those of /etc/hosts, else those that the DNS has. Here the resolver of
 * auth and the endpoint of delivery meet.
 */
#ifndef HOST_ADDRESSES_H
#define HOST_ADDRESSES_H

#include "endpoint.h"
#include "resolver.h"

/* An endpoint_look_up; the context is a struct resolver. */
bool host_addresses_find(void *context, const char *host, struct deadline deadline,
                         const struct endpoint_tick *tick, struct endpoint_addresses *found);

#endif
