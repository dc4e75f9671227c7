/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measured with libidn2 2.3.3: a look-up applies the rules of RFC 5892 A.1 and A.2, and takes what A.3 to A.9
 * forbid, with and without UTS #46. Only a registration refuses it.
 */
#include <idn2.h>
#include <stdlib.h>

#include "tap.h"

static const struct {
    const char *name, *label;
    int lookup, registration;
} rows[] = {
    {"A.1 zero width non-joiner",
     "a\xe2\x80\x8c"
     "b",
     IDN2_CONTEXTJ, IDN2_CONTEXTJ},
    {"A.2 zero width joiner",
     "a\xe2\x80\x8d"
     "b",
     IDN2_CONTEXTJ, IDN2_CONTEXTJ},
    {"A.3 middle dot", "a·b", IDN2_OK, IDN2_CONTEXTO},
    {"A.3 middle dot between l", "l·l", IDN2_OK, IDN2_OK},
    {"A.4 keraia", "a͵b", IDN2_OK, IDN2_CONTEXTO},
    {"A.5 geresh", "׳א", IDN2_OK, IDN2_CONTEXTO},
    {"A.6 gershayim", "״א", IDN2_OK, IDN2_CONTEXTO},
    {"A.7 Katakana middle dot", "ab・c", IDN2_OK, IDN2_CONTEXTO},
    {"A.8 Arabic digits", "ا٠۰", IDN2_OK, IDN2_CONTEXTO},
    {"A.9 extended Arabic digits", "ا۰٠", IDN2_OK, IDN2_CONTEXTO},
};

int main(void)
{
    static const int flags[] = {IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL, IDN2_NFC_INPUT | IDN2_NO_TR46};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t *label = (const uint8_t *)rows[i].label;
        uint8_t *got = NULL;
        for (size_t j = 0; j < sizeof flags / sizeof flags[0]; j++) {
            tap_is_int(idn2_lookup_u8(label, &got, flags[j]), rows[i].lookup, rows[i].name);
            idn2_free(got);
            got = NULL;
        }
        tap_is_int(idn2_register_u8(label, NULL, &got, 0), rows[i].registration, rows[i].name);
        idn2_free(got);
    }
    return tap_done();
}
