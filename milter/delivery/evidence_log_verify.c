/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "evidence_chain.h"
#include "result_jws.h"

enum { CHUNK_BYTES = 65536, WHAT_MAX_BYTES = 256 };

/* The line at hand, of which at most EVIDENCE_LOG_LINE_MAX_BYTES are kept; all of it is hashed. */
struct reading {
    struct evidence_log_check *check;
    struct crypto_sha256 *hash; /* owned */
    struct strbuf line;
    uint64_t offset; /* of the line in its file */
    uint64_t bytes;  /* of it so far */
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

/*
 * What is no line of an evidence log breaks no chain: the milter goes on with the last good line when it
 * finds it at the end of the file, so that the next line tells whether one was lost.
 */
static void tell_garbage(struct reading *r)
{
    char what[WHAT_MAX_BYTES];
    (void)snprintf(what, sizeof what,
                   "no line of an evidence log, %" PRIu64 " bytes at offset %" PRIu64
                   ": the chain is whole around it unless the next line has a fault",
                   r->bytes, r->offset);
    fault(r->check, what);
}

static bool check_line(struct reading *r)
{
    struct evidence_log_check *check = r->check;
    struct span line = strbuf_view(&r->line);
    uint8_t digest[CRYPTO_SHA256_BYTES];
    char previous[EVIDENCE_LOG_HASH_SIZE] = "";
    if (!crypto_sha256_finish(r->hash, digest))
        return false;
    check->lines++;
    if (r->is_too_long || !evidence_chain_read(line, previous)) {
        tell_garbage(r);
        return true;
    }
    if (check->lines == 1)
        memcpy(check->first, previous, sizeof previous);
    compare(check, previous);
    if (check->key != NULL && !result_jws_verify_text(check->key, line))
        fault(check, "it is not signed by this key");
    crypto_hex(digest, sizeof digest, check->last);
    return true;
}

static bool end_line(struct reading *r)
{
    if (r->line.error == STRBUF_ERROR_MEMORY || !check_line(r))
        return false;
    strbuf_clear(&r->line);
    r->offset += r->bytes + 1;
    r->bytes = 0;
    r->is_too_long = false;
    return true;
}

static bool add_bytes(struct reading *r, struct span bytes)
{
    r->bytes += bytes.len;
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
    check->is_torn = r.bytes > 0 && !r.is_too_long;
    check->torn_offset = r.offset;
    check->torn_bytes = r.bytes;
    if (r.is_too_long && outcome == OUTCOME_OK && !check_line(&r))
        outcome = OUTCOME_INTERNAL;
    strbuf_clear(&r.line);
    crypto_sha256_free(r.hash);
    return outcome;
}
