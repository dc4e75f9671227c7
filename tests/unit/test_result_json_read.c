/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "tap.h"

static const struct {
    const char *name;
    const char *body;
    const char *want;
} details[] = {
    {"RFC 9457 detail",
     "{\"type\":\"about:blank\",\"title\":\"No\",\"detail\":\"Unknown token.\",\"status\":404}",
     "Unknown token."},
    {"RFC 9457 title only", "{\"title\":\"Not Found\",\"status\":404}", "Not Found"},
    {"title where detail is empty", "{\"title\":\"Not Found\",\"detail\":\" \\n\"}", "Not Found"},
    {"title where detail is a number", "{\"title\":\"Not Found\",\"detail\":5}", "Not Found"},
    {"neither", "{\"error\":\"x\"}", ""},
    {"empty document", "", ""},
    {"no JSON", "<html>404</html>", ""},
    {"cut JSON", "{\"detail\":\"x\"", ""},
    {"something behind it", "{\"detail\":\"x\"} y", ""},
    {"an array", "[{\"detail\":\"x\"}]", ""},
    {"a text", "\"detail\"", ""},
    {"null", "{\"detail\":null,\"title\":null}", ""},
    {"white space", "{\"detail\":\"  a \\r\\n\\t b  \"}", "a b"},
    {"no SMTP line of its own", "{\"detail\":\"x\\r\\n250 2.0.0 ok\"}", "x 250 2.0.0 ok"},
    {"controls and DEL", "{\"detail\":\"a\\u0001b\\u001b[31m\\u007fc\"}", "a?b?[31m?c"},
    {"NUL", "{\"detail\":\"a\\u0000b\"}", ""},
    {"8-bit, one ? each character", "{\"detail\":\"caf\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80\"}", "caf? ??"},
    {"bytes that are not UTF-8", "{\"detail\":\"a\xff\"}", ""},
    {"percent signs stay", "{\"detail\":\"100%s %n\"}", "100%s %n"},
    {"deep nesting", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", ""},
};

static void test_details(void)
{
    char out[RESULT_DETAIL_MAX_BYTES + 1];
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        bool is_found = result_json_problem_detail(span_from_string(details[i].body), out);
        tap_ok(is_found == (*details[i].want != '\0'), "%s: found or not", details[i].name);
        tap_is_string(out, details[i].want, details[i].name);
    }
    char body[1024];
    char want[RESULT_DETAIL_MAX_BYTES + 1] = "";
    (void)snprintf(body, sizeof body, "{\"detail\":\"%0500d\"}", 0);
    memset(want, '0', RESULT_DETAIL_MAX_BYTES);
    tap_ok(result_json_problem_detail(span_from_string(body), out), "a long detail");
    tap_is_string(out, want, "is cut to 200");
}

static const struct {
    const char *name;
    const char *text;
    bool is_read;
} envelopes[] = {
    {"empty", "", false},
    {"no JSON", "verdict", false},
    {"another object", "{\"version\":1}", false},
    {"no address", "{\"receivedAt\":\"2026-11-24T05:00:00Z\",\"challengeAddress\":null}", false},
    {"a time that is none", "{\"receivedAt\":\"2026-02-30T05:00:00Z\",\"challengeAddress\":\"a@b.example\"}",
     false},
    {"the least", "{\"receivedAt\":\"2026-11-24T05:00:00Z\",\"challengeAddress\":\"a@b.example\"}", true},
    {"a JWS of nothing", "{\"payload\":\"\"}", false},
    {"a JWS of no base64url", "{\"payload\":\"!\"}", false},
    {"a JWS of no JSON", "{\"payload\":\"AAAA\"}", false},
};

static void check_envelope(const char *text, const char *name)
{
    struct result_envelope got;
    if (!tap_ok(result_json_read_envelope(span_from_string(text), &got), "%s: read back", name))
        return;
    tap_is_string(got.recipient, "acme+7f@ca.example", "recipient");
    tap_is_string(got.sender, "alice@example.com", "sender");
    tap_is_string(got.client_address, "192.0.2.1", "client address");
    tap_is_string(got.verdict, "pass", "verdict");
    tap_is_int(got.received_at, 1795496400, "time");
}

static void test_envelopes(void)
{
    static const char example[] =
        "{\"version\":1,\"verdict\":\"pass\",\"challengeAddress\":\"acme+7f@ca.example\","
        "\"receivedAt\":\"2026-11-24T05:00:00Z\","
        "\"smtp\":{\"clientAddress\":\"192.0.2.1\",\"mailFrom\":\"alice@example.com\"}}";
    struct result_envelope got;
    for (size_t i = 0; i < sizeof envelopes / sizeof *envelopes; i++)
        tap_ok(result_json_read_envelope(span_from_string(envelopes[i].text), &got) == envelopes[i].is_read,
               "envelope: %s", envelopes[i].name);
    struct strbuf jws;
    strbuf_init(&jws, RESULT_JSON_MAX_BYTES);
    tap_ok(strbuf_append_string(&jws, "{\"payload\":\"") &&
               base64_append_url(&jws, span_from_string(example)) && strbuf_append_string(&jws, "\"}"),
           "a JWS of the example");
    check_envelope(example, "an object");
    check_envelope(strbuf_string(&jws), "a JWS");
    strbuf_clear(&jws);
}

int main(void)
{
    test_details();
    test_envelopes();
    return tap_done();
}
