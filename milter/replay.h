/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter -t --replay: judges a reply again from its evidence folder alone.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "test_mode.h"

/*
 * With the settings that the recorded result names, or, if it names none, those of the file fallback. Prints
 * the result object, or, if that is wanted, an explanation; exit code as test_mode_run, but 1 also where the
 * verdict is not the recorded one, which is then said on standard error. key_file: the result must be signed
 * by this key, or NULL.
 */
int replay_run(const char *folder, const char *fallback, const char *key_file,
               const struct test_mode_options *given);

#endif
