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
#include "result_json.h"
#include "test_mode.h"

enum { PATH_BYTES = 4096, RESULT_FILE_MAX_BYTES = 2 * RESULT_JSON_MAX_BYTES };

static bool join(const char *folder, const char *name, char path[static PATH_BYTES])
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return len > 0 && len < PATH_BYTES;
}

static bool is_folder(const char *path)
{
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        close(folder);
    return folder >= 0;
}

static bool read_envelope(const char *folder, struct result_envelope *envelope)
{
    static const char *const names[] = {"result.json", "result.jws"};
    const char *why = "no result.json or result.jws that can be read";
    char path[PATH_BYTES];
    struct strbuf text;
    bool ok = false;
    if (!is_folder(folder)) {
        complaint_print(folder, strerrordesc_np(errno));
        return false;
    }
    strbuf_init(&text, RESULT_FILE_MAX_BYTES);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !ok; i++) {
        strbuf_reset(&text);
        bool is_there = join(folder, names[i], path) && access(path, R_OK) == 0;
        if (!is_there && errno != ENOENT)
            why = strerrordesc_np(errno);
        ok = is_there && test_mode_read_file(path, &text) &&
             result_json_read_envelope(strbuf_view(&text), envelope);
    }
    strbuf_clear(&text);
    if (!ok)
        complaint_print(folder, why);
    return ok;
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

/* False where the ACME server never answered, or nobody could write it down. */
static bool read_answer(const char *folder, struct endpoint_answer *answer)
{
    char path[PATH_BYTES];
    struct strbuf text;
    struct result_answer recorded;
    strbuf_init(&text, RESULT_FILE_MAX_BYTES);
    bool ok = join(folder, "answer.json", path) && access(path, R_OK) == 0 &&
              test_mode_read_file(path, &text) && result_json_read_answer(strbuf_view(&text), &recorded);
    strbuf_clear(&text);
    int outcome;
    if (!ok || !name_table_value(endpoint_outcome_names, span_from_string(recorded.outcome), &outcome))
        return false;
    *answer = (struct endpoint_answer){
        .outcome = (enum outcome)outcome,
        .http_status = recorded.status,
        .attempts = recorded.attempts,
    };
    (void)snprintf(answer->detail, sizeof answer->detail, "%s", recorded.detail);
    return true;
}

int replay_run(const char *folder, const char *fallback, const struct test_mode_options *given)
{
    struct result_envelope envelope;
    char message[PATH_BYTES], dns[PATH_BYTES];
    if (!read_envelope(folder, &envelope) || !join(folder, "message.eml", message) ||
        !join(folder, "dns.txt", dns))
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
    char *const files[] = {message};
    return test_mode_run(settings, &options, files, 1);
}
