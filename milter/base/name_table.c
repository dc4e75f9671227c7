/* SPDX-License-Identifier: BSD-2-Clause */
#include "name_table.h"

const char *name_table_name(const struct name_table_row *table, int value)
{
    for (; table->name != NULL; table++)
        if (table->value == value)
            return table->name;
    return NULL;
}

bool name_table_value(const struct name_table_row *table, struct span name, int *value)
{
    for (; table->name != NULL; table++) {
        if (span_equal_nocase(span_from_string(table->name), name)) {
            *value = table->value;
            return true;
        }
    }
    return false;
}
