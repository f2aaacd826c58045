#define _GNU_SOURCE /* memmem */
#include "fixture.h"

#include "base/clock.h"
#include "base/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACKED 1000

/* cmocka's checks work on the test's own thread only. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (condition) break;                                                                      \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
        abort();                                                                                   \
    } while (0)

/* The handler's state of one exchange. */
typedef struct echo {
    fixture *f;
    sv_text text;
    char sink[STACKED];
    size_t in_sink;
} echo;

/* Work for the other thread: comes back to the loop with the answer. */
typedef struct job {
    sv_task task;
    struct job *next;
    sv_exchange *x;
    sv_text answer;
} job;

static bool path_is(const sv_exchange *x, const char *name)
{
    sv_string found = x->grpc ? (sv_string){x->head.path.data + 1, x->head.path.size - 1}
                      : x->head.segment_count == 1 ? x->head.segments[0]
                                                   : (sv_string){NULL, 0};
    return found.size == strlen(name) && !memcmp(found.data, name, found.size);
}

static uint64_t query_number(sv_exchange *x, const char *name)
{
    sv_string value;
    return sv_exchange_query(x, name, &value) ? strtoull(value.data, NULL, 10) : 0;
}

static void reply_bytes(sv_exchange *x, int http, const void *data, size_t size)
{
    sv_text body;
    sv_text_init(&body, sv_loop_allocator(x->loop));
    sv_text_append(&body, data, size);
    sv_exchange_reply(x, http, "text/plain", &body);
}

static void finish_job(sv_task *task)
{
    job *j = (job *)task;
    sv_exchange_reply(j->x, 200, "text/plain", &j->answer);
    sv_exchange_release(j->x);
    free(j);
}

static void *work(void *argument)
{
    fixture *f = argument;
    pthread_mutex_lock(&f->mutex);
    for (;;) {
        while ((!f->jobs || f->paused) && !f->worker_ends)
            pthread_cond_wait(&f->changed, &f->mutex);
        if (!f->jobs) break;
        job *j = f->jobs;
        f->jobs = j->next;
        if (!f->jobs) f->jobs_tail = &f->jobs;
        pthread_mutex_unlock(&f->mutex);
        sv_loop_post(j->x->loop, &j->task);
        pthread_mutex_lock(&f->mutex);
    }
    pthread_mutex_unlock(&f->mutex);
    return NULL;
}

static job *give_to_worker(sv_exchange *x)
{
    fixture *f = x->handler->self;
    job *j = calloc(1, sizeof *j);
    j->task.run = finish_job;
    j->x = x;
    sv_text_init(&j->answer, sv_loop_allocator(x->loop));
    sv_text_append(&j->answer, x->body.data, x->body.size);
    sv_exchange_hold(x);
    pthread_mutex_lock(&f->mutex);
    *f->jobs_tail = j;
    f->jobs_tail = &j->next;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->mutex);
    return j;
}

static void on_open(sv_exchange *x)
{
    fixture *f = x->handler->self;
    atomic_fetch_add(&f->opened, 1);
    uint32_t *seen = x->note;
    if (seen && (*seen)++) atomic_fetch_add(&f->repeated, 1);
    echo *e = sv_arena_alloc_zero(&x->arena, sizeof *e);
    if (!e) {
        sv_exchange_fail(x, 503, sv_error_memory("echo", sizeof *e));
        return;
    }
    e->f = f;
    sv_text_init(&e->text, sv_loop_allocator(x->loop));
    x->state = e;
    if (path_is(x, "early")) reply_bytes(x, 403, "no", 2);
    if (path_is(x, "stream") || path_is(x, "piece") || path_is(x, "sink")) x->mode = SV_BODY_STREAM;
    if (path_is(x, "sink")) x->sink = (sv_sink){(uint8_t *)e->sink, STACKED};
    if (path_is(x, "drop")) x->mode = SV_BODY_DROP;
    if (path_is(x, "messages")) x->mode = SV_BODY_MESSAGES;
}

static void resume(sv_task *task)
{
    job *j = (job *)task;
    sv_exchange_resume(j->x);
    sv_exchange_release(j->x);
    sv_text_release(&j->answer);
    free(j);
}

/* "pause" holds back what follows until the worker has had its turn; "fail" ends the call. */
static void on_message(sv_exchange *x, sv_string message)
{
    sv_text text;
    if (message.size == 4 && memcmp(message.data, "fail", 4) == 0) {
        sv_exchange_fail(x, 0, sv_error_invalid("as \xc3\xa4sked: 100%%"));
        return;
    }
    sv_text_init(&text, sv_loop_allocator(x->loop));
    sv_text_append(&text, message.data, message.size);
    sv_exchange_send(x, &text);
    if (message.size != 5 || memcmp(message.data, "pause", 5) != 0) return;
    sv_exchange_pause(x);
    give_to_worker(x)->task.run = resume;
}

static void on_body(sv_exchange *x, const uint8_t *data, size_t size)
{
    echo *e = x->state;
    if (path_is(x, "piece")) {
        reply_bytes(x, 200, "enough", 6);
        return;
    }
    if (path_is(x, "sink") && e->in_sink < STACKED) {
        REQUIRE((const char *)data == e->sink + e->in_sink);
        e->in_sink += size;
        REQUIRE(x->sink.room == STACKED - e->in_sink);
    }
    sv_text_append(&e->text, data, size);
}

static void fail_with_allow(sv_exchange *x)
{
    sv_exchange_add_header(x, "Allow", "GET, POST");
    sv_exchange_add_header(x, "X-Bad", "a\r\nb: c");
    sv_exchange_add_header(x, "Content-Length", "7");
    sv_exchange_fail(x, 405, sv_error_invalid("wrong \"method\""));
}

static void reply_big(sv_exchange *x)
{
    uint64_t n = query_number(x, "n");
    sv_text body;
    sv_text_init(&body, sv_loop_allocator(x->loop));
    char *room = sv_text_reserve(&body, n);
    for (uint64_t i = 0; room && i < n; i++)
        room[i] = (char)('a' + i % 26);
    if (room) body.size = n;
    sv_exchange_reply(x, 200, "text/plain", &body);
}

static void reply_charge(sv_exchange *x)
{
    sv_status status = sv_exchange_charge(x, query_number(x, "n"));
    if (status)
        sv_exchange_fail(x, 503, status);
    else
        reply_bytes(x, 200, "charged", 7);
}

static void on_end(sv_exchange *x)
{
    echo *e = x->state;
    char number[32];
    atomic_fetch_add(&e->f->ended, 1);
    if (path_is(x, "hang")) {
        sv_exchange_hold(x);
    } else if (path_is(x, "messages")) {
        sv_exchange_reply(x, 200, NULL, NULL);
    } else if (path_is(x, "async")) {
        give_to_worker(x);
    } else if (path_is(x, "keep")) {
        const char *before = x->body.data;
        REQUIRE(!sv_exchange_keep_body(x));
        if (before) memset(e->sink, 0, sizeof e->sink);
        give_to_worker(x);
    } else if (path_is(x, "drop")) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)x->received);
        reply_bytes(x, 200, number, strlen(number));
    } else if (path_is(x, "fail")) {
        fail_with_allow(x);
    } else if (path_is(x, "big")) {
        reply_big(x);
    } else if (path_is(x, "charge")) {
        reply_charge(x);
    } else if (x->mode == SV_BODY_STREAM) {
        sv_exchange_reply(x, 200, "text/plain", &e->text);
    } else {
        x->close = path_is(x, "close");
        reply_bytes(x, 200, x->body.data, x->body.size);
    }
}

static void on_drain(sv_exchange *x)
{
    sv_exchange_fail(x, 0, sv_error(SV_CODE_UNAVAILABLE, "drained"));
}

static void on_gone(sv_exchange *x)
{
    echo *e = x->state;
    atomic_fetch_add(&e->f->gone, 1);
    /* Late answers are dropped, and their memory with them. */
    reply_bytes(x, 200, "late", 4);
    sv_exchange_fail(x, 0, sv_error_internal("late"));
    if (path_is(x, "hang") && x->at.body) sv_exchange_release(x);
}

static void on_done(sv_exchange *x)
{
    fixture *f = x->handler->self;
    echo *e = x->state;
    if (e) sv_text_release(&e->text);
    if (x->http) REQUIRE(x->at.last >= x->at.head);
    if (x->at.body && x->http) REQUIRE(x->at.body >= x->at.head);
    if (x->opened) REQUIRE(x->at.head >= x->at.first && x->at.first > 0);
    if (x->lost) atomic_fetch_add(&f->lost, 1);
    if (x->failed) atomic_fetch_add(&f->failed, 1);
    atomic_fetch_add(&f->done_received, x->received);
    atomic_fetch_add(&f->done, 1);
}

static sv_status on_loop_open(void *self, sv_loop *loop)
{
    fixture *f = self;
    sv_loop_set_user(loop, f);
    atomic_fetch_add(&f->loops_open, 1);
    return SV_OK;
}

static void on_loop_close(void *self, sv_loop *loop)
{
    fixture *f = self;
    REQUIRE(sv_loop_user(loop) == f);
    atomic_fetch_sub(&f->loops_open, 1);
}

static void *run_server(void *argument)
{
    REQUIRE(!sv_server_run(((fixture *)argument)->server));
    return NULL;
}

void fixture_start(fixture *f, const sv_server_options *options)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    sv_server_options own = *options;
    memset(f, 0, sizeof *f);
    f->handler = (sv_handler){.self = f,
                              .open = on_open,
                              .body = on_body,
                              .message = on_message,
                              .end = on_end,
                              .drain = on_drain,
                              .gone = on_gone,
                              .done = on_done,
                              .loop_open = on_loop_open,
                              .loop_close = on_loop_close};
    f->jobs_tail = &f->jobs;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    if (!own.listen) {
        own.listen = listen;
        own.listen_count = 1;
    }
    if (!own.loops) own.loops = 2;
    CHECK_OK(sv_server_create(&own, &f->handler, &f->server));
    sv_server_address(f->server, 0, f->address);
    f->port = (uint16_t)strtoul(strrchr(f->address, ':') + 1, NULL, 10);
    CHECK_OK(sv_thread_start(&f->worker, "worker", work, f));
    CHECK_OK(sv_thread_start(&f->thread, "server", run_server, f));
}

void fixture_join(fixture *f)
{
    pthread_join(f->thread, NULL);
    pthread_mutex_lock(&f->mutex);
    f->worker_ends = true;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->mutex);
    pthread_join(f->worker, NULL);
    sv_server_stats stats;
    sv_server_get_stats(f->server, &stats);
    /* Everything that was charged has been given back, and every exchange was heard of. */
    assert_int_equal(stats.memory_bytes, 0);
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.exchanges, f->done);
    assert_int_equal(f->loops_open, 0);
    sv_server_destroy(f->server);
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->changed);
}

void fixture_end(fixture *f)
{
    sv_server_drain(f->server);
    fixture_join(f);
}

void fixture_pause(fixture *f, bool paused)
{
    pthread_mutex_lock(&f->mutex);
    f->paused = paused;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

void fixture_wait(atomic_uint *counter, unsigned least)
{
    uint64_t limit = sv_clock_ns() + 20000000000;
    while (atomic_load(counter) < least && sv_clock_ns() < limit)
        usleep(1000);
    assert_true(atomic_load(counter) >= least);
}

static struct {
    sv_task task;
    sem_t blocked, go;
} blocker;

static void run_blocker(sv_task *task)
{
    (void)task;
    sem_post(&blocker.blocked);
    sem_wait(&blocker.go);
}

void fixture_block(fixture *f)
{
    sem_init(&blocker.blocked, 0, 0);
    sem_init(&blocker.go, 0, 0);
    blocker.task.run = run_blocker;
    sv_loop_post(sv_server_loop(f->server, 0), &blocker.task);
    sem_wait(&blocker.blocked);
}

void fixture_unblock(fixture *f)
{
    (void)f;
    sem_post(&blocker.go);
}

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {20, 0};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void client_send(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

void client_puts(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

void client_open(client *c, uint16_t port)
{
    c->size = 0;
    c->fd = client_connect(port);
}

void client_close(client *c)
{
    close(c->fd);
    c->fd = -1;
}

/* Reads more; 0 at the end of the stream. */
static size_t read_more(client *c)
{
    assert_true(c->size < sizeof c->data);
    ssize_t n = recv(c->fd, c->data + c->size, sizeof c->data - c->size, 0);
    if (n < 0) print_error("client: %s\n", strerror(errno));
    assert_true(n >= 0);
    c->size += (size_t)n;
    return (size_t)n;
}

static void drop(client *c, size_t size)
{
    memmove(c->data, c->data + size, c->size - size);
    c->size -= size;
}

static bool read_head(client *c, answer *a)
{
    char *end;
    while (!(end = memmem(c->data, c->size, "\r\n\r\n", 4)))
        if (!read_more(c)) {
            assert_int_equal(c->size, 0);
            return false;
        }
    size_t size = (size_t)(end - c->data) + 2;
    assert_true(size < sizeof a->head);
    memcpy(a->head, c->data, size);
    a->head[size] = '\0';
    drop(c, size + 2);
    assert_memory_equal(a->head, "HTTP/1.1 ", 9);
    a->http = (int)strtol(a->head + 9, NULL, 10);
    return true;
}

bool client_read(client *c, answer *a, bool head_only)
{
    memset(a, 0, sizeof *a);
    if (!read_head(c, a)) return false;
    const char *length = strstr(a->head, "\r\nContent-Length: ");
    if (head_only || !length) return true;
    a->size = strtoull(length + 18, NULL, 10);
    a->body = calloc(1, a->size + 1);
    for (size_t have = 0; have < a->size;) {
        if (!c->size) assert_true(read_more(c) > 0);
        size_t n = c->size < a->size - have ? c->size : a->size - have;
        memcpy(a->body + have, c->data, n);
        drop(c, n);
        have += n;
    }
    return true;
}

void client_expect(client *c, int http, const char *body)
{
    answer a;
    assert_true(client_read(c, &a, false));
    if (a.http != http) print_error("answer: %s%s\n", a.head, a.body ? a.body : "");
    assert_int_equal(a.http, http);
    if (body) assert_string_equal(a.body, body);
    answer_free(&a);
}

void client_expect_end(client *c)
{
    if (c->size) print_error("left: %.*s\n", (int)c->size, c->data);
    assert_int_equal(c->size, 0);
    assert_int_equal(read_more(c), 0);
}

bool answer_has(const answer *a, const char *header)
{
    return strstr(a->head, header) != NULL;
}

void answer_free(answer *a)
{
    free(a->body);
    a->body = NULL;
}
