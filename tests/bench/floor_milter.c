/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least that a filter can do with a reply and still know who wrote it: reads the mail, makes its SHA-256,
 * verifies one signature with a key that is already decoded, and posts once on a connection kept open. It
 * looks at nothing: whatever judges a mail costs more.
 *
 *     floor_milter rsa|ed25519 ENDPOINT-SOCKET SOCKET
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>
#include <openssl/evp.h>

enum {
    RSA_BITS = 2048,
    SIGNATURE_MAX_BYTES = 512,
    POST_BODY_BYTES = 1300,
};

static const char signed_text[] =
    "the header fields of a mail, made canonical, are about as long as a line or two";
static EVP_PKEY *key;
static unsigned char signature[SIGNATURE_MAX_BYTES];
static size_t signature_len = sizeof signature;
static const char *endpoint;

struct connection {
    EVP_MD_CTX *digest;
    int endpoint_fd;
};

static const EVP_MD *signature_digest(void)
{
    return EVP_PKEY_is_a(key, "RSA") ? EVP_sha256() : NULL;
}

static bool make_signature(const char *kind)
{
    key = strcmp(kind, "rsa") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS)
                                   : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_made = key != NULL && md != NULL &&
                   EVP_DigestSignInit(md, NULL, signature_digest(), NULL, key) == 1 &&
                   EVP_DigestSign(md, signature, &signature_len, (const unsigned char *)signed_text,
                                  sizeof signed_text) == 1;
    EVP_MD_CTX_free(md);
    return is_made;
}

static bool verify(void)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_good = md != NULL && EVP_DigestVerifyInit(md, NULL, signature_digest(), NULL, key) == 1 &&
                   EVP_DigestVerify(md, signature, signature_len, (const unsigned char *)signed_text,
                                    sizeof signed_text) == 1;
    EVP_MD_CTX_free(md);
    return is_good;
}

static int connect_endpoint(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        abort();
    return fd;
}

static bool post(int fd)
{
    char request[POST_BODY_BYTES + 256];
    char answer[512];
    int len = snprintf(request, sizeof request,
                       "POST /email-reply HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%*s",
                       POST_BODY_BYTES, POST_BODY_BYTES, "{}");
    return send(fd, request, (size_t)len, MSG_NOSIGNAL) == len && recv(fd, answer, sizeof answer, 0) > 0;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1, unsigned long *pf2,
                             unsigned long *pf3)
{
    (void)ctx;
    (void)f0;
    (void)f2;
    (void)f3;
    *pf0 = 0;
    *pf1 = f1 & (SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL | SMFIP_NORCPT | SMFIP_NODATA |
                 SMFIP_NOUNKNOWN | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY);
    *pf2 = 0;
    *pf3 = 0;
    return SMFIS_CONTINUE;
}

static struct connection *connection_of(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL)
        return c;
    c = calloc(1, sizeof *c);
    if (c == NULL || (c->digest = EVP_MD_CTX_new()) == NULL ||
        EVP_DigestInit_ex(c->digest, EVP_sha256(), NULL) != 1)
        abort();
    c->endpoint_fd = connect_endpoint();
    (void)smfi_setpriv(ctx, c);
    return c;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct connection *c = connection_of(ctx);
    (void)EVP_DigestUpdate(c->digest, name, strlen(name));
    (void)EVP_DigestUpdate(c->digest, value, strlen(value));
    return SMFIS_NOREPLY;
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_NOREPLY;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    (void)EVP_DigestUpdate(connection_of(ctx)->digest, data, len);
    return SMFIS_NOREPLY;
}

static sfsistat on_end_of_message(SMFICTX *ctx)
{
    struct connection *c = connection_of(ctx);
    unsigned char digest[EVP_MAX_MD_SIZE];
    bool is_good = EVP_DigestFinal_ex(c->digest, digest, NULL) == 1 &&
                   EVP_DigestInit_ex(c->digest, EVP_sha256(), NULL) == 1 && verify() && post(c->endpoint_fd);
    return is_good ? SMFIS_DISCARD : SMFIS_TEMPFAIL;
}

static sfsistat on_close(SMFICTX *ctx)
{
    struct connection *c = smfi_getpriv(ctx);
    if (c != NULL) {
        close(c->endpoint_fd);
        EVP_MD_CTX_free(c->digest);
        free(c);
        (void)smfi_setpriv(ctx, NULL);
    }
    return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
    struct smfiDesc callbacks = {
        .xxfi_name = (char[]){"floor"},
        .xxfi_version = SMFI_VERSION,
        .xxfi_header = on_header,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end_of_message,
        .xxfi_close = on_close,
        .xxfi_negotiate = on_negotiate,
    };
    if (argc != 4 || !make_signature(argv[1]))
        return 64;
    endpoint = argv[2];
    if (smfi_register(callbacks) != MI_SUCCESS || smfi_setconn(argv[3]) != MI_SUCCESS ||
        smfi_opensocket(true) != MI_SUCCESS)
        return 69;
    return smfi_main() == MI_SUCCESS ? 0 : 70;
}
