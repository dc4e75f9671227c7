/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "domain.h"
#include "fuzz.h"

/* A name that was accepted is its own form, for keys as well, and holds nothing that a DNS name must not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    for (int allow_underscore = 0; allow_underscore < 2; allow_underscore++) {
        struct domain d;
        struct domain again;
        enum outcome outcome = domain_parse(text, allow_underscore, &d);
        FUZZ_MUST(outcome == OUTCOME_OK || outcome == OUTCOME_BROKEN_INPUT);
        FUZZ_MUST(domain_is_set(&d) == (outcome == OUTCOME_OK));
        if (outcome != OUTCOME_OK)
            continue;
        size_t len = strlen(d.name);
        FUZZ_MUST(len <= DOMAIN_MAX_BYTES && strchr(d.name, '.') != NULL);
        FUZZ_MUST(strspn(d.name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == len);
        FUZZ_MUST(allow_underscore || strchr(d.name, '_') == NULL);
        FUZZ_MUST(domain_parse(span_from_string(d.name), true, &again) == OUTCOME_OK);
        FUZZ_MUST(domain_equal(&d, &again) && domain_is_within(&d, &again));
    }
    return 0;
}
