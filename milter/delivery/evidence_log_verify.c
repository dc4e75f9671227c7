/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "evidence_chain.h"
#include "result_jws.h"

enum { CHUNK_BYTES = 65536 };

/* The line at hand, of which at most EVIDENCE_LOG_LINE_MAX_BYTES are kept; all of it is hashed. */
struct reading {
    struct evidence_log_check *check;
    struct crypto_sha256 *hash; /* owned */
    struct strbuf line;
    bool has_bytes;
    bool is_too_long;
};

static void fault(struct evidence_log_check *check, const char *what)
{
    check->faults++;
    if (check->report != NULL)
        check->report(check->context, check->lines, what);
}

static void compare(struct evidence_log_check *check, const char *previous)
{
    if (check->last[0] == '\0' || strcmp(previous, check->last) == 0)
        return;
    fault(check,
          strcmp(previous, EVIDENCE_LOG_START) == 0
              ? "a new chain begins here: it does not follow the line before"
              : "it does not follow the line before: one of them was changed, or lines between them were "
                "dropped, inserted or moved");
}

static bool is_signed(const struct evidence_log_check *check, struct span line)
{
    struct evidence_chain_jws jws;
    return evidence_chain_read_jws(line, &jws) &&
           result_jws_verify(check->key, jws.header, jws.payload, jws.signature);
}

static void check_line(struct evidence_log_check *check, struct span line, bool is_too_long)
{
    char previous[EVIDENCE_LOG_HASH_SIZE] = "";
    check->lines++;
    if (is_too_long || !evidence_chain_read(line, previous)) {
        fault(check, is_too_long ? "longer than a line of an evidence log may be"
                                 : "it carries no " RESULT_JWS_PREVIOUS ": no line of an evidence log");
    } else {
        if (check->lines == 1)
            memcpy(check->first, previous, sizeof previous);
        compare(check, previous);
    }
    if (check->key != NULL && (is_too_long || !is_signed(check, line)))
        fault(check, "it is not signed by this key");
}

static bool end_line(struct reading *r)
{
    uint8_t digest[CRYPTO_SHA256_BYTES];
    if (r->line.error == STRBUF_ERROR_MEMORY || !crypto_sha256_finish(r->hash, digest))
        return false;
    check_line(r->check, strbuf_view(&r->line), r->is_too_long);
    crypto_hex(digest, sizeof digest, r->check->last);
    strbuf_clear(&r->line);
    r->has_bytes = r->is_too_long = false;
    return true;
}

static bool add_bytes(struct reading *r, struct span bytes)
{
    r->has_bytes = r->has_bytes || bytes.len > 0;
    if (!strbuf_append(&r->line, bytes))
        r->is_too_long = true;
    return r->line.error != STRBUF_ERROR_MEMORY && crypto_sha256_add(r->hash, bytes);
}

static bool take_chunk(struct reading *r, struct span chunk)
{
    size_t at = 0;
    while (at < chunk.len) {
        size_t end = span_find_byte(chunk, at, '\n');
        if (!add_bytes(r, span_slice(chunk, at, end)) || (end < chunk.len && !end_line(r)))
            return false;
        at = end + 1;
    }
    return true;
}

static enum outcome read_all(struct reading *r, FILE *file)
{
    char chunk[CHUNK_BYTES];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (!take_chunk(r, (struct span){chunk, n}))
            return OUTCOME_INTERNAL;
    return ferror(file) != 0 ? OUTCOME_TEMPORARY : OUTCOME_OK;
}

enum outcome evidence_log_verify(struct evidence_log_check *check, FILE *file)
{
    struct reading r = {.check = check, .hash = crypto_sha256_new()};
    bool was_torn = check->is_torn;
    check->lines = 0;
    check->first[0] = '\0';
    check->is_torn = false;
    if (r.hash == NULL)
        return OUTCOME_INTERNAL;
    if (was_torn)
        fault(check, "the file before this one ends within a line");
    strbuf_init(&r.line, EVIDENCE_LOG_LINE_MAX_BYTES);
    enum outcome outcome = read_all(&r, file);
    check->is_torn = r.has_bytes;
    strbuf_clear(&r.line);
    crypto_sha256_free(r.hash);
    return outcome;
}
