/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"

enum { PORT_MAX = 65535, PORT_MAX_DIGITS = 5, LABEL_MAX_BYTES = 63, HTTPS_PORT = 443 };

/* RFC 3986 section 3.3 and 3.4: unreserved, sub-delims, ":" "@" "/" "?" and whole percent-encodings. */
static bool is_path(struct span s)
{
    if (s.len == 0 || s.data[0] != '/')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '%' &&
            (s.len - i < 3 || byte_hex_value(s.data[i + 1]) < 0 || byte_hex_value(s.data[i + 2]) < 0))
            return false;
        if (!byte_is_alnum(c) && (c == '\0' || strchr("-._~!$&'()*+,;=:@/?%", c) == NULL))
            return false;
    }
    return true;
}

static bool read_port(struct span s, unsigned *out)
{
    unsigned port = 0;
    if (s.len == 0 || s.len > PORT_MAX_DIGITS)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!byte_is_digit(s.data[i]))
            return false;
        port = port * 10 + (unsigned)(s.data[i] - '0');
    }
    *out = port;
    return port > 0 && port <= PORT_MAX;
}

static bool is_address(struct span s, int family)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address; /* room for both */
    if (s.len >= sizeof text)
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, &address) == 1;
}

/* "127.1" and "0x7f000001" are addresses to some programs, to libcurl among them, and names to others. */
static bool ends_in_number(struct span s)
{
    size_t at = s.len;
    while (at > 0 && s.data[at - 1] != '.')
        at--;
    if (s.len - at > 1 && s.data[at] == '0' && byte_to_lower(s.data[at + 1]) == 'x')
        return true;
    while (at < s.len && byte_is_digit(s.data[at]))
        at++;
    return at == s.len;
}

/* A host name in letters, digits and hyphens. */
static bool is_host(struct span s)
{
    size_t label = 0;
    if (s.len == 0 || s.len > ENDPOINT_HOST_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_dot = s.data[i] == '.';
        if (!is_dot && !byte_is_alnum(s.data[i]) && s.data[i] != '-')
            return false;
        if (is_dot && label == 0)
            return false;
        label = is_dot ? 0 : label + 1;
        if (label > LABEL_MAX_BYTES)
            return false;
    }
    return label > 0;
}

static bool read_authority(struct span s, struct endpoint_url *out)
{
    size_t host_end = span_find_byte(s, 0, ':');
    bool is_bracketed = s.len > 0 && s.data[0] == '[';
    if (is_bracketed) {
        host_end = span_find_byte(s, 0, ']');
        if (host_end == s.len || !is_address(span_slice(s, 1, host_end), AF_INET6))
            return false;
        host_end++;
    } else if (!is_address(span_slice(s, 0, host_end), AF_INET)) {
        struct span host = span_slice(s, 0, host_end);
        if (!is_host(host) || ends_in_number(host))
            return false;
        memcpy(out->host, host.data, host.len);
    }
    out->port = HTTPS_PORT;
    if (host_end == s.len)
        return true;
    return s.data[host_end] == ':' && read_port(span_slice(s, host_end + 1, s.len), &out->port);
}

static bool parse_https(struct span text, size_t authority_at, struct endpoint_url *out, const char **why)
{
    size_t path_at = span_find_byte(text, authority_at, '/');
    *why = "the host or its port is not valid";
    if (!read_authority(span_slice(text, authority_at, path_at), out))
        return false;
    *why = "a path must follow the host, of characters that a URL may hold";
    if (!is_path(span_slice(text, path_at, text.len)))
        return false;
    (void)snprintf(out->url, sizeof out->url, "%s", text.data);
    return true;
}

static bool parse_unix(struct span text, size_t socket_at, struct endpoint_url *out, const char **why)
{
    size_t colon = span_find_byte(text, socket_at, ':');
    struct span socket = span_slice(text, socket_at, colon);
    *why = "the path of the socket must begin with / and end with a colon";
    if (socket.len < 2 || socket.data[0] != '/' || colon == text.len)
        return false;
    *why = "the path of the socket is too long (107 bytes)";
    if (socket.len > ENDPOINT_SOCKET_MAX_BYTES)
        return false;
    *why = "behind the socket and its colon a path must follow, of characters that a URL may hold";
    if (!is_path(span_slice(text, colon + 1, text.len)))
        return false;
    memcpy(out->socket_path, socket.data, socket.len);
    (void)snprintf(out->url, sizeof out->url, "http://localhost%s", text.data + colon + 1);
    return true;
}

bool endpoint_url_parse(const char *text, struct endpoint_url *out, const char **why)
{
    static const struct span https = SPAN_LITERAL("https://");
    static const struct span on_socket = SPAN_LITERAL("http://unix:");
    struct span s = span_from_string(text);
    memset(out, 0, sizeof *out);
    *why = "too long";
    if (s.len > ENDPOINT_URL_MAX_BYTES)
        return false;
    if (span_starts_nocase(s, https))
        return parse_https(s, https.len, out, why);
    if (span_starts_nocase(s, on_socket))
        return parse_unix(s, on_socket.len, out, why);
    *why = "neither http://unix:SOCKET:/PATH nor https://HOST[:PORT]/PATH";
    return false;
}

bool endpoint_url_has_name(const char *url)
{
    struct endpoint_url parsed;
    const char *why;
    return endpoint_url_parse(url, &parsed, &why) && parsed.host[0] != '\0';
}

bool endpoint_url_is_valid(const char *url, const char **why)
{
    struct endpoint_url parsed;
    return endpoint_url_parse(url, &parsed, why);
}
