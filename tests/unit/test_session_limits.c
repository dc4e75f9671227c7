/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits or works counts against MaxConcurrentReplies, what comes in against MaxMemory. */
#include <string.h>

#include "mail_file.h"
#include "session_trial.h"
#include "tap.h"

enum { SESSIONS = 64, PIECE_BYTES = 100000 };

static char data[SESSION_TRIAL_MAIL_BYTES];
static struct span mail = {data, 0};

static struct session *stop_after_data(struct runtime *runtime)
{
    struct session *s = session_new();
    session_begin(s, runtime_ref(runtime), "<alice@example.com>");
    session_recipient(s, &(struct session_path){.written = "<acme@ca.example>"});
    session_data(s);
    return s;
}

static struct session_outcome send(struct runtime *runtime)
{
    struct session_outcome o;
    struct session *s = stop_after_data(runtime);
    mail_file_feed(s, mail);
    session_judge(s, NULL, NULL, &o);
    session_free(s);
    return o;
}

static bool is_put_off(const struct session_outcome *o)
{
    return o->action == SESSION_ACTION_TEMPFAIL && o->code == 451 && strcmp(o->enhanced, "4.3.2") == 0;
}

static void test_replies(void)
{
    struct runtime *r = session_trial_runtime("A01-baseline", "MaxConcurrentReplies 2\n", NULL);
    struct session *waiting[SESSIONS];
    struct session_outcome o;
    for (int i = 0; i < SESSIONS; i++)
        waiting[i] = stop_after_data(r);
    o = send(r);
    tap_ok(o.action == SESSION_ACTION_ACCEPT, "%d clients that stop after DATA take no place", SESSIONS);
    for (int i = 0; i < SESSIONS; i++)
        session_free(waiting[i]);
    for (int i = 0; i < 2; i++)
        tap_ok(workload_take(r->workload, WORKLOAD_PLACE_REPLY, 2), "a reply works");
    o = send(r);
    tap_ok(is_put_off(&o), "a third is put off");
    workload_give_back(r->workload, WORKLOAD_PLACE_REPLY);
    o = send(r);
    tap_ok(o.action == SESSION_ACTION_ACCEPT, "and taken when one has ended");
    runtime_unref(r);
}

/* A mail whose body came in up to there. */
static struct session *come_in(struct runtime *runtime, size_t len)
{
    struct session *s = stop_after_data(runtime);
    mail_file_feed(s, span_slice(mail, 0, len));
    return s;
}

static void test_early(void)
{
    struct runtime *r = session_trial_runtime("A01-baseline", "MaxConcurrentReplies 2\n", NULL);
    size_t begin = span_find(mail, 0, SPAN_LITERAL("-----BEGIN"));
    size_t end = span_find(mail, begin, SPAN_LITERAL("-----END"));
    struct session *half = come_in(r, end);
    tap_ok(workload_taken(r->workload, WORKLOAD_PLACE_EARLY) == 0, "no end line: no early look-up");
    session_free(half);
    struct session *s[] = {come_in(r, mail.len), come_in(r, mail.len), come_in(r, mail.len)};
    tap_ok(workload_taken(r->workload, WORKLOAD_PLACE_EARLY) == 2, "two of three look up early");
    for (int i = 2; i >= 0; i--) {
        struct session_outcome o;
        session_judge(s[i], NULL, NULL, &o);
        tap_ok(o.action == SESSION_ACTION_ACCEPT, "each is judged");
        tap_ok(workload_taken(r->workload, WORKLOAD_PLACE_EARLY) == (i < 2 ? i : 2),
               "and its place given back");
        session_free(s[i]);
    }
    struct session *aborted = come_in(r, mail.len);
    session_reset(aborted);
    tap_ok(workload_taken(r->workload, WORKLOAD_PLACE_EARLY) == 0, "by an abort, too");
    session_free(aborted);
    runtime_unref(r);
}

static void test_memory(void)
{
    static char piece[PIECE_BYTES];
    struct runtime *r = session_trial_runtime("A01-baseline", "MaxMemory 1M\n", NULL);
    struct session *held[SESSIONS];
    struct session_outcome o;
    int put_off = 0;
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < SESSIONS; i++) {
        held[i] = stop_after_data(r);
        session_end_of_header(held[i]);
        (void)session_body(held[i], (struct span){piece, sizeof piece});
        put_off += session_interest(held[i]) == SESSION_INTEREST_DEFERRED;
    }
    tap_ok(put_off > SESSIONS / 2 && put_off < SESSIONS, "%d of %d are over MaxMemory", put_off, SESSIONS);
    session_judge(held[SESSIONS - 1], NULL, NULL, &o);
    tap_ok(is_put_off(&o), "451 4.3.2");
    for (int i = 0; i < SESSIONS; i++)
        i % 2 == 0 ? session_reset(held[i]) : session_free(held[i]);
    o = send(r);
    tap_ok(o.action == SESSION_ACTION_ACCEPT, "an abort and a close give it back");
    for (int i = 0; i < SESSIONS; i += 2)
        session_free(held[i]);
    tap_ok(workload_hold(r->workload, 0, 1, 1), "to the last byte");
    runtime_unref(r);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    mail.len = session_trial_read("A01-baseline", data);
    test_replies();
    test_early();
    test_memory();
    return tap_done();
}
