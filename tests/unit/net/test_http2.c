/* HTTP/2 on the wire: streams become exchanges, answers keep to windows, and nothing that a client
 * does costs more than its share. */
#include "fixture.h"
#include "h2_client.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

static const sv_server_options standard = {.loops = 1};

static void test_bodies(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "GET", "/echo?a=b", true, NULL);
    h2_expect(&c, 1, 200, "");
    h2_request(&c, 3, "POST", "/echo", false, "content-length", "5", NULL);
    h2_send_data(&c, 3, "hello", 5, true);
    h2_expect(&c, 3, 200, "hello");
    h2_request(&c, 5, "POST", "/keep", false, NULL);
    h2_send_data(&c, 5, "in ", 3, false);
    h2_send_data(&c, 5, "pieces", 6, false);
    h2_send_data(&c, 5, "", 0, true);
    h2_expect(&c, 5, 200, "in pieces");
    /* One byte says how much padding follows the data. */
    h2_request(&c, 7, "POST", "/stream", false, NULL);
    h2_send(&c, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, 7, "\3padded\0\0\0",
            10);
    h2_expect(&c, 7, 200, "padded");
    h2_request(&c, 9, "POST", "/drop", false, NULL);
    h2_send_data(&c, 9, "12345", 5, false);
    h2_send(&c, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 9, "", 0);
    h2_expect(&c, 9, 200, "5");
    h2_request(&c, 11, "HEAD", "/big?n=1000", true, NULL);
    h2_expect(&c, 11, 200, "");
    h2_stop(&f, &c);
    assert_int_equal(f.done, 6);
    assert_int_equal(f.gone, 0);
}

static void test_compressed_bodies(void **state)
{
    static fixture f;
    h2_client c;
    uint8_t packed[256];
    uLongf size = sizeof packed;
    (void)state;
    assert_int_equal(compress(packed, &size, (const Bytef *)"squeezed", 8), Z_OK);
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "POST", "/echo", false, "content-encoding", "deflate", NULL);
    h2_send_data(&c, 1, packed, size, true);
    h2_expect(&c, 1, 200, "squeezed");
    h2_request(&c, 3, "POST", "/echo", false, "content-encoding", "br", NULL);
    h2_expect(&c, 3, 415, NULL);
    h2_expect_reset(&c, 3, NGHTTP2_NO_ERROR);
    h2_stop(&f, &c);
}

/* Answers come as they are ready, not in the order of the streams. */
static void test_streams_do_not_wait(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    fixture_start(&f, &standard);
    fixture_pause(&f, true);
    h2_open(&c, f.port, 0);
    h2_request(&c, 1, "POST", "/async", false, NULL);
    h2_send_data(&c, 1, "slow", 4, true);
    h2_request(&c, 3, "POST", "/echo", false, NULL);
    h2_request(&c, 5, "POST", "/echo", false, NULL);
    h2_send_data(&c, 5, "third", 5, true);
    h2_expect(&c, 5, 200, "third");
    h2_send_data(&c, 3, "second", 6, true);
    h2_expect(&c, 3, 200, "second");
    fixture_pause(&f, false);
    h2_expect(&c, 1, 200, "slow");
    h2_stop(&f, &c);
}

/* An answer beyond the window waits, and others pass it. */
static void test_windows(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    size_t got = 0;
    (void)state;
    fixture_start(&f, &standard);
    h2_open(&c, f.port, 1000);
    h2_request(&c, 1, "GET", "/big?n=100000", true, NULL);
    assert_true(h2_read(&c, &frame));
    assert_non_null(strstr(frame.head, "content-length: 100000\n"));
    assert_true(h2_read(&c, &frame));
    assert_int_equal(frame.type, NGHTTP2_DATA);
    assert_int_equal(frame.size, 1000);
    h2_request(&c, 3, "POST", "/echo", false, NULL);
    h2_send_data(&c, 3, "passes", 6, true);
    h2_expect(&c, 3, 200, "passes");
    h2_window(&c, 1, 200000);
    for (got = 1000; !(frame.flags & NGHTTP2_FLAG_END_STREAM) || frame.stream != 1;) {
        assert_true(h2_read(&c, &frame));
        assert_int_equal(frame.type, NGHTTP2_DATA);
        assert_int_equal(frame.data[0], 'a' + (int)(got % 26));
        got += frame.size;
    }
    assert_int_equal(got, 100000);
    h2_stop(&f, &c);
}

/* More than all windows and the bound on output hold at once. */
static void test_large_answers(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "GET", "/big?n=3000000", true, NULL);
    h2_expect(&c, 1, 200, NULL);
    static char body[300000];
    memset(body, 'x', sizeof body);
    h2_request(&c, 3, "POST", "/drop", false, NULL);
    for (size_t at = 0; at < sizeof body; at += 15000)
        h2_send_data(&c, 3, body + at, 15000, at + 15000 == sizeof body);
    h2_expect(&c, 3, 200, "300000");
    h2_stop(&f, &c);
    assert_int_equal(f.done_received, 300000);
}

static void test_heads(void **state)
{
    static fixture f;
    static char large[20000];
    h2_client c;
    (void)state;
    fixture_start(
        &f, &(sv_server_options){.loops = 1, .limits.head_fields = 4, .limits.body_bytes = 1000});
    h2_open(&c, f.port, 0);
    h2_request(&c, 1, "GET", "/%zz", true, NULL);
    h2_expect(&c, 1, 400, NULL);
    h2_request(&c, 3, "GET", "nothing", true, NULL);
    /* nghttp2 demands a path that begins with a slash. */
    h2_expect_reset(&c, 3, NGHTTP2_PROTOCOL_ERROR);
    h2_request(&c, 5, "GET", "/a#b", true, NULL);
    h2_expect(&c, 5, 400, NULL);
    h2_request(&c, 7, "GET", "/", true, "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", NULL);
    h2_expect(&c, 7, 431, NULL);
    h2_request(&c, 9, "GET", "/", true, "Upper", "1", NULL);
    h2_expect_reset(&c, 9, NGHTTP2_PROTOCOL_ERROR);
    h2_request(&c, 11, "GET", "/", true, "connection", "close", NULL);
    h2_expect_reset(&c, 11, NGHTTP2_PROTOCOL_ERROR);
    h2_request(&c, 13, "POST", "/echo", false, "content-length", "1001", NULL);
    h2_expect(&c, 13, 413, NULL);
    h2_expect_reset(&c, 13, NGHTTP2_NO_ERROR);
    h2_request(&c, 15, "POST", "/echo", false, "content-length", "3", NULL);
    h2_send_data(&c, 15, "four", 4, true);
    h2_expect_reset(&c, 15, NGHTTP2_PROTOCOL_ERROR);
    h2_request(&c, 17, "POST", "/echo", false, "expect", "wonders", NULL);
    h2_expect(&c, 17, 417, NULL);
    h2_expect_reset(&c, 17, NGHTTP2_NO_ERROR);
    memset(large, 'x', sizeof large);
    h2_request(&c, 19, "POST", "/echo", false, NULL);
    h2_send_data(&c, 19, large, 2000, false);
    h2_expect(&c, 19, 413, NULL);
    h2_expect_reset(&c, 19, NGHTTP2_NO_ERROR);
    h2_stop(&f, &c);
    /* The body that was too long, and the one that was not as long as it said. */
    assert_int_equal(f.gone, 2);
}

static void check_echo(h2_client *c, int32_t stream, const char *name, const char *value)
{
    char text[16];
    snprintf(text, sizeof text, "body %d", (int)stream);
    h2_request(c, stream, "POST", "/echo", false, name, value, NULL);
    h2_send_data(c, stream, text, strlen(text), true);
    h2_expect(c, stream, 200, text);
}

/* A head that comes again is known by its fields; others share no more than they have in common. */
static void test_repeated_heads(void **state)
{
    static fixture f;
    h2_client c;
    uint8_t packed[256];
    uLongf size = sizeof packed;
    (void)state;
    assert_int_equal(compress(packed, &size, (const Bytef *)"squeezed", 8), Z_OK);
    fixture_start(&f, &standard);
    h2_open(&c, f.port, 0);
    for (int32_t stream = 1; stream < 7; stream += 2)
        check_echo(&c, stream, "x-a", "1");
    assert_int_equal(f.repeated, 2);
    check_echo(&c, 7, NULL, NULL);
    check_echo(&c, 9, "x-a", "2");
    check_echo(&c, 11, "x-b", "2");
    check_echo(&c, 13, "x-b", "22");
    assert_int_equal(f.repeated, 2);
    check_echo(&c, 15, "x-b", "22");
    assert_int_equal(f.repeated, 3);
    for (int32_t stream = 17; stream < 23; stream += 2) {
        h2_request(&c, stream, "POST", "/echo", false, "content-encoding", "deflate", NULL);
        h2_send_data(&c, stream, packed, size, true);
        h2_expect(&c, stream, 200, "squeezed");
    }
    assert_int_equal(f.repeated, 5);
    /* A length that the body does not keep to is refused each time. */
    for (int32_t stream = 23; stream < 29; stream += 2) {
        h2_request(&c, stream, "POST", "/echo", false, "content-length", "3", NULL);
        h2_send_data(&c, stream, "1234", 4, true);
        h2_expect_reset(&c, stream, NGHTTP2_PROTOCOL_ERROR);
    }
    h2_close(&c);
    fixture_end(&f);
}

/* Calls that wait keep the head they came with; and with nothing but changes no head is kept. */
static void test_heads_outlive_their_place(void **state)
{
    enum { COUNT = 40 };
    static fixture f;
    h2_client c;
    char name[16];
    (void)state;
    fixture_start(&f, &standard);
    h2_open(&c, f.port, 0);
    for (int32_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "x-%d", (int)i);
        h2_request(&c, 2 * i + 1, "POST", i % 2 ? "/echo" : "/keep", false, name, "value", NULL);
    }
    for (int32_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "x-%d", (int)i);
        h2_send_data(&c, 2 * i + 1, name, strlen(name), true);
        h2_expect(&c, 2 * i + 1, 200, name);
    }
    for (int32_t stream = 2 * COUNT + 1; stream < 2 * COUNT + 5; stream += 2)
        check_echo(&c, stream, "x-a", "1");
    assert_int_equal(f.repeated, 0);
    h2_close(&c);
    fixture_end(&f);
}

static void test_continue(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "POST", "/echo", false, "expect", "100-continue", NULL);
    assert_true(h2_read(&c, &frame));
    assert_non_null(strstr(frame.head, ":status: 100\n"));
    h2_send_data(&c, 1, "now", 3, true);
    h2_expect(&c, 1, 200, "now");
    h2_stop(&f, &c);
}

/* Errors, added headers, early answers. */
static void test_answers(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "POST", "/fail", true, NULL);
    assert_true(h2_read(&c, &frame));
    assert_non_null(strstr(frame.head, ":status: 405\n"));
    assert_non_null(strstr(frame.head, "\nallow: GET, POST\n"));
    assert_null(strstr(frame.head, "x-bad"));
    assert_true(h2_read(&c, &frame));
    assert_memory_equal(frame.data, "{\"error\":\"wrong \\\"method\\\"\"}", frame.size);
    h2_request(&c, 3, "POST", "/early", false, NULL);
    h2_expect(&c, 3, 403, "no");
    h2_expect_reset(&c, 3, NGHTTP2_NO_ERROR);
    h2_request(&c, 5, "POST", "/piece", false, NULL);
    h2_send_data(&c, 5, "some", 4, false);
    h2_expect(&c, 5, 200, "enough");
    h2_expect_reset(&c, 5, NGHTTP2_NO_ERROR);
    h2_stop(&f, &c);
}

static void test_resets_and_ends_cancel(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "POST", "/hang", true, NULL);
    h2_request(&c, 3, "POST", "/hang", false, NULL);
    h2_request(&c, 5, "POST", "/hang", true, NULL);
    fixture_wait(&f.ended, 2);
    h2_reset(&c, 1);
    fixture_wait(&f.gone, 1);
    h2_close(&c);
    fixture_wait(&f.gone, 3);
    fixture_end(&f);
    assert_int_equal(f.lost, 3);
}

/* What came together with the end of the connection is answered. */
static void test_end_behind_requests(void **state)
{
    static fixture f;
    static h2_frame frame;
    h2_client c;
    (void)state;
    h2_start(&f, &c, NULL);
    fixture_block(&f);
    h2_request(&c, 1, "POST", "/async", false, NULL);
    h2_send_data(&c, 1, "last", 4, true);
    shutdown(c.fd, SHUT_WR);
    c.quiet = true;
    fixture_unblock(&f);
    assert_true(h2_read(&c, &frame));
    assert_int_equal(frame.type, NGHTTP2_HEADERS);
    assert_true(h2_read(&c, &frame));
    assert_memory_equal(frame.data, "last", 4);
    while (h2_read(&c, &frame))
        ;
    h2_stop(&f, &c);
    assert_int_equal(f.lost, 0);
}

static void test_drain(void **state)
{
    static fixture f;
    h2_client c, idle;
    static h2_frame frame;
    (void)state;
    fixture_start(&f, &standard);
    fixture_pause(&f, true);
    h2_open(&idle, f.port, 0);
    h2_request(&idle, 1, "POST", "/echo", true, NULL);
    h2_expect(&idle, 1, 200, "");
    h2_open(&c, f.port, 0);
    h2_request(&c, 1, "POST", "/async", false, NULL);
    h2_send_data(&c, 1, "runs", 4, true);
    fixture_wait(&f.ended, 2);
    sv_server_drain(f.server);
    /* The announcement, then, when our answer to the ping is there, the last stream. */
    h2_expect_goaway(&idle, NGHTTP2_NO_ERROR);
    assert_true(h2_read(&c, &frame));
    assert_int_equal(frame.type, NGHTTP2_GOAWAY);
    assert_true(h2_read(&c, &frame));
    assert_int_equal(frame.type, NGHTTP2_GOAWAY);
    assert_int_equal(frame.data[3], 1);
    fixture_pause(&f, false);
    h2_expect(&c, 1, 200, "runs");
    assert_false(h2_read(&c, &frame));
    h2_close(&idle);
    h2_close(&c);
    fixture_join(&f);
    assert_int_equal(f.lost, 0);
}

/* ---- attacks: each ends in GOAWAY, and what was queued is cancelled ------------------------- */

static void flood(void (*attack)(h2_client *c), uint32_t error)
{
    static fixture f;
    h2_client c;
    h2_start(&f, &c, NULL);
    h2_request(&c, 1, "POST", "/hang", true, NULL);
    fixture_wait(&f.ended, 1);
    attack(&c);
    h2_expect_goaway(&c, error);
    fixture_wait(&f.gone, 1);
    h2_stop(&f, &c);
    assert_true(f.lost >= 1);
}

/* Sends may fail once the server has closed: that is what they are for. */
static bool try_send(h2_client *c, const void *data, size_t size)
{
    return send(c->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void attack_reset(h2_client *c)
{
    for (int32_t i = 0; i < 2000; i++) {
        uint8_t block[256], frames[300] = {0};
        static const char *const pairs[] = {":method", "POST",       ":path", "/hang", ":scheme",
                                            "http",    ":authority", "h",     NULL};
        size_t size = h2_block(c, block, sizeof block, pairs);
        uint32_t id = (uint32_t)i * 2 + 3;
        uint8_t head[9] = {0, 0, (uint8_t)size,      NGHTTP2_HEADERS, 5,
                           0, 0, (uint8_t)(id >> 8), (uint8_t)id};
        uint8_t reset[13] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, head[7], head[8], 0, 0, 0, 8};
        memcpy(frames, head, 9);
        memcpy(frames + 9, block, size);
        memcpy(frames + 9 + size, reset, sizeof reset);
        if (!try_send(c, frames, 9 + size + sizeof reset)) return;
    }
}

static void repeat(h2_client *c, const void *frame, size_t size, int times)
{
    for (int i = 0; i < times; i++)
        if (!try_send(c, frame, size)) return;
}

static void attack_ping(h2_client *c)
{
    repeat(c, "\0\0\10\6\0\0\0\0\0ABCDEFGH", 17, 20000);
}

static void attack_settings(h2_client *c)
{
    repeat(c, "\0\0\0\4\0\0\0\0", 9, 20000);
}

static void attack_empty_data(h2_client *c)
{
    h2_request(c, 3, "POST", "/echo", false, NULL);
    repeat(c, "\0\0\0\0\0\0\0\0\3", 9, 20000);
}

static void attack_priority(h2_client *c)
{
    repeat(c, "\0\0\5\2\0\0\0\0\5\0\0\0\0\0", 14, 20000);
}

static void attack_continuation(h2_client *c)
{
    /* HEADERS without END_HEADERS, then CONTINUATION without end. */
    try_send(c, "\0\0\1\1\0\0\0\0\3\x82", 10);
    repeat(c, "\0\0\1\11\0\0\0\0\3\x82", 10, 2000);
}

static void attack_bad_frame(h2_client *c)
{
    try_send(c, "\0\0\1\6\0\0\0\0\0A", 10);
}

static void test_rapid_reset(void **state)
{
    (void)state;
    flood(attack_reset, NGHTTP2_INTERNAL_ERROR);
}

static void test_control_floods(void **state)
{
    (void)state;
    flood(attack_ping, NGHTTP2_ENHANCE_YOUR_CALM);
    flood(attack_settings, NGHTTP2_ENHANCE_YOUR_CALM);
    flood(attack_empty_data, NGHTTP2_ENHANCE_YOUR_CALM);
    flood(attack_priority, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void test_continuation_flood(void **state)
{
    (void)state;
    flood(attack_continuation, NGHTTP2_PROTOCOL_ERROR);
}

static void test_bad_frame(void **state)
{
    (void)state;
    flood(attack_bad_frame, NGHTTP2_FRAME_SIZE_ERROR);
}

/* A peer that gives no credit, while it keeps the connection busy. */
static void test_zero_window(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    fixture_start(
        &f, &(sv_server_options){.loops = 1, .limits = {.body_grace_ms = 300, .body_rate = 1000}});
    h2_open(&c, f.port, 1);
    h2_request(&c, 1, "GET", "/big?n=100000", true, NULL);
    h2_request(&c, 3, "POST", "/hang", true, NULL);
    fixture_wait(&f.gone, 1);
    h2_expect_goaway(&c, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_stop(&f, &c);
}

static void test_slow_heads_and_idling(void **state)
{
    static fixture f;
    h2_client c, idle;
    (void)state;
    fixture_start(&f, &(sv_server_options){.loops = 1, .limits = {.head_ms = 200, .idle_ms = 300}});
    h2_open(&idle, f.port, 0);
    h2_request(&idle, 1, "GET", "/echo", true, NULL);
    h2_expect(&idle, 1, 200, "");
    h2_open(&c, f.port, 0);
    h2_send(&c, NGHTTP2_HEADERS, 0, 1, "\x82", 1);
    /* Nothing may stand within a header block. */
    c.quiet = true;
    h2_expect_goaway(&c, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_expect_goaway(&idle, NGHTTP2_NO_ERROR);
    h2_close(&c);
    h2_close(&idle);
    fixture_end(&f);
}

static void test_slow_body(void **state)
{
    static fixture f;
    h2_client c;
    (void)state;
    fixture_start(
        &f, &(sv_server_options){.loops = 1, .limits = {.body_grace_ms = 300, .body_rate = 1000}});
    h2_open(&c, f.port, 0);
    h2_request(&c, 1, "POST", "/echo", false, NULL);
    h2_send_data(&c, 1, "a", 1, false);
    h2_expect(&c, 1, 408, NULL);
    h2_expect_reset(&c, 1, NGHTTP2_NO_ERROR);
    h2_request(&c, 3, "GET", "/echo", true, NULL);
    h2_expect(&c, 3, 200, "");
    h2_stop(&f, &c);
}

/* The preface may come byte by byte, and what only begins like it is HTTP/1.1. */
static void test_preface(void **state)
{
    static fixture f;
    static client old;
    h2_client c;
    (void)state;
    fixture_start(&f, &standard);
    memset(&c, 0, sizeof c);
    c.fd = client_connect(f.port);
    nghttp2_hd_deflate_new(&c.deflater, 4096);
    nghttp2_hd_inflate_new(&c.inflater);
    for (size_t i = 0; i < NGHTTP2_CLIENT_MAGIC_LEN; i++) {
        client_send(c.fd, &NGHTTP2_CLIENT_MAGIC[i], 1);
        usleep(200);
    }
    h2_send(&c, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_request(&c, 1, "GET", "/echo", true, NULL);
    h2_expect(&c, 1, 200, "");
    h2_close(&c);
    client_open(&old, f.port);
    client_send(old.fd, "P", 1);
    usleep(2000);
    client_puts(old.fd, "OST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nold");
    client_expect(&old, 200, "old");
    client_close(&old);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_compressed_bodies),
        cmocka_unit_test(test_streams_do_not_wait),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_large_answers),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_repeated_heads),
        cmocka_unit_test(test_heads_outlive_their_place),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_resets_and_ends_cancel),
        cmocka_unit_test(test_end_behind_requests),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_rapid_reset),
        cmocka_unit_test(test_control_floods),
        cmocka_unit_test(test_continuation_flood),
        cmocka_unit_test(test_bad_frame),
        cmocka_unit_test(test_zero_window),
        cmocka_unit_test(test_slow_heads_and_idling),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_preface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
