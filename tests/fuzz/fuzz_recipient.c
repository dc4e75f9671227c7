/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fuzz.h"
#include "recipient.h"

/* What is read can be shown, has an end, and is read as itself. */
static bool same(const struct mailbox *m, void *context)
{
    const struct mailbox *given = context;
    return !(recipient_equal_local(span_from_string(m->local), span_from_string(given->local)) &&
             strcmp(m->domain.name, given->domain.name) == 0);
}

static bool check(const struct mailbox *m, void *context)
{
    char text[MAILBOX_MAX_BYTES + 1];
    char folded[RECIPIENT_FOLDED_MAX_BYTES];
    struct mailbox given = *m;
    int *count = context;
    FUZZ_MUST(++*count <= 64);
    FUZZ_MUST(m->local[0] != '\0' && strlen(m->local) <= MAILBOX_LOCAL_MAX_BYTES);
    for (const char *p = m->local; *p != '\0'; p++)
        FUZZ_MUST(!byte_is_control(*p));
    mailbox_format(m, text);
    if (domain_is_set(&m->domain) && recipient_fold_local(span_from_string(m->local), folded) > 0)
        FUZZ_MUST(recipient_visit(span_from_string(text), same, &given) == OUTCOME_OK);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int count = 0;
    FUZZ_MUST(recipient_visit((struct span){(const char *)data, size}, check, &count) != OUTCOME_INTERNAL);
    return 0;
}
