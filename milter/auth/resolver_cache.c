/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers that are still good, before a backend: validating one again costs more than all the rest of a mail.
 * What is not known is never kept. Each name and type has one slot that it may share with others: the later
 * one takes it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "resolver_backend.h"

enum {
    SLOTS = 2048,
    TEXT_MAX_BYTES = 2048, /* longer answers are asked for each time */
    TTL_MAX_SECONDS = 3600,
    TTL_ABSENT_MAX_SECONDS = 60, /* who puts a record right wants to be seen */
};

struct entry {
    char name[DOMAIN_MAX_BYTES + 1];
    enum resolver_type type;
    struct resolver_answer answer; /* its spans point into text; its name is not used */
    int64_t expires_ms;
    size_t text_len;
    char text[];
};

struct cache {
    struct resolver base;
    struct resolver *backend; /* owned */
    pthread_mutex_t lock;     /* over slots and what they own */
    struct entry *slots[SLOTS];
};

struct cache_question {
    struct resolver_question base;
    struct cache *cache;
    struct resolver_question *asked; /* owned; NULL: answered from the cache */
    bool is_kept;
    enum resolver_type type;
    char name[DOMAIN_MAX_BYTES + 1];
    struct resolver_answer answer; /* its spans point into text */
    char text[];
};

/* FNV-1a. */
static size_t slot_of(const char *name, enum resolver_type type)
{
    uint32_t hash = 2166136261u ^ (uint32_t)type;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash % SLOTS;
}

/* Copies the records' bytes to text and turns the spans of *answer there. */
static void move_records(struct resolver_answer *answer, char *text)
{
    for (size_t i = 0; i < answer->count && i < RESOLVER_RECORDS_MAX; i++) {
        struct span *record = &answer->records[i];
        if (record->len > 0)
            memcpy(text, record->data, record->len);
        record->data = text;
        text += record->len;
    }
}

static size_t text_len(const struct resolver_answer *answer)
{
    size_t len = 0;
    for (size_t i = 0; i < answer->count && i < RESOLVER_RECORDS_MAX; i++)
        len += answer->records[i].len;
    return len;
}

static void keep_answer(struct cache *cache, const char *name, enum resolver_type type,
                        const struct resolver_answer *answer)
{
    unsigned most = answer->outcome == OUTCOME_OK ? TTL_MAX_SECONDS : TTL_ABSENT_MAX_SECONDS;
    unsigned ttl = answer->ttl_seconds < most ? answer->ttl_seconds : most;
    size_t len = text_len(answer);
    if ((answer->outcome != OUTCOME_OK && answer->outcome != OUTCOME_ABSENT) || ttl == 0 ||
        len > TEXT_MAX_BYTES)
        return;
    struct entry *e = malloc(sizeof *e + len);
    if (e == NULL)
        return;
    resolver_name_copy(span_from_string(name), e->name);
    e->type = type;
    e->answer = *answer;
    e->text_len = len;
    e->expires_ms = clock_monotonic_ms() + (int64_t)ttl * 1000;
    move_records(&e->answer, e->text);
    struct entry **slot = &cache->slots[slot_of(name, type)];
    pthread_mutex_lock(&cache->lock);
    struct entry *old = *slot;
    *slot = e;
    pthread_mutex_unlock(&cache->lock);
    free(old);
}

static struct cache_question *copy_entry(const struct entry *e, int64_t left_ms)
{
    struct cache_question *q = calloc(1, sizeof *q + e->text_len);
    if (q == NULL)
        return NULL;
    q->answer = e->answer;
    q->answer.ttl_seconds = (unsigned)((left_ms + 999) / 1000);
    move_records(&q->answer, q->text);
    return q;
}

/* *is_there: with NULL, out of memory. */
static struct cache_question *find_answer(struct cache *cache, const char *name, enum resolver_type type,
                                          bool *is_there)
{
    struct cache_question *q = NULL;
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&cache->lock);
    const struct entry *e = cache->slots[slot_of(name, type)];
    *is_there = e != NULL && e->expires_ms > now_ms && e->type == type && strcmp(e->name, name) == 0;
    if (*is_there)
        q = copy_entry(e, e->expires_ms - now_ms);
    pthread_mutex_unlock(&cache->lock);
    return q;
}

static struct resolver_question *cache_ask(struct resolver *base, const char *name, enum resolver_type type);

static const struct resolver_answer *cache_wait(struct resolver_question *base, struct deadline deadline)
{
    struct cache_question *q = (struct cache_question *)base;
    if (q->asked == NULL)
        return &q->answer;
    const struct resolver_answer *answer = resolver_wait(q->asked, deadline);
    if (!q->is_kept)
        keep_answer(q->cache, q->name, q->type, answer);
    q->is_kept = answer->outcome != OUTCOME_TEMPORARY; /* which may still come */
    return answer;
}

static void cache_question_free(struct resolver_question *base)
{
    struct cache_question *q = (struct cache_question *)base;
    resolver_question_free(q->asked);
    free(q);
}

static void cache_free(struct resolver *base)
{
    struct cache *cache = (struct cache *)base;
    resolver_free(cache->backend);
    for (size_t i = 0; i < SLOTS; i++)
        free(cache->slots[i]);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static const struct resolver_operations cache_operations = {
    .ask = cache_ask,
    .wait = cache_wait,
    .question_free = cache_question_free,
    .free = cache_free,
};

static struct resolver_question *cache_ask(struct resolver *base, const char *name, enum resolver_type type)
{
    struct cache *cache = (struct cache *)base;
    bool is_there;
    struct cache_question *q = find_answer(cache, name, type, &is_there);
    if (!is_there)
        q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->base.operations = &cache_operations;
    q->cache = cache;
    q->type = type;
    resolver_name_copy(span_from_string(name), q->name);
    q->answer.name = q->name;
    if (!is_there)
        q->asked = resolver_ask(cache->backend, name, type);
    if (is_there || q->asked != NULL)
        return &q->base;
    free(q);
    return NULL;
}

struct resolver *resolver_cache_take(struct resolver *backend)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        resolver_free(backend);
        return NULL;
    }
    cache->base.operations = &cache_operations;
    cache->backend = backend;
    pthread_mutex_init(&cache->lock, NULL);
    return &cache->base;
}
