/* SPDX-License-Identifier: BSD-2-Clause */
#include "postfix_config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NESTING_MAX = 10, NAMES_MAX = 1000, MASTER_FIELDS = 8, FIELD_CHROOT = 4, FIELD_COMMAND = 7 };

struct setting {
    char *name;
    char *value;
    int line;
    bool is_of_service;
};

struct reading {
    struct postfix_config *config;
    struct setting settings[POSTFIX_CONFIG_SETTINGS_MAX];
    size_t count;
};

/* With the defaults of postconf(5). */
static const struct {
    const char *name;
    const char *value;
} known[] = {
    [POSTFIX_ALIAS_MAPS] = {"alias_maps", "hash:/etc/aliases"},
    [POSTFIX_CANONICAL_MAPS] = {"canonical_maps", ""},
    [POSTFIX_RECIPIENT_CANONICAL_MAPS] = {"recipient_canonical_maps", ""},
    [POSTFIX_VIRTUAL_ALIAS_MAPS] = {"virtual_alias_maps", ""},
    [POSTFIX_BODY_CHECKS] = {"body_checks", ""},
    [POSTFIX_CONTENT_FILTER] = {"content_filter", ""},
    [POSTFIX_HEADER_CHECKS] = {"header_checks", ""},
    [POSTFIX_MAIL_OWNER] = {"mail_owner", "postfix"},
    [POSTFIX_MILTER_DEFAULT_ACTION] = {"milter_default_action", "tempfail"},
    [POSTFIX_MILTER_HEADER_CHECKS] = {"milter_header_checks", ""},
    [POSTFIX_MILTER_PROTOCOL] = {"milter_protocol", "6"},
    [POSTFIX_MIME_HEADER_CHECKS] = {"mime_header_checks", "$header_checks"},
    [POSTFIX_NESTED_HEADER_CHECKS] = {"nested_header_checks", "$header_checks"},
    [POSTFIX_NON_SMTPD_MILTERS] = {"non_smtpd_milters", ""},
    [POSTFIX_QUEUE_DIRECTORY] = {"queue_directory", "/var/spool/postfix"},
    [POSTFIX_RECEIVE_OVERRIDE_OPTIONS] = {"receive_override_options", ""},
    [POSTFIX_RECIPIENT_DELIMITER] = {"recipient_delimiter", ""},
    [POSTFIX_SMTPD_MILTER_MAPS] = {"smtpd_milter_maps", ""},
    [POSTFIX_SMTPD_MILTERS] = {"smtpd_milters", ""},
    [POSTFIX_SMTPD_PROXY_FILTER] = {"smtpd_proxy_filter", ""},
};

static const struct {
    const char *name;
    enum postfix_program program;
} programs[] = {
    {"smtpd", POSTFIX_PROGRAM_SMTPD},
    {"cleanup", POSTFIX_PROGRAM_CLEANUP},
    {"postscreen", POSTFIX_PROGRAM_POSTSCREEN},
};

const char *postfix_config_name(enum postfix_setting setting)
{
    return known[setting].name;
}

static char *copy(struct span s)
{
    return strndup(s.data, s.len);
}

/* Takes a logical line and the number of its first physical one. False: out of memory, or too much of it. */
typedef bool line_taker(struct reading *r, struct span line, int number);

static bool is_comment(struct span line)
{
    struct span text = span_trim(line);
    return text.len == 0 || text.data[0] == '#';
}

FILE *postfix_config_open_file(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    bool is_good =
        fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= POSTFIX_CONFIG_FILE_MAX_BYTES;
    FILE *file = is_good ? fdopen(fd, "r") : NULL;
    if (file == NULL)
        (void)close(fd);
    return file;
}

/* Lines that begin with a blank continue the one before; comments and empty lines do not come between. */
static bool read_file(struct reading *r, const char *path, line_taker *take)
{
    FILE *file = postfix_config_open_file(path);
    struct strbuf logical;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int number = 0, first = 0;
    bool ok = file != NULL;
    strbuf_init(&logical, POSTFIX_CONFIG_LINE_MAX_BYTES);
    while (ok && (len = getline(&line, &room, file)) >= 0 && ++number < POSTFIX_CONFIG_LINES_MAX) {
        struct span piece = {line, (size_t)len};
        if (is_comment(piece))
            continue;
        if (!byte_is_space(line[0])) {
            ok = logical.len == 0 || take(r, strbuf_view(&logical), first);
            strbuf_reset(&logical);
            first = number;
        }
        ok = ok && strbuf_append(&logical, piece);
    }
    ok = ok && (logical.len == 0 || take(r, strbuf_view(&logical), first));
    strbuf_clear(&logical);
    free(line);
    if (file != NULL)
        (void)fclose(file);
    return ok;
}

static bool add_setting(struct reading *r, struct span name, struct span value, int line, bool is_of_service)
{
    if (r->count == POSTFIX_CONFIG_SETTINGS_MAX)
        return false;
    struct setting *s = &r->settings[r->count++];
    *s = (struct setting){copy(name), copy(value), line, is_of_service};
    return s->name != NULL && s->value != NULL;
}

static bool add_defaults(struct reading *r)
{
    bool ok = add_setting(r, SPAN_LITERAL("compatibility_level"), SPAN_LITERAL("0"), 0, false);
    for (size_t i = 0; i < POSTFIX_SETTING_END; i++)
        ok =
            ok && add_setting(r, span_from_string(known[i].name), span_from_string(known[i].value), 0, false);
    return ok;
}

static bool take_setting(struct reading *r, struct span line, int number)
{
    size_t equals = span_find_byte(line, 0, '=');
    return add_setting(r, span_trim(span_slice(line, 0, equals)),
                       span_trim(span_slice(line, equals + 1, line.len)), number, false);
}

/* The last one of that name counts. */
static const struct setting *find(const struct reading *r, struct span name)
{
    for (size_t i = r->count; i > 0; i--)
        if (span_equal(span_from_string(r->settings[i - 1].name), name))
            return &r->settings[i - 1];
    return NULL;
}

/* The name behind a '$' at the start of s, with or without braces; *taken: what of s it takes up. */
static struct span name_at(struct span s, size_t *taken)
{
    bool is_wrapped = s.len > 1 && (s.data[1] == '{' || s.data[1] == '(');
    size_t from = is_wrapped ? 2 : 1;
    size_t to = from;
    while (to < s.len && (byte_is_alnum(s.data[to]) || s.data[to] == '_'))
        to++;
    size_t end = is_wrapped ? span_find_byte(s, to, s.data[1] == '{' ? '}' : ')') + 1 : to;
    *taken = end < s.len ? end : s.len;
    return span_slice(s, from, to);
}

/* What stands before the cursor of a value whose $names are being replaced. */
struct level {
    struct span text;
    size_t at;
};

static bool append_expanded(const struct reading *r, struct span text, struct strbuf *out)
{
    struct level levels[NESTING_MAX] = {{text, 0}};
    size_t depth = 1, names = 0;
    while (depth > 0) {
        struct level *l = &levels[depth - 1];
        size_t dollar = span_find_byte(l->text, l->at, '$');
        if (!strbuf_append(out, span_slice(l->text, l->at, dollar)))
            return false;
        l->at = dollar;
        if (dollar >= l->text.len) {
            depth--;
            continue;
        }
        size_t taken;
        struct span name = name_at(span_slice(l->text, dollar, l->text.len), &taken);
        l->at += taken;
        const struct setting *s = find(r, name);
        if (s != NULL && (depth == NESTING_MAX || ++names > NAMES_MAX))
            return false;
        if (s != NULL)
            levels[depth++] = (struct level){span_from_string(s->value), 0};
    }
    return true;
}

static char *expand(const struct reading *r, struct span text)
{
    struct strbuf out;
    strbuf_init(&out, POSTFIX_CONFIG_LINE_MAX_BYTES);
    bool ok = append_expanded(r, text, &out) && strbuf_append_string(&out, "");
    char *result = ok ? strdup(strbuf_string(&out)) : NULL;
    strbuf_clear(&out);
    return result;
}

static char *value_of(const struct reading *r, const char *name)
{
    const struct setting *s = find(r, span_from_string(name));
    return expand(r, span_from_string(s != NULL ? s->value : ""));
}

/* Behind the brace that closes the one at from, or the end. */
static size_t skip_braces(struct span s, size_t from)
{
    int depth = 0;
    size_t at = from;
    while (at < s.len) {
        depth += (s.data[at] == '{') - (s.data[at] == '}');
        at++;
        if (depth == 0)
            break;
    }
    return at;
}

bool postfix_config_next_word(struct span *rest, bool is_list, struct span *word)
{
    struct span s = *rest;
    size_t from = 0;
    while (from < s.len && (byte_is_space(s.data[from]) || (is_list && s.data[from] == ',')))
        from++;
    size_t to = from;
    bool is_braced = from < s.len && s.data[from] == '{';
    while (to < s.len && !byte_is_space(s.data[to]) && !(is_list && s.data[to] == ',') &&
           !(is_braced && to > from))
        to = s.data[to] == '{' ? skip_braces(s, to) : to + 1;
    *word = span_slice(s, from, to);
    if (is_braced)
        *word = span_trim(span_slice(*word, 1, word->data[word->len - 1] == '}' ? word->len - 1 : word->len));
    *rest = span_slice(s, to, s.len);
    return from < s.len;
}

/* The arguments of a service: each -o NAME=VALUE goes before what main.cf says. */
static bool add_options(struct reading *r, struct span arguments, int line)
{
    struct span word;
    bool is_option = false, ok = true;
    while (ok && postfix_config_next_word(&arguments, false, &word)) {
        if (!is_option && word.len > 2 && span_equal(span_slice(word, 0, 2), SPAN_LITERAL("-o"))) {
            is_option = true;
            word = span_slice(word, 2, word.len);
        }
        size_t equals = span_find_byte(word, 0, '=');
        if (is_option)
            ok = add_setting(r, span_trim(span_slice(word, 0, equals)),
                             span_trim(span_slice(word, equals + 1, word.len)), line, true);
        is_option = !is_option && span_equal(word, SPAN_LITERAL("-o"));
    }
    return ok;
}

/* Frees those that came after there were count. */
static void forget_settings(struct reading *r, size_t count)
{
    while (r->count > count) {
        r->count--;
        free(r->settings[r->count].name);
        free(r->settings[r->count].value);
    }
}

static bool take_values(const struct reading *r, struct postfix_value values[static POSTFIX_SETTING_END])
{
    bool ok = true;
    for (size_t i = 0; i < POSTFIX_SETTING_END; i++) {
        const struct setting *s = find(r, span_from_string(known[i].name));
        values[i] = (struct postfix_value){expand(r, span_from_string(s->value)), s->line, s->is_of_service};
        ok = ok && values[i].text != NULL;
    }
    return ok;
}

/* "-" is "n" since Postfix 3.0, unless main.cf asks for the old defaults. */
static bool is_chrooted(const struct reading *r, struct span field)
{
    if (!span_equal(field, SPAN_LITERAL("-")))
        return span_equal(field, SPAN_LITERAL("y"));
    char *level = value_of(r, "compatibility_level");
    bool is_old = level != NULL && strtol(level, NULL, 10) < 1;
    free(level);
    return is_old;
}

static enum postfix_program program_of(struct span command)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (span_equal(command, span_from_string(programs[i].name)))
            return programs[i].program;
    return POSTFIX_PROGRAM_OTHER;
}

static bool take_service(struct reading *r, struct span line, int number)
{
    struct postfix_config *c = r->config;
    struct span fields[MASTER_FIELDS];
    for (int i = 0; i < MASTER_FIELDS; i++)
        if (!postfix_config_next_word(&line, false, &fields[i]))
            return true;
    enum postfix_program program = program_of(fields[FIELD_COMMAND]);
    if (program == POSTFIX_PROGRAM_OTHER)
        return true;
    if (c->service_count == POSTFIX_CONFIG_SERVICES_MAX)
        return false;
    struct postfix_service *service = &c->services[c->service_count++];
    size_t count_of_main = r->count;
    service->program = program;
    service->line = number;
    service->name = copy(fields[0]);
    service->type = copy(fields[1]);
    service->is_chrooted = is_chrooted(r, fields[FIELD_CHROOT]);
    bool ok = add_options(r, line, number) && take_values(r, service->values);
    forget_settings(r, count_of_main);
    return ok && service->name != NULL && service->type != NULL;
}

static bool read_both(struct reading *r, const char *folder)
{
    struct postfix_config *c = r->config;
    (void)snprintf(c->main_file, sizeof c->main_file, "%s/main.cf", folder);
    (void)snprintf(c->master_file, sizeof c->master_file, "%s/master.cf", folder);
    return add_defaults(r) && read_file(r, c->main_file, take_setting) && take_values(r, c->values) &&
           read_file(r, c->master_file, take_service);
}

struct postfix_config *postfix_config_read(const char *folder)
{
    struct reading *r = calloc(1, sizeof *r);
    struct postfix_config *c = calloc(1, sizeof *c);
    bool ok = r != NULL && c != NULL;
    if (ok) {
        r->config = c;
        ok = read_both(r, folder);
        forget_settings(r, 0);
    }
    free(r);
    if (ok)
        return c;
    postfix_config_free(c);
    return NULL;
}

static void free_values(struct postfix_value values[static POSTFIX_SETTING_END])
{
    for (size_t i = 0; i < POSTFIX_SETTING_END; i++)
        free(values[i].text);
}

void postfix_config_free(struct postfix_config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->service_count; i++) {
        free(c->services[i].name);
        free(c->services[i].type);
        free_values(c->services[i].values);
    }
    free_values(c->values);
    free(c);
}
