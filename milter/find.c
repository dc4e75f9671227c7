/* SPDX-License-Identifier: BSD-2-Clause */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "complaint.h"
#include "evidence.h"
#include "record.h"
#include "regular_file.h"
#include "utf8.h"

enum {
    MATCHES_MAX = 1000,
    WANTED_MAX_BYTES = 255,
    FOLDERS_MAX = 1000000,
    RESULT_MAX_BYTES = 2 * RESULT_JSON_MAX_BYTES,
    FIND_FOUND = 0,
    FIND_NOT_FOUND = 1,
};

static const off_t log_max_bytes = (off_t)1024 * 1024 * 1024;

struct match {
    struct result_envelope *result; /* owned */
    char *folder;                   /* owned; NULL: in the log only */
    unsigned number;                /* of the posting: 2 in ID.2; 0: in the log only */
    struct result_answer answer;    /* all empty: not known */
};

/* What was read: of a line of a log folder is NULL. */
struct found {
    const struct result_envelope *result;
    const char *folder;
    unsigned number;
    struct result_answer answer;
};

struct search {
    char wanted[WANTED_MAX_BYTES + 1];   /* an id or a queue id */
    char address[MAILBOX_MAX_BYTES + 1]; /* or an address as results write one, "" if it is none */
    const struct crypto_verifying_key *key;
    struct strbuf text;                /* of the result at hand */
    struct match matches[MATCHES_MAX]; /* by time */
    size_t count;
    size_t folders;
    bool has_more;   /* older ones than those kept */
    bool has_missed; /* evidence that could not be read */
    bool has_forged; /* what was asked for, and is not signed by the key */
    bool has_unchecked;
    bool is_out_of_memory;
};

/* Evidence that is there and was not searched. */
static void miss(struct search *s, const char *path, const char *why)
{
    s->has_missed = true;
    complaint_print(path, why);
}

static bool fail_for_memory(struct search *s)
{
    s->is_out_of_memory = true;
    return false;
}

/*
 * As people paste it: an address with a name and angle brackets as mail programs show one, a queue id with
 * the colon that it has in logs.
 */
static void read_wanted(struct search *s, struct span text)
{
    struct mailbox mailbox;
    const char *why;
    text = span_trim(text);
    if (mailbox_parse_address(text, &mailbox) == OUTCOME_OK ||
        mailbox_parse_author(text, &mailbox, &why) == OUTCOME_OK)
        mailbox_format(&mailbox, s->address);
    if (text.len > 0 && text.data[text.len - 1] == ':')
        text.len--;
    if (text.len <= WANTED_MAX_BYTES) /* nothing has a longer name */
        memcpy(s->wanted, text.data, text.len);
}

/* An envelope sender stands as it came: its domain may be in Unicode. */
static bool is_sender(const struct search *s, struct span sender)
{
    struct mailbox mailbox;
    char address[MAILBOX_MAX_BYTES + 1];
    if (utf8_skip_printable(sender, 0) == sender.len || mailbox_parse_address(sender, &mailbox) != OUTCOME_OK)
        return span_equal_nocase(span_from_string(s->address), sender);
    mailbox_format(&mailbox, address);
    return span_equal_nocase(span_from_string(s->address), span_from_string(address));
}

static bool names(const struct search *s, const struct result_envelope *r)
{
    if (s->address[0] == '\0')
        return s->wanted[0] != '\0' && (strcmp(s->wanted, r->id) == 0 || strcmp(s->wanted, r->queue_id) == 0);
    return span_equal_nocase(span_from_string(s->address), span_from_string(r->author)) ||
           is_sender(s, span_from_string(r->sender));
}

static void clear_match(struct match *m)
{
    free(m->result);
    free(m->folder);
}

/* Whether both are of one posting: an id may have many, several of them in one second. */
static bool is_same(const struct result_envelope *a, const struct result_envelope *b)
{
    return a->received_at == b->received_at && strcmp(a->id, b->id) == 0 &&
           strcmp(a->queue_id, b->queue_id) == 0 && strcmp(a->message_sha256, b->message_sha256) == 0;
}

/* The match of the same posting from the other place, or from a log that was read before. */
static struct match *find_known(struct search *s, const struct found *f)
{
    for (size_t i = 0; i < s->count; i++)
        if (is_same(s->matches[i].result, f->result) && (f->folder == NULL || s->matches[i].folder == NULL))
            return &s->matches[i];
    return NULL;
}

/* False: out of memory. */
static bool set_folder(struct search *s, struct match *m, const struct found *f)
{
    if (f->folder == NULL)
        return true;
    m->folder = strdup(f->folder);
    m->number = f->number;
    m->answer = f->answer;
    return m->folder != NULL || fail_for_memory(s);
}

/* Puts it into its place; of too many the oldest goes. False: out of memory. */
static bool keep(struct search *s, const struct found *f)
{
    struct match *known = find_known(s, f);
    if (known != NULL)
        return set_folder(s, known, f);
    struct match m = {.result = malloc(sizeof *m.result)};
    if (m.result == NULL || !set_folder(s, &m, f)) {
        clear_match(&m);
        return fail_for_memory(s);
    }
    *m.result = *f->result;
    if (s->count == MATCHES_MAX) {
        s->has_more = true;
        if (m.result->received_at < s->matches[0].result->received_at) {
            clear_match(&m);
            return true;
        }
        clear_match(&s->matches[0]);
        memmove(&s->matches[0], &s->matches[1], --s->count * sizeof m);
    }
    size_t at = s->count;
    while (at > 0 && s->matches[at - 1].result->received_at > m.result->received_at)
        at--;
    memmove(&s->matches[at + 1], &s->matches[at], (s->count - at) * sizeof m);
    s->matches[at] = m;
    s->count++;
    return true;
}

/* False: out of memory. */
static bool take_result(struct search *s, enum record_result result, const struct found *f, const char *place,
                        const char *why)
{
    if (!names(s, f->result))
        return true;
    if (result == RECORD_RESULT_FORGED) {
        s->has_forged = true;
        complaint_print(place, why);
        return true;
    }
    s->has_unchecked = s->has_unchecked || result == RECORD_RESULT_UNCHECKED;
    return keep(s, f);
}

/* False: out of memory. Closes folder. */
static bool read_folder(struct search *s, int folder, struct span id, unsigned number, const char *path)
{
    struct result_envelope result;
    struct found f = {.result = &result, .folder = path, .number = number};
    const char *why;
    enum record_result got = record_read_result(folder, s->key, &s->text, &result, &why);
    if (got == RECORD_RESULT_NONE || !record_read_answer(folder, &f.answer))
        memset(&f.answer, 0, sizeof f.answer);
    close(folder);
    if (s->text.error == STRBUF_ERROR_MEMORY)
        return fail_for_memory(s);
    if (got != RECORD_RESULT_NONE && !span_equal(span_from_string(result.id), id)) {
        got = RECORD_RESULT_NONE;
        why = "damaged: its result has another id";
    }
    if (got == RECORD_RESULT_NONE) {
        miss(s, path, why);
        return true;
    }
    return take_result(s, got, &f, path, why);
}

static bool search_folder(struct search *s, int day, const char *name, const char *path)
{
    struct span id;
    unsigned number;
    bool is_id = strlen(s->wanted) == REPLY_RECORD_ID_BYTES && s->address[0] == '\0';
    bool is_name = evidence_folder_read_name(name, &id, &number);
    if (is_id && is_name && !span_equal(id, span_from_string(s->wanted)))
        return true;
    int folder = is_name ? openat(day, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (folder >= 0)
        return read_folder(s, folder, id, number, path);
    miss(s, path, is_name && errno == EACCES ? strerrordesc_np(EACCES) : "damaged: not a folder of a reply");
    return true;
}

/* The newest day comes first, so that a limit leaves out the oldest. */
static bool search_day(void *context, int day, const char *path)
{
    struct search *s = context;
    char folder[EVIDENCE_PATH_MAX_BYTES];
    const struct dirent *entry = NULL;
    DIR *list = fdopendir(day);
    bool ok = list != NULL || fail_for_memory(s);
    while (ok && (errno = 0, entry = readdir(list)) != NULL) {
        int len = snprintf(folder, sizeof folder, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof folder)
            continue;
        if (s->folders++ == FOLDERS_MAX) {
            miss(s, path, "the search ends here: too many folders");
            ok = false;
        } else {
            ok = search_folder(s, day, entry->d_name, folder);
        }
    }
    if (ok && errno != 0)
        miss(s, path, strerrordesc_np(errno));
    if (list != NULL)
        closedir(list);
    else
        close(day);
    return ok;
}

static void miss_place(void *context, const char *path, const char *why)
{
    miss(context, path, why);
}

static void search_directory(struct search *s, const char *directory)
{
    const struct evidence_walk walk = {.take_day = search_day, .tell_missed = miss_place, .context = s};
    evidence_walk(directory, &walk);
}

/* The next line without its end; false at the end of the file. One that is too long comes empty. */
static bool read_line(FILE *file, struct strbuf *line)
{
    int byte = 0;
    bool has_bytes = false, fits = true;
    strbuf_reset(line);
    while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
        has_bytes = true;
        fits = fits && strbuf_append_byte(line, (char)byte);
    }
    if (!fits && line->error != STRBUF_ERROR_MEMORY)
        strbuf_reset(line);
    return byte != EOF || has_bytes;
}

static bool search_lines(struct search *s, FILE *file, const char *path)
{
    struct result_envelope result;
    const struct found f = {.result = &result};
    unsigned long damaged = 0;
    bool ok = true;
    while (ok && read_line(file, &s->text)) {
        if (s->text.error == STRBUF_ERROR_MEMORY)
            ok = fail_for_memory(s);
        else if (!result_json_read_envelope(strbuf_view(&s->text), &result))
            damaged++;
        else if (names(s, &result))
            ok = take_result(s, record_judge_text(strbuf_view(&s->text), s->key, &result), &f, path,
                             "a line of this reply is not signed by this key");
    }
    if (ferror(file) != 0)
        miss(s, path, strerrordesc_np(errno));
    if (damaged > 0) {
        char why[64];
        (void)snprintf(why, sizeof why, "%lu damaged lines are passed over", damaged);
        miss(s, path, why);
    }
    return ok;
}

/* Goes to what of a long file is searched. What is no file, such as a pipe, is read as it comes. */
static bool skip_beginning(struct search *s, FILE *file, const char *path)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode) || status.st_size <= log_max_bytes)
        return true;
    if (fseeko(file, status.st_size - log_max_bytes, SEEK_SET) != 0)
        return false;
    miss(s, path, "too long: only its last part is searched");
    (void)read_line(file, &s->text);
    return true;
}

static bool search_log(struct search *s, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : regular_file_stream(path);
    bool ok = true;
    if (file == NULL || !skip_beginning(s, file, path))
        miss(s, path, regular_file_why(errno));
    else
        ok = search_lines(s, file, path);
    if (file != NULL && !is_stdin)
        (void)fclose(file); /* it was only read */
    return ok;
}

/* One word of a line: "-" for nothing, and no blank in it. */
static void print_word(const char *word, char end)
{
    struct strbuf text;
    strbuf_init(&text, 4 * EVIDENCE_PATH_MAX_BYTES);
    for (const char *p = word; p != NULL && *p != '\0'; p++)
        (void)(*p == ' ' ? strbuf_append_string(&text, "\\x20")
                         : strbuf_append_escaped(&text, (struct span){p, 1}));
    (void)printf("%s%c", text.len > 0 ? strbuf_string(&text) : "-", end);
    strbuf_clear(&text);
}

/* In time, and those of one second as they were recorded. */
static int compare(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->result->received_at != y->result->received_at)
        return x->result->received_at < y->result->received_at ? -1 : 1;
    int by_id = strcmp(x->result->id, y->result->id);
    return by_id != 0 ? by_id : (x->number > y->number) - (x->number < y->number);
}

static void print_matches(struct search *s)
{
    qsort(s->matches, s->count, sizeof s->matches[0], compare);
    for (size_t i = 0; i < s->count; i++) {
        struct match *m = &s->matches[i];
        char time[CLOCK_RFC3339_SIZE];
        clock_format_rfc3339(m->result->received_at, time);
        print_word(time, ' ');
        print_word(m->result->id, ' ');
        print_word(m->result->verdict, ' ');
        print_word(m->result->author, ' ');
        print_word(m->result->queue_id, ' ');
        print_word(m->folder, ' ');
        print_word(m->answer.outcome, ' ');
        print_word(m->answer.answered_at, '\n');
        clear_match(m);
    }
    if (s->has_more)
        (void)fprintf(stderr, "acme-milter: there are older ones; these are the last %d\n", MATCHES_MAX);
}

static bool search_logs(struct search *s, char *const *logs, int count)
{
    bool ok = true;
    for (int i = 0; i < count && ok; i++)
        ok = search_log(s, logs[i]);
    return ok;
}

static int search_all(const struct settings *settings, struct search *s, char *const *logs, int count)
{
    /* One after the other until memory is out, or too many were read. */
    if (search_logs(s, logs, count) &&
        (settings->evidence_log == NULL || search_log(s, settings->evidence_log)) &&
        settings->evidence_directory != NULL)
        search_directory(s, settings->evidence_directory);
    bool is_found = s->count > 0;
    print_matches(s);
    if (s->has_unchecked)
        record_tell_unchecked("--find");
    if (s->is_out_of_memory)
        (void)fputs("acme-milter: out of memory: not all was searched\n", stderr);
    if (fflush(stdout) != 0 || s->is_out_of_memory)
        return EX_SOFTWARE;
    if (is_found && !s->has_forged)
        return FIND_FOUND;
    return s->has_missed || s->has_forged ? EX_NOINPUT : FIND_NOT_FOUND;
}

int find_run(struct settings *settings, const char *wanted, const char *key_file, char *const *logs,
             int count)
{
    int code = EX_SOFTWARE;
    struct crypto_verifying_key *key = NULL;
    struct search *s = calloc(1, sizeof *s);
    if (count == 0 && settings->evidence_log == NULL && settings->evidence_directory == NULL) {
        complaint_print(settings->file, "neither EvidenceDirectory nor EvidenceLog is set");
        code = EX_CONFIG;
    } else if (!record_load_key(key_file, &key)) {
        code = EX_NOINPUT;
    } else if (s != NULL) {
        s->key = key;
        read_wanted(s, span_from_string(wanted));
        strbuf_init(&s->text, RESULT_MAX_BYTES);
        code = search_all(settings, s, logs, count);
        strbuf_clear(&s->text);
    }
    crypto_verifying_key_free(key);
    free(s);
    settings_unref(settings);
    return code;
}
