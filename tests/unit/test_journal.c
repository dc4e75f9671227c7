/* SPDX-License-Identifier: BSD-2-Clause */
#include "journal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"
#include "tap.h"

#define HEAD "PRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=acme-milter\n"

static char folder[] = "/tmp/test_journal.XXXXXX";
static char path[sizeof folder + 8];

/* The journal's end of its socket. */
static int listen_as_journal(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static const char *received(int fd)
{
    static char text[JOURNAL_ENTRY_MAX_BYTES + 1];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void test_entries(int server)
{
    static const struct {
        const char *name, *prefix, *text, *want;
    } rows[] = {
        {"an event alone", "", "pass-through", "MESSAGE=pass-through\nACME_MILTER_EVENT=pass-through\n"},
        {"queue id and keys", "4X7b: ", "reply verdict=pass dns_ms=3",
         "MESSAGE=4X7b: reply verdict=pass dns_ms=3\nACME_MILTER_QUEUE_ID=4X7b\nACME_MILTER_EVENT=reply\n"
         "ACME_MILTER_VERDICT=pass\nACME_MILTER_DNS_MS=3\n"},
        {"quoted values", "", "x from=\"\\\"a b\\\"@x\" empty=\"\" eq=\"a=b c=d\" last=1",
         "MESSAGE=x from=\"\\\"a b\\\"@x\" empty=\"\" eq=\"a=b c=d\" last=1\nACME_MILTER_EVENT=x\n"
         "ACME_MILTER_FROM=\"a b\"@x\nACME_MILTER_EMPTY=\nACME_MILTER_EQ=a=b c=d\nACME_MILTER_LAST=1\n"},
        {"a value that was cut", "", "x error=\"a b",
         "MESSAGE=x error=\"a b\nACME_MILTER_EVENT=x\nACME_MILTER_ERROR=a b\n"},
        {"words that are no pairs", "", "x y =z  k=v",
         "MESSAGE=x y =z  k=v\nACME_MILTER_EVENT=x\nACME_MILTER_K=v\n"},
        {"escapes stay", "", "x a=\\x0a\\x5c",
         "MESSAGE=x a=\\x0a\\x5c\nACME_MILTER_EVENT=x\nACME_MILTER_A=\\x0a\\x5c\n"},
        {"of quoted ones too", "", "x a=\"b \\\\x0a\\\"\"",
         "MESSAGE=x a=\"b \\\\x0a\\\"\"\nACME_MILTER_EVENT=x\nACME_MILTER_A=b \\x0a\"\n"},
        {"a key with other characters", "", "x Test-Key.2=1",
         "MESSAGE=x Test-Key.2=1\nACME_MILTER_EVENT=x\nACME_MILTER_TEST_KEY_2=1\n"},
    };
    struct journal j = {.fd = -1};
    tap_ok(journal_open(&j, path, LOG_MAIL), "somebody listens");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[1024];
        (void)snprintf(want, sizeof want, "%s%s", HEAD, rows[i].want);
        bool ok = journal_send(&j, LOG_INFO, rows[i].prefix, rows[i].text);
        tap_ok(ok, "%s: sent", rows[i].name);
        tap_is_string(received(server), want, rows[i].name);
    }
    journal_close(&j);
    tap_ok(j.fd < 0, "closed");
}

static void test_stream(void)
{
    char text[64];
    struct stat status;
    if (fstat(STDERR_FILENO, &status) != 0)
        status = (struct stat){0};
    (void)snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    tap_ok(journal_is_stream(STDERR_FILENO, text), "standard error is the stream named");
    (void)strncat(text, "0", sizeof text - strlen(text) - 1);
    tap_ok(!journal_is_stream(STDERR_FILENO, text), "another is not");
    tap_ok(!journal_is_stream(STDERR_FILENO, ""), "nor is an empty name");
    tap_ok(!journal_is_stream(STDERR_FILENO, NULL), "nor none");
    tap_ok(!journal_is_stream(-1, text), "nor a descriptor that is not open");
}

static void test_nobody(void)
{
    struct journal j = {.fd = -1};
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    tap_ok(!journal_open(&j, path, LOG_MAIL) && j.fd < 0, "nobody listens");
    tap_ok(!journal_open(&j, longer, LOG_MAIL) && j.fd < 0, "no path of a socket");
}

/* The log as the program opens it: standard error is the journal's, then the journal is gone. */
static void test_log(int server, FILE *capture)
{
    char stream[64], line[256] = "";
    struct stat status;
    if (fstat(fileno(capture), &status) != 0)
        return;
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    log_open_journal(path, LOG_MAIL);
    log_write(LOG_LEVEL_INFO, "to-stderr");
    tap_is_string(received(server), "", "standard error leads elsewhere: nothing goes to the journal");
    (void)setenv("JOURNAL_STREAM", stream, 1);
    log_open_journal(path, LOG_MAIL);
    log_set_prefix("4X7b");
    log_write_event(LOG_LEVEL_INFO, "reply", (const char *[]){"from", "a b", NULL});
    tap_is_string(received(server),
                  HEAD
                  "MESSAGE=4X7b: reply from=\"a b\"\nACME_MILTER_QUEUE_ID=4X7b\nACME_MILTER_EVENT=reply\n"
                  "ACME_MILTER_FROM=a b\n",
                  "it leads to the journal: the line goes there whole, with its fields");
    log_write(LOG_LEVEL_WARNING, "x");
    tap_ok(strncmp(received(server), "PRIORITY=4\n", 11) == 0, "with its level");
    close(server);
    log_write(LOG_LEVEL_INFO, "journal-gone");
    rewind(capture);
    bool is_first = fgets(line, sizeof line, capture) != NULL && strstr(line, ": to-stderr\n") != NULL;
    bool is_last = fgets(line, sizeof line, capture) != NULL &&
                   strstr(line, " acme-milter: 4X7b: journal-gone\n") != NULL;
    tap_ok(is_first && is_last && fgets(line, sizeof line, capture) == NULL,
           "what the journal does not take goes to standard error, and nothing goes twice");
}

int main(void)
{
    FILE *capture = tmpfile();
    if (mkdtemp(folder) == NULL || capture == NULL)
        return 99;
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    test_nobody();
    test_stream();
    int server = listen_as_journal();
    int saved = dup(STDERR_FILENO);
    if (server < 0 || saved < 0 || dup2(fileno(capture), STDERR_FILENO) < 0)
        return 99;
    log_open_stderr();
    test_entries(server);
    test_log(server, capture);
    (void)dup2(saved, STDERR_FILENO);
    (void)unlink(path);
    (void)rmdir(folder);
    return tap_done();
}
