/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver.h"

#include <stdlib.h>

#include "resolver_backend.h"

enum { STRING_MAX_BYTES = 255 }; /* RFC 1035 section 3.3 */

static bool is_name_byte(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '_';
}

bool resolver_name_is_valid(struct span name)
{
    size_t label = 0;
    if (name.len == 0 || name.len > DOMAIN_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.' && label > 0)
            label = 0;
        else if (!is_name_byte(name.data[i]) || ++label > RESOLVER_LABEL_MAX_BYTES)
            return false;
    }
    return label > 0;
}

void resolver_name_copy(struct span name, char out[static DOMAIN_MAX_BYTES + 1])
{
    size_t len = name.len <= DOMAIN_MAX_BYTES ? name.len : DOMAIN_MAX_BYTES;
    for (size_t i = 0; i < len; i++)
        out[i] = byte_to_lower(name.data[i]);
    out[len] = '\0';
}

/* A name that the DNS cannot hold has no records, whatever a server might say. */
struct impossible_question {
    struct resolver_question base;
    struct resolver_answer answer;
};

static const struct resolver_answer *impossible_wait(struct resolver_question *q, struct deadline deadline)
{
    (void)deadline;
    return &((struct impossible_question *)q)->answer;
}

static void impossible_free(struct resolver_question *q)
{
    free(q);
}

static const struct resolver_operations impossible_operations = {
    .wait = impossible_wait,
    .question_free = impossible_free,
};

static struct resolver_question *ask_impossible(void)
{
    struct impossible_question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->base.operations = &impossible_operations;
    q->answer = (struct resolver_answer){.name = "", .outcome = OUTCOME_ABSENT};
    return &q->base;
}

struct resolver_question *resolver_ask(struct resolver *r, const char *name, enum resolver_type type)
{
    char copy[DOMAIN_MAX_BYTES + 1];
    struct span text = span_from_string(name);
    if (!resolver_name_is_valid(text))
        return ask_impossible();
    resolver_name_copy(text, copy);
    return r->operations->ask(r, copy, type);
}

struct resolver_question *resolver_ask_txt(struct resolver *r, const char *name)
{
    return resolver_ask(r, name, RESOLVER_TYPE_TXT);
}

const struct resolver_answer *resolver_wait(struct resolver_question *q, struct deadline deadline)
{
    return q->operations->wait(q, deadline);
}

void resolver_question_free(struct resolver_question *q)
{
    if (q != NULL)
        q->operations->question_free(q);
}

void resolver_free(struct resolver *r)
{
    if (r != NULL)
        r->operations->free(r);
}

static void append_string(struct strbuf *out, struct span text)
{
    (void)strbuf_append_byte(out, '"');
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_marked = c == '"' || c == '\\';
        if (!is_marked && c >= ' ' && c < 0x7f)
            continue;
        (void)strbuf_append(out, span_slice(text, plain, i));
        (void)strbuf_append_format(out, is_marked ? "\\%c" : "\\%03u", c);
        plain = i + 1;
    }
    (void)strbuf_append(out, span_slice(text, plain, text.len));
    (void)strbuf_append_byte(out, '"');
}

static bool append_record(struct strbuf *out, const struct resolver_answer *answer, struct span record)
{
    size_t at = 0;
    (void)strbuf_append_string(out, answer->name);
    if (answer->ttl_seconds != 0)
        (void)strbuf_append_format(out, " %u", answer->ttl_seconds);
    (void)strbuf_append_string(out, " TXT");
    do {
        (void)strbuf_append_byte(out, ' ');
        append_string(out, span_slice(record, at, at + STRING_MAX_BYTES));
        at += STRING_MAX_BYTES;
    } while (at < record.len);
    return strbuf_append_byte(out, '\n'); /* fails if any append before it did */
}

static bool append_records(struct strbuf *out, const struct resolver_answer *answer)
{
    for (size_t i = 0; i < answer->count && i < RESOLVER_RECORDS_MAX; i++)
        if (!append_record(out, answer, answer->records[i]))
            return false;
    if (answer->count <= RESOLVER_RECORDS_MAX)
        return true;
    return append_record(out, answer, (struct span){NULL, 0}); /* one more is all that is known of the rest */
}

enum auth_lookup resolver_answer_kind(const struct resolver_answer *answer)
{
    if (answer->outcome == OUTCOME_OK)
        return AUTH_LOOKUP_FOUND;
    if (answer->outcome == OUTCOME_ABSENT)
        return AUTH_LOOKUP_ABSENT;
    return answer->dnssec == DNSSEC_STATUS_BOGUS ? AUTH_LOOKUP_BOGUS : AUTH_LOOKUP_FAILED;
}

bool resolver_append_answer(struct strbuf *out, const struct resolver_answer *answer)
{
    if (!resolver_name_is_valid(span_from_string(answer->name)))
        return true;
    if (answer->outcome == OUTCOME_OK && !append_records(out, answer))
        return false;
    if (answer->outcome != OUTCOME_OK && answer->outcome != OUTCOME_ABSENT) {
        const char *word = answer->dnssec == DNSSEC_STATUS_BOGUS ? "BOGUS" : "SERVFAIL";
        return strbuf_append_format(out, "%s %s\n", answer->name, word);
    }
    if (answer->dnssec == DNSSEC_STATUS_SECURE)
        return strbuf_append_format(out, "%s SECURE\n", answer->name);
    if (answer->dnssec == DNSSEC_STATUS_UNKNOWN)
        return strbuf_append_format(out, "%s UNVALIDATED\n", answer->name);
    if (answer->outcome == OUTCOME_ABSENT)
        return strbuf_append_format(out, "# %s has no TXT record\n", answer->name);
    return true;
}
