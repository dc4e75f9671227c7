/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum {
    LINES = 6,
    CHANGED_AT = 14,
    /* in the result, or in the payload */ LINE_BYTES = 1024,
    TEXT_BYTES = LINES * LINE_BYTES,
    PATH_BYTES = 2 * SCRATCH_PATH_BYTES
};

/* The keys of RFC 8032 section 7.1, tests 1 and 2. */
#define PRIVATE_KEY                                                                                          \
    "-----BEGIN PRIVATE KEY-----\n"                                                                          \
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"                                     \
    "-----END PRIVATE KEY-----\n"
#define PUBLIC_KEY                                                                                           \
    "-----BEGIN PUBLIC KEY-----\n"                                                                           \
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"                                         \
    "-----END PUBLIC KEY-----\n"
#define OTHER_PUBLIC_KEY                                                                                     \
    "-----BEGIN PUBLIC KEY-----\n"                                                                           \
    "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"                                         \
    "-----END PUBLIC KEY-----\n"

/* A log of LINES lines as the milter writes it. */
struct written {
    char lines[LINES][LINE_BYTES]; /* with their ends */
};

static void write_log(const char *root, const struct crypto_signing_key *key, struct written *out)
{
    char path[PATH_BYTES], error[256];
    (void)snprintf(path, sizeof path, "%s/log", root);
    (void)remove(path);
    struct evidence_log *log = evidence_log_open(path, error, sizeof error);
    for (int i = 0; i < LINES; i++) {
        char result[64];
        (void)snprintf(result, sizeof result, "{\"version\":1,\"id\":\"%d\"}", i);
        if (log == NULL || evidence_log_append(log, span_from_string(result), key,
                                               EVIDENCE_LOG_PROMISE_WRITTEN) != OUTCOME_OK)
            abort();
    }
    evidence_log_close(log);
    const char *text = scratch_read(root, "log");
    for (int i = 0; i < LINES; i++) {
        const char *end = strchr(text, '\n') + 1;
        (void)snprintf(out->lines[i], LINE_BYTES, "%.*s", (int)(end - text), text);
        text = end;
    }
}

struct faults {
    char text[256]; /* "3 4": the lines */
};

static void note_fault(void *context, uint64_t line, const char *what)
{
    struct faults *faults = context;
    size_t len = strlen(faults->text);
    (void)what;
    (void)snprintf(faults->text + len, sizeof faults->text - len, "%s%" PRIu64, len > 0 ? " " : "", line);
}

static void check_text(struct evidence_log_check *check, const char *text, size_t len)
{
    FILE *file = tmpfile();
    if (file == NULL || fwrite(text, 1, len, file) != len)
        abort();
    rewind(file);
    tap_ok(evidence_log_verify(check, file) == OUTCOME_OK, "read to its end");
    (void)fclose(file);
}

struct order_row {
    const char *name;
    const char *order; /* the lines as written, by number; '*' makes a change in the one before */
    const char *want;  /* lines with faults */
};

static const struct order_row order_rows[] = {
    {"as written", "012345", ""},
    {"from the middle", "345", ""},
    {"the last ones are gone: only a note kept elsewhere tells", "012", ""},
    {"nothing", "", ""},
    {"the first is changed", "0*12345", "2"},
    {"one is changed", "012*345", "4"},
    {"two are changed", "01*23*45", "3 5"},
    {"the last is changed: only its signature tells", "012345*", ""},
    {"one is dropped", "01345", "3"},
    {"two are dropped", "01245", "4"},
    {"two are dropped", "045", "2"},
    {"one is inserted that was there before", "0121345", "4 5"},
    {"one stands twice", "0122345", "4"},
    {"two are swapped", "021345", "2 3 4"},
    {"the order is turned", "543210", "2 3 4 5 6"},
    {"a new chain in the middle", "0120", "4"},
};

static size_t put_order(const struct written *w, const char *order, char out[static TEXT_BYTES * 2])
{
    size_t len = 0;
    out[0] = '\0';
    for (; *order != '\0'; order++) {
        if (*order == '*') {
            out[len - strlen(w->lines[order[-1] - '0']) + CHANGED_AT] ^= 1;
        } else {
            len += (size_t)snprintf(out + len, LINE_BYTES, "%s", w->lines[*order - '0']);
        }
    }
    return len;
}

static void test_orders(const struct written *w, const char *mode)
{
    for (size_t i = 0; i < ROWS(order_rows); i++) {
        static char text[TEXT_BYTES * 2];
        struct faults faults = {""};
        struct evidence_log_check check = {.report = note_fault, .context = &faults};
        check_text(&check, text, put_order(w, order_rows[i].order, text));
        char name[256];
        (void)snprintf(name, sizeof name, "%s: %s", mode, order_rows[i].name);
        tap_is_string(faults.text, order_rows[i].want, name);
    }
}

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *name, *text;
    uint64_t lines, faults;
    bool is_torn;
} texts[] = {
    {"empty", "", 0, 0, false},
    {"a line of nothing", "\n", 1, 1, false},
    {"no object", "x\n", 1, 1, false},
    {"no hash", "{\"version\":1}\n", 1, 1, false},
    {"a hash", "{\"version\":1,\"previousSha256\":\"" HASH_A "\"}\n", 1, 0, false},
    {"a hash and nothing else", "{,\"previousSha256\":\"" HASH_A "\"}\n", 1, 0, false},
    {"not the last member", "{\"previousSha256\":\"" HASH_A "\",\"a\":1}\n", 1, 1, false},
    {"a hash in upper case", "{\"a\":1,\"previousSha256\":\"AA" HASH_A "\"}\n", 1, 1, false},
    {"a hash too short", "{\"a\":1,\"previousSha256\":\"" HASH_A "\"\"}\n", 1, 1, false},
    {"no brace", "\"a\":1,\"previousSha256\":\"" HASH_A "\"}\n", 1, 1, false},
    {"a blank behind", "{\"a\":1,\"previousSha256\":\"" HASH_A "\"} \n", 1, 1, false},
    {"CRLF", "{\"a\":1,\"previousSha256\":\"" HASH_A "\"}\r\n", 1, 1, false},
    {"torn", "{\"a\":1,\"previousSha256\":\"" HASH_A "\"}\n{\"a\"", 1, 0, true},
    {"a JWS of no header", "{\"payload\":\"e30\",\"signature\":\"AA\"}\n", 1, 1, false},
    {"a JWS whose header is no base64url", "{\"payload\":\"e30\",\"protected\":\"+\",\"signature\":\"AA\"}\n",
     1, 1, false},
    {"a JWS whose header has no hash", "{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"AA\"}\n",
     1, 1, false},
    {"half a JWS", "{\"payload\":\"e30\n", 1, 1, false},
};

static void test_texts(void)
{
    for (size_t i = 0; i < ROWS(texts); i++) {
        struct evidence_log_check check = {.key = NULL};
        check_text(&check, texts[i].text, strlen(texts[i].text));
        tap_ok(check.lines == texts[i].lines && check.faults == texts[i].faults &&
                   check.is_torn == texts[i].is_torn,
               "%s: %" PRIu64 " lines, %" PRIu64 " faults", texts[i].name, check.lines, check.faults);
    }
}

static void test_files(const struct written *w)
{
    static const struct {
        const char *name, *first, *second, *want;
    } rows[] = {
        {"two files", "012", "345", ""},
        {"an empty one between", "012", "", ""},
        {"a file is missing", "01", "45", "1"},
        {"the wrong order", "345", "012", "1"},
        {"lines are missing at the end of the first", "01", "345", "1"},
    };
    static char text[TEXT_BYTES * 2];
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct faults faults = {""};
        struct evidence_log_check check = {.report = note_fault, .context = &faults};
        check_text(&check, text, put_order(w, rows[i].first, text));
        check_text(&check, text, put_order(w, rows[i].second, text));
        tap_is_string(faults.text, rows[i].want, rows[i].name);
    }
    struct evidence_log_check check = {.key = NULL};
    size_t len = put_order(w, "012", text);
    check_text(&check, text, len - 1);
    tap_ok(check.is_torn && check.lines == 2, "the first file ends within a line");
    check_text(&check, text, 0);
    tap_is_int((long long)check.faults, 1, "which is a fault once another follows");
}

static void test_long_line(const struct written *w)
{
    struct faults faults = {""};
    struct evidence_log_check check = {.report = note_fault, .context = &faults};
    size_t len = strlen(w->lines[0]), longest = EVIDENCE_LOG_LINE_MAX_BYTES;
    char *text = calloc(1, len + 2 * longest + 8);
    (void)snprintf(text, len + 1, "%s", w->lines[0]);
    memset(text + len, ' ', longest + 1);
    text[len + longest + 1] = '\n';
    memset(text + len + longest + 2, ' ', longest);
    text[len + 2 * longest + 2] = '\n';
    check_text(&check, text, len + 2 * longest + 3);
    tap_is_string(faults.text, "2 3", "lines of the longest and of more are faults");
    tap_is_int((long long)check.lines, 3, "and counted");
    free(text);
}

static struct crypto_verifying_key *load_key(const char *root, const char *pem)
{
    char path[PATH_BYTES], error[256];
    (void)snprintf(path, sizeof path, "%s/key", root);
    if (!scratch_write(root, "key", pem))
        abort();
    return crypto_verifying_key_load(path, error, sizeof error);
}

static void test_signatures(const char *root, const struct written *w)
{
    static const struct {
        const char *name, *key, *order, *want;
    } rows[] = {
        {"signed", PUBLIC_KEY, "012345", ""},
        {"by another key", OTHER_PUBLIC_KEY, "012345", "1 2 3 4 5 6"},
        {"the last is changed", PUBLIC_KEY, "012345*", "6"},
        {"the first is changed", PUBLIC_KEY, "0*12345", "1 2"},
    };
    static char text[TEXT_BYTES * 2];
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct faults faults = {""};
        struct crypto_verifying_key *key = load_key(root, rows[i].key);
        struct evidence_log_check check = {.key = key, .report = note_fault, .context = &faults};
        tap_ok(key != NULL, "%s: key", rows[i].name);
        check_text(&check, text, put_order(w, rows[i].order, text));
        tap_is_string(faults.text, rows[i].want, rows[i].name);
        crypto_verifying_key_free(key);
    }
    tap_ok(load_key(root, PRIVATE_KEY) == NULL, "a private key is no public key");
}

static void test_unreadable(const char *root)
{
    struct evidence_log_check check = {.key = NULL};
    FILE *folder = fopen(root, "r");
    tap_ok(folder != NULL && evidence_log_verify(&check, folder) == OUTCOME_TEMPORARY, "a folder");
    if (folder != NULL)
        (void)fclose(folder);
}

int main(void)
{
    char root[SCRATCH_PATH_BYTES], path[PATH_BYTES], error[256];
    static struct written plain, signed_log;
    if (!tap_ok(scratch_make(root), "a folder to write in") || !scratch_write(root, "key", PRIVATE_KEY))
        return tap_done();
    (void)snprintf(path, sizeof path, "%s/key", root);
    struct crypto_signing_key *key = crypto_signing_key_load(path, error, sizeof error);
    tap_ok(key != NULL, "a key");
    write_log(root, NULL, &plain);
    write_log(root, key, &signed_log);
    crypto_signing_key_free(key);
    test_orders(&plain, "plain");
    test_orders(&signed_log, "signed");
    test_texts();
    test_files(&plain);
    test_files(&signed_log);
    test_long_line(&plain);
    test_signatures(root, &signed_log);
    test_unreadable(root);
    scratch_remove(root);
    return tap_done();
}
