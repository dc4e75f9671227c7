/* SPDX-License-Identifier: BSD-2-Clause */
#include "encoded_word.h"

#include "fuzz.h"
#include "utf8.h"

enum { TEXT_MAX_BYTES = 8192 };

/* Text without encoded-words comes out as it went in; of valid UTF-8 comes valid UTF-8, and not much more of
 * it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct strbuf out;
    bool is_foreign = true;
    if (size > TEXT_MAX_BYTES)
        return 0;
    strbuf_init(&out, 4 * TEXT_MAX_BYTES);
    FUZZ_MUST(encoded_word_decode(text, &out, &is_foreign) == OUTCOME_OK);
    if (span_find(text, 0, SPAN_LITERAL("=?")) == text.len)
        FUZZ_MUST(span_equal(strbuf_view(&out), text) && !is_foreign);
    FUZZ_MUST(!utf8_is_valid(text) || utf8_is_valid(strbuf_view(&out)));
    strbuf_clear(&out);
    return 0;
}
