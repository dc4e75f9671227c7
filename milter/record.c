/* SPDX-License-Identifier: BSD-2-Clause */
#include "record.h"

#include <errno.h>
#include <fcntl.h>

#include "complaint.h"
#include "evidence.h"
#include "regular_file.h"
#include "result_jws.h"

enum { ANSWER_MAX_BYTES = 16 * 1024, ERROR_BYTES = 8192 };

bool record_load_key(const char *path, struct crypto_verifying_key **key)
{
    char error[ERROR_BYTES];
    *key = path != NULL ? crypto_verifying_key_load(path, error, sizeof error) : NULL;
    if (path != NULL && *key == NULL)
        complaint_print_text("acme-milter: ", error);
    return path == NULL || *key != NULL;
}

int record_open(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool read_file(int folder, const char *name, struct strbuf *text)
{
    strbuf_reset(text);
    return regular_file_read(regular_file_open(folder, name, O_NOFOLLOW), text);
}

static enum record_result judge(struct span text, const struct crypto_verifying_key *key, bool has_signature,
                                struct result_envelope *out)
{
    if (!result_json_read_envelope(text, out))
        return RECORD_RESULT_NONE;
    if (key == NULL)
        return has_signature ? RECORD_RESULT_UNCHECKED : RECORD_RESULT_UNSIGNED;
    return result_jws_verify_text(key, text) ? RECORD_RESULT_SIGNED : RECORD_RESULT_FORGED;
}

enum record_result record_judge_text(struct span text, const struct crypto_verifying_key *key,
                                     struct result_envelope *out)
{
    struct result_jws_parts parts;
    return judge(text, key, result_jws_read(text, &parts), out);
}

enum record_result record_read_result(int folder, const struct crypto_verifying_key *key, struct strbuf *text,
                                      struct result_envelope *out, const char **why)
{
    bool is_jws = true;
    bool is_read = read_file(folder, "result.jws", text);
    if (!is_read && errno == ENOENT) {
        is_jws = false;
        is_read = read_file(folder, "result.json", text);
    }
    int error = errno;
    enum record_result result = is_read ? judge(strbuf_view(text), key, is_jws, out) : RECORD_RESULT_NONE;
    if (result == RECORD_RESULT_FORGED)
        *why = is_jws ? "result.jws is not signed by this key" : "not signed: there is no result.jws";
    else if (is_read || error == ENOENT)
        *why = "damaged: no result.json or result.jws that can be read";
    else
        *why = regular_file_why(error);
    return result;
}

bool record_read_answer(int folder, struct result_answer *out)
{
    struct strbuf text;
    strbuf_init(&text, ANSWER_MAX_BYTES);
    bool ok = read_file(folder, EVIDENCE_ANSWER, &text) && result_json_read_answer(strbuf_view(&text), out);
    strbuf_clear(&text);
    return ok;
}

void record_tell_unchecked(const char *about)
{
    complaint_print(about, "signatures were not verified: give --public-key FILE");
}
