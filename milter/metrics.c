/* SPDX-License-Identifier: BSD-2-Clause */
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

enum {
    TEXT_MAX_BYTES = 256 * 1024,
    PATH_MAX_BYTES = 4096,
    BUCKETS = 18,
    MODES = 2,
    US_PER_SECOND = 1000000,
    BOUND_BYTES = 32
};

/* Upper bounds in microseconds; the last bucket is everything. */
static const int64_t bucket_us[BUCKETS - 1] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};

struct histogram {
    atomic_ullong buckets[BUCKETS];
    atomic_ullong sum_us;
};

struct metrics {
    int64_t started_at;
    atomic_ullong events[METRICS_EVENT_END];
    atomic_ullong limits[METRICS_LIMIT_END];
    atomic_ullong verdicts[MODES][VERDICT_PASS + 1];
    atomic_ullong reasons[FINDING_END];
    atomic_ullong findings[FINDING_END][SEVERITY_NOTE + 1];
    atomic_ullong lookups[METRICS_RECORD_END][AUTH_LOOKUP_END];
    atomic_ullong dnssec[METRICS_RECORD_END][DNSSEC_STATUS_BOGUS + 1];
    atomic_ullong answers[OUTCOME_BROKEN_INPUT + 1];
    atomic_ullong attempts;
    struct histogram timers[METRICS_TIMER_END];
    atomic_int in_flight;
    atomic_llong used[METRICS_RESOURCE_END];
    atomic_llong most[METRICS_RESOURCE_END];
};

static const struct name_table_row reload_names[] = {
    {METRICS_EVENT_RELOAD, "done"},
    {METRICS_EVENT_RELOAD_FAILED, "failed"},
    {0, NULL},
};

static const struct name_table_row limit_names[] = {
    {METRICS_LIMIT_REPLIES, "MaxConcurrentReplies"},
    {METRICS_LIMIT_MEMORY, "MaxMemory"},
    {METRICS_LIMIT_RECIPIENTS, "recipients"},
    {METRICS_LIMIT_SIZE, "MaxMessageSize"},
    {METRICS_LIMIT_FIELDS, "MaxHeaderFields"},
    {METRICS_LIMIT_SIGNATURES, "MaxSignatures"},
    {METRICS_LIMIT_DEPTH, "MaxMIMEDepth"},
    {METRICS_LIMIT_PARTS, "MaxMIMEParts"},
    {0, NULL},
};

static const struct name_table_row record_names[] = {
    {METRICS_RECORD_DKIM, "dkim"},
    {METRICS_RECORD_DMARC, "dmarc"},
    {0, NULL},
};

static const struct name_table_row timer_names[] = {
    {METRICS_TIMER_DNS, "dns"},
    {METRICS_TIMER_DKIM, "dkim"},
    {METRICS_TIMER_ENDPOINT, "endpoint"},
    {METRICS_TIMER_TOTAL, "total"},
    {0, NULL},
};

struct metrics *metrics_new(void)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (m != NULL)
        m->started_at = clock_wall_seconds(0);
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

void metrics_count_event(struct metrics *m, enum metrics_event event)
{
    if (m != NULL)
        m->events[event]++;
}

void metrics_count_limit(struct metrics *m, enum metrics_limit limit)
{
    if (m != NULL)
        m->limits[limit]++;
}

void metrics_count_reply(struct metrics *m, bool is_shadow, const struct verdict_decision *decision,
                         const struct finding_list *findings, const struct finding_policy *policy)
{
    if (m == NULL)
        return;
    m->verdicts[is_shadow][decision->verdict]++;
    m->reasons[decision->reason]++;
    for (size_t i = 0; i < findings->count; i++) {
        enum finding_id id = findings->items[i].id;
        if (i == 0 || findings->items[i - 1].id != id)
            m->findings[id][policy->severity[id]]++;
    }
}

void metrics_count_lookups(struct metrics *m, enum metrics_record record, const struct auth_lookups *lookups)
{
    for (int i = AUTH_LOOKUP_NONE + 1; i < AUTH_LOOKUP_END && m != NULL; i++)
        m->lookups[record][i] += lookups->counts[i];
}

void metrics_count_dnssec(struct metrics *m, enum metrics_record record, enum dnssec_status status)
{
    if (m != NULL)
        m->dnssec[record][status]++;
}

void metrics_count_answer(struct metrics *m, const struct endpoint_answer *answer)
{
    bool is_known = name_table_name(endpoint_outcome_names, (int)answer->outcome) != NULL;
    if (m == NULL)
        return;
    m->answers[is_known ? answer->outcome : OUTCOME_TEMPORARY]++;
    m->attempts += answer->attempts;
}

void metrics_add_time(struct metrics *m, enum metrics_timer timer, int64_t us)
{
    if (m == NULL)
        return;
    size_t i = 0;
    while (i < BUCKETS - 1 && us > bucket_us[i])
        i++;
    m->timers[timer].buckets[i]++;
    m->timers[timer].sum_us += (unsigned long long)(us > 0 ? us : 0);
}

void metrics_add_in_flight(struct metrics *m, int change)
{
    if (m != NULL)
        m->in_flight += change;
}

int metrics_in_flight(const struct metrics *m)
{
    return m->in_flight;
}

void metrics_set_resource(struct metrics *m, enum metrics_resource resource, int64_t used, int64_t limit)
{
    if (m == NULL)
        return;
    m->used[resource] = used;
    m->most[resource] = limit;
}

static void append_help(struct strbuf *out, const char *name, const char *help)
{
    (void)strbuf_append_format(out, "# HELP %s %s\n", name, help);
}

static void append_gauge(struct strbuf *out, const char *name, const char *help, long long value)
{
    append_help(out, name, help);
    (void)strbuf_append_format(out, "# TYPE %s gauge\n%s ", name, name);
    (void)(value == INT64_MAX ? strbuf_append_string(out, "+Inf\n")
                              : strbuf_append_format(out, "%lld\n", value));
}

static void append_counter(struct strbuf *out, const char *name, const char *help, unsigned long long value)
{
    append_help(out, name, help);
    (void)strbuf_append_format(out, "%s %llu\n", name, value);
}

/* Counters with one label: one for each word of a table. */
static void append_family(struct strbuf *out, const char *name, const char *label, const char *help,
                          const struct name_table_row *words, const atomic_ullong *values)
{
    append_help(out, name, help);
    for (; words->name != NULL; words++)
        (void)strbuf_append_format(out, "%s{%s=\"%s\"} %llu\n", name, label, words->name,
                                   values[words->value]);
}

static void append_verdicts(struct strbuf *out, const struct metrics *m)
{
    static const char *const modes[MODES] = {"enforce", "shadow"};
    const char *name = "acme_milter_replies_total";
    append_help(out, name, "Replies judged.");
    for (int mode = 0; mode < MODES; mode++)
        for (const struct name_table_row *row = verdict_names; row->name != NULL; row++)
            (void)strbuf_append_format(out, "%s{verdict=\"%s\",mode=\"%s\"} %llu\n", name, row->name,
                                       modes[mode], m->verdicts[mode][row->value]);
}

/* Whether some setting gives a finding this severity: the counter is then there from the start. */
static bool is_possible(const struct finding_rule *rule, enum severity severity)
{
    if (rule->may_change)
        return severity != SEVERITY_TEMPORARY;
    return rule->severity[POLICY_RFC8823] == severity || rule->severity[POLICY_INTEROP] == severity ||
           rule->severity[POLICY_STRICT] == severity;
}

static void append_findings(struct strbuf *out, const struct metrics *m)
{
    const char *name = "acme_milter_findings_total";
    append_help(out, name, "Findings, by what they meant for the verdict.");
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        for (const struct name_table_row *row = severity_names; row->name != NULL; row++)
            if (is_possible(finding_rule((enum finding_id)i), (enum severity)row->value))
                (void)strbuf_append_format(out, "%s{finding=\"%s\",severity=\"%s\"} %llu\n", name,
                                           finding_rule((enum finding_id)i)->name, row->name,
                                           m->findings[i][row->value]);
}

static void append_reasons(struct strbuf *out, const struct metrics *m)
{
    const char *name = "acme_milter_reasons_total";
    append_help(out, name, "Replies that did not pass, by the finding that their sender was told.");
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        if (finding_rule((enum finding_id)i)->code != 0)
            (void)strbuf_append_format(out, "%s{finding=\"%s\"} %llu\n", name,
                                       finding_rule((enum finding_id)i)->name, m->reasons[i]);
}

static void append_dns(struct strbuf *out, const struct metrics *m)
{
    const char *name = "acme_milter_dns_lookups_total";
    append_help(out, name, "Questions to the DNS, by the record wanted and what came of them.");
    for (const struct name_table_row *record = record_names; record->name != NULL; record++)
        for (const struct name_table_row *row = auth_lookup_names; row->name != NULL; row++)
            (void)strbuf_append_format(out, "%s{record=\"%s\",result=\"%s\"} %llu\n", name, record->name,
                                       row->name, m->lookups[record->value][row->value]);
    name = "acme_milter_dnssec_total";
    append_help(out, name, "DNSSEC status of the keys and policies that verdicts rested on.");
    for (const struct name_table_row *record = record_names; record->name != NULL; record++)
        for (const struct name_table_row *row = dnssec_status_names; row->name != NULL; row++)
            (void)strbuf_append_format(out, "%s{record=\"%s\",status=\"%s\"} %llu\n", name, record->name,
                                       row->name, m->dnssec[record->value][row->value]);
}

/* As OpenMetrics 1.0 wants numbers in le: always with a point. */
static void format_bound(int bucket, char out[static BOUND_BYTES])
{
    double seconds = (double)bucket_us[bucket] / US_PER_SECOND;
    bool is_whole = bucket_us[bucket] % US_PER_SECOND == 0;
    (void)snprintf(out, BOUND_BYTES, is_whole ? "%.1f" : "%g", seconds);
}

static void append_timer(struct strbuf *out, const char *name, const char *step, const struct histogram *h)
{
    unsigned long long sum = 0;
    for (int i = 0; i < BUCKETS; i++) {
        sum += h->buckets[i];
        char bound[BOUND_BYTES] = "+Inf";
        if (i < BUCKETS - 1)
            format_bound(i, bound);
        (void)strbuf_append_format(out, "%s_bucket{step=\"%s\",le=\"%s\"} %llu\n", name, step, bound, sum);
    }
    (void)strbuf_append_format(out, "%s_count{step=\"%s\"} %llu\n%s_sum{step=\"%s\"} %.6f\n", name, step, sum,
                               name, step, (double)h->sum_us / US_PER_SECOND);
}

static void append_timers(struct strbuf *out, const struct metrics *m)
{
    const char *name = "acme_milter_step_seconds";
    append_help(out, name, "Time that a reply spent in each step.");
    (void)strbuf_append_format(out, "# TYPE %s histogram\n# UNIT %s seconds\n", name, name);
    for (const struct name_table_row *row = timer_names; row->name != NULL; row++)
        append_timer(out, name, row->name, &m->timers[row->value]);
}

static void append_process(struct strbuf *out, const struct metrics *m)
{
    const char *build = "acme_milter_build_info";
    append_help(out, build, "The program.");
    (void)strbuf_append_format(out, "# TYPE %s gauge\n%s{version=\"%s\"} 1\n", build, build, PACKAGE_VERSION);
    append_gauge(out, "acme_milter_start_time_seconds", "When the process started, in seconds since 1970.",
                 m->started_at);
    append_gauge(out, "acme_milter_replies_in_flight", "Replies being received or judged.", m->in_flight);
    append_gauge(out, "acme_milter_replies_at_work",
                 "Replies being judged, or waiting for DNS or ACME server.",
                 m->used[METRICS_RESOURCE_REPLIES]);
    append_gauge(out, "acme_milter_replies_in_flight_limit", "MaxConcurrentReplies: of those at work.",
                 m->most[METRICS_RESOURCE_REPLIES]);
    append_gauge(out, "acme_milter_memory_bytes", "What replies hold of MaxMemory.",
                 m->used[METRICS_RESOURCE_MEMORY]);
    append_gauge(out, "acme_milter_memory_limit_bytes", "MaxMemory.", m->most[METRICS_RESOURCE_MEMORY]);
    append_gauge(out, "acme_milter_open_descriptors", "Open files and connections.",
                 m->used[METRICS_RESOURCE_DESCRIPTORS]);
    append_gauge(out, "acme_milter_open_descriptors_limit", "How many there may be.",
                 m->most[METRICS_RESOURCE_DESCRIPTORS]);
    append_gauge(out, "acme_milter_threads", "Threads of the process.", m->used[METRICS_RESOURCE_THREADS]);
    append_gauge(out, "acme_milter_threads_limit", "How many there may be.",
                 m->most[METRICS_RESOURCE_THREADS]);
    append_counter(out, "acme_milter_passed_through_total", "Mails for other addresses.",
                   m->events[METRICS_EVENT_PASSED_THROUGH]);
    append_family(out, "acme_milter_limits_total", "limit", "Replies that passed a limit.", limit_names,
                  m->limits);
    append_family(out, "acme_milter_reloads_total", "result", "Configurations read again.", reload_names,
                  m->events);
    append_counter(out, "acme_milter_evidence_failures_total", "Records that could not be written.",
                   m->events[METRICS_EVENT_EVIDENCE_FAILED]);
    append_counter(out, "acme_milter_internal_errors_total",
                   "Replies put off for a failure of ours, such as memory that ran out.",
                   m->events[METRICS_EVENT_INTERNAL_ERROR]);
}

static bool append_text(const struct metrics *m, struct strbuf *out)
{
    append_process(out, m);
    append_verdicts(out, m);
    append_reasons(out, m);
    append_findings(out, m);
    append_family(out, "acme_milter_endpoint_answers_total", "outcome", "What the ACME server answered.",
                  endpoint_outcome_names, m->answers);
    append_counter(out, "acme_milter_endpoint_attempts_total", "Attempts to ask it.", m->attempts);
    append_dns(out, m);
    append_timers(out, m);
    return strbuf_append_string(out, "# EOF\n");
}

/* 0 or what went wrong; a part of the file may be there then. */
static int write_whole(const char *path, struct span text)
{
    int error = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0)
        return errno;
    while (error == 0 && text.len > 0) {
        ssize_t written = write(fd, text.data, text.len);
        error = written < 0 ? errno : 0;
        text = span_slice(text, written > 0 ? (size_t)written : 0, text.len);
    }
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

static int replace(const char *path, struct span text)
{
    char beside[PATH_MAX_BYTES];
    int len = snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof beside)
        return ENAMETOOLONG;
    int error = write_whole(beside, text);
    if (error == 0 && rename(beside, path) != 0)
        error = errno;
    if (error != 0)
        (void)unlink(beside);
    return error;
}

bool metrics_write_file(const struct metrics *m, const char *path)
{
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX_BYTES);
    int error = append_text(m, &text) ? replace(path, strbuf_view(&text)) : ENOMEM;
    strbuf_clear(&text);
    errno = error;
    return error == 0;
}
