/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acme-milter -t: judges mail files without an MTA (contract section 2).
 */
#ifndef TEST_MODE_H
#define TEST_MODE_H

#include "result_json.h"
#include "runtime.h"

struct test_mode_options {
    const char *dns_file;                   /* -D */
    const char *sender;                     /* -s */
    const char *recipient;                  /* -r; NULL: the first challenge address */
    const char *client_address;             /* -a */
    bool does_post;                         /* -p */
    const struct result_envelope *wanted;   /* --replay: the result must say so; NULL: any */
    bool explains;                          /* --explain: for people, instead of the object */
    bool has_colour;                        /* ... and their terminal */
    bool is_record;                         /* --replay: the mail was answered long ago */
    const struct endpoint_answer *recorded; /* ... and the ACME server said this; NULL: not known */
};

/* Judges each file, "-" is standard input, and prints one result object a line, or an explanation. Takes
 * settings. The exit code. */
int test_mode_run(struct settings *settings, const struct test_mode_options *options, char *const *files,
                  int count);

#endif
