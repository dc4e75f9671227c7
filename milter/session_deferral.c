/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that are put off unjudged: the SMTP answer, the line of the log and the counter of each reason. */
#include "session_report.h"

static const struct deferral_answer {
    int code;
    const char *enhanced;
    const char *text;
} answers[SESSION_DEFERRAL_END] = {
    [SESSION_DEFERRAL_MEMORY] = {451, "4.3.0",
                                 "The mail server is out of memory. The mail will be tried again."},
    [SESSION_DEFERRAL_ORDER] = {451, "4.3.0",
                                "The mail could not be checked just now. It will be tried again."},
    [SESSION_DEFERRAL_ACTIONS] = {451, "4.3.5",
                                  "The mail server is set up wrong. The mail will be tried again."},
    /* RFC 5321 section 4.5.3.1.10: 452 */
    [SESSION_DEFERRAL_RECIPIENTS] = {452, "4.5.3",
                                     "The mail is addressed to too many challenge addresses at once. Answer "
                                     "each challenge with a mail of its own."},
    [SESSION_DEFERRAL_UNCLEAR] =
        {451, "4.1.3",
         "The mail server cannot read the address of a recipient for certain. Write it "
         "as NAME@DOMAIN, without quotes, comments or other signs."},
    [SESSION_DEFERRAL_STOPPING] = {451, "4.3.2",
                                   "The mail server is being restarted. The mail will be tried again."},
    [SESSION_DEFERRAL_MAX_MEMORY] =
        {451, "4.3.2", "Too many replies are coming in just now. The mail will be tried again."},
    [SESSION_DEFERRAL_REPLIES] = {451, "4.3.2",
                                  "Too many replies are being checked just now. The mail will be tried "
                                  "again."},
};

static void tell(const struct session *s)
{
    switch (s->deferral) {
    case SESSION_DEFERRAL_MEMORY:
    case SESSION_DEFERRAL_END:
        session_report_no_memory(s);
        return;
    case SESSION_DEFERRAL_ORDER:
        log_write(LOG_LEVEL_WARNING, "put-off reason=order");
        return;
    case SESSION_DEFERRAL_ACTIONS:
        log_write(LOG_LEVEL_ERROR, "mta reason=actions");
        return;
    case SESSION_DEFERRAL_RECIPIENTS:
        metrics_count_limit(s->runtime->metrics, METRICS_LIMIT_RECIPIENTS);
        log_write(LOG_LEVEL_WARNING, "put-off reason=recipients");
        return;
    case SESSION_DEFERRAL_UNCLEAR: /* told when the recipient came */
        return;
    case SESSION_DEFERRAL_STOPPING:
        log_write(LOG_LEVEL_INFO, "put-off reason=stopping");
        return;
    case SESSION_DEFERRAL_MAX_MEMORY:
        metrics_count_limit(s->runtime->metrics, METRICS_LIMIT_MEMORY);
        log_write(LOG_LEVEL_WARNING, "overload reason=MaxMemory");
        return;
    case SESSION_DEFERRAL_REPLIES:
        metrics_count_limit(s->runtime->metrics, METRICS_LIMIT_REPLIES);
        log_write(LOG_LEVEL_WARNING, "overload reason=MaxConcurrentReplies");
        return;
    }
}

void session_put_off(struct session *s, struct session_outcome *outcome)
{
    const struct deferral_answer *a = &answers[s->deferral];
    if (!s->is_deferral_told)
        tell(s);
    s->is_deferral_told = true;
    /* In shadow mode a failure of ours must not touch the mail. */
    if (s->runtime->settings->mode == SETTINGS_MODE_SHADOW) {
        *outcome = (struct session_outcome){.action = SESSION_ACTION_ACCEPT};
        return;
    }
    session_report_put_off(outcome, a->enhanced, a->text);
    outcome->code = a->code;
}
