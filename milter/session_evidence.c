/* SPDX-License-Identifier: BSD-2-Clause */
#include "session_evidence.h"

#include <errno.h>
#include <string.h>

#include "clock.h"

static bool fail_to_write(const char *path)
{
    log_write_event(LOG_LEVEL_ERROR, "evidence",
                    (const char *[]){"reason", "write", "path", path, "error", strerrordesc_np(errno), NULL});
    return false;
}

static bool write_line(const struct session *s)
{
    struct evidence_log *log = s->runtime->evidence_log;
    const struct session_reply *r = s->reply;
    enum evidence_log_promise promise = r->record.decision.verdict == VERDICT_PASS
                                            ? EVIDENCE_LOG_PROMISE_ON_DISK
                                            : EVIDENCE_LOG_PROMISE_WRITTEN;
    if (log == NULL || evidence_log_append(log, span_from_string(r->result), s->runtime->evidence_key,
                                           promise) == OUTCOME_OK)
        return true;
    return fail_to_write(evidence_log_path(log));
}

bool session_evidence_write(const struct session *s, const char *body,
                            char path[static EVIDENCE_PATH_MAX_BYTES])
{
    const struct session_reply *r = s->reply;
    const struct settings *settings = s->runtime->settings;
    path[0] = '\0';
    if (!write_line(s))
        return false;
    if (settings->evidence_directory == NULL || s->runtime->purpose == RUNTIME_PURPOSE_JUDGE ||
        r->record.decision.verdict != VERDICT_PASS)
        return true;
    const struct evidence_folder folder = {
        .header = message_header_bytes(r->message),
        .body = message_body(r->message),
        .dns = strbuf_view(&r->dns),
        .result = span_from_string(body),
        .is_signed = s->runtime->evidence_key != NULL,
    };
    if (evidence_folder_write(settings->evidence_directory, r->record.id, r->received_at, &folder, path) ==
        OUTCOME_OK)
        return true;
    return fail_to_write(path);
}

void session_evidence_add_answer(const struct session *s, const char *path)
{
    const struct endpoint_answer *got = &s->reply->answer;
    struct strbuf text;
    char time[CLOCK_RFC3339_SIZE];
    if (path[0] == '\0')
        return;
    strbuf_init(&text, 4 * RESULT_DETAIL_MAX_BYTES);
    const char *word = name_table_name(endpoint_outcome_names, (int)got->outcome);
    clock_format_rfc3339(clock_wall_seconds(s->runtime->settings->test_time), time);
    (void)strbuf_append_format(
        &text, "{\"outcome\":\"%s\",\"status\":%d,\"attempts\":%u,\"answeredAt\":\"%s\",\"detail\":\"",
        word != NULL ? word : "unavailable", got->http_status, got->attempts, time);
    for (const char *p = got->detail; *p != '\0'; p++)
        (void)(*p == '"' || *p == '\\' ? strbuf_append_format(&text, "\\%c", *p)
                                       : strbuf_append_byte(&text, *p));
    (void)strbuf_append_string(&text, "\"}\n");
    if (evidence_folder_add_answer(path, strbuf_view(&text)) != OUTCOME_OK)
        log_write_event(
            LOG_LEVEL_ERROR, "evidence",
            (const char *[]){"reason", "answer.json", "path", path, "error", strerrordesc_np(errno), NULL});
    strbuf_clear(&text);
}
