/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers from a file. It is read whole at the start; a question only points at its entry, so the resolver
 * must outlive its questions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regular_file.h"
#include "resolver_backend.h"

enum {
    FILE_MAX_BYTES = 1024 * 1024,
    NAMES_MAX = 8192,
    TTL_MAX_DIGITS = 9,
    FIRST_ROOM = 16,
};

enum entry_failure {
    ENTRY_FAILURE_NONE = 0,
    ENTRY_FAILURE_SERVFAIL,
    ENTRY_FAILURE_TIMEOUT,
    ENTRY_FAILURE_BOGUS,
};

struct entry {
    char name[DOMAIN_MAX_BYTES + 1];
    enum entry_failure failure;
    bool is_secure, is_unvalidated;
    size_t count;
    unsigned ttl_seconds;
    char *texts[RESOLVER_RECORDS_MAX]; /* owned */
    size_t lens[RESOLVER_RECORDS_MAX];
};

struct file_resolver {
    struct resolver base;
    struct entry **entries; /* owned, sorted by name */
    size_t count, room;
};

struct file_question {
    struct resolver_question base;
    char name[DOMAIN_MAX_BYTES + 1];
    struct resolver_answer answer;
};

/* The line being read. what: an error, NULL while there is none. */
struct line {
    const char *at, *end;
    const char *what;
};

static void entry_free(struct entry *e)
{
    for (size_t i = 0; i < e->count && i < RESOLVER_RECORDS_MAX; i++)
        free(e->texts[i]);
    free(e);
}

/* Index of the first entry that does not stand before name. */
static size_t find_place(const struct file_resolver *r, const char *name)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(r->entries[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find_entry(const struct file_resolver *r, const char *name)
{
    size_t place = find_place(r, name);
    bool is_there = place < r->count && strcmp(r->entries[place]->name, name) == 0;
    return is_there ? r->entries[place] : NULL;
}

static bool make_room(struct file_resolver *r)
{
    if (r->count < r->room)
        return true;
    size_t room = r->room != 0 ? r->room * 2 : FIRST_ROOM;
    struct entry **entries = realloc(r->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    r->entries = entries;
    r->room = room;
    return true;
}

static struct entry *get_entry(struct file_resolver *r, const char *name, struct line *line)
{
    struct entry *e = find_entry(r, name);
    if (e != NULL)
        return e;
    if (r->count == NAMES_MAX) {
        line->what = "too many names";
        return NULL;
    }
    e = make_room(r) ? calloc(1, sizeof *e) : NULL;
    if (e == NULL) {
        line->what = "out of memory";
        return NULL;
    }
    resolver_name_copy(span_from_string(name), e->name);
    size_t place = find_place(r, name);
    memmove(r->entries + place + 1, r->entries + place, (r->count - place) * sizeof *r->entries);
    r->entries[place] = e;
    r->count++;
    return e;
}

/* At a word, or at the end of what counts: a comment begins only where a word could. */
static void skip_blanks(struct line *line)
{
    while (line->at < line->end && (byte_is_blank(*line->at) || *line->at == '\r'))
        line->at++;
    if (line->at < line->end && (*line->at == '#' || *line->at == ';'))
        line->at = line->end;
}

static struct span take_word(struct line *line)
{
    skip_blanks(line);
    const char *start = line->at;
    while (line->at < line->end && !byte_is_blank(*line->at) && *line->at != '\r')
        line->at++;
    return (struct span){start, (size_t)(line->at - start)};
}

static bool is_number(struct span word, unsigned *value)
{
    *value = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (!byte_is_digit(word.data[i]) || i == TTL_MAX_DIGITS)
            return false;
        *value = *value * 10 + (unsigned)(word.data[i] - '0');
    }
    return word.len > 0;
}

/* One byte of a quoted string, behind a backslash or plain. */
static bool take_byte(struct line *line, char *out)
{
    *out = *line->at++;
    if (*out != '\\')
        return true;
    if (line->at == line->end)
        return false;
    *out = *line->at++;
    if (!byte_is_digit(*out))
        return true;
    unsigned value = 0;
    struct span digits = {line->at - 1, line->end - line->at >= 2 ? 3 : 0};
    if (!is_number(digits, &value) || value > 255)
        return false;
    line->at += 2;
    *out = (char)(unsigned char)value;
    return true;
}

/* Appends one quoted string to the record. */
static void take_string(struct line *line, struct strbuf *record)
{
    if (*line->at != '"') {
        line->what = "a string is not quoted";
        return;
    }
    line->at++;
    while (line->at < line->end && *line->at != '"') {
        char c;
        if (!take_byte(line, &c)) {
            line->what = "a broken escape";
            return;
        }
        if (!strbuf_append_byte(record, c)) {
            line->what = "the record is too long";
            return;
        }
    }
    if (line->at == line->end)
        line->what = "a string does not end";
    else
        line->at++;
}

static void keep_record(struct entry *e, struct strbuf *record, struct line *line)
{
    if (e->count >= RESOLVER_RECORDS_MAX) {
        e->count = RESOLVER_RECORDS_MAX + 1;
        return;
    }
    size_t len = record->len;
    char *text = strbuf_take(record);
    if (text == NULL) {
        line->what = "out of memory";
        return;
    }
    e->lens[e->count] = len;
    e->texts[e->count++] = text;
}

static void read_strings(struct entry *e, struct line *line)
{
    struct strbuf record;
    strbuf_init(&record, RESOLVER_RECORD_MAX_BYTES);
    skip_blanks(line);
    if (line->at == line->end)
        line->what = "TXT wants a quoted string";
    while (line->at < line->end && line->what == NULL) {
        take_string(line, &record);
        skip_blanks(line);
    }
    if (line->what == NULL)
        keep_record(e, &record, line);
    strbuf_clear(&record);
}

static void read_failure(struct entry *e, struct span word, struct line *line)
{
    enum entry_failure failure = ENTRY_FAILURE_NONE;
    if (span_equal_nocase(word, SPAN_LITERAL("SERVFAIL")))
        failure = ENTRY_FAILURE_SERVFAIL;
    else if (span_equal_nocase(word, SPAN_LITERAL("TIMEOUT")))
        failure = ENTRY_FAILURE_TIMEOUT;
    else if (span_equal_nocase(word, SPAN_LITERAL("BOGUS")))
        failure = ENTRY_FAILURE_BOGUS;
    else
        line->what = "wants TXT, SERVFAIL, TIMEOUT, BOGUS, SECURE or UNVALIDATED";
    if (line->what == NULL && e->failure != ENTRY_FAILURE_NONE && e->failure != failure)
        line->what = "the name fails in two ways";
    e->failure = failure;
}

/* SECURE or UNVALIDATED, which exclude each other. */
static bool read_status(struct entry *e, struct span word, struct line *line)
{
    bool is_secure = span_equal_nocase(word, SPAN_LITERAL("SECURE"));
    bool is_unvalidated = span_equal_nocase(word, SPAN_LITERAL("UNVALIDATED"));
    e->is_secure = e->is_secure || is_secure;
    e->is_unvalidated = e->is_unvalidated || is_unvalidated;
    if (e->is_secure && e->is_unvalidated)
        line->what = "the name is both SECURE and UNVALIDATED";
    return is_secure || is_unvalidated;
}

/* What stands behind a name. */
static void read_value(struct entry *e, struct line *line)
{
    unsigned ttl;
    struct span word = take_word(line);
    bool has_ttl = is_number(word, &ttl);
    if (has_ttl) {
        word = take_word(line);
        e->ttl_seconds = e->count == 0 || ttl < e->ttl_seconds ? ttl : e->ttl_seconds;
    }
    if (span_equal_nocase(word, SPAN_LITERAL("TXT"))) {
        read_strings(e, line);
        return;
    }
    if (has_ttl)
        line->what = "wants TXT behind a TTL";
    else if (!read_status(e, word, line))
        read_failure(e, word, line);
    skip_blanks(line);
    if (line->what == NULL && line->at < line->end)
        line->what = "something stands behind the last word";
}

static void read_line(struct file_resolver *r, struct line *line)
{
    char name[DOMAIN_MAX_BYTES + 1];
    struct span word = take_word(line);
    if (word.len == 0)
        return;
    if (word.data[word.len - 1] == '.')
        word.len--;
    if (!resolver_name_is_valid(word)) {
        line->what = "not a domain name";
        return;
    }
    resolver_name_copy(word, name);
    struct entry *e = get_entry(r, name, line);
    if (e != NULL)
        read_value(e, line);
}

static bool read_lines(struct file_resolver *r, const char *path, struct span text, char *error)
{
    unsigned number = 0;
    size_t at = 0;
    while (at < text.len) {
        size_t end = span_find_byte(text, at, '\n');
        struct line line = {text.data + at, text.data + end, NULL};
        number++;
        read_line(r, &line);
        if (line.what != NULL) {
            (void)snprintf(error, RESOLVER_ERROR_BYTES, "%s:%u: %s", path, number, line.what);
            return false;
        }
        at = end + 1;
    }
    return true;
}

static bool read_all(FILE *file, struct strbuf *text, const char *path, char *error)
{
    char part[BUFSIZ];
    size_t len;
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        if (!strbuf_append(text, (struct span){part, len}))
            break;
    bool is_good = text->error == STRBUF_ERROR_NONE && !ferror(file);
    if (!is_good)
        (void)snprintf(error, RESOLVER_ERROR_BYTES, "%s: %s", path,
                       text->error == STRBUF_ERROR_LIMIT ? "larger than 1 MiB" : strerrordesc_np(errno));
    return is_good;
}

static bool read_file(struct file_resolver *r, const char *path, char *error)
{
    struct strbuf text;
    FILE *file = regular_file_stream(path);
    if (file == NULL) {
        (void)snprintf(error, RESOLVER_ERROR_BYTES, "%s: %s", path, regular_file_why(errno));
        return false;
    }
    strbuf_init(&text, FILE_MAX_BYTES);
    bool is_good = read_all(file, &text, path, error) && read_lines(r, path, strbuf_view(&text), error);
    strbuf_clear(&text);
    fclose(file);
    return is_good;
}

static void fill_answer(struct resolver_answer *answer, const struct entry *e)
{
    answer->outcome = OUTCOME_ABSENT;
    answer->dnssec = e != NULL && e->is_secure        ? DNSSEC_STATUS_SECURE
                     : e != NULL && e->is_unvalidated ? DNSSEC_STATUS_UNKNOWN
                                                      : DNSSEC_STATUS_INSECURE;
    if (e != NULL && e->failure != ENTRY_FAILURE_NONE) {
        answer->outcome = OUTCOME_TEMPORARY;
        answer->dnssec = e->failure == ENTRY_FAILURE_BOGUS ? DNSSEC_STATUS_BOGUS : DNSSEC_STATUS_UNKNOWN;
    } else if (e != NULL && e->count > 0) {
        answer->outcome = OUTCOME_OK;
        answer->count = e->count;
        answer->ttl_seconds = e->ttl_seconds;
        for (size_t i = 0; i < e->count && i < RESOLVER_RECORDS_MAX; i++)
            answer->records[i] = (struct span){e->texts[i], e->lens[i]};
    }
}

static struct resolver_question *file_ask(struct resolver *base, const char *name, enum resolver_type type);

static const struct resolver_answer *file_wait(struct resolver_question *base, struct deadline deadline)
{
    (void)deadline; /* TIMEOUT answers at once, so that tests take no time */
    return &((struct file_question *)base)->answer;
}

static void file_question_free(struct resolver_question *base)
{
    free(base);
}

static void file_free(struct resolver *base)
{
    struct file_resolver *r = (struct file_resolver *)base;
    for (size_t i = 0; i < r->count; i++)
        entry_free(r->entries[i]);
    free(r->entries);
    free(r);
}

static const struct resolver_operations file_operations = {
    .ask = file_ask,
    .wait = file_wait,
    .question_free = file_question_free,
    .free = file_free,
};

static struct resolver_question *file_ask(struct resolver *base, const char *name, enum resolver_type type)
{
    struct file_question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->base.operations = &file_operations;
    resolver_name_copy(span_from_string(name), q->name);
    q->answer.name = q->name;
    fill_answer(&q->answer,
                type == RESOLVER_TYPE_TXT ? find_entry((struct file_resolver *)base, q->name) : NULL);
    return &q->base;
}

struct resolver *resolver_new_file(const char *path, char error[static RESOLVER_ERROR_BYTES])
{
    struct file_resolver *r = calloc(1, sizeof *r);
    (void)snprintf(error, RESOLVER_ERROR_BYTES, "out of memory");
    if (r == NULL)
        return NULL;
    r->base.operations = &file_operations;
    if (!read_file(r, path, error)) {
        file_free(&r->base);
        return NULL;
    }
    error[0] = '\0';
    return &r->base;
}
