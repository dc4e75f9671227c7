/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of what explain says: steps with labelled, wrapped rows. Whatever is put into a row is escaped.
 */
#ifndef EXPLAIN_PAGE_H
#define EXPLAIN_PAGE_H

#include "strbuf.h"

enum { EXPLAIN_PAGE_VALUE_MAX_BYTES = 4096 };

enum explain_page_tone {
    EXPLAIN_PAGE_TONE_PLAIN = 0,
    EXPLAIN_PAGE_TONE_STRONG,
    EXPLAIN_PAGE_TONE_BAD,
    EXPLAIN_PAGE_TONE_WAIT,
    EXPLAIN_PAGE_TONE_GOOD,
    EXPLAIN_PAGE_TONE_NOTE,
};

struct explain_page {
    struct strbuf *out; /* borrowed; remembers a failed append */
    bool has_colour;
    unsigned steps;
};

void explain_page_title(struct explain_page *p, const char *title, enum explain_page_tone tone,
                        const char *word);
void explain_page_step(struct explain_page *p, const char *name);

/* label "": the row goes on with the one above. A value is cut at EXPLAIN_PAGE_VALUE_MAX_BYTES, and its line
 * ends are left out, so that a folded field reads as one. */
void explain_page_row(struct explain_page *p, const char *label, struct span value);
void explain_page_toned(struct explain_page *p, const char *label, enum explain_page_tone tone,
                        const char *value);
void explain_page_format(struct explain_page *p, const char *label, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
