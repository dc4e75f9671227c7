/* SPDX-License-Identifier: BSD-2-Clause */
/* The first byte chooses: a DKIM-Signature field, or a key record for one of two algorithms. */
#include "../../milter/auth/signature_tags.h"

#include <string.h>

#include "../../milter/auth/key_record.h"
#include "fuzz.h"

static void read_signature(struct span text)
{
    struct signature_tags tags;
    const char *why = NULL;
    enum outcome outcome = signature_tags_parse(text, &tags, &why);
    FUZZ_MUST(outcome == OUTCOME_OK || (outcome == OUTCOME_BROKEN_INPUT && why != NULL));
    if (outcome != OUTCOME_OK)
        return;
    FUZZ_MUST(domain_is_set(&tags.domain) && domain_is_set(&tags.key_name) && tags.selector[0] != '\0');
    FUZZ_MUST(domain_is_within(&tags.key_name, &tags.domain) &&
              tags.algorithm != SIGNATURE_ALGORITHM_UNKNOWN);
    FUZZ_MUST(signature_tags_times_signed(tags.signed_fields, SPAN_LITERAL("from")) > 0);
}

static void read_key(struct span text, enum signature_algorithm algorithm)
{
    struct key_record key;
    const char *why = NULL;
    enum outcome outcome = key_record_parse(text, algorithm, &key, &why);
    FUZZ_MUST(outcome == OUTCOME_OK || outcome == OUTCOME_ABSENT ||
              (outcome == OUTCOME_BROKEN_INPUT && why != NULL));
    FUZZ_MUST(outcome != OUTCOME_OK || (key.bits > 0 && strstr(key.text, "p=") != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data + (size > 0), size > 0 ? size - 1 : 0};
    if (size == 0 || data[0] % 3 == 0)
        read_signature(text);
    else
        read_key(text,
                 data[0] % 3 == 1 ? SIGNATURE_ALGORITHM_RSA_SHA256 : SIGNATURE_ALGORITHM_ED25519_SHA256);
    return 0;
}
