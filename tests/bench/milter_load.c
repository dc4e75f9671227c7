/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load on a milter as Postfix 3.7 makes it: protocol 6, the same macros, the steps that were negotiated, many
 * connections with many mails each. Prints one line of JSON: mails, seconds, the target's CPU, latencies,
 * answers.
 *
 *     milter_load -s SOCKET -m MAIL [-c CONNECTIONS] [-n MAILS-EACH] [-r RECIPIENT] [-P PID] [-i
 * IDLE-CONNECTIONS]
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKET_MAX_BYTES = 1 << 20,
    CHUNK_BYTES = 65535,
    FIELDS_MAX = 512,
    ANSWERS = 256,
    OFFERED_ACTIONS = 0x1ff,
    OFFERED_STEPS = 0x1fffff,
    NR_CONN = 0x1000,
    NR_HELO = 0x2000,
    NR_MAIL = 0x4000,
    NR_RCPT = 0x8000,
    NR_DATA = 0x10000,
    NR_HDR = 0x80,
    NR_EOH = 0x40000,
    NR_BODY = 0x80000,
    NO_CONNECT = 0x1,
    NO_HELO = 0x2,
    LEADSPC = 0x100000,
};

struct field {
    char *name;
    char *value;
};

struct plan {
    const char *socket_path;
    const char *recipient;
    int mails_each;
    struct field fields[FIELDS_MAX];
    int field_count;
    char *body;
    size_t body_len;
};

struct client {
    const struct plan *plan;
    int fd;
    uint32_t steps;
    unsigned char packet[PACKET_MAX_BYTES];
    uint32_t *latencies_us;
    unsigned long answers[ANSWERS];
    bool has_failed;
};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static bool send_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t len)
{
    char *p = data;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_packet(struct client *c, char command, const void *data, size_t len)
{
    uint32_t size = htonl((uint32_t)len + 1);
    unsigned char *p = c->packet;
    if (len + 5 > sizeof c->packet)
        return false;
    memcpy(p, &size, 4);
    p[4] = (unsigned char)command;
    memcpy(p + 5, data, len);
    return send_all(c->fd, p, len + 5);
}

/* The first answer that is not "progress"; 0 when the connection broke. */
static char receive_answer(struct client *c)
{
    uint32_t size;
    do {
        if (!receive_all(c->fd, &size, 4))
            return 0;
        size = ntohl(size);
        if (size == 0 || size > sizeof c->packet || !receive_all(c->fd, c->packet, size))
            return 0;
    } while (c->packet[0] == 'p');
    return (char)c->packet[0];
}

/* Sends a step and its answer is "go on", or none is due. */
static char step(struct client *c, char command, const void *data, size_t len, uint32_t no_reply)
{
    if (!send_packet(c, command, data, len))
        return 0;
    return (c->steps & no_reply) != 0 ? 'c' : receive_answer(c);
}

static bool macros(struct client *c, char stage, const char *const *pairs)
{
    char data[1024];
    size_t len = 0;
    data[len++] = stage;
    for (; *pairs != NULL; pairs++) {
        size_t n = strlen(*pairs) + 1;
        memcpy(data + len, *pairs, n);
        len += n;
    }
    return send_packet(c, 'D', data, len);
}

static bool open_connection(struct client *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", c->plan->socket_path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return false;
    uint32_t offer[] = {htonl(6), htonl(OFFERED_ACTIONS), htonl(OFFERED_STEPS)};
    if (!send_packet(c, 'O', offer, sizeof offer) || receive_answer(c) != 'O')
        return false;
    uint32_t steps;
    memcpy(&steps, c->packet + 9, 4);
    c->steps = ntohl(steps);
    static const char connect_data[] = "mail.author.example\0"
                                       "4"
                                       "\x9c\x40"
                                       "192.0.2.1";
    static const char helo_data[] = "mail.author.example";
    static const char *const connect_macros[] = {"j", "mx.ca.example", "{daemon_name}", "mx.ca.example",
                                                 NULL};
    static const char *const helo_macros[] = {"{tls_version}", "TLSv1.3", NULL};
    if ((c->steps & NO_CONNECT) == 0 &&
        (!macros(c, 'C', connect_macros) || step(c, 'C', connect_data, sizeof connect_data, NR_CONN) != 'c'))
        return false;
    return (c->steps & NO_HELO) != 0 ||
           (macros(c, 'H', helo_macros) && step(c, 'H', helo_data, sizeof helo_data, NR_HELO) == 'c');
}

static char send_header(struct client *c)
{
    char answer = 'c';
    for (int i = 0; i < c->plan->field_count && answer == 'c'; i++) {
        const struct field *f = &c->plan->fields[i];
        const char *value = f->value;
        if ((c->steps & LEADSPC) == 0 && *value == ' ')
            value++;
        size_t name_len = strlen(f->name) + 1;
        size_t value_len = strlen(value) + 1;
        char *data = malloc(name_len + value_len);
        if (data == NULL)
            return 0;
        memcpy(data, f->name, name_len);
        memcpy(data + name_len, value, value_len);
        answer = step(c, 'L', data, name_len + value_len, NR_HDR);
        free(data);
    }
    return answer;
}

static char send_body(struct client *c)
{
    char answer = 'c';
    for (size_t at = 0; at < c->plan->body_len && answer == 'c'; at += CHUNK_BYTES) {
        size_t len = c->plan->body_len - at;
        answer = step(c, 'B', c->plan->body + at, len < CHUNK_BYTES ? len : CHUNK_BYTES, NR_BODY);
    }
    return answer == 's' ? 'c' : answer;
}

/* One mail; the answer that ended it. */
static char send_mail(struct client *c)
{
    static const char *const queue_macros[] = {"i", "4X0123456789", NULL};
    static const char from[] = "<alice@author.example>\0SIZE=4000";
    char rcpt[300];
    int rcpt_len = snprintf(rcpt, sizeof rcpt, "<%s>", c->plan->recipient) + 1;
    char answer = step(c, 'M', from, sizeof from, NR_MAIL);
    if (answer == 'c')
        answer = step(c, 'R', rcpt, (size_t)rcpt_len, NR_RCPT);
    if (answer == 'c' && macros(c, 'T', queue_macros))
        answer = step(c, 'T', "", 0, NR_DATA);
    if (answer == 'c')
        answer = send_header(c);
    if (answer == 'c')
        answer = step(c, 'N', "", 0, NR_EOH);
    if (answer == 'c')
        answer = send_body(c);
    if (answer == 'c' && macros(c, 'E', queue_macros))
        answer = step(c, 'E', "", 0, 0);
    /* Modifications precede the verdict. */
    while (answer != 0 && strchr("+-hi2bem", answer) != NULL)
        answer = receive_answer(c);
    return answer;
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *run_client(void *context)
{
    struct client *c = context;
    if (!open_connection(c)) {
        c->has_failed = true;
        return NULL;
    }
    for (int i = 0; i < c->plan->mails_each; i++) {
        int64_t began = now_us();
        char answer = send_mail(c);
        c->latencies_us[i] = (uint32_t)(now_us() - began);
        c->answers[(unsigned char)answer]++;
        if (answer == 0) {
            c->has_failed = true;
            break;
        }
    }
    (void)send_packet(c, 'Q', "", 0);
    close(c->fd);
    return NULL;
}

/* User and system time of a process in milliseconds, and its resident memory in kB. */
static void read_process(long pid, double *cpu_ms, long *rss_kb)
{
    char path[64], line[1024];
    *cpu_ms = 0;
    *rss_kb = 0;
    if (pid == 0)
        return;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        die(path);
    fclose(file);
    char *p = strrchr(line, ')');
    for (int field = 2; p != NULL && field < 14; field++)
        p = strchr(p + 1, ' ');
    if (p == NULL)
        return;
    unsigned long user = strtoul(p, &p, 10);
    unsigned long system = strtoul(p, &p, 10);
    *cpu_ms = (double)(user + system) * 1000.0 / (double)sysconf(_SC_CLK_TCK);
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        die(path);
    fclose(file);
    (void)strtol(line, &p, 10);
    *rss_kb = strtol(p, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *data = malloc(PACKET_MAX_BYTES);
    if (file == NULL || data == NULL)
        die(path);
    *len = fread(data, 1, PACKET_MAX_BYTES - 1, file);
    data[*len] = '\0';
    fclose(file);
    return data;
}

/* Fields as Postfix hands them over: the value with its leading blank, folds as LF. Takes a mail with CRLF
 * lines. */
static void read_mail(struct plan *plan, const char *path)
{
    size_t len;
    char *mail = read_file(path, &len);
    char *end = strstr(mail, "\r\n\r\n");
    if (end == NULL) {
        (void)fprintf(stderr, "%s: no CRLF lines or no body\n", path);
        exit(2);
    }
    plan->body = end + 4;
    plan->body_len = len - (size_t)(end + 4 - mail);
    *end = '\0';
    char *out = mail;
    for (const char *p = mail; *p != '\0'; p++)
        if (*p != '\r')
            *out++ = *p;
    *out = '\0';
    for (char *line = mail; line != NULL && plan->field_count < FIELDS_MAX;) {
        char *next = strchr(line, '\n');
        while (next != NULL && (next[1] == ' ' || next[1] == '\t'))
            next = strchr(next + 1, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *colon = strchr(line, ':');
        if (colon != NULL) {
            *colon = '\0';
            plan->fields[plan->field_count++] = (struct field){line, colon + 1};
        }
        line = next;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_answers(const unsigned long *answers)
{
    const char *comma = "";
    printf("\"answers\":{");
    for (int i = 1; i < ANSWERS; i++) {
        if (answers[i] > 0) {
            printf("%s\"%c\":%lu", comma, i, answers[i]);
            comma = ",";
        }
    }
    printf("}}\n");
}

struct options {
    int connections;
    int idle;
    long pid;
};

static void open_idle(const struct plan *plan, int count)
{
    for (int i = 0; i < count; i++) {
        struct client *c = calloc(1, sizeof *c);
        if (c == NULL)
            die("calloc");
        c->plan = plan;
        if (!open_connection(c))
            die("idle connection");
    }
}

static int run(struct plan *plan, const struct options *o)
{
    size_t total = (size_t)o->connections * (size_t)plan->mails_each;
    uint32_t *latencies = calloc(total, sizeof *latencies);
    struct client *clients = calloc((size_t)o->connections, sizeof *clients);
    pthread_t *threads = calloc((size_t)o->connections, sizeof *threads);
    unsigned long answers[ANSWERS] = {0};
    double cpu_before, cpu_after;
    long rss;
    bool has_failed = false;
    if (latencies == NULL || clients == NULL || threads == NULL)
        die("calloc");
    open_idle(plan, o->idle);
    read_process(o->pid, &cpu_before, &rss);
    int64_t began = now_us();
    for (int i = 0; i < o->connections; i++) {
        clients[i].plan = plan;
        clients[i].latencies_us = latencies + (size_t)i * (size_t)plan->mails_each;
        if (pthread_create(&threads[i], NULL, run_client, &clients[i]) != 0)
            die("pthread_create");
    }
    for (int i = 0; i < o->connections; i++) {
        (void)pthread_join(threads[i], NULL);
        has_failed = has_failed || clients[i].has_failed;
        for (int k = 0; k < ANSWERS; k++)
            answers[k] += clients[i].answers[k];
    }
    double seconds = (double)(now_us() - began) / 1e6;
    read_process(o->pid, &cpu_after, &rss);
    qsort(latencies, total, sizeof *latencies, compare);
    printf("{\"mails\":%zu,\"seconds\":%.4f,\"per_second\":%.1f,\"cpu_us_per_mail\":%.2f,\"rss_kb\":%ld,"
           "\"p50_us\":%u,"
           "\"p99_us\":%u,",
           total, seconds, (double)total / seconds, (cpu_after - cpu_before) * 1000.0 / (double)total, rss,
           latencies[total / 2], latencies[total * 99 / 100]);
    print_answers(answers);
    return has_failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct plan plan = {.recipient = "acme@ca.example", .mails_each = 1000};
    struct options o = {.connections = 1};
    const char *mail = NULL;
    int option;
    while ((option = getopt(argc, argv, "s:m:c:n:r:P:i:")) != -1) {
        switch (option) {
        case 's':
            plan.socket_path = optarg;
            break;
        case 'm':
            mail = optarg;
            break;
        case 'c':
            o.connections = (int)strtol(optarg, NULL, 10);
            break;
        case 'n':
            plan.mails_each = (int)strtol(optarg, NULL, 10);
            break;
        case 'r':
            plan.recipient = optarg;
            break;
        case 'P':
            o.pid = strtol(optarg, NULL, 10);
            break;
        case 'i':
            o.idle = (int)strtol(optarg, NULL, 10);
            break;
        default:
            return 64;
        }
    }
    if (plan.socket_path == NULL || mail == NULL || o.connections < 1 || plan.mails_each < 1)
        return 64;
    read_mail(&plan, mail);
    return run(&plan, &o);
}
