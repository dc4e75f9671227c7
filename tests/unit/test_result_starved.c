/* SPDX-License-Identifier: BSD-2-Clause */
/* Each allocation fails once: a result is made whole or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "post_format.h"
#include "result_json.h"
#include "result_jws.h"
#include "starve.h"
#include "tap.h"

enum { STEPS_MAX = 2000, PATH_BYTES = 4096, ERROR_BYTES = 256 };

struct facts {
    struct finding_policy policy;
    struct finding_list findings;
    struct reply_form form;
    struct auth_dkim_facts dkim;
    struct auth_dmarc_facts dmarc;
};

static const struct reply_record *fill_record(struct facts *f, struct reply_record *record)
{
    memset(f, 0, sizeof *f);
    finding_policy_init(&f->policy, POLICY_INTEROP);
    finding_list_add(&f->findings, FINDING_DKIM_FAIL, "x");
    f->dkim.count = 2;
    (void)snprintf(f->dkim.signatures[0].signed_fields, AUTH_FIELDS_MAX_BYTES, "from:to:subject");
    (void)snprintf(f->form.message_id, REPLY_FORM_ID_MAX_BYTES, "<1@example.com>\xff");
    *record = (struct reply_record){
        .id = "id",
        .decision = {VERDICT_REJECT, FINDING_DKIM_FAIL},
        .policy = &f->policy,
        .findings = &f->findings,
        .challenge_address = "acme@ca.example",
        .form = &f->form,
        .dkim = &f->dkim,
        .chosen = &f->dkim.signatures[0],
        .dmarc = &f->dmarc,
        .smtp = {.helo = "mail.example.com"},
    };
    return record;
}

/* Calls make with the first, the second... allocation failing, until none does. */
static void starve(const char *name, char *(*make)(const void *), const void *context)
{
    char *want = make(context);
    bool is_same = want != NULL;
    int failed = 0;
    int step = 0;
    for (bool is_fed = false; !is_fed && step < STEPS_MAX; step++) {
        starve_begin(step);
        char *got = make(context);
        is_fed = starve_end();
        is_same = is_same && (got == NULL || strcmp(got, want) == 0);
        failed += got == NULL;
        free(got);
    }
    free(want);
    tap_ok(is_same && failed > 0 && step < STEPS_MAX, "%s: whole or not at all, %d of %d steps starved", name,
           failed, step);
}

static char *encode(const void *context)
{
    return result_json_encode(context);
}

static char *make_id(const void *context)
{
    char id[REPLY_RECORD_ID_BYTES + 1];
    return result_json_make_id(context, id) ? strdup(id) : NULL;
}

static char *post_akamu(const void *context)
{
    struct post_format_content content;
    const struct post_format_source source = {.record = context};
    char *text = post_format_make(POST_FORMAT_AKAMU, &source, &content) == OUTCOME_OK
                     ? strdup(strbuf_string(&content.storage))
                     : NULL;
    post_format_clear(&content);
    return text;
}

static char *sign(const void *context)
{
    return result_jws_sign(context, SPAN_LITERAL("{\"version\":1}"), NULL);
}

static char *read_detail(const void *context)
{
    char detail[RESULT_DETAIL_MAX_BYTES + 1];
    return result_json_problem_detail(span_from_string(context), detail) ? strdup(detail) : NULL;
}

static struct crypto_signing_key *load_key(void)
{
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
    const char *folder = getenv("TMPDIR");
    char path[PATH_BYTES];
    char error[ERROR_BYTES];
    (void)snprintf(path, sizeof path, "%s/test_starved.XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, pem, sizeof pem - 1) != (ssize_t)sizeof pem - 1 || close(fd) != 0)
        return NULL;
    struct crypto_signing_key *key = crypto_signing_key_load(path, error, sizeof error);
    (void)unlink(path);
    return key;
}

int main(void)
{
    struct facts *f = malloc(sizeof *f);
    struct reply_record record;
    struct crypto_signing_key *key = load_key();
    if (f == NULL || key == NULL)
        return 1;
    json_set_alloc_funcs(malloc, free);
    starve("object", encode, fill_record(f, &record));
    starve("id", make_id, &record);
    record.decision = (struct verdict_decision){VERDICT_PASS, FINDING_NONE};
    (void)snprintf(f->form.in_reply_to, REPLY_FORM_ID_MAX_BYTES, "<1@ca.example>");
    starve("akamu", post_akamu, &record);
    starve("JWS", sign, key);
    starve("problem document", read_detail, "{\"title\":\"a\",\"detail\":\"b\"}");
    crypto_signing_key_free(key);
    free(f);
    return tap_done();
}
