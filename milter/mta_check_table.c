/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of Postfix whose source is a text: regexp, pcre, cidr and texthash, what postmap makes a hash, btree
 * or lmdb of, and inline and static. Only the files are read; Postfix is not asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta_check_internal.h"
#include "regular_file.h"

enum form { FORM_NONE = 0, FORM_PATTERNS, FORM_KEYS, FORM_INLINE, FORM_STATIC };

static const struct {
    const char *type;
    enum form form;
} forms[] = {
    {"regexp", FORM_PATTERNS}, {"pcre", FORM_PATTERNS}, {"cidr", FORM_KEYS},
    {"texthash", FORM_KEYS},   {"hash", FORM_KEYS},     {"btree", FORM_KEYS},
    {"lmdb", FORM_KEYS},       {"inline", FORM_INLINE}, {"static", FORM_STATIC},
};

static enum form form_of(struct span type)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (span_equal(type, span_from_string(forms[i].type)))
            return forms[i].form;
    return FORM_NONE;
}

/* What an entry says: the text behind its pattern, which any byte may surround, or its key. */
static struct span says_of(struct span entry, enum form form)
{
    size_t at = 0;
    if (form == FORM_PATTERNS) {
        while (at < entry.len && (entry.data[at] == '!' || byte_is_space(entry.data[at])))
            at++;
        char end = at < entry.len ? entry.data[at++] : '\0';
        while (at < entry.len && entry.data[at] != end)
            at += entry.data[at] == '\\' ? 2 : 1;
    }
    while (at < entry.len && !byte_is_space(entry.data[at]) && entry.data[at] != '=')
        at++;
    return span_trim(span_slice(entry, at + 1, entry.len));
}

static struct span without_braces(struct span s)
{
    bool is_wrapped = s.len > 1 && s.data[0] == '{' && s.data[s.len - 1] == '}';
    return is_wrapped ? span_trim(span_slice(s, 1, s.len - 1)) : s;
}

typedef void visitor(void *context, const char *file, int line, struct span says);

static void visit_inline(struct span list, enum form form, visitor *visit, void *context)
{
    struct span entry;
    list = without_braces(list);
    while (postfix_config_next_word(&list, true, &entry))
        visit(context, NULL, 0, says_of(entry, form));
}

/* An entry that begins with a blank goes on with the one before, so that a line's own text is enough. */
static bool visit_file(const char *path, enum form form, visitor *visit, void *context)
{
    FILE *file = regular_file_stream(path);
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    if (file == NULL)
        return false;
    for (int number = 1; number < POSTFIX_CONFIG_LINES_MAX && (len = getline(&line, &room, file)) >= 0;
         number++) {
        struct span text = span_trim((struct span){line, (size_t)len});
        if (text.len > 0 && text.data[0] != '#')
            visit(context, path, number, byte_is_space(line[0]) ? text : says_of(text, form));
    }
    free(line);
    (void)fclose(file);
    return true;
}

bool mta_check_visit_table(struct span table, visitor *visit, void *context)
{
    if (span_starts_nocase(table, SPAN_LITERAL("proxy:")))
        table = span_slice(table, 6, table.len);
    size_t colon = span_find_byte(table, 0, ':');
    enum form form = form_of(span_slice(table, 0, colon));
    struct span name = span_trim(span_slice(table, colon + 1, table.len));
    if (form == FORM_NONE || name.len == 0)
        return false;
    if (form == FORM_STATIC)
        visit(context, NULL, 0, without_braces(name));
    else if (form == FORM_INLINE || name.data[0] == '{')
        visit_inline(name, form, visit, context);
    if (form == FORM_STATIC || form == FORM_INLINE || name.data[0] == '{')
        return true;
    char *path = strndup(name.data, name.len);
    bool ok = path != NULL && visit_file(path, form, visit, context);
    free(path);
    return ok;
}
