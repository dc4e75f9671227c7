/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { TEXT_BYTES = 65536 };

static struct resolver *load(struct span text, char *path, char *error)
{
    (void)snprintf(path, 64, "/tmp/test-dns-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
        abort();
    close(fd);
    struct resolver *r = resolver_new_file(path, error);
    unlink(path);
    return r;
}

static const char zone[] = "# a comment\n"
                           "; another, and an empty line\n"
                           "\n"
                           "plain.example TXT \"one\"\n"
                           "PLAIN2.Example. 300 txt \"one\" \"two\" # behind\r\n"
                           "  blank.example\t60\tTXT\t\"a b\"  \n"
                           "quote.example TXT \"a\\\"b\\\\c\\000\\255;#\"\n"
                           "two.example TXT \"first\"\n"
                           "two.example TXT \"second\"\n"
                           "empty.example TXT \"\"\n"
                           "secure.example TXT \"s\"\n"
                           "secure.example SECURE\n"
                           "gone.example SECURE\n"
                           "unlooked.example 60 TXT \"u\"\n"
                           "unlooked.example UNVALIDATED\n"
                           "unlooked-gone.example unvalidated\n"
                           "servfail.example SERVFAIL\n"
                           "timeout.example timeout\n"
                           "bogus.example BOGUS\n"
                           "both.example TXT \"hidden\"\n"
                           "both.example SECURE\n"
                           "both.example BOGUS\n"
                           "com TXT \"one label\"\n"
                           "last.example TXT \"no line end\"";

struct answer_row {
    const char *name;
    enum outcome outcome;
    enum dnssec_status dnssec;
    size_t count;
    struct span first;
    unsigned ttl;
};

static const struct answer_row answer_rows[] = {
    {"plain.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("one"), 0},
    {"PLAIN.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("one"), 0},
    {"plain2.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("onetwo"), 300},
    {"blank.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("a b"), 60},
    {"quote.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("a\"b\\c\0\xff;#"), 0},
    {"two.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 2, SPAN_LITERAL("first"), 0},
    {"empty.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL(""), 0},
    {"secure.example", OUTCOME_OK, DNSSEC_STATUS_SECURE, 1, SPAN_LITERAL("s"), 0},
    {"com", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("one label"), 0},
    {"last.example", OUTCOME_OK, DNSSEC_STATUS_INSECURE, 1, SPAN_LITERAL("no line end"), 0},
    {"gone.example", OUTCOME_ABSENT, DNSSEC_STATUS_SECURE, 0, {NULL, 0}, 0},
    {"unlooked.example", OUTCOME_OK, DNSSEC_STATUS_UNKNOWN, 1, SPAN_LITERAL("u"), 60},
    {"unlooked-gone.example", OUTCOME_ABSENT, DNSSEC_STATUS_UNKNOWN, 0, {NULL, 0}, 0},
    {"nothing.example", OUTCOME_ABSENT, DNSSEC_STATUS_INSECURE, 0, {NULL, 0}, 0},
    {"example", OUTCOME_ABSENT, DNSSEC_STATUS_INSECURE, 0, {NULL, 0}, 0},
    {"servfail.example", OUTCOME_TEMPORARY, DNSSEC_STATUS_UNKNOWN, 0, {NULL, 0}, 0},
    {"timeout.example", OUTCOME_TEMPORARY, DNSSEC_STATUS_UNKNOWN, 0, {NULL, 0}, 0},
    {"bogus.example", OUTCOME_TEMPORARY, DNSSEC_STATUS_BOGUS, 0, {NULL, 0}, 0},
    {"both.example", OUTCOME_TEMPORARY, DNSSEC_STATUS_BOGUS, 0, {NULL, 0}, 0},
};

static bool is_answer(const struct resolver_answer *a, const struct answer_row *want)
{
    return a->outcome == want->outcome && a->dnssec == want->dnssec && a->count == want->count &&
           a->ttl_seconds == want->ttl && (a->count == 0 || span_equal(a->records[0], want->first));
}

/* Asks r and appends the answer to out. */
static bool ask(struct resolver *r, const struct answer_row *row, struct strbuf *out)
{
    struct resolver_question *q = resolver_ask_txt(r, row->name);
    const struct resolver_answer *a = resolver_wait(q, deadline_in(0));
    bool is_good = is_answer(a, row);
    if (!is_good)
        tap_note("outcome %d, dnssec %d, count %zu", a->outcome, a->dnssec, a->count);
    if (!resolver_append_answer(out, a))
        abort();
    resolver_question_free(q);
    return is_good;
}

static void test_answers(void)
{
    char path[64], error[RESOLVER_ERROR_BYTES];
    struct strbuf written, again;
    strbuf_init(&written, TEXT_BYTES);
    strbuf_init(&again, TEXT_BYTES);
    struct resolver *r = load(span_from_string(zone), path, error);
    if (!tap_ok(r != NULL, "zone: %s", error))
        return;
    for (size_t i = 0; i < ROWS(answer_rows); i++)
        tap_ok(ask(r, &answer_rows[i], &written), "%s", answer_rows[i].name);
    resolver_free(r);

    /* PLAIN.example wrote its record a second time. */
    size_t from = span_find(strbuf_view(&written), 0, SPAN_LITERAL("plain2"));
    r = load(span_slice(strbuf_view(&written), from, written.len), path, error);
    if (!tap_ok(r != NULL, "what is written can be read: %s", error))
        return;
    for (size_t i = 2; i < ROWS(answer_rows); i++)
        tap_ok(ask(r, &answer_rows[i], &again), "written and read: %s", answer_rows[i].name);
    tap_is_string(strbuf_string(&again), written.data + from, "written twice");
    resolver_free(r);
    strbuf_clear(&written);
    strbuf_clear(&again);
}

static void test_written_text(void)
{
    struct strbuf out;
    strbuf_init(&out, TEXT_BYTES);
    struct resolver_answer a = {.name = "a.example", .outcome = OUTCOME_OK, .count = 1, .ttl_seconds = 60};
    a.dnssec = DNSSEC_STATUS_SECURE;
    a.records[0] = (struct span)SPAN_LITERAL("x\n\"\\\x80");
    tap_ok(resolver_append_answer(&out, &a), "written");
    tap_is_string(strbuf_string(&out), "a.example 60 TXT \"x\\010\\\"\\\\\\128\"\na.example SECURE\n",
                  "text");
    strbuf_clear(&out);
    strbuf_init(&out, 20);
    tap_ok(!resolver_append_answer(&out, &a), "no room");
    strbuf_clear(&out);
    a = (struct resolver_answer){.name = "", .outcome = OUTCOME_ABSENT};
    strbuf_init(&out, TEXT_BYTES);
    tap_ok(resolver_append_answer(&out, &a) && out.len == 0, "an impossible name leaves no line");
    strbuf_clear(&out);
}

static void append_many(struct strbuf *text, size_t count, const char *line)
{
    for (size_t i = 0; i < count; i++)
        (void)strbuf_append_string(text, line);
}

static void test_many_records(void)
{
    char path[64], error[RESOLVER_ERROR_BYTES];
    struct strbuf text, written;
    strbuf_init(&text, TEXT_BYTES);
    strbuf_init(&written, TEXT_BYTES);
    append_many(&text, 40, "many.example TXT \"x\"\n");
    (void)strbuf_append_string(&text, "long.example TXT");
    append_many(&text, RESOLVER_RECORD_MAX_BYTES / 8, " \"12345678\"");
    struct resolver *r = load(strbuf_view(&text), path, error);
    const struct answer_row many = {"many.example",           OUTCOME_OK,        DNSSEC_STATUS_INSECURE,
                                    RESOLVER_RECORDS_MAX + 1, SPAN_LITERAL("x"), 0};
    tap_ok(r != NULL && ask(r, &many, &written), "too many records are counted");
    struct resolver_question *q = resolver_ask_txt(r, "long.example");
    const struct resolver_answer *a = resolver_wait(q, deadline_in(0));
    tap_is_int((long long)a->records[0].len, RESOLVER_RECORD_MAX_BYTES, "longest record");
    tap_ok(resolver_append_answer(&written, a), "is written");
    resolver_question_free(q);
    resolver_free(r);
    r = load(strbuf_view(&written), path, error);
    tap_ok(r != NULL && ask(r, &many, &written), "too many records, written and read");
    resolver_free(r);
    strbuf_clear(&text);
    strbuf_clear(&written);
}

struct error_row {
    const char *text, *want;
};

static const struct error_row error_rows[] = {
    {"a.example", ":1: wants TXT, SERVFAIL, TIMEOUT, BOGUS, SECURE or UNVALIDATED"},
    {"\n\na.example A 192.0.2.1", ":3: wants TXT, SERVFAIL, TIMEOUT, BOGUS, SECURE or UNVALIDATED"},
    {"a.example TXT", ":1: TXT wants a quoted string"},
    {"a.example TXT # \"x\"", ":1: TXT wants a quoted string"},
    {"a.example TXT x", ":1: a string is not quoted"},
    {"a.example TXT \"x\" y", ":1: a string is not quoted"},
    {"a.example TXT \"x", ":1: a string does not end"},
    {"a.example TXT \"x\\", ":1: a broken escape"},
    {"a.example TXT \"x\\25\"", ":1: a broken escape"},
    {"a.example TXT \"x\\256\"", ":1: a broken escape"},
    {"a.example TXT \"x\\2", ":1: a broken escape"},
    {"a.example 60 SERVFAIL", ":1: wants TXT behind a TTL"},
    {"a.example SERVFAIL x", ":1: something stands behind the last word"},
    {"a.example BOGUS\na.example TIMEOUT", ":2: the name fails in two ways"},
    {"a.example SECURE\na.example UNVALIDATED", ":2: the name is both SECURE and UNVALIDATED"},
    {"a.example UNVALIDATED x", ":1: something stands behind the last word"},
    {"a..example TXT \"x\"", ":1: not a domain name"},
    {". TXT \"x\"", ":1: not a domain name"},
    {"a\\046b TXT \"x\"", ":1: not a domain name"},
};

static void test_errors(void)
{
    char path[64], error[RESOLVER_ERROR_BYTES], want[RESOLVER_ERROR_BYTES];
    for (size_t i = 0; i < ROWS(error_rows); i++) {
        struct resolver *r = load(span_from_string(error_rows[i].text), path, error);
        (void)snprintf(want, sizeof want, "%s%s", path, error_rows[i].want);
        tap_is_string(r != NULL ? "no error" : error, want, error_rows[i].want);
        resolver_free(r);
    }
    tap_ok(resolver_new_file("/nonexistent", error) == NULL, "%s", error);
    tap_ok(resolver_new_file("/", error) == NULL, "%s", error);
    struct strbuf text;
    strbuf_init(&text, 4 << 20);
    append_many(&text, 1 << 17, "# 345678\n");
    tap_ok(load(strbuf_view(&text), path, error) == NULL, "%s", error);
    strbuf_reset(&text);
    for (int i = 0; i < 8193; i++)
        (void)strbuf_append_format(&text, "n%d.example SECURE\n", i);
    tap_ok(load(strbuf_view(&text), path, error) == NULL, "%s", error);
    strbuf_reset(&text);
    (void)strbuf_append_string(&text, "long.example TXT");
    append_many(&text, RESOLVER_RECORD_MAX_BYTES / 8 + 1, " \"12345678\"");
    tap_ok(load(strbuf_view(&text), path, error) == NULL, "%s", error);
    strbuf_clear(&text);
}

int main(void)
{
    test_answers();
    test_written_text();
    test_many_records();
    test_errors();
    return tap_done();
}
