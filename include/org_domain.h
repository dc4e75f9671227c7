/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Organisational domains by the public suffix list (RFC 7489 section 3.2), on libpsl.
 */
#ifndef ORG_DOMAIN_H
#define ORG_DOMAIN_H

#include "domain.h"

struct org_domain_list;

struct org_domain_list *org_domain_list_new(void); /* the system's list, else libpsl's own; NULL: neither */
void org_domain_list_free(struct org_domain_list *list);

/* False if name is itself a public suffix or lies under none. */
bool org_domain_find(const struct org_domain_list *list, const struct domain *name, struct domain *out);
const char *org_domain_library_text(void);

#endif
