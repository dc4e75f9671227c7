/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto.h"
#include "regular_file.h"

enum { TOKEN_MAX_BYTES = 4096 };

/* RFC 6750 section 2.1: anything printable but a blank, so that no token breaks out of its header field. */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] >= 0x7f)
            return false;
    return s.len > 0 && s.len < TOKEN_MAX_BYTES;
}

static enum outcome read_file(const char *path, size_t min_bytes, char **token,
                              char error[static ENDPOINT_ERROR_BYTES])
{
    char text[TOKEN_MAX_BYTES];
    FILE *file = regular_file_stream(path);
    if (file == NULL) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.150s: %s", path, regular_file_why(errno));
        return OUTCOME_ABSENT;
    }
    struct span s = {text, fread(text, 1, sizeof text, file)};
    bool is_read = ferror(file) == 0;
    (void)fclose(file); /* it was only read */
    s = span_trim(s);
    *token = is_read && is_token(s) && s.len >= min_bytes ? strndup(s.data, s.len) : NULL;
    if (*token == NULL && min_bytes > 1)
        (void)snprintf(error, ENDPOINT_ERROR_BYTES,
                       "%.100s: one word of printable ASCII of %zu characters or more is needed", path,
                       min_bytes);
    else if (*token == NULL)
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.150s: one word of printable ASCII is needed", path);
    explicit_bzero(text, sizeof text);
    return *token != NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}

static void wipe(char *token)
{
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    free(token);
}

bool endpoint_token_read(const char *path, size_t min_bytes, char **token,
                         char error[static ENDPOINT_ERROR_BYTES])
{
    char why[ENDPOINT_ERROR_BYTES];
    if (read_file(path, min_bytes, token, why) == OUTCOME_OK)
        return true;
    (void)snprintf(error, ENDPOINT_ERROR_BYTES, "EndpointTokenFile %.*s",
                   (int)(ENDPOINT_ERROR_BYTES - sizeof "EndpointTokenFile "), why);
    return false;
}

enum outcome endpoint_token_check(const char *path, size_t min_bytes, char error[static ENDPOINT_ERROR_BYTES])
{
    struct stat status;
    char *token = NULL;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)snprintf(error, ENDPOINT_ERROR_BYTES, "%.150s: not a file that can be read now", path);
        return OUTCOME_ABSENT;
    }
    enum outcome outcome = read_file(path, min_bytes, &token, error);
    wipe(token);
    return outcome;
}

bool endpoint_token_sign(const char *token, struct span text, char out[static ENDPOINT_TOKEN_HMAC_BYTES])
{
    uint8_t mac[CRYPTO_SHA256_BYTES];
    if (!crypto_hmac_sha256(span_from_string(token), text, mac))
        return false;
    crypto_hex(mac, sizeof mac, out);
    return true;
}
