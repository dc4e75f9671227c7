/* SPDX-License-Identifier: BSD-2-Clause */
#include "complaint.h"

#include <stdio.h>

#include "strbuf.h"

enum { ABOUT_MAX_BYTES = 4 * 4096 };

void complaint_print(const char *about, const char *what)
{
    struct strbuf text;
    strbuf_init(&text, ABOUT_MAX_BYTES);
    (void)strbuf_append_escaped(&text, span_from_string(about));
    (void)fprintf(stderr, "acme-milter: %s: %s\n", strbuf_string(&text), what);
    strbuf_clear(&text);
}
