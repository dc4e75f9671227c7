/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-challenge-mail: makes the challenge mail of RFC 8823 section 3.1, and prints it or hands it to
 * sendmail(1).
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "challenge-mail/challenge_mail.h"
#include "challenge-mail/challenge_send.h"
#include "challenge-mail/challenge_sign.h"
#include "clock.h"

enum {
    OPTION_SENDMAIL = 256,
    OPTION_ENVELOPE_SENDER,
    OPTION_CRLF,
    OPTION_SIGN_CERT,
    OPTION_SIGN_KEY,
    ERROR_MAX_BYTES = 2048,
    SHOWN_MAX_BYTES = 512,
};

struct call {
    const char *from;
    const char *to;
    const char *reply_to;
    const char *token;
    const char *envelope_sender; /* NULL: the From address */
    const char *sendmail;
    const char *sign_cert;
    const char *sign_key;
    bool does_send;
    bool is_json;
    bool has_crlf;
    bool wants_help;
    bool wants_version;
};

static const struct option long_options[] = {
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},
    {"reply-to", required_argument, NULL, 'r'},
    {"token", required_argument, NULL, 'T'},
    {"json", no_argument, NULL, 'j'},
    {"send", no_argument, NULL, 's'},
    {"sendmail", required_argument, NULL, OPTION_SENDMAIL},
    {"envelope-sender", required_argument, NULL, OPTION_ENVELOPE_SENDER},
    {"crlf", no_argument, NULL, OPTION_CRLF},
    {"sign-cert", required_argument, NULL, OPTION_SIGN_CERT},
    {"sign-key", required_argument, NULL, OPTION_SIGN_KEY},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "Usage: acme-challenge-mail -f ADDRESS -t ADDRESS [-r ADDRESS] [-T TOKEN] [-j] [-s] [OPTION...]\n"
    "\n"
    "  -f, --from ADDRESS           the challenge address\n"
    "  -t, --to ADDRESS             whom the certificate is for\n"
    "  -r, --reply-to ADDRESS       where the reply goes, if not to the challenge address\n"
    "  -T, --token TOKEN            token-part1, base64url; default 24 random bytes\n"
    "  -j, --json                   print the token and all else that the ACME server has to know\n"
    "  -s, --send                   hand the mail to sendmail(1)\n"
    "      --sendmail PATH          default /usr/sbin/sendmail\n"
    "      --envelope-sender ADDRESS  where bounces go, default the challenge address; <> for nowhere\n"
    "      --crlf                   print lines that end in CRLF\n"
    "      --sign-cert FILE         sign with S/MIME: the certificate, then its chain (PEM)\n"
    "      --sign-key FILE          its key (PEM)\n"
    "  -V, --version                version\n"
    "  -h, --help                   this text\n";

static bool take_file_option(struct call *call, int option)
{
    switch (option) {
    case OPTION_SENDMAIL:
        call->sendmail = optarg;
        return true;
    case OPTION_ENVELOPE_SENDER:
        call->envelope_sender = optarg;
        return true;
    case OPTION_SIGN_CERT:
        call->sign_cert = optarg;
        return true;
    case OPTION_SIGN_KEY:
        call->sign_key = optarg;
        return true;
    default:
        return false;
    }
}

static bool take_option(struct call *call, int option)
{
    switch (option) {
    case 'f':
        call->from = optarg;
        return true;
    case 't':
        call->to = optarg;
        return true;
    case 'r':
        call->reply_to = optarg;
        return true;
    case 'T':
        call->token = optarg;
        return true;
    case 'j':
        call->is_json = true;
        return true;
    case 's':
        call->does_send = true;
        return true;
    case OPTION_CRLF:
        call->has_crlf = true;
        return true;
    case 'V':
        call->wants_version = true;
        return true;
    case 'h':
        call->wants_help = true;
        return true;
    default:
        return take_file_option(call, option);
    }
}

static bool read_call(struct call *call, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "f:t:r:T:jsVh", long_options, NULL)) != -1)
        if (!take_option(call, option))
            return false;
    if (call->wants_help || call->wants_version)
        return true;
    return optind == argc && call->from != NULL && call->to != NULL &&
           (call->sign_cert == NULL) == (call->sign_key == NULL);
}

/* What came from outside goes to the terminal escaped. */
static int fail(int code, const char *option, const char *value, const char *what)
{
    struct strbuf shown;
    strbuf_init(&shown, SHOWN_MAX_BYTES);
    (void)strbuf_append_escaped(&shown, span_from_string(value));
    (void)fprintf(stderr, "acme-challenge-mail: %s %s: %s\n", option, strbuf_string(&shown), what);
    strbuf_clear(&shown);
    return code;
}

static bool read_envelope_sender(const struct call *call, struct challenge_mail *mail)
{
    if (call->envelope_sender == NULL)
        memcpy(mail->envelope_sender, mail->from, sizeof mail->envelope_sender);
    else if (!span_equal(span_from_string(call->envelope_sender), SPAN_LITERAL("<>")))
        return challenge_mail_set_address(mail->envelope_sender, call->envelope_sender);
    return true;
}

static int read_addresses(const struct call *call, struct challenge_mail *mail)
{
    static const char what[] = "not a bare mailbox address such as acme@ca.example";
    if (!challenge_mail_set_address(mail->from, call->from))
        return fail(EX_DATAERR, "--from", call->from, what);
    if (!challenge_mail_set_address(mail->to, call->to))
        return fail(EX_DATAERR, "--to", call->to, what);
    if (call->reply_to != NULL && !challenge_mail_set_address(mail->reply_to, call->reply_to))
        return fail(EX_DATAERR, "--reply-to", call->reply_to, what);
    if (!read_envelope_sender(call, mail))
        return fail(EX_DATAERR, "--envelope-sender", call->envelope_sender, what);
    return EX_OK;
}

static int make(const struct call *call, struct challenge_mail *mail)
{
    const char *why = NULL;
    int code = read_addresses(call, mail);
    if (code != EX_OK)
        return code;
    if (call->token != NULL && !challenge_mail_set_token(mail, call->token, &why))
        return fail(EX_DATAERR, "--token", call->token, why);
    if (call->sign_cert != NULL && !challenge_mail_is_ascii(mail))
        return fail(EX_DATAERR, "--sign-cert", call->sign_cert,
                    "only a mail with ASCII addresses can be signed");
    if (!challenge_mail_complete(mail)) {
        (void)fputs("acme-challenge-mail: no random bytes or no time\n", stderr);
        return EX_SOFTWARE;
    }
    if (!challenge_mail_token_is_portable(mail))
        (void)fputs("acme-challenge-mail: --token: not a multiple of 3 bytes: clients will compute different "
                    "digests\n",
                    stderr);
    return EX_OK;
}

static int sign(const struct call *call, const struct challenge_mail *mail, struct strbuf *text)
{
    struct strbuf error;
    strbuf_init(&error, ERROR_MAX_BYTES);
    enum challenge_sign_status status =
        challenge_sign_append(mail, call->sign_cert, call->sign_key, text, &error);
    if (status != CHALLENGE_SIGN_STATUS_OK)
        (void)fprintf(stderr, "acme-challenge-mail: %s\n", strbuf_string(&error));
    strbuf_clear(&error);
    switch (status) {
    case CHALLENGE_SIGN_STATUS_OK:
        return EX_OK;
    case CHALLENGE_SIGN_STATUS_NO_FILE:
        return EX_NOINPUT;
    case CHALLENGE_SIGN_STATUS_BAD_KEY:
        return EX_CONFIG;
    case CHALLENGE_SIGN_STATUS_INTERNAL:
        break;
    }
    return EX_SOFTWARE;
}

static int write_mail(const struct call *call, const struct challenge_mail *mail, struct strbuf *text)
{
    if (call->sign_cert != NULL)
        return sign(call, mail, text);
    if (challenge_mail_append_fields(mail, text) && challenge_mail_append_text(mail, "", text))
        return EX_OK;
    return EX_SOFTWARE;
}

/* Lines that end in LF, as files have them and sendmail(1) wants them. */
static bool append_local(struct strbuf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\r' && !strbuf_append_byte(out, text.data[i]))
            return false;
    return true;
}

static bool print_json(const struct challenge_mail *mail, const char *text)
{
    char created[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(mail->created, created);
    json_t *object =
        json_pack("{ss ss ss ss* ss ss ss}", "tokenPart1", mail->token, "identifier", mail->to, "from",
                  mail->from, "replyTo", mail->reply_to[0] != '\0' ? mail->reply_to : NULL, "messageId",
                  mail->message_id, "created", created, "mail", text);
    bool is_printed = object != NULL && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(object);
    return is_printed;
}

static int send_mail(const struct call *call, const struct challenge_mail *mail, struct span text)
{
    struct strbuf error;
    strbuf_init(&error, ERROR_MAX_BYTES);
    int code = challenge_send(call->sendmail, mail->envelope_sender, mail->to, text, &error);
    if (code != EX_OK)
        (void)fail(code, "--sendmail", call->sendmail, strbuf_string(&error));
    strbuf_clear(&error);
    return code;
}

static int deliver(const struct call *call, const struct challenge_mail *mail, const struct strbuf *text)
{
    struct strbuf local;
    strbuf_init(&local, CHALLENGE_MAIL_MAX_BYTES);
    int code = append_local(&local, strbuf_view(text)) ? EX_OK : EX_SOFTWARE;
    const char *printed = strbuf_string(call->has_crlf ? text : &local);
    bool is_printed = true;
    if (code == EX_OK && call->does_send)
        code = send_mail(call, mail, strbuf_view(&local));
    if (code == EX_OK && call->is_json)
        is_printed = print_json(mail, printed);
    else if (code == EX_OK && !call->does_send)
        is_printed = fputs(printed, stdout) >= 0;
    strbuf_clear(&local);
    if (is_printed && fflush(stdout) == 0)
        return code;
    (void)fputs("acme-challenge-mail: standard output cannot be written\n", stderr);
    return EX_IOERR;
}

static int run(const struct call *call)
{
    struct challenge_mail mail = {0};
    struct strbuf text;
    strbuf_init(&text, CHALLENGE_MAIL_MAX_BYTES);
    int code = make(call, &mail);
    if (code == EX_OK)
        code = write_mail(call, &mail, &text);
    if (code == EX_OK)
        code = deliver(call, &mail, &text);
    strbuf_clear(&text);
    return code;
}

int main(int argc, char **argv)
{
    struct call call = {.sendmail = "/usr/sbin/sendmail"};
    if (!read_call(&call, argc, argv)) {
        (void)fputs(usage_text, stderr);
        return EX_USAGE;
    }
    if (call.wants_help)
        return fputs(usage_text, stdout) >= 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    if (call.wants_version)
        return printf("acme-challenge-mail %s\n", PACKAGE_VERSION) >= 0 && fflush(stdout) == 0 ? EX_OK
                                                                                               : EX_IOERR;
    return run(&call);
}
