/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../milter/auth/signature_coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define TWELVE                                                                                               \
    "from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:content-type:"                \
    "content-transfer-encoding"
#define RESENT ":resent-date:resent-from:resent-to:resent-cc"
#define LISTS                                                                                                \
    ":list-id:list-help:list-unsubscribe:list-subscribe:list-post:list-owner:list-archive:"                  \
    "list-unsubscribe-post"

struct row {
    const char *name;
    const char *fields; /* of the mail, separated by blanks */
    const char *h;
    const char *covers; /* letters of core, present, full, should */
    const char *core, *present, *full;
};

static const struct row rows[] = {
    {"R-26 all twelve", "From To Subject", TWELVE, "CPF", "", "", ""},
    {"R-29 and the recommended ones", "From Subject", TWELVE RESENT LISTS, "CPFH", "", "", ""},
    {"R-29 Resent-* only", "From Subject", TWELVE RESENT, "CPF", "", "", ""},
    {"R-29 List-* only", "From Subject", TWELVE LISTS, "CPF", "", "", ""},
    {"R-29 without the twelve", "From Subject", "from:subject" RESENT LISTS, "CPH", "", "",
     "sender,reply-to,to,cc,date,in-reply-to,references,message-id,content-type,content-transfer-encoding"},
    {"R-27 absent fields have to be named", "From Subject To", "from:subject:to", "CP", "", "",
     "sender,reply-to,cc,date,in-reply-to,references,message-id,content-type,content-transfer-encoding"},
    {"R-26 every field that is there", "From Subject To Cc Message-ID", "from:subject:to", "C", "",
     "cc,message-id",
     "sender,reply-to,cc,date,in-reply-to,references,message-id,content-type,content-transfer-encoding"},
    {"names in any case in the mail", "FROM subJECT tO", "from:subject:to", "CP", "", "",
     "sender,reply-to,cc,date,in-reply-to,references,message-id,content-type,content-transfer-encoding"},
    {"Subject not named", "From Subject", "from", "", "subject", "subject",
     "sender,reply-to,to,cc,subject,date,in-reply-to,references,message-id,content-type,"
     "content-transfer-encoding"},
    {"no Subject, none named", "From", "from", "P", "subject", "",
     "sender,reply-to,to,cc,subject,date,in-reply-to,references,message-id,content-type,"
     "content-transfer-encoding"},
    {"J2 From twice, named once", "From From Subject", TWELVE, "F", "from", "from", ""},
    {"J2 From twice, named twice", "From From Subject", TWELVE ":from", "CPF", "", "", ""},
    {"J2 Subject thrice, named twice", "From Subject Subject Subject", TWELVE ":subject", "F", "subject",
     "subject", ""},
    {"To twice, named once", "From To To Subject", TWELVE, "CF", "", "to", ""},
    {"names that only begin alike", "From Subject To", "from:subjects:to-do:fromm", "", "subject",
     "to,subject",
     "sender,reply-to,to,cc,subject,date,in-reply-to,references,message-id,content-type,"
     "content-transfer-encoding"},
    {"no h= that can be read", "From Subject", "", "", "from,subject", "from,subject",
     "from,sender,reply-to,to,cc,subject,date,in-reply-to,references,message-id,content-type,"
     "content-transfer-encoding"},
};

static struct message *make(const char *fields)
{
    const struct message_limits limits = {65536, 100};
    struct message *m = message_new(&limits);
    struct span rest = span_from_string(fields);
    for (size_t at = 0; m != NULL && at < rest.len;) {
        size_t end = span_find_byte(rest, at, ' ');
        if (message_add_field(m, span_slice(rest, at, end), SPAN_LITERAL(" x")) != OUTCOME_OK)
            abort();
        at = end + 1;
    }
    if (m == NULL)
        abort();
    return m;
}

int main(void)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct auth_signature s = {0};
        char covers[8];
        struct message *m = make(rows[i].fields);
        (void)snprintf(s.signed_fields, sizeof s.signed_fields, "%s", rows[i].h);
        signature_coverage_measure(m, &s);
        (void)snprintf(covers, sizeof covers, "%s%s%s%s", s.covers_core ? "C" : "",
                       s.covers_present ? "P" : "", s.covers_full ? "F" : "", s.covers_should ? "H" : "");
        tap_is_string(covers, rows[i].covers, rows[i].name);
        tap_is_string(s.core_detail, rows[i].core, rows[i].name);
        tap_is_string(s.present_detail, rows[i].present, rows[i].name);
        tap_is_string(s.full_detail, rows[i].full, rows[i].name);
        message_free(m);
    }
    return tap_done();
}
