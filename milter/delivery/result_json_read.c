/* SPDX-License-Identifier: BSD-2-Clause */
/* What others wrote in JSON: problem documents, and the records of our own. */
#include "result_json.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base64.h"
#include "clock.h"
#include "utf8.h"

enum { DETAIL_MAX_DOCUMENT_BYTES = 64 * 1024 };

/* Blanks become one space, none at the ends; what is neither blank nor printable ASCII becomes '?'. */
static bool clean_detail(const json_t *value, char out[static RESULT_DETAIL_MAX_BYTES + 1])
{
    struct span s = span_trim((struct span){json_string_value(value), json_string_length(value)});
    size_t len = 0;
    for (size_t at = 0; at < s.len && len < RESULT_DETAIL_MAX_BYTES;) {
        uint32_t code;
        size_t step = utf8_decode(s, at, &code);
        bool is_blank = byte_is_blank(s.data[at]) || s.data[at] == '\r' || s.data[at] == '\n';
        if (!is_blank)
            out[len++] = step == 1 && !byte_is_control(s.data[at]) ? s.data[at] : '?';
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
        at += step > 0 ? step : 1;
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return len > 0;
}

bool result_json_problem_detail(struct span body, char out[static RESULT_DETAIL_MAX_BYTES + 1])
{
    out[0] = '\0';
    if (body.len == 0 || body.len > DETAIL_MAX_DOCUMENT_BYTES)
        return false;
    json_t *document = json_loadb(body.data, body.len, 0, NULL);
    bool is_found = clean_detail(json_object_get(document, "detail"), out) ||
                    clean_detail(json_object_get(document, "title"), out);
    json_decref(document);
    return is_found;
}

static void copy_text(const json_t *value, char *out, size_t size)
{
    const char *text = json_string_value(value);
    (void)snprintf(out, size, "%s", text != NULL ? text : "");
}

/* The object itself, or what is inside the JWS. */
static json_t *load_result(struct span text)
{
    json_t *object = text.len > 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const char *payload = json_string_value(json_object_get(object, "payload"));
    if (payload == NULL)
        return object;
    struct strbuf inner;
    strbuf_init(&inner, RESULT_JSON_MAX_BYTES);
    json_t *result = NULL;
    if (base64_decode(span_from_string(payload), BASE64_ALPHABET_URL, &inner) == OUTCOME_OK && inner.len > 0)
        result = json_loadb(inner.data, inner.len, 0, NULL);
    strbuf_clear(&inner);
    json_decref(object);
    return result;
}

static void copy_settings(const json_t *array, char *out, size_t size)
{
    size_t len = 0;
    size_t count = json_array_size(array);
    out[0] = '\0';
    for (size_t i = 0; i < count && len < size; i++) {
        const char *line = json_string_value(json_array_get(array, i));
        int n = snprintf(out + len, size - len, "%s\n", line != NULL ? line : "");
        len += n > 0 ? (size_t)n : 0;
    }
}

bool result_json_read_envelope(struct span text, struct result_envelope *out)
{
    memset(out, 0, sizeof *out);
    json_t *result = load_result(text);
    const json_t *smtp = json_object_get(result, "smtp");
    const char *received = json_string_value(json_object_get(result, "receivedAt"));
    copy_text(json_object_get(result, "challengeAddress"), out->recipient, sizeof out->recipient);
    copy_text(json_object_get(result, "verdict"), out->verdict, sizeof out->verdict);
    copy_text(json_object_get(smtp, "mailFrom"), out->sender, sizeof out->sender);
    copy_text(json_object_get(smtp, "queueId"), out->queue_id, sizeof out->queue_id);
    copy_text(json_object_get(result, "id"), out->id, sizeof out->id);
    copy_text(json_object_get(result, "from"), out->author, sizeof out->author);
    copy_text(json_object_get(smtp, "clientAddress"), out->client_address, sizeof out->client_address);
    copy_settings(json_object_get(result, "settings"), out->settings, sizeof out->settings);
    bool ok =
        received != NULL && clock_parse_rfc3339(received, &out->received_at) && out->recipient[0] != '\0';
    json_decref(result);
    return ok;
}

bool result_json_read_answer(struct span text, struct result_answer *out)
{
    json_t *answer = text.len > 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const json_t *status = json_object_get(answer, "status");
    bool ok = json_is_integer(status) && json_integer_value(status) >= 0 && json_integer_value(status) < 1000;
    memset(out, 0, sizeof *out);
    if (ok) {
        out->status = (int)json_integer_value(status);
        out->attempts = (unsigned)json_integer_value(json_object_get(answer, "attempts"));
        copy_text(json_object_get(answer, "outcome"), out->outcome, sizeof out->outcome);
        copy_text(json_object_get(answer, "detail"), out->detail, sizeof out->detail);
    }
    json_decref(answer);
    return ok;
}

const char *result_json_library_text(void)
{
    return jansson_version_str();
}
