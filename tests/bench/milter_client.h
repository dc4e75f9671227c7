/* SPDX-License-Identifier: BSD-2-Clause */
/* The MTA's end of the milter protocol, as Postfix 3.7 speaks it: version 6, its macros, the steps agreed on.
 */
#ifndef MILTER_CLIENT_H
#define MILTER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MILTER_PACKET_MAX_BYTES = 1 << 20,
    MILTER_PENDING_MAX_BYTES = 4096,
    MILTER_ADDED_MAX_BYTES = 512,
    MILTER_FIELDS_MAX = 1024,
    MILTER_STAGES = 6,
    MILTER_MACROS_MAX_BYTES = 256,
};

struct milter_mail {
    struct {
        char *name;
        char *value;
    } fields[MILTER_FIELDS_MAX];
    int field_count;
    char *body;
    size_t body_len;
};

struct milter_client {
    int fd;
    uint32_t steps;
    /* The macros that the milter asked for, "" where it did not say, by stage. */
    char wanted_macros[MILTER_STAGES][MILTER_MACROS_MAX_BYTES];
    /* Of fields and bodies that were sent. */
    uint64_t content_bytes;
    size_t pending_len;
    unsigned char pending[MILTER_PENDING_MAX_BYTES];
    /* The last field that the milter added, as printable text. */
    char added[MILTER_ADDED_MAX_BYTES];
    size_t packet_len;
    unsigned char packet[MILTER_PACKET_MAX_BYTES];
};

/* Ends the program when there is no such mail, or it has no CRLF lines. */
void milter_client_read_mail(struct milter_mail *mail, const char *path);
bool milter_client_open(struct milter_client *c, const char *socket_path);
/* The answer that ended the mail; 0 when the connection broke. */
char milter_client_send(struct milter_client *c, const struct milter_mail *mail, const char *recipient);
void milter_client_close(struct milter_client *c);

#endif
