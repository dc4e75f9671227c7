/* SPDX-License-Identifier: BSD-2-Clause */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "complaint.h"
#include "record.h"
#include "regular_file.h"
#include "test_mode.h"

enum { PATH_BYTES = 4096, RESULT_FILE_MAX_BYTES = 2 * RESULT_JSON_MAX_BYTES };

static bool join(const char *folder, const char *name, char path[static PATH_BYTES])
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return len > 0 && len < PATH_BYTES;
}

static bool fail(const char *about, const char *why)
{
    complaint_print(about, why);
    return false;
}

/* The two files that are read by their names later. */
static bool has_files(int folder, char *const paths[])
{
    for (; *paths != NULL; paths++) {
        int fd = regular_file_open(folder, strrchr(*paths, '/') + 1, O_NOFOLLOW);
        if (fd < 0)
            return fail(*paths, regular_file_why(errno));
        close(fd);
    }
    return true;
}

static bool read_envelope(int folder, const char *path, const struct crypto_verifying_key *key,
                          struct result_envelope *envelope)
{
    const char *why;
    struct strbuf text;
    strbuf_init(&text, RESULT_FILE_MAX_BYTES);
    enum record_result result = record_read_result(folder, key, &text, envelope, &why);
    strbuf_clear(&text);
    switch (result) {
    case RECORD_RESULT_NONE:
    case RECORD_RESULT_FORGED:
        return fail(path, why);
    case RECORD_RESULT_UNCHECKED:
        record_tell_unchecked(path);
        return true;
    case RECORD_RESULT_UNSIGNED:
    case RECORD_RESULT_SIGNED:
        break;
    }
    return true;
}

/* Those that the result names; where it names none, those of the file. */
static struct settings *load_settings(const struct result_envelope *envelope, const char *fallback)
{
    struct strbuf error, text;
    strbuf_init(&error, 2 * SETTINGS_LINE_MAX_BYTES);
    strbuf_init(&text, sizeof envelope->settings + MAILBOX_MAX_BYTES + 64);
    (void)strbuf_append_format(&text, "ChallengeAddress %s\n%s", envelope->recipient, envelope->settings);
    bool has_own = envelope->settings[0] != '\0' && text.error == STRBUF_ERROR_NONE;
    struct settings *settings =
        has_own ? settings_load_text("settings", text.data, &error) : settings_load(fallback, &error);
    if (settings == NULL)
        complaint_print_text("", strbuf_string(&error));
    else
        settings->test_time = envelope->received_at;
    if (settings != NULL) { /* the list of today says nothing of a pass of then */
        free(settings->weak_key_file);
        settings->weak_key_file = NULL;
    }
    strbuf_clear(&error);
    strbuf_clear(&text);
    return settings;
}

static bool read_answer(int folder, struct endpoint_answer *answer)
{
    struct result_answer recorded;
    int outcome;
    if (!record_read_answer(folder, &recorded) ||
        !name_table_value(endpoint_outcome_names, span_from_string(recorded.outcome), &outcome))
        return false;
    *answer = (struct endpoint_answer){
        .outcome = (enum outcome)outcome,
        .http_status = recorded.status,
        .attempts = recorded.attempts,
    };
    (void)snprintf(answer->detail, sizeof answer->detail, "%s", recorded.detail);
    return true;
}

static int judge(int folder, const char *path, const char *fallback, const struct crypto_verifying_key *key,
                 const struct test_mode_options *given)
{
    struct result_envelope envelope;
    char message[PATH_BYTES], dns[PATH_BYTES];
    char *const files[] = {message, dns, NULL};
    if (!read_envelope(folder, path, key, &envelope) || !join(path, "message.eml", message) ||
        !join(path, "dns.txt", dns) || !has_files(folder, files))
        return EX_NOINPUT;
    struct settings *settings = load_settings(&envelope, fallback);
    if (settings == NULL)
        return EX_CONFIG;
    struct endpoint_answer answer;
    const struct test_mode_options options = {
        .dns_file = dns,
        .sender = envelope.sender,
        .recipient = envelope.recipient,
        .client_address = envelope.client_address,
        .wanted = &envelope,
        .explains = given->explains,
        .has_colour = given->has_colour,
        .is_record = true,
        .recorded = given->explains && read_answer(folder, &answer) ? &answer : NULL,
    };
    return test_mode_run(settings, &options, files, 1);
}

int replay_run(const char *path, const char *fallback, const char *key_file,
               const struct test_mode_options *given)
{
    struct crypto_verifying_key *key;
    if (!record_load_key(key_file, &key))
        return EX_NOINPUT;
    int folder = record_open(path);
    int code = folder >= 0 ? judge(folder, path, fallback, key, given) : EX_NOINPUT;
    if (folder >= 0)
        close(folder);
    else
        complaint_print(path, strerrordesc_np(errno));
    crypto_verifying_key_free(key);
    return code;
}
