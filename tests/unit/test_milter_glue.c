/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our callbacks as libmilter calls them, with each allocation failing once: a reply is then what it was or
 * put off, and in shadow mode it is let through as it is. In the place of libmilter stand the functions
 * below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <libmilter/mfapi.h>

#include "milter_glue.h"
#include "starve.h"
#include "tap.h"

enum { STEPS_MAX = 20000, PATH_BYTES = 4096, FILE_MAX_BYTES = 64 * 1024, ERROR_BYTES = 4096 };

static struct smfiDesc callbacks;
static void *private_data;
static int edits;

/* --- libmilter: other names in C, as its own belong to it */

int fake_register(struct smfiDesc description) __asm__("smfi_register");
void *fake_getpriv(SMFICTX *ctx) __asm__("smfi_getpriv");
int fake_setpriv(SMFICTX *ctx, void *data) __asm__("smfi_setpriv");
char *fake_getsymval(SMFICTX *ctx, char *name) __asm__("smfi_getsymval");
int fake_setsymlist(SMFICTX *ctx, int stage, char *macros) __asm__("smfi_setsymlist");
int fake_setreply(SMFICTX *ctx, char *code, char *enhanced, char *text) __asm__("smfi_setreply");
int fake_progress(SMFICTX *ctx) __asm__("smfi_progress");
int fake_chgheader(SMFICTX *ctx, char *name, int index, char *value) __asm__("smfi_chgheader");
int fake_insheader(SMFICTX *ctx, int index, char *name, char *value) __asm__("smfi_insheader");
int fake_delrcpt(SMFICTX *ctx, char *recipient) __asm__("smfi_delrcpt");
int fake_setconn(char *address) __asm__("smfi_setconn");
int fake_setbacklog(int backlog) __asm__("smfi_setbacklog");
int fake_settimeout(int seconds) __asm__("smfi_settimeout");
int fake_opensocket(int replaces) __asm__("smfi_opensocket");
int fake_main(void) __asm__("smfi_main");
int fake_version(unsigned *major, unsigned *minor, unsigned *patch) __asm__("smfi_version");

int fake_register(struct smfiDesc description)
{
    callbacks = description;
    return MI_SUCCESS;
}

void *fake_getpriv(SMFICTX *ctx)
{
    (void)ctx;
    return private_data;
}

int fake_setpriv(SMFICTX *ctx, void *data)
{
    (void)ctx;
    private_data = data;
    return MI_SUCCESS;
}

char *fake_getsymval(SMFICTX *ctx, char *name)
{
    static char queue_id[] = "4XTEST";
    (void)ctx;
    return strcmp(name, "i") == 0 ? queue_id : NULL;
}

int fake_setsymlist(SMFICTX *ctx, int stage, char *macros)
{
    (void)ctx;
    (void)stage;
    (void)macros;
    return MI_SUCCESS;
}

int fake_setreply(SMFICTX *ctx, char *code, char *enhanced, char *text)
{
    (void)ctx;
    (void)code;
    (void)enhanced;
    (void)text;
    return MI_SUCCESS;
}

int fake_progress(SMFICTX *ctx)
{
    (void)ctx;
    return MI_SUCCESS;
}

int fake_chgheader(SMFICTX *ctx, char *name, int index, char *value)
{
    (void)ctx;
    (void)name;
    (void)index;
    (void)value;
    edits++;
    return MI_SUCCESS;
}

int fake_insheader(SMFICTX *ctx, int index, char *name, char *value)
{
    return fake_chgheader(ctx, name, index, value);
}

int fake_delrcpt(SMFICTX *ctx, char *recipient)
{
    return fake_chgheader(ctx, recipient, 0, NULL);
}

int fake_setconn(char *address)
{
    (void)address;
    return MI_SUCCESS;
}

int fake_setbacklog(int backlog)
{
    (void)backlog;
    return MI_SUCCESS;
}

int fake_settimeout(int seconds)
{
    (void)seconds;
    return MI_SUCCESS;
}

int fake_opensocket(int replaces)
{
    (void)replaces;
    return MI_SUCCESS;
}

int fake_main(void)
{
    return MI_SUCCESS;
}

int fake_version(unsigned *major, unsigned *minor, unsigned *patch)
{
    *major = *minor = *patch = 0;
    return MI_SUCCESS;
}

/* --- a mail */

static bool goes_on(sfsistat status)
{
    return status == SMFIS_CONTINUE || status == SMFIS_NOREPLY;
}

/* Name and value end with a NUL each then; a fold stays as LF and blank. */
static sfsistat pass_fields(SMFICTX *ctx, char *header)
{
    sfsistat status = SMFIS_CONTINUE;
    while (*header != '\0' && goes_on(status)) {
        char *end = header;
        do
            end = strchr(end + 1, '\n');
        while (end != NULL && (end[1] == ' ' || end[1] == '\t'));
        if (end != NULL)
            *end = '\0';
        char *colon = strchr(header, ':');
        if (colon == NULL)
            break;
        *colon = '\0';
        status = callbacks.xxfi_header(ctx, header, colon + 1);
        header = end != NULL ? end + 1 : colon + 1 + strlen(colon + 1);
    }
    return status;
}

/* Everything up to the last answer. header and body are written to. */
static sfsistat talk(SMFICTX *ctx, char *header, char *body, size_t body_len)
{
    unsigned long out[4];
    char host[] = "mail.example.com", sender[] = "<alice@example.com>", recipient[] = "<acme@ca.example>";
    char *from[] = {sender, NULL}, *to[] = {recipient, NULL};
    sfsistat status = callbacks.xxfi_negotiate(ctx, SMFI_CURR_ACTS, SMFI_CURR_PROT, 0, 0, &out[0], &out[1],
                                               &out[2], &out[3]);
    if (goes_on(status))
        status = callbacks.xxfi_connect(ctx, host, NULL);
    if (goes_on(status))
        status = callbacks.xxfi_helo(ctx, host);
    if (goes_on(status))
        status = callbacks.xxfi_envfrom(ctx, from);
    if (goes_on(status))
        status = callbacks.xxfi_envrcpt(ctx, to);
    if (goes_on(status))
        status = callbacks.xxfi_data(ctx);
    if (goes_on(status))
        status = pass_fields(ctx, header);
    if (goes_on(status))
        status = callbacks.xxfi_eoh(ctx);
    if (goes_on(status))
        status = callbacks.xxfi_body(ctx, (unsigned char *)body, body_len);
    return goes_on(status) ? callbacks.xxfi_eom(ctx) : status;
}

struct mail {
    char header[FILE_MAX_BYTES];
    char body[FILE_MAX_BYTES];
    size_t body_len;
};

static sfsistat deliver(const struct mail *mail, long step, bool *is_starved)
{
    static struct mail copy;
    static char context;
    SMFICTX *ctx = (SMFICTX *)(void *)&context;
    copy = *mail;
    edits = 0;
    starve_begin(step);
    sfsistat status = talk(ctx, copy.header, copy.body, copy.body_len);
    *is_starved = !starve_end() && step >= 0;
    (void)callbacks.xxfi_abort(ctx);
    (void)callbacks.xxfi_close(ctx);
    return status;
}

static bool case_path(const char *file, char path[static PATH_BYTES])
{
    const char *source = getenv("TEST_SRCDIR");
    int len = snprintf(path, PATH_BYTES, "%s/tests/data/cases/A01-baseline/%s", source != NULL ? source : ".",
                       file);
    return len > 0 && len < PATH_BYTES;
}

/* The header with LF, as libmilter hands it on; the body as it is. */
static bool read_mail(struct mail *mail)
{
    static char data[FILE_MAX_BYTES];
    char path[PATH_BYTES];
    FILE *file = case_path("message.eml", path) ? fopen(path, "rb") : NULL;
    size_t len = file != NULL ? fread(data, 1, sizeof data - 1, file) : 0;
    char *end = strstr(data, "\r\n\r\n");
    if (file != NULL)
        fclose(file);
    if (end == NULL)
        return false;
    size_t at = 0;
    for (const char *p = data; p < end + 2; p++)
        if (*p != '\r')
            mail->header[at++] = *p;
    mail->body_len = len - (size_t)(end + 4 - data);
    memcpy(mail->body, end + 4, mail->body_len);
    return true;
}

static struct runtime *make_runtime(const char *mode)
{
    char path[PATH_BYTES], text[1024];
    struct strbuf error;
    strbuf_init(&error, ERROR_BYTES);
    (void)snprintf(text, sizeof text,
                   "ChallengeAddress acme@ca.example\nAuthservID mx\nTestTime 1795496400\nMode %s\n", mode);
    struct settings *settings = settings_load_text("settings", text, &error);
    struct runtime *runtime = NULL;
    if (settings != NULL && case_path("dns.txt", path))
        runtime = runtime_new(settings, RUNTIME_PURPOSE_JUDGE, path, NULL, &error);
    if (runtime == NULL)
        tap_note("%s", strbuf_string(&error));
    strbuf_clear(&error);
    return runtime;
}

/* want: what becomes of the mail; instead: what may, where an allocation fails. */
static void starve(const struct mail *mail, const char *mode, sfsistat want, sfsistat instead)
{
    bool is_starved = false;
    int wrong = 0, others = 0, step = 0;
    struct runtime *runtime = make_runtime(mode);
    if (runtime == NULL) {
        tap_ok(false, "Mode %s", mode);
        return;
    }
    milter_glue_replace_runtime(runtime);
    sfsistat got = deliver(mail, -1, &is_starved);
    tap_is_int(got, want, "without a failure");
    do {
        got = deliver(mail, step, &is_starved);
        others += got != want;
        if ((got != want && got != instead) || edits != 0)
            tap_note("step %d: status %d, %d edits, wrong %d", step, (int)got, edits, ++wrong);
    } while (is_starved && ++step < STEPS_MAX);
    tap_ok(wrong == 0 && step > 100 && step < STEPS_MAX && (others > 0) == (instead != want),
           "Mode %s: %d steps starved, %d otherwise, %d wrong", mode, step, others, wrong);
}

int main(void)
{
    static struct mail mail;
    char why[MILTER_GLUE_WHY_BYTES];
    json_set_alloc_funcs(malloc, free);
    log_set_level(LOG_LEVEL_ERROR);
    if (!tap_ok(read_mail(&mail) && milter_glue_listen("unix:/nonexistent", false, why), "a mail, and ears"))
        return tap_done();
    starve(&mail, "enforce", SMFIS_DISCARD, SMFIS_TEMPFAIL);
    starve(&mail, "shadow", SMFIS_ACCEPT, SMFIS_ACCEPT);
    milter_glue_replace_runtime(NULL);
    return tap_done();
}
