/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"
#include "message.h"
#include "utf8.h"

/* "name:value" fields between 0x1C, up to two NUL; behind them the body, in pieces of step bytes. */
static const char *feed(struct message *m, struct span text, size_t step)
{
    const char *where;
    size_t end = span_find(text, 0, SPAN_LITERAL("\0\0"));
    for (size_t at = 0; at < end;) {
        size_t colon = span_find_byte(text, at, ':');
        struct span name = span_slice(text, at, colon);
        at = span_find_byte(text, colon, '\x1c') + 1;
        (void)!message_add_field(m, name, span_slice(text, colon + 1, at - 1));
    }
    for (size_t at = end + 2; at < text.len; at += step)
        (void)!message_add_body(m, span_slice(text, at, at + step));
    message_end(m);
    return message_defect(m, &where) ? where : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message_limits limits = {size + 20, 5}; /* folds may pass it */
    struct message *m = message_new(&limits);
    struct message *by_bytes = message_new(&limits);
    struct span text = {(const char *)data, size};
    struct span where = span_from_string(feed(m, text, size));
    struct span other = span_from_string(feed(by_bytes, text, 1));
    FUZZ_MUST(message_bytes(m) <= limits.max_bytes && message_field_count(m) <= limits.max_fields);
    if (!message_is_too_large(m))
        FUZZ_MUST(span_equal(message_body(m), message_body(by_bytes)) && span_equal(where, other));
    for (size_t i = 0; i < message_field_count(m); i++)
        FUZZ_MUST(message_count(m, span_trim(message_field_at(m, i).name)) > 0);
    FUZZ_MUST(where.len > 0 || utf8_is_valid(message_header_bytes(m)));
    message_free(m);
    message_free(by_bytes);
    return 0;
}
