/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../milter/auth/resolver_backend.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* A backend that counts, and answers by what it was told. */
struct fake {
    struct resolver base;
    struct resolver_answer next;
    int asked, freed;
};

struct fake_question {
    struct resolver_question base;
    struct fake *fake;
};

static const struct resolver_answer *fake_wait(struct resolver_question *q, struct deadline deadline)
{
    (void)deadline;
    return &((struct fake_question *)q)->fake->next;
}

static void fake_question_free(struct resolver_question *q)
{
    __atomic_add_fetch(&((struct fake_question *)q)->fake->freed, 1, __ATOMIC_RELAXED);
    free(q);
}

static struct resolver_question *fake_ask(struct resolver *r, const char *name, enum resolver_type type);

static void fake_free(struct resolver *r)
{
    free(r);
}

static const struct resolver_operations fake_operations = {fake_ask, fake_wait, fake_question_free,
                                                           fake_free};

static struct resolver_question *fake_ask(struct resolver *r, const char *name, enum resolver_type type)
{
    struct fake *fake = (struct fake *)r;
    struct fake_question *q = calloc(1, sizeof *q);
    (void)name;
    (void)type;
    __atomic_add_fetch(&fake->asked, 1, __ATOMIC_RELAXED);
    q->base.operations = &fake_operations;
    q->fake = fake;
    return &q->base;
}

static struct fake *new_fake(struct resolver **r)
{
    struct fake *fake = calloc(1, sizeof *fake);
    fake->base.operations = &fake_operations;
    *r = resolver_cache_take(&fake->base);
    return fake;
}

struct row {
    const char *name;
    enum outcome outcome;
    enum dnssec_status dnssec;
    unsigned ttl;
    size_t len;
    int want_asked; /* for two questions */
};

static const struct row rows[] = {
    {"found", OUTCOME_OK, DNSSEC_STATUS_SECURE, 60, 100, 1},
    {"found, insecure", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 60, 0, 1},
    {"found, TTL 0", OUTCOME_OK, DNSSEC_STATUS_SECURE, 0, 100, 2},
    {"found, longest", OUTCOME_OK, DNSSEC_STATUS_SECURE, 60, 2048, 1},
    {"found, too long", OUTCOME_OK, DNSSEC_STATUS_SECURE, 60, 2049, 2},
    {"absent", OUTCOME_ABSENT, DNSSEC_STATUS_SECURE, 60, 0, 1},
    {"absent, TTL 0", OUTCOME_ABSENT, DNSSEC_STATUS_UNKNOWN, 0, 0, 2},
    {"temporary", OUTCOME_TEMPORARY, DNSSEC_STATUS_UNKNOWN, 60, 0, 2},
    {"bogus", OUTCOME_TEMPORARY, DNSSEC_STATUS_BOGUS, 60, 0, 2},
    {"out of memory", OUTCOME_INTERNAL, DNSSEC_STATUS_UNKNOWN, 60, 0, 2},
};

static bool is_same(const struct resolver_answer *a, const struct resolver_answer *want)
{
    bool is_good = a->outcome == want->outcome && a->dnssec == want->dnssec && a->count == want->count &&
                   a->ttl_seconds <= want->ttl_seconds;
    for (size_t i = 0; is_good && i < want->count && i < RESOLVER_RECORDS_MAX; i++)
        is_good = span_equal(a->records[i], want->records[i]);
    return is_good;
}

static void test_rows(void)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct resolver *r;
        struct fake *fake = new_fake(&r);
        fake->next = (struct resolver_answer){.name = "a.example", .outcome = rows[i].outcome};
        fake->next.dnssec = rows[i].dnssec;
        fake->next.ttl_seconds = rows[i].ttl;
        fake->next.count = rows[i].outcome == OUTCOME_OK ? 2 : 0;
        fake->next.records[0] = (struct span){text, rows[i].len / 2};
        fake->next.records[1] = (struct span){text, rows[i].len - rows[i].len / 2};
        for (int k = 0; k < 2; k++) {
            struct resolver_question *q = resolver_ask_txt(r, k == 0 ? "a.example" : "A.Example");
            const struct resolver_answer *a = resolver_wait(q, deadline_in(0));
            tap_ok(is_same(a, &fake->next) && strcmp(a->name, "a.example") == 0, "%s: answer %d",
                   rows[i].name, k);
            (void)resolver_wait(q, deadline_in(0));
            resolver_question_free(q);
        }
        tap_is_int(fake->asked, rows[i].want_asked, rows[i].name);
        tap_is_int(fake->freed, fake->asked, "every question is freed");
        resolver_free(r);
    }
}

/* Waited for in vain at first. */
static void test_late(void)
{
    struct resolver *r;
    struct fake *fake = new_fake(&r);
    fake->next = (struct resolver_answer){.name = "a.example", .outcome = OUTCOME_TEMPORARY};
    struct resolver_question *q = resolver_ask_txt(r, "a.example");
    (void)resolver_wait(q, deadline_in(0));
    fake->next = (struct resolver_answer){.name = "a.example", .outcome = OUTCOME_ABSENT, .ttl_seconds = 60};
    tap_is_int(resolver_wait(q, deadline_in(0))->outcome, OUTCOME_ABSENT, "a late answer");
    resolver_question_free(q);
    q = resolver_ask_txt(r, "a.example");
    tap_is_int(resolver_wait(q, deadline_in(0))->outcome, OUTCOME_ABSENT, "a late answer is kept");
    tap_is_int(fake->asked, 1, "asked once");
    resolver_question_free(q);
    resolver_free(r);
}

static int ask(struct resolver *r, const char *name)
{
    struct resolver_question *q = resolver_ask_txt(r, name);
    int ttl = (int)resolver_wait(q, deadline_in(0))->ttl_seconds;
    resolver_question_free(q);
    return ttl;
}

static void test_time(void)
{
    struct resolver *r;
    struct fake *fake = new_fake(&r);
    fake->next = (struct resolver_answer){.name = "a.example", .outcome = OUTCOME_OK, .ttl_seconds = 1};
    (void)ask(r, "a.example");
    tap_is_int(ask(r, "a.example"), 1, "TTL left is rounded up");
    struct timespec t = {.tv_sec = 1, .tv_nsec = 20000000};
    nanosleep(&t, NULL);
    (void)ask(r, "a.example");
    tap_is_int(fake->asked, 2, "asked again after its TTL");
    fake->next.ttl_seconds = 1000000;
    (void)ask(r, "b.example");
    tap_is_int(ask(r, "b.example"), 3600, "an hour is the most");
    fake->next.outcome = OUTCOME_ABSENT;
    (void)ask(r, "c.example");
    tap_is_int(ask(r, "c.example"), 60, "a minute is the most for what is absent");
    resolver_free(r);
}

/* Many more names than slots. */
static void test_many_names(void)
{
    struct resolver *r;
    struct fake *fake = new_fake(&r);
    fake->next = (struct resolver_answer){.name = "", .outcome = OUTCOME_OK, .ttl_seconds = 60};
    fake->next.count = 1;
    fake->next.records[0] = (struct span)SPAN_LITERAL("text");
    for (int i = 0; i < 10000; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%d.example", i);
        (void)ask(r, name);
    }
    tap_is_int(fake->asked, 10000, "no name takes another's answer");
    (void)ask(r, "n9999.example");
    tap_is_int(fake->asked, 10000, "the last is kept");
    resolver_free(r);
}

static void *ask_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%d.example", i * 7 % 50);
        (void)ask(arg, name);
    }
    return NULL;
}

static void test_threads(void)
{
    struct resolver *r;
    pthread_t threads[4];
    struct fake *fake = new_fake(&r);
    fake->next = (struct resolver_answer){.name = "", .outcome = OUTCOME_OK, .ttl_seconds = 60, .count = 1};
    fake->next.records[0] = (struct span)SPAN_LITERAL("text");
    for (size_t i = 0; i < ROWS(threads); i++)
        if (pthread_create(&threads[i], NULL, ask_many, r) != 0)
            abort();
    for (size_t i = 0; i < ROWS(threads); i++)
        pthread_join(threads[i], NULL);
    tap_ok(fake->asked >= 50 && fake->asked <= 200, "four threads asked %d times", fake->asked);
    resolver_free(r);
}

int main(void)
{
    test_rows();
    test_late();
    test_time();
    test_many_names();
    test_threads();
    return tap_done();
}
