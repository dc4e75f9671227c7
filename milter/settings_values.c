/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *settings_value_at(const struct settings_option *o, struct settings *s)
{
    return (char *)s + o->offset;
}

const void *settings_value_at_const(const struct settings_option *o, const struct settings *s)
{
    return (const char *)s + o->offset;
}

bool settings_value_refuse(char *why, const char *text)
{
    (void)snprintf(why, SETTINGS_WHY_BYTES, "%s", text);
    return false;
}

bool settings_value_is_none(struct span value)
{
    return span_equal_nocase(value, SPAN_LITERAL("none"));
}

char *settings_value_copy(struct span value)
{
    return strndup(value.data != NULL ? value.data : "", value.len);
}

/* Digits, then nothing. The limit keeps a unit from overflowing. */
bool settings_value_read_digits(struct span *value, int64_t *number)
{
    size_t i = 0;
    *number = 0;
    for (; i < value->len && byte_is_digit(value->data[i]); i++) {
        if (*number > INT64_MAX / 10000000)
            return false;
        *number = *number * 10 + (value->data[i] - '0');
    }
    *value = span_slice(*value, i, value->len);
    return i > 0;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* The first unit without a name is what a bare number means. */
static bool read_with_unit(const struct settings_option *o, struct settings *s, struct span value,
                           const struct unit *units, const char *form, char *why)
{
    int64_t number;
    if (!settings_value_read_digits(&value, &number))
        return settings_value_refuse(why, form);
    for (; units->name != NULL; units++) {
        if (!span_equal_nocase(value, span_from_string(units->name)))
            continue;
        number *= units->factor;
        if (number < o->min || number > o->max) {
            (void)snprintf(why, SETTINGS_WHY_BYTES, "out of range: %s", form);
            return false;
        }
        *(int64_t *)settings_value_at(o, s) = number;
        return true;
    }
    return settings_value_refuse(why, form);
}

bool settings_value_read_time(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    static const struct unit units[] = {{"", 1000},   {"s", 1000},    {"ms", 1},
                                        {"m", 60000}, {"h", 3600000}, {NULL, 0}};
    char form[128];
    (void)snprintf(form, sizeof form, "a time such as 5s, 2m or 1h is needed, from %lld ms to %lld s",
                   (long long)o->min, (long long)(o->max / 1000));
    return read_with_unit(o, s, value, units, form, why);
}

bool settings_value_print_time(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    int64_t ms = *(const int64_t *)settings_value_at_const(o, s);
    if (ms % 1000 != 0)
        return strbuf_append_format(out, "%s %lldms\n", o->keyword, (long long)ms);
    return strbuf_append_format(out, "%s %llds\n", o->keyword, (long long)(ms / 1000));
}

bool settings_value_read_size(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    static const struct unit units[] = {{"", 1}, {"k", 1024}, {"M", 1024 * 1024}, {NULL, 0}};
    char form[128];
    (void)snprintf(form, sizeof form, "a size such as 4096, 256k or 1M is needed, from %lld to %lld bytes",
                   (long long)o->min, (long long)o->max);
    return read_with_unit(o, s, value, units, form, why);
}

bool settings_value_print_size(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    int64_t bytes = *(const int64_t *)settings_value_at_const(o, s);
    if (bytes % 1024 != 0)
        return strbuf_append_format(out, "%s %lld\n", o->keyword, (long long)bytes);
    if (bytes % (1024 * 1024) != 0)
        return strbuf_append_format(out, "%s %lldk\n", o->keyword, (long long)(bytes / 1024));
    return strbuf_append_format(out, "%s %lldM\n", o->keyword, (long long)(bytes / (1024 * 1024)));
}

bool settings_value_read_number(const struct settings_option *o, struct settings *s, struct span value,
                                char *why)
{
    static const struct unit units[] = {{"", 1}, {NULL, 0}};
    char form[128];
    (void)snprintf(form, sizeof form, "a number from %lld to %lld is needed", (long long)o->min,
                   (long long)o->max);
    return read_with_unit(o, s, value, units, form, why);
}

bool settings_value_print_number(const struct settings_option *o, const struct settings *s,
                                 struct strbuf *out)
{
    return strbuf_append_format(out, "%s %lld\n", o->keyword,
                                (long long)*(const int64_t *)settings_value_at_const(o, s));
}

bool settings_value_read_mode(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    unsigned mode = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '7' || value.len > 4)
            return settings_value_refuse(why, "an octal file mode such as 0660 is needed");
        mode = mode * 8 + (unsigned)(value.data[i] - '0');
    }
    if (mode > 0777)
        return settings_value_refuse(why, "an octal file mode from 0 to 0777 is needed");
    *(unsigned *)settings_value_at(o, s) = mode;
    return true;
}

bool settings_value_print_mode(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    return strbuf_append_format(out, "%s %04o\n", o->keyword,
                                *(const unsigned *)settings_value_at_const(o, s));
}

bool settings_value_read_bool(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    bool yes =
        span_equal_nocase(value, SPAN_LITERAL("yes")) || span_equal_nocase(value, SPAN_LITERAL("true"));
    bool no = span_equal_nocase(value, SPAN_LITERAL("no")) || span_equal_nocase(value, SPAN_LITERAL("false"));
    if (!yes && !no)
        return settings_value_refuse(why, "yes or no is needed");
    *(bool *)settings_value_at(o, s) = yes;
    return true;
}

bool settings_value_print_bool(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    return strbuf_append_format(out, "%s %s\n", o->keyword,
                                *(const bool *)settings_value_at_const(o, s) ? "yes" : "no");
}

bool settings_value_read_word(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    if (name_table_value(o->words, value, settings_value_at(o, s)))
        return true;
    size_t len = (size_t)snprintf(why, SETTINGS_WHY_BYTES, "one of these is needed:");
    for (const struct name_table_row *row = o->words; row->name != NULL && len < SETTINGS_WHY_BYTES; row++)
        len += (size_t)snprintf(why + len, SETTINGS_WHY_BYTES - len, " %s", row->name);
    return false;
}

bool settings_value_print_word(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    const char *name = name_table_name(o->words, *(const int *)settings_value_at_const(o, s));
    return strbuf_append_format(out, "%s %s\n", o->keyword, name);
}

bool settings_value_read_text(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    char **target = settings_value_at(o, s);
    free(*target);
    *target = settings_value_is_none(value) ? NULL : settings_value_copy(value);
    return settings_value_is_none(value) || *target != NULL || settings_value_refuse(why, "out of memory");
}

bool settings_value_print_text(const struct settings_option *o, const struct settings *s, struct strbuf *out)
{
    const char *value = *(char *const *)settings_value_at_const(o, s);
    return strbuf_append_format(out, "%s %s\n", o->keyword, value != NULL ? value : "none");
}

bool settings_value_read_path(const struct settings_option *o, struct settings *s, struct span value,
                              char *why)
{
    if (!settings_value_is_none(value) && (value.len == 0 || value.data[0] != '/'))
        return settings_value_refuse(why, "an absolute path, or none, is needed");
    return settings_value_read_text(o, s, value, why);
}

bool settings_value_read_needed_text(const struct settings_option *o, struct settings *s, struct span value,
                                     char *why)
{
    if (settings_value_is_none(value))
        return settings_value_refuse(why, "a value is needed");
    return settings_value_read_text(o, s, value, why);
}
