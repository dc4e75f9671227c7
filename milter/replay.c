/* SPDX-License-Identifier: BSD-2-Clause */
#include "replay.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "result_json.h"
#include "test_mode.h"

enum { PATH_BYTES = 4096, RESULT_FILE_MAX_BYTES = 2 * RESULT_JSON_MAX_BYTES };

static bool join(const char *folder, const char *name, char path[static PATH_BYTES])
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return len > 0 && len < PATH_BYTES;
}

static bool read_envelope(const char *folder, struct result_envelope *envelope)
{
    static const char *const names[] = {"result.json", "result.jws"};
    char path[PATH_BYTES];
    struct strbuf text;
    bool ok = false;
    strbuf_init(&text, RESULT_FILE_MAX_BYTES);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !ok; i++) {
        strbuf_reset(&text);
        ok = join(folder, names[i], path) && access(path, R_OK) == 0 && test_mode_read_file(path, &text) &&
             result_json_read_envelope(strbuf_view(&text), envelope);
    }
    strbuf_clear(&text);
    if (!ok)
        (void)fprintf(stderr, "acme-milter: %s: no result.json or result.jws that can be read\n", folder);
    return ok;
}

static struct settings *load_settings(const char *folder, const char *fallback, int64_t received_at)
{
    char path[PATH_BYTES];
    struct strbuf error;
    strbuf_init(&error, 2 * SETTINGS_LINE_MAX_BYTES);
    bool has_own = join(folder, "acme-milter.conf", path) && access(path, R_OK) == 0;
    struct settings *settings = settings_load(has_own ? path : fallback, &error);
    if (settings == NULL)
        (void)fprintf(stderr, "%s\n", strbuf_string(&error));
    else
        settings->test_time = received_at;
    strbuf_clear(&error);
    return settings;
}

int replay_run(const char *folder, const char *fallback)
{
    struct result_envelope envelope;
    char message[PATH_BYTES], dns[PATH_BYTES];
    if (!read_envelope(folder, &envelope) || !join(folder, "message.eml", message) ||
        !join(folder, "dns.txt", dns))
        return EX_NOINPUT;
    struct settings *settings = load_settings(folder, fallback, envelope.received_at);
    if (settings == NULL)
        return EX_CONFIG;
    const struct test_mode_options options = {
        .dns_file = dns,
        .sender = envelope.sender,
        .recipient = envelope.recipient,
        .client_address = envelope.client_address,
        .wanted_verdict = envelope.verdict,
    };
    char *const files[] = {message};
    return test_mode_run(settings, &options, files, 1);
}
