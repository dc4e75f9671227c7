/* SPDX-License-Identifier: BSD-2-Clause */
#include "mta_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta_check_internal.h"

void mta_check_tell(struct mta_check *k, enum mta_check_severity severity, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    struct span line = {text, (size_t)len + 1}; /* with its NUL, which parts it from the next */
    if (span_find(strbuf_view(&k->told), 0, line) == k->told.len) {
        (void)strbuf_append(&k->told, line);
        k->tell(severity, text, k->context);
    }
    free(text);
}

bool mta_check_is_unix(const struct settings *s)
{
    return strncmp(s->socket, "unix:", 5) == 0 || strncmp(s->socket, "local:", 6) == 0;
}

static bool is_inet(const struct settings *s)
{
    return strncmp(s->socket, "inet", 4) == 0;
}

const char *mta_check_path(const struct settings *s)
{
    return strchr(s->socket, '/');
}

bool mta_check_misses_subaddress(const struct settings *s, char delimiter)
{
    bool has_user = false;
    for (size_t i = 0; i < s->challenge_count; i++)
        has_user = has_user || s->challenges[i].address.local[0] != '\0';
    return has_user && strchr(s->subaddress_delimiters, delimiter) == NULL;
}

const char *mta_check_run(const struct settings *s, const char *postfix_folder, const char *sendmail_file,
                          mta_check_teller *tell, void *context)
{
    struct mta_check check = {.settings = s, .tell = tell, .context = context};
    const char *found = NULL;
    if (!mta_check_is_unix(s) && !is_inet(s))
        return NULL;
    strbuf_init(&check.told, MTA_CHECK_TEXT_MAX_BYTES);
    struct postfix_config *postfix = postfix_config_read(postfix_folder);
    FILE *file = postfix == NULL ? postfix_config_open_file(sendmail_file) : NULL;
    if (postfix != NULL) {
        found = "Postfix";
        mta_check_postfix(&check, postfix);
        postfix_config_free(postfix);
    } else if (file != NULL) {
        found = "Sendmail";
        mta_check_sendmail(&check, file, sendmail_file);
        (void)fclose(file);
    }
    strbuf_clear(&check.told);
    return found;
}
