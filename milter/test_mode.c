/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_mode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "complaint.h"
#include "explain.h"
#include "mail_file.h"
#include "regular_file.h"

enum { FILE_MAX_BYTES = 64 * 1024 * 1024, CHUNK_BYTES = 65536, ALL_PASS = 0, ANY_REJECT = 1 };

static bool read_stream(FILE *file, struct strbuf *out)
{
    char chunk[CHUNK_BYTES];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (!strbuf_append(out, (struct span){chunk, got}))
            return false;
    return ferror(file) == 0;
}

/* A file of a record; a mail of its own may be a pipe. */
static bool read_record_file(const char *path, struct strbuf *out)
{
    bool ok = regular_file_read(regular_file_open(AT_FDCWD, path, O_NOFOLLOW), out);
    if (!ok)
        complaint_print(path, regular_file_why(errno));
    return ok;
}

static bool read_mail_file(const char *path, struct strbuf *out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    bool ok = file != NULL && read_stream(file, out);
    if (!ok)
        complaint_print(path, out->error == STRBUF_ERROR_LIMIT ? "too large to be read whole"
                              : errno == EISDIR ? "a folder (one of the evidence goes with --replay)"
                                                : strerrordesc_np(errno));
    if (file != NULL && !is_stdin)
        fclose(file);
    return ok;
}

/* What programs that keep mails in files write before the header, and no MTA sends. */
static struct span skip_file_marks(const char *path, struct span mail)
{
    const struct span mark = SPAN_LITERAL("\xef\xbb\xbf"), mailbox = SPAN_LITERAL("From ");
    if (span_equal(span_slice(mail, 0, mark.len), mark)) {
        complaint_print(path, "skipped the byte order mark that it begins with");
        mail = span_slice(mail, mark.len, mail.len);
    }
    /* "From :" is a header field, of a form that is out of use. */
    size_t end = span_find_byte(mail, 0, '\n');
    struct span rest = span_trim(span_slice(mail, mailbox.len, end));
    if (!span_equal(span_slice(mail, 0, mailbox.len), mailbox) || rest.len == 0 || rest.data[0] == ':')
        return mail;
    complaint_print(path, "skipped the line \"From ...\" of a mailbox file that it begins with");
    return span_slice(mail, end + 1, mail.len);
}

/* Whether the lines of a file end in LF alone: as its first one does. */
static bool has_bare_lines(struct span mail)
{
    size_t end = span_find_byte(mail, 0, '\n');
    return end < mail.len && (end == 0 || mail.data[end - 1] != '\r');
}

/* LF files are what an MTA would have received with CRLF. */
static bool to_crlf(struct span mail, struct strbuf *out)
{
    if (!has_bare_lines(mail))
        return strbuf_append(out, mail);
    for (size_t from = 0; from < mail.len;) {
        size_t end = span_find_byte(mail, from, '\n');
        if (!strbuf_append(out, span_slice(mail, from, end)) ||
            (end < mail.len && !strbuf_append(out, SPAN_LITERAL("\r\n"))))
            return false;
        from = end + 1;
    }
    return true;
}

static int exit_code_of(const struct session *s, const struct session_outcome *o)
{
    if (session_verdict(s) == VERDICT_REJECT || o->action == SESSION_ACTION_REJECT)
        return ANY_REJECT;
    if (session_verdict(s) != VERDICT_PASS || o->action == SESSION_ACTION_TEMPFAIL)
        return EX_TEMPFAIL;
    return ALL_PASS;
}

/* Of a record that comes to another verdict now nobody can tell what its sender was told then. */
static bool has_recorded_verdict(const struct session *s, const struct result_envelope *wanted)
{
    const char *verdict = name_table_name(verdict_names, (int)session_verdict(s));
    return wanted != NULL && verdict != NULL && strcmp(verdict, wanted->verdict) == 0;
}

static bool print_explanation(const struct session *s, const struct session_outcome *outcome,
                              const struct test_mode_options *options, const char *path)
{
    struct strbuf text;
    bool is_as_then = has_recorded_verdict(s, options->wanted);
    const struct explain_options how = {
        .title = path,
        .has_colour = options->has_colour,
        .is_record = options->is_record && is_as_then,
        .recorded = is_as_then ? options->recorded : NULL,
    };
    strbuf_init(&text, EXPLAIN_MAX_BYTES);
    bool ok = explain_append(s, outcome, &how, &text) && fputs(strbuf_string(&text), stdout) >= 0 &&
              fflush(stdout) == 0;
    strbuf_clear(&text);
    return ok;
}

/* Whether the mail still comes to what its record says of it; tells each difference. */
static bool is_as_recorded(const struct session *s, const struct result_envelope *wanted)
{
    struct result_envelope got;
    struct span result = span_from_string(session_result(s));
    if (!result_json_read_envelope(result, &got))
        memset(&got, 0, sizeof got);
    const struct {
        const char *name, *got, *wanted;
    } rows[] = {
        {"verdict", got.verdict, wanted->verdict},
        {"id", got.id, wanted->id},
        {"from", got.author, wanted->author},
        {"tokenPart1", got.token, wanted->token},
        {"digest", got.digest, wanted->digest},
        {"messageSha256", got.message_sha256, wanted->message_sha256},
    };
    bool is_same = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].wanted[0] == '\0' || strcmp(rows[i].got, rows[i].wanted) == 0)
            continue;
        struct strbuf text;
        strbuf_init(&text, 4 * MAILBOX_MAX_BYTES);
        (void)strbuf_append_format(&text, "the recorded %s is %s", rows[i].name, rows[i].wanted);
        complaint_print_text("acme-milter: ", strbuf_string(&text));
        strbuf_clear(&text);
        is_same = false;
    }
    return is_same;
}

static int fail_to_write(void)
{
    complaint_print("standard output", errno != 0 ? strerrordesc_np(errno) : "cannot be written");
    return EX_SOFTWARE;
}

/* The mail of a record came from an MTA; a file may never have met one. */
static void tell_of_mta(const char *path, const char *what)
{
    struct strbuf text;
    strbuf_init(&text, SETTINGS_LINE_MAX_BYTES);
    (void)strbuf_append_format(&text, "-t judges the bytes of the file; behind an MTA: %s", what);
    complaint_print(path, strbuf_string(&text));
    strbuf_clear(&text);
}

static int judge_mail(struct session *s, struct runtime *runtime, const struct test_mode_options *options,
                      const char *recipient, const char *path, struct span mail)
{
    struct session_outcome outcome;
    session_connect(s, NULL, options->client_address);
    session_begin(s, runtime_ref(runtime), options->sender);
    session_recipient(s, &(struct session_path){.written = recipient});
    session_data(s);
    if (session_interest(s) == SESSION_INTEREST_NOT_OURS) {
        complaint_print(recipient, "not a challenge address");
        return EX_USAGE;
    }
    mail_file_feed(s, mail);
    session_judge(s, NULL, NULL, &outcome);
    if (!options->explains && !options->is_record && explain_mta_text(s) != NULL)
        tell_of_mta(path, explain_mta_text(s));
    if (options->explains && !print_explanation(s, &outcome, options, path))
        return fail_to_write();
    if (!options->explains && session_result(s) != NULL &&
        (printf("%s\n", session_result(s)) < 0 || fflush(stdout) != 0))
        return fail_to_write();
    if (session_verdict(s) == VERDICT_PASS && outcome.code != 0)
        (void)fprintf(stderr, "acme-milter: the ACME server's answer: %d %s %s\n", outcome.code,
                      outcome.enhanced, outcome.text);
    if (options->wanted != NULL && !is_as_recorded(s, options->wanted))
        return ANY_REJECT;
    return exit_code_of(s, &outcome);
}

static int judge_file(struct runtime *runtime, const struct test_mode_options *options, const char *recipient,
                      const char *path)
{
    struct strbuf raw, mail;
    int code = EX_NOINPUT;
    strbuf_init(&raw, FILE_MAX_BYTES);
    strbuf_init(&mail, 2 * (size_t)FILE_MAX_BYTES);
    struct session *s = session_new();
    if (s == NULL)
        code = EX_SOFTWARE;
    else if ((options->is_record ? read_record_file : read_mail_file)(path, &raw))
        /* The evidence has no such marks: what stands there is the mail. */
        code =
            to_crlf(options->is_record ? strbuf_view(&raw) : skip_file_marks(path, strbuf_view(&raw)), &mail)
                ? judge_mail(s, runtime, options, recipient, path, strbuf_view(&mail))
                : EX_SOFTWARE;
    session_free(s);
    strbuf_clear(&raw);
    strbuf_clear(&mail);
    return code;
}

/* What the run as a whole ends with: an unusable file or call first, then a reject, then a temporary error.
 */
static int worse(int a, int b)
{
    static const int order[] = {EX_SOFTWARE, EX_USAGE, EX_NOINPUT, ANY_REJECT, EX_TEMPFAIL};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return ALL_PASS;
}

/* A whole domain's address needs a local part to be a recipient. */
static void first_challenge(const struct settings *settings, char out[static MAILBOX_MAX_BYTES + 1])
{
    struct mailbox first = settings->challenges[0].address;
    if (first.local[0] == '\0')
        (void)snprintf(first.local, sizeof first.local, "acme");
    mailbox_format(&first, out);
}

int test_mode_run(struct settings *settings, const struct test_mode_options *options, char *const *files,
                  int count)
{
    struct strbuf error;
    char recipient[MAILBOX_MAX_BYTES + 1];
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    first_challenge(settings, recipient);
    if (options->explains)
        log_set_level(LOG_LEVEL_WARNING);
    if (options->dns_file != NULL && access(options->dns_file, R_OK) != 0) {
        complaint_print(options->dns_file, strerrordesc_np(errno));
        settings_unref(settings);
        return EX_NOINPUT;
    }
    struct runtime *runtime =
        runtime_new(settings, options->does_post ? RUNTIME_PURPOSE_POST : RUNTIME_PURPOSE_JUDGE,
                    options->dns_file, NULL, &error);
    if (runtime == NULL) {
        complaint_print_text("acme-milter: ", strbuf_string(&error));
        strbuf_clear(&error);
        return EX_CONFIG;
    }
    int code = ALL_PASS;
    for (int i = 0; i < count; i++)
        code = worse(code, judge_file(runtime, options,
                                      options->recipient != NULL ? options->recipient : recipient, files[i]));
    runtime_unref(runtime);
    strbuf_clear(&error);
    return code;
}
