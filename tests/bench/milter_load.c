/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load on one milter, or on several in a row as an MTA passes a mail from one to the next. Prints one line of
 * JSON: mails, seconds, CPU time of the processes named, latencies, bytes of content that the milters asked
 * for, the answers of the last one.
 *
 *     milter_load -s SOCKET -m MAIL [-s SOCKET -m MAIL]... [-c CONNECTIONS] [-n MAILS-EACH] [-r RECIPIENT]
 *                 [-R MAILS-PER-SECOND] [-P PID]... [-i IDLE-CONNECTIONS]
 *
 * With -R, mails are due at fixed times, and one that starts late has waited. With -i, the idle connections
 * stay until a line on standard input.
 */
#include "milter_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    STAGES_MAX = 4,
    PROCESSES_MAX = 16,
    ANSWERS = 256,
};

struct plan {
    const char *sockets[STAGES_MAX];
    struct milter_mail mails[STAGES_MAX];
    int stages;
    int mails_read;
    const char *recipient;
    int mails_each;
    int connections;
    int idle;
    double per_second;
    clockid_t cpu_clocks[PROCESSES_MAX];
    int processes;
    int64_t began_ns;
};

struct worker {
    const struct plan *plan;
    int number;
    struct milter_client *clients[STAGES_MAX];
    uint32_t *latencies_us;
    unsigned long answers[ANSWERS];
    bool has_failed;
};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("calloc");
    return memory;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        die("clock_gettime");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_ns(const struct plan *plan)
{
    int64_t sum = 0;
    for (int i = 0; i < plan->processes; i++)
        sum += read_clock(plan->cpu_clocks[i]);
    return sum;
}

static void open_all(struct worker *w)
{
    for (int i = 0; i < w->plan->stages; i++) {
        w->clients[i] = allocate(1, sizeof *w->clients[i]);
        if (!milter_client_open(w->clients[i], w->plan->sockets[i]))
            die(w->plan->sockets[i]);
    }
}

/* When the mail is due, or now if none is due at a certain time. */
static int64_t wait_for_turn(const struct worker *w, int mail)
{
    if (w->plan->per_second <= 0)
        return read_clock(CLOCK_MONOTONIC);
    double turn = (double)mail * w->plan->connections + w->number;
    int64_t due = w->plan->began_ns + (int64_t)(turn * 1e9 / w->plan->per_second);
    struct timespec t = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
    return due;
}

static void *run_worker(void *context)
{
    struct worker *w = context;
    const struct plan *plan = w->plan;
    for (int i = 0; i < plan->mails_each && !w->has_failed; i++) {
        int64_t began = wait_for_turn(w, i);
        char answer = 0;
        for (int k = 0; k < plan->stages; k++) {
            answer = milter_client_send(w->clients[k], &plan->mails[k], plan->recipient);
            w->has_failed = w->has_failed || answer == 0;
        }
        w->latencies_us[i] = (uint32_t)((read_clock(CLOCK_MONOTONIC) - began) / 1000);
        w->answers[(unsigned char)answer]++;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool print_workers(const struct plan *plan, const struct worker *workers)
{
    unsigned long answers[ANSWERS] = {0};
    uint64_t content = 0;
    bool has_failed = false;
    for (int i = 0; i < plan->connections; i++) {
        has_failed = has_failed || workers[i].has_failed;
        for (int k = 0; k < plan->stages; k++)
            content += workers[i].clients[k]->content_bytes;
        for (int k = 0; k < ANSWERS; k++)
            answers[k] += workers[i].answers[k];
    }
    printf("\"content_bytes\":%llu,\"answers\":{", (unsigned long long)content);
    const char *comma = "";
    for (int i = 1; i < ANSWERS; i++) {
        if (answers[i] > 0) {
            printf("%s\"%c\":%lu", comma, i, answers[i]);
            comma = ",";
        }
    }
    printf("},\"added\":[");
    for (int k = 0; k < plan->stages; k++)
        printf("%s\"%s\"", k == 0 ? "" : ",", workers[0].clients[k]->added);
    printf("]}\n");
    return !has_failed;
}

static bool run(struct plan *plan)
{
    size_t total = (size_t)plan->connections * (size_t)plan->mails_each;
    uint32_t *latencies = allocate(total, sizeof *latencies);
    struct worker *workers = allocate((size_t)plan->connections, sizeof *workers);
    pthread_t *threads = allocate((size_t)plan->connections, sizeof *threads);
    for (int i = 0; i < plan->connections; i++) {
        workers[i] = (struct worker){.plan = plan, .number = i};
        workers[i].latencies_us = latencies + (size_t)i * (size_t)plan->mails_each;
        open_all(&workers[i]);
    }
    int64_t cpu_before = cpu_ns(plan);
    plan->began_ns = read_clock(CLOCK_MONOTONIC);
    for (int i = 0; i < plan->connections; i++)
        if (pthread_create(&threads[i], NULL, run_worker, &workers[i]) != 0)
            die("pthread_create");
    for (int i = 0; i < plan->connections; i++)
        (void)pthread_join(threads[i], NULL);
    double seconds = (double)(read_clock(CLOCK_MONOTONIC) - plan->began_ns) / 1e9;
    int64_t cpu = cpu_ns(plan) - cpu_before;
    qsort(latencies, total, sizeof *latencies, compare);
    printf("{\"mails\":%zu,\"seconds\":%.4f,\"per_second\":%.1f,\"cpu_us_per_mail\":%.3f,"
           "\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u,",
           total, seconds, (double)total / seconds, (double)cpu / 1e3 / (double)total, latencies[total / 2],
           latencies[total * 99 / 100], latencies[total - 1]);
    bool is_good = print_workers(plan, workers);
    for (int i = 0; i < plan->connections; i++)
        for (int k = 0; k < plan->stages; k++)
            milter_client_close(workers[i].clients[k]);
    return is_good;
}

static void hold_idle(const struct plan *plan)
{
    struct worker w = {.plan = plan};
    for (int i = 0; i < plan->idle; i++)
        open_all(&w);
    printf("open\n");
    (void)fflush(stdout);
    (void)getchar();
}

static bool take_option(struct plan *plan, int option, const char *value)
{
    switch (option) {
    case 's':
        if (plan->stages == STAGES_MAX)
            return false;
        plan->sockets[plan->stages++] = value;
        return true;
    case 'm':
        if (plan->mails_read == STAGES_MAX)
            return false;
        milter_client_read_mail(&plan->mails[plan->mails_read++], value);
        return true;
    case 'P':
        return plan->processes < PROCESSES_MAX &&
               clock_getcpuclockid((pid_t)strtol(value, NULL, 10), &plan->cpu_clocks[plan->processes++]) == 0;
    case 'r':
        plan->recipient = value;
        return true;
    case 'R':
        plan->per_second = strtod(value, NULL);
        return true;
    case 'c':
        plan->connections = (int)strtol(value, NULL, 10);
        return true;
    case 'n':
        plan->mails_each = (int)strtol(value, NULL, 10);
        return true;
    case 'i':
        plan->idle = (int)strtol(value, NULL, 10);
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static struct plan plan = {.recipient = "acme@ca.example", .mails_each = 1000, .connections = 1};
    int option;
    while ((option = getopt(argc, argv, "s:m:c:n:r:R:P:i:")) != -1)
        if (!take_option(&plan, option, optarg))
            return 64;
    if (plan.stages == 0 || plan.mails_read != plan.stages || plan.connections < 1 || plan.mails_each < 1)
        return 64;
    bool is_good = run(&plan);
    if (plan.idle > 0)
        hold_idle(&plan);
    return is_good ? 0 : 1;
}
