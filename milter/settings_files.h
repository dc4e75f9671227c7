/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RequireSafeFiles: whether others could read the secrets that the settings name, or write what the milter
 * trusts. What kind of file a setting names is said in its row of the option table.
 */
#ifndef SETTINGS_FILES_H
#define SETTINGS_FILES_H

#include <sys/types.h>

#include "settings.h"

typedef void settings_files_teller(const char *fault, void *context);

/*
 * Tells each fault of the configuration and its files, with its cure; returns how many there are. None: all
 * are safe, or cannot be looked at. user and group are the milter's own; besides them root and the caller are
 * trusted.
 */
size_t settings_files_judge(const struct settings *s, uid_t user, gid_t group, settings_files_teller *tell,
                            void *context);

#endif
