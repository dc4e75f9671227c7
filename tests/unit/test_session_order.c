/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each event in each state, then conversations at random. Whatever was said, a mail whose events came in the
 * order of a mail gets the verdict that -t comes to, and no other gets one. SESSION_ORDER_SEED repeats a run.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail_file.h"
#include "session_trial.h"
#include "tap.h"

enum {
    CONVERSATIONS = 20000,
    EVENTS_MAX = 120,
    FIELDS_MAX = 64,
    PIECE_BYTES = 400,
    MAILS = 5,
    WRONG_MAX = 5,
    MEMBER_BYTES = 128,
};

/* C connect, H HELO, O negotiation, M MAIL, R a challenge recipient, r another, T DATA, L a field, N the
 * header's end, B a piece of body, E the end, A abort, Q the connection is closed. */
static const char letters[] = "CHOMRrTLNBEAQ";

struct mail {
    const char *name;
    struct runtime *runtime;
    char data[SESSION_TRIAL_MAIL_BYTES];
    struct span fields[FIELDS_MAX];
    size_t field_count;
    struct span body;
    enum verdict verdict; /* as -t has it */
    char hash[MEMBER_BYTES];
};

/* What is being said over one connection. */
struct talk {
    struct session *session;
    const struct mail *mail;
    char said[EVENTS_MAX + 1]; /* of the mail under way; empty: there is none */
    size_t fields_sent;
    size_t body_sent;
    bool is_altered; /* said more than the mail has */
};

static struct mail mails[MAILS] = {{.name = "A01-baseline"},
                                   {.name = "A45-ed25519"},
                                   {.name = "A04-no-signature"},
                                   {.name = "A33-quoted-only"},
                                   {.name = "A47-key-nxdomain"}};
static regex_t whole, others, under_way;

/* The hash of the mail shows that it was judged as it is, and not a part of it. */
static void hash_of(const struct session *s, char out[static MEMBER_BYTES])
{
    const char *result = session_result(s);
    const char *at = result != NULL ? strstr(result, "\"messageSha256\"") : NULL;
    (void)snprintf(out, MEMBER_BYTES, "%.90s", at != NULL ? at : "");
}

static void judge_as_file(struct mail *m, size_t len)
{
    struct session_outcome outcome;
    struct session *s = session_new();
    session_begin(s, runtime_ref(m->runtime), "<alice@example.com>");
    session_recipient(s, &(struct session_path){.written = "<acme@ca.example>"});
    session_data(s);
    mail_file_feed(s, (struct span){m->data, len});
    session_judge(s, NULL, NULL, &outcome);
    m->verdict = session_verdict(s);
    hash_of(s, m->hash);
    session_free(s);
}

static bool open_mail(struct mail *m)
{
    struct span data = {m->data, session_trial_read(m->name, m->data)};
    m->runtime = session_trial_runtime(m->name, "", NULL);
    if (m->runtime == NULL || data.len == 0)
        return false;
    size_t at = 0, end = 0;
    while (at < data.len && !span_equal(span_slice(data, at, at + 2), SPAN_LITERAL("\r\n"))) {
        do
            end = span_find(data, end, SPAN_LITERAL("\r\n")) + 2;
        while (end < data.len && byte_is_blank(data.data[end]));
        if (m->field_count == FIELDS_MAX)
            return false;
        m->fields[m->field_count++] = span_slice(data, at, end - 2);
        at = end;
    }
    m->body = span_slice(data, at + 2, data.len);
    judge_as_file(m, data.len);
    return m->verdict != VERDICT_UNSET;
}

static uint64_t random_below(uint64_t *seed, uint64_t end)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % end;
}

static bool matches(const regex_t *form, const char *said)
{
    return regexec(form, said, 0, NULL, 0) == 0;
}

static void forget(struct talk *t)
{
    t->said[0] = '\0';
    t->fields_sent = t->body_sent = 0;
    t->is_altered = false;
}

/* A mail that begins while another is under way is none. */
static void note(struct talk *t, char letter)
{
    size_t len = strlen(t->said);
    if (letter == 'M' && !matches(&under_way, t->said))
        forget(t);
    else if (len == 0)
        return;
    len = strlen(t->said);
    t->said[len] = letter;
    t->said[len + 1] = '\0';
}

static void say_field(struct talk *t)
{
    struct span field = SPAN_LITERAL("X-More: x");
    if (t->fields_sent < t->mail->field_count)
        field = t->mail->fields[t->fields_sent++];
    else
        t->is_altered = true;
    size_t colon = span_find_byte(field, 0, ':');
    session_header(t->session, span_slice(field, 0, colon), span_slice(field, colon + 1, field.len));
}

static void say_body(struct talk *t)
{
    struct span piece = span_slice(t->mail->body, t->body_sent, t->body_sent + PIECE_BYTES);
    t->body_sent += piece.len;
    t->is_altered = t->is_altered || piece.len == 0;
    (void)session_body(t->session, piece.len > 0 ? piece : SPAN_LITERAL("more\r\n"));
}

/* Whether the end of what was said is answered as it must be. */
static bool end_is_right(struct talk *t)
{
    struct session_outcome o;
    note(t, 'E');
    session_judge(t->session, NULL, NULL, &o);
    enum verdict verdict = session_verdict(t->session);
    if (matches(&whole, t->said)) {
        char hash[MEMBER_BYTES];
        bool is_same =
            !t->is_altered && t->fields_sent == t->mail->field_count && t->body_sent == t->mail->body.len;
        hash_of(t->session, hash);
        return is_same ? verdict == t->mail->verdict && strcmp(hash, t->mail->hash) == 0
                       : verdict != VERDICT_UNSET && strcmp(hash, t->mail->hash) != 0;
    }
    enum session_action want = matches(&others, t->said) ? SESSION_ACTION_ACCEPT : SESSION_ACTION_TEMPFAIL;
    return verdict == VERDICT_UNSET && o.action == want && session_result(t->session) == NULL &&
           !o.drops_challenge_recipients && o.authentication_results == NULL;
}

static void say(struct talk *t, char letter)
{
    note(t, letter);
    switch (letter) {
    case 'C':
        session_connect(t->session, "mail.example.com", "192.0.2.1");
        break;
    case 'H':
        session_helo(t->session, "mail.example.com");
        break;
    case 'O':
        session_allow_edits(t->session, true);
        break;
    case 'M':
        session_begin(t->session, runtime_ref(t->mail->runtime), "<alice@example.com>");
        break;
    case 'R':
    case 'r':
        session_recipient(t->session, &(struct session_path){.written = letter == 'R' ? "<acme@ca.example>"
                                                                                      : "<bob@ca.example>"});
        break;
    case 'T':
        session_data(t->session);
        break;
    case 'L':
        say_field(t);
        break;
    case 'N':
        session_end_of_header(t->session);
        break;
    case 'B':
        say_body(t);
        break;
    default:
        break;
    }
    session_describe(t->session, "4XTEST", NULL);
}

static void hang_up(struct talk *t)
{
    session_free(t->session);
    t->session = session_new();
    forget(t);
}

/* --- each event in each state */

static char interest_letter(const struct session *s)
{
    switch (session_interest(s)) {
    case SESSION_INTEREST_UNDECIDED:
        return 'u';
    case SESSION_INTEREST_OURS:
        return 'o';
    case SESSION_INTEREST_NOT_OURS:
        return 'n';
    case SESSION_INTEREST_NO_MAIL:
        return '-';
    case SESSION_INTEREST_DEFERRED:
        break;
    }
    return 'D';
}

static void say_whole(struct talk *t)
{
    for (const char *p = "MRT"; *p != '\0'; p++)
        say(t, *p);
    while (t->fields_sent < t->mail->field_count)
        say(t, 'L');
    say(t, 'N');
    while (t->body_sent < t->mail->body.len)
        say(t, 'B');
}

static void test_each_event_in_each_state(void)
{
    /* One column for each of letters: what the mail is after the event. */
    static const struct {
        const char *state, *before, *after;
    } rows[] = {
        {"idle", "", "---u---------"},          {"envelope", "MR", "DDDDuuoDDDD--"},
        {"header", "MRTL", "DDDDDDDooDD--"},    {"body", "MRTLNB", "DDDDDDDDDo---"},
        {"judged", "MRTLNBE", "---uDDDDDDD--"}, {"not ours", "MrT", "nnnuDDnnnnn--"},
        {"deferred", "MRN", "DDDuDDDDDDD--"},
    };
    struct talk t = {.session = session_new(), .mail = &mails[0]};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t i = 0; letters[i] != '\0'; i++) {
            struct session_outcome o = {.action = SESSION_ACTION_REJECT};
            char text[] = {letters[i], '\0'};
            hang_up(&t);
            for (const char *p = rows[row].before; *p != '\0'; p++)
                *p == 'E' ? session_judge(t.session, NULL, NULL, &o) : say(&t, *p);
            if (letters[i] == 'E')
                session_judge(t.session, NULL, NULL, &o);
            else if (letters[i] == 'A')
                session_reset(t.session);
            else if (letters[i] == 'Q')
                hang_up(&t);
            else
                say(&t, letters[i]);
            char got = interest_letter(t.session);
            bool is_right = got == rows[row].after[i] && o.action != SESSION_ACTION_DISCARD;
            session_reset(t.session);
            forget(&t);
            say_whole(&t);
            tap_ok(is_right && end_is_right(&t), "%s, then %s: %c, and a mail afterwards is judged as ever",
                   rows[row].state, text, got);
        }
    }
    session_free(t.session);
}

/* --- at random */

/* What a mail says next. */
static char next_of_mail(const struct talk *t)
{
    size_t len = strlen(t->said);
    char last = len > 0 ? t->said[len - 1] : '\0';
    switch (last) {
    case '\0':
        return 'M';
    case 'M':
        return 'R';
    case 'R':
    case 'r':
        return 'T';
    case 'T':
    case 'L':
        return t->fields_sent < t->mail->field_count ? 'L' : 'N';
    case 'N':
    case 'B':
        return t->body_sent < t->mail->body.len ? 'B' : 'E';
    default:
        return 'A';
    }
}

struct counts {
    int ends, whole, wrong;
};

/* One in every odd events, on average, is any at all. */
static void converse(struct talk *t, uint64_t *seed, uint64_t odd, struct counts *c)
{
    char all[EVENTS_MAX + 1] = "";
    int length = (int)random_below(seed, EVENTS_MAX - 1) + 1;
    for (int i = 0; i < length; i++) {
        char letter =
            random_below(seed, odd) == 0 ? letters[random_below(seed, sizeof letters - 1)] : next_of_mail(t);
        all[i] = letter;
        if (letter == 'M' && !matches(&under_way, t->said))
            t->mail = &mails[random_below(seed, MAILS)];
        if (letter == 'Q') {
            hang_up(t);
        } else if (letter == 'A') {
            session_reset(t->session);
            forget(t);
        } else if (letter == 'E') {
            c->ends++;
            if (!end_is_right(t) && c->wrong++ < WRONG_MAX)
                tap_note("%s of %s", all, t->mail->name);
            c->whole += matches(&whole, t->said);
            session_reset(t->session);
            forget(t);
        } else {
            say(t, letter);
        }
    }
}

static void test_conversations(void)
{
    static const uint64_t odd[] = {1, 4, 40, 120};
    const char *given = getenv("SESSION_ORDER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 0;
    if (seed == 0)
        seed = 0x9e3779b97f4a7c15;
    uint64_t first = seed;
    struct counts c = {0, 0, 0};
    for (int i = 0; i < CONVERSATIONS; i++) {
        struct talk t = {.session = session_new(), .mail = &mails[0]};
        converse(&t, &seed, odd[i % 4], &c);
        session_free(t.session);
    }
    tap_ok(c.wrong == 0 && c.whole > CONVERSATIONS / 4 && c.ends > 2 * c.whole,
           "%d conversations, seed 0x%llx: %d mails of %d ends judged, %d wrong", CONVERSATIONS,
           (unsigned long long)first, c.whole, c.ends, c.wrong);
}

int main(void)
{
    bool ok = regcomp(&whole, "^M[Rr]*R[Rr]*TL*NB*E$", REG_EXTENDED | REG_NOSUB) == 0 &&
              regcomp(&others, "^Mr*T[CHOTLNB]*E$", REG_EXTENDED | REG_NOSUB) == 0 &&
              regcomp(&under_way, "^M([Rr]*|[Rr]*R[Rr]*TL*(NB*)?)$", REG_EXTENDED | REG_NOSUB) == 0;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < MAILS; i++)
        ok = open_mail(&mails[i]) && ok;
    if (tap_ok(ok, "the mails")) {
        test_each_event_in_each_state();
        test_conversations();
    }
    for (size_t i = 0; i < MAILS; i++)
        runtime_unref(mails[i].runtime);
    regfree(&whole);
    regfree(&others);
    regfree(&under_way);
    return tap_done();
}
