/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_json.h"

#include <string.h>

#include "base64.h"
#include "crypto.h"

enum { ID_INPUT_MAX_BYTES = 8192 };

static const char result_version[] = "1";
static const struct reply_form no_form;

static bool append_counted(struct strbuf *out, const char *text)
{
    struct span s = span_from_string(text);
    return strbuf_append_format(out, "%zu:", s.len) && strbuf_append(out, s);
}

static bool append_digest(struct strbuf *out, struct span text)
{
    uint8_t digest[CRYPTO_SHA256_BYTES];
    struct crypto_sha256 *hash = crypto_sha256_new();
    bool ok = hash != NULL && crypto_sha256_add(hash, text) && crypto_sha256_finish(hash, digest) &&
              base64_append_url(out, (struct span){(const char *)digest, sizeof digest});
    crypto_sha256_free(hash);
    return ok;
}

bool result_json_make_id(const struct reply_record *record, char out[static REPLY_RECORD_ID_BYTES + 1])
{
    const struct reply_form *form = record->form != NULL ? record->form : &no_form;
    char author[MAILBOX_MAX_BYTES + 1] = "";
    struct strbuf text;
    struct strbuf id;
    strbuf_init(&text, ID_INPUT_MAX_BYTES);
    strbuf_init(&id, REPLY_RECORD_ID_BYTES);
    if (form->has_author)
        mailbox_format(&form->author, author);
    bool ok = append_counted(&text, result_version) && append_counted(&text, record->challenge_address) &&
              append_counted(&text, form->has_token ? form->subject.token : NULL) &&
              append_counted(&text, form->has_digest ? form->block.digest : NULL) &&
              append_counted(&text, author) && append_counted(&text, form->message_id) &&
              append_digest(&id, strbuf_view(&text));
    if (ok)
        memcpy(out, strbuf_string(&id), REPLY_RECORD_ID_BYTES + 1);
    strbuf_clear(&text);
    strbuf_clear(&id);
    return ok;
}
