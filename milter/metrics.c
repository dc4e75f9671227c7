/* SPDX-License-Identifier: BSD-2-Clause */
#include "metrics.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX_BYTES = 256 * 1024, PATH_MAX_BYTES = 4096, BUCKETS = 12 };

/* Upper bounds in milliseconds; the last bucket is everything. */
static const int64_t bucket_ms[BUCKETS - 1] = {1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000, 20000};

struct histogram {
    atomic_ullong buckets[BUCKETS];
    atomic_ullong sum_ms;
};

struct metrics {
    atomic_ullong events[METRICS_EVENT_END];
    atomic_ullong verdicts[VERDICT_PASS + 1];
    atomic_ullong findings[FINDING_END][SEVERITY_NOTE + 1];
    atomic_ullong keys[DNSSEC_STATUS_BOGUS + 1];
    atomic_ullong answers[METRICS_ANSWER_END];
    struct histogram timers[METRICS_TIMER_END];
    atomic_int in_flight;
};

static const struct name_table_row event_names[] = {
    {METRICS_EVENT_PASSED_THROUGH, "passed_through"},
    {METRICS_EVENT_OVERLOAD, "overload"},
    {METRICS_EVENT_RELOAD, "reload"},
    {METRICS_EVENT_RELOAD_FAILED, "reload_failed"},
    {METRICS_EVENT_EVIDENCE_FAILED, "evidence_failed"},
    {METRICS_EVENT_INTERNAL_ERROR, "internal_error"},
    {0, NULL},
};

static const struct name_table_row answer_names[] = {
    {METRICS_ANSWER_ACCEPTED, "accepted"},
    {METRICS_ANSWER_REFUSED, "refused"},
    {METRICS_ANSWER_CREDENTIALS, "credentials"},
    {METRICS_ANSWER_UNAVAILABLE, "unavailable"},
    {0, NULL},
};

static const struct name_table_row timer_names[] = {
    {METRICS_TIMER_DNS, "dns"},
    {METRICS_TIMER_ENDPOINT, "endpoint"},
    {METRICS_TIMER_TOTAL, "total"},
    {0, NULL},
};

struct metrics *metrics_new(void)
{
    return calloc(1, sizeof(struct metrics));
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

void metrics_count_reply(struct metrics *m, enum verdict verdict, const struct finding_list *findings,
                         const struct finding_policy *policy)
{
    if (m == NULL)
        return;
    m->verdicts[verdict]++;
    for (size_t i = 0; i < findings->count; i++) {
        enum finding_id id = findings->items[i].id;
        if (i == 0 || findings->items[i - 1].id != id)
            m->findings[id][policy->severity[id]]++;
    }
}

void metrics_count_key(struct metrics *m, enum dnssec_status status)
{
    if (m != NULL)
        m->keys[status]++;
}

void metrics_count_answer(struct metrics *m, enum metrics_answer answer)
{
    if (m != NULL)
        m->answers[answer]++;
}

void metrics_add_time(struct metrics *m, enum metrics_timer timer, int64_t ms)
{
    if (m == NULL)
        return;
    size_t i = 0;
    while (i < BUCKETS - 1 && ms > bucket_ms[i])
        i++;
    m->timers[timer].buckets[i]++;
    m->timers[timer].sum_ms += (unsigned long long)(ms > 0 ? ms : 0);
}

void metrics_add_in_flight(struct metrics *m, int change)
{
    if (m != NULL)
        m->in_flight += change;
}

static void append_head(struct strbuf *out, const char *name, const char *type, const char *help)
{
    (void)strbuf_append_format(out, "# TYPE acme_milter_%s %s\n# HELP acme_milter_%s %s\n", name, type, name,
                               help);
}

/* One counter family with one label, a line for each word of a table. */
static void append_family(struct strbuf *out, const char *name, const char *label, const char *help,
                          const struct name_table_row *words, const atomic_ullong *values)
{
    append_head(out, name, "counter", help);
    for (; words->name != NULL; words++)
        (void)strbuf_append_format(out, "acme_milter_%s_total{%s=\"%s\"} %llu\n", name, label, words->name,
                                   values[words->value]);
}

static void append_findings(struct strbuf *out, const struct metrics *m)
{
    append_head(out, "findings", "counter", "Findings, by what they meant for the verdict.");
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        for (const struct name_table_row *row = severity_names; row->name != NULL; row++)
            if (m->findings[i][row->value] > 0)
                (void)strbuf_append_format(
                    out, "acme_milter_findings_total{finding=\"%s\",severity=\"%s\"} %llu\n",
                    finding_rule((enum finding_id)i)->name, row->name, m->findings[i][row->value]);
}

static void append_timers(struct strbuf *out, const struct metrics *m)
{
    append_head(out, "step_seconds", "histogram", "Time that a reply spent in each step.");
    for (const struct name_table_row *row = timer_names; row->name != NULL; row++) {
        const struct histogram *h = &m->timers[row->value];
        unsigned long long sum = 0;
        for (int i = 0; i < BUCKETS; i++) {
            sum += h->buckets[i];
            char bound[32] = "+Inf";
            if (i < BUCKETS - 1)
                (void)snprintf(bound, sizeof bound, "%g", (double)bucket_ms[i] / 1000.0);
            (void)strbuf_append_format(out, "acme_milter_step_seconds_bucket{step=\"%s\",le=\"%s\"} %llu\n",
                                       row->name, bound, sum);
        }
        (void)strbuf_append_format(out,
                                   "acme_milter_step_seconds_count{step=\"%s\"} %llu\n"
                                   "acme_milter_step_seconds_sum{step=\"%s\"} %g\n",
                                   row->name, sum, row->name, (double)h->sum_ms / 1000.0);
    }
}

bool metrics_append_text(const struct metrics *m, struct strbuf *out)
{
    append_head(out, "build", "info", "The program.");
    (void)strbuf_append_format(out, "acme_milter_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
    append_family(out, "replies", "verdict", "Replies judged.", verdict_names, m->verdicts);
    append_findings(out, m);
    append_family(out, "endpoint_answers", "outcome", "What the ACME server answered.", answer_names,
                  m->answers);
    append_family(out, "dkim_keys", "dnssec", "DNSSEC status of the keys that verdicts rested on.",
                  dnssec_status_names, m->keys);
    append_family(out, "events", "event", "Other events.", event_names, m->events);
    append_head(out, "replies_in_flight", "gauge", "Replies being received or judged.");
    (void)strbuf_append_format(out, "acme_milter_replies_in_flight %d\n", m->in_flight);
    append_timers(out, m);
    return strbuf_append_string(out, "# EOF\n");
}

static bool write_whole(const char *path, struct span text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    bool ok = write(fd, text.data, text.len) == (ssize_t)text.len;
    return close(fd) == 0 && ok;
}

bool metrics_write_file(const struct metrics *m, const char *path)
{
    char beside[PATH_MAX_BYTES];
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX_BYTES);
    int len = snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
    bool ok = len > 0 && (size_t)len < sizeof beside && metrics_append_text(m, &text) &&
              write_whole(beside, strbuf_view(&text)) && rename(beside, path) == 0;
    strbuf_clear(&text);
    return ok;
}
