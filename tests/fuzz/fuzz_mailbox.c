/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fuzz.h"
#include "mailbox.h"

/* What was accepted, written out, is read as the same address by every entry, and is safe to show. */
static bool check(const struct mailbox *m, void *context)
{
    char text[MAILBOX_MAX_BYTES + 1];
    struct mailbox again;
    struct domain domain;
    const char *why;
    (void)context;
    mailbox_format(m, text);
    struct span s = span_from_string(text);
    for (size_t i = 0; i < s.len; i++)
        FUZZ_MUST(!byte_is_control(s.data[i]) && strchr("<>,:;()[]\\", s.data[i]) == NULL);
    FUZZ_MUST(domain_parse(span_from_string(m->domain.name), false, &domain) == OUTCOME_OK);
    FUZZ_MUST(domain_equal(&domain, &m->domain));
    FUZZ_MUST(mailbox_parse_address(s, &again) == OUTCOME_OK && strcmp(again.local, m->local) == 0);
    FUZZ_MUST(mailbox_parse_author(s, &again, &why) == OUTCOME_OK && strcmp(again.local, m->local) == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct mailbox m;
    const char *why = NULL;
    if (mailbox_parse_author(text, &m, &why) == OUTCOME_OK)
        (void)check(&m, NULL);
    else
        FUZZ_MUST(why != NULL && *why != '\0' && *m.local == '\0');
    if (mailbox_parse_address(text, &m) == OUTCOME_OK)
        (void)check(&m, NULL);
    FUZZ_MUST(mailbox_visit_list(text, check, NULL) == OUTCOME_OK);
    return 0;
}
