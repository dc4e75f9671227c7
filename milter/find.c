/* SPDX-License-Identifier: BSD-2-Clause */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "complaint.h"
#include "evidence.h"
#include "result_json.h"

enum {
    MATCHES_MAX = 1000,
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
    const char *wanted;
    char address[MAILBOX_MAX_BYTES + 1]; /* wanted as results write one, "" if it is none */
    struct strbuf text;                  /* of the result at hand */
    struct match matches[MATCHES_MAX];   /* by time */
    size_t count;
    size_t folders;
    bool has_more;   /* older ones than those kept */
    bool has_missed; /* evidence that could not be read at all */
};

static bool names(const struct search *s, const struct result_envelope *r)
{
    if (s->address[0] == '\0')
        return s->wanted[0] != '\0' && (strcmp(s->wanted, r->id) == 0 || strcmp(s->wanted, r->queue_id) == 0);
    struct span address = span_from_string(s->address);
    return span_equal_nocase(address, span_from_string(r->author)) ||
           span_equal_nocase(address, span_from_string(r->sender));
}

static void clear_match(struct match *m)
{
    free(m->result);
    free(m->folder);
}

/* The same reply stands in the log and in a folder: one match. */
static bool is_known(struct search *s, const struct result_envelope *r, const char *folder)
{
    for (size_t i = 0; i < s->count; i++) {
        struct match *m = &s->matches[i];
        if (m->result->received_at != r->received_at || strcmp(m->result->id, r->id) != 0)
            continue;
        if (m->folder == NULL && folder != NULL)
            m->folder = strdup(folder);
        return true;
    }
    return false;
}

/* Puts it into its place; of too many the oldest goes. */
static bool keep(struct search *s, const struct result_envelope *r, const char *folder)
{
    if (is_known(s, r, folder))
        return true;
    struct match m = {malloc(sizeof *r), folder != NULL ? strdup(folder) : NULL};
    if (m.result == NULL || (folder != NULL && m.folder == NULL)) {
        clear_match(&m);
        return false;
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
    for (size_t i = 0; i < sizeof files / sizeof files[0] && fd < 0; i++)
        fd = openat(folder, files[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char chunk[BUFSIZ];
    ssize_t n = -1;
    strbuf_reset(&s->text);
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
        if (!strbuf_append(&s->text, (struct span){chunk, (size_t)n}))
            break;
    if (fd >= 0)
        close(fd);
    return n == 0;
}

static bool search_folder(struct search *s, int day, const char *id, const char *path)
{
    struct result_envelope result;
    bool is_id = strlen(s->wanted) == REPLY_RECORD_ID_BYTES && s->address[0] == '\0';
    if (is_id && strcmp(id, s->wanted) != 0)
        return true;
    int folder = openat(day, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool is_whole = folder >= 0 && read_result(s, folder) &&
                    result_json_read_envelope(strbuf_view(&s->text), &result) && strcmp(result.id, id) == 0;
    if (folder >= 0)
        close(folder);
    if (!is_whole) {
        complaint_print(path, "damaged: no result of this id that can be read");
        return true;
    }
    return !names(s, &result) || keep(s, &result, path);
}

/* False: out of memory, or at the limit. Takes day. */
static bool search_day(struct search *s, int day, const char *path)
{
    char folder[EVIDENCE_PATH_MAX_BYTES];
    const struct dirent *entry;
    DIR *list = fdopendir(day);
    bool ok = list != NULL;
    while (ok && (entry = readdir(list)) != NULL) {
        int len = snprintf(folder, sizeof folder, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof folder)
            continue;
        if (s->folders++ == FOLDERS_MAX) {
            complaint_print(path, "the search ends here: too many folders");
            s->has_missed = true;
            ok = false;
        } else {
            ok = search_folder(s, day, entry->d_name, folder);
        }
    }
    if (list != NULL)
        closedir(list);
    else
        close(day);
    return ok;
}

/* The folder of that number; -1, and a word on standard error if it is there but cannot be read. */
static int open_number(struct search *s, int parent, int width, int number, const char *directory)
{
    char name[16];
    (void)snprintf(name, sizeof name, "%0*d", width, number);
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0 && errno != ENOENT) {
        s->has_missed = true;
        complaint_print(directory, strerrordesc_np(errno));
    }
    return folder;
}

static bool search_month(struct search *s, int month, const char *directory, int year, int number)
{
    char path[EVIDENCE_PATH_MAX_BYTES];
    bool ok = true;
    for (int day = 31; day > 0 && ok; day--) {
        int len = snprintf(path, sizeof path, "%s/%04d/%02d/%02d", directory, year, number, day);
        int folder = open_number(s, month, 2, day, directory);
        if (folder < 0)
            continue;
        ok = len > 0 && (size_t)len < sizeof path;
        if (ok)
            ok = search_day(s, folder, path);
        else
            close(folder);
    }
    return ok;
}

/* The newest first, so that a limit leaves out the oldest. */
static bool search_directory(struct search *s, const char *directory)
{
    bool ok = true;
    int top = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0) {
        complaint_print(directory, strerrordesc_np(errno));
        s->has_missed = true;
        return true;
    }
    for (int year = YEAR_MAX; year > 0 && ok; year--) {
        int folder = open_number(s, top, 4, year, directory);
        for (int number = 12; number > 0 && folder >= 0 && ok; number--) {
            int month = open_number(s, folder, 2, number, directory);
            ok = month < 0 || search_month(s, month, directory, year, number);
            if (month >= 0)
                close(month);
        }
        if (folder >= 0)
            close(folder);
    }
    close(top);
    return ok;
}

/* The next line without its end; false at the end of the file. One that is too long comes empty. */
static bool read_line(FILE *file, struct strbuf *line)
{
    int byte = 0;
    bool fits = true;
    strbuf_reset(line);
    while ((byte = getc_unlocked(file)) != EOF && byte != '\n')
        fits = fits && strbuf_append_byte(line, (char)byte);
    if (!fits)
        strbuf_reset(line);
    return byte != EOF || line->len > 0;
}

static bool search_lines(struct search *s, FILE *file, const char *path)
{
    struct result_envelope result;
    unsigned long damaged = 0;
    bool ok = true;
    while (ok && read_line(file, &s->text)) {
        if (!result_json_read_envelope(strbuf_view(&s->text), &result))
            damaged++;
        else if (names(s, &result))
            ok = keep(s, &result, NULL);
    }
    if (damaged > 0) {
        char why[64];
        (void)snprintf(why, sizeof why, "%lu damaged lines are passed over", damaged);
        complaint_print(path, why);
    }
    if (ferror(file) != 0)
        s->has_missed = true;
    return ok;
}

static bool search_log(struct search *s, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fseeko(file, 0, SEEK_END) != 0) {
        complaint_print(path, strerrordesc_np(errno));
        s->has_missed = true;
        if (file != NULL)
            (void)fclose(file);
        return true;
    }
    off_t size = ftello(file);
    bool is_long = size > log_max_bytes;
    bool ok = fseeko(file, is_long ? size - log_max_bytes : 0, SEEK_SET) == 0;
    if (is_long) {
        complaint_print(path, "too long: only its last part is searched");
        s->has_missed = true;
        (void)read_line(file, &s->text);
    }
    ok = ok && search_lines(s, file, path);
    (void)fclose(file);
    return ok;
}

/* One word of a line: "-" for nothing, and no blank in it. */
static void print_word(const char *word, char end)
{
    struct strbuf text;
    strbuf_init(&text, EVIDENCE_PATH_MAX_BYTES);
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

static int search_all(const struct settings *settings, struct search *s)
{
    struct mailbox mailbox;
    if (mailbox_parse_address(span_from_string(s->wanted), &mailbox) == OUTCOME_OK)
        mailbox_format(&mailbox, s->address);
    bool ok = (settings->evidence_log == NULL || search_log(s, settings->evidence_log)) &&
              (settings->evidence_directory == NULL || search_directory(s, settings->evidence_directory));
    bool is_found = s->count > 0;
    print_matches(s);
    if (fflush(stdout) != 0 || (!ok && !s->has_missed))
        return EX_SOFTWARE;
    if (is_found)
        return FIND_FOUND;
    return s->has_missed ? EX_NOINPUT : FIND_NOT_FOUND;
}

int find_run(struct settings *settings, const char *wanted)
{
    int code = EX_SOFTWARE;
    struct search *s = calloc(1, sizeof *s);
    if (settings->evidence_log == NULL && settings->evidence_directory == NULL) {
        complaint_print(settings->file, "neither EvidenceDirectory nor EvidenceLog is set");
        code = EX_CONFIG;
    } else if (s != NULL) {
        s->wanted = wanted;
        strbuf_init(&s->text, RESULT_MAX_BYTES);
        code = search_all(settings, s);
        strbuf_clear(&s->text);
    }
    free(s);
    settings_unref(settings);
    return code;
}
