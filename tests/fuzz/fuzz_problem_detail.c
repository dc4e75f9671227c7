/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"
#include "result_json.h"

/* Whatever an ACME server answers, what reaches an SMTP line is short, printable and on one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char detail[RESULT_DETAIL_MAX_BYTES + 1];
    bool is_found = result_json_problem_detail((struct span){(const char *)data, size}, detail);
    struct span text = span_from_string(detail);
    FUZZ_MUST(is_found == (text.len > 0));
    FUZZ_MUST(text.len <= RESULT_DETAIL_MAX_BYTES);
    FUZZ_MUST(text.len == span_trim(text).len);
    for (size_t i = 0; i < text.len; i++)
        FUZZ_MUST(text.data[i] >= ' ' && text.data[i] < 0x7f);
    return 0;
}
