/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/delivery/endpoint_http.h"
#include "fuzz.h"

enum { BODY_MAX_BYTES = 64 };

/* Lines to the reader as libcurl would hand them over: with their ends, then the body in two pieces. */
static bool feed(struct endpoint_http *h, struct span s, size_t body_cut)
{
    size_t at = 0;
    while (at < s.len && h->state != ENDPOINT_HTTP_BODY) {
        size_t end = span_find_byte(s, at, '\n') + 1;
        if (!endpoint_http_take_line(h, span_slice(s, at, end)))
            return false;
        at = end;
    }
    size_t cut = at < s.len ? at + body_cut % (s.len - at + 1) : s.len;
    return (cut <= at || endpoint_http_take_body(h, span_slice(s, at, cut))) &&
           (cut >= s.len || endpoint_http_take_body(h, span_slice(s, cut, s.len)));
}

/* A whole answer has a status, and is the same however its body was cut into pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint_http h[2];
    bool is_whole[2];
    for (size_t i = 0; i < 2; i++) {
        endpoint_http_init(&h[i], BODY_MAX_BYTES);
        is_whole[i] =
            feed(&h[i], (struct span){(const char *)data, size}, i * 7) && endpoint_http_is_whole(&h[i]);
        FUZZ_MUST(is_whole[i] == (h[i].fault == NULL));
        FUZZ_MUST(!is_whole[i] || (h[i].status >= 200 && h[i].status <= 999));
    }
    FUZZ_MUST(is_whole[0] == is_whole[1]);
    FUZZ_MUST(span_equal(strbuf_view(&h[0].body), strbuf_view(&h[1].body)) || h[0].is_body_cut);
    endpoint_http_clear(&h[0]);
    endpoint_http_clear(&h[1]);
    return 0;
}
