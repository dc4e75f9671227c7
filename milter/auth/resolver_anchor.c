/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver_anchor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "regular_file.h"
#include "span.h"

static bool has_anchor(FILE *file)
{
    char word[sizeof "DNSKEY"];
    size_t len = 0;
    bool is_comment = false, is_found = false;
    for (int byte = 0; byte != EOF && !is_found;) {
        byte = getc(file);
        is_comment = byte != '\n' && (is_comment || byte == ';');
        if (!is_comment && byte > ' ') {
            if (len < sizeof word)
                word[len] = (char)byte;
            len++;
            continue;
        }
        struct span type = {word, len < sizeof word ? len : 0};
        is_found =
            span_equal_nocase(type, SPAN_LITERAL("DS")) || span_equal_nocase(type, SPAN_LITERAL("DNSKEY"));
        len = 0;
    }
    return is_found;
}

const char *resolver_anchor_fault(const char *path)
{
    FILE *file = regular_file_stream(path);
    if (file == NULL)
        return regular_file_why(errno);
    bool is_good = has_anchor(file);
    (void)fclose(file); /* it was only read */
    return is_good ? NULL : "no trust anchor (DS, DNSKEY) in it; none turns validation off";
}
