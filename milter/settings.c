/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regular_file.h"
#include "settings_internal.h"
#include "utf8.h"

enum { OPTIONS_MAX = 64, HOST_NAME_BYTES = 256, MEMORY_LEAST_BYTES = 1024 * 1024 };

struct counted_settings {
    struct settings settings; /* first, so that either pointer is the other */
    atomic_uint references;
};

/* The reading of one file. */
struct reading {
    const char *path;
    int line;
    struct settings *settings;
    int seen_at[OPTIONS_MAX]; /* the line of each option's row; 0: not there */
    struct strbuf *error;
};

static bool fail_at(struct reading *r, int line, const char *keyword, const char *why)
{
    strbuf_reset(r->error);
    (void)strbuf_append_format(r->error, "%s:%d: %s: %s", r->path, line, keyword, why);
    return false;
}

static bool fail(struct reading *r, const char *keyword, const char *why)
{
    return fail_at(r, r->line, keyword, why);
}

static const struct settings_option *find_option(struct span keyword)
{
    for (const struct settings_option *o = settings_options; o->keyword != NULL; o++)
        if (span_equal_nocase(span_from_string(o->keyword), keyword))
            return o;
    return NULL;
}

static bool set_option(struct reading *r, const struct settings_option *o, struct span value)
{
    char why[SETTINGS_WHY_BYTES] = "";
    if (o->read(o, r->settings, value, why))
        return true;
    return fail(r, o->keyword, why);
}

/* For a reload comes after the daemon has left its folder. A link stays one: it may lead elsewhere by then.
 */
static char *make_absolute(const char *path)
{
    char *absolute = NULL;
    char *here = path[0] != '/' ? getcwd(NULL, 0) : NULL;
    if (here == NULL)
        return strdup(path);
    if (asprintf(&absolute, "%s/%s", here, path) < 0)
        absolute = NULL;
    free(here);
    return absolute;
}

static bool set_defaults(struct reading *r)
{
    for (const struct settings_option *o = settings_options; o->keyword != NULL; o++)
        if (o->default_value != NULL && !set_option(r, o, span_from_string(o->default_value)))
            return false;
    char host[HOST_NAME_BYTES];
    if (gethostname(host, sizeof host) != 0)
        (void)snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    const struct settings_option *name = find_option(SPAN_LITERAL("AuthservID"));
    char why[SETTINGS_WHY_BYTES];
    bool has_name = name->read(name, r->settings, span_from_string(host), why) ||
                    name->read(name, r->settings, SPAN_LITERAL("localhost"), why);
    r->settings->file = make_absolute(r->path);
    return has_name && r->settings->file != NULL;
}

/* A '#' begins a comment at the line's start or behind a blank: addresses and paths may hold one. */
static struct span strip_comment(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '#' && (i == 0 || byte_is_blank(line.data[i - 1])))
            return span_slice(line, 0, i);
    return line;
}

/* A terminal that -n prints to may take bytes of 8 bits for controls too, alone or as a code point. */
static bool is_high_control(uint32_t code)
{
    return code >= 0x80 && code < 0xa0;
}

static bool has_controls(struct span line)
{
    uint32_t code;
    for (size_t i = 0; i < line.len;) {
        size_t len = utf8_decode(line, i, &code);
        if ((byte_is_control(line.data[i]) && line.data[i] != '\t') ||
            is_high_control(len > 0 ? code : (unsigned char)line.data[i]))
            return true;
        i += len > 0 ? len : 1;
    }
    return false;
}

static bool read_line(struct reading *r, struct span line)
{
    line = span_trim(line);
    if (has_controls(line))
        return fail(r, "line", "control characters are not allowed");
    line = span_trim(strip_comment(line));
    if (line.len == 0)
        return true;
    size_t end = 0;
    while (end < line.len && !byte_is_blank(line.data[end]))
        end++;
    char keyword[64];
    span_copy_escaped(span_slice(line, 0, end), keyword, sizeof keyword);
    const struct settings_option *o = find_option(span_slice(line, 0, end));
    if (o == NULL)
        return fail(r, keyword, "unknown keyword");
    if (!o->is_repeatable && r->seen_at[o - settings_options] != 0)
        return fail(r, o->keyword, "given twice");
    r->seen_at[o - settings_options] = r->line;
    struct span value = span_trim(span_slice(line, end, line.len));
    if (value.len == 0)
        return fail(r, o->keyword, "a value is needed");
    return set_option(r, o, value);
}

/* The next line, cut at one byte more than it may have; its length, 0 at the end. */
static size_t take_line(FILE *file, char line[static SETTINGS_LINE_MAX_BYTES + 1])
{
    size_t len = 0;
    int byte;
    while (len <= SETTINGS_LINE_MAX_BYTES && (byte = getc(file)) != EOF) {
        line[len++] = (char)byte;
        if (byte == '\n')
            break;
    }
    return len;
}

/* A file that ends early for want of memory, or goes on for ever, must not pass for a whole one. */
static bool read_lines(struct reading *r, FILE *file)
{
    char line[SETTINGS_LINE_MAX_BYTES + 1];
    size_t len;
    bool ok = true;
    while (ok && (len = take_line(file, line)) > 0) {
        r->line++;
        if (r->line > SETTINGS_LINES_MAX || len > SETTINGS_LINE_MAX_BYTES)
            ok = fail(r, "line", "line or file too long");
        else
            ok = read_line(r, (struct span){line, len});
    }
    return ok && (!ferror(file) || fail(r, "line", "cannot read"));
}

/* The line that is to blame for a setting. */
static int line_of(const struct reading *r, const char *keyword)
{
    int line = r->seen_at[find_option(span_from_string(keyword)) - settings_options];
    return line != 0 ? line : r->line;
}

/*
 * What EndpointFormat needs of the rest. A secret is looked at only where it can be read: a configuration is
 * also checked by people who may not, and on machines that do not have it.
 */
static bool check_format(struct reading *r)
{
    const struct settings *s = r->settings;
    const struct post_format_needs *needs = post_format_needs((enum post_format)s->endpoint_format);
    int line = line_of(r, "EndpointFormat");
    char why[ENDPOINT_ERROR_BYTES];
    if (needs->is_secret_needed && s->endpoint_token_file == NULL)
        return fail_at(r, line, "EndpointFormat",
                       "this format needs EndpointTokenFile, the secret shared with the ACME server");
    if (needs->is_secret_needed &&
        endpoint_token_check(s->endpoint_token_file, needs->secret_min_bytes, why) == OUTCOME_BROKEN_INPUT)
        return fail_at(r, line_of(r, "EndpointTokenFile"), "EndpointTokenFile", why);
    if (needs->is_whole_mail && s->max_message_size > POST_FORMAT_MAIL_MAX_BYTES)
        return fail_at(r, line_of(r, "MaxMessageSize"), "MaxMessageSize",
                       "this EndpointFormat takes mails of at most 2047k");
    return true;
}

bool settings_endpoint_is_none(const struct settings *s, size_t endpoint)
{
    return span_equal_nocase(span_from_string(s->endpoints[endpoint]), SPAN_LITERAL(SETTINGS_ENDPOINT_NONE));
}

/* As many whole replies as may be judged at once, each with as much again in reserve, and as many that still
 * come in. */
static int64_t default_memory(const struct settings *s)
{
    int64_t memory = 4 * s->max_concurrent_replies * s->max_message_size;
    return memory > MEMORY_LEAST_BYTES ? memory : MEMORY_LEAST_BYTES;
}

/* What hangs together across lines. */
static bool check_whole(struct reading *r)
{
    struct settings *s = r->settings;
    if (s->max_memory == 0)
        s->max_memory = default_memory(s);
    if (s->challenge_count == 0)
        return fail(r, "ChallengeAddress", "at least one is needed");
    if ((s->endpoint_certificate_file == NULL) != (s->endpoint_key_file == NULL))
        return fail(r, "EndpointCertificateFile", "EndpointCertificateFile and EndpointKeyFile go together");
    for (size_t i = 0; i < s->challenge_count; i++)
        if (settings_endpoint_is_none(s, s->challenges[i].endpoint) &&
            s->disposition != SETTINGS_DISPOSITION_DELIVER)
            return fail_at(r, line_of(r, "Endpoint"), "Endpoint",
                           "none needs Disposition deliver: else nobody would see the replies");
    if (s->max_memory < 4 * s->max_message_size)
        return fail_at(r, line_of(r, "MaxMemory"), "MaxMemory",
                       "at least four times MaxMessageSize is needed");
    return check_format(r);
}

/* The settings as they are for one address, on which only describe_judgement may look. */
static void specialise(struct settings *s, const struct settings_challenge *c)
{
    if (c->policy != 0)
        s->policy = c->policy;
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++)
        if (c->on_finding[i] != SEVERITY_UNSET)
            s->on_finding[i] = c->on_finding[i];
}

/* What a verdict depends on, for the record of it. */
static char *describe_judgement(const struct settings *s)
{
    struct strbuf text;
    strbuf_init(&text, SETTINGS_TEXT_MAX_BYTES);
    for (const struct settings_option *o = settings_options; o->keyword != NULL; o++)
        if (o->is_judgement && !o->print(o, s, &text))
            break;
    return strbuf_take(&text);
}

static bool finish_challenges(struct settings *s)
{
    struct settings *special = malloc(sizeof *special);
    bool ok = special != NULL;
    for (size_t i = 0; i < s->challenge_count && ok; i++) {
        struct settings_challenge *c = &s->challenges[i];
        *special = *s;
        specialise(special, c);
        finding_policy_init(&c->finding_policy, (enum policy)special->policy);
        for (int id = FINDING_NONE + 1; id < FINDING_END; id++)
            if (special->on_finding[id] != SEVERITY_UNSET)
                (void)finding_policy_override(&c->finding_policy, (enum finding_id)id,
                                              special->on_finding[id]);
        c->judgement = describe_judgement(special);
        ok = c->judgement != NULL;
    }
    free(special);
    return ok;
}

/* Takes file, NULL if it could not be opened. */
static struct settings *read_settings(const char *path, FILE *file, struct strbuf *error)
{
    int cause = errno;
    struct counted_settings *counted = calloc(1, sizeof *counted);
    struct reading r = {
        .path = path, .settings = counted != NULL ? &counted->settings : NULL, .error = error};
    bool ok = counted != NULL;
    if (ok && file == NULL) {
        char why[SETTINGS_WHY_BYTES];
        (void)snprintf(why, sizeof why, "cannot open: %s", regular_file_why(cause));
        ok = fail(&r, "file", why);
    }
    if (counted != NULL)
        counted->references = 1;
    ok = ok && set_defaults(&r) && read_lines(&r, file) && check_whole(&r) && finish_challenges(r.settings);
    if (file != NULL)
        fclose(file);
    if (ok)
        return r.settings;
    settings_unref(r.settings);
    return NULL;
}

struct settings *settings_load(const char *path, struct strbuf *error)
{
    return read_settings(path, regular_file_stream(path), error);
}

struct settings *settings_load_text(const char *name, const char *text, struct strbuf *error)
{
    union {
        const char *read;
        char *given;
    } bytes = {.read = text};
    return read_settings(name, fmemopen(bytes.given, strlen(text), "r"), error);
}

struct settings *settings_ref(struct settings *s)
{
    ((struct counted_settings *)s)->references++;
    return s;
}

static void free_texts(struct settings *s)
{
    char *const texts[] = {
        s->file,
        s->socket,
        s->socket_group,
        s->user_id,
        s->pid_file,
        s->endpoint_peer_user,
        s->endpoint_token_file,
        s->endpoint_ca_file,
        s->endpoint_certificate_file,
        s->endpoint_key_file,
        s->authserv_id,
        s->trust_anchor_file,
        s->weak_key_file,
        s->evidence_key_file,
        s->evidence_directory,
        s->evidence_log,
        s->metrics_file,
        s->test_dns_data,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
}

void settings_unref(struct settings *s)
{
    if (s == NULL || --((struct counted_settings *)s)->references > 0)
        return;
    free_texts(s);
    for (size_t i = 0; i < s->challenge_count; i++)
        free(s->challenges[i].judgement);
    for (size_t i = 0; i < s->endpoint_count; i++)
        free(s->endpoints[i]);
    for (size_t i = 0; i < s->nameserver_count; i++)
        free(s->nameservers[i]);
    free(s);
}

bool settings_print(const struct settings *s, struct strbuf *out)
{
    for (const struct settings_option *o = settings_options; o->keyword != NULL; o++)
        if (!o->print(o, s, out))
            return false;
    return true;
}

/* 3 for the address itself, 2 for a subaddress of it, 1 for any of its domain, 0 for none of these. */
static int rank_local(const struct settings *s, struct span own, struct span local)
{
    char folded[RECIPIENT_FOLDED_MAX_BYTES], own_folded[RECIPIENT_FOLDED_MAX_BYTES];
    size_t len = recipient_fold_local(local, folded);
    size_t own_len = recipient_fold_local(own, own_folded);
    if (own.len == 0)
        return 1;
    if (own_len == 0 || len < own_len || memcmp(folded, own_folded, own_len) != 0)
        return 0;
    if (len == own_len)
        return 3;
    return memchr(s->subaddress_delimiters, folded[own_len], strlen(s->subaddress_delimiters)) != NULL ? 2
                                                                                                       : 0;
}

const struct settings_challenge *settings_find_challenge(const struct settings *s,
                                                         const struct mailbox *recipient)
{
    struct span local = span_from_string(recipient->local);
    const struct settings_challenge *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < s->challenge_count; i++) {
        const struct settings_challenge *c = &s->challenges[i];
        struct span own = span_from_string(c->address.local);
        bool is_of_host = !domain_is_set(&recipient->domain) && own.len > 0;
        if (!is_of_host && !domain_equal(&c->address.domain, &recipient->domain))
            continue;
        int rank = rank_local(s, own, local);
        if (rank > best_rank) {
            best = c;
            best_rank = rank;
        }
    }
    return best;
}
