/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings in force and what was opened for them: resolver, libraries, endpoints, evidence. Immutable but
 * for its counters, reference-counted: a reload makes another one, and messages under way keep the one they
 * began with.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdatomic.h>

#include "auth_dkim.h"
#include "auth_dmarc.h"
#include "crypto.h"
#include "endpoint.h"
#include "evidence.h"
#include "evidence_log.h"
#include "metrics.h"
#include "settings.h"
#include "workload.h"

enum runtime_purpose {
    RUNTIME_PURPOSE_JUDGE = 1, /* -t: nothing is posted and nothing recorded */
    RUNTIME_PURPOSE_POST,      /* -t -p: no evidence log, whose chain is the milter's */
    RUNTIME_PURPOSE_SERVE,     /* the milter */
};

struct runtime {
    enum runtime_purpose purpose;
    struct settings *settings;
    struct resolver *resolver;
    struct resolver *host_resolver; /* of endpoints' hosts; NULL: no endpoint has one by name */
    struct auth_dkim *dkim;
    struct weak_key_list *weak_keys; /* NULL: none */
    struct auth_dmarc *dmarc;
    struct endpoint
        *endpoints[SETTINGS_ENDPOINTS_MAX];  /* as settings->endpoints; NULL when nothing may be posted */
    struct crypto_signing_key *evidence_key; /* NULL: results are posted as they are */
    struct evidence_log *evidence_log;       /* shared with the runtimes before; NULL: none */
    struct metrics *metrics;                 /* borrowed; NULL: nobody counts */
    atomic_uint references;
    struct runtime *next;                 /* of those that were replaced: the main thread's list */
    struct workload *workload;            /* shared with the runtimes before and after */
    atomic_bool is_stopping;              /* replies that begin now are put off */
    _Atomic int64_t unclear_told_next_us; /* when a recipient that cannot be read is logged again */
};

/*
 * Takes the reference to settings, on failure too. dns_file replaces the resolver (-D) if not NULL. metrics
 * must outlive the runtime. NULL with error.
 */
struct runtime *runtime_new(struct settings *settings, enum runtime_purpose purpose, const char *dns_file,
                            struct metrics *metrics, struct strbuf *error) MUST_CHECK;
/* For RUNTIME_PURPOSE_SERVE, in place of before: an evidence log of the same path goes on, and knows its last
 * line. */
struct runtime *runtime_renew(struct settings *settings, const struct runtime *before,
                              struct strbuf *error) MUST_CHECK;
struct runtime *runtime_ref(struct runtime *r);
/* By the thread that made it, where it may be the last reference: see resolver_free. NULL is fine. */
void runtime_unref(struct runtime *r);
/* Whether others than the caller hold references. Once false, and the runtime not in force, it stays so. */
bool runtime_is_shared(const struct runtime *r);

#endif
