/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "starve.h"
#include "tap.h"

#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

static const struct message_limits roomy = {100000, 100};

/* The next mail. */
static struct message *renewed(struct message *m, const struct message_limits *limits)
{
    message_free(m);
    return message_new(limits);
}

static const struct {
    const char *name;
    struct span field;
    struct span value;
    const char *stored; /* NULL: as given */
    enum message_defect defect;
    bool is_raw; /* not UTF-8 */
} fields[] = {
    {"plain value", TEXT("Subject"), TEXT(" x"), NULL, MESSAGE_DEFECT_NONE},
    {"empty value", TEXT("Subject"), TEXT(""), NULL, MESSAGE_DEFECT_NONE},
    {"no leading blank", TEXT("Subject"), TEXT("x"), NULL, MESSAGE_DEFECT_NONE},
    {"tab", TEXT("Subject"), TEXT("\tx\ty"), NULL, MESSAGE_DEFECT_NONE},
    {"fold with CRLF", TEXT("Subject"), TEXT(" a\r\n b"), NULL, MESSAGE_DEFECT_NONE},
    {"fold with LF, as libmilter passes it", TEXT("Subject"), TEXT(" a\n\tb\n c"), " a\r\n\tb\r\n c",
     MESSAGE_DEFECT_NONE},
    {"fold right behind the colon", TEXT("Subject"), TEXT("\n\tx"), "\r\n\tx", MESSAGE_DEFECT_NONE},
    {"UTF-8", TEXT("Subject"),
     TEXT(" Gr\xc3\xbc\xc3\x9f"
          "e"),
     NULL, MESSAGE_DEFECT_NONE},
    {"NUL in the value", TEXT("Subject"), TEXT(" a\0b"), NULL, MESSAGE_DEFECT_NUL},
    {"control in the value", TEXT("Subject"), TEXT(" a\x01"), NULL, MESSAGE_DEFECT_CONTROL},
    {"escape of ISO-2022-JP", TEXT("Subject"), TEXT(" \x1b$B"), NULL, MESSAGE_DEFECT_CONTROL},
    {"DEL in the value", TEXT("Subject"), TEXT(" a\x7f"), NULL, MESSAGE_DEFECT_CONTROL},
    {"form feed in the value", TEXT("Subject"), TEXT(" a\fb"), NULL, MESSAGE_DEFECT_CONTROL},
    {"A54 bare CR in the value", TEXT("Subject"), TEXT(" a\rb"), NULL, MESSAGE_DEFECT_BARE_CR},
    {"A54 bare CR before a blank", TEXT("Subject"), TEXT(" a\r b"), NULL, MESSAGE_DEFECT_BARE_CR},
    {"A54 bare CR before a fold", TEXT("Subject"), TEXT(" a\r\r\n b"), NULL, MESSAGE_DEFECT_BARE_CR},
    {"A54 bare CR at the end", TEXT("Subject"), TEXT(" a\r"), NULL, MESSAGE_DEFECT_BARE_CR},
    {"A54 LF that folds nothing: a field smuggled in", TEXT("Subject"), TEXT(" a\nFrom: x@y.example"), NULL,
     MESSAGE_DEFECT_BARE_LF},
    {"A54 CRLF that folds nothing", TEXT("Subject"), TEXT(" a\r\nFrom: x@y.example"), NULL,
     MESSAGE_DEFECT_BARE_LF},
    {"A54 LF at the end", TEXT("Subject"), TEXT(" a\n"), NULL, MESSAGE_DEFECT_BARE_LF},
    {"A54 empty line in the value", TEXT("Subject"), TEXT(" a\n\n b"), " a\n\r\n b", MESSAGE_DEFECT_BARE_LF},
    {"Latin-1", TEXT("Subject"), TEXT(" Gr\xfc\xdf"), NULL, MESSAGE_DEFECT_NONE, true},
    {"overlong UTF-8", TEXT("Subject"), TEXT(" \xc0\xaf"), NULL, MESSAGE_DEFECT_NONE, true},
    {"surrogate in UTF-8", TEXT("Subject"), TEXT(" \xed\xa0\x80"), NULL, MESSAGE_DEFECT_NONE, true},
    {"above U+10FFFF", TEXT("Subject"), TEXT(" \xf4\x90\x80\x80"), NULL, MESSAGE_DEFECT_NONE, true},
    {"UTF-8 cut by the end", TEXT("Subject"), TEXT(" \xe2\x82"), NULL, MESSAGE_DEFECT_NONE, true},
    {"the first of two defects", TEXT("Subject"), TEXT(" \x01\r\xff"), NULL, MESSAGE_DEFECT_CONTROL, true},
    {"a defect behind what is not UTF-8", TEXT("X-Mailer"), TEXT(" \xff\rb"), NULL, MESSAGE_DEFECT_BARE_CR,
     true},
    {"a smuggled field behind what is not UTF-8", TEXT("X-Mailer"), TEXT(" \xff\nFrom: x@y.example"), NULL,
     MESSAGE_DEFECT_BARE_LF, true},
    {"blank before the colon", TEXT("From "), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"tab before the colon", TEXT("From\t"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"server_a9 blank before the name", TEXT(" From"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"server_a11 folded name", TEXT("From\r\n "), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"blank in the name", TEXT("Fr om"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"NUL in the name", TEXT("From\0"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"8-bit in the name", TEXT("Fr\xc3\xb6m"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"colon in the name", TEXT("From:"), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
    {"no name", TEXT(""), TEXT(" x"), NULL, MESSAGE_DEFECT_FIELD_NAME},
};

static void test_fields(void)
{
    struct message *m = message_new(&roomy);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *where;
        struct span want = fields[i].stored != NULL ? span_from_string(fields[i].stored) : fields[i].value;
        m = renewed(m, &roomy);
        bool is_right = message_add_field(m, fields[i].field, fields[i].value) == OUTCOME_OK;
        is_right = is_right && message_defect(m, &where) == fields[i].defect;
        is_right = is_right && message_is_utf8(m, 0) == !fields[i].is_raw;
        is_right = is_right && span_equal(message_field_at(m, 0).name, fields[i].field);
        is_right = is_right && span_equal(message_field_at(m, 0).value, want);
        tap_ok(is_right, "%s", fields[i].name);
    }
    message_free(m);
}

static void test_name_limit(void)
{
    const char *where;
    char name[MESSAGE_NAME_MAX_BYTES + 1];
    memset(name, 'n', sizeof name);
    struct message *m = message_new(&roomy);
    tap_ok(message_add_field(m, (struct span){name, sizeof name - 1}, SPAN_LITERAL(" x")) == OUTCOME_OK &&
               message_defect(m, &where) == MESSAGE_DEFECT_NONE,
           "a name of 256 bytes");
    tap_ok(message_add_field(m, (struct span){name, sizeof name}, SPAN_LITERAL(" x")) == OUTCOME_OK &&
               message_defect(m, &where) == MESSAGE_DEFECT_FIELD_NAME,
           "a name of 257 bytes is a defect");
    message_free(m);
}

enum { PIECES_MAX = 4 };

static const struct {
    const char *name;
    struct span pieces[PIECES_MAX];
    enum message_defect defect;
    const char *where;
} bodies[] = {
    {"no body", {TEXT("")}, MESSAGE_DEFECT_NONE, ""},
    {"lines", {TEXT("a\r\n\r\nb\r\n")}, MESSAGE_DEFECT_NONE, ""},
    {"last line without an end", {TEXT("a\r\nb")}, MESSAGE_DEFECT_NONE, ""},
    {"controls and 8-bit are the body's own", {TEXT("\x01\f\x1b\xff\r\n")}, MESSAGE_DEFECT_NONE, ""},
    {"CR and LF in two pieces", {TEXT("a\r"), TEXT("\nb\r\n")}, MESSAGE_DEFECT_NONE, ""},
    {"CR and LF in pieces of one byte",
     {TEXT("\r"), TEXT("\n"), TEXT("\r"), TEXT("\n")},
     MESSAGE_DEFECT_NONE,
     ""},
    {"an empty piece between CR and LF", {TEXT("a\r"), TEXT(""), TEXT("\n")}, MESSAGE_DEFECT_NONE, ""},
    {"NUL", {TEXT("a\r\nb\r\n\0\r\n")}, MESSAGE_DEFECT_NUL, "body line 3"},
    {"NUL in a second piece", {TEXT("a\r\nb"), TEXT("c\0d\r\n")}, MESSAGE_DEFECT_NUL, "body line 2"},
    {"A54 bare LF", {TEXT("a\r\nb\nc\r\n")}, MESSAGE_DEFECT_BARE_LF, "body line 2"},
    {"A54 bare LF as the first byte", {TEXT("\na\r\n")}, MESSAGE_DEFECT_BARE_LF, "body line 1"},
    {"A54 bare LF first in a piece", {TEXT("a"), TEXT("\nb\r\n")}, MESSAGE_DEFECT_BARE_LF, "body line 1"},
    {"A54 LF twice behind one CR",
     {TEXT("a\r"), TEXT("\n"), TEXT("\n")},
     MESSAGE_DEFECT_BARE_LF,
     "body line 2"},
    {"A54 two LF in a row", {TEXT("a\r\n\nb")}, MESSAGE_DEFECT_BARE_LF, "body line 2"},
    {"T-24 end of data smuggled", {TEXT("a\r\n\n.\r\n")}, MESSAGE_DEFECT_BARE_LF, "body line 2"},
    {"A54 bare CR", {TEXT("a\r\nb\rc\r\n")}, MESSAGE_DEFECT_BARE_CR, "body line 2"},
    {"A54 bare CR as the first byte", {TEXT("\ra\r\n")}, MESSAGE_DEFECT_BARE_CR, "body line 1"},
    {"A54 two CR before LF", {TEXT("a\r\r\n")}, MESSAGE_DEFECT_BARE_CR, "body line 1"},
    {"A54 two CR in two pieces", {TEXT("a\r"), TEXT("\r\n")}, MESSAGE_DEFECT_BARE_CR, "body line 1"},
    {"A54 CR at the end of a piece, text in the next",
     {TEXT("a\r\nb\r"), TEXT("c\r\n")},
     MESSAGE_DEFECT_BARE_CR,
     "body line 2"},
    {"A54 CR as the last byte", {TEXT("a\r\nb\r")}, MESSAGE_DEFECT_BARE_CR, "body line 2"},
    {"the first of two defects", {TEXT("a\r\nb\nc\rd")}, MESSAGE_DEFECT_BARE_LF, "body line 2"},
};

static void test_bodies(void)
{
    struct message *m = message_new(&roomy);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *where;
        struct strbuf whole;
        bool is_right = true;
        strbuf_init(&whole, 1000);
        m = renewed(m, &roomy);
        for (size_t j = 0; j < PIECES_MAX; j++) {
            is_right = is_right && message_add_body(m, bodies[i].pieces[j]) == OUTCOME_OK;
            is_right = strbuf_append(&whole, bodies[i].pieces[j]) && is_right;
        }
        message_end(m);
        is_right = is_right && message_defect(m, &where) == bodies[i].defect;
        is_right = is_right && span_equal(message_body(m), strbuf_view(&whole));
        tap_ok(is_right && strcmp(where, bodies[i].where) == 0, "body: %s", bodies[i].name);
        strbuf_clear(&whole);
    }
    message_free(m);
}

static void add(struct message *m, const char *name, const char *value)
{
    if (message_add_field(m, span_from_string(name), span_from_string(value)) != OUTCOME_OK)
        tap_ok(false, "add %s", name);
}

static void test_look_up(void)
{
    struct message *m = message_new(&roomy);
    struct message_field f;
    add(m, "From", " first@attack.example");
    add(m, "to", " x");
    add(m, "FROM", " admin@legitimate.example");
    add(m, "From-X", " y");
    tap_is_int((long long)message_count(m, SPAN_LITERAL("From")), 2,
               "server_a8 client_a1 two From fields are counted");
    tap_ok(message_find(m, SPAN_LITERAL("fRom"), &f) &&
               span_equal(f.value, SPAN_LITERAL(" first@attack.example")),
           "find gives the first, whatever its case");
    tap_ok(message_find(m, SPAN_LITERAL("To"), &f) && span_equal(f.name, SPAN_LITERAL("to")),
           "names are kept as received");
    tap_ok(!message_find(m, SPAN_LITERAL("Fro"), &f) && !message_find(m, SPAN_LITERAL("From-"), &f),
           "part of a name is no name");
    tap_is_int((long long)message_count(m, SPAN_LITERAL("Cc")), 0, "none of a name");
    tap_ok(message_field_at(m, 4).name.len == 0, "no field behind the last");

    m = renewed(m, &roomy);
    add(m, "From ", " first@attack.example");
    add(m, "From", " admin@legitimate.example");
    tap_is_int((long long)message_count(m, SPAN_LITERAL("From")), 2,
               "server_a10 'From :' and 'From:' are two");
    add(m, "From\r\n ", " x");
    tap_is_int((long long)message_count(m, SPAN_LITERAL("From")), 3, "server_a11 a folded name counts");
    add(m, " From", " x");
    tap_is_int((long long)message_count(m, SPAN_LITERAL("From")), 4,
               "server_a9 a name behind a blank counts");
    message_free(m);
}

static void test_bytes(void)
{
    struct message *m = message_new(&roomy);
    tap_is_int((long long)message_bytes(m), 2, "the empty line always counts");
    add(m, "A", " b");
    add(m, "B", "\n c");
    tap_ok(span_equal(message_header_bytes(m), SPAN_LITERAL("A: b\r\nB:\r\n c\r\n")), "header bytes");
    tap_is_int((long long)message_bytes(m), 16, "name, colon, value, CRLF and the empty line count");
    tap_ok(message_add_body(m, SPAN_LITERAL("xyz")) == OUTCOME_OK && message_bytes(m) == 19, "and the body");
    for (int i = 0; i < 90; i++)
        add(m, "X-Many", " value");
    tap_ok(span_equal(message_field_at(m, 0).value, SPAN_LITERAL(" b")) && message_field_count(m) == 92,
           "fields stay what they were while the storage grows");
    message_free(m);
}

static void test_size_limit(void)
{
    struct message_limits limits = {20, 10};
    struct message *m = message_new(&limits);
    add(m, "A", "12345");
    tap_is_int(message_add_body(m, SPAN_LITERAL("123456789")), OUTCOME_OK, "as large as the limit");
    tap_ok(!message_is_too_large(m), "is not too large");
    tap_is_int(message_add_body(m, SPAN_LITERAL("1")), OUTCOME_REJECTED, "one byte more of body");
    tap_ok(message_is_too_large(m) && message_bytes(m) == 20, "is too large, and is not stored");
    tap_is_int(message_add_body(m, SPAN_LITERAL("")), OUTCOME_REJECTED, "and so is all that follows");
    tap_is_int(message_add_field(m, SPAN_LITERAL("B"), SPAN_LITERAL("")), OUTCOME_REJECTED, "fields too");

    limits.max_bytes = 12;
    m = renewed(m, &limits);
    tap_is_int(message_add_field(m, SPAN_LITERAL("A"), SPAN_LITERAL("1\n 34")), OUTCOME_OK,
               "a field of just the limit, its fold counted as two bytes");
    m = renewed(m, &limits);
    tap_is_int(message_add_field(m, SPAN_LITERAL("A"), SPAN_LITERAL("1\n 345")), OUTCOME_REJECTED,
               "one more is too large only with its fold");
    tap_ok(message_is_too_large(m) && message_field_count(m) == 0 && message_header_bytes(m).len == 0,
           "nothing of it is stored");
    m = renewed(m, &limits);
    tap_is_int(message_add_field(m, SPAN_LITERAL("Name-that-is-long"), SPAN_LITERAL("")), OUTCOME_REJECTED,
               "a name over the limit");
    limits.max_bytes = 1;
    m = renewed(m, &limits);
    tap_is_int(message_add_field(m, SPAN_LITERAL(""), SPAN_LITERAL("")), OUTCOME_REJECTED,
               "a limit below all mails");
    message_free(m);
}

static void test_field_limit(void)
{
    const struct message_limits limits = {1000, 3};
    struct message *m = message_new(&limits);
    for (int i = 0; i < 3; i++)
        add(m, "A", " b");
    tap_ok(!message_has_too_many_fields(m), "as many fields as the limit");
    tap_is_int(message_add_field(m, SPAN_LITERAL("A"), SPAN_LITERAL(" b")), OUTCOME_REJECTED, "one more");
    tap_ok(message_has_too_many_fields(m) && !message_is_too_large(m) && message_field_count(m) == 3,
           "is too many, and is not stored");
    tap_is_int(message_add_body(m, SPAN_LITERAL("x")), OUTCOME_REJECTED, "nor is the body");
    message_free(m);
}

static void test_defects(void)
{
    const char *where;
    struct message *m = message_new(&roomy);
    message_note_defect(m, MESSAGE_DEFECT_NONE, SPAN_LITERAL("nowhere"));
    tap_ok(message_defect(m, &where) == MESSAGE_DEFECT_NONE && *where == '\0', "no defect can be noted");
    add(m, "X-\nEvil\xff", " y");
    tap_ok(message_defect(m, &where) == MESSAGE_DEFECT_FIELD_NAME, "bad name");
    tap_is_string(where, "header field X-\\x0aEvil\\xff", "the place is printable");
    message_note_defect(m, MESSAGE_DEFECT_NO_COLON, SPAN_LITERAL("line 3"));
    tap_ok(message_defect(m, &where) == MESSAGE_DEFECT_FIELD_NAME, "the first defect stays");
    m = renewed(m, &roomy);
    message_note_defect(m, MESSAGE_DEFECT_NO_COLON, SPAN_LITERAL("line 3"));
    tap_ok(message_defect(m, &where) == MESSAGE_DEFECT_NO_COLON, "server_a12 an orphan line can be noted");
    tap_is_string(where, "line 3", "with its place");
    bool is_named = *message_defect_text(MESSAGE_DEFECT_NONE) == '\0';
    for (int d = MESSAGE_DEFECT_NUL; d <= MESSAGE_DEFECT_FIELD_NAME; d++)
        is_named = is_named && *message_defect_text((enum message_defect)d) != '\0';
    tap_ok(is_named, "every defect has a text");
    message_free(m);
    message_free(NULL);
}

/* A whole mail: the last outcome. */
static enum outcome build(struct message *m)
{
    char piece[3000];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 40; i++)
        if (message_add_field(m, SPAN_LITERAL("Name"), SPAN_LITERAL(" value")) == OUTCOME_REJECTED)
            return OUTCOME_REJECTED;
    enum outcome outcome = OUTCOME_OK;
    for (int i = 0; i < 3; i++)
        outcome = message_add_body(m, (struct span){piece, sizeof piece});
    return outcome;
}

static void test_out_of_memory(void)
{
    bool is_right = true;
    long failing = 0;
    enum outcome outcome = OUTCOME_INTERNAL;
    while (outcome != OUTCOME_OK && is_right && failing < 1000) {
        starve_begin(failing++);
        struct message *m = message_new(&roomy);
        is_right = m != NULL || failing == 1;
        if (m == NULL)
            continue;
        outcome = build(m);
        is_right = outcome == OUTCOME_OK || outcome == OUTCOME_INTERNAL;
        is_right = is_right && (outcome != OUTCOME_OK || message_field_count(m) == 40);
        message_free(m);
    }
    (void)starve_end();
    tap_ok(is_right && outcome == OUTCOME_OK && failing > 5,
           "whichever of %ld allocations fails, it is OUTCOME_INTERNAL to the end of the mail", failing - 1);
}

int main(void)
{
    test_fields();
    test_name_limit();
    test_bodies();
    test_look_up();
    test_bytes();
    test_size_limit();
    test_field_limit();
    test_defects();
    test_out_of_memory();
    return tap_done();
}
