/* gRPC's framing on the wire: messages, compression, deadlines, statuses in trailers. */
#include "fixture.h"

#include "base/clock.h"
#include "h2_client.h"
#include "net/grpc.h"
#include "net/grpc_details.h"

#include <stdio.h>
#include <zlib.h>

#define GRPC "content-type", "application/grpc", "te", "trailers"

static void open_call(h2_client *c, int32_t stream, const char *path)
{
    h2_request(c, stream, "POST", path, false, GRPC, NULL);
}

/* A message and what stands before it; returns the size. */
static size_t frame_message(uint8_t *out, uint8_t compressed, const void *data, size_t size)
{
    out[0] = compressed;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(out + 5, data, size);
    return size + 5;
}

static void send_message(h2_client *c, int32_t stream, const char *text, bool last)
{
    uint8_t bytes[256];
    h2_send_data(c, stream, bytes, frame_message(bytes, 0, text, strlen(text)), last);
}

/* Trailers without messages, with this status and text. */
static void expect_status(h2_client *c, int32_t stream, int status, const char *message)
{
    static h2_frame frame;
    char line[200];
    assert_true(h2_read(c, &frame));
    assert_int_equal(frame.type, NGHTTP2_HEADERS);
    assert_int_equal(frame.stream, stream);
    assert_non_null(strstr(frame.head, ":status: 200\n"));
    snprintf(line, sizeof line, "grpc-status: %d\n", status);
    if (!strstr(frame.head, line) || !strstr(frame.head, message)) print_error("%s", frame.head);
    assert_non_null(strstr(frame.head, line));
    assert_non_null(strstr(frame.head, message));
    assert_true(frame.flags & NGHTTP2_FLAG_END_STREAM);
}

static void test_timeouts(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } rows[] = {{"1n", 1},          {"20u", 20000},          {"3m", 3000000},
                {"4S", 4000000000}, {"99999999n", 99999999}, {"1H", 3600000000000}};
    static const char *const bad[] = {"", "1", "m", "-1m", "123456789m", "1x", "1 m"};
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(sv_grpc_parse_timeout((sv_string){rows[i].text, strlen(rows[i].text)}, &ns));
        assert_int_equal(ns, rows[i].ns);
    }
    assert_true(sv_grpc_parse_timeout((sv_string){"99999999H", 9}, &ns));
    assert_true(ns > 0 && ns < UINT64_MAX / 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sv_grpc_parse_timeout((sv_string){bad[i], strlen(bad[i])}, &ns));
}

static void test_messages_of_statuses(void **state)
{
    sv_arena arena;
    char longest[5000];
    (void)state;
    sv_arena_init(&arena, NULL);
    assert_string_equal(sv_grpc_encode_message(&arena, "a%b\n\xc3\xa4", 100), "a%25b%0A%C3%A4");
    assert_string_equal(sv_grpc_encode_message(&arena, "", 100), "");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(strlen(sv_grpc_encode_message(&arena, longest, 4096)), 4096);
    /* Not within a character. */
    assert_string_equal(sv_grpc_encode_message(&arena, "ab\xc3\xa4", 7), "ab");
    sv_arena_release(&arena);
    assert_true(sv_grpc_is_type((sv_string){"application/grpc", 16}));
    assert_true(sv_grpc_is_type((sv_string){"Application/gRPC+proto", 22}));
    assert_false(sv_grpc_is_type((sv_string){"application/grpc-web", 20}));
    assert_false(sv_grpc_is_type((sv_string){"application/json", 16}));
}

/* Made by googleapis-common-protos of the same. */
static void test_details_of_statuses(void **state)
{
    sv_arena arena;
    char longest[SV_GRPC_DETAILS_MESSAGE + 2];
    (void)state;
    sv_arena_init(&arena, NULL);
    assert_string_equal(
        sv_grpc_details(&arena, SV_CODE_INVALID_ARGUMENT, "model 'm': input 'x': bad", 0),
        "CAMSGW1vZGVsICdtJzogaW5wdXQgJ3gnOiBiYWQaRgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm"
        "9ySW5mbxIaChBJTlZBTElEX0FSR1VNRU5UEgZzZXJ2YWwaNwopdHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBj"
        "LkJhZFJlcXVlc3QSCgoICgF4EgNiYWQ");
    assert_string_equal(
        sv_grpc_details(&arena, SV_CODE_UNAVAILABLE, "", 200),
        "CA4aQQoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIVCgtVTkFWQUlMQUJMRRIGc2Vydm"
        "FsGjEKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBQoDCMgB");
    /* No violation: another code, no name, no end of it, another word. */
    static const char *const others[] = {"input 'x", "input '': bad", "input x: bad",
                                         "xinput 'x': bad"};
    size_t plain = strlen(sv_grpc_details(&arena, SV_CODE_INVALID_ARGUMENT, "bad", 9));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *details = sv_grpc_details(&arena, SV_CODE_INVALID_ARGUMENT, others[i], 9);
        size_t more = strlen(others[i]) - strlen("bad");
        assert_true(strlen(details) <= plain + more * 4 / 3 + 3);
    }
    assert_null(sv_grpc_details(&arena, SV_CODE_INTERNAL, "a\xff", 0));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(sv_grpc_details(&arena, SV_CODE_INTERNAL, longest, 0));
    longest[sizeof longest - 2] = '\0';
    assert_non_null(sv_grpc_details(&arena, SV_CODE_INTERNAL, longest, 0));
    sv_arena_release(&arena);
}

static void test_unary(void **state)
{
    static fixture f;
    h2_client c;
    uint8_t byte;
    uint8_t message[64];
    (void)state;
    h2_start(&f, &c, NULL);
    open_call(&c, 1, "/echo");
    send_message(&c, 1, "hello", true);
    h2_expect_grpc(&c, 1, "hello", 0);
    /* In bytes, the end apart. */
    open_call(&c, 3, "/keep");
    size_t size = frame_message(message, 0, "piecewise", 9);
    for (size_t i = 0; i < size; i++) {
        byte = message[i];
        h2_send_data(&c, 3, &byte, 1, false);
    }
    h2_send_data(&c, 3, "", 0, true);
    h2_expect_grpc(&c, 3, "piecewise", 0);
    open_call(&c, 5, "/echo");
    send_message(&c, 5, "", true);
    h2_expect_grpc(&c, 5, "", 0);
    open_call(&c, 7, "/fail");
    send_message(&c, 7, "x", true);
    expect_status(&c, 7, 3, "grpc-message: wrong \"method\"\n");
    open_call(&c, 9, "/early");
    h2_expect_grpc(&c, 9, "no", 0);
    h2_expect_reset(&c, 9, NGHTTP2_NO_ERROR);
    h2_stop(&f, &c);
}

static void test_bad_calls(void **state)
{
    static fixture f;
    h2_client c;
    uint8_t bytes[256];
    (void)state;
    h2_start(&f, &c, &(sv_server_options){.loops = 1, .limits.body_bytes = 100});
    h2_request(&c, 1, "GET", "/echo", true, GRPC, NULL);
    expect_status(&c, 1, 12, "expected POST");
    h2_request(&c, 3, "POST", "/echo", true, GRPC, "grpc-timeout", "soon", NULL);
    expect_status(&c, 3, 3, "grpc-timeout");
    open_call(&c, 5, "/echo");
    h2_send_data(&c, 5, "", 0, true);
    expect_status(&c, 5, 3, "found 0 bytes");
    open_call(&c, 7, "/echo");
    h2_send_data(&c, 7, "\0\0\0\0\5abc", 8, true);
    expect_status(&c, 7, 3, "found one of 5");
    open_call(&c, 9, "/echo");
    h2_send_data(&c, 9, "\2\0\0\0\1a", 6, true);
    expect_status(&c, 9, 3, "found 2");
    open_call(&c, 11, "/echo");
    h2_send_data(&c, 11, "\1\0\0\0\1a", 6, true);
    expect_status(&c, 11, 3, "no grpc-encoding");
    h2_request(&c, 13, "POST", "/echo", false, GRPC, "grpc-encoding", "snappy", NULL);
    h2_send_data(&c, 13, "\1\0\0\0\1a", 6, true);
    expect_status(&c, 13, 12, "snappy");
    memset(bytes, 'x', sizeof bytes);
    open_call(&c, 15, "/echo");
    h2_send_data(&c, 15, bytes, 200, false);
    expect_status(&c, 15, 8, "larger than");
    h2_expect_reset(&c, 15, NGHTTP2_NO_ERROR);
    open_call(&c, 17, "/messages");
    h2_send_data(&c, 17, "\0\0\1\0\0", 5, false);
    expect_status(&c, 17, 8, "larger than");
    h2_expect_reset(&c, 17, NGHTTP2_NO_ERROR);
    open_call(&c, 19, "/messages");
    h2_send_data(&c, 19, "\0\0\0\0\3a", 6, true);
    expect_status(&c, 19, 3, "ends within it");
    h2_stop(&f, &c);
}

/* gzip, as zlib writes it with windowBits 31. */
static size_t pack(uint8_t *out, size_t room, const void *data, size_t size)
{
    z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static void test_compression(void **state)
{
    static fixture f;
    static h2_frame frame;
    static uint8_t packed[4096], message[4096], large[8192];
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    size_t size = pack(packed, sizeof packed, "small", 5);
    h2_request(&c, 1, "POST", "/echo", false, GRPC, "grpc-encoding", "gzip", NULL);
    h2_send_data(&c, 1, message, frame_message(message, 1, packed, size), true);
    h2_expect_grpc(&c, 1, "small", 0);
    h2_request(&c, 3, "POST", "/messages", false, GRPC, "grpc-encoding", "gzip", NULL);
    h2_send_data(&c, 3, message, frame_message(message, 1, packed, size), false);
    send_message(&c, 3, "-plain", true);
    h2_expect_grpc(&c, 3, "small-plain", 0);
    /* A client that compresses gets large answers compressed. */
    memset(large, 'y', sizeof large);
    size = pack(packed, sizeof packed, large, sizeof large);
    h2_request(&c, 5, "POST", "/echo", false, GRPC, "grpc-encoding", "gzip", "grpc-accept-encoding",
               "identity,gzip", NULL);
    h2_send_data(&c, 5, message, frame_message(message, 1, packed, size), true);
    assert_true(h2_read(&c, &frame));
    assert_non_null(strstr(frame.head, "grpc-encoding: gzip\n"));
    assert_true(h2_read(&c, &frame));
    assert_int_equal(frame.data[0], 1);
    assert_true(frame.size < 1000);
    assert_true(h2_read(&c, &frame));
    /* Not all of it. */
    h2_request(&c, 7, "POST", "/echo", false, GRPC, "grpc-encoding", "gzip", NULL);
    h2_send_data(&c, 7, message, frame_message(message, 1, packed, size - 9), true);
    expect_status(&c, 7, 3, "compressed body");
    h2_stop(&f, &c);
}

/* Which codings the server takes is told to clients that speak of codings. */
static void test_codings_told(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    for (int32_t stream = 1; stream < 9; stream += 2) {
        const bool asks = stream % 4 == 1;
        h2_request(&c, stream, "POST", "/echo", false, GRPC, "te", "trailers",
                   asks ? "grpc-accept-encoding" : NULL, "identity,gzip", NULL);
        send_message(&c, stream, "x", true);
        assert_true(h2_read(&c, &frame));
        assert_int_equal(
            strstr(frame.head, "grpc-accept-encoding: identity,gzip,deflate\n") != NULL, asks);
        assert_true(h2_read(&c, &frame));
        assert_int_equal(frame.type, NGHTTP2_DATA);
        assert_true(h2_read(&c, &frame));
        assert_non_null(strstr(frame.head, "grpc-status: 0\n"));
    }
    h2_stop(&f, &c);
}

static void test_streams(void **state)
{
    static fixture f;
    h2_client c;
    uint8_t bytes[256], *at = bytes;
    (void)state;
    h2_start(&f, &c, NULL);
    open_call(&c, 1, "/messages");
    send_message(&c, 1, "one ", false);
    at += frame_message(at, 0, "two ", 4);
    at += frame_message(at, 0, "", 0);
    at += frame_message(at, 0, "three", 5);
    for (uint8_t *p = bytes; p < at; p += 3)
        h2_send_data(&c, 1, p, at - p < 3 ? (size_t)(at - p) : 3, at - p <= 3);
    h2_expect_grpc(&c, 1, "one two three", 0);
    /* Held back by the handler, then on again; the end waits too. */
    open_call(&c, 3, "/messages");
    at = bytes;
    at += frame_message(at, 0, "pause", 5);
    at += frame_message(at, 0, "-after", 6);
    h2_send_data(&c, 3, bytes, (size_t)(at - bytes), true);
    h2_expect_grpc(&c, 3, "pause-after", 0);
    open_call(&c, 5, "/messages");
    send_message(&c, 5, "well", false);
    send_message(&c, 5, "fail", false);
    h2_expect_grpc(&c, 5, "well", 3);
    h2_expect_reset(&c, 5, NGHTTP2_NO_ERROR);
    open_call(&c, 7, "/messages");
    h2_send_data(&c, 7, "", 0, true);
    expect_status(&c, 7, 0, "");
    /* Gone in the middle. */
    open_call(&c, 9, "/messages");
    send_message(&c, 9, "pause", false);
    h2_send_data(&c, 9, "\0\0\0", 3, false);
    h2_reset(&c, 9);
    fixture_wait(&f.gone, 1);
    h2_stop(&f, &c);
}

/* More in flight than the bound on output: the client's next messages wait, and nothing is lost. */
static void test_backpressure(void **state)
{
    static fixture f;
    static uint8_t message[10005];
    static char text[10000];
    static h2_frame frame;
    h2_client c;
    size_t got = 0;
    (void)state;
    h2_start(&f, &c, &(sv_server_options){.loops = 1, .limits.output_bytes = 20000});
    /* With its answer the server's SETTINGS come, and with them its windows. */
    open_call(&c, 1, "/echo");
    send_message(&c, 1, "", true);
    h2_expect_grpc(&c, 1, "", 0);
    open_call(&c, 3, "/messages");
    memset(text, 'z', sizeof text);
    for (int i = 0; i < 60; i++)
        h2_send_data(&c, 3, message, frame_message(message, 0, text, sizeof text), i == 59);
    while (h2_read(&c, &frame)) {
        if (frame.flags & NGHTTP2_FLAG_END_STREAM) break;
        assert_int_not_equal(frame.type, NGHTTP2_RST_STREAM);
        if (frame.type != NGHTTP2_DATA) continue;
        got += frame.size;
        h2_window(&c, 3, (uint32_t)frame.size);
    }
    assert_int_equal(got, 60 * sizeof message);
    assert_non_null(strstr(frame.head, "grpc-status: 0\n"));
    h2_stop(&f, &c);
}

/* A stream without an end hears of the drain. */
static void test_drain(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    open_call(&c, 1, "/messages");
    fixture_wait(&f.opened, 1);
    sv_server_drain(f.server);
    do
        assert_true(h2_read(&c, &frame));
    while (frame.type == NGHTTP2_GOAWAY);
    assert_non_null(strstr(frame.head, "grpc-status: 14\n"));
    while (h2_read(&c, &frame))
        ;
    h2_close(&c);
    fixture_join(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_details_of_statuses),
        cmocka_unit_test(test_messages_of_statuses),
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_bad_calls),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_codings_told),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
