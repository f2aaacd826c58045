/* Frames by hand; only the compression of heads is nghttp2's. */
#include "fixture.h"

#include "h2_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIELDS_MAX 32

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void h2_open(h2_client *c, uint16_t port, uint32_t window)
{
    uint8_t settings[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE};
    memset(c, 0, sizeof *c);
    c->fd = client_connect(port);
    assert_int_equal(nghttp2_hd_deflate_new(&c->deflater, 4096), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
    client_send(c->fd, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    put_u32(settings + 2, window);
    h2_send(c, NGHTTP2_SETTINGS, 0, 0, settings, window ? sizeof settings : 0);
}

void h2_close(h2_client *c)
{
    close(c->fd);
    nghttp2_hd_deflate_del(c->deflater);
    nghttp2_hd_inflate_del(c->inflater);
}

void h2_start(fixture *f, h2_client *c, const sv_server_options *options)
{
    static const sv_server_options standard = {.loops = 1};
    fixture_start(f, options ? options : &standard);
    h2_open(c, f->port, 0);
}

void h2_stop(fixture *f, h2_client *c)
{
    h2_close(c);
    fixture_end(f);
}

void h2_send(h2_client *c, uint8_t type, uint8_t flags, int32_t stream, const void *data,
             size_t size)
{
    uint8_t head[9] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags};
    put_u32(head + 5, (uint32_t)stream);
    client_send(c->fd, head, sizeof head);
    client_send(c->fd, data, size);
}

void h2_send_data(h2_client *c, int32_t stream, const void *data, size_t size, bool last)
{
    h2_send(c, NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, stream, data, size);
}

size_t h2_block(h2_client *c, uint8_t *out, size_t room, const char *const *pairs)
{
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0;
    for (; *pairs; pairs += 2, count++) {
        assert_true(count < FIELDS_MAX);
        fields[count] = (nghttp2_nv){(uint8_t *)pairs[0], (uint8_t *)pairs[1], strlen(pairs[0]),
                                     strlen(pairs[1]), NGHTTP2_NV_FLAG_NO_INDEX};
    }
    ssize_t size = nghttp2_hd_deflate_hd(c->deflater, out, room, fields, count);
    assert_true(size >= 0);
    return (size_t)size;
}

void h2_request(h2_client *c, int32_t stream, const char *method, const char *path, int end, ...)
{
    const char *pairs[2 * FIELDS_MAX + 1] = {":method", method, ":path",      path,
                                             ":scheme", "http", ":authority", "h"};
    uint8_t block[1 << 14];
    size_t count = 8;
    va_list more;
    va_start(more, end);
    while ((pairs[count] = va_arg(more, const char *)))
        count++;
    va_end(more);
    size_t size = h2_block(c, block, sizeof block, pairs);
    uint8_t flags = NGHTTP2_FLAG_END_HEADERS | (end ? NGHTTP2_FLAG_END_STREAM : 0);
    h2_send(c, NGHTTP2_HEADERS, flags, stream, block, size);
}

void h2_window(h2_client *c, int32_t stream, uint32_t more)
{
    uint8_t data[4];
    put_u32(data, more);
    h2_send(c, NGHTTP2_WINDOW_UPDATE, 0, stream, data, sizeof data);
}

void h2_reset(h2_client *c, int32_t stream)
{
    uint8_t data[4];
    put_u32(data, NGHTTP2_CANCEL);
    h2_send(c, NGHTTP2_RST_STREAM, 0, stream, data, sizeof data);
}

static bool read_all(h2_client *c, void *data, size_t size)
{
    char *at = data;
    while (size) {
        ssize_t n = recv(c->fd, at, size, 0);
        if (n < 0) print_error("client: %s\n", strerror(errno));
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void read_head(h2_client *c, h2_frame *frame)
{
    const uint8_t *at = frame->data;
    size_t left = frame->size, used = 0;
    int flags = 0;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv field;
        ssize_t n = nghttp2_hd_inflate_hd2(c->inflater, &field, &flags, at, left, 1);
        assert_true(n >= 0);
        at += n;
        left -= (size_t)n;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) continue;
        used += (size_t)snprintf(frame->head + used, sizeof frame->head - used, "%.*s: %.*s\n",
                                 (int)field.namelen, field.name, (int)field.valuelen, field.value);
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
}

static bool read_frame(h2_client *c, h2_frame *frame)
{
    uint8_t head[9];
    if (!read_all(c, head, sizeof head)) return false;
    frame->size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream = (int32_t)get_u32(head + 5);
    frame->head[0] = '\0';
    assert_true(frame->size <= sizeof frame->data);
    if (!read_all(c, frame->data, frame->size)) return false;
    if (frame->type == NGHTTP2_HEADERS) read_head(c, frame);
    return true;
}

bool h2_read(h2_client *c, h2_frame *frame)
{
    while (read_frame(c, frame)) {
        bool acknowledged = frame->flags & NGHTTP2_FLAG_ACK;
        if (c->quiet)
            acknowledged = true;
        else if (frame->type == NGHTTP2_SETTINGS && !acknowledged)
            h2_send(c, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
        else if (frame->type == NGHTTP2_PING && !acknowledged)
            h2_send(c, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame->data, 8);
        else if (frame->type == NGHTTP2_DATA && frame->size)
            h2_window(c, 0, (uint32_t)frame->size);
        if (frame->type == NGHTTP2_SETTINGS || frame->type == NGHTTP2_PING ||
            frame->type == NGHTTP2_WINDOW_UPDATE)
            continue;
        return true;
    }
    c->eof = true;
    return false;
}

/* Reads DATA of `stream` up to END_STREAM or the next HEADERS, which stay in `frame`. */
static char *read_body(h2_client *c, int32_t stream, h2_frame *frame, size_t *size)
{
    char *body = calloc(1, 1);
    *size = 0;
    while (!(frame->flags & NGHTTP2_FLAG_END_STREAM)) {
        assert_true(h2_read(c, frame));
        assert_int_equal(frame->stream, stream);
        if (frame->type == NGHTTP2_HEADERS) break;
        assert_int_equal(frame->type, NGHTTP2_DATA);
        body = realloc(body, *size + frame->size + 1);
        memcpy(body + *size, frame->data, frame->size);
        *size += frame->size;
        body[*size] = '\0';
        if (frame->size) h2_window(c, stream, (uint32_t)frame->size);
    }
    return body;
}

void h2_expect(h2_client *c, int32_t stream, int http, const char *body)
{
    static h2_frame frame;
    char status[32];
    size_t size;
    assert_true(h2_read(c, &frame));
    assert_int_equal(frame.type, NGHTTP2_HEADERS);
    assert_int_equal(frame.stream, stream);
    snprintf(status, sizeof status, ":status: %d\n", http);
    if (!strstr(frame.head, status)) print_error("%s", frame.head);
    assert_non_null(strstr(frame.head, status));
    char *found = read_body(c, stream, &frame, &size);
    if (body) assert_string_equal(found, body);
    free(found);
}

static void check_status(const h2_frame *frame, int status)
{
    char line[32];
    snprintf(line, sizeof line, "grpc-status: %d\n", status);
    if (!strstr(frame->head, line)) print_error("%s", frame->head);
    assert_non_null(strstr(frame->head, line));
    assert_true(frame->flags & NGHTTP2_FLAG_END_STREAM);
}

void h2_expect_grpc(h2_client *c, int32_t stream, const char *messages, int status)
{
    static h2_frame frame;
    size_t size, at = 0, have = 0;
    assert_true(h2_read(c, &frame));
    assert_int_equal(frame.type, NGHTTP2_HEADERS);
    assert_non_null(strstr(frame.head, "content-type: application/grpc\n"));
    assert_non_null(strstr(frame.head, ":status: 200\n"));
    char *body = read_body(c, stream, &frame, &size);
    char *found = calloc(1, size + 1);
    while (at < size) {
        assert_int_equal(body[at], 0);
        uint32_t length = get_u32((uint8_t *)body + at + 1);
        assert_true(size - at - 5 >= length);
        memcpy(found + have, body + at + 5, length);
        have += length;
        at += 5 + length;
    }
    assert_string_equal(found, messages);
    check_status(&frame, status);
    free(found);
    free(body);
}

void h2_expect_reset(h2_client *c, int32_t stream, uint32_t error)
{
    static h2_frame frame;
    assert_true(h2_read(c, &frame));
    assert_int_equal(frame.type, NGHTTP2_RST_STREAM);
    assert_int_equal(frame.stream, stream);
    assert_int_equal(get_u32(frame.data), error);
}

void h2_expect_goaway(h2_client *c, uint32_t error)
{
    static h2_frame frame;
    bool found = false;
    while (h2_read(c, &frame)) {
        if (frame.type != NGHTTP2_GOAWAY) continue;
        uint32_t said = get_u32(frame.data + 4);
        found |= said == error;
        if (said != error) print_message("GOAWAY with %u\n", said);
    }
    assert_true(found);
}
