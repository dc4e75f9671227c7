/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_subject.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define TOKEN "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6v"

static const struct {
    const char *name;
    const char *subject;
    const char *want; /* NULL: none */
    enum outcome outcome;
} rows[] = {
    {"R-30 bare", " ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"R-30 a prefix", " Re: ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"R-32 any prefix", " AW: Re[2]: SV: Antw: [EXT] ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"R-32 a prefix in Chinese", " =?utf-8?B?5Zue5aSN77ya?= ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"R-32 a full-width colon right before the label",
     " \xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9a"
     "ACME: " TOKEN,
     TOKEN, OUTCOME_OK},
    {"R-33 white space inside", " Re: ACME: LgYemJLy3F1L\r\n DkiJrdIG\tbEzyFJyOyf6v ", TOKEN, OUTCOME_OK},
    {"R-33 no white space before", " Re: ACME:" TOKEN, TOKEN, OUTCOME_OK},
    {"R-12 an empty first line", "\r\n Re: ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"R-31 B", " =?utf-8?B?UmU6IEFDTUU6IExnWWVtSkx5M0YxTERraUpyZElHYkV6eUZKeU95ZjZ2?=", TOKEN, OUTCOME_OK},
    {"R-31 a token over two words",
     " Re: =?utf-8?Q?ACME:_LgYemJLy3F1LDkiJ?=\r\n =?utf-8?Q?rdIGbEzyFJyOyf6v?=", TOKEN, OUTCOME_OK},
    {"padding stays as received", " ACME: DGyRejmCefe7v4NfDGDKfA==", "DGyRejmCefe7v4NfDGDKfA==", OUTCOME_OK},
    {"padding where none is due", " ACME: " TOKEN "=", NULL, OUTCOME_ABSENT},
    {"padding inside", " ACME: LgYemJLy=3F1LDkiJrdIGbEzyFJyOyf6", NULL, OUTCOME_ABSENT},
    {"too much padding", " ACME: DGyRejmCefe7v4NfDGDKfA===", NULL, OUTCOME_ABSENT},
    {"base64 of the other alphabet", " ACME: LgYemJLy+F1L/kiJrdIGbEzyFJyOyf6v", NULL, OUTCOME_ABSENT},
    {"J4 text behind", " ACME: " TOKEN " [EXT]", NULL, OUTCOME_ABSENT},
    {"no label", " Re: " TOKEN, NULL, OUTCOME_ABSENT},
    {"a label in lower case", " acme: " TOKEN, NULL, OUTCOME_ABSENT},
    {"a longer word is no label", " XACME: " TOKEN, NULL, OUTCOME_ABSENT},
    {"a label without a token", " ACME: ", NULL, OUTCOME_ABSENT},
    {"nothing", "", NULL, OUTCOME_ABSENT},
    {"J3 the same token twice", " ACME: " TOKEN " ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"J3 two tokens", " ACME: " TOKEN " ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6w", NULL, OUTCOME_BROKEN_INPUT},
    {"J3 two tokens, the second with more behind",
     " ACME: " TOKEN " ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6w [EXT]", NULL, OUTCOME_BROKEN_INPUT},
    {"J3 two tokens, the first with more behind",
     " ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6w (was) ACME: " TOKEN, NULL, OUTCOME_BROKEN_INPUT},
    {"J3 the same token twice, once with more behind", " ACME: " TOKEN " [EXT] ACME: " TOKEN, TOKEN,
     OUTCOME_OK},
    {"J3 a token with more behind each",
     " ACME: " TOKEN " [EXT] ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6w [EXT]", NULL, OUTCOME_BROKEN_INPUT},
    {"J3 two tokens, NO-BREAK SPACE in the second",
     " ACME: " TOKEN " ACME: LgYemJ\xc2\xa0Ly3F1LDkiJrdIGbEzyFJyOyf6w", NULL, OUTCOME_BROKEN_INPUT},
    {"J3 words behind a label before", " ACME: certificate request (1) ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"J3 a label without a token before", " ACME: please, ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"J3 a label without a token behind", " ACME: " TOKEN " ACME:", TOKEN, OUTCOME_OK},
    {"NO-BREAK SPACE is no white space", " ACME: LgYemJLy3F1LDkiJ\xc2\xa0rdIGbEzyFJyOyf6v", NULL,
     OUTCOME_ABSENT},
    {"very short", " ACME: abcdefg", "abcdefg", OUTCOME_OK},
    {"J3 a word behind a label before", " ACME: please ACME: " TOKEN, TOKEN, OUTCOME_OK},
    {"J3 a word behind a label behind", " ACME: " TOKEN " ACME: please", TOKEN, OUTCOME_OK},
    {"J3 the same word twice", " ACME: abc ACME: abc", "abc", OUTCOME_OK},
    {"J3 two words", " ACME: abc ACME: abd ACME: abc", NULL, OUTCOME_BROKEN_INPUT},
    {"J3 a word, and a token with more behind", " ACME: abc ACME: " TOKEN " [EXT]", NULL, OUTCOME_ABSENT},
};

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_subject got;
        const char *why = NULL;
        enum outcome outcome = reply_subject_parse(span_from_string(rows[i].subject), &got, &why);
        tap_is_int(outcome, rows[i].outcome, rows[i].name);
        tap_is_string(got.token, rows[i].want != NULL ? rows[i].want : "", rows[i].name);
        tap_ok(outcome == OUTCOME_OK || (why != NULL && got.token_bits == 0), "%s: says why", rows[i].name);
    }
}

/* 128 bits are 22 characters. */
static void test_lengths(void)
{
    static const struct {
        int characters;
        unsigned bits;
        bool is_token;
    } lengths[] = {{1, 0, false},   {2, 8, true},    {7, 40, true},   {8, 48, true},    {21, 120, true},
                   {22, 128, true}, {24, 144, true}, {43, 256, true}, {128, 768, true}, {129, 0, false}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char subject[200] = " ACME: ";
        struct reply_subject got;
        const char *why;
        size_t at = strlen(subject);
        memset(subject + at, 'a', (size_t)lengths[i].characters);
        subject[at + (size_t)lengths[i].characters] = '\0';
        bool is_token = reply_subject_parse(span_from_string(subject), &got, &why) == OUTCOME_OK;
        tap_ok(is_token == lengths[i].is_token && (!is_token || got.token_bits == lengths[i].bits),
               "R-05 %d characters", lengths[i].characters);
    }
}

static void test_charset(void)
{
    struct reply_subject got;
    const char *why;
    tap_ok(reply_subject_parse(SPAN_LITERAL(" =?iso-8859-1?Q?R=E9:?= ACME: " TOKEN), &got, &why) ==
                   OUTCOME_OK &&
               got.has_foreign_charset,
           "R-13 another charset is decoded and told");
    tap_ok(reply_subject_parse(SPAN_LITERAL(" Re: ACME: " TOKEN), &got, &why) == OUTCOME_OK &&
               !got.has_foreign_charset,
           "R-13 none is none");
}

static void test_limit(void)
{
    char *text = calloc(1, REPLY_SUBJECT_MAX_BYTES + 2);
    struct reply_subject got;
    const char *why;
    if (text == NULL)
        return;
    memset(text, 'x', REPLY_SUBJECT_MAX_BYTES + 1);
    tap_is_int(reply_subject_parse((struct span){text, REPLY_SUBJECT_MAX_BYTES + 1}, &got, &why),
               OUTCOME_ABSENT, "a subject over the limit");
    memcpy(text + REPLY_SUBJECT_MAX_BYTES - 39, " ACME: " TOKEN, 39);
    tap_is_int(reply_subject_parse((struct span){text, REPLY_SUBJECT_MAX_BYTES}, &got, &why), OUTCOME_OK,
               "a subject at the limit");
    free(text);
}

int main(void)
{
    test_rows();
    test_lengths();
    test_charset();
    test_limit();
    return tap_done();
}
