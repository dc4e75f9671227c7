/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify_log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "complaint.h"
#include "evidence_log.h"
#include "record.h"
#include "regular_file.h"

enum { VERIFY_LOG_BROKEN = 1, FAULTS_TOLD_MAX = 1000, WHAT_MAX_BYTES = 256, NAME_MAX_BYTES = 4 * 4096 };

/* What a report needs. */
struct place {
    const char *file;
    char name[NAME_MAX_BYTES]; /* the file's, in printable ASCII: its folder is not root's */
    unsigned told;
};

static void report(void *context, uint64_t line, const char *what)
{
    struct place *place = context;
    if (place->told < FAULTS_TOLD_MAX)
        (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", place->name, line, what);
    else if (place->told == FAULTS_TOLD_MAX)
        complaint_print(place->file, "more faults follow");
    place->told += place->told <= FAULTS_TOLD_MAX ? 1 : 0;
}

static const char *known(const char *hash)
{
    return hash[0] != '\0' ? hash : "-";
}

static const char *beginning(const char *hash)
{
    return strcmp(hash, EVIDENCE_LOG_START) == 0 ? "start" : known(hash);
}

static void print_file(const struct evidence_log_check *check, const char *name, uint64_t faults)
{
    printf("%s: lines=%" PRIu64 " faults=%" PRIu64 " previous=%s last=%s\n", name, check->lines, faults,
           beginning(check->first), known(check->last));
}

static enum outcome check_file(struct evidence_log_check *check, const char *file)
{
    struct place place = {.file = file};
    uint64_t before = check->faults;
    span_copy_escaped(span_from_string(file), place.name, sizeof place.name);
    FILE *stream = strcmp(file, "-") == 0 ? stdin : regular_file_stream(file);
    check->context = &place;
    check->report = report;
    enum outcome outcome = stream != NULL ? evidence_log_verify(check, stream) : OUTCOME_TEMPORARY;
    if (outcome == OUTCOME_OK) {
        print_file(check, place.name, check->faults - before);
    } else {
        complaint_print(file, outcome == OUTCOME_INTERNAL ? "out of memory" : regular_file_why(errno));
        /* Nothing can be said of what follows it. */
        check->last[0] = '\0';
        check->is_torn = false;
    }
    if (stream != NULL && stream != stdin)
        (void)fclose(stream); /* it was only read */
    return outcome;
}

static int check_files(struct evidence_log_check *check, char *const *files, int count)
{
    bool has_missed = false;
    for (int i = 0; i < count; i++) {
        enum outcome outcome = check_file(check, files[i]);
        if (outcome == OUTCOME_INTERNAL)
            return EX_SOFTWARE;
        has_missed = has_missed || outcome != OUTCOME_OK;
    }
    if (check->is_torn) {
        char what[WHAT_MAX_BYTES];
        (void)snprintf(what, sizeof what,
                       "behind the last line is a piece of one, %" PRIu64 " bytes at offset %" PRIu64
                       ": being written now, or left by a crash",
                       check->torn_bytes, check->torn_offset);
        complaint_print(files[count - 1], what);
    }
    if (check->faults > 0)
        return VERIFY_LOG_BROKEN;
    return has_missed ? EX_NOINPUT : EX_OK;
}

int verify_log_run(const char *key_file, char *const *files, int count)
{
    struct crypto_verifying_key *key;
    if (!record_load_key(key_file, &key))
        return EX_NOINPUT;
    struct evidence_log_check check = {.key = key};
    int code = check_files(&check, files, count);
    crypto_verifying_key_free(key);
    if (fflush(stdout) != 0)
        code = EX_SOFTWARE;
    return code;
}
