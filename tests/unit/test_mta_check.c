/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/mta_check.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

enum { PATH_BYTES = 1024, TEXT_BYTES = 64 * 1024, SERVICES_TOO_MANY = 40 };

/* A folder with main.cf, master.cf and sendmail.cf, made anew for each case. */
struct place {
    char folder[PATH_BYTES];
    char sendmail[2 * PATH_BYTES];
    struct strbuf hints;
};

static void write_file(const struct place *p, const char *name, const char *text)
{
    char path[2 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
    FILE *file = text != NULL ? fopen(path, "we") : NULL;
    if (file != NULL) {
        (void)fputs(text, file);
        (void)fclose(file);
    } else {
        (void)unlink(path);
    }
}

static void add_hint(enum mta_check_severity severity, const char *text, void *context)
{
    (void)severity;
    (void)strbuf_append_format(context, "hint: %s\n", text);
}

/* The hints for settings when Postfix's files, or Sendmail's, are so; NULL: it is not there. */
static const char *hints_for(struct place *p, const char *settings_text, const char *main_cf,
                             const char *master_cf, const char *sendmail_cf)
{
    char text[4 * PATH_BYTES];
    struct strbuf error;
    strbuf_init(&error, TEXT_BYTES);
    (void)snprintf(text, sizeof text, "ChallengeAddress acme@ca.example\n%s\n", settings_text);
    struct settings *s = settings_load_text("test", text, &error);
    write_file(p, "main.cf", main_cf);
    write_file(p, "master.cf", master_cf);
    write_file(p, "sendmail.cf", sendmail_cf);
    strbuf_clear(&p->hints);
    if (s != NULL)
        (void)mta_check_run(s, p->folder, p->sendmail, add_hint, &p->hints);
    else
        (void)strbuf_append(&p->hints, strbuf_view(&error));
    settings_unref(s);
    strbuf_clear(&error);
    return strbuf_string(&p->hints);
}

static void expect(const char *got, const char *want, const char *name)
{
    bool is_good = want != NULL ? strstr(got, want) != NULL : got[0] == '\0';
    if (!tap_ok(is_good, "%s", name))
        tap_note("got \"%s\"", got);
}

#define OPEN_SOCKET "Socket unix:/acme-milter.sock\nSocketMode 0666"
#define PLAIN       "smtp inet n - n - - smtpd\n"
#define CHROOTED    "smtp inet n - y - - smtpd\n"
#define DEFAULT     "smtp inet n - - - - smtpd\n"
#define NAMED       "smtpd_milters = unix:/acme-milter.sock\n"

#define LISTED "O InputMailFilters=acme\n"
#define ACME   "Xacme, S=local:/acme-milter.sock, F=T\n"

struct example {
    const char *name;
    const char *settings;
    const char *main_cf;
    const char *master_cf;
    const char *want; /* a part of the hints; NULL: none are due */
};

static const struct example postfix_examples[] = {
    {"no MTA", OPEN_SOCKET, NULL, NULL, NULL},
    {"half a Postfix", OPEN_SOCKET, NULL, PLAIN, NULL},
    {"no smtpd at all", OPEN_SOCKET, "x = y\n", "pickup unix n - n 60 1 pickup\n", NULL},
    {"named", OPEN_SOCKET, NAMED, PLAIN, NULL},
    {"named among others, over lines", OPEN_SOCKET,
     "smtpd_milters =\n  inet:localhost:8891,\n# unix:/acme-milter.sock\n\n\tunix:/acme-milter.sock\n", PLAIN,
     NULL},
    {"only in a comment", OPEN_SOCKET, "smtpd_milters = inet:localhost:8891\n # unix:/acme-milter.sock\n",
     PLAIN,
     "main.cf:1: smtpd_milters does not name unix:/acme-milter.sock: add to it smtpd_milters = "
     "unix:/acme-milter.sock\n"},
    {"not set", OPEN_SOCKET, "mydestination = x\n", PLAIN, "main.cf: smtpd_milters is not set"},
    {"the last one counts", OPEN_SOCKET, NAMED "smtpd_milters =\n", PLAIN,
     "main.cf:2: smtpd_milters does not name"},
    {"by names", OPEN_SOCKET, "a = /acme-milter\nb = unix:${a}.sock\nsmtpd_milters = $(b)\n", PLAIN, NULL},
    {"an unknown name is nothing", OPEN_SOCKET, "smtpd_milters = $nothing unix:/acme-milter.sock\n", PLAIN,
     NULL},
    {"names without an end", OPEN_SOCKET, "a = $b\nb = $a\nsmtpd_milters = $a\n", PLAIN, NULL},
    {"names that multiply", OPEN_SOCKET,
     "a =\nb = $a$a$a$a$a$a$a$a\nc = $b$b$b$b$b$b$b$b\nd = $c$c$c$c$c$c$c$c\ne = $d$d$d$d$d$d$d$d\nf = "
     "$e$e$e$e$e$e$e$e\n"
     "g = $f$f$f$f$f$f$f$f\nh = $g$g$g$g$g$g$g$g\ni = $h$h$h$h$h$h$h$h\nsmtpd_milters = $i$i$i$i$i$i$i$i\n",
     PLAIN, NULL},
    {"a dollar at the end", OPEN_SOCKET, "smtpd_milters = unix:/acme-milter.sock $\n", PLAIN, NULL},
    {"a brace without an end", OPEN_SOCKET, "smtpd_milters = { unix:/acme-milter.sock\n", PLAIN, NULL},
    {"a name's brace without an end", OPEN_SOCKET, "smtpd_milters = unix:/acme-milter.sock ${a\n", PLAIN,
     NULL},
    {"by the service", OPEN_SOCKET, "x = y\n",
     "smtp inet n - n - - smtpd\n  -o smtpd_milters=unix:/acme-milter.sock\n", NULL},
    {"by the service, in braces", OPEN_SOCKET, "x = y\n",
     "smtp inet n - n - - smtpd -o { smtpd_milters = inet:localhost:1 unix:/acme-milter.sock } -v\n", NULL},
    {"taken away by the service", OPEN_SOCKET, NAMED, "smtp inet n - n - - smtpd -v -osmtpd_milters=\n",
     "does not name"},
    {"one service without is meant", OPEN_SOCKET, NAMED, PLAIN "587 inet n - n - - smtpd -o smtpd_milters=\n",
     NULL},
    {"behind postscreen", OPEN_SOCKET, NAMED, "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n",
     NULL},
    {"chrooted", OPEN_SOCKET, NAMED, "#\n" CHROOTED,
     "master.cf:2: smtpd of smtp runs chrooted to the queue directory, where smtpd_milters does not lead to "
     "unix:/acme-milter.sock: set Socket unix:/var/spool/postfix/acme-milter/milter.sock"},
    {"chrooted, nothing set", OPEN_SOCKET, "queue_directory = /q\n", CHROOTED,
     "set Socket unix:/q/acme-milter/milter.sock in our configuration and smtpd_milters = "
     "unix:/acme-milter/milter.sock"},
    {"chrooted, inside", "Socket unix:/q/m.sock\nSocketMode 0666",
     "queue_directory = /q\nsmtpd_milters = unix:/m.sock\n", CHROOTED, NULL},
    {"chrooted, inside, nothing set", "Socket unix:/q/m.sock\nSocketMode 0666", "queue_directory = /q\n",
     CHROOTED, "set smtpd_milters = unix:/m.sock\n"},
    {"beside the queue directory", "Socket unix:/queue/m.sock",
     "queue_directory = /q\nsmtpd_milters = unix:/ueue/m.sock\n", CHROOTED, "does not name"},
    {"by default not chrooted", OPEN_SOCKET, "compatibility_level = 3.6\n" NAMED, DEFAULT, NULL},
    {"by the old default chrooted", OPEN_SOCKET, NAMED, DEFAULT, "chrooted"},
    {"accept", OPEN_SOCKET, NAMED "milter_default_action = accept\n", PLAIN,
     "main.cf: with milter_default_action accept a reply passes unjudged while the milter is away"},
    {"reject", OPEN_SOCKET, NAMED "milter_default_action = reject\n", PLAIN, "is not tried again"},
    {"accept, but not for us", OPEN_SOCKET,
     "milter_default_action = accept\nsmtpd_milters = { unix:/acme-milter.sock, default_action=tempfail }\n",
     PLAIN, NULL},
    {"accept for us", OPEN_SOCKET, "smtpd_milters = { unix:/acme-milter.sock, default_action=accept }\n",
     PLAIN, "passes unjudged"},
    {"a port", "Socket inet:8893@localhost", "smtpd_milters = inet:127.0.0.1:8893\n", PLAIN, NULL},
    {"another port", "Socket inet:8893@localhost", "smtpd_milters = inet:127.0.0.1:18893\n", PLAIN,
     "add to it smtpd_milters = inet:localhost:8893\n"},
    {"a port of IPv6", "Socket inet6:8893@::1", "smtpd_milters = inet:[::1]:8893\n", PLAIN, NULL},
    {"of the group", "Socket unix:/acme-milter.sock", NAMED "mail_owner = nobody\n", PLAIN,
     "hint: SocketGroup, SocketMode: the user nobody may not connect to a socket of group root and mode "
     "0660"},
    {"of root", "Socket unix:/acme-milter.sock", NAMED "mail_owner = root\n", PLAIN, NULL},
    {"an owner that is not there", "Socket unix:/acme-milter.sock", NAMED "mail_owner = no-such-user\n",
     PLAIN, NULL},
    {"a folder that is not there", "Socket unix:/no/such/folder/m\nSocketMode 0666",
     "smtpd_milters = unix:/no/such/folder/m\n", PLAIN, NULL},
};

#define INSIDE    "127.0.0.1:10025 inet n - n - - smtpd"
#define OWN_CHECK "cleanup unix n - n - 0 cleanup\n"

/* What keeps the milter from seeing a mail although it is named. */
static const struct example bypass_examples[] = {
    {"no_milters", OPEN_SOCKET, NAMED "receive_override_options = no_address_mappings, no_milters\n", PLAIN,
     "main.cf:2: receive_override_options = no_address_mappings, no_milters: with no_milters acme-milter "
     "sees"},
    {"no_milters by the service", OPEN_SOCKET, NAMED,
     "#\nsmtp inet n - n - - smtpd\n  -o receive_override_options=no_milters\n",
     "master.cf:2: receive_override_"},
    {"no_milters where there is none", OPEN_SOCKET, NAMED,
     PLAIN INSIDE " -o smtpd_milters= -o receive_override_options=no_milters\n", NULL},
    {"a proxy", OPEN_SOCKET, NAMED "smtpd_proxy_filter = 127.0.0.1:10024\n", PLAIN,
     "main.cf:2: smtpd_proxy_filter = 127.0.0.1:10024: with smtpd_proxy_filter this smtpd shows"},
    {"a proxy, and none after it", OPEN_SOCKET, NAMED "smtpd_proxy_filter = 127.0.0.1:10024\n",
     PLAIN INSIDE " -o smtpd_proxy_filter= -o smtpd_milters=\n", "shows acme-milter no header"},
    {"behind a proxy", OPEN_SOCKET, "smtpd_proxy_filter = 127.0.0.1:10024\n",
     PLAIN INSIDE " -o smtpd_proxy_filter=\n -o smtpd_milters=unix:/acme-milter.sock\n", NULL},
    {"a content filter", OPEN_SOCKET, NAMED "content_filter = smtp:[127.0.0.1]:10024\n",
     PLAIN INSIDE " -o content_filter= -o smtpd_milters=\n", NULL},
    {"after a content filter", OPEN_SOCKET, NAMED "content_filter = smtp:[127.0.0.1]:10024\n",
     PLAIN INSIDE "\n -o content_filter=\n",
     "main.cf:1: smtpd_milters = unix:/acme-milter.sock: this smtpd takes mail back from content_filter"},
    {"a second smtpd without", OPEN_SOCKET, NAMED,
     PLAIN "[2001:db8::1]:25 inet n - n - - smtpd -o smtpd_milters=\n",
     "master.cf:2: smtpd_milters = : this smtpd takes mail from other hosts"},
    {"a second smtpd behind postscreen", OPEN_SOCKET, "x = y\n",
     "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" INSIDE
     " -o smtpd_milters=unix:/acme-milter.sock\n",
     "master.cf:2: smtpd_milters = : this smtpd takes mail from other hosts"},
    {"smtps and a filter's own may be without", OPEN_SOCKET, NAMED,
     PLAIN "smtps inet n - n - - smtpd -o smtpd_milters=\n" INSIDE " -o smtpd_milters=\n", NULL},
    {"a milter after it", OPEN_SOCKET, "smtpd_milters = unix:/acme-milter.sock, inet:localhost:8891\n", PLAIN,
     "main.cf:1: smtpd_milters = unix:/acme-milter.sock, inet:localhost:8891: a milter after acme-milter"},
    {"an old protocol", OPEN_SOCKET, NAMED "milter_protocol = 4 no_header_reply\n", PLAIN,
     "main.cf:2: milter_protocol = 4 no_header_reply: Postfix does not show the blank"},
    {"an old protocol by the service", OPEN_SOCKET, NAMED "p = 3\n",
     "smtp inet n - n - - smtpd -o { milter_protocol = $p }\n", "master.cf:1: milter_protocol = 3: "},
    {"delimiters", OPEN_SOCKET, NAMED "recipient_delimiter = +-\n", PLAIN,
     "main.cf:2: recipient_delimiter = +-: Postfix delivers subaddresses"},
    {"delimiters that are known", OPEN_SOCKET "\nSubaddressDelimiter -+", NAMED "recipient_delimiter = +-\n",
     PLAIN, NULL},
    {"a delimiter where there is none", OPEN_SOCKET "\nSubaddressDelimiter none",
     NAMED "recipient_delimiter = +\n", PLAIN, "recipient_delimiter = +: "},
    {"milter maps", OPEN_SOCKET,
     NAMED "smtpd_milter_maps = cidr:{{192.0.2.0/24 DISABLE}}, inline:{ 192.0.2.9=$smtpd_milters }\n", PLAIN,
     "main.cf:2: smtpd_milter_maps = cidr:{{192.0.2.0/24 DISABLE}}, inline:{ "
     "192.0.2.9=unix:/acme-milter.sock }: mail of these"},
    {"milter maps with it", OPEN_SOCKET, NAMED "smtpd_milter_maps = inline:{ 192.0.2.9=$smtpd_milters }\n",
     PLAIN, NULL},
    {"header checks", OPEN_SOCKET, NAMED "header_checks = regexp:{{/^X-Spam: yes/ DISCARD bad}}\n",
     PLAIN OWN_CHECK, "a reply that this matches is taken, thrown away"},
    {"header checks that do no harm", OPEN_SOCKET,
     NAMED "header_checks = pcre:{{/^X: REDIRECT a@b/ REJECT we DISCARD this}, {/x/i WARN REDIRECT a@b}}\n",
     PLAIN OWN_CHECK, NULL},
    {"header checks to a challenge address", OPEN_SOCKET, "smtpd_milters = unix:/acme-milter.sock\n",
     PLAIN "cleanup unix n - n - 0 cleanup -o { body_checks = static:{REDIRECT acme@ca.example} }\n",
     "master.cf:2: body_checks = static:{REDIRECT acme@ca.example}: mail for other addresses comes"},
    {"header checks elsewhere", OPEN_SOCKET,
     NAMED "milter_header_checks = static:{REDIRECT bob@ca.example}\n", PLAIN OWN_CHECK,
     "a reply that this matches goes elsewhere"},
    {"header checks that cannot be read", OPEN_SOCKET, NAMED "header_checks = regexp:/no/such/file\n",
     PLAIN OWN_CHECK, "main.cf:2: header_checks = regexp:/no/such/file: not looked at"},
    {"header checks in a database", OPEN_SOCKET, NAMED "header_checks = mysql:/etc/postfix/my.cf\n",
     PLAIN OWN_CHECK, "not looked at"},
    {"sendmail(1) beside a gate", OPEN_SOCKET "\nEndpoint none\nDisposition deliver", NAMED, PLAIN OWN_CHECK,
     "master.cf:2: non_smtpd_milters = : with Endpoint none, mail that programs"},
    {"sendmail(1) by the gate", OPEN_SOCKET "\nEndpoint none\nDisposition deliver",
     NAMED "non_smtpd_milters = $smtpd_milters\n", PLAIN OWN_CHECK, NULL},
};

static const struct example sendmail_examples[] = {
    {"sendmail: none", OPEN_SOCKET, NULL, NULL, NULL},
    {"sendmail: named", OPEN_SOCKET,
     "O InputMailFilters=other, acme\nXother, S=inet:1@localhost\nXacme, S=local:/acme-milter.sock, F=T, "
     "T=C:30s\n",
     NULL, NULL},
    {"sendmail: without F=T", OPEN_SOCKET, "V10\nXacme, S=local:/acme-milter.sock, T=C:30s\n", NULL,
     "sendmail.cf:2: without F=T a reply passes unjudged"},
    {"sendmail: F=R", OPEN_SOCKET, "Xacme, S=local:/acme-milter.sock, F=R\n", NULL, "without F=T"},
    {"sendmail: not named", OPEN_SOCKET, "Xacme, S=local:/other.sock, F=T\n", NULL,
     "sendmail.cf: no filter has S=local:/acme-milter.sock: add INPUT_MAIL_FILTER"},
    {"sendmail: a port", "Socket inet:8893@localhost", LISTED "Xacme, S=inet:8893@localhost, F=T\n", NULL,
     NULL},
    {"sendmail: a filter that no list has", OPEN_SOCKET, "O InputMailFilters=other\n" ACME, NULL,
     "sendmail.cf:1: InputMailFilters does not name acme, so that acme-milter sees no mail"},
    {"sendmail: no list", OPEN_SOCKET, "#O InputMailFilters\n" ACME, NULL,
     "sendmail.cf: InputMailFilters is not set"},
    {"sendmail: not the last", OPEN_SOCKET, "O InputMailFilters=acme, other\n" ACME, NULL,
     "sendmail.cf:1: InputMailFilters has a filter after acme"},
    {"sendmail: a daemon with a list of its own", OPEN_SOCKET,
     LISTED "O DaemonPortOptions=Name=MTA, InputMailFilters=acme;other\n" ACME, NULL,
     "sendmail.cf:2: InputMailFilters has a filter after acme"},
    {"sendmail: a daemon without filters", OPEN_SOCKET,
     LISTED "O DaemonPortOptions=Name=MTA, InputMailFilters=\n" ACME, NULL,
     "sendmail.cf:2: InputMailFilters does not name acme"},
    {"sendmail: submission may be without", OPEN_SOCKET,
     LISTED "O DaemonPortOptions=Name=MSA, InputMailFilters=, Port=587\n" ACME, NULL, NULL},
    {"sendmail: its subaddresses", OPEN_SOCKET "\nSubaddressDelimiter none", LISTED ACME, NULL,
     "hint: SubaddressDelimiter: Sendmail delivers acme+anything"},
    {"sendmail: an open folder", "Socket unix:/tmp/m.sock", LISTED "Xacme, S=local:/tmp/m.sock, F=T\n", NULL,
     "hint: /tmp: Sendmail does not start when more than its owner may write to a folder"},
};

static void test_postfix(struct place *p)
{
    for (size_t i = 0; i < sizeof postfix_examples / sizeof postfix_examples[0]; i++) {
        const struct example *e = &postfix_examples[i];
        expect(hints_for(p, e->settings, e->main_cf, e->master_cf, NULL), e->want, e->name);
    }
    for (size_t i = 0; i < sizeof bypass_examples / sizeof bypass_examples[0]; i++) {
        const struct example *e = &bypass_examples[i];
        expect(hints_for(p, e->settings, e->main_cf, e->master_cf, NULL), e->want, e->name);
    }
}

/* A file's entries by their lines, a continued one too. */
static void test_table_file(struct place *p)
{
    char main_cf[4 * PATH_BYTES], want[4 * PATH_BYTES];
    (void)snprintf(main_cf, sizeof main_cf, NAMED "header_checks = regexp:%s/checks\n", p->folder);
    (void)snprintf(want, sizeof want,
                   "hint: %s/checks:4: REDIRECT acme@ca.example (header_checks): ", p->folder);
    write_file(p, "checks", "# /x/ DISCARD\n/^X: a\\/b c/ OK\n!/^Y/i\n  REDIRECT acme@ca.example\n");
    expect(hints_for(p, OPEN_SOCKET, main_cf, PLAIN OWN_CHECK, NULL), want, "a file of header checks");
    write_file(p, "checks", NULL);
}

static void test_sendmail(struct place *p)
{
    for (size_t i = 0; i < sizeof sendmail_examples / sizeof sendmail_examples[0]; i++) {
        const struct example *e = &sendmail_examples[i];
        expect(hints_for(p, e->settings, NULL, NULL, e->main_cf), e->want, e->name);
    }
    expect(hints_for(p, OPEN_SOCKET, NAMED, PLAIN, "V10\n"), NULL,
           "sendmail: Postfix is the MTA where both are set up");
}

/* A folder that only its owner may search, who is not the MTA's user. */
static void test_folder(struct place *p)
{
    char inner[2 * PATH_BYTES], settings[4 * PATH_BYTES], main_cf[4 * PATH_BYTES], want[4 * PATH_BYTES];
    (void)snprintf(inner, sizeof inner, "%s/inner", p->folder);
    (void)snprintf(settings, sizeof settings, "Socket unix:%s/m\nSocketMode 0666", inner);
    (void)snprintf(main_cf, sizeof main_cf, "mail_owner = nobody\nsmtpd_milters = unix:%s/m\n", inner);
    (void)snprintf(want, sizeof want, "hint: %s: the user nobody cannot enter this folder", inner);
    bool is_made = chmod(p->folder, 0755) == 0 && mkdir(inner, 0700) == 0;
    tap_ok(is_made, "a folder is made");
    expect(hints_for(p, settings, main_cf, PLAIN, NULL), want, "a closed folder");
    (void)chmod(inner, 0711);
    expect(hints_for(p, settings, main_cf, PLAIN, NULL), NULL, "a folder to be searched");
    (void)rmdir(inner);
}

/* What is too much to read says nothing: a half-read configuration would say something wrong. */
static void test_limits(struct place *p)
{
    struct strbuf text;
    strbuf_init(&text, TEXT_BYTES);
    for (int i = 0; i < SERVICES_TOO_MANY; i++)
        (void)strbuf_append_string(&text, PLAIN);
    expect(hints_for(p, OPEN_SOCKET, "x = y\n", strbuf_string(&text), NULL), NULL, "too many services");
    strbuf_reset(&text);
    (void)strbuf_append_string(&text, "smtpd_milters = ");
    while (text.len < TEXT_BYTES / 2)
        (void)strbuf_append_string(&text, "inet:localhost:8891 ");
    expect(hints_for(p, OPEN_SOCKET, strbuf_string(&text), PLAIN, NULL), NULL, "too long a line");
    strbuf_clear(&text);
}

int main(void)
{
    struct place place;
    const char *parent = getenv("TMPDIR");
    (void)snprintf(place.folder, sizeof place.folder, "%s/test_mta_check.XXXXXX",
                   parent != NULL ? parent : "/tmp");
    if (mkdtemp(place.folder) == NULL)
        return 1;
    (void)snprintf(place.sendmail, sizeof place.sendmail, "%s/sendmail.cf", place.folder);
    strbuf_init(&place.hints, MTA_CHECK_TEXT_MAX_BYTES);
    test_postfix(&place);
    test_table_file(&place);
    test_sendmail(&place);
    test_folder(&place);
    test_limits(&place);
    (void)hints_for(&place, OPEN_SOCKET, NULL, NULL, NULL);
    strbuf_clear(&place.hints);
    (void)rmdir(place.folder);
    return tap_done();
}
