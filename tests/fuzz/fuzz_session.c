/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole mail, as -t reads it: up to the first "\n\n" a DNS file, then the mail. A first line "#order
 * LETTERS" has these events come before it, in any order (test_session_order.c has what the letters mean). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "mail_file.h"
#include "session.h"

static const char configuration[] = "ChallengeAddress acme@ca.example\nTestTime 1795496400\nLogLevel error\n";

static int file_of(const void *data, size_t size, char *path, size_t path_size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (size > 0 && write(fd, data, size) != (ssize_t)size))
        abort();
    (void)snprintf(path, path_size, "/proc/self/fd/%d", fd);
    return fd;
}

static struct settings *settings_once(void)
{
    static struct settings *settings;
    char path[64];
    struct strbuf error;
    if (settings == NULL) {
        strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
        int fd = file_of(configuration, sizeof configuration - 1, path, sizeof path);
        settings = settings_load(path, &error);
        FUZZ_MUST(settings != NULL);
        log_set_level(LOG_LEVEL_ERROR);
        close(fd);
        strbuf_clear(&error);
    }
    return settings_ref(settings);
}

static void check(const struct session *s, const struct session_outcome *o)
{
    enum verdict verdict = session_verdict(s);
    FUZZ_MUST(verdict != VERDICT_UNSET);
    FUZZ_MUST((verdict == VERDICT_REJECT) == (o->action == SESSION_ACTION_REJECT));
    FUZZ_MUST((verdict == VERDICT_TEMPERROR) == (o->action == SESSION_ACTION_TEMPFAIL));
    FUZZ_MUST(o->action == SESSION_ACTION_DISCARD || o->code / 100 == (verdict == VERDICT_REJECT ? 5 : 4));
    FUZZ_MUST(session_result(s) != NULL);
}

static void say(struct session *s, struct runtime *runtime, char letter, struct span text)
{
    struct session_outcome o = {.action = SESSION_ACTION_TEMPFAIL};
    switch (letter) {
    case 'H':
        session_helo(s, "mail.example.com");
        break;
    case 'M':
        session_begin(s, runtime_ref(runtime), "<a@b.example>");
        break;
    case 'R':
        session_recipient(s, &(struct session_path){.written = "<acme@ca.example>"});
        break;
    case 'T':
        session_data(s);
        break;
    case 'L':
        session_header(s, SPAN_LITERAL("Subject"), span_slice(text, 0, 40));
        break;
    case 'N':
        session_end_of_header(s);
        break;
    case 'B':
        (void)session_body(s, text);
        break;
    case 'E':
        session_judge(s, NULL, NULL, &o);
        FUZZ_MUST((session_verdict(s) == VERDICT_UNSET) == (session_result(s) == NULL));
        FUZZ_MUST(session_verdict(s) != VERDICT_UNSET || o.action == SESSION_ACTION_TEMPFAIL ||
                  session_interest(s) == SESSION_INTEREST_NOT_OURS);
        break;
    default:
        session_reset(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    size_t cut = span_find(input, 0, SPAN_LITERAL("\n\n"));
    bool has_order = span_equal(span_slice(input, 0, 7), SPAN_LITERAL("#order "));
    size_t dns = has_order ? span_find_byte(input, 0, '\n') : 0;
    char path[64];
    struct strbuf error;
    strbuf_init(&error, SETTINGS_LINE_MAX_BYTES);
    int fd = file_of(data + dns, cut - dns, path, sizeof path);
    struct runtime *runtime = runtime_new(settings_once(), RUNTIME_PURPOSE_JUDGE, path, NULL, &error);
    struct session *s = session_new();
    struct session_outcome outcome;
    if (runtime != NULL && s != NULL) {
        for (size_t i = 7; i < dns; i++)
            say(s, runtime, input.data[i], span_slice(input, cut + 2, size));
        session_reset(s);
        session_begin(s, runtime_ref(runtime), "<a@b.example>");
        session_recipient(s, &(struct session_path){.written = "<acme@ca.example>"});
        session_data(s);
        FUZZ_MUST(session_interest(s) == SESSION_INTEREST_OURS);
        mail_file_feed(s, span_slice(input, cut + 2, size));
        session_judge(s, NULL, NULL, &outcome);
        check(s, &outcome);
    }
    session_free(s);
    runtime_unref(runtime);
    close(fd);
    strbuf_clear(&error);
    return 0;
}
