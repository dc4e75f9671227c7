/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "../../milter/delivery/endpoint_url.h"
#include "fuzz.h"

enum { TEXT_MAX_BYTES = 4096 };

/* What is taken is one of the two forms, and nothing in it could end a request's line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX_BYTES + 1];
    struct endpoint_url url;
    const char *why = NULL;
    if (size > TEXT_MAX_BYTES)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (!endpoint_url_parse(text, &url, &why)) {
        FUZZ_MUST(why != NULL && *why != '\0');
        return 0;
    }
    FUZZ_MUST(url.socket_path[0] == '\0' ||
              (url.socket_path[0] == '/' && strchr(url.socket_path, ':') == NULL));
    FUZZ_MUST(span_starts_nocase(span_from_string(url.url), url.socket_path[0] != '\0'
                                                                ? SPAN_LITERAL("http://localhost/")
                                                                : SPAN_LITERAL("https://")));
    for (const char *p = url.url; *p != '\0'; p++)
        FUZZ_MUST(*p > ' ' && *p < 0x7f && *p != '#');
    return 0;
}
