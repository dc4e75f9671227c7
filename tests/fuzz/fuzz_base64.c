/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"

#include "fuzz.h"

enum { TEXT_MAX_BYTES = 65536 };

static void check(struct span text, enum base64_alphabet alphabet)
{
    struct strbuf bytes;
    size_t measured;
    strbuf_init(&bytes, TEXT_MAX_BYTES);
    enum outcome outcome = base64_decode(text, alphabet, &bytes);
    FUZZ_MUST(outcome == OUTCOME_OK || outcome == OUTCOME_BROKEN_INPUT);
    FUZZ_MUST(base64_measure(text, alphabet, &measured) == (outcome == OUTCOME_OK));
    if (outcome == OUTCOME_OK)
        FUZZ_MUST(measured == bytes.len);
    strbuf_clear(&bytes);
}

/* Both readers agree; what is encoded comes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size < TEXT_MAX_BYTES / 2 ? size : TEXT_MAX_BYTES / 2};
    struct strbuf text, back;
    check(input, BASE64_ALPHABET_STANDARD);
    check(input, BASE64_ALPHABET_URL);
    strbuf_init(&text, TEXT_MAX_BYTES);
    strbuf_init(&back, TEXT_MAX_BYTES);
    FUZZ_MUST(base64_append_url(&text, input));
    FUZZ_MUST(base64_decode(strbuf_view(&text), BASE64_ALPHABET_URL, &back) == OUTCOME_OK);
    FUZZ_MUST(span_equal(strbuf_view(&back), input));
    strbuf_clear(&text);
    strbuf_clear(&back);
    return 0;
}
