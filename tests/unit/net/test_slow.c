/* Clients that are too slow, in every phase of an exchange; and those that are just fast enough. */
#include "fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: h\r\n"

static const sv_server_options quick = {
    .limits = {.head_ms = 200, .idle_ms = 300, .body_grace_ms = 300, .body_rate = 1000}};

static void test_slow_heads_and_idling(void **state)
{
    static fixture f;
    static client idle, fresh, head, rest;
    answer a;
    (void)state;
    fixture_start(&f, &quick);
    client_open(&fresh, f.port);
    client_open(&idle, f.port);
    client_puts(idle.fd, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&idle, 200, "");
    client_open(&head, f.port);
    client_puts(head.fd, "GET /echo HTTP/1.1\r\nHo");
    client_open(&rest, f.port);
    client_puts(rest.fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nab");
    client_expect(&rest, 403, "no");
    assert_true(client_read(&head, &a, false));
    assert_int_equal(a.http, 408);
    assert_true(answer_has(&a, "Connection: close"));
    answer_free(&a);
    client_expect_end(&head);
    client_expect_end(&idle);
    client_expect_end(&fresh);
    client_expect_end(&rest);
    sv_server_stats stats;
    sv_server_get_stats(f.server, &stats);
    assert_int_equal(stats.timed_out, 4);
    client_close(&head);
    client_close(&idle);
    client_close(&fresh);
    client_close(&rest);
    fixture_end(&f);
    assert_int_equal(f.gone, 0);
}

static void test_slow_bodies(void **state)
{
    static fixture f;
    static client still, chunked, steady;
    static const char piece[200];
    (void)state;
    fixture_start(&f, &quick);
    client_open(&still, f.port);
    client_puts(still.fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc");
    client_open(&chunked, f.port);
    client_puts(chunked.fd,
                "POST /sink HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client_open(&steady, f.port);
    client_puts(steady.fd, "POST /drop HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        client_send(steady.fd, piece, sizeof piece);
        usleep(20000);
    }
    client_expect(&steady, 200, "20000");
    client_expect(&still, 408, NULL);
    client_expect_end(&still);
    client_expect(&chunked, 408, NULL);
    client_expect_end(&chunked);
    client_close(&still);
    client_close(&chunked);
    client_close(&steady);
    fixture_end(&f);
    assert_int_equal(f.gone, 2);
}

/* Whoever does not take the answer loses the connection, and the memory of the answer is free. */
static void test_slow_readers(void **state)
{
    static fixture f;
    static client c;
    int small = 4096;
    (void)state;
    fixture_start(&f, &quick);
    client_open(&c, f.port);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_puts(c.fd, "GET /big?n=60000000 HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait(&f.lost, 1);
    client_close(&c);
    fixture_end(&f);
    assert_int_equal(f.gone, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_heads_and_idling),
        cmocka_unit_test(test_slow_bodies),
        cmocka_unit_test(test_slow_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
