/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_block.h"

#include <string.h>

#include "base64.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply_block got;
    const char *why = NULL;
    enum reply_block_status status = reply_block_parse((struct span){(const char *)data, size}, &got, &why);
    FUZZ_MUST(status != REPLY_BLOCK_STATUS_UNSET);
    FUZZ_MUST(strlen(got.digest) == (status == REPLY_BLOCK_STATUS_OK ? REPLY_DIGEST_BYTES : 0));
    FUZZ_MUST((why == NULL) == (status == REPLY_BLOCK_STATUS_OK));
    for (const char *p = got.digest; *p != '\0'; p++)
        FUZZ_MUST(base64_is_url_byte(*p));
    return 0;
}
