/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enumerations and their words: one table serves the configuration, the log and the JSON.
 */
#ifndef NAME_TABLE_H
#define NAME_TABLE_H

#include "span.h"

struct name_table_row {
    int value;
    const char *name;
};

/* Tables end with a row whose name is NULL. */
const char *name_table_name(const struct name_table_row *table, int value); /* NULL if there is none */
bool name_table_value(const struct name_table_row *table, struct span name,
                      int *value); /* ASCII case ignored */

#endif
