/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver_result.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX_BYTES = 65535 };

static bool copy_address(const unsigned char *data, size_t len, char *out, size_t *out_len)
{
    memcpy(out, data, len);
    *out_len = len;
    return len == 4 || len == 16;
}

/* Joins the strings of one TXT record. False if they do not fill it exactly, or it is longer than we take. */
static bool join_strings(const unsigned char *data, size_t len, char *out, size_t *out_len)
{
    size_t at = 0;
    *out_len = 0;
    while (at < len) {
        size_t string = data[at++];
        if (string > len - at || *out_len + string > RESOLVER_RECORD_MAX_BYTES)
            return false;
        memcpy(out + *out_len, data + at, string);
        *out_len += string;
        at += string;
    }
    return len > 0;
}

/*
 * A record that cannot be read makes the whole answer TEMPORARY. Leaving it out could hide that there are two
 * records, or that there is one at all, and so end in a parent's policy.
 */
enum outcome resolver_result_read(char *const *data, const int *lens, enum resolver_type type,
                                  struct resolver_answer *answer, char **text)
{
    size_t total = 0, count = 0, used = 0;
    bool (*read_record)(const unsigned char *data, size_t len, char *out, size_t *out_len) =
        type == RESOLVER_TYPE_TXT ? join_strings : copy_address;
    for (; data[count] != NULL; count++)
        total += lens[count] > 0 ? (size_t)lens[count] : 0;
    if (total > ANSWER_MAX_BYTES)
        return OUTCOME_TEMPORARY;
    *text = malloc(total + 1);
    if (*text == NULL)
        return OUTCOME_INTERNAL;
    for (size_t i = 0; i < count && i < RESOLVER_RECORDS_MAX; i++) {
        struct span *record = &answer->records[i];
        record->data = *text + used;
        if (lens[i] < 0 ||
            !read_record((const unsigned char *)data[i], (size_t)lens[i], *text + used, &record->len))
            return OUTCOME_TEMPORARY;
        used += record->len;
    }
    answer->count = count <= RESOLVER_RECORDS_MAX ? count : RESOLVER_RECORDS_MAX + 1;
    return count > 0 ? OUTCOME_OK : OUTCOME_TEMPORARY;
}

/*
 * A server that does not recurse sends us elsewhere, with NS and no SOA in the authority section: that is no
 * proof that there is nothing (RFC 2308 section 2.2). libunbound takes a forwarder's word for it.
 */
bool resolver_result_is_referral(const void *packet, int len)
{
    ns_msg message;
    ns_rr record;
    bool has_ns = false;
    if (packet == NULL || ns_initparse(packet, len, &message) != 0)
        return false;
    for (int i = 0; i < ns_msg_count(message, ns_s_ns); i++) {
        if (ns_parserr(&message, ns_s_ns, i, &record) != 0 || ns_rr_type(record) == ns_t_soa)
            return false;
        has_ns = has_ns || ns_rr_type(record) == ns_t_ns;
    }
    return has_ns;
}
