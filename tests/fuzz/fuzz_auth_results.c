/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/auth_results.h"

#include "fuzz.h"

/* A name that stands first is seen, however it is written and whatever follows; one that stands nowhere is
 * not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char own[] = "mx.ca.example";
    struct span body = {(const char *)data, size};
    struct strbuf text;
    bool is_claimed = auth_results_claims(body, own);
    FUZZ_MUST(!is_claimed || size >= sizeof own - 1);
    strbuf_init(&text, size + 64);
    FUZZ_MUST(
        strbuf_append_string(&text, " ((((((((((((((((((a \\) b))))))))))))))))) ) \"MX.ca\\.example\" 1;") &&
        strbuf_append(&text, body));
    FUZZ_MUST(auth_results_claims(strbuf_view(&text), own));
    strbuf_clear(&text);
    return 0;
}
