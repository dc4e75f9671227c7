/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may have broken a signature before the milter saw the mail. A client that is the MTA's own host, or
 * that has an address which nobody outside can have, is a queue, a content filter or a relay of the CA's.
 * What it changed is not the applicant's fault, and he cannot mend it.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "session_internal.h"

enum { IPV4_AT = 12, IPV4_BITS = 96 }; /* of an IPv4 address that is mapped into IPv6 */

static const struct network {
    const char *word;
    const char *address;
    unsigned bits;
} networks[] = {
    {"own-host", "127.0.0.0", IPV4_BITS + 8},
    {"own-host", "::1", 128},
    {"private-network", "10.0.0.0", IPV4_BITS + 8}, /* RFC 1918 */
    {"private-network", "172.16.0.0", IPV4_BITS + 12},
    {"private-network", "192.168.0.0", IPV4_BITS + 16},
    {"private-network", "169.254.0.0", IPV4_BITS + 16}, /* RFC 3927 */
    {"private-network", "100.64.0.0", IPV4_BITS + 10},  /* RFC 6598 */
    {"private-network", "fc00::", 7},                   /* RFC 4193 */
    {"private-network", "fe80::", 10},                  /* RFC 4291 */
};

/* As the MTAs write it: IPv6 with or without "IPv6:" before it. */
static bool read_address(const char *text, struct in6_addr *out)
{
    static const char prefix[] = "IPv6:";
    if (text == NULL)
        return false;
    if (strncasecmp(text, prefix, sizeof prefix - 1) == 0)
        text += sizeof prefix - 1;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->s6_addr[IPV4_AT]) != 1)
        return inet_pton(AF_INET6, text, out) == 1;
    memset(&out->s6_addr[IPV4_AT - 2], 0xff, 2);
    return true;
}

static bool is_within(const struct in6_addr *a, const struct network *n)
{
    struct in6_addr base;
    if (!read_address(n->address, &base) || memcmp(a, &base, n->bits / 8) != 0)
        return false;
    unsigned rest = n->bits % 8;
    unsigned mask = 0xff00U >> rest & 0xffU;
    return rest == 0 || (a->s6_addr[n->bits / 8] & mask) == (base.s6_addr[n->bits / 8] & mask);
}

static const char *client_word(const struct session *s)
{
    struct in6_addr client, own;
    if (!read_address(s->client_address, &client))
        return NULL;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if (is_within(&client, &networks[i]))
            return networks[i].word;
    return read_address(s->mta_address, &own) && memcmp(&client, &own, sizeof own) == 0 ? "own-host" : NULL;
}

const char *session_suspect(const struct session *s)
{
    const struct auth_signature *chosen = s->reply->record.chosen;
    bool is_broken = chosen != NULL && chosen->result == AUTH_RESULT_FAIL &&
                     finding_list_has(&s->reply->findings, FINDING_DKIM_FAIL);
    return is_broken ? client_word(s) : NULL;
}
