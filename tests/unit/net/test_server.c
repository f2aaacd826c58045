/* The server on loopback: HTTP/1.1 as clients meet it. Time limits are in test_slow.c. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#define ZLIB_CONST
#include <zlib.h>

#define HOST "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static const sv_server_options plain;

static void post(int fd, const char *path, const char *headers, const void *body, size_t size)
{
    char head[512];
    int n = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n",
                     path, headers, size);
    client_send(fd, head, (size_t)n);
    client_send(fd, body, size);
}

static char *make_bytes(size_t size)
{
    char *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('!' + (i * 7 + i / 251) % 90);
    bytes[size] = '\0';
    return bytes;
}

static void test_answers(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    post(c.fd, "/echo", "", "hello", 5);
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.http, 200);
    assert_string_equal(a.body, "hello");
    assert_true(answer_has(&a, "HTTP/1.1 200 OK\r\n"));
    assert_true(answer_has(&a, "\r\nContent-Length: 5\r\n"));
    assert_true(answer_has(&a, "\r\nContent-Type: text/plain\r\n"));
    assert_true(answer_has(&a, " GMT\r\n"));
    assert_false(answer_has(&a, "Connection"));
    answer_free(&a);
    client_puts(c.fd, GET("/fail"));
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.http, 405);
    assert_string_equal(a.body, "{\"error\":\"wrong \\\"method\\\"\"}");
    assert_true(answer_has(&a, "\r\nAllow: GET, POST\r\n"));
    assert_false(answer_has(&a, "X-Bad"));
    assert_false(answer_has(&a, "Content-Length: 7"));
    answer_free(&a);
    client_puts(c.fd, GET("/close"));
    assert_true(client_read(&c, &a, false));
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    answer_free(&a);
    client_expect_end(&c);
    client_close(&c);
    fixture_end(&f);
}

/* Every way of taking a body, at sizes round the buffers' borders. */
static void test_bodies(void **state)
{
    static const char *const paths[] = {"/echo", "/stream", "/sink", "/async", "/keep"};
    static const size_t sizes[] = {0, 1, 999, 1000, 1001, 4096, 65000, 65536, 200000, 3000000};
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    for (size_t p = 0; p < 5; p++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char *bytes = make_bytes(sizes[i]);
            post(c.fd, paths[p], "", bytes, sizes[i]);
            assert_true(client_read(&c, &a, false));
            assert_int_equal(a.http, 200);
            assert_int_equal(a.size, sizes[i]);
            assert_memory_equal(a.body ? a.body : "", bytes, sizes[i]);
            answer_free(&a);
            free(bytes);
        }
    }
    post(c.fd, "/drop", "", "12345", 5);
    client_expect(&c, 200, "5");
    client_close(&c);
    fixture_end(&f);
}

static void test_chunked(void **state)
{
    static const char *const paths[] = {"/echo", "/stream", "/sink", "/async", "/keep"};
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    char *bytes = make_bytes(150000);
    for (size_t p = 0; p < 5; p++) {
        char head[256];
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", paths[p]);
        client_puts(c.fd, head);
        for (size_t at = 0, step = 1; at < 150000; step = step * 3 % 40009 + 1) {
            size_t n = step < 150000 - at ? step : 150000 - at;
            snprintf(head, sizeof head, "%zx;a=b\r\n", n);
            client_puts(c.fd, head);
            client_send(c.fd, bytes + at, n);
            client_puts(c.fd, "\r\n");
            at += n;
        }
        client_puts(c.fd, "0\r\nTrailer: x\r\n\r\n");
        assert_true(client_read(&c, &a, false));
        assert_int_equal(a.http, 200);
        assert_int_equal(a.size, 150000);
        assert_memory_equal(a.body, bytes, 150000);
        answer_free(&a);
    }
    free(bytes);
    client_close(&c);
    fixture_end(&f);
}

/* Answers come in the order of the requests, though every third is worked on elsewhere. */
static void test_pipelining(void **state)
{
    enum { COUNT = 300 };
    static fixture f;
    static client c;
    char text[256];
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    for (int i = 0; i < COUNT; i++) {
        const char *path = i % 3 ? "/echo" : "/async";
        int n = snprintf(text, sizeof text,
                         "POST %s HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n%05d", path, i);
        client_send(c.fd, text, (size_t)n);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%05d", i);
        client_expect(&c, 200, text);
    }
    client_close(&c);
    fixture_end(&f);
}

/* A head that comes again is known by its bytes, and nothing else is taken from the last request.
 */
static void test_repeated_heads(void **state)
{
    static fixture f;
    static client c;
    char text[256];
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%05d", i);
        post(c.fd, "/echo", "", text, 5);
        client_expect(&c, 200, text);
    }
    assert_int_equal(f.repeated, 3);
    post(c.fd, "/drop", "", "12345", 5); /* as long, and not the same */
    client_expect(&c, 200, "5");
    post(c.fd, "/echo", "", "1234", 4);
    client_expect(&c, 200, "1234");
    assert_int_equal(f.repeated, 3);
    for (int i = 0; i < 2; i++) {
        static const char chunked[] =
            "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
        snprintf(text, sizeof text, "%s3\r\n%03d\r\n0\r\n\r\n", chunked, i);
        client_send(c.fd, text, strlen(text));
        client_expect(&c, 200, i ? "001" : "000");
    }
    assert_int_equal(f.repeated, 4);
    /* A piece of the same head is not yet the same. */
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n";
    for (size_t i = 0; i < sizeof head - 1; i += 20) {
        snprintf(text, sizeof text, "%s%02d", head, (int)i % 100);
        client_send(c.fd, text, i);
        usleep(2000);
        client_send(c.fd, text + i, strlen(text) - i);
        client_expect(&c, 200, text + sizeof head - 1);
    }
    client_close(&c);
    fixture_end(&f);
}

/* Requests that wait keep the head they came with, while others come after it. */
static void test_heads_outlive_their_place(void **state)
{
    enum { COUNT = 6 };
    static fixture f;
    static client c;
    char text[256];
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "GET /echo?%0*d HTTP/1.1\r\n" HOST "\r\n", 40 * (i / 2 + 1), i);
        client_send(c.fd, text, strlen(text));
        post(c.fd, "/async", "", "later", 5);
    }
    for (int i = 0; i < COUNT; i++) {
        client_expect(&c, 200, "");
        client_expect(&c, 200, "later");
    }
    assert_int_equal(f.repeated, 0);
    client_close(&c);
    fixture_end(&f);
}

/* More waits behind a running exchange than is kept: reading pauses, and goes on. */
static void test_pipelined_bytes_are_bounded(void **state)
{
    enum { COUNT = 40, SIZE = 10000 };
    static fixture f;
    static client c;
    (void)state;
    fixture_start(&f, &plain);
    fixture_pause(&f, true);
    client_open(&c, f.port);
    char *bytes = make_bytes(SIZE);
    post(c.fd, "/async", "", "first", 5);
    fixture_wait(&f.ended, 1);
    for (int i = 0; i < COUNT; i++)
        post(c.fd, "/echo", "", bytes, SIZE);
    sv_server_stats stats;
    sv_server_get_stats(f.server, &stats);
    assert_true(stats.memory_bytes <= 256 * 1024);
    assert_int_equal(stats.exchanges, 1);
    fixture_pause(&f, false);
    client_expect(&c, 200, "first");
    for (int i = 0; i < COUNT; i++)
        client_expect(&c, 200, bytes);
    free(bytes);
    client_close(&c);
    fixture_end(&f);
}

static void test_continue(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    client_puts(c.fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\n");
    assert_true(client_read(&c, &a, true));
    assert_int_equal(a.http, 100);
    client_puts(c.fd, "body");
    client_expect(&c, 200, "body");
    /* Whoever does not wait is not told to go on. */
    client_puts(c.fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\nbody");
    client_expect(&c, 200, "body");
    /* Refused before the body: it may never come, so the connection cannot be used again. */
    client_puts(c.fd, "POST /early HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\n");
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.http, 403);
    assert_true(answer_has(&a, "Connection: close"));
    answer_free(&a);
    client_expect_end(&c);
    client_close(&c);
    client_open(&c, f.port);
    client_puts(c.fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: tea\r\nContent-Length: 1\r\n\r\nx");
    client_expect(&c, 417, NULL);
    client_puts(c.fd, GET("/echo"));
    client_expect(&c, 200, "");
    client_close(&c);
    fixture_end(&f);
}

/* A small rest of an unwanted body is read and the connection kept; a large one ends it, and the
 * answer arrives though the client is still sending. */
static void test_early_answers(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    char *bytes = make_bytes(8 << 20);
    post(c.fd, "/early", "", bytes, 60000);
    client_expect(&c, 403, "no");
    post(c.fd, "/piece", "", bytes, 60000);
    client_expect(&c, 200, "enough");
    client_puts(c.fd, "POST /early HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                      "5\r\nhello\r\n0\r\n\r\n");
    client_expect(&c, 403, "no");
    client_puts(c.fd, GET("/echo"));
    client_expect(&c, 200, "");
    post(c.fd, "/early", "", bytes, 8 << 20);
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.http, 403);
    assert_true(answer_has(&a, "Connection: close"));
    answer_free(&a);
    client_expect_end(&c);
    client_close(&c);
    free(bytes);
    fixture_end(&f);
}

/* The first answer, then a 413 that comes before the body is read, both before any reset. */
static void test_early_413_behind_another(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &(sv_server_options){.limits.body_bytes = 1 << 20});
    client_open(&c, f.port);
    char *bytes = make_bytes(4 << 20);
    post(c.fd, "/async", "", "one", 3);
    post(c.fd, "/echo", "", bytes, 4 << 20);
    client_expect(&c, 200, "one");
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.http, 413);
    assert_true(answer_has(&a, "Connection: close"));
    answer_free(&a);
    client_expect_end(&c);
    client_close(&c);
    /* In chunks it is noticed when the limit is passed. */
    client_open(&c, f.port);
    client_puts(c.fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++) {
        client_puts(c.fd, "10000\r\n");
        client_send(c.fd, bytes, 65536);
        client_puts(c.fd, "\r\n");
    }
    client_expect(&c, 413, NULL);
    client_expect_end(&c);
    client_close(&c);
    free(bytes);
    assert_int_equal(f.gone, 1);
    fixture_end(&f);
}

static void test_head_and_old_clients(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    client_puts(c.fd, "HEAD /big?n=1000 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_read(&c, &a, true));
    assert_true(answer_has(&a, "\r\nContent-Length: 1000\r\n"));
    client_puts(c.fd,
                "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi");
    assert_true(client_read(&c, &a, false));
    assert_string_equal(a.body, "hi");
    assert_true(answer_has(&a, "\r\nConnection: keep-alive\r\n"));
    answer_free(&a);
    client_puts(c.fd, "GET /echo HTTP/1.0\r\n\r\n");
    assert_true(client_read(&c, &a, false));
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    answer_free(&a);
    client_expect_end(&c);
    client_close(&c);
    fixture_end(&f);
}

static void test_framing_errors_close(void **state)
{
    static const struct {
        const char *bytes;
        int http;
    } rows[] = {
        {"GET / HTTP/1.1\n\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {"POST /sink HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400},
    };
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client_open(&c, f.port);
        client_puts(c.fd, rows[i].bytes);
        client_puts(c.fd, GET("/echo"));
        assert_true(client_read(&c, &a, false));
        assert_int_equal(a.http, rows[i].http);
        assert_true(answer_has(&a, "Connection: close"));
        assert_non_null(strstr(a.body, "{\"error\":\""));
        answer_free(&a);
        client_expect_end(&c);
        client_close(&c);
    }
    /* A bad path is no error of framing. */
    client_open(&c, f.port);
    client_puts(c.fd, GET("/a%zz"));
    client_expect(&c, 400, NULL);
    client_puts(c.fd, GET("/%65cho"));
    client_expect(&c, 200, "");
    client_close(&c);
    fixture_end(&f);
}

static size_t compress_bytes(const void *data, size_t size, int window, uint8_t *out, size_t room)
{
    z_stream stream = {
        .next_in = data, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static void test_compressed_requests(void **state)
{
    static const char *const paths[] = {"/echo", "/stream", "/sink", "/async"};
    enum { SIZE = 300000, ROOM = 400000 };
    static uint8_t packed[ROOM];
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    char *bytes = make_bytes(SIZE);
    for (int i = 0; i < 8; i++) {
        size_t n = compress_bytes(bytes, SIZE, i % 2 ? 31 : 15, packed, ROOM);
        post(c.fd, paths[i / 2],
             i % 2 ? "Content-Encoding: gzip\r\n" : "Content-Encoding: deflate\r\n", packed, n);
        assert_true(client_read(&c, &a, false));
        assert_int_equal(a.http, 200);
        assert_int_equal(a.size, SIZE);
        assert_memory_equal(a.body, bytes, SIZE);
        answer_free(&a);
    }
    size_t n = compress_bytes("hello", 5, 31, packed, ROOM);
    packed[n] = 'x';
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", packed, n + 1);
    client_expect(&c, 400, NULL);
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", packed, n - 1);
    client_expect(&c, 400, NULL);
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", "nonsense", 8);
    client_expect(&c, 400, NULL);
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", "", 0);
    client_expect(&c, 400, NULL);
    post(c.fd, "/echo", "Content-Encoding: br\r\n", "x", 1);
    client_expect(&c, 415, NULL);
    post(c.fd, "/echo", "Content-Encoding: identity\r\n", "x", 1);
    client_expect(&c, 200, "x");
    free(bytes);
    client_close(&c);
    fixture_end(&f);
}

/* 60 MB in 60 KB: stopped by the ratio, or by the size; a small body may be all zeros. */
static void test_bombs(void **state)
{
    enum { SIZE = 60 << 20, ROOM = 1 << 20 };
    static uint8_t packed[ROOM];
    static fixture f;
    static client c;
    (void)state;
    char *zeros = calloc(1, SIZE);
    size_t large = compress_bytes(zeros, SIZE, 31, packed, ROOM);
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", packed, large);
    client_expect(&c, 413, NULL);
    client_close(&c);
    client_open(&c, f.port);
    size_t small = compress_bytes(zeros, 1 << 20, 31, packed, ROOM);
    post(c.fd, "/drop", "Content-Encoding: gzip\r\n", packed, small);
    client_expect(&c, 200, "1048576");
    client_close(&c);
    fixture_end(&f);
    fixture_start(&f, &(sv_server_options){.limits = {.body_bytes = 100000}});
    client_open(&c, f.port);
    small = compress_bytes(zeros, 100001, 31, packed, ROOM);
    post(c.fd, "/echo", "Content-Encoding: gzip\r\n", packed, small);
    client_expect(&c, 413, NULL);
    small = compress_bytes(zeros, 100000, 31, packed, ROOM);
    post(c.fd, "/drop", "Content-Encoding: gzip\r\n", packed, small);
    client_expect(&c, 200, "100000");
    client_close(&c);
    fixture_end(&f);
    free(zeros);
}

static void check_packed_answer(client *c, const char *accept, const char *coding, int window)
{
    char head[256];
    answer a;
    snprintf(head, sizeof head, "GET /big?n=100000 HTTP/1.1\r\n" HOST "Accept-Encoding: %s\r\n\r\n",
             accept);
    client_puts(c->fd, head);
    assert_true(client_read(c, &a, false));
    assert_int_equal(a.http, 200);
    if (!coding) {
        assert_false(answer_has(&a, "Content-Encoding"));
        assert_int_equal(a.size, 100000);
        answer_free(&a);
        return;
    }
    assert_true(answer_has(&a, coding));
    assert_true(answer_has(&a, "Vary: Accept-Encoding"));
    assert_true(a.size < 10000);
    char *out = malloc(100000);
    z_stream stream = {.next_in = (Bytef *)a.body,
                       .avail_in = (uInt)a.size,
                       .next_out = (Bytef *)out,
                       .avail_out = 100000};
    assert_int_equal(inflateInit2(&stream, window), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_out, 0);
    inflateEnd(&stream);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(out[i], 'a' + i % 26);
    free(out);
    answer_free(&a);
}

static void test_compressed_answers(void **state)
{
    static fixture f;
    static client c;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    check_packed_answer(&c, "gzip", "Content-Encoding: gzip", 31);
    check_packed_answer(&c, "deflate, GZIP;q=0.5", "Content-Encoding: gzip", 31);
    check_packed_answer(&c, "gzip;q=0, deflate", "Content-Encoding: deflate", 15);
    check_packed_answer(&c, "br", NULL, 0);
    check_packed_answer(&c, "identity, gzip;q=0.000", NULL, 0);
    check_packed_answer(&c, "gzip", "Content-Encoding: gzip", 31);
    client_close(&c);
    fixture_end(&f);
}

/* An answer that is larger than every buffer on the way, read late. */
static void test_large_answers(void **state)
{
    static fixture f;
    static client c;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    client_puts(c.fd, GET("/big?n=20000000") GET("/big?n=3000000") GET("/big?n=0"));
    usleep(50000);
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.size, 20000000);
    for (size_t i = 0; i < a.size; i += 997)
        assert_int_equal(a.body[i], 'a' + i % 26);
    answer_free(&a);
    assert_true(client_read(&c, &a, false));
    assert_int_equal(a.size, 3000000);
    answer_free(&a);
    client_expect(&c, 200, "");
    client_close(&c);
    fixture_end(&f);
}

static void test_lost_clients(void **state)
{
    static fixture f;
    static client c;
    struct linger hard = {1, 0};
    (void)state;
    fixture_start(&f, &plain);
    /* While the handler works. */
    client_open(&c, f.port);
    client_puts(c.fd, GET("/hang"));
    fixture_wait(&f.ended, 1);
    client_close(&c);
    fixture_wait(&f.gone, 1);
    fixture_wait(&f.done, 1);
    /* The same, by a reset. */
    client_open(&c, f.port);
    client_puts(c.fd, GET("/hang"));
    fixture_wait(&f.ended, 2);
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    client_close(&c);
    fixture_wait(&f.gone, 2);
    /* In the middle of a body. */
    client_open(&c, f.port);
    client_puts(c.fd, "POST /sink HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    fixture_wait(&f.opened, 3);
    client_close(&c);
    fixture_wait(&f.gone, 3);
    /* While an answer is sent. */
    client_open(&c, f.port);
    client_puts(c.fd, GET("/big?n=50000000"));
    fixture_wait(&f.ended, 3);
    client_close(&c);
    fixture_wait(&f.done, 4);
    fixture_end(&f);
    assert_int_equal(f.gone, 3);
    assert_int_equal(f.lost, 4);
}

/* Requests that came together with the end of the stream are answered, also by other threads. */
static void test_end_behind_requests(void **state)
{
    static fixture f;
    static client c;
    (void)state;
    fixture_start(&f, &(sv_server_options){.loops = 1});
    client_open(&c, f.port);
    client_puts(c.fd, GET("/echo"));
    client_expect(&c, 200, "");
    fixture_block(&f);
    post(c.fd, "/async", "", "one", 3);
    post(c.fd, "/echo", "", "two", 3);
    post(c.fd, "/async", "", "three", 5);
    client_puts(c.fd, "GET /incompl");
    shutdown(c.fd, SHUT_WR);
    fixture_unblock(&f);
    client_expect(&c, 200, "one");
    client_expect(&c, 200, "two");
    client_expect(&c, 200, "three");
    client_expect_end(&c);
    client_close(&c);
    fixture_end(&f);
    assert_int_equal(f.gone, 0);
}

static void test_drain(void **state)
{
    static fixture f;
    static client idle, busy, fresh;
    answer a;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&idle, f.port);
    client_open(&busy, f.port);
    client_open(&fresh, f.port);
    client_puts(idle.fd, GET("/echo"));
    client_expect(&idle, 200, "");
    fixture_pause(&f, true);
    post(busy.fd, "/async", "", "work", 4);
    fixture_wait(&f.ended, 2);
    sv_server_drain(f.server);
    sv_server_drain(f.server);
    client_expect_end(&idle);
    client_expect_end(&fresh);
    fixture_pause(&f, false);
    assert_true(client_read(&busy, &a, false));
    assert_string_equal(a.body, "work");
    assert_true(answer_has(&a, "Connection: close"));
    answer_free(&a);
    client_close(&idle);
    client_close(&busy);
    client_close(&fresh);
    fixture_join(&f);
}

static bool is_watched(int number)
{
    struct sigaction action;
    assert_int_equal(sigaction(number, NULL, &action), 0);
    return action.sa_handler != SIG_DFL;
}

/* Clients can connect as soon as the server is made: a signal may no longer kill it. */
static void test_signals_before_run(void **state)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    static const sv_handler handler;
    sv_server_options options = {.listen = listen, .listen_count = 1, .loops = 2, .signals = true};
    sv_server *server;
    (void)state;
    CHECK_OK(sv_server_create(&options, &handler, &server));
    assert_true(is_watched(SIGTERM) && is_watched(SIGINT));
    sv_server_destroy(server);
    assert_false(is_watched(SIGTERM) || is_watched(SIGINT));

    char address[SV_SERVER_ADDRESS];
    client c;
    CHECK_OK(sv_server_create(&options, &handler, &server));
    sv_server_address(server, 0, address);
    client_open(&c, (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    assert_int_equal(raise(SIGTERM), 0);
    CHECK_OK(sv_server_run(server));
    assert_false(is_watched(SIGTERM) || is_watched(SIGINT));
    sv_server_destroy(server);
    client_close(&c);
}

static void test_stop_and_drain_limit(void **state)
{
    static fixture f;
    static client c;
    (void)state;
    fixture_start(&f, &plain);
    client_open(&c, f.port);
    client_puts(c.fd, GET("/hang"));
    fixture_wait(&f.ended, 1);
    sv_server_stop(f.server);
    client_expect_end(&c);
    client_close(&c);
    fixture_join(&f);
    assert_int_equal(f.gone, 1);
    fixture_start(&f, &(sv_server_options){.drain_limit_ms = 50, .drain_grace_ms = 20});
    client_open(&c, f.port);
    client_puts(c.fd, GET("/hang"));
    fixture_wait(&f.ended, 1);
    sv_server_drain(f.server);
    client_expect_end(&c);
    client_close(&c);
    fixture_join(&f);
    assert_int_equal(f.gone, 1);
}

static void note_limit(void *self)
{
    atomic_fetch_add((_Atomic int *)self, 1);
}

/* Who is asked to answer when the limit has passed, and does not, is cut off all the same. */
static void test_the_limit_is_told(void **state)
{
    static fixture f;
    static client c;
    _Atomic int told = 0;
    (void)state;
    fixture_start(&f, &(sv_server_options){
                          .drain_limit_ms = 20, .on_limit = note_limit, .on_limit_self = &told});
    client_open(&c, f.port);
    client_puts(c.fd, GET("/hang"));
    fixture_wait(&f.ended, 1);
    sv_server_drain(f.server);
    client_expect_end(&c);
    client_close(&c);
    fixture_join(&f);
    assert_int_equal(f.gone, 1);
    assert_int_equal(told, 1);
}

static void test_charges(void **state)
{
    static fixture f;
    static client c;
    (void)state;
    fixture_start(&f, &(sv_server_options){.limits.memory_bytes = 1 << 20});
    client_open(&c, f.port);
    client_puts(c.fd, GET("/charge?n=1000000"));
    client_expect(&c, 200, "charged");
    client_puts(c.fd, GET("/charge?n=2000000"));
    client_expect(&c, 503, NULL);
    client_puts(c.fd, GET("/charge?n=1000000"));
    client_expect(&c, 200, "charged");
    client_close(&c);
    fixture_end(&f);
}

static void test_addresses(void **state)
{
    static const char *const several[] = {"0.0.0.0:0", "localhost:0"};
    static const char *const refused[] = {
        "",       "8080",  ":8080",        "127.0.0.1:",   "127.0.0.1:x", "127.0.0.1:65536",
        "::1:80", "[]:80", "1.2.3.4.5:80", "127.0.0.1:80 "};
    static fixture f;
    static client c;
    sv_server *server;
    char address[SV_SERVER_ADDRESS];
    (void)state;
    fixture_start(&f, &(sv_server_options){.listen = several, .listen_count = 2});
    client_open(&c, f.port);
    client_puts(c.fd, GET("/echo"));
    client_expect(&c, 200, "");
    client_close(&c);
    /* The same port again is refused, with its reason. */
    snprintf(address, sizeof address, "0.0.0.0:%u", f.port);
    const char *taken = address;
    sv_server_options options = {.listen = &taken, .listen_count = 1, .loops = 1};
    CHECK_FAILS(sv_server_create(&options, &f.handler, &server), SV_CODE_UNAVAILABLE, address);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        options.listen = &refused[i];
        CHECK_FAILS(sv_server_create(&options, &f.handler, &server), SV_CODE_INVALID_ARGUMENT,
                    "listen address");
    }
    /* Where there is IPv6 at all. */
    const char *v6 = "[::1]:0";
    options.listen = &v6;
    sv_status status = sv_server_create(&options, &f.handler, &server);
    if (!status) {
        sv_server_address(server, 0, address);
        assert_memory_equal(address, "[::1]:", 6);
        sv_server_destroy(server);
    }
    sv_status_free(status);
    options.listen_count = 0;
    CHECK_FAILS(sv_server_create(&options, &f.handler, &server), SV_CODE_INVALID_ARGUMENT,
                "at least one");
    fixture_end(&f);
}

static sv_status refuse_loop(void *self, sv_loop *loop)
{
    (void)self;
    return sv_loop_index(loop) == 2 ? sv_error(SV_CODE_INTERNAL, "loop 2 is not wanted") : SV_OK;
}

static void test_a_loop_that_does_not_open(void **state)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    static const sv_handler handler = {.loop_open = refuse_loop};
    sv_server_options options = {.listen = listen, .listen_count = 1, .loops = 3};
    sv_server *server;
    (void)state;
    CHECK_OK(sv_server_create(&options, &handler, &server));
    CHECK_FAILS(sv_server_run(server), SV_CODE_INTERNAL, "loop 2");
    sv_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_repeated_heads),
        cmocka_unit_test(test_heads_outlive_their_place),
        cmocka_unit_test(test_pipelined_bytes_are_bounded),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_early_answers),
        cmocka_unit_test(test_early_413_behind_another),
        cmocka_unit_test(test_head_and_old_clients),
        cmocka_unit_test(test_framing_errors_close),
        cmocka_unit_test(test_compressed_requests),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_compressed_answers),
        cmocka_unit_test(test_large_answers),
        cmocka_unit_test(test_lost_clients),
        cmocka_unit_test(test_end_behind_requests),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_signals_before_run),
        cmocka_unit_test(test_stop_and_drain_limit),
        cmocka_unit_test(test_the_limit_is_told),
        cmocka_unit_test(test_charges),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_loop_that_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
