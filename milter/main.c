/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "complaint.h"
#include "daemon.h"
#include "doctor.h"
#include "find.h"
#include "milter_glue.h"
#include "mta_check.h"
#include "org_domain.h"
#include "privileges.h"
#include "probe.h"
#include "replay.h"
#include "result_json.h"
#include "settings_files.h"
#include "test_mode.h"
#include "verify_log.h"

enum action {
    ACTION_SERVE = 1,
    ACTION_CHECK,
    ACTION_TEST,
    ACTION_FIND,
    ACTION_PROBE,
    ACTION_DOCTOR,
    ACTION_VERIFY_LOG,
    ACTION_VERSION,
    ACTION_HELP,
    ACTION_USAGE,
    ACTION_REFUSED, /* as USAGE, and already told what is wrong */
};

struct call {
    enum action action;
    const char *file;
    bool stays_in_foreground;
    struct test_mode_options test;
    const char *replay;
    const char *wanted;     /* --find */
    const char *public_key; /* of --verify-log, --replay, --find */
};

enum {
    OPTION_REPLAY = 256,
    OPTION_EXPLAIN,
    OPTION_FIND,
    OPTION_PROBE,
    OPTION_DOCTOR,
    OPTION_VERIFY_LOG,
    OPTION_PUBLIC_KEY,
    VERSION_MAX_BYTES = 256
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"foreground", no_argument, NULL, 'f'},
    {"check-config", no_argument, NULL, 'n'},
    {"test", no_argument, NULL, 't'},
    {"dns-file", required_argument, NULL, 'D'},
    {"sender", required_argument, NULL, 's'},
    {"recipient", required_argument, NULL, 'r'},
    {"client-address", required_argument, NULL, 'a'},
    {"post", no_argument, NULL, 'p'},
    {"version", no_argument, NULL, 'V'},
    {"replay", required_argument, NULL, OPTION_REPLAY},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"find", required_argument, NULL, OPTION_FIND},
    {"probe", no_argument, NULL, OPTION_PROBE},
    {"doctor", no_argument, NULL, OPTION_DOCTOR},
    {"verify-log", no_argument, NULL, OPTION_VERIFY_LOG},
    {"public-key", required_argument, NULL, OPTION_PUBLIC_KEY},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "Usage: acme-milter [-f] [-c FILE]\n"
    "       acme-milter -n [-c FILE]\n"
    "       acme-milter -t [-c FILE] [-D DNSFILE] [-s SENDER] [-r RECIPIENT] [-a CLIENT-IP] [-p] [--explain] "
    "MESSAGE...\n"
    "       acme-milter -t [-c FILE] [--explain] [--public-key FILE] --replay FOLDER\n"
    "       acme-milter [-c FILE] [--public-key FILE] --find ID|QUEUE-ID|ADDRESS [LOG...]\n"
    "       acme-milter [-c FILE] --probe\n"
    "       acme-milter [-c FILE] --doctor\n"
    "       acme-milter --verify-log [--public-key FILE] LOG...\n"
    "       acme-milter -V\n"
    "\n"
    "  -c, --config FILE            configuration, default " SETTINGS_DEFAULT_FILE "\n"
    "  -f, --foreground             stay in the foreground and log to standard error\n"
    "  -n, --check-config           check the configuration and print the settings in force\n"
    "  -t, --test                   judge mail files (- is standard input), one JSON object a line\n"
    "  -D, --dns-file DNSFILE       take DNS answers from a file and from nowhere else\n"
    "  -s, --sender SENDER          envelope sender of the mails\n"
    "  -r, --recipient RECIPIENT    challenge address they came to, default the first one configured\n"
    "  -a, --client-address IP      address they came from\n"
    "      --replay FOLDER          judge a reply again from its evidence folder\n"
    "      --explain                say for people, step by step, what was found and why\n"
    "  -p, --post                   also post passing ones to the ACME server\n"
    "      --find WHAT              find replies in the evidence, and in LOGs moved away, by id, queue id or "
    "address\n"
    "      --probe                  ask the milter at Socket whether it answers\n"
    "      --doctor                 look at configuration and MTA, and say what to do, a line each\n"
    "      --verify-log             verify the chain of evidence logs, the oldest first\n"
    "      --public-key FILE        each line, or the result of --replay and --find, must be signed by this "
    "key\n"
    "  -V, --version                version, and the libraries in use\n"
    "  -h, --help                   this text\n";

static bool set_action(struct call *call, enum action action)
{
    bool is_free = call->action == ACTION_SERVE || call->action == action;
    call->action = is_free ? action : ACTION_USAGE;
    return is_free;
}

/* Where the argument of an option goes; NULL: it has none. */
static const char **argument_of(struct call *call, int option)
{
    switch (option) {
    case 'c':
        return &call->file;
    case 'D':
        return &call->test.dns_file;
    case 's':
        return &call->test.sender;
    case 'r':
        return &call->test.recipient;
    case 'a':
        return &call->test.client_address;
    case OPTION_REPLAY:
        return &call->replay;
    case OPTION_FIND:
        return &call->wanted;
    case OPTION_PUBLIC_KEY:
        return &call->public_key;
    default:
        return NULL;
    }
}

static bool take_option(struct call *call, int option)
{
    const char **argument = argument_of(call, option);
    if (argument != NULL)
        *argument = optarg;
    switch (option) {
    case 'f':
        call->stays_in_foreground = true;
        return true;
    case 'n':
        return set_action(call, ACTION_CHECK);
    case 't':
        return set_action(call, ACTION_TEST);
    case 'V':
        return set_action(call, ACTION_VERSION);
    case 'h':
        return set_action(call, ACTION_HELP);
    case 'p':
        call->test.does_post = true;
        return true;
    case OPTION_FIND:
        return set_action(call, ACTION_FIND);
    case OPTION_PROBE:
        return set_action(call, ACTION_PROBE);
    case OPTION_DOCTOR:
        return set_action(call, ACTION_DOCTOR);
    case OPTION_VERIFY_LOG:
        return set_action(call, ACTION_VERIFY_LOG);
    case OPTION_EXPLAIN:
        call->test.explains = true;
        return true;
    default:
        return argument != NULL;
    }
}

static bool may_have_files(const struct call *call, bool has_files)
{
    switch (call->action) {
    case ACTION_TEST:
        return has_files == (call->replay == NULL);
    case ACTION_VERIFY_LOG:
        return has_files;
    case ACTION_FIND:
        return true;
    case ACTION_SERVE:
    case ACTION_CHECK:
    case ACTION_PROBE:
    case ACTION_DOCTOR:
    case ACTION_VERSION:
    case ACTION_HELP:
    case ACTION_USAGE:
    case ACTION_REFUSED:
        break;
    }
    return !has_files;
}

/* Whether the options go together, and with the files behind them. */
static bool is_sound(const struct call *call, bool has_files)
{
    const struct test_mode_options *test = &call->test;
    bool is_test = call->action == ACTION_TEST;
    bool is_for_files = test->dns_file != NULL || test->sender != NULL || test->recipient != NULL ||
                        test->client_address != NULL || test->does_post;
    if ((call->replay != NULL || test->explains) && !is_test)
        return false;
    if (is_for_files && (!is_test || call->replay != NULL))
        return false;
    if (!may_have_files(call, has_files))
        return false;
    return call->public_key == NULL || call->action == ACTION_VERIFY_LOG || call->action == ACTION_FIND ||
           call->replay != NULL;
}

static bool is_ip_address(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* In place of getopt's own words, which have the option in them as it is. */
static void refuse_option(char **argv)
{
    char name[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < OPTION_REPLAY;
    complaint_print(is_letter ? name : argv[optind - 1], "no such option, or its argument is missing");
}

static void read_call(struct call *call, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "c:fntD:s:r:a:pVh", long_options, NULL)) != -1) {
        if (!take_option(call, option)) {
            if (option == '?')
                refuse_option(argv);
            call->action = ACTION_USAGE;
            return;
        }
    }
    if (!is_sound(call, optind < argc)) {
        call->action = ACTION_USAGE;
    } else if (call->test.client_address != NULL && !is_ip_address(call->test.client_address)) {
        complaint_print(call->test.client_address, "--client-address wants an IPv4 or IPv6 address");
        call->action = ACTION_REFUSED;
    }
}

static int print_version(void)
{
    struct strbuf text;
    strbuf_init(&text, VERSION_MAX_BYTES);
    bool ok = strbuf_append_string(&text, "libmilter ") && milter_glue_append_library_text(&text) &&
              strbuf_append_string(&text, "\nlibopendkim ") && auth_dkim_append_library_text(&text);
    printf("acme-milter %s\n%s\n", PACKAGE_VERSION, strbuf_string(&text));
    strbuf_clear(&text);
    printf("libopendmarc %s\n", auth_dmarc_library_text());
    printf("libunbound %s\n", resolver_library_text());
    printf("libcurl %s\n", endpoint_library_text());
    printf("jansson %s\n", result_json_library_text());
    printf("%s\n", crypto_library_text());
    printf("libpsl %s\n", org_domain_library_text());
    printf("libidn2 %s\n", domain_library_text());
    return ok && fflush(stdout) == 0 ? EX_OK : EX_SOFTWARE;
}

static void print_fault(const char *fault, void *context)
{
    (void)context;
    complaint_print_text("", fault);
}

static void print_hint(enum mta_check_severity severity, const char *text, void *context)
{
    (void)severity;
    (void)context;
    complaint_print_text("hint: ", text);
}

/* For UserID, if it is known here. False: a start would be refused. */
static bool check_files(const struct settings *s)
{
    char why[PRIVILEGES_WHY_BYTES];
    struct privileges p;
    int code = privileges_find(s->user_id, &p, why);
    (void)code; /* what is wrong with UserID only a start needs to say */
    return settings_files_judge(s, p.user, p.group, print_fault, NULL) == 0 || !s->require_safe_files;
}

static int check_config(struct settings *settings)
{
    struct strbuf text;
    strbuf_init(&text, SETTINGS_TEXT_MAX_BYTES);
    bool ok =
        settings_print(settings, &text) && fputs(strbuf_string(&text), stdout) >= 0 && fflush(stdout) == 0;
    strbuf_clear(&text);
    (void)mta_check_run(settings, MTA_CHECK_POSTFIX_FOLDER, MTA_CHECK_SENDMAIL_FILE, print_hint, NULL);
    doctor_hint_aliases(settings, print_hint);
    int code = check_files(settings) ? EX_OK : EX_CONFIG;
    settings_unref(settings);
    return ok ? code : EX_SOFTWARE;
}

static int run_configured(const struct call *call, char *const *files, int count, char *const *environment)
{
    struct strbuf error;
    if (call->replay != NULL)
        return replay_run(call->replay, call->file, call->public_key, &call->test);
    strbuf_init(&error, 2 * SETTINGS_LINE_MAX_BYTES);
    struct settings *settings = settings_load(call->file, &error);
    if (settings == NULL)
        complaint_print_text("", error.len > 0 ? strbuf_string(&error) : "acme-milter: out of memory");
    strbuf_clear(&error);
    if (settings == NULL)
        return EX_CONFIG;
    if (call->action == ACTION_CHECK)
        return check_config(settings);
    if (call->action == ACTION_FIND)
        return find_run(settings, call->wanted, call->public_key, files, count);
    if (call->action == ACTION_PROBE)
        return probe_run(settings);
    if (call->action == ACTION_DOCTOR)
        return doctor_run(settings);
    if (call->action == ACTION_TEST)
        return test_mode_run(settings, &call->test, files, count);
    return daemon_run(settings, call->stays_in_foreground, environment);
}

/* https://no-color.org: set, to whatever but nothing. TERM=dumb: as in an editor's shell. */
static bool wants_colour(char *const *environment)
{
    for (; *environment != NULL; environment++)
        if ((strncmp(*environment, "NO_COLOR=", 9) == 0 && (*environment)[9] != '\0') ||
            strcmp(*environment, "TERM=dumb") == 0)
            return false;
    return isatty(STDOUT_FILENO) == 1;
}

/*
 * A socket or a file must never become one of the three that we were started without, where messages would go
 * into it. What is opened in their place can be used no more than they could: a lost output stays a fault.
 */
static bool fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

static int print_usage(FILE *stream, int code)
{
    return fputs(usage_text, stream) >= 0 && fflush(stream) == 0 ? code : EX_SOFTWARE;
}

int main(int argc, char **argv, char **environment)
{
    struct call call = {.action = ACTION_SERVE, .file = SETTINGS_DEFAULT_FILE};
    if (!fill_standard_streams())
        return EX_SOFTWARE;
    read_call(&call, argc, argv);
    call.test.has_colour = wants_colour(environment);
    switch (call.action) {
    case ACTION_HELP:
        return print_usage(stdout, EX_OK);
    case ACTION_VERSION:
        return print_version();
    case ACTION_USAGE:
        (void)print_usage(stderr, EX_USAGE);
        return EX_USAGE;
    case ACTION_REFUSED:
        return EX_USAGE;
    case ACTION_VERIFY_LOG:
        return verify_log_run(call.public_key, argv + optind, argc - optind);
    case ACTION_SERVE:
    case ACTION_CHECK:
    case ACTION_TEST:
    case ACTION_FIND:
    case ACTION_PROBE:
    case ACTION_DOCTOR:
        break;
    }
    return run_configured(&call, argv + optind, argc - optind, environment);
}
