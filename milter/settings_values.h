/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of the common kinds: times, sizes, numbers, words, texts.
 */
#ifndef SETTINGS_VALUES_H
#define SETTINGS_VALUES_H

#include "settings_internal.h"

settings_reader settings_value_read_time, settings_value_read_size, settings_value_read_number,
    settings_value_read_mode, settings_value_read_bool, settings_value_read_word, settings_value_read_text,
    settings_value_read_path, settings_value_read_needed_text;
settings_printer settings_value_print_time, settings_value_print_size, settings_value_print_number,
    settings_value_print_mode, settings_value_print_bool, settings_value_print_word,
    settings_value_print_text;

/* Where the option's field lies. */
void *settings_value_at(const struct settings_option *o, struct settings *s);
const void *settings_value_at_const(const struct settings_option *o, const struct settings *s);
bool settings_value_refuse(char *why, const char *text);
bool settings_value_is_none(struct span value);
char *settings_value_copy(struct span value);
bool settings_value_read_digits(struct span *value, int64_t *number);

#endif
