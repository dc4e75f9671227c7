/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "clock.h"
#include "fuzz.h"
#include "result_json.h"

/* What stands in an evidence folder was perhaps not written by us: every text is cut and ended. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result_envelope envelope;
    struct result_answer answer;
    struct span text = {(const char *)data, size};
    if (result_json_read_envelope(text, &envelope)) {
        char time[CLOCK_RFC3339_SIZE];
        int64_t again;
        FUZZ_MUST(envelope.recipient[0] != '\0');
        clock_format_rfc3339(envelope.received_at, time);
        FUZZ_MUST(time[0] == '\0' || (clock_parse_rfc3339(time, &again) && again == envelope.received_at));
    }
    FUZZ_MUST(memchr(envelope.settings, '\0', sizeof envelope.settings) != NULL);
    FUZZ_MUST(memchr(envelope.sender, '\0', sizeof envelope.sender) != NULL);
    FUZZ_MUST(memchr(envelope.id, '\0', sizeof envelope.id) != NULL);
    if (result_json_read_answer(text, &answer))
        FUZZ_MUST(answer.status >= 0 && answer.status < 1000);
    FUZZ_MUST(memchr(answer.detail, '\0', sizeof answer.detail) != NULL);
    return 0;
}
