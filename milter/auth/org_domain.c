/* SPDX-License-Identifier: BSD-2-Clause */
#include "org_domain.h"

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>

/* Read-only after it is loaded: threads may share it. */
struct org_domain_list {
    psl_ctx_t *psl;
};

struct org_domain_list *org_domain_list_new(void)
{
    struct org_domain_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return NULL;
    list->psl = psl_latest(NULL); /* the system's file, or the list inside libpsl if that is newer */
    if (list->psl == NULL) {
        free(list);
        return NULL;
    }
    return list;
}

void org_domain_list_free(struct org_domain_list *list)
{
    if (list != NULL)
        psl_free(list->psl);
    free(list);
}

bool org_domain_find(const struct org_domain_list *list, const struct domain *name, struct domain *out)
{
    const char *found = domain_is_set(name) ? psl_registrable_domain(list->psl, name->name) : NULL;
    struct domain result = {.name = ""};
    if (found != NULL)
        (void)snprintf(result.name, sizeof result.name, "%s", found);
    *out = result;
    return found != NULL;
}

const char *org_domain_library_text(void)
{
    return psl_get_version();
}
