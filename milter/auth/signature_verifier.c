/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_verifier.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

struct signature_verifier {
    DKIM_LIB *library;
};

/* What the key look-up needs to know of the run it is called from. */
struct run {
    const char *key;
};

static DKIM_CBSTAT look_up_key(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
    const struct run *run = dkim_get_user_context(dkim);
    (void)signature;
    if (run == NULL || strlen(run->key) >= size)
        return DKIM_CBSTAT_NOTFOUND;
    memcpy(buffer, run->key, strlen(run->key) + 1);
    return DKIM_CBSTAT_CONTINUE;
}

/*
 * Times and key sizes are judged by us, against the clock of the message and the settings in force; the
 * library, which knows neither, is told not to mind.
 */
static bool set_options(DKIM_LIB *library)
{
    /* 31 years: the library adds it to times, and must not overflow. */
    uint64_t drift = 1000000000;
    unsigned bits = 1;
    return dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof drift) ==
               DKIM_STAT_OK &&
           dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) == DKIM_STAT_OK &&
           dkim_set_key_lookup(library, look_up_key) == DKIM_STAT_OK;
}

struct signature_verifier *signature_verifier_new(void)
{
    struct signature_verifier *v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->library = dkim_init(NULL, NULL);
    if (v->library != NULL && dkim_libfeature(v->library, DKIM_FEATURE_SHA256) &&
        dkim_libfeature(v->library, DKIM_FEATURE_ED25519) && set_options(v->library))
        return v;
    signature_verifier_free(v);
    return NULL;
}

void signature_verifier_free(struct signature_verifier *v)
{
    if (v == NULL)
        return;
    if (v->library != NULL)
        dkim_close(v->library);
    free(v);
}

const char *signature_verifier_library_text(void)
{
    static _Thread_local char text[32];
    uint32_t version = dkim_libversion();
    (void)snprintf(text, sizeof text, "%u.%u.%u", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
    return text;
}

static bool is_signature(struct message_field field)
{
    return span_equal_nocase(field.name, SPAN_LITERAL("DKIM-Signature"));
}

/* The field as it came: the library takes non-const bytes and changes none. */
static DKIM_STAT feed_field(DKIM *dkim, struct message_field field, struct strbuf *scratch)
{
    strbuf_reset(scratch);
    (void)strbuf_append(scratch, field.name);
    (void)strbuf_append_byte(scratch, ':');
    if (!strbuf_append(scratch, field.value))
        return DKIM_STAT_NORESOURCE;
    return dkim_header(dkim, (u_char *)scratch->data, scratch->len);
}

/* *nth: which of the signatures shown is ours. A field that the library cannot take is left out, unless it is
 * ours. */
static DKIM_STAT feed_header(DKIM *dkim, const struct message *m, size_t index, bool shows_others,
                             size_t *nth)
{
    struct strbuf scratch;
    DKIM_STAT status = DKIM_STAT_OK;
    size_t shown = 0;
    strbuf_init(&scratch, message_bytes(m) + 2);
    for (size_t i = 0; i < message_field_count(m) && status == DKIM_STAT_OK; i++) {
        struct message_field field = message_field_at(m, i);
        if (is_signature(field) && i != index && !shows_others)
            continue;
        status = feed_field(dkim, field, &scratch);
        if (i == index)
            *nth = shown;
        else if (is_signature(field) && status == DKIM_STAT_SYNTAX)
            status = DKIM_STAT_OK;
        else if (status != DKIM_STAT_OK)
            break;
        shown += is_signature(field);
    }
    strbuf_clear(&scratch);
    return status;
}

/*
 * A body that does not end its last line (a mail file may; SMTP cannot) is given its CRLF, as both
 * canonicalisations want (RFC 6376 sections 3.4.3 and 3.4.4): the library would refuse it instead.
 */
static DKIM_STAT feed_body(DKIM *dkim, struct span body)
{
    struct strbuf copy;
    if (body.len == 0)
        return DKIM_STAT_OK;
    strbuf_init(&copy, body.len + 2);
    DKIM_STAT status = DKIM_STAT_NORESOURCE;
    bool is_ended = body.len >= 2 && memcmp(body.data + body.len - 2, "\r\n", 2) == 0;
    if (strbuf_append(&copy, body) && (is_ended || strbuf_append_string(&copy, "\r\n")))
        status = dkim_body(dkim, (u_char *)copy.data, copy.len);
    strbuf_clear(&copy);
    return status;
}

static bool is_broken(DKIM_STAT status)
{
    return status == DKIM_STAT_INTERNAL || status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INVALID ||
           status == DKIM_STAT_NOTIMPLEMENT;
}

/* The "passed" flag alone also stands on a signature whose body hash is wrong. */
static enum signature_verdict read_signature(DKIM_SIGINFO *signature, const char **why)
{
    int error = dkim_sig_geterror(signature);
    if (DKIM_SIG_CHECK(signature) && error == DKIM_SIGERROR_OK)
        return SIGNATURE_VERDICT_VERIFIED;
    *why = error > DKIM_SIGERROR_OK ? dkim_sig_geterrorstr(error) : NULL;
    if (dkim_sig_getbh(signature) == DKIM_SIGBH_MISMATCH)
        return SIGNATURE_VERDICT_BODY_CHANGED;
    return error == DKIM_SIGERROR_BADSIG ? SIGNATURE_VERDICT_HEADER_CHANGED : SIGNATURE_VERDICT_UNUSABLE;
}

static enum signature_verdict verify(DKIM *dkim, const struct message *m, size_t index, bool shows_others,
                                     const char **why)
{
    size_t nth = 0;
    DKIM_STAT status = feed_header(dkim, m, index, shows_others, &nth);
    if (status == DKIM_STAT_OK)
        status = dkim_eoh(dkim);
    if (status == DKIM_STAT_SYNTAX || status == DKIM_STAT_NOSIG || status == DKIM_STAT_CANTVRFY)
        return SIGNATURE_VERDICT_UNUSABLE;
    if (status == DKIM_STAT_OK)
        status = feed_body(dkim, message_body(m));
    if (status != DKIM_STAT_OK)
        return is_broken(status) ? SIGNATURE_VERDICT_INTERNAL : SIGNATURE_VERDICT_UNUSABLE;
    status = dkim_eom(dkim, NULL);
    DKIM_SIGINFO **signatures;
    int count;
    if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK || count < 1 || nth >= (size_t)count)
        return is_broken(status) ? SIGNATURE_VERDICT_INTERNAL : SIGNATURE_VERDICT_UNUSABLE;
    return read_signature(signatures[nth], why);
}

enum signature_verdict signature_verifier_run(struct signature_verifier *v, const struct message *m,
                                              size_t index, const char *key, bool shows_others,
                                              const char **why)
{
    struct run run = {key};
    DKIM_STAT status;
    *why = NULL;
    DKIM *dkim = dkim_verify(v->library, (const unsigned char *)"reply", NULL, &status);
    if (dkim == NULL)
        return SIGNATURE_VERDICT_INTERNAL;
    enum signature_verdict verdict = SIGNATURE_VERDICT_INTERNAL;
    if (dkim_set_user_context(dkim, &run) == DKIM_STAT_OK)
        verdict = verify(dkim, m, index, shows_others, why);
    (void)dkim_free(dkim);
    return verdict;
}
