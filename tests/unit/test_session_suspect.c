/* SPDX-License-Identifier: BSD-2-Clause */
/* A broken signature of a mail that came from the CA's own machines is not laid at the applicant's door. */
#include <string.h>

#include "mail_file.h"
#include "session_trial.h"
#include "tap.h"

static const struct row {
    const char *client, *mta;
    const char *mail;
    bool is_suspected;
} rows[] = {
    {"127.0.0.1", NULL, "A05-body-changed", true},
    {"127.255.255.254", NULL, "A05-body-changed", true},
    {"::1", NULL, "A05-body-changed", true},
    {"::ffff:127.0.0.1", NULL, "A05-body-changed", true},
    {"10.1.2.3", NULL, "A05-body-changed", true},
    {"172.16.0.1", NULL, "A05-body-changed", true},
    {"172.31.255.255", NULL, "A05-body-changed", true},
    {"172.32.0.1", NULL, "A05-body-changed", false},
    {"192.168.7.7", NULL, "A05-body-changed", true},
    {"192.169.0.1", NULL, "A05-body-changed", false},
    {"100.64.0.1", NULL, "A05-body-changed", true},
    {"100.128.0.1", NULL, "A05-body-changed", false},
    {"169.254.9.9", NULL, "A05-body-changed", true},
    {"fd00::1", NULL, "A05-body-changed", true},
    {"fe80::1", NULL, "A05-body-changed", true},
    {"2001:db8::1", NULL, "A05-body-changed", false},
    {"192.0.2.1", NULL, "A05-body-changed", false},
    {"192.0.2.1", "192.0.2.1", "A05-body-changed", true},
    {"192.0.2.1", "192.0.2.2", "A05-body-changed", false},
    {"192.0.2.1", "0.0.0.0", "A05-body-changed", false},
    {"2001:db8::1", "IPv6:2001:db8:0::1", "A05-body-changed", true},
    {NULL, "192.0.2.1", "A05-body-changed", false},
    {"no address", "no address", "A05-body-changed", false},
    {"127.0.0.1", NULL, "A47-key-nxdomain", false}, /* nobody broke what was never verified */
    {"127.0.0.1", NULL, "A04-no-signature", false},
};

static void judge(const struct row *row)
{
    static char data[SESSION_TRIAL_MAIL_BYTES];
    struct session_outcome outcome;
    struct runtime *runtime = session_trial_runtime(row->mail, "", NULL);
    size_t len = session_trial_read(row->mail, data);
    struct session *s = session_new();
    bool is_right = false;
    if (runtime != NULL && s != NULL) {
        session_connect(s, NULL, row->client);
        session_describe_mta(s, row->mta);
        session_begin(s, runtime_ref(runtime), "<alice@example.com>");
        session_recipient(s, &(struct session_path){.written = "<acme@ca.example>"});
        session_data(s);
        mail_file_feed(s, (struct span){data, len});
        session_judge(s, NULL, NULL, &outcome);
        bool is_said = strstr(outcome.text, "certificate authority may have changed") != NULL;
        is_right = outcome.action == SESSION_ACTION_REJECT && is_said == row->is_suspected;
    }
    (void)tap_ok(is_right, "%s, client %s, MTA %s", row->mail, row->client != NULL ? row->client : "unknown",
                 row->mta != NULL ? row->mta : "unknown");
    session_free(s);
    runtime_unref(runtime);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        judge(&rows[i]);
    return tap_done();
}
