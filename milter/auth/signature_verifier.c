/* SPDX-License-Identifier: BSD-2-Clause */
#include "signature_verifier.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "signature_tags.h"

/* What is hashed for a signature that is only shown costs as much as one that is verified. */
enum { OTHERS_SHOWN_MAX = 8 };

struct signature_verifier {
    DKIM_LIB *library;
};

/* What the library's callbacks need to know of the run they are called from. */
struct run {
    const char *key;
    struct span h;
    size_t place; /* of the signature among those shown */
    size_t shown;
};

/* The signature of this run, or NULL: the library must see as many as were shown, and the same h=. */
static DKIM_SIGINFO *find_own(const struct run *run, DKIM_SIGINFO **signatures, int count)
{
    if (count < 0 || (size_t)count != run->shown || run->place >= run->shown)
        return NULL;
    u_char tag[] = "h";
    const u_char *h = dkim_sig_gettagvalue(signatures[run->place], false, tag);
    if (h == NULL || !span_equal_nocase(span_from_string((const char *)h), run->h))
        return NULL;
    return signatures[run->place];
}

static DKIM_CBSTAT ignore_others(DKIM *dkim, DKIM_SIGINFO **signatures, int count)
{
    const struct run *run = dkim_get_user_context(dkim);
    const DKIM_SIGINFO *own = find_own(run, signatures, count);
    for (int i = 0; i < count; i++)
        if (signatures[i] != own)
            dkim_sig_ignore(signatures[i]);
    return DKIM_CBSTAT_CONTINUE;
}

static DKIM_CBSTAT look_up_key(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
    const struct run *run = dkim_get_user_context(dkim);
    (void)signature;
    if (strlen(run->key) >= size)
        return DKIM_CBSTAT_NOTFOUND;
    memcpy(buffer, run->key, strlen(run->key) + 1);
    return DKIM_CBSTAT_CONTINUE;
}

/*
 * Times and key sizes are judged by us, against the clock of the message and the settings in force; the
 * library, which knows neither, is told not to mind. Bad handles keep the list in the order of the fields,
 * and a Sender field that the library cannot read from ending the verification.
 */
static bool set_options(DKIM_LIB *library)
{
    uint32_t flags = DKIM_LIBFLAGS_BADSIGHANDLES;
    uint64_t drift = SIGNATURE_TAGS_OLDEST_TIME; /* it is added to x= and taken from t= without a check */
    unsigned bits = 1;
    return dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags) == DKIM_STAT_OK &&
           dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof drift) ==
               DKIM_STAT_OK &&
           dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) == DKIM_STAT_OK &&
           dkim_set_key_lookup(library, look_up_key) == DKIM_STAT_OK &&
           dkim_set_prescreen(library, ignore_others) == DKIM_STAT_OK;
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

bool signature_verifier_append_library_text(struct strbuf *out)
{
    uint32_t version = dkim_libversion();
    return strbuf_append_format(out, "%u.%u.%u (ed25519)", version >> 24, version >> 16 & 0xff,
                                version >> 8 & 0xff);
}

/* As the library tells it, which takes a blank before the colon. */
static bool is_signature(struct message_field field)
{
    return span_equal_nocase(span_trim(field.name), SPAN_LITERAL("DKIM-Signature"));
}

/* The library takes non-const bytes. */
static DKIM_STAT feed_text(DKIM *dkim, struct strbuf *text)
{
    if (text->error != STRBUF_ERROR_NONE)
        return DKIM_STAT_NORESOURCE;
    return dkim_header(dkim, (u_char *)text->data, text->len);
}

static DKIM_STAT feed_field(DKIM *dkim, struct message_field field, struct strbuf *scratch)
{
    strbuf_reset(scratch);
    (void)strbuf_append(scratch, field.name);
    (void)strbuf_append_byte(scratch, ':');
    (void)strbuf_append(scratch, field.value);
    return feed_text(dkim, scratch);
}

/*
 * libopendkim 2.11.0 writes behind an array of as many entries as there are header fields when h= uses up all
 * of them and goes on. One more field, by a name that no h= can hold, is never used up.
 */
static DKIM_STAT feed_guard(DKIM *dkim, struct strbuf *scratch)
{
    strbuf_reset(scratch);
    (void)strbuf_append_string(scratch, "no h= names this: 1");
    return feed_text(dkim, scratch);
}

/* A signature that we cannot read is not shown to the library's parser; without it ours cannot be verified.
 */
static DKIM_STAT may_show(struct message_field other, size_t shown)
{
    struct signature_tags tags;
    const char *why;
    enum outcome outcome = signature_tags_parse(other.value, &tags, &why);
    if (outcome == OUTCOME_INTERNAL)
        return DKIM_STAT_NORESOURCE;
    return shown <= OTHERS_SHOWN_MAX && outcome == OUTCOME_OK ? DKIM_STAT_OK : DKIM_STAT_SYNTAX;
}

static DKIM_STAT feed_header(DKIM *dkim, const struct signature_verifier_request *request, struct run *run)
{
    const struct message *m = request->message;
    struct strbuf scratch;
    strbuf_init(&scratch, message_bytes(m) + 64);
    DKIM_STAT status = feed_guard(dkim, &scratch);
    for (size_t i = 0; i < message_field_count(m) && status == DKIM_STAT_OK; i++) {
        struct message_field field = message_field_at(m, i);
        if (is_signature(field)) {
            if (i == request->index)
                run->place = run->shown;
            else if (!request->covers_signatures)
                continue;
            else
                status = may_show(field, run->shown);
            run->shown++;
        }
        if (status == DKIM_STAT_OK)
            status = feed_field(dkim, field, &scratch);
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

/*
 * The library calls a key malformed, or a signature bad, when OpenSSL had no memory to look at it. What
 * key_record has read is a key, so that the first is never the key's fault.
 */
static bool is_out_of_memory(DKIM_SIGINFO *signature)
{
    const char *errors = dkim_sig_getsslbuf(signature);
    return dkim_sig_geterror(signature) == DKIM_SIGERROR_KEYDECODE ||
           (errors != NULL && strstr(errors, "malloc failure") != NULL);
}

/* The "passed" flag alone also stands on a signature whose body hash is wrong. */
static enum signature_verdict read_signature(DKIM_SIGINFO *signature, const char **why)
{
    int error = dkim_sig_geterror(signature);
    if (DKIM_SIG_CHECK(signature) && error == DKIM_SIGERROR_OK)
        return SIGNATURE_VERDICT_VERIFIED;
    if (is_out_of_memory(signature))
        return SIGNATURE_VERDICT_INTERNAL;
    *why = error > DKIM_SIGERROR_OK ? dkim_sig_geterrorstr(error) : NULL;
    if (dkim_sig_getbh(signature) == DKIM_SIGBH_MISMATCH)
        return SIGNATURE_VERDICT_BODY_CHANGED;
    return error == DKIM_SIGERROR_BADSIG ? SIGNATURE_VERDICT_HEADER_CHANGED : SIGNATURE_VERDICT_UNUSABLE;
}

static enum signature_verdict verdict_of(DKIM_STAT status)
{
    switch (status) {
    case DKIM_STAT_SYNTAX:
    case DKIM_STAT_NOSIG:
    case DKIM_STAT_CANTVRFY:
        return SIGNATURE_VERDICT_UNUSABLE;
    default:
        return SIGNATURE_VERDICT_INTERNAL;
    }
}

static enum signature_verdict verify(DKIM *dkim, const struct signature_verifier_request *request,
                                     struct run *run, const char **why)
{
    DKIM_SIGINFO **signatures;
    int count;
    DKIM_STAT status = feed_header(dkim, request, run);
    if (status == DKIM_STAT_OK)
        status = dkim_eoh(dkim);
    if (status == DKIM_STAT_OK)
        status = feed_body(dkim, message_body(request->message));
    if (status != DKIM_STAT_OK)
        return verdict_of(status);
    (void)dkim_eom(dkim, NULL); /* it speaks of some signature; ours is asked below */
    if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK)
        return SIGNATURE_VERDICT_UNUSABLE;
    DKIM_SIGINFO *own = find_own(run, signatures, count);
    return own != NULL ? read_signature(own, why) : SIGNATURE_VERDICT_UNUSABLE;
}

static enum signature_verdict run_once(struct signature_verifier *v,
                                       const struct signature_verifier_request *request, const char **why)
{
    struct run run = {.key = request->key, .h = request->h};
    DKIM_STAT status;
    *why = NULL;
    DKIM *dkim = dkim_verify(v->library, (const unsigned char *)"reply", NULL, &status);
    if (dkim == NULL)
        return SIGNATURE_VERDICT_INTERNAL;
    enum signature_verdict verdict = SIGNATURE_VERDICT_INTERNAL;
    if (dkim_set_user_context(dkim, &run) == DKIM_STAT_OK)
        verdict = verify(dkim, request, &run, why);
    (void)dkim_free(dkim);
    return verdict;
}

/* Of an Ed25519 signature that does not verify the library does not tell whether memory was out: a second
 * look does. */
enum signature_verdict signature_verifier_run(struct signature_verifier *v,
                                              const struct signature_verifier_request *request,
                                              const char **why)
{
    enum signature_verdict verdict = run_once(v, request, why);
    bool is_ed25519 = strncmp(request->key, "k=ed25519", strlen("k=ed25519")) == 0;
    if (verdict == SIGNATURE_VERDICT_HEADER_CHANGED && is_ed25519)
        verdict = run_once(v, request, why);
    return verdict;
}
