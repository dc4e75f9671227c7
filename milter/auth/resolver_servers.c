/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver_servers.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { PORT_MAX = 65535, LINE_BYTES = 1024 };

static bool is_port(struct span text)
{
    unsigned long number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_is_digit(text.data[i]) || number > PORT_MAX)
            return false;
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    return number > 0 && number <= PORT_MAX;
}

/* The interface of a link-local address. */
static bool is_zone(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_alnum(text.data[i]) && text.data[i] != '-' && text.data[i] != '.')
            return false;
    return text.len > 0;
}

static bool is_host(struct span text, bool is_ipv6_only)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char binary[sizeof(struct in6_addr)];
    if (text.len == 0 || text.len >= sizeof address)
        return false;
    (void)snprintf(address, sizeof address, "%.*s", (int)text.len, text.data);
    return inet_pton(AF_INET6, address, binary) == 1 ||
           (!is_ipv6_only && inet_pton(AF_INET, address, binary) == 1);
}

bool resolver_server_is_valid(struct span text)
{
    size_t at = span_find_byte(text, 0, '@'), percent = span_find_byte(text, 0, '%');
    if (at < text.len && !is_port(span_slice(text, at + 1, text.len)))
        return false;
    if (percent >= at)
        return is_host(span_slice(text, 0, at), false);
    return is_zone(span_slice(text, percent + 1, at)) && is_host(span_slice(text, 0, percent), true);
}

static bool append_server(struct strbuf *config, struct span address)
{
    if (!resolver_server_is_valid(address))
        return false;
    (void)strbuf_append(config, RESOLVER_SERVERS_KEY);
    (void)strbuf_append(config, address);
    return strbuf_append_byte(config, '\n');
}

/* The address of a "nameserver ADDRESS" line, or nothing. */
static struct span read_line(const char *line)
{
    struct span text = span_trim(span_from_string(line)), word = SPAN_LITERAL("nameserver");
    if (!span_starts_nocase(text, word) || text.len == word.len || !byte_is_blank(text.data[word.len]))
        return (struct span){NULL, 0};
    text = span_trim(span_slice(text, word.len, text.len));
    size_t end = 0;
    while (end < text.len && !byte_is_blank(text.data[end]))
        end++;
    return span_slice(text, 0, end);
}

/* resolv.conf(5): without the file, or without such a line in it, the server is on this machine. */
static bool append_system_servers(struct strbuf *config)
{
    char line[LINE_BYTES];
    size_t count = 0;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file != NULL && count < RESOLVER_NAMESERVERS_MAX && fgets(line, sizeof line, file) != NULL)
        if (append_server(config, read_line(line)))
            count++;
    if (file != NULL)
        fclose(file);
    return count > 0 || append_server(config, SPAN_LITERAL("127.0.0.1"));
}

bool resolver_servers_append(struct strbuf *config, const struct resolver_options *options)
{
    if (options->nameserver_count == 0)
        return append_system_servers(config);
    for (size_t i = 0; i < options->nameserver_count; i++)
        if (!append_server(config, span_from_string(options->nameservers[i])))
            return false;
    return true;
}
