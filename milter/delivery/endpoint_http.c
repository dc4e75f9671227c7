/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_http.h"

#include <string.h>

enum {
    HEADERS_MAX_BYTES = 64 * 1024,
    BODY_MAX_BYTES = 1024 * 1024,
    STATUS_DIGITS = 3,
    LENGTH_MAX_DIGITS = 9, /* more than BODY_MAX_BYTES: what is longer is not read to its end anyway */
    CHUNK_SIZE_MAX_DIGITS = 8,
};

void endpoint_http_init(struct endpoint_http *h, size_t body_max)
{
    *h = (struct endpoint_http){.state = ENDPOINT_HTTP_STATUS, .chunk = ENDPOINT_HTTP_CHUNK_SIZE};
    strbuf_init(&h->body, body_max);
}

void endpoint_http_clear(struct endpoint_http *h)
{
    strbuf_clear(&h->body);
}

static bool fail(struct endpoint_http *h, const char *why)
{
    h->state = ENDPOINT_HTTP_BROKEN;
    if (h->fault == NULL)
        h->fault = why;
    return false;
}

/* Takes the line's CR LF away. Bare CR, bare LF and NUL end a line to one reader and not to another. */
static bool cut_line_end(struct span *line)
{
    if (line->len < 2 || line->data[line->len - 2] != '\r' || line->data[line->len - 1] != '\n')
        return false;
    line->len -= 2;
    for (size_t i = 0; i < line->len; i++)
        if (byte_is_control(line->data[i]) && line->data[i] != '\t')
            return false;
    return true;
}

/* "HTTP/1.1 200 OK": the last blank may be missing, as many servers have it. */
static bool take_status_line(struct endpoint_http *h, struct span line)
{
    static const struct span version = SPAN_LITERAL("HTTP/1.");
    size_t minor_at = version.len, status_at = minor_at + 2, end = status_at + STATUS_DIGITS;
    if (line.len < end || !span_equal(span_slice(line, 0, minor_at), version) ||
        (line.data[minor_at] != '0' && line.data[minor_at] != '1') || line.data[minor_at + 1] != ' ' ||
        (line.len > end && line.data[end] != ' '))
        return fail(h, "its status line is not of HTTP/1.1");
    h->is_version_1_0 = line.data[minor_at] == '0';
    h->status = 0;
    for (size_t i = status_at; i < end; i++) {
        if (!byte_is_digit(line.data[i]))
            return fail(h, "its status is not a number of three digits");
        h->status = h->status * 10 + (line.data[i] - '0');
    }
    if (h->status < 100)
        return fail(h, "its status is below 100");
    h->has_length = h->is_chunked = false;
    h->state = ENDPOINT_HTTP_FIELDS;
    return true;
}

static bool take_length(struct endpoint_http *h, struct span value)
{
    int64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.data[i]))
            return fail(h, "its Content-Length is not a number");
        length = i < LENGTH_MAX_DIGITS ? length * 10 + (value.data[i] - '0') : INT64_MAX;
    }
    if (value.len == 0)
        return fail(h, "its Content-Length is empty");
    if (h->has_length && h->length != length)
        return fail(h, "it has two Content-Length fields that differ");
    h->has_length = true;
    h->length = length;
    return true;
}

static bool is_field_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!byte_is_alnum(s.data[i]) && (s.data[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s.data[i]) == NULL))
            return false;
    return s.len > 0;
}

static bool take_field(struct endpoint_http *h, struct span line)
{
    size_t colon = span_find_byte(line, 0, ':');
    struct span name = span_slice(line, 0, colon), value = span_trim(span_slice(line, colon + 1, line.len));
    if (colon == line.len || !is_field_name(name))
        return fail(h, "a line of its header is no field");
    if (span_equal_nocase(name, SPAN_LITERAL("Content-Length")))
        return take_length(h, value);
    if (!span_equal_nocase(name, SPAN_LITERAL("Transfer-Encoding")))
        return true;
    if (h->is_chunked || h->is_version_1_0 || !span_equal_nocase(value, SPAN_LITERAL("chunked")))
        return fail(h, "its Transfer-Encoding is not chunked alone");
    h->is_chunked = true;
    return true;
}

static bool has_body(const struct endpoint_http *h)
{
    return h->status >= 200 && h->status != 204 && h->status != 304;
}

/* RFC 9112 section 6.3. An interim answer is followed by another status line. */
static bool take_header_end(struct endpoint_http *h)
{
    if (h->is_chunked && (h->has_length || !has_body(h)))
        return fail(h, "it has a Transfer-Encoding where none may be");
    if (h->status == 101)
        return fail(h, "it changes to another protocol");
    if (h->has_length && has_body(h) && h->length > BODY_MAX_BYTES)
        return fail(h, "its body is too long");
    h->state = h->status >= 200 ? ENDPOINT_HTTP_BODY : ENDPOINT_HTTP_STATUS;
    return true;
}

bool endpoint_http_take_line(struct endpoint_http *h, struct span line)
{
    h->header_bytes += line.len;
    if (h->header_bytes > HEADERS_MAX_BYTES)
        return fail(h, "its header is too long");
    if (!cut_line_end(&line))
        return fail(h, "a line of its header does not end, or holds a control character");
    if (h->state == ENDPOINT_HTTP_STATUS)
        return take_status_line(h, line);
    if (h->state != ENDPOINT_HTTP_FIELDS)
        return fail(h, "a header line comes after its header");
    return line.len == 0 ? take_header_end(h) : take_field(h, line);
}

/* What stands around the bytes of a chunk. */
static enum endpoint_http_chunk next_of_size(struct endpoint_http *h, char c)
{
    int digit = byte_hex_value(c);
    if (digit >= 0 && ++h->chunk_digits <= CHUNK_SIZE_MAX_DIGITS) {
        h->chunk_left = h->chunk_left * 16 + digit;
        return ENDPOINT_HTTP_CHUNK_SIZE;
    }
    if (digit >= 0 || h->chunk_digits == 0)
        return ENDPOINT_HTTP_CHUNK_BROKEN;
    if (c == '\r')
        return ENDPOINT_HTTP_CHUNK_SIZE_LF;
    return c == ';' ? ENDPOINT_HTTP_CHUNK_EXTENSION : ENDPOINT_HTTP_CHUNK_BROKEN;
}

static enum endpoint_http_chunk next_of_text(enum endpoint_http_chunk here, enum endpoint_http_chunk line_end,
                                             char c)
{
    if (c == '\r')
        return line_end;
    return byte_is_control(c) && c != '\t' ? ENDPOINT_HTTP_CHUNK_BROKEN : here;
}

static enum endpoint_http_chunk expect(char got, char want, enum endpoint_http_chunk next)
{
    return got == want ? next : ENDPOINT_HTTP_CHUNK_BROKEN;
}

static enum endpoint_http_chunk begin_chunk_data(struct endpoint_http *h)
{
    h->chunk_digits = 0;
    return h->chunk_left > 0 ? ENDPOINT_HTTP_CHUNK_DATA : ENDPOINT_HTTP_CHUNK_TRAILER_START;
}

static enum endpoint_http_chunk next_chunk_state(struct endpoint_http *h, char c)
{
    switch (h->chunk) {
    case ENDPOINT_HTTP_CHUNK_SIZE:
        return next_of_size(h, c);
    case ENDPOINT_HTTP_CHUNK_EXTENSION:
        return next_of_text(h->chunk, ENDPOINT_HTTP_CHUNK_SIZE_LF, c);
    case ENDPOINT_HTTP_CHUNK_SIZE_LF:
        return expect(c, '\n', begin_chunk_data(h));
    case ENDPOINT_HTTP_CHUNK_DATA_CR:
        return expect(c, '\r', ENDPOINT_HTTP_CHUNK_DATA_LF);
    case ENDPOINT_HTTP_CHUNK_DATA_LF:
        return expect(c, '\n', ENDPOINT_HTTP_CHUNK_SIZE);
    case ENDPOINT_HTTP_CHUNK_TRAILER_START:
        return c == '\r' ? ENDPOINT_HTTP_CHUNK_END_LF : next_of_text(ENDPOINT_HTTP_CHUNK_TRAILER, 0, c);
    case ENDPOINT_HTTP_CHUNK_TRAILER:
        return next_of_text(h->chunk, ENDPOINT_HTTP_CHUNK_TRAILER_LF, c);
    case ENDPOINT_HTTP_CHUNK_TRAILER_LF:
        return expect(c, '\n', ENDPOINT_HTTP_CHUNK_TRAILER_START);
    case ENDPOINT_HTTP_CHUNK_END_LF:
        return expect(c, '\n', ENDPOINT_HTTP_CHUNK_END);
    case ENDPOINT_HTTP_CHUNK_END: /* what follows is not of this answer */
        return ENDPOINT_HTTP_CHUNK_END;
    case ENDPOINT_HTTP_CHUNK_DATA:
    case ENDPOINT_HTTP_CHUNK_BROKEN:
        break;
    }
    return ENDPOINT_HTTP_CHUNK_BROKEN;
}

static void keep(struct endpoint_http *h, struct span data)
{
    h->is_body_cut = h->is_body_cut || !strbuf_append(&h->body, data);
}

static bool take_chunks(struct endpoint_http *h, struct span data)
{
    for (size_t at = 0; at < data.len && h->chunk != ENDPOINT_HTTP_CHUNK_BROKEN;) {
        if (h->chunk != ENDPOINT_HTTP_CHUNK_DATA) {
            h->chunk = next_chunk_state(h, data.data[at++]);
            continue;
        }
        size_t end = data.len - at < (size_t)h->chunk_left ? data.len : at + (size_t)h->chunk_left;
        keep(h, span_slice(data, at, end));
        h->chunk_left -= (int64_t)(end - at);
        at = end;
        if (h->chunk_left == 0)
            h->chunk = ENDPOINT_HTTP_CHUNK_DATA_CR;
    }
    return h->chunk != ENDPOINT_HTTP_CHUNK_BROKEN || fail(h, "its chunks are broken");
}

bool endpoint_http_take_body(struct endpoint_http *h, struct span data)
{
    if (h->state != ENDPOINT_HTTP_BODY)
        return fail(h, "its header section is not whole");
    h->body_bytes += (int64_t)data.len;
    if (h->body_bytes > BODY_MAX_BYTES)
        return fail(h, "its body is too long");
    if (h->is_chunked)
        return take_chunks(h, data);
    keep(h, data);
    return true;
}

bool endpoint_http_is_whole(struct endpoint_http *h)
{
    if (h->state == ENDPOINT_HTTP_BROKEN)
        return fail(h, "it cannot be read");
    if (h->state != ENDPOINT_HTTP_BODY)
        return fail(h, "its header section is not whole");
    if (!has_body(h))
        return true;
    if (h->needs_length && !h->is_chunked && !h->has_length)
        return fail(h, "its body does not say where it ends, and TLS may have been cut");
    if (h->is_chunked && h->chunk != ENDPOINT_HTTP_CHUNK_END)
        return fail(h, "its last chunk is missing");
    if (!h->is_chunked && h->has_length && h->body_bytes != h->length)
        return fail(h, "its body is not as long as its Content-Length says");
    return true;
}
