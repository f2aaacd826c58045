/* The HTTP/1.1 reader's framing: where heads, bodies, chunks and messages end. Heads are parsed in
 * http1_head.c; nothing here allocates or does I/O. */
#include "net/http1.h"

#include "base/reader.h"
#include "net/token.h"

#include <string.h>

/* Steps within a chunk's size line. */
enum { SIZE_DIGITS, SIZE_EXTENSION, SIZE_LF };
/* Steps within the trailer. */
enum { TRAILER_START, TRAILER_LINE, TRAILER_LINE_LF, TRAILER_LAST_LF };
/* Steps within the end of a chunk. */
enum { END_CR, END_LF };

void sv_http1_init(sv_http1_reader *reader, const sv_http1_limits *limits)
{
    memset(reader, 0, sizeof *reader);
    reader->limits = *limits;
    if (reader->limits.head_fields > SV_HTTP1_MAX_FIELDS)
        reader->limits.head_fields = SV_HTTP1_MAX_FIELDS;
}

void sv_http1_next_message(sv_http1_reader *reader)
{
    sv_http1_init(reader, &(sv_http1_limits){reader->limits.head_bytes, reader->limits.head_fields,
                                             reader->limits.body_bytes});
}

static sv_http1_event fail(sv_http1_reader *reader, int http, const char *message)
{
    reader->state = SV_HTTP1_BAD;
    reader->error_http = http;
    reader->error_message = message;
    return SV_HTTP1_GOT_ERROR;
}

static bool is_text(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Steps over text, eight bytes at a time, up to a control character or the last seven bytes. */
static uint32_t skip_text(const uint8_t *data, uint32_t at, size_t size)
{
    const uint64_t ones = 0x0101010101010101;
    for (; (size_t)at + 8 <= size; at += 8) {
        uint64_t bytes = sv_load8(data + at), delete = bytes ^ ones * 0x7f;
        /* A byte's high bit: it is below 0x20, or 0x7f. Right for the lowest such byte. */
        uint64_t found = ((bytes - ones * 0x20) & ~bytes) | ((delete - ones) & ~delete);
        found &= ones * 0x80;
        if (found) return at + (uint32_t)__builtin_ctzll(found) / 8;
    }
    return at;
}

static sv_http1_event fail_control(sv_http1_reader *reader, uint8_t c)
{
    if (c == '\n') return fail(reader, 400, "a line ends with LF: expected CR LF");
    return fail(reader, 400, "a control character where text was expected");
}

/* The line that begins at reader->line ends before `at`. True: it is the head's last, empty one. */
static bool end_head_line(sv_http1_reader *reader, uint32_t at, sv_http1_event *event)
{
    bool empty = at == reader->line;
    if (empty && reader->count) return true;
    /* One empty line before a request is forgiven, as RFC 9112 2.2 asks for. */
    if (empty && at > 0) *event = fail(reader, 400, "empty lines where a request was expected");
    if (!empty && reader->count++ > reader->limits.head_fields)
        *event = fail(reader, 431, "the head has too many fields");
    reader->line = at + 2;
    return false;
}

static sv_http1_event read_head(sv_http1_reader *reader, const uint8_t *data, size_t size,
                                size_t *consumed)
{
    uint32_t at = reader->scanned;
    sv_http1_event event = SV_HTTP1_MORE;
    while (at < size && at < reader->limits.head_bytes) {
        if (is_text(data[at])) {
            at = skip_text(data, at + 1, size);
            continue;
        }
        if (data[at] != '\r') return fail_control(reader, data[at]);
        if ((size_t)at + 1 == size) break;
        if (data[at + 1] != '\n') return fail(reader, 400, "CR without LF");
        if (end_head_line(reader, at, &event)) {
            *consumed = (size_t)at + 2;
            return SV_HTTP1_GOT_HEAD;
        }
        if (event == SV_HTTP1_GOT_ERROR) return event;
        at += 2;
    }
    if (at >= reader->limits.head_bytes)
        return reader->count ? fail(reader, 431, "the head is too long")
                             : fail(reader, 414, "the request line is too long");
    reader->scanned = at;
    return SV_HTTP1_MORE;
}

/* A piece of a fixed body or of a chunk. */
static sv_http1_event read_data(sv_http1_reader *reader, const uint8_t *data, size_t size,
                                size_t *consumed, const uint8_t **piece, size_t *piece_size)
{
    size_t n = size < reader->left ? size : (size_t)reader->left;
    if (!n) return SV_HTTP1_MORE;
    reader->left -= n;
    reader->body += n;
    *consumed = n;
    *piece = data;
    *piece_size = n;
    return SV_HTTP1_GOT_DATA;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static sv_http1_event end_chunk_size(sv_http1_reader *reader)
{
    reader->count = reader->digits = 0;
    if (!reader->left) {
        reader->state = SV_HTTP1_TRAILER;
        reader->step = TRAILER_START;
    } else if (reader->left > reader->limits.body_bytes - reader->body) {
        return fail(reader, 413, "the body is larger than is accepted");
    } else {
        reader->state = SV_HTTP1_CHUNK_DATA;
    }
    return SV_HTTP1_MORE;
}

static sv_http1_event read_size_digit(sv_http1_reader *reader, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++reader->digits > 15) return fail(reader, 400, "a chunk size has over 15 digits");
        reader->left = reader->left << 4 | (uint64_t)digit;
        return SV_HTTP1_MORE;
    }
    if (!reader->digits) return fail(reader, 400, "a chunk size is not a hexadecimal number");
    if (c == '\r')
        reader->step = SIZE_LF;
    else if (c == ';')
        reader->step = SIZE_EXTENSION;
    else
        return fail(reader, 400, "a chunk size is followed by neither CR LF nor an extension");
    return SV_HTTP1_MORE;
}

static sv_http1_event read_chunk_size(sv_http1_reader *reader, uint8_t c)
{
    if (++reader->count > SV_HTTP1_LINE_MAX)
        return fail(reader, 400, "a chunk's size line is over 256 bytes");
    if (reader->step == SIZE_DIGITS) return read_size_digit(reader, c);
    if (reader->step == SIZE_EXTENSION) {
        if (c == '\r')
            reader->step = SIZE_LF;
        else if (!is_text(c))
            return fail_control(reader, c);
        return SV_HTTP1_MORE;
    }
    if (c != '\n') return fail(reader, 400, "CR without LF behind a chunk size");
    return end_chunk_size(reader);
}

static sv_http1_event read_chunk_end(sv_http1_reader *reader, uint8_t c)
{
    if (c != (reader->step == END_CR ? '\r' : '\n'))
        return fail(reader, 400, "a chunk's data is not followed by CR LF");
    if (reader->step == END_CR) {
        reader->step = END_LF;
        return SV_HTTP1_MORE;
    }
    reader->state = SV_HTTP1_CHUNK_SIZE;
    reader->step = SIZE_DIGITS;
    return SV_HTTP1_MORE;
}

static sv_http1_event read_trailer(sv_http1_reader *reader, uint8_t c)
{
    if (++reader->count > SV_HTTP1_TRAILER_MAX)
        return fail(reader, 431, "the trailer is over 4 KiB");
    if (reader->step == TRAILER_LINE_LF || reader->step == TRAILER_LAST_LF) {
        if (c != '\n') return fail(reader, 400, "CR without LF in the trailer");
        if (reader->step == TRAILER_LAST_LF) {
            reader->state = SV_HTTP1_WAIT;
            return SV_HTTP1_GOT_END;
        }
        reader->step = TRAILER_START;
    } else if (c == '\r') {
        reader->step = reader->step == TRAILER_START ? TRAILER_LAST_LF : TRAILER_LINE_LF;
    } else if (!is_text(c)) {
        return fail_control(reader, c);
    } else if (reader->step == TRAILER_START) {
        if (!sv_token_char(c))
            return fail(reader, 400, "a trailer line does not begin with a name");
        reader->step = TRAILER_LINE;
    }
    return SV_HTTP1_MORE;
}

/* One byte of what stands between the data of chunks. */
static sv_http1_event read_framing(sv_http1_reader *reader, uint8_t c)
{
    if (reader->state == SV_HTTP1_CHUNK_SIZE) return read_chunk_size(reader, c);
    if (reader->state == SV_HTTP1_CHUNK_END) return read_chunk_end(reader, c);
    return read_trailer(reader, c);
}

static bool in_framing(const sv_http1_reader *reader)
{
    return reader->state == SV_HTTP1_CHUNK_SIZE || reader->state == SV_HTTP1_CHUNK_END ||
           reader->state == SV_HTTP1_TRAILER;
}

/* What follows when nothing of a body or a chunk is left. True: the message is complete. */
static bool end_data(sv_http1_reader *reader)
{
    if (reader->left) return false;
    if (reader->state == SV_HTTP1_FIXED) {
        reader->state = SV_HTTP1_WAIT;
        return true;
    }
    if (reader->state == SV_HTTP1_CHUNK_DATA) {
        reader->state = SV_HTTP1_CHUNK_END;
        reader->step = END_CR;
    }
    return false;
}

sv_http1_event sv_http1_read(sv_http1_reader *reader, const uint8_t *data, size_t size,
                             size_t *consumed, const uint8_t **piece, size_t *piece_size)
{
    sv_http1_event event = SV_HTTP1_MORE;
    size_t at = 0;
    *consumed = 0;
    if (reader->state == SV_HTTP1_BAD) return SV_HTTP1_GOT_ERROR;
    if (reader->state == SV_HTTP1_WAIT) return SV_HTTP1_MORE;
    if (reader->state == SV_HTTP1_HEAD) return read_head(reader, data, size, consumed);
    if (end_data(reader)) return SV_HTTP1_GOT_END;
    while (event == SV_HTTP1_MORE && at < size && in_framing(reader))
        event = read_framing(reader, data[at++]);
    *consumed = at;
    if (event != SV_HTTP1_MORE || in_framing(reader)) return event;
    size_t used = 0;
    event = read_data(reader, data + at, size - at, &used, piece, piece_size);
    *consumed += used;
    return event;
}

bool sv_http1_repeats(const sv_http1_reader *reader, const uint8_t *data, size_t size,
                      sv_string text)
{
    bool due = reader->state == SV_HTTP1_HEAD && !reader->scanned && !reader->count;
    return due && size >= text.size && memcmp(data, text.data, text.size) == 0;
}

uint64_t sv_http1_direct(const sv_http1_reader *reader)
{
    bool data = reader->state == SV_HTTP1_FIXED || reader->state == SV_HTTP1_CHUNK_DATA;
    return data ? reader->left : 0;
}

bool sv_http1_take(sv_http1_reader *reader, size_t size)
{
    reader->left -= size;
    reader->body += size;
    return end_data(reader);
}
