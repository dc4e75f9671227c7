/* SPDX-License-Identifier: BSD-2-Clause */
/* A mail: header lines up to the first "\n\n", then the body. */
#include "mime_text.h"

#include "fuzz.h"
#include "utf8.h"

enum { TEXT_MAX_BYTES = 4096 };

static void add_header(struct message *m, struct span header)
{
    for (size_t from = 0; from < header.len;) {
        size_t end = span_find_byte(header, from, '\n');
        struct span line = span_slice(header, from, end);
        size_t colon = span_find_byte(line, 0, ':');
        (void)!message_add_field(m, span_slice(line, 0, colon), span_slice(line, colon + 1, line.len));
        from = end + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message_limits limits = {65536, 50};
    const struct mime_limits mime = {4, 8};
    struct span input = {(const char *)data, size};
    size_t cut = span_find(input, 0, SPAN_LITERAL("\n\n"));
    struct message *m = message_new(&limits);
    struct mime_text text;
    mime_text_init(&text, TEXT_MAX_BYTES);
    add_header(m, span_slice(input, 0, cut));
    (void)!message_add_body(m, span_slice(input, cut + 2, size));
    message_end(m);
    enum outcome outcome = mime_text_extract(m, &mime, &text);
    FUZZ_MUST(outcome == OUTCOME_OK ? text.why == NULL : text.why != NULL || outcome == OUTCOME_INTERNAL);
    FUZZ_MUST(outcome != OUTCOME_INTERNAL && text.text.len <= TEXT_MAX_BYTES);
    FUZZ_MUST(outcome != OUTCOME_OK || utf8_is_valid(strbuf_view(&text.text)));
    mime_text_clear(&text);
    message_free(m);
    return 0;
}
