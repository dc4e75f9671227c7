/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of the process, and their text in OpenMetrics 1.0 for node_exporter's textfile collector. They
 * outlive a reload. All functions take NULL for "nobody counts" and may be called by any thread.
 */
#ifndef METRICS_H
#define METRICS_H

#include "findings.h"
#include "verdict.h"

enum metrics_event {
    METRICS_EVENT_NONE = 0,
    METRICS_EVENT_PASSED_THROUGH, /* mail for other addresses */
    METRICS_EVENT_OVERLOAD,       /* MaxConcurrentReplies */
    METRICS_EVENT_RELOAD,
    METRICS_EVENT_RELOAD_FAILED,
    METRICS_EVENT_EVIDENCE_FAILED,
    METRICS_EVENT_INTERNAL_ERROR,
    METRICS_EVENT_END,
};

enum metrics_answer {
    METRICS_ANSWER_NONE = 0,
    METRICS_ANSWER_ACCEPTED,
    METRICS_ANSWER_REFUSED,
    METRICS_ANSWER_CREDENTIALS,
    METRICS_ANSWER_UNAVAILABLE,
    METRICS_ANSWER_END,
};

enum metrics_timer {
    METRICS_TIMER_NONE = 0,
    METRICS_TIMER_DNS,
    METRICS_TIMER_ENDPOINT,
    METRICS_TIMER_TOTAL,
    METRICS_TIMER_END,
};

struct metrics;

struct metrics *metrics_new(void); /* NULL: out of memory */
void metrics_free(struct metrics *m);

void metrics_count_event(struct metrics *m, enum metrics_event event);
void metrics_count_reply(struct metrics *m, enum verdict verdict, const struct finding_list *findings,
                         const struct finding_policy *policy);
void metrics_count_key(struct metrics *m, enum dnssec_status status);
void metrics_count_answer(struct metrics *m, enum metrics_answer answer);
void metrics_add_time(struct metrics *m, enum metrics_timer timer, int64_t ms);
void metrics_add_in_flight(struct metrics *m, int change);

/* The whole exposition, "# EOF" included. */
bool metrics_append_text(const struct metrics *m, struct strbuf *out);

/* Replaces the file whole: another name beside it, then rename. False with errno set. */
bool metrics_write_file(const struct metrics *m, const char *path) MUST_CHECK;

#endif
