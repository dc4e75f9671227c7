/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the distribution's libpsl does where org_domain depends on it. A failure after an upgrade means: read
 * org_domain.c again.
 */
#include <libpsl.h>
#include <stddef.h>

#include "tap.h"

static void test_rules(const psl_ctx_t *list, const char *which)
{
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"a.github.io", "a.github.io"},
        {"b.a.github.io", "a.github.io"},
        {"github.io", NULL},
        {"x.y.ck", "x.y.ck"},
        {"y.ck", NULL},
        {"www.ck", "www.ck"},
        {"a.b.c.kawasaki.jp", "b.c.kawasaki.jp"},
        {"", NULL},
    };
    tap_note("%s", which);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        tap_is_string(psl_registrable_domain(list, rows[i].name), rows[i].want, rows[i].name);
}

/* Why org_domain wants names in lower case and as A-labels. */
static void test_input(const psl_ctx_t *list)
{
    static const char lower[] = "mail.example.com";
    tap_ok(psl_registrable_domain(list, lower) == lower + 5, "the answer stands in the question");
    tap_is_string(psl_registrable_domain(list, "MAIL.EXAMPLE.COM"), "EXAMPLE.COM", "upper case stays");
    tap_is_string(psl_registrable_domain(list, "A.GITHUB.IO"), "GITHUB.IO", "and its suffix is not found");
    tap_is_string(psl_registrable_domain(list, "a.example.xn--j6w193g"), "example.xn--j6w193g", "A-labels");
}

int main(void)
{
    psl_ctx_t *latest = psl_latest(NULL);
    if (!tap_ok(psl_builtin() != NULL, "a list inside the library") ||
        !tap_ok(latest != NULL, "psl_latest: the system's list, or that one"))
        return tap_done();
    tap_ok(psl_suffix_count(psl_builtin()) > 9000, "%d rules inside", psl_suffix_count(psl_builtin()));
    test_rules(psl_builtin(), "the list inside");
    test_rules(latest, "the latest list");
    test_input(latest);
    psl_free(latest);
    return tap_done();
}
