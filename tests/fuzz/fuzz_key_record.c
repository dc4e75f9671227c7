/* SPDX-License-Identifier: BSD-2-Clause */
/* The first byte tells the algorithm of the signature; then the record, DER and all. */
#include <string.h>

#include "../../milter/auth/key_record.h"
#include "../../milter/auth/key_size.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_record record;
    struct key_size key_size;
    const char *why = NULL;
    if (size == 0)
        return 0;
    struct span text = {(const char *)data + 1, size - 1};
    bool is_ed25519 = data[0] == 'e';
    enum outcome outcome = key_record_parse(
        text, is_ed25519 ? SIGNATURE_ALGORITHM_ED25519_SHA256 : SIGNATURE_ALGORITHM_RSA_SHA256, &record,
        &why);
    FUZZ_MUST(outcome != OUTCOME_INTERNAL && outcome != OUTCOME_TEMPORARY);
    FUZZ_MUST(outcome == OUTCOME_OK || (why != NULL && *why != '\0'));
    FUZZ_MUST(memchr(record.text, '\0', sizeof record.text) != NULL);
    if (outcome == OUTCOME_OK) {
        FUZZ_MUST(is_ed25519 ? record.bits == 256 : record.bits > 0);
        FUZZ_MUST(strncmp(record.text, is_ed25519 ? "k=ed25519; p=" : "k=rsa; p=", is_ed25519 ? 13 : 9) == 0);
        FUZZ_MUST(strchr(strstr(record.text, "p="), ';') == NULL);
    }
    if (key_size_read_rsa(text, &key_size))
        FUZZ_MUST(key_size.modulus_bits > 0 && key_size.modulus_bits <= 8 * text.len);
    return 0;
}
