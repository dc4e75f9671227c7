/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_subject.h"

#include <string.h>

#include "base64.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply_subject got;
    const char *why = NULL;
    enum outcome outcome = reply_subject_parse((struct span){(const char *)data, size}, &got, &why);
    FUZZ_MUST(outcome == OUTCOME_OK || outcome == OUTCOME_ABSENT || outcome == OUTCOME_BROKEN_INPUT);
    FUZZ_MUST(outcome == OUTCOME_OK ? got.token[0] != '\0' : got.token[0] == '\0' && why != NULL);
    size_t len = strlen(got.token);
    FUZZ_MUST(len <= REPLY_TOKEN_MAX_BYTES && got.token_bits <= len * 6);
    while (len > 0 && got.token[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        FUZZ_MUST(base64_is_url_byte(got.token[i]));
    return 0;
}
