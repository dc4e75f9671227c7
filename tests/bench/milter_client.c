/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 65535,
    OFFERED_ACTIONS = 0x1ff,
    OFFERED_STEPS = 0x1fffff,
    NR_CONN = 0x1000,
    NR_HELO = 0x2000,
    NR_MAIL = 0x4000,
    NR_RCPT = 0x8000,
    NR_DATA = 0x10000,
    NR_HDR = 0x80,
    NR_EOH = 0x40000,
    NR_BODY = 0x80000,
    NO_CONNECT = 0x1,
    NO_HELO = 0x2,
    NO_BODY = 0x10,
    NO_HEADERS = 0x20,
    NO_END_OF_HEADER = 0x40,
    LEADSPC = 0x100000,
};

static bool send_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t len)
{
    char *p = data;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool flush(struct milter_client *c)
{
    size_t len = c->pending_len;
    c->pending_len = 0;
    return send_all(c->fd, c->pending, len);
}

/* Gathers packets up to the next one that wants an answer, as Postfix's streams do. */
static bool send_packet(struct milter_client *c, char command, const void *data, size_t len)
{
    unsigned char head[5];
    uint32_t size = htonl((uint32_t)len + 1);
    memcpy(head, &size, 4);
    head[4] = (unsigned char)command;
    if (c->pending_len + sizeof head + len > sizeof c->pending && !flush(c))
        return false;
    memcpy(c->pending + c->pending_len, head, sizeof head);
    c->pending_len += sizeof head;
    if (len > sizeof c->pending - c->pending_len)
        return flush(c) && send_all(c->fd, data, len);
    memcpy(c->pending + c->pending_len, data, len);
    c->pending_len += len;
    return true;
}

/* The first answer that is not "progress"; 0 when the connection broke. */
static char receive_answer(struct milter_client *c)
{
    uint32_t size;
    if (!flush(c))
        return 0;
    do {
        if (!receive_all(c->fd, &size, 4))
            return 0;
        size = ntohl(size);
        if (size == 0 || size > sizeof c->packet || !receive_all(c->fd, c->packet, size))
            return 0;
        c->packet_len = size;
    } while (c->packet[0] == 'p');
    return (char)c->packet[0];
}

/* Sends a step and its answer is "go on", or none is due. */
static char step(struct milter_client *c, char command, const void *data, size_t len, uint32_t no_reply)
{
    if (!send_packet(c, command, data, len))
        return 0;
    return (c->steps & no_reply) != 0 ? 'c' : receive_answer(c);
}

/* The lists of macros behind the three words of the answer to the offer. */
static void read_wanted_macros(struct milter_client *c)
{
    size_t at = 13;
    while (at + 4 < c->packet_len) {
        uint32_t stage;
        memcpy(&stage, c->packet + at, 4);
        const char *list = (const char *)c->packet + at + 4;
        size_t len = strnlen(list, c->packet_len - at - 4);
        if (ntohl(stage) < MILTER_STAGES)
            (void)snprintf(c->wanted_macros[ntohl(stage)], MILTER_MACROS_MAX_BYTES, " %.*s ", (int)len, list);
        at += 4 + len + 1;
    }
}

static bool is_wanted(const struct milter_client *c, char stage, const char *name)
{
    static const char stages[] = "CHMRTE"; /* SMFIM_CONNECT to SMFIM_EOM */
    const char *list = c->wanted_macros[strchr(stages, stage) - stages];
    char word[MILTER_MACROS_MAX_BYTES];
    (void)snprintf(word, sizeof word, " %s ", name);
    return list[0] == '\0' || strstr(list, word) != NULL;
}

/* As Postfix: a packet comes before each step, also where it holds no macro. */
static bool macros(struct milter_client *c, char stage, const char *const *pairs)
{
    char data[1024];
    size_t len = 0;
    data[len++] = stage;
    for (; *pairs != NULL; pairs += 2) {
        size_t name_len = strlen(pairs[0]) + 1;
        size_t value_len = strlen(pairs[1]) + 1;
        if (!is_wanted(c, stage, pairs[0]))
            continue;
        memcpy(data + len, pairs[0], name_len);
        memcpy(data + len + name_len, pairs[1], value_len);
        len += name_len + value_len;
    }
    return send_packet(c, 'D', data, len);
}

bool milter_client_open(struct milter_client *c, const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return false;
    uint32_t offer[] = {htonl(6), htonl(OFFERED_ACTIONS), htonl(OFFERED_STEPS)};
    if (!send_packet(c, 'O', offer, sizeof offer) || receive_answer(c) != 'O')
        return false;
    uint32_t steps;
    memcpy(&steps, c->packet + 9, 4);
    c->steps = ntohl(steps);
    read_wanted_macros(c);
    static const char connect_data[] = "mail.author.example\0"
                                       "4"
                                       "\x9c\x40"
                                       "192.0.2.1";
    static const char helo_data[] = "mail.author.example";
    static const char *const connect_macros[] = {"j", "mx.ca.example", "{daemon_name}", "mx.ca.example",
                                                 NULL};
    static const char *const helo_macros[] = {"{tls_version}", "TLSv1.3", NULL};
    if ((c->steps & NO_CONNECT) == 0 &&
        (!macros(c, 'C', connect_macros) || step(c, 'C', connect_data, sizeof connect_data, NR_CONN) != 'c'))
        return false;
    return (c->steps & NO_HELO) != 0 ||
           (macros(c, 'H', helo_macros) && step(c, 'H', helo_data, sizeof helo_data, NR_HELO) == 'c');
}

static char send_header(struct milter_client *c, const struct milter_mail *mail)
{
    char answer = 'c';
    for (int i = 0; i < mail->field_count && answer == 'c'; i++) {
        const char *name = mail->fields[i].name;
        const char *value = mail->fields[i].value;
        if ((c->steps & LEADSPC) == 0 && *value == ' ')
            value++;
        size_t name_len = strlen(name) + 1;
        size_t value_len = strlen(value) + 1;
        char *data = malloc(name_len + value_len);
        if (data == NULL)
            return 0;
        memcpy(data, name, name_len);
        memcpy(data + name_len, value, value_len);
        c->content_bytes += name_len + value_len;
        answer = step(c, 'L', data, name_len + value_len, NR_HDR);
        free(data);
    }
    return answer;
}

static char send_body(struct milter_client *c, const struct milter_mail *mail)
{
    char answer = 'c';
    for (size_t at = 0; at < mail->body_len && answer == 'c'; at += CHUNK_BYTES) {
        size_t len = mail->body_len - at < CHUNK_BYTES ? mail->body_len - at : CHUNK_BYTES;
        c->content_bytes += len;
        answer = step(c, 'B', mail->body + at, len, NR_BODY);
    }
    return answer == 's' ? 'c' : answer;
}

/* What follows the command: a place if it has one, a name, a value. */
static void keep_added(struct milter_client *c)
{
    size_t len = c->packet_len < sizeof c->added ? c->packet_len : sizeof c->added;
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = c->packet[i];
        c->added[i - 1] = byte > ' ' && byte < 127 && byte != '"' && byte != '\\' ? (char)byte : ' ';
    }
    c->added[len - 1] = '\0';
}

static char send_content(struct milter_client *c, const struct milter_mail *mail)
{
    char answer = 'c';
    if ((c->steps & NO_HEADERS) == 0)
        answer = send_header(c, mail);
    if (answer == 'c' && (c->steps & NO_END_OF_HEADER) == 0)
        answer = step(c, 'N', "", 0, NR_EOH);
    if (answer == 'c' && (c->steps & NO_BODY) == 0)
        answer = send_body(c, mail);
    return answer;
}

char milter_client_send(struct milter_client *c, const struct milter_mail *mail, const char *recipient)
{
    static const char *const queue_macros[] = {"i", "4X0123456789", NULL};
    static const char *const mail_macros[] = {
        "{mail_addr}", "alice@author.example", "{mail_host}", "author.example", "{mail_mailer}", "smtp",
        NULL};
    static const char from[] = "<alice@author.example>\0SIZE=4000";
    char rcpt[300];
    int rcpt_len = snprintf(rcpt, sizeof rcpt, "<%s>", recipient) + 1;
    const char *const rcpt_macros[] = {"{rcpt_addr}", recipient, "{rcpt_mailer}", "local", NULL};
    char answer = macros(c, 'M', mail_macros) ? step(c, 'M', from, sizeof from, NR_MAIL) : 0;
    if (answer == 'c' && macros(c, 'R', rcpt_macros))
        answer = step(c, 'R', rcpt, (size_t)rcpt_len, NR_RCPT);
    if (answer == 'c' && macros(c, 'T', queue_macros))
        answer = step(c, 'T', "", 0, NR_DATA);
    if (answer == 'c')
        answer = send_content(c, mail);
    if (answer == 'c' && macros(c, 'E', queue_macros))
        answer = step(c, 'E', "", 0, 0);
    /* Modifications precede the verdict. */
    while (answer != 0 && strchr("+-hi2bem", answer) != NULL) {
        if (answer == 'h' || answer == 'i')
            keep_added(c);
        answer = receive_answer(c);
    }
    return answer;
}

void milter_client_close(struct milter_client *c)
{
    (void)(send_packet(c, 'Q', "", 0) && flush(c));
    close(c->fd);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *data = malloc(MILTER_PACKET_MAX_BYTES);
    if (file == NULL || data == NULL) {
        perror(path);
        exit(2);
    }
    *len = fread(data, 1, MILTER_PACKET_MAX_BYTES - 1, file);
    data[*len] = '\0';
    fclose(file);
    return data;
}

/* Fields as Postfix hands them over: the value with its leading blank, folds as LF. */
void milter_client_read_mail(struct milter_mail *mail, const char *path)
{
    size_t len;
    char *text = read_file(path, &len);
    char *end = strstr(text, "\r\n\r\n");
    if (end == NULL) {
        (void)fprintf(stderr, "%s: no CRLF lines or no body\n", path);
        exit(2);
    }
    mail->body = end + 4;
    mail->body_len = len - (size_t)(end + 4 - text);
    *end = '\0';
    char *out = text;
    for (const char *p = text; *p != '\0'; p++)
        if (*p != '\r')
            *out++ = *p;
    *out = '\0';
    for (char *line = text; line != NULL && mail->field_count < MILTER_FIELDS_MAX;) {
        char *next = strchr(line, '\n');
        while (next != NULL && (next[1] == ' ' || next[1] == '\t'))
            next = strchr(next + 1, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *colon = strchr(line, ':');
        if (colon != NULL) {
            *colon = '\0';
            mail->fields[mail->field_count].name = line;
            mail->fields[mail->field_count++].value = colon + 1;
        }
        line = next;
    }
}
