/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "org_domain.h"
#include "tap.h"

struct row {
    const char *name, *want; /* NULL: has no organisational domain */
};

static const struct row rows[] = {
    {"example.com", "example.com"},
    {"mail.example.com", "example.com"},
    {"a.b.c.example.com", "example.com"},
    {"com", NULL},
    {"example.co.uk", "example.co.uk"},
    {"mail.example.co.uk", "example.co.uk"},
    {"co.uk", NULL},
    /* a private suffix: its tenants have nothing to do with each other */
    {"github.io", NULL},
    {"alice.github.io", "alice.github.io"},
    {"www.alice.github.io", "alice.github.io"},
    /* *.ck with the exception www.ck */
    {"ck", NULL},
    {"x.ck", NULL},
    {"y.x.ck", "y.x.ck"},
    {"z.y.x.ck", "y.x.ck"},
    {"www.ck", "www.ck"},
    {"a.www.ck", "www.ck"},
    /* *.kawasaki.jp with the exception city.kawasaki.jp */
    {"c.kawasaki.jp", NULL},
    {"b.c.kawasaki.jp", "b.c.kawasaki.jp"},
    {"a.b.c.kawasaki.jp", "b.c.kawasaki.jp"},
    {"city.kawasaki.jp", "city.kawasaki.jp"},
    {"a.city.kawasaki.jp", "city.kawasaki.jp"},
    /* the default rule "*" */
    {"a.example.unlisted", "example.unlisted"},
    {"unlisted", NULL},
    /* .hk and its Chinese suffix in A-labels */
    {"a.example.xn--j6w193g", "example.xn--j6w193g"},
    {"", NULL},
};

int main(void)
{
    struct org_domain_list *list = org_domain_list_new();
    if (!tap_ok(list != NULL, "list"))
        return tap_done();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct domain name, out = {.name = "kept"};
        (void)snprintf(name.name, sizeof name.name, "%s", rows[i].name);
        bool found = org_domain_find(list, &name, &out);
        bool is_good = found == (rows[i].want != NULL);
        tap_ok(is_good, "%s: found", rows[i].name);
        tap_is_string(out.name, rows[i].want != NULL ? rows[i].want : "", rows[i].name);
    }
    tap_ok(org_domain_library_text()[0] != '\0', "%s", org_domain_library_text());
    org_domain_list_free(list);
    org_domain_list_free(NULL);
    return tap_done();
}
