/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A name server on loopback that answers TXT questions by the first label of the name, or the one behind
 * "_dmarc": "plain", "late",
 * "joined", "alias-nx", "servfail" and others; the tables in dns_server.c say what. Of addresses it knows
 * "host", "host4", "host6" and theirs: 127.0.0.1 and ::1.
 */
#ifndef DNS_SERVER_H
#define DNS_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dns_server {
    int fd, tcp_fd;
    const char *_Atomic given; /* what "given", "given-twice", "alias-given" answer; NULL at the start */
    int port;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_bool is_silent;
    atomic_int asked;
};

bool dns_server_start(struct dns_server *s, int port); /* port 0: any; s->port has it */
void dns_server_stop(struct dns_server *s);

#endif
