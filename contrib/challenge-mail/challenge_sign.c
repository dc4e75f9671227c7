/* SPDX-License-Identifier: BSD-2-Clause */
#include "challenge_sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base64.h"
#include "challenge_secure_fields.h"

enum { CHAIN_MAX = 16, BASE64_LINE_CHARS = 64, BOUNDARY_RANDOM_BYTES = 18, BOUNDARY_SIZE = 32 };

struct signer {
    X509 *certificate;      /* owned */
    STACK_OF(X509) * chain; /* owned */
    EVP_PKEY *key;          /* owned */
};

static void signer_clear(struct signer *s)
{
    X509_free(s->certificate);
    sk_X509_pop_free(s->chain, X509_free);
    EVP_PKEY_free(s->key);
    ERR_clear_error();
}

static enum challenge_sign_status fail(struct strbuf *error, enum challenge_sign_status status,
                                       const char *file, const char *what)
{
    (void)strbuf_append_format(error, "%s: %s", file, what);
    return status;
}

static enum challenge_sign_status fail_to_open(struct strbuf *error, const char *file)
{
    char text[128];
    return fail(error, CHALLENGE_SIGN_STATUS_NO_FILE, file, strerror_r(errno, text, sizeof text));
}

/* Never the terminal's: scripts run this. */
static int no_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

static enum challenge_sign_status read_certificates(struct signer *s, const char *path, struct strbuf *error)
{
    FILE *file = fopen(path, "re");
    X509 *next = NULL;
    if (file == NULL)
        return fail_to_open(error, path);
    s->certificate = PEM_read_X509(file, NULL, no_passphrase, NULL);
    s->chain = sk_X509_new_null();
    bool is_kept = s->chain != NULL;
    while (s->certificate != NULL && is_kept && sk_X509_num(s->chain) < CHAIN_MAX &&
           (next = PEM_read_X509(file, NULL, no_passphrase, NULL)) != NULL) {
        is_kept = sk_X509_push(s->chain, next) > 0;
        if (!is_kept)
            X509_free(next);
    }
    (void)fclose(file);
    if (s->certificate == NULL)
        return fail(error, CHALLENGE_SIGN_STATUS_BAD_KEY, path, "no certificate in PEM");
    return is_kept ? CHALLENGE_SIGN_STATUS_OK : CHALLENGE_SIGN_STATUS_INTERNAL;
}

static enum challenge_sign_status read_key(struct signer *s, const char *path, struct strbuf *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail_to_open(error, path);
    s->key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
    (void)fclose(file);
    if (s->key == NULL)
        return fail(error, CHALLENGE_SIGN_STATUS_BAD_KEY, path, "no private key in PEM without a passphrase");
    if (X509_check_private_key(s->certificate, s->key) != 1)
        return fail(error, CHALLENGE_SIGN_STATUS_BAD_KEY, path, "not the key of the certificate");
    return CHALLENGE_SIGN_STATUS_OK;
}

/* RFC 8823 section 3.1 (6) b: the certificate names the From address; and what a client would refuse anyhow.
 */
static enum challenge_sign_status check_certificate(const struct signer *s, const char *from,
                                                    const char *path, struct strbuf *error)
{
    const char *what = NULL;
    if (X509_check_email(s->certificate, from, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT) != 1)
        what = "the From address is no rfc822Name of the certificate (a subaddress can be the Reply-To)";
    else if (X509_cmp_current_time(X509_get0_notBefore(s->certificate)) >= 0)
        what = "the certificate is not valid yet";
    else if (X509_cmp_current_time(X509_get0_notAfter(s->certificate)) <= 0)
        what = "the certificate has expired";
    else if ((X509_get_key_usage(s->certificate) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
        what = "the certificate's key usage allows no signature";
    else if ((X509_get_extended_key_usage(s->certificate) & (XKU_SMIME | XKU_ANYEKU)) == 0)
        what = "the certificate's extended key usage does not allow e-mail";
    return what == NULL ? CHALLENGE_SIGN_STATUS_OK : fail(error, CHALLENGE_SIGN_STATUS_BAD_KEY, path, what);
}

/* The part that is signed, with the fields of the mail in it (RFC 9788 section 5.2). */
static bool append_payload(const struct challenge_mail *mail, struct strbuf *out)
{
    return challenge_mail_append_fields(mail, out) && challenge_mail_append_text(mail, "; hp=\"clear\"", out);
}

static bool add_secure_fields(CMS_SignerInfo *info, const struct challenge_mail *mail)
{
    struct strbuf fields;
    struct strbuf der;
    strbuf_init(&fields, CHALLENGE_MAIL_MAX_BYTES);
    strbuf_init(&der, CHALLENGE_MAIL_MAX_BYTES);
    bool is_good = challenge_mail_append_fields(mail, &fields) &&
                   challenge_secure_fields_append(strbuf_view(&fields), &der) &&
                   CMS_signed_add1_attr_by_txt(info, CHALLENGE_SECURE_FIELDS_OID, V_ASN1_SET,
                                               strbuf_string(&der), (int)der.len) == 1;
    strbuf_clear(&der);
    strbuf_clear(&fields);
    return is_good;
}

/* A detached signature in DER. */
static bool sign(const struct signer *s, const struct challenge_mail *mail, struct span payload,
                 unsigned char **der, int *len)
{
    CMS_SignerInfo *info = NULL;
    bool is_good = false;
    BIO *data = BIO_new_mem_buf(payload.data, (int)payload.len);
    /* Binary: the payload has the line ends of RFC 5322 already. */
    unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_PARTIAL;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, s->chain, NULL, flags);
    if (data != NULL && cms != NULL)
        info = CMS_add1_signer(cms, s->certificate, s->key, EVP_sha256(), flags);
    if (info != NULL && add_secure_fields(info, mail) && CMS_final(cms, data, NULL, flags) == 1) {
        *der = NULL;
        *len = i2d_CMS_ContentInfo(cms, der);
        is_good = *len > 0;
    }
    CMS_ContentInfo_free(cms);
    BIO_free(data);
    return is_good;
}

static bool append_base64_lines(const unsigned char *bytes, size_t len, struct strbuf *out)
{
    unsigned char line[BASE64_LINE_CHARS + 1];
    const size_t step = BASE64_LINE_CHARS / 4 * 3;
    for (size_t at = 0; at < len; at += step) {
        size_t left = len - at < step ? len - at : step;
        (void)EVP_EncodeBlock(line, bytes + at, (int)left);
        if (!strbuf_append_format(out, "%s\r\n", (const char *)line))
            return false;
    }
    return true;
}

static bool make_boundary(char out[static BOUNDARY_SIZE])
{
    unsigned char random[BOUNDARY_RANDOM_BYTES];
    struct strbuf text;
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    strbuf_init(&text, BOUNDARY_SIZE - 1);
    bool is_good = base64_append_url(&text, (struct span){(const char *)random, sizeof random});
    if (is_good)
        memcpy(out, strbuf_string(&text), text.len + 1);
    strbuf_clear(&text);
    return is_good;
}

static bool append_mail(const struct challenge_mail *mail, struct span payload, const unsigned char *der,
                        size_t der_len, struct strbuf *out)
{
    char boundary[BOUNDARY_SIZE];
    return make_boundary(boundary) && challenge_mail_append_fields(mail, out) &&
           strbuf_append_format(
               out,
               "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
               " micalg=sha-256; boundary=\"%s\"\r\n"
               "Content-Transfer-Encoding: 7bit\r\n\r\n--%s\r\n",
               boundary, boundary) &&
           strbuf_append(out, payload) &&
           strbuf_append_format(out,
                                "\r\n--%s\r\n"
                                "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
                                "Content-Transfer-Encoding: base64\r\n"
                                "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n",
                                boundary) &&
           append_base64_lines(der, der_len, out) && strbuf_append_format(out, "\r\n--%s--\r\n", boundary);
}

static enum challenge_sign_status sign_mail(const struct signer *s, const struct challenge_mail *mail,
                                            const char *key_file, struct strbuf *out, struct strbuf *error)
{
    enum challenge_sign_status status = CHALLENGE_SIGN_STATUS_INTERNAL;
    unsigned char *der = NULL;
    int len = 0;
    struct strbuf payload;
    strbuf_init(&payload, CHALLENGE_MAIL_MAX_BYTES);
    if (!append_payload(mail, &payload))
        (void)strbuf_append_string(error, "out of memory");
    else if (!sign(s, mail, strbuf_view(&payload), &der, &len))
        status =
            fail(error, CHALLENGE_SIGN_STATUS_BAD_KEY, key_file, "OpenSSL cannot sign a mail with this key");
    else if (append_mail(mail, strbuf_view(&payload), der, (size_t)len, out))
        status = CHALLENGE_SIGN_STATUS_OK;
    OPENSSL_free(der);
    strbuf_clear(&payload);
    return status;
}

enum challenge_sign_status challenge_sign_append(const struct challenge_mail *mail,
                                                 const char *certificate_file, const char *key_file,
                                                 struct strbuf *out, struct strbuf *error)
{
    struct signer signer = {0};
    enum challenge_sign_status status = read_certificates(&signer, certificate_file, error);
    if (status == CHALLENGE_SIGN_STATUS_OK)
        status = read_key(&signer, key_file, error);
    if (status == CHALLENGE_SIGN_STATUS_OK)
        status = check_certificate(&signer, mail->from, certificate_file, error);
    if (status == CHALLENGE_SIGN_STATUS_OK)
        status = sign_mail(&signer, mail, key_file, out, error);
    signer_clear(&signer);
    return status;
}
