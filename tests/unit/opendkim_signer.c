/* SPDX-License-Identifier: BSD-2-Clause */
#include "opendkim_signer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct opendkim_signer_text opendkim_signer_text(const char *format, ...)
{
    struct opendkim_signer_text text;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text.bytes, sizeof text.bytes, format, args);
    va_end(args);
    return text;
}

int opendkim_signer_feed(DKIM *dkim, const char *field, const char *behind)
{
    struct opendkim_signer_text copy = opendkim_signer_text("%s%s", field, behind);
    return dkim_header(dkim, (u_char *)copy.bytes, strlen(copy.bytes));
}

void opendkim_signer_feed_body(DKIM *dkim, const char *body)
{
    struct opendkim_signer_text copy = opendkim_signer_text("%s", body);
    (void)dkim_body(dkim, (u_char *)copy.bytes, strlen(copy.bytes));
}

static struct opendkim_signer_text read_source(const char *name)
{
    const char *source = getenv("TEST_SRCDIR");
    struct opendkim_signer_text text = {""};
    struct opendkim_signer_text path =
        opendkim_signer_text("%s/tests/data/%s", source != NULL ? source : ".", name);
    FILE *file = fopen(path.bytes, "r");
    if (file == NULL || fread(text.bytes, 1, sizeof text.bytes - 1, file) == 0)
        abort();
    (void)fclose(file);
    return text;
}

struct opendkim_signer_text opendkim_signer_sign(DKIM_LIB *library, const char *selector,
                                                 const char *const *fields, const char *body)
{
    struct opendkim_signer_text key = read_source("keys/rsa2048.pem"), d = {"example.com"};
    struct opendkim_signer_text s = opendkim_signer_text("%s", selector);
    unsigned char *value = NULL;
    size_t len = 0;
    DKIM_STAT status;
    DKIM *dkim = dkim_sign(library, (const unsigned char *)"t", NULL, (dkim_sigkey_t)key.bytes,
                           (const unsigned char *)s.bytes, (const unsigned char *)d.bytes, DKIM_CANON_RELAXED,
                           DKIM_CANON_SIMPLE, DKIM_SIGN_RSASHA256, -1, &status);
    if (dkim == NULL)
        abort();
    for (; *fields != NULL; fields++)
        (void)opendkim_signer_feed(dkim, *fields, "");
    (void)dkim_eoh(dkim);
    opendkim_signer_feed_body(dkim, body);
    if (dkim_eom(dkim, NULL) != DKIM_STAT_OK || dkim_getsighdr_d(dkim, 0, &value, &len) != DKIM_STAT_OK)
        abort();
    struct opendkim_signer_text field = opendkim_signer_text("DKIM-Signature: %.*s", (int)len, (char *)value);
    (void)dkim_free(dkim);
    return field;
}

struct opendkim_signer_text opendkim_signer_public_key(void)
{
    struct opendkim_signer_text zone = read_source("cases/A01-baseline/dns.txt"), key = {""};
    const char *at = strstr(zone.bytes, "s1._domainkey.example.com");
    const char *end = at != NULL ? strchr(at, '\n') : NULL;
    bool is_inside = false;
    size_t len = 0;
    for (at = at != NULL ? strchr(at, '"') : NULL; at != NULL && at < end; at++) {
        if (*at == '"')
            is_inside = !is_inside;
        else if (is_inside)
            key.bytes[len++] = *at;
    }
    return key;
}
