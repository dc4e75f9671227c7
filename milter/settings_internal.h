/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option table: one row an option, and nothing else in the program knows their names.
 */
#ifndef SETTINGS_INTERNAL_H
#define SETTINGS_INTERNAL_H

#include "settings.h"

enum { SETTINGS_WHY_BYTES = 256 };

struct settings_option;

/* Reads one value into s. False with a reason in why, which has SETTINGS_WHY_BYTES. */
typedef bool settings_reader(const struct settings_option *o, struct settings *s, struct span value,
                             char *why);
/* Appends "Keyword value" lines, none if there is nothing to say. */
typedef bool settings_printer(const struct settings_option *o, const struct settings *s, struct strbuf *out);

/* What RequireSafeFiles holds against the file that an option names; 0: it names none, or one of the milter's
 * own. */
enum settings_file_kind {
    SETTINGS_FILE_SECRET = 1, /* others must not read it, nor write it */
    SETTINGS_FILE_TRUSTED,    /* others must not write it */
};

struct settings_option {
    const char *keyword;
    const char *default_value; /* NULL: none */
    settings_reader *read;
    settings_printer *print;
    size_t offset;
    int64_t min;
    int64_t max;
    const struct name_table_row *words;
    bool is_repeatable;
    bool is_judgement; /* a verdict depends on it */
    enum settings_file_kind file_kind;
};

/* Ends with a row whose keyword is NULL. */
extern const struct settings_option settings_options[];

#endif
