/* The HTTP/1.1 reader on arbitrary bytes that arrive in arbitrary pieces.
 *
 * Input: one byte, of which the low 4 bits say how many bytes of arrival sizes follow (used in
 * turn) and the highest whether bodies are taken directly; the rest is the stream. The events must
 * not depend on the arrival, views must lie where they may, and limits must hold. */
#include "net/http1.h"
#include "net/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (condition) break;                                                                      \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
        abort();                                                                                   \
    } while (0)

static const sv_http1_limits limits = {2048, 16, 5000};

/* A fingerprint of all events: what one arrival of the bytes and another must agree on. */
typedef struct record {
    uint64_t hash;
    uint64_t body; /* bytes of the current message */
    bool failed;
} record;

static void mix(record *r, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        r->hash = (r->hash ^ bytes[i]) * 1099511628211u;
}

static void mix_number(record *r, uint64_t number)
{
    mix(r, &number, sizeof number);
}

static bool lies_in(sv_string text, const char *bytes, size_t size)
{
    return !text.size || (text.data >= bytes && text.data + text.size <= bytes + size);
}

static void check_fields(const sv_http1_head *head, const char *bytes, size_t size)
{
    REQUIRE(head->base.header_count <= limits.head_fields);
    for (uint32_t i = 0; i < head->base.header_count; i++) {
        sv_string list = head->base.headers[i].value, element, parameters;
        REQUIRE(lies_in(head->base.headers[i].name, bytes, size) && lies_in(list, bytes, size));
        REQUIRE(head->base.headers[i].name.size > 0);
        while (sv_token_next(&list, &element, &parameters)) {
            REQUIRE(lies_in(element, bytes, size) && lies_in(parameters, bytes, size));
        }
    }
}

static void check_head(const sv_http1_head *head, const char *bytes, size_t size)
{
    static char decoded[4096];
    size_t decoded_size = 0;
    REQUIRE(!(head->chunked && head->has_length) && head->minor <= 1);
    REQUIRE(head->length <= limits.body_bytes);
    REQUIRE(head->base.path.size > 0 &&
            (head->base.path.data[0] == '/' || head->base.path.data[0] == '*'));
    REQUIRE(lies_in(head->base.target, bytes, size) && lies_in(head->base.query, bytes, size));
    REQUIRE(lies_in(head->base.authority, bytes, size) &&
            lies_in(head->base.content_type, bytes, size));
    if (sv_http1_decode(head->base.path, decoded, &decoded_size))
        REQUIRE(decoded_size <= head->base.path.size && !memchr(decoded, 0, decoded_size));
}

/* The head is parsed from memory of exactly its size. False: it was refused. */
static bool on_head(record *r, sv_http1_reader *reader, const uint8_t *data, size_t size)
{
    static sv_http1_head head;
    REQUIRE(size <= limits.head_bytes + 4 && r->body == 0);
    char *bytes = malloc(size);
    sv_header *fields = calloc(reader->count, sizeof *fields);
    memcpy(bytes, data, size);
    bool good = sv_http1_parse_head(reader, bytes, size, fields, &head);
    check_fields(&head, bytes, size);
    if (good)
        check_head(&head, bytes, size);
    else
        REQUIRE(reader->error_http >= 400 && reader->error_message);
    mix(r, data, size);
    mix_number(r, good ? head.length + head.keep : (uint64_t)reader->error_http);
    free(bytes);
    free(fields);
    if (!good) r->failed = true;
    return good;
}

static void on_data(record *r, const uint8_t *data, size_t size)
{
    mix(r, data, size);
    r->body += size;
    REQUIRE(r->body <= limits.body_bytes);
}

static void on_end(record *r, sv_http1_reader *reader)
{
    mix_number(r, r->body + 1000000);
    r->body = 0;
    sv_http1_next_message(reader);
}

/* Takes what it can of a body without the reader, as a socket would. */
static size_t take_directly(record *r, sv_http1_reader *reader, const uint8_t *data, size_t size)
{
    uint64_t room = sv_http1_direct(reader);
    size_t n = room < size ? (size_t)room : size;
    if (!n) return 0;
    on_data(r, data, n);
    if (sv_http1_take(reader, n)) on_end(r, reader);
    return n;
}

/* Reads what has arrived; returns how much is consumed. */
static size_t feed(record *r, sv_http1_reader *reader, const uint8_t *data, size_t size,
                   bool directly)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *piece = NULL;
        size_t used = 0, piece_size = 0;
        if (directly) at += take_directly(r, reader, data + at, size - at);
        sv_http1_event event =
            sv_http1_read(reader, data + at, size - at, &used, &piece, &piece_size);
        REQUIRE(used <= size - at);
        at += used;
        if (event == SV_HTTP1_MORE) {
            REQUIRE(reader->state != SV_HTTP1_HEAD || used == 0);
            REQUIRE(at == size || reader->state == SV_HTTP1_HEAD || directly);
            if (at == size || reader->state == SV_HTTP1_HEAD) return at;
        } else if (event == SV_HTTP1_GOT_HEAD) {
            if (!on_head(r, reader, data + at - used, used)) return size;
        } else if (event == SV_HTTP1_GOT_DATA) {
            REQUIRE(piece_size > 0 && piece + piece_size == data + at);
            on_data(r, piece, piece_size);
        } else if (event == SV_HTTP1_GOT_END) {
            on_end(r, reader);
        } else {
            REQUIRE(reader->state == SV_HTTP1_BAD && reader->error_http >= 400);
            REQUIRE(sv_http1_read(reader, data, size, &used, &piece, &piece_size) ==
                    SV_HTTP1_GOT_ERROR);
            mix_number(r, (uint64_t)reader->error_http);
            r->failed = true;
            return size;
        }
    }
}

static record run(const uint8_t *stream, size_t size, const uint8_t *steps, size_t count,
                  bool directly)
{
    record r = {14695981039346656037u, 0, false};
    sv_http1_reader reader;
    size_t from = 0, have = 0;
    sv_http1_init(&reader, &limits);
    for (size_t i = 0; !r.failed && have < size; i++) {
        size_t step = count ? (size_t)steps[i % count] + 1 : size;
        have = step < size - have ? have + step : size;
        /* Memory of exactly what has arrived, so that reading beyond it is seen. */
        uint8_t *arrived = malloc(have - from);
        memcpy(arrived, stream + from, have - from);
        from += feed(&r, &reader, arrived, have - from, directly);
        free(arrived);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    size_t count = data[0] & 15;
    if (size < 1 + count) return 0;
    const uint8_t *stream = data + 1 + count;
    size_t length = size - 1 - count;
    record whole = run(stream, length, NULL, 0, false);
    record parts = run(stream, length, data + 1, count, data[0] & 128);
    REQUIRE(whole.hash == parts.hash && whole.failed == parts.failed && whole.body == parts.body);
    return 0;
}
