/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of keys that are known to others: WeakKeyFile, in the form of the badkeys project's blocklist.dat.
 */
#ifndef WEAK_KEY_LIST_H
#define WEAK_KEY_LIST_H

#include "key_cache.h"
#include "strbuf.h"

struct weak_key_list; /* immutable, for every thread */

/* NULL with a text in error: the path, what is wrong and what to do. */
struct weak_key_list *weak_key_list_load(const char *path, struct strbuf *error) MUST_CHECK;
void weak_key_list_free(struct weak_key_list *list);

/* The list may be NULL: no key is on it. */
bool weak_key_list_has(const struct weak_key_list *list, const uint8_t digest[static KEY_FACTS_DIGEST_BYTES]);

#endif
