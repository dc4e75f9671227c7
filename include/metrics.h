/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of the process, and their text for node_exporter's textfile collector. They outlive a reload. All
 * functions take NULL for "nobody counts" and may be called by any thread.
 *
 * The text is OpenMetrics 1.0 and Prometheus' older format (0.0.4) at once, as node_exporter reads only the
 * latter: no type is used that one of them does not know, and counters, whose type the two write differently,
 * name none.
 */
#ifndef METRICS_H
#define METRICS_H

#include "endpoint.h"
#include "findings.h"
#include "verdict.h"

enum metrics_event {
    METRICS_EVENT_NONE = 0,
    METRICS_EVENT_PASSED_THROUGH, /* mail for other addresses */
    METRICS_EVENT_RELOAD,
    METRICS_EVENT_RELOAD_FAILED,
    METRICS_EVENT_EVIDENCE_FAILED,
    METRICS_EVENT_INTERNAL_ERROR,
    METRICS_EVENT_END,
};

/* Limits that a reply passed. */
enum metrics_limit {
    METRICS_LIMIT_NONE = 0,
    METRICS_LIMIT_REPLIES,
    METRICS_LIMIT_MEMORY,
    METRICS_LIMIT_RECIPIENTS, /* SESSION_RECIPIENTS_MAX; the others are settings */
    METRICS_LIMIT_SIZE,
    METRICS_LIMIT_FIELDS,
    METRICS_LIMIT_SIGNATURES,
    METRICS_LIMIT_DEPTH,
    METRICS_LIMIT_PARTS,
    METRICS_LIMIT_END,
};

/* Which record of the DNS was asked for. */
enum metrics_record {
    METRICS_RECORD_NONE = 0,
    METRICS_RECORD_DKIM,
    METRICS_RECORD_DMARC,
    METRICS_RECORD_END,
};

enum metrics_timer {
    METRICS_TIMER_NONE = 0,
    METRICS_TIMER_DNS,  /* waiting for answers */
    METRICS_TIMER_DKIM, /* cryptography */
    METRICS_TIMER_ENDPOINT,
    METRICS_TIMER_TOTAL,
    METRICS_TIMER_END,
};

/* What the process may run out of. */
enum metrics_resource {
    METRICS_RESOURCE_NONE = 0,
    METRICS_RESOURCE_DESCRIPTORS,
    METRICS_RESOURCE_THREADS,
    METRICS_RESOURCE_REPLIES, /* that are judged or wait, of MaxConcurrentReplies */
    METRICS_RESOURCE_MEMORY,  /* bytes that replies hold, of MaxMemory */
    METRICS_RESOURCE_END,
};

struct metrics;

struct metrics *metrics_new(void); /* NULL: out of memory */
void metrics_free(struct metrics *m);

void metrics_count_event(struct metrics *m, enum metrics_event event);
void metrics_count_limit(struct metrics *m, enum metrics_limit limit);
void metrics_count_reply(struct metrics *m, bool is_shadow, const struct verdict_decision *decision,
                         const struct finding_list *findings, const struct finding_policy *policy);
void metrics_count_lookups(struct metrics *m, enum metrics_record record, const struct auth_lookups *lookups);
/* The status of a record that a verdict rests on. */
void metrics_count_dnssec(struct metrics *m, enum metrics_record record, enum dnssec_status status);
void metrics_count_answer(struct metrics *m, const struct endpoint_answer *answer);
void metrics_add_time(struct metrics *m, enum metrics_timer timer, int64_t us);
void metrics_add_in_flight(struct metrics *m, int change);
/* Replies that are being received or judged, whatever configuration they began with. */
int metrics_in_flight(const struct metrics *m);

/* How many there are and how many there may be; INT64_MAX: any number. */
void metrics_set_resource(struct metrics *m, enum metrics_resource resource, int64_t used, int64_t limit);

/* Replaces the file whole: another name beside it, then rename. False with errno set. */
bool metrics_write_file(const struct metrics *m, const char *path) MUST_CHECK;

#endif
