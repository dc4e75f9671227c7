/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <string.h>

#include "../../milter/delivery/evidence_chain.h"

/* Of any file: each line end is a line, what is too long behind the last is one, a line has at most one
 * fault, and what is read of a line is a hash.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char hash[EVIDENCE_LOG_HASH_SIZE];
    struct span text = {(const char *)data, size};
    union {
        const uint8_t *read;
        void *given;
    } bytes = {.read = data};
    uint64_t ends = 0;
    for (size_t i = 0; i < size; i++)
        ends += data[i] == '\n' ? 1 : 0;
    if (evidence_chain_read(text, hash))
        FUZZ_MUST(evidence_chain_is_hash(span_from_string(hash)));
    FILE *file = size > 0 ? fmemopen(bytes.given, size, "r") : NULL;
    if (file == NULL)
        return 0;
    struct evidence_log_check check = {.key = NULL};
    FUZZ_MUST(evidence_log_verify(&check, file) == OUTCOME_OK);
    bool has_piece = data[size - 1] != '\n';
    FUZZ_MUST(check.lines == ends + (has_piece && !check.is_torn ? 1 : 0) && check.faults <= check.lines);
    FUZZ_MUST(!check.is_torn || (has_piece && check.torn_offset + check.torn_bytes == size));
    FUZZ_MUST(check.last[0] == '\0' || evidence_chain_is_hash(span_from_string(check.last)));
    (void)fclose(file);
    return 0;
}
