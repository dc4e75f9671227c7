/* SPDX-License-Identifier: BSD-2-Clause */
#include "mailbox.h"
#include "mailbox_scan.h"

/* What one element of a list is made of so far. */
struct element {
    struct span angle; /* between angle brackets */
    struct span word;  /* the last run without blank or comment */
    size_t words;
    bool is_in_word;
};

static void add_to_word(struct element *e, struct span text, size_t from, size_t to)
{
    if (!e->is_in_word) {
        e->words++;
        e->word = span_slice(text, from, from);
    }
    e->is_in_word = true;
    e->word.len = (size_t)(text.data + to - e->word.data);
}

/* Offset behind what opens at offset at and ends with the byte close. */
static size_t skip_to(struct span text, size_t at, char close)
{
    size_t end = span_find_byte(text, at + 1, close);
    return end < text.len ? end + 1 : 0;
}

/* Takes the token at offset at into e. Offset behind it, or 0 if it does not end. */
static size_t take_token(struct element *e, struct span text, size_t at)
{
    size_t end = at + 1;
    switch (text.data[at]) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        e->is_in_word = false;
        return end;
    case '(':
        e->is_in_word = false;
        return mailbox_scan_comment(text, at);
    case '<':
        end = skip_to(text, at, '>');
        if (end != 0)
            e->angle = span_slice(text, at + 1, end - 1);
        return end;
    case ':': /* what came before it named a group */
        *e = (struct element){.words = 0};
        return end;
    case '"':
        end = mailbox_scan_quoted(text, at);
        break;
    case '[':
        end = skip_to(text, at, ']');
        break;
    default:
        break;
    }
    if (end != 0)
        add_to_word(e, text, at, end);
    return end;
}

/* The address of the next element, empty if none can be told; *at moves behind the element. */
static struct span next_address(struct span text, size_t *at)
{
    struct element e = {.words = 0};
    while (*at < text.len && text.data[*at] != ',' && text.data[*at] != ';') {
        size_t end = take_token(&e, text, *at);
        *at = end != 0 ? end : text.len;
        if (end == 0)
            return (struct span){NULL, 0};
    }
    (*at)++;
    if (e.angle.len > 0)
        return e.angle;
    return e.words == 1 ? e.word : (struct span){NULL, 0};
}

enum outcome mailbox_visit_list(struct span field_body, bool (*visit)(const struct mailbox *, void *),
                                void *context)
{
    size_t visited = 0;
    for (size_t at = 0; at < field_body.len && visited < MAILBOX_LIST_MAX;) {
        struct mailbox m;
        enum outcome outcome = mailbox_parse_address(next_address(field_body, &at), &m);
        if (outcome == OUTCOME_INTERNAL)
            return outcome;
        if (outcome != OUTCOME_OK)
            continue;
        visited++;
        if (!visit(&m, context))
            break;
    }
    return OUTCOME_OK;
}
