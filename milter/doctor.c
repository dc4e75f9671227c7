/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "doctor_internal.h"
#include "privileges.h"
#include "settings_files.h"

enum { LINE_MAX_BYTES = 64 * 1024, EXIT_WARN = 1 };

void doctor_tell(struct doctor *d, enum doctor_verdict verdict, const char *format, ...)
{
    static const char *const words[] = {[DOCTOR_FAIL] = "fail", [DOCTOR_WARN] = "warn", [DOCTOR_OK] = "ok"};
    char *text = NULL;
    struct strbuf line;
    va_list arguments;
    if (verdict < d->worst)
        d->worst = verdict;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    if (d->hint != NULL) {
        if (verdict == DOCTOR_FAIL)
            d->hint(MTA_CHECK_FAIL, text, NULL);
        free(text);
        return;
    }
    strbuf_init(&line, LINE_MAX_BYTES);
    (void)strbuf_append_escaped(&line, (struct span){text, (size_t)len});
    printf("%-4s %s\n", words[verdict], strbuf_string(&line));
    strbuf_clear(&line);
    free(text);
}

static void tell_file(const char *fault, void *context)
{
    struct doctor *d = context;
    doctor_tell(d, d->settings->require_safe_files ? DOCTOR_FAIL : DOCTOR_WARN, "%s", fault);
}

static void check_configuration(struct doctor *d)
{
    char why[PRIVILEGES_WHY_BYTES];
    struct privileges p;
    if (privileges_find(d->settings->user_id, &p, why) != EX_OK)
        doctor_tell(d, DOCTOR_FAIL, "%s: UserID: %s", d->settings->file, why);
    else if (settings_files_judge(d->settings, p.user, p.group, tell_file, d) == 0)
        doctor_tell(d, DOCTOR_OK, "%s: the configuration is good, and its files are safe", d->settings->file);
}

struct telling {
    struct doctor *doctor;
    bool has_told;
};

static void tell_mta(enum mta_check_severity severity, const char *text, void *context)
{
    struct telling *t = context;
    t->has_told = true;
    doctor_tell(t->doctor, severity == MTA_CHECK_WARN ? DOCTOR_WARN : DOCTOR_FAIL, "%s", text);
}

static void check_mta(struct doctor *d)
{
    struct telling telling = {d, false};
    const char *mta =
        mta_check_run(d->settings, MTA_CHECK_POSTFIX_FOLDER, MTA_CHECK_SENDMAIL_FILE, tell_mta, &telling);
    if (mta == NULL)
        doctor_tell(
            d, DOCTOR_WARN,
            "%s, %s: no configuration of an MTA is here or can be read: run this as root on the host of "
            "the MTA",
            MTA_CHECK_POSTFIX_FOLDER, MTA_CHECK_SENDMAIL_FILE);
    else if (!telling.has_told)
        doctor_tell(d, DOCTOR_OK, "%s: its configuration shows acme-milter each mail, by %s", mta,
                    d->settings->socket);
}

/* In the order in which a fault of one explains those after it. */
static void (*const checks[])(struct doctor *d) = {check_configuration, check_mta, doctor_aliases};

int doctor_run(struct settings *settings)
{
    struct doctor doctor = {.settings = settings, .worst = DOCTOR_OK};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&doctor);
    settings_unref(settings);
    if (fflush(stdout) != 0)
        return EX_SOFTWARE;
    return doctor.worst == DOCTOR_OK ? EX_OK : doctor.worst == DOCTOR_WARN ? EXIT_WARN : EX_CONFIG;
}

void doctor_hint_aliases(const struct settings *settings, mta_check_teller *hint)
{
    struct doctor doctor = {.settings = settings, .worst = DOCTOR_OK, .hint = hint};
    doctor_aliases(&doctor);
}
