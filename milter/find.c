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
#include "result_json.h"
#include "utf8.h"

enum {
    MATCHES_MAX = 1000,
    WANTED_MAX_BYTES = 255,
    FOLDERS_MAX = 1000000,
    RESULT_MAX_BYTES = 2 * RESULT_JSON_MAX_BYTES,
    YEAR_MAX = 9999,
    FIND_FOUND = 0,
    FIND_NOT_FOUND = 1,
};

static const off_t log_max_bytes = (off_t)1024 * 1024 * 1024;

struct match {
    struct result_envelope *result; /* owned */
    char *folder;                   /* owned; NULL: in the log only */
};

struct search {
    char wanted[WANTED_MAX_BYTES + 1];   /* an id or a queue id */
    char address[MAILBOX_MAX_BYTES + 1]; /* or an address as results write one, "" if it is none */
    struct strbuf text;                  /* of the result at hand */
    struct match matches[MATCHES_MAX];   /* by time */
    size_t count;
    size_t folders;
    bool has_more;   /* older ones than those kept */
    bool has_missed; /* evidence that could not be read */
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

/* The same reply stands in the log and in a folder: one match. */
static struct match *find_known(struct search *s, const struct result_envelope *r)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->matches[i].result->received_at == r->received_at &&
            strcmp(s->matches[i].result->id, r->id) == 0)
            return &s->matches[i];
    return NULL;
}

/* False: out of memory. */
static bool set_folder(struct search *s, struct match *m, const char *folder)
{
    if (m->folder != NULL || folder == NULL)
        return true;
    m->folder = strdup(folder);
    return m->folder != NULL || fail_for_memory(s);
}

/* Puts it into its place; of too many the oldest goes. False: out of memory. */
static bool keep(struct search *s, const struct result_envelope *r, const char *folder)
{
    struct match *known = find_known(s, r);
    if (known != NULL)
        return set_folder(s, known, folder);
    struct match m = {malloc(sizeof *r), NULL};
    if (m.result == NULL || !set_folder(s, &m, folder)) {
        clear_match(&m);
        return fail_for_memory(s);
    }
    *m.result = *r;
    if (s->count == MATCHES_MAX) {
        s->has_more = true;
        if (r->received_at < s->matches[0].result->received_at) {
            clear_match(&m);
            return true;
        }
        clear_match(&s->matches[0]);
        memmove(&s->matches[0], &s->matches[1], --s->count * sizeof m);
    }
    size_t at = s->count;
    while (at > 0 && s->matches[at - 1].result->received_at > r->received_at)
        at--;
    memmove(&s->matches[at + 1], &s->matches[at], (s->count - at) * sizeof m);
    s->matches[at] = m;
    s->count++;
    return true;
}

/* The first of the two files that is there, whole. */
static bool read_result(struct search *s, int folder)
{
    static const char *const files[] = {"result.json", "result.jws"};
    int fd = -1;
    errno = ENOENT;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && fd < 0 && errno == ENOENT; i++)
        fd = openat(folder, files[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char chunk[BUFSIZ];
    ssize_t n = -1;
    strbuf_reset(&s->text);
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
        if (!strbuf_append(&s->text, (struct span){chunk, (size_t)n}))
            break;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return n == 0;
}

static bool search_folder(struct search *s, int day, const char *id, const char *path)
{
    struct result_envelope result;
    bool is_id = strlen(s->wanted) == REPLY_RECORD_ID_BYTES && s->address[0] == '\0';
    if (is_id && strcmp(id, s->wanted) != 0)
        return true;
    errno = 0;
    int folder = openat(day, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool is_read = folder >= 0 && read_result(s, folder);
    bool is_denied = !is_read && errno == EACCES;
    bool is_whole =
        is_read && result_json_read_envelope(strbuf_view(&s->text), &result) && strcmp(result.id, id) == 0;
    if (folder >= 0)
        close(folder);
    if (s->text.error == STRBUF_ERROR_MEMORY)
        return fail_for_memory(s);
    if (!is_whole) {
        miss(s, path, is_denied ? strerrordesc_np(EACCES) : "damaged: no result of this id that can be read");
        return true;
    }
    return !names(s, &result) || keep(s, &result, path);
}

/* False: this search must not go on. Takes day. */
static bool search_day(struct search *s, int day, const char *path)
{
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

/* A folder of evidence by its place: DIRECTORY, DIRECTORY/YYYY and so on. */
struct place {
    char path[EVIDENCE_PATH_MAX_BYTES];
    int fd;
};

/* The folder of that number; false, and a word on standard error if it is there but cannot be read. */
static bool enter(struct search *s, const struct place *parent, int width, int number, struct place *out)
{
    int len = snprintf(out->path, sizeof out->path, "%s/%0*d", parent->path, width, number);
    if (len < 0 || (size_t)len >= sizeof out->path) {
        miss(s, parent->path, strerrordesc_np(ENAMETOOLONG));
        return false;
    }
    out->fd = openat(parent->fd, out->path + strlen(parent->path) + 1,
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (out->fd < 0 && errno != ENOENT)
        miss(s, out->path, strerrordesc_np(errno));
    return out->fd >= 0;
}

static bool search_month(struct search *s, const struct place *month)
{
    struct place day;
    bool ok = true;
    for (int number = 31; number > 0 && ok; number--)
        if (enter(s, month, 2, number, &day))
            ok = search_day(s, day.fd, day.path);
    return ok;
}

static bool search_year(struct search *s, const struct place *year)
{
    struct place month;
    bool ok = true;
    for (int number = 12; number > 0 && ok; number--) {
        if (!enter(s, year, 2, number, &month))
            continue;
        ok = search_month(s, &month);
        close(month.fd);
    }
    return ok;
}

/* The newest first, so that a limit leaves out the oldest. */
static bool search_directory(struct search *s, const char *directory)
{
    struct place top, year;
    bool ok = true;
    (void)snprintf(top.path, sizeof top.path, "%s", directory);
    top.fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top.fd < 0) {
        miss(s, directory, strerrordesc_np(errno));
        return true;
    }
    for (int number = YEAR_MAX; number > 0 && ok; number--) {
        if (!enter(s, &top, 4, number, &year))
            continue;
        ok = search_year(s, &year);
        close(year.fd);
    }
    close(top.fd);
    return ok;
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
    unsigned long damaged = 0;
    bool ok = true;
    while (ok && read_line(file, &s->text)) {
        if (s->text.error == STRBUF_ERROR_MEMORY)
            ok = fail_for_memory(s);
        else if (!result_json_read_envelope(strbuf_view(&s->text), &result))
            damaged++;
        else if (names(s, &result))
            ok = keep(s, &result, NULL);
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
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    bool ok = true;
    if (file == NULL || !skip_beginning(s, file, path))
        miss(s, path, strerrordesc_np(errno));
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

static void print_matches(struct search *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct result_envelope *r = s->matches[i].result;
        char time[CLOCK_RFC3339_SIZE];
        clock_format_rfc3339(r->received_at, time);
        print_word(time, ' ');
        print_word(r->id, ' ');
        print_word(r->verdict, ' ');
        print_word(r->author, ' ');
        print_word(r->queue_id, ' ');
        print_word(s->matches[i].folder, '\n');
        clear_match(&s->matches[i]);
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
    (void)(search_logs(s, logs, count) &&
           (settings->evidence_log == NULL || search_log(s, settings->evidence_log)) &&
           (settings->evidence_directory == NULL || search_directory(s, settings->evidence_directory)));
    bool is_found = s->count > 0;
    print_matches(s);
    if (s->is_out_of_memory)
        (void)fputs("acme-milter: out of memory: not all was searched\n", stderr);
    if (fflush(stdout) != 0 || s->is_out_of_memory)
        return EX_SOFTWARE;
    if (is_found)
        return FIND_FOUND;
    return s->has_missed ? EX_NOINPUT : FIND_NOT_FOUND;
}

int find_run(struct settings *settings, const char *wanted, char *const *logs, int count)
{
    int code = EX_SOFTWARE;
    struct search *s = calloc(1, sizeof *s);
    if (count == 0 && settings->evidence_log == NULL && settings->evidence_directory == NULL) {
        complaint_print(settings->file, "neither EvidenceDirectory nor EvidenceLog is set");
        code = EX_CONFIG;
    } else if (s != NULL) {
        read_wanted(s, span_from_string(wanted));
        strbuf_init(&s->text, RESULT_MAX_BYTES);
        code = search_all(settings, s, logs, count);
        strbuf_clear(&s->text);
    }
    free(s);
    settings_unref(settings);
    return code;
}
