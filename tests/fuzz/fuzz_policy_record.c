/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "../../milter/auth/policy_record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_record record;
    const char *why;
    struct span text = {(const char *)data, size};
    enum outcome outcome = policy_record_parse(text, &record, &why);
    FUZZ_MUST(outcome == OUTCOME_OK || outcome == OUTCOME_ABSENT || outcome == OUTCOME_BROKEN_INPUT);
    FUZZ_MUST((why != NULL) == (outcome == OUTCOME_BROKEN_INPUT));
    if (outcome != OUTCOME_ABSENT)
        FUZZ_MUST(span_find(text, 0, SPAN_LITERAL("DMARC1")) < size);
    if (outcome != OUTCOME_OK)
        return 0;
    FUZZ_MUST(policy_record_policy(&record, false) != AUTH_POLICY_UNKNOWN);
    FUZZ_MUST(policy_record_policy(&record, true) != AUTH_POLICY_UNKNOWN);
    /* A policy that asks for something was written in full. */
    if (record.policy == AUTH_POLICY_REJECT) {
        bool is_there = false;
        for (size_t i = 0; i < size; i++)
            is_there = is_there || span_starts_nocase(span_slice(text, i, size), SPAN_LITERAL("reject"));
        FUZZ_MUST(is_there);
    }
    return 0;
}
