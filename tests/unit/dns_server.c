/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 12,
    PACKET_BYTES = 16384,
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    LATE_MS = 250,
    PORTS_TRIED = 8
};

struct packet {
    unsigned char bytes[PACKET_BYTES];
    size_t len;
    bool is_stream; /* by TCP */
};

static void put(struct packet *p, const void *data, size_t len)
{
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
}

static void put_16(struct packet *p, unsigned value)
{
    unsigned char b[] = {(unsigned char)(value >> 8), (unsigned char)value};
    put(p, b, 2);
}

/* The head of a record whose owner is the name at offset. Returns where the data's length stands. */
static size_t begin_record(struct packet *p, unsigned owner, unsigned type)
{
    p->bytes[7]++;
    put_16(p, 0xc000 | owner);
    put_16(p, type);
    put_16(p, 1);
    put_16(p, 0);
    put_16(p, 300);
    put_16(p, 0);
    return p->len;
}

static void end_record(struct packet *p, size_t data)
{
    p->bytes[data - 2] = (unsigned char)((p->len - data) >> 8);
    p->bytes[data - 1] = (unsigned char)(p->len - data);
}

static void put_string(struct packet *p, const char *text, size_t len)
{
    unsigned char b = (unsigned char)len;
    put(p, &b, 1);
    put(p, text, len);
}

static void put_txt(struct packet *p, const char *text)
{
    size_t data = begin_record(p, HEADER_BYTES, TYPE_TXT);
    put_string(p, text, strlen(text));
    end_record(p, data);
}

/* An address of len bytes: 127.0.0.1, or ::1 */
static void put_address(struct packet *p, unsigned owner, unsigned type, size_t len)
{
    unsigned char address[16] = {[15] = 1};
    if (type == TYPE_A)
        memcpy(address, "\x7f\0\0\x01", 4);
    size_t data = begin_record(p, owner, type);
    put(p, address, len);
    end_record(p, data);
}

/* "joined": 255 times 'a', "\0b", nothing, "c" */
static void put_joined(struct packet *p)
{
    char a[255];
    memset(a, 'a', sizeof a);
    size_t data = begin_record(p, HEADER_BYTES, TYPE_TXT);
    put_string(p, a, sizeof a);
    put_string(p, "\0b", 2);
    put_string(p, "", 0);
    put_string(p, "c", 1);
    end_record(p, data);
}

static void put_big(struct packet *p, unsigned strings)
{
    char a[255];
    memset(a, 'a', sizeof a);
    size_t data = begin_record(p, HEADER_BYTES, TYPE_TXT);
    for (unsigned i = 0; i < strings; i++)
        put_string(p, a, sizeof a);
    end_record(p, data);
}

/* A string that says it is longer than its record. */
static void put_overlong(struct packet *p)
{
    size_t data = begin_record(p, HEADER_BYTES, TYPE_TXT);
    put(p, "\x09short", 6);
    end_record(p, data);
}

/* first label -> target, which stands under the same parent. */
static void put_cname(struct packet *p, const char *target)
{
    unsigned parent = HEADER_BYTES + 1u + p->bytes[HEADER_BYTES];
    size_t data = begin_record(p, HEADER_BYTES, TYPE_CNAME);
    put_string(p, target, strlen(target));
    put_16(p, 0xc000 | parent);
    end_record(p, data);
}

/* A server that does not recurse: no answer, and the servers of the name asked for, in the authority section.
 */
static void put_referral(struct packet *p)
{
    size_t data = begin_record(p, HEADER_BYTES, TYPE_NS);
    put_string(p, "ns", 2);
    put_16(p, 0xc000 | HEADER_BYTES);
    end_record(p, data);
    p->bytes[9] = p->bytes[7];
    p->bytes[7] = 0;
}

static void put_given(struct packet *p, unsigned owner, const char *text)
{
    size_t data = begin_record(p, owner, TYPE_TXT);
    for (size_t len = strlen(text), at = 0; at < len; at += 255)
        put_string(p, text + at, len - at < 255 ? len - at : 255);
    end_record(p, data);
}

/* first label -> "given", and the record there, as a server that recurses answers. */
static void put_cname_and_given(struct packet *p, const char *text)
{
    size_t owner = p->len + 12;
    put_cname(p, "given");
    put_given(p, (unsigned)owner, text);
}

static void put_seventeen(struct packet *p)
{
    char text[8];
    for (int i = 0; i < 17; i++) {
        (void)snprintf(text, sizeof text, "n%02d", i);
        put_txt(p, text);
    }
}

static void put_two_policies(struct packet *p)
{
    put_txt(p, "v=DMARC1; p=none");
    put_txt(p, "v=DMARC1; p=reject");
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Of the name's first label, or the one behind "_dmarc". */
static bool is_label(const struct packet *p, const char *label)
{
    const unsigned char *at = p->bytes + HEADER_BYTES;
    if (at[0] == 6 && memcmp(at + 1, "_dmarc", 6) == 0)
        at += 7;
    return at[0] == strlen(label) && memcmp(at + 1, label, strlen(label)) == 0;
}

struct text_row {
    const char *label, *text;
};
static const struct text_row texts[] = {{"plain", "v=one"},
                                        {"late", "v=late"},
                                        {"empty", ""},
                                        {"revoked", "v=DKIM1; p="},
                                        {"dmarc", "v=DMARC1; p=reject"}};

struct maker_row {
    const char *label;
    void (*make)(struct packet *p);
};
static const struct maker_row makers[] = {
    {"joined", put_joined},     {"overlong", put_overlong},   {"nx-ns", put_referral},
    {"referral", put_referral}, {"seventeen", put_seventeen}, {"policies", put_two_policies},
};

struct cname_row {
    const char *label, *target;
};
static const struct cname_row cnames[] = {
    {"alias", "plain"}, {"alias-nx", "nx"}, {"alias-nodata", "nodata"}, {"alias-servfail", "servfail"}};

struct rcode_row {
    const char *label;
    unsigned char rcode;
};
static const struct rcode_row rcodes[] = {{"nx", 3},      {"nx-ns", 3},  {"servfail", 2},
                                          {"refused", 5}, {"notimp", 4}, {"formerr", 1}};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* What a test gave. */
static void answer_given(struct packet *p, const char *text)
{
    bool is_twice = is_label(p, "given-twice");
    if (is_twice || is_label(p, "given"))
        put_given(p, HEADER_BYTES, text);
    if (is_twice)
        put_given(p, HEADER_BYTES, text);
    if (is_label(p, "alias-given"))
        put_cname_and_given(p, text);
}

static void answer_txt(struct packet *p)
{
    for (size_t i = 0; i < ROWS(texts); i++)
        if (is_label(p, texts[i].label))
            put_txt(p, texts[i].text);
    for (size_t i = 0; i < ROWS(makers); i++)
        if (is_label(p, makers[i].label))
            makers[i].make(p);
    for (size_t i = 0; i < ROWS(cnames); i++)
        if (is_label(p, cnames[i].label))
            put_cname(p, cnames[i].target);
    for (size_t i = 0; i < ROWS(rcodes); i++)
        if (is_label(p, rcodes[i].label))
            p->bytes[3] |= rcodes[i].rcode;
    if (is_label(p, "two")) {
        put_txt(p, "v=1");
        put_txt(p, "v=2");
    }
    if (is_label(p, "by-tcp") && p->is_stream)
        put_big(p, 60);
    else if (is_label(p, "by-tcp"))
        p->bytes[2] |= 2; /* TC */
    if (is_label(p, "longest"))
        put_big(p, 32);
    if (is_label(p, "toolong"))
        put_big(p, 33);
}

static void answer_address(struct packet *p, unsigned type)
{
    bool is_v4 = type == TYPE_A;
    size_t len = is_v4 ? 4 : 16;
    if (is_label(p, "host") || is_label(p, is_v4 ? "host4" : "host6"))
        put_address(p, HEADER_BYTES, type, len);
    if (is_label(p, "host-short"))
        put_address(p, HEADER_BYTES, type, len - 1);
    if (is_label(p, "host-alias")) {
        size_t owner = p->len + 12;
        put_cname(p, "host");
        put_address(p, (unsigned)owner, type, len);
    }
    if (is_label(p, "servfail") || (!is_v4 && is_label(p, "host4-servfail")))
        p->bytes[3] |= 2;
    else if (is_label(p, "host4-servfail") || is_label(p, "host4-silent"))
        put_address(p, HEADER_BYTES, type, len);
    if (is_label(p, "nx"))
        p->bytes[3] |= 3;
}

/* Turns a question into its answer in place: no EDNS, which a server may leave out. */
static bool make_answer(struct packet *p, const struct dns_server *s)
{
    size_t end = HEADER_BYTES;
    if (p->len < HEADER_BYTES + 5)
        return false;
    while (end < p->len && p->bytes[end] != 0)
        end += 1u + p->bytes[end];
    end += 5;
    if (end > p->len || is_label(p, "silent"))
        return false;
    unsigned type = p->bytes[end - 4] * 256u + p->bytes[end - 3];
    if (type == TYPE_AAAA && is_label(p, "host4-silent"))
        return false;
    p->len = end;
    p->bytes[2] |= 0x80;
    p->bytes[3] = 0x80;
    memset(p->bytes + 6, 0, 6);
    if (is_label(p, "late") && type == TYPE_TXT)
        sleep_ms(LATE_MS);
    if (type == TYPE_TXT)
        answer_txt(p);
    else if (type == TYPE_A || type == TYPE_AAAA)
        answer_address(p, type);
    if (type == TYPE_TXT && s->given != NULL)
        answer_given(p, s->given);
    return true;
}

static void serve_datagram(struct dns_server *s)
{
    struct packet p = {.is_stream = false};
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    ssize_t len = recvfrom(s->fd, p.bytes, 512, 0, (struct sockaddr *)&peer, &peer_len);
    s->asked++;
    p.len = len > 0 ? (size_t)len : 0;
    if (!s->is_silent && make_answer(&p, s))
        (void)sendto(s->fd, p.bytes, p.len, 0, (struct sockaddr *)&peer, peer_len);
}

/* One question and its answer, then the end. */
static void serve_connection(struct dns_server *s)
{
    struct packet p = {.is_stream = true}, answer = {.len = 0};
    int fd = accept(s->tcp_fd, NULL, NULL);
    struct timeval limit = {.tv_sec = 5};
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    s->asked++;
    if (recv(fd, p.bytes, 2, MSG_WAITALL) == 2) {
        p.len = p.bytes[0] * 256u + p.bytes[1];
        if (p.len <= 512 && recv(fd, p.bytes, p.len, MSG_WAITALL) == (ssize_t)p.len && make_answer(&p, s)) {
            put_16(&answer, (unsigned)p.len);
            put(&answer, p.bytes, p.len);
            (void)send(fd, answer.bytes, answer.len, MSG_NOSIGNAL);
        }
    }
    close(fd);
}

static void *serve(void *arg)
{
    struct dns_server *s = arg;
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->tcp_fd, .events = POLLIN}};
    while (!s->is_stopping) {
        if (poll(fds, 2, 20) <= 0)
            continue;
        if (fds[0].revents != 0)
            serve_datagram(s);
        if (fds[1].revents != 0)
            serve_connection(s);
    }
    return NULL;
}

/* A socket on port of loopback, which becomes the one bound; -1 if that one is taken. */
static int bind_socket(int type, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)*port)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, type, 0), on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0 || (type == SOCK_STREAM && listen(fd, 8) != 0)) {
        close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

/* One port for both, which may be free for UDP and taken for TCP. */
static bool bind_both(struct dns_server *s, int port)
{
    s->port = port;
    s->fd = bind_socket(SOCK_DGRAM, &s->port);
    s->tcp_fd = s->fd >= 0 ? bind_socket(SOCK_STREAM, &s->port) : -1;
    if (s->fd >= 0 && s->tcp_fd < 0)
        close(s->fd);
    return s->tcp_fd >= 0;
}

bool dns_server_start(struct dns_server *s, int port)
{
    bool is_bound = false;
    s->is_stopping = false;
    s->is_silent = false;
    s->given = NULL;
    s->asked = 0;
    for (int i = 0; i < PORTS_TRIED && !is_bound; i++)
        is_bound = bind_both(s, port);
    return is_bound && pthread_create(&s->thread, NULL, serve, s) == 0;
}

void dns_server_stop(struct dns_server *s)
{
    s->is_stopping = true;
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->tcp_fd);
}
