/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_block.h"

#include <string.h>

#include "tap.h"

#define DIGEST "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define OTHER  "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
#define BEGIN  "-----BEGIN ACME RESPONSE-----\n"
#define END    "-----END ACME RESPONSE-----\n"

enum marks { PLAIN = 0, QUOTED = 1, DASHES = 2 };

static const struct {
    const char *name;
    const char *text;
    enum reply_block_status status;
    int marks;
} rows[] = {
    {"R-40 one line", BEGIN DIGEST "\n" END, REPLY_BLOCK_STATUS_OK, PLAIN},
    {"R-42 two lines", BEGIN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAX\nDfowyjxAjEuX0\n" END, REPLY_BLOCK_STATUS_OK,
     PLAIN},
    {"R-42 padded", BEGIN DIGEST "=\n" END, REPLY_BLOCK_STATUS_OK, PLAIN},
    {"R-42 padding on a line of its own", BEGIN DIGEST "\n=\n" END, REPLY_BLOCK_STATUS_OK, PLAIN},
    {"R-42 blanks and empty lines", BEGIN "\n LoqXcYV8q5ON bJQxbmR7SCTNo3tiAX\t\n\n\nDfowyjxAjEuX0 \n" END,
     REPLY_BLOCK_STATUS_OK, PLAIN},
    {"NO-BREAK SPACE",
     BEGIN "LoqXcYV8q5ON\xc2\xa0"
           "bJQxbmR7SCTNo3tiAXDfowyjxAjEuX0\xc2\xa0\n" END,
     REPLY_BLOCK_STATUS_OK, PLAIN},
    {"R-43 text around", "Hello,\n\n" BEGIN DIGEST "\n" END "-- \nAlice\n", REPLY_BLOCK_STATUS_OK, PLAIN},
    {"blanks around the markers",
     " -----BEGIN ACME RESPONSE-----  \n" DIGEST "\n\t-----END ACME RESPONSE-----\n", REPLY_BLOCK_STATUS_OK,
     PLAIN},
    {"no line end at the end", BEGIN DIGEST "\n-----END ACME RESPONSE-----", REPLY_BLOCK_STATUS_OK, PLAIN},
    {"quoted", "> " BEGIN "> " DIGEST "\n> " END, REPLY_BLOCK_STATUS_OK, QUOTED},
    {"quoted twice", ">> " BEGIN "> > " DIGEST "\n>> " END, REPLY_BLOCK_STATUS_OK, QUOTED},
    {"an unquoted one wins over a quoted other", "> " BEGIN "> " OTHER "\n> " END "\n" BEGIN DIGEST "\n" END,
     REPLY_BLOCK_STATUS_OK, PLAIN},
    {"two quoted ones that differ", "> " BEGIN "> " OTHER "\n> " END "> " BEGIN "> " DIGEST "\n> " END,
     REPLY_BLOCK_STATUS_AMBIGUOUS, PLAIN},
    {"em dashes",
     "\xe2\x80\x94\xe2\x80\x94-BEGIN ACME RESPONSE-\xe2\x80\x94\xe2\x80\x94\n" DIGEST
     "\n\xe2\x80\x94\xe2\x80\x94-END ACME RESPONSE\xe2\x80\x94\xe2\x80\x94-\n",
     REPLY_BLOCK_STATUS_OK, DASHES},
    {"a hyphen less", "----BEGIN ACME RESPONSE-----\n" DIGEST "\n" END, REPLY_BLOCK_STATUS_OK, DASHES},
    {"blanks behind the dashes", "----- BEGIN ACME RESPONSE -----\n" DIGEST "\n" END, REPLY_BLOCK_STATUS_OK,
     DASHES},
    {"too many dashes", "---------BEGIN ACME RESPONSE-----\n" DIGEST "\n" END, REPLY_BLOCK_STATUS_MISSING,
     PLAIN},
    {"no dashes", "BEGIN ACME RESPONSE\n" DIGEST "\nEND ACME RESPONSE\n", REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"lower case", "-----begin acme response-----\n" DIGEST "\n" END, REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"text behind a marker", "-----BEGIN ACME RESPONSE----- x\n" DIGEST "\n" END, REPLY_BLOCK_STATUS_MISSING,
     PLAIN},
    {"R-40 no end", BEGIN DIGEST "\n", REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"R-40 no begin", DIGEST "\n" END, REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"R-40 the end first", END DIGEST "\n" BEGIN, REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"an end in quoted text ends nothing", BEGIN DIGEST "\n> " END, REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"nothing", "", REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"R-40 an empty block", BEGIN END, REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"42 characters", BEGIN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX\n" END, REPLY_BLOCK_STATUS_MALFORMED,
     PLAIN},
    {"44 characters", BEGIN DIGEST "A\n" END, REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"two paddings", BEGIN DIGEST "==\n" END, REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"J17 the other alphabet", BEGIN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAj+uX0\n" END,
     REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"J17 stray bits", BEGIN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX1\n" END,
     REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"words inside", BEGIN "Here it is: " DIGEST "\n" END, REPLY_BLOCK_STATUS_MALFORMED, PLAIN},
    {"J10 two equal blocks", BEGIN DIGEST "\n" END BEGIN DIGEST "=\n" END, REPLY_BLOCK_STATUS_OK, PLAIN},
    {"J10 two digests", BEGIN DIGEST "\n" END BEGIN OTHER "\n" END, REPLY_BLOCK_STATUS_AMBIGUOUS, PLAIN},
    {"a block whose end line goes on, then a quoted one",
     BEGIN OTHER "\n-----END ACME RESPONSE-----> Hello\n> " BEGIN "> " DIGEST "\n> " END,
     REPLY_BLOCK_STATUS_MISSING, PLAIN},
    {"a good one, then a begin line", BEGIN DIGEST "\n" END BEGIN, REPLY_BLOCK_STATUS_AMBIGUOUS, PLAIN},
    {"an end line, then a good one", "x -----BEGIN ACME RESPONSE-----\n" OTHER "\n" END BEGIN DIGEST "\n" END,
     REPLY_BLOCK_STATUS_AMBIGUOUS, PLAIN},
    {"the begin line twice", BEGIN BEGIN DIGEST "\n" END, REPLY_BLOCK_STATUS_OK, PLAIN},
    {"a damaged block beside a good one", BEGIN DIGEST "\n" END BEGIN "x\n" END, REPLY_BLOCK_STATUS_AMBIGUOUS,
     PLAIN},
    {"a begin that begins anew", BEGIN OTHER "\n" BEGIN DIGEST "\n" END, REPLY_BLOCK_STATUS_AMBIGUOUS, PLAIN},
};

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_block got;
        const char *why;
        enum reply_block_status status = reply_block_parse(span_from_string(rows[i].text), &got, &why);
        tap_is_int(status, rows[i].status, rows[i].name);
        tap_is_string(got.digest, rows[i].status == REPLY_BLOCK_STATUS_OK ? DIGEST : "", rows[i].name);
        tap_ok((why == NULL) == (status == REPLY_BLOCK_STATUS_OK), "%s: says why", rows[i].name);
        if (status == REPLY_BLOCK_STATUS_OK)
            tap_is_int((got.is_quoted ? QUOTED : 0) | (got.has_changed_dashes ? DASHES : 0), rows[i].marks,
                       rows[i].name);
    }
}

/* R-42, A03. */
static void test_one_character_a_line(void)
{
    char text[400] = BEGIN;
    size_t len = strlen(text);
    struct reply_block got;
    const char *why;
    for (const char *p = DIGEST; *p != '\0'; p++) {
        text[len++] = *p;
        text[len++] = '\n';
    }
    strncpy(text + len, END, sizeof text - len - 1);
    tap_is_int(reply_block_parse(span_from_string(text), &got, &why), REPLY_BLOCK_STATUS_OK, "43 lines");
    tap_is_string(got.digest, DIGEST, "R-42 one character a line");
}

int main(void)
{
    test_rows();
    test_one_character_a_line();
    return tap_done();
}
