/* SPDX-License-Identifier: BSD-2-Clause */
/* A charset's name, a line end, then bytes in it. */
#include "charset.h"

#include "fuzz.h"
#include "utf8.h"

enum { TEXT_MAX_BYTES = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size < TEXT_MAX_BYTES / 8 ? size : TEXT_MAX_BYTES / 8};
    size_t end = span_find_byte(input, 0, '\n');
    struct span name = span_slice(input, 0, end);
    struct strbuf out;
    strbuf_init(&out, TEXT_MAX_BYTES);
    enum outcome outcome = charset_to_utf8(name, span_slice(input, end + 1, input.len), &out);
    FUZZ_MUST(outcome == (charset_is_known(name) ? OUTCOME_OK : OUTCOME_BROKEN_INPUT));
    FUZZ_MUST(charset_is_known(name) || !charset_is_native(name));
    FUZZ_MUST(utf8_is_valid(strbuf_view(&out)));
    strbuf_clear(&out);
    return 0;
}
