/* HTTP/2 connections and gRPC calls on arbitrary bytes that arrive in arbitrary pieces: a real
 * connection over a socket pair, on a loop that is run round by round.
 *
 * Input: one byte, of which the low 7 bits say how many bytes arrive at a time (0: all at once) and
 * the highest whether the bytes follow a client's preface and SETTINGS; the rest is the stream.
 * Whatever comes, every exchange that was opened must be done when the peer has gone, and all that
 * was charged must be given back. */
#include "base/status.h"
#include "net/conn.h"
#include "net/grpc.h"
#include "net/server_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (condition) break;                                                                      \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
        abort();                                                                                   \
    } while (0)

/* Rounds that may pass without an end: more means that something never comes to rest. */
#define ROUNDS_MAX 4000
/* So many pieces, then the rest at once: long streams in short pieces would take all the time. */
#define PIECES_MAX 400

static sv_server *server;
static unsigned begun, gone, done;

static void echo(sv_exchange *x, sv_string data)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_append(&text, data.data, data.size);
    if (x->mode == SV_BODY_MESSAGES)
        sv_exchange_send(x, &text);
    else
        sv_exchange_reply(x, 200, "text/plain", &text);
}

/* The path's second character says what becomes of the body. */
static void on_open(sv_exchange *x)
{
    char kind = x->head.path.size > 1 ? x->head.path.data[1] : 'e';
    begun++;
    x->state = x;
    if (kind == 'm' && x->grpc) x->mode = SV_BODY_MESSAGES;
    if (kind == 's') x->mode = SV_BODY_STREAM;
    if (kind == 'd') x->mode = SV_BODY_DROP;
    if (kind == 'o') echo(x, x->head.path);
}

static void on_body(sv_exchange *x, const uint8_t *data, size_t size)
{
    REQUIRE(data && size && x->mode == SV_BODY_STREAM);
}

static void on_message(sv_exchange *x, sv_string message)
{
    REQUIRE(x->mode == SV_BODY_MESSAGES && sv_exchange_is_waiting(x));
    echo(x, message);
    if (message.size == 1) sv_exchange_fail(x, 0, sv_error_invalid("one byte"));
}

/* 'h' is answered by nobody: it waits until the peer is gone. */
static void on_end(sv_exchange *x)
{
    if (x->head.path.size > 1 && x->head.path.data[1] == 'h') return;
    if (x->mode == SV_BODY_MESSAGES)
        sv_exchange_reply(x, 200, NULL, NULL);
    else
        echo(x, x->mode == SV_BODY_GATHER ? x->body : (sv_string){"", 0});
}

static void on_gone(sv_exchange *x)
{
    REQUIRE(x->state == x);
    gone++;
}

static void on_done(sv_exchange *x)
{
    REQUIRE(x->opened == (x->state == x));
    done++;
}

static const sv_handler handler = {.open = on_open,
                                   .body = on_body,
                                   .message = on_message,
                                   .end = on_end,
                                   .gone = on_gone,
                                   .done = on_done};

static void start_server(void)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    const sv_server_options options = {
        .listen = listen,
        .listen_count = 1,
        .loops = 1,
        .limits = {.head_bytes = 4096, .body_bytes = 20000, .output_bytes = 4096},
    };
    REQUIRE(sv_server_create(&options, &handler, &server) == SV_OK);
}

static void stop_round(sv_task *task)
{
    (void)task;
    sv_loop_stop(server->hubs[0]->loop);
}

static void run_round(void)
{
    sv_task stop = {.run = stop_round};
    sv_loop_defer(server->hubs[0]->loop, SV_PHASE_FREE, &stop);
    REQUIRE(sv_loop_run(server->hubs[0]->loop) == SV_OK);
}

static void discard(int fd)
{
    static char buffer[1 << 16];
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
}

static void feed(int fd, const uint8_t *data, size_t size, size_t step)
{
    for (size_t at = 0, pieces = 0; at < size; pieces++) {
        size_t n = step && step < size - at && pieces < PIECES_MAX ? step : size - at;
        ssize_t sent = send(fd, data + at, n, MSG_NOSIGNAL);
        if (sent < 0) break;
        at += (size_t)sent;
        run_round();
        discard(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static const sv_peer peer;
    int pair[2];
    if (size < 1) return 0;
    if (!server) start_server();
    sv_hub *hub = server->hubs[0];
    begun = gone = done = 0;
    REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
    hub->load++;
    server->connections++;
    REQUIRE(sv_conn_create(hub, pair[0], &peer));
    if (data[0] & 128) feed(pair[1], (const uint8_t *)preface, sizeof preface, 0);
    feed(pair[1], data + 1, size - 1, data[0] & 127);
    run_round();
    close(pair[1]);
    for (int i = 0; hub->conn_count || hub->exchange_count; i++) {
        REQUIRE(i < ROUNDS_MAX);
        run_round();
    }
    REQUIRE(begun <= done && gone <= begun);
    REQUIRE(server->memory.used == 0);
    return 0;
}
