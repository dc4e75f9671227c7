/* SPDX-License-Identifier: BSD-2-Clause */
#include "host_addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_MS = 50,  /* between two signs of life */
    GRACE_MS = 100, /* for the second kind of address when the first is there (RFC 8305 section 3) */
    KINDS = 2,
};

static const char hosts_path[] = "/etc/hosts";

static struct span next_word(struct span line, size_t *at)
{
    while (*at < line.len && byte_is_space(line.data[*at]))
        ++*at;
    size_t from = *at;
    while (*at < line.len && !byte_is_space(line.data[*at]))
        ++*at;
    return span_slice(line, from, *at);
}

static bool names_host(struct span line, size_t at, struct span host)
{
    for (struct span word = next_word(line, &at); word.len > 0; word = next_word(line, &at))
        if (span_equal_nocase(word, host))
            return true;
    return false;
}

static void add(struct endpoint_addresses *found, int family, const void *address)
{
    if (found->count < ENDPOINT_ADDRESSES_MAX &&
        inet_ntop(family, address, found->texts[found->count], ENDPOINT_ADDRESS_BYTES) != NULL)
        found->count++;
}

static void add_text(struct endpoint_addresses *found, struct span text)
{
    char copy[ENDPOINT_ADDRESS_BYTES];
    unsigned char address[sizeof(struct in6_addr)];
    (void)snprintf(copy, sizeof copy, "%.*s", (int)text.len, text.data); /* one that is cut is none */
    for (int family = AF_INET; family != 0; family = family == AF_INET ? AF_INET6 : 0)
        if (text.len < sizeof copy && inet_pton(family, copy, address) == 1)
            add(found, family, address);
}

/* hosts(5). Read each time: it changes without a signal. */
static void find_in_file(const char *host, struct endpoint_addresses *found)
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(hosts_path, "re");
    if (file == NULL)
        return;
    for (ssize_t len = getline(&line, &size, file); len >= 0; len = getline(&line, &size, file)) {
        struct span text = {line, (size_t)len};
        size_t at = 0;
        text = span_slice(text, 0, span_find_byte(text, 0, '#'));
        struct span address = next_word(text, &at);
        if (names_host(text, at, span_from_string(host)))
            add_text(found, address);
    }
    free(line);
    (void)fclose(file); /* it was only read */
}

static struct deadline sooner(struct deadline a, struct deadline b)
{
    return a.at_ms < b.at_ms ? a : b;
}

/* Until both answers are there, or one with an address and a little more time, or the deadline. */
static void wait_for_answers(struct resolver_question *const questions[KINDS], struct deadline deadline,
                             const struct endpoint_tick *tick, const struct resolver_answer *answers[KINDS])
{
    bool is_late, has_address = false;
    do {
        is_late = false;
        for (size_t i = 0; i < KINDS; i++) {
            answers[i] = resolver_wait(questions[i], sooner(deadline, deadline_in(SLICE_MS)));
            is_late = is_late || answers[i]->is_late;
            if (answers[i]->outcome == OUTCOME_OK && !has_address) {
                has_address = true;
                deadline = sooner(deadline, deadline_in(GRACE_MS));
            }
        }
        tick->call(tick->context);
    } while (is_late && !deadline_passed(deadline));
}

static const char *reason_of(const struct resolver_answer *const answers[KINDS])
{
    if (answers[0]->outcome == OUTCOME_ABSENT && answers[1]->outcome == OUTCOME_ABSENT)
        return "the DNS has no address of it";
    if (answers[0]->is_late || answers[1]->is_late)
        return "the name servers did not answer in time";
    return "the name servers answered with an error";
}

static void find_in_dns(struct resolver *resolver, const char *host, struct deadline deadline,
                        const struct endpoint_tick *tick, struct endpoint_addresses *found)
{
    static const struct {
        enum resolver_type type;
        int family;
        size_t len;
    } kinds[KINDS] = {{RESOLVER_TYPE_AAAA, AF_INET6, 16}, {RESOLVER_TYPE_A, AF_INET, 4}};
    const struct resolver_answer *answers[KINDS];
    struct resolver_question *questions[KINDS];
    bool is_asked = true;
    for (size_t i = 0; i < KINDS; i++) {
        questions[i] = resolver_ask(resolver, host, kinds[i].type);
        is_asked = is_asked && questions[i] != NULL;
    }
    if (is_asked) {
        wait_for_answers(questions, deadline, tick, answers);
        for (size_t i = 0; i < KINDS; i++)
            for (size_t j = 0; j < answers[i]->count && j < RESOLVER_RECORDS_MAX; j++)
                if (answers[i]->records[j].len == kinds[i].len)
                    add(found, kinds[i].family, answers[i]->records[j].data);
    }
    if (found->count == 0)
        (void)snprintf(found->error, sizeof found->error, "%s: %s", host,
                       is_asked ? reason_of(answers) : "out of memory");
    for (size_t i = 0; i < KINDS; i++)
        resolver_question_free(questions[i]);
}

bool host_addresses_find(void *context, const char *host, struct deadline deadline,
                         const struct endpoint_tick *tick, struct endpoint_addresses *found)
{
    *found = (struct endpoint_addresses){.count = 0};
    find_in_file(host, found);
    if (found->count == 0)
        find_in_dns(context, host, deadline, tick, found);
    return found->count > 0;
}
