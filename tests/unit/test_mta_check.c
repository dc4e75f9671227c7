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
        mta_check_append_hints(s, p->folder, p->sendmail, &p->hints);
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

static const struct example sendmail_examples[] = {
    {"sendmail: none", OPEN_SOCKET, NULL, NULL, NULL},
    {"sendmail: named", OPEN_SOCKET,
     "Xother, S=inet:1@localhost\nXacme, S=local:/acme-milter.sock, F=T, T=C:30s\n", NULL, NULL},
    {"sendmail: without F=T", OPEN_SOCKET, "V10\nXacme, S=local:/acme-milter.sock, T=C:30s\n", NULL,
     "sendmail.cf:2: without F=T a reply passes unjudged"},
    {"sendmail: F=R", OPEN_SOCKET, "Xacme, S=local:/acme-milter.sock, F=R\n", NULL, "without F=T"},
    {"sendmail: not named", OPEN_SOCKET, "Xacme, S=local:/other.sock, F=T\n", NULL,
     "sendmail.cf: no filter has S=local:/acme-milter.sock: add INPUT_MAIL_FILTER"},
    {"sendmail: a port", "Socket inet:8893@localhost", "Xacme, S=inet:8893@localhost, F=T\n", NULL, NULL},
    {"sendmail: an open folder", "Socket unix:/tmp/m.sock", "Xacme, S=local:/tmp/m.sock, F=T\n", NULL,
     "hint: /tmp: Sendmail does not start when more than its owner may write to a folder"},
};

static void test_postfix(struct place *p)
{
    for (size_t i = 0; i < sizeof postfix_examples / sizeof postfix_examples[0]; i++) {
        const struct example *e = &postfix_examples[i];
        expect(hints_for(p, e->settings, e->main_cf, e->master_cf, NULL), e->want, e->name);
    }
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
    test_sendmail(&place);
    test_folder(&place);
    test_limits(&place);
    (void)hints_for(&place, OPEN_SOCKET, NULL, NULL, NULL);
    strbuf_clear(&place.hints);
    (void)rmdir(place.folder);
    return tap_done();
}
