/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter_glue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "session.h"

enum {
    IDLE_TIMEOUT_SECONDS = 3600,
    LISTEN_BACKLOG = 128,
    ADDRESS_BYTES = 512,
};

/* libmilter gives no argument of ours to its first callback. */
static struct {
    pthread_mutex_t lock;
    struct runtime *runtime;
    bool has_told_of_blanks;
    struct milter_glue_waker waker; /* set before libmilter has threads */
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct connection {
    struct session *session;
    unsigned long steps; /* as negotiated */
};

static const unsigned long no_reply_steps = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |
                                            SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;
static const unsigned long other_steps = SMFIP_NOUNKNOWN | SMFIP_HDR_LEADSPC;
enum {
    NEEDED_ACTIONS = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_DELRCPT,
    WANTED_ACTIONS = NEEDED_ACTIONS | SMFIF_SETSYMLIST,
};

/*
 * Before version 4 an MTA has no step DATA, and a mail for others is left at its first field. libmilter
 * offers "no reply" for these too, but then it never says that we left.
 */
static unsigned long choose_steps(unsigned long offered)
{
    bool has_data = (offered & SMFIP_NODATA) != 0;
    return offered & (has_data ? no_reply_steps | other_steps : other_steps);
}

struct runtime *milter_glue_runtime(void)
{
    pthread_mutex_lock(&current.lock);
    struct runtime *runtime = runtime_ref(current.runtime);
    pthread_mutex_unlock(&current.lock);
    return runtime;
}

void milter_glue_replace_runtime(struct runtime *runtime)
{
    pthread_mutex_lock(&current.lock);
    struct runtime *old = current.runtime;
    current.runtime = runtime;
    pthread_mutex_unlock(&current.lock);
    runtime_unref(old);
}

static const char *macro(SMFICTX *ctx, const char *name)
{
    char copy[32];
    (void)snprintf(copy, sizeof copy, "%s", name);
    return smfi_getsymval(ctx, copy);
}

/* From now on, what this callback logs is of the mail under way: the thread may have served another before.
 */
static void name_mail(SMFICTX *ctx)
{
    log_set_prefix(macro(ctx, "i"));
}

static void on_wait(void)
{
    if (current.waker.wake != NULL)
        current.waker.wake(current.waker.context);
}

/* The connection's own data, made on first use. NULL: out of memory. */
static struct connection *connection_of(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    log_set_prefix(NULL);
    if (c != NULL)
        return c;
    c = calloc(1, sizeof *c);
    if (c != NULL)
        c->session = session_new();
    if (c == NULL || c->session == NULL || smfi_setpriv(ctx, c) != MI_SUCCESS) {
        if (c != NULL)
            session_free(c->session);
        free(c);
        return NULL;
    }
    session_on_wait(c->session, on_wait);
    return c;
}

/* Without memory for it, or without a mail: the MTA has it tried again, or, in shadow mode, does without us.
 */
static sfsistat without_session(void)
{
    struct runtime *runtime = milter_glue_runtime();
    bool is_shadow = runtime->settings->mode == SETTINGS_MODE_SHADOW;
    runtime_unref(runtime);
    return is_shadow ? SMFIS_ACCEPT : SMFIS_TEMPFAIL;
}

static sfsistat go_on(const struct connection *c, unsigned long no_reply_step)
{
    return (c->steps & no_reply_step) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* Once a process: an MTA without SMFIP_HDR_LEADSPC will be the same for the next mail. */
static void tell_of_blanks(void)
{
    static const char lost[] =
        "signatures with c=simple over a field with a tab, a line break or nothing after its colon";
    static const char cure[] = "milter_protocol = 6 in main.cf";
    pthread_mutex_lock(&current.lock);
    bool is_news = !current.has_told_of_blanks;
    current.has_told_of_blanks = true;
    pthread_mutex_unlock(&current.lock);
    if (is_news)
        log_write_event(LOG_LEVEL_WARNING, "mta",
                        (const char *const[]){"reason", "leading-blanks", "lost", lost, "cure", cure, NULL});
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1, unsigned long *pf2,
                             unsigned long *pf3)
{
    (void)f2;
    (void)f3;
    struct connection *c = connection_of(ctx);
    /* Without memory the steps are those that a connection made later believes in: none. */
    *pf1 = c != NULL ? choose_steps(f1) : 0;
    if (c != NULL) {
        c->steps = *pf1;
        session_allow_edits(c->session, (f0 & NEEDED_ACTIONS) == NEEDED_ACTIONS);
    }
    if ((f1 & SMFIP_HDR_LEADSPC) == 0)
        tell_of_blanks();
    *pf0 = f0 & WANTED_ACTIONS;
    *pf2 = 0;
    *pf3 = 0;
    if ((f0 & SMFIF_SETSYMLIST) != 0) {
        /* An empty list is not to be had; an undefined name makes the MTA send none. */
        char nothing[] = "{acme_milter_nothing}";
        char at_data[] = "i {tls_version}";
        char at_rcpt[] = "{rcpt_addr} {rcpt_mailer}";
        char at_end[] = "i {tls_version} {daemon_addr} {if_addr}"; /* of replies alone */
        for (int stage = SMFIM_CONNECT; stage < SMFIM_ENVRCPT; stage++)
            (void)smfi_setsymlist(ctx, stage, nothing);
        (void)smfi_setsymlist(ctx, SMFIM_ENVRCPT, at_rcpt);
        (void)smfi_setsymlist(ctx, SMFIM_DATA, at_data);
        (void)smfi_setsymlist(ctx, SMFIM_EOM, at_end);
    }
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, struct sockaddr *address)
{
    struct connection *c = connection_of(ctx);
    char text[INET6_ADDRSTRLEN] = "";
    if (c == NULL)
        return without_session();
    if (address != NULL && address->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)address)->sin_addr, text, sizeof text);
    else if (address != NULL && address->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)address)->sin6_addr, text, sizeof text);
    session_connect(c->session, name, text[0] != '\0' ? text : NULL);
    return go_on(c, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *helo)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return without_session();
    session_helo(c->session, helo);
    return go_on(c, SMFIP_NR_HELO);
}

static sfsistat on_envelope_from(SMFICTX *ctx, char **argv)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return without_session();
    session_begin(c->session, milter_glue_runtime(), argv[0]);
    return go_on(c, SMFIP_NR_MAIL);
}

static sfsistat on_envelope_recipient(SMFICTX *ctx, char **argv)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return without_session();
    session_recipient(
        c->session, &(struct session_path){argv[0], macro(ctx, "{rcpt_addr}"), macro(ctx, "{rcpt_mailer}")});
    return go_on(c, SMFIP_NR_RCPT);
}

/* An SMTP answer of ours. To Sendmail it is a format, and Postfix takes it so too: % goes out twice. */
static sfsistat answer(SMFICTX *ctx, struct session_outcome *o, sfsistat status)
{
    char code[16];
    char text[2 * SESSION_TEXT_MAX_BYTES + 1]; /* smfi_setreply takes 980 */
    size_t len = 0;
    (void)snprintf(code, sizeof code, "%03d", o->code);
    for (const char *p = o->text; *p != '\0'; p++) {
        text[len++] = byte_is_control(*p) || (unsigned char)*p > 0x7e ? '?' : *p;
        if (*p == '%')
            text[len++] = '%';
    }
    text[len] = '\0';
    if (smfi_setreply(ctx, code, o->enhanced, text) != MI_SUCCESS)
        log_write(LOG_LEVEL_ERROR, "internal reason=smfi_setreply code=%d", o->code);
    return status;
}

/* Of a mail that nobody judges. The MTA knows then what becomes of it, and tells no more of it. */
static sfsistat dismiss(SMFICTX *ctx, struct connection *c)
{
    struct session_outcome outcome = {.action = SESSION_ACTION_ACCEPT};
    enum session_interest interest = session_interest(c->session);
    if (interest == SESSION_INTEREST_NO_MAIL) {
        log_write(LOG_LEVEL_WARNING, "put-off reason=order");
        return without_session();
    }
    if (interest == SESSION_INTEREST_NOT_OURS)
        log_write(LOG_LEVEL_DEBUG, "pass-through");
    else
        session_put_off(c->session, &outcome);
    session_reset(c->session);
    return outcome.action == SESSION_ACTION_ACCEPT ? SMFIS_ACCEPT : answer(ctx, &outcome, SMFIS_TEMPFAIL);
}

/* SMFIS_CONTINUE: the mail is for us. An MTA without the step DATA has its envelope end with whatever
 * follows; one that waits for no answer to this step hears at the end. */
static sfsistat decide(SMFICTX *ctx, struct connection *c, unsigned long no_reply_step)
{
    if (session_interest(c->session) == SESSION_INTEREST_UNDECIDED)
        session_data(c->session);
    if (session_interest(c->session) == SESSION_INTEREST_OURS)
        return SMFIS_CONTINUE;
    if ((c->steps & no_reply_step) != 0)
        return SMFIS_NOREPLY;
    name_mail(ctx);
    return dismiss(ctx, c);
}

static sfsistat on_data(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    if (c == NULL)
        return without_session();
    session_data(c->session);
    return decide(ctx, c, 0);
}

/* Without SMFIP_HDR_LEADSPC the MTA has taken one blank away. */
static void pass_header(struct connection *c, const char *name, const char *value)
{
    struct span body = span_from_string(value);
    if ((c->steps & SMFIP_HDR_LEADSPC) != 0) {
        session_header(c->session, span_from_string(name), body);
        return;
    }
    struct strbuf text;
    strbuf_init(&text, body.len + 1);
    if (strbuf_append_byte(&text, ' ') && strbuf_append(&text, body))
        session_header(c->session, span_from_string(name), strbuf_view(&text));
    else
        session_header_defect(c->session, MESSAGE_DEFECT_CONTROL, span_from_string(name));
    strbuf_clear(&text);
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct connection *c = connection_of(ctx);
    sfsistat status = c != NULL ? decide(ctx, c, SMFIP_NR_HDR) : without_session();
    if (status != SMFIS_CONTINUE)
        return status;
    pass_header(c, name, value);
    return go_on(c, SMFIP_NR_HDR);
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    sfsistat status = c != NULL ? decide(ctx, c, SMFIP_NR_EOH) : without_session();
    if (status != SMFIS_CONTINUE)
        return status;
    name_mail(ctx);
    session_end_of_header(c->session);
    return go_on(c, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    struct connection *c = connection_of(ctx);
    sfsistat status = c != NULL ? decide(ctx, c, SMFIP_NR_BODY) : without_session();
    if (status != SMFIS_CONTINUE)
        return status;
    name_mail(ctx);
    (void)session_body(c->session, (struct span){(const char *)data, len});
    return go_on(c, SMFIP_NR_BODY);
}

static void on_progress(void *context)
{
    (void)smfi_progress(context);
}

/* The MTA knows it by one of its names; of one that it does not know it says nothing. */
static bool remove_recipient(SMFICTX *ctx, const char *name)
{
    char *copy = strdup(name);
    bool ok = copy != NULL && smfi_delrcpt(ctx, copy) == MI_SUCCESS;
    free(copy);
    return ok;
}

/* The edits of an accepted mail; false if the MTA does not take one. */
static bool edit(SMFICTX *ctx, const struct connection *c, const struct session_outcome *o)
{
    char field[] = "Authentication-Results";
    bool ok = true;
    for (size_t i = o->forged_field_count; i > 0 && ok; i--)
        ok = smfi_chgheader(ctx, field, (int)o->forged_fields[i - 1], NULL) == MI_SUCCESS;
    if (ok && o->authentication_results != NULL) {
        struct strbuf text;
        strbuf_init(&text, strlen(o->authentication_results) + 1);
        (void)strbuf_append_string(&text, (c->steps & SMFIP_HDR_LEADSPC) != 0 ? " " : "");
        (void)strbuf_append_string(&text, o->authentication_results);
        ok = text.error == STRBUF_ERROR_NONE && smfi_insheader(ctx, 0, field, text.data) == MI_SUCCESS;
        strbuf_clear(&text);
    }
    struct session_path path;
    for (size_t i = 0;
         ok && o->drops_challenge_recipients && session_challenge_recipient(c->session, i, &path); i++)
        ok = remove_recipient(ctx, path.written) &&
             (path.resolved == NULL || remove_recipient(ctx, path.resolved));
    return ok;
}

static sfsistat conclude(SMFICTX *ctx, struct connection *c, struct session_outcome *o)
{
    switch (o->action) {
    case SESSION_ACTION_REJECT:
        return answer(ctx, o, SMFIS_REJECT);
    case SESSION_ACTION_DISCARD:
        return SMFIS_DISCARD;
    case SESSION_ACTION_ACCEPT:
        if (edit(ctx, c, o))
            return SMFIS_ACCEPT;
        log_write(LOG_LEVEL_ERROR, "internal reason=edit");
        return SMFIS_TEMPFAIL;
    case SESSION_ACTION_TEMPFAIL:
        break;
    }
    return answer(ctx, o, SMFIS_TEMPFAIL);
}

static sfsistat on_end_of_message(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    sfsistat status = c != NULL ? decide(ctx, c, 0) : without_session();
    if (status != SMFIS_CONTINUE)
        return status;
    struct session_outcome outcome;
    name_mail(ctx);
    session_describe(c->session, macro(ctx, "i"), macro(ctx, "{tls_version}"));
    /* Postfix tells the first. Sendmail tells the second, and by the first where it listens. */
    const char *if_addr = macro(ctx, "{if_addr}");
    session_describe_mta(c->session, if_addr != NULL ? if_addr : macro(ctx, "{daemon_addr}"));
    session_judge(c->session, on_progress, ctx, &outcome);
    status = conclude(ctx, c, &outcome);
    session_reset(c->session);
    return status;
}

static sfsistat on_abort(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL) {
        session_reset(c->session);
    }
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL) {
        session_free(c->session);
        free(c);
        (void)smfi_setpriv(ctx, NULL);
    }
    return SMFIS_CONTINUE;
}

static bool register_callbacks(void)
{
    struct smfiDesc callbacks = {
        .xxfi_name = (char[]){"acme-milter"},
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = WANTED_ACTIONS,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_envelope_from,
        .xxfi_envrcpt = on_envelope_recipient,
        .xxfi_header = on_header,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end_of_message,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_data = on_data,
        .xxfi_negotiate = on_negotiate,
    };
    return smfi_register(callbacks) == MI_SUCCESS;
}

static bool fail_to_listen(char *why, const char *address)
{
    int error = errno;
    (void)snprintf(why, MILTER_GLUE_WHY_BYTES, "cannot listen on %s: %s", address,
                   error != 0 ? strerrordesc_np(error) : "libmilter does not take it");
    return false;
}

bool milter_glue_listen(const char *address, bool replaces, char why[static MILTER_GLUE_WHY_BYTES])
{
    char copy[ADDRESS_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", address);
    errno = 0;
    return (register_callbacks() && smfi_setconn(copy) == MI_SUCCESS &&
            smfi_setbacklog(LISTEN_BACKLOG) == MI_SUCCESS &&
            smfi_settimeout(IDLE_TIMEOUT_SECONDS) == MI_SUCCESS && smfi_opensocket(replaces) == MI_SUCCESS) ||
           fail_to_listen(why, address);
}

/*
 * In the place of the C library's, which only libmilter calls: its thread for signals ends everything on
 * SIGHUP, and takes signals whenever the main thread blocks its own for a moment or has another one pending.
 */
int milter_glue_sigwait(const sigset_t *set, int *number) __asm__("sigwait")
    __attribute__((visibility("default")));

int milter_glue_sigwait(const sigset_t *set, int *number)
{
    (void)set;
    *number = 0;
    for (;;)
        (void)pause();
}

bool milter_glue_serve(struct milter_glue_waker waker)
{
    current.waker = waker;
    return smfi_main() == MI_SUCCESS;
}

bool milter_glue_append_library_text(struct strbuf *out)
{
    unsigned major, minor, patch;
    (void)smfi_version(&major, &minor, &patch);
    return strbuf_append_format(out, "%u.%u.%u", major, minor, patch);
}
