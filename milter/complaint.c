/* SPDX-License-Identifier: BSD-2-Clause */
#include "complaint.h"

#include <stdio.h>

#include "strbuf.h"

enum { TEXT_MAX_BYTES = 256 * 1024 };

void complaint_print_text(const char *prefix, const char *text)
{
    struct strbuf clean;
    strbuf_init(&clean, TEXT_MAX_BYTES);
    for (const char *p = text; *p != '\0'; p++)
        (void)(*p == '\\' || *p == '\n' ? strbuf_append_byte(&clean, *p)
                                        : strbuf_append_escaped(&clean, (struct span){p, 1}));
    if (clean.len > 0)
        (void)fprintf(stderr, "%s%s%s", prefix, clean.data, clean.data[clean.len - 1] == '\n' ? "" : "\n");
    strbuf_clear(&clean);
}

void complaint_print(const char *about, const char *what)
{
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX_BYTES);
    (void)strbuf_append_escaped(&text, span_from_string(about));
    (void)strbuf_append_format(&text, ": %s", what);
    complaint_print_text("acme-milter: ", strbuf_string(&text));
    strbuf_clear(&text);
}
