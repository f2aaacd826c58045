/* Reading, writing and ending one connection. recv and send are called here and nowhere else, which
 * makes this the place where an encrypted connection differs. */
#include "net/conn.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "net/server_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one connection may read or send in one round before the others get their turn. */
#define READS_PER_ROUND 4
#define READS_PER_ROUND_TLS 16 /* records, of at most 16 KiB */
#define SENDS_PER_ROUND 4
#define SENDS_PER_ROUND_TLS 64
#define SEND_VECTORS 16
#define SINK_MAX ((size_t)512 << 10)
/* Kept for a connection that has nothing waiting. */
#define IN_MIN 4096

static void on_socket_event(evutil_socket_t fd, short what, void *user);
static void on_socket_writable(evutil_socket_t fd, short what, void *user);
static void run_read(sv_task *task);
static void run_send(sv_task *task);
static void run_free(sv_task *task);

static void start_reading(sv_conn *c)
{
    if (c->reading || c->ended || c->dead) return;
    c->reading = true;
    event_add(&c->read_event, NULL);
    /* What is decrypted already would not be announced. */
    if (c->tls && sv_tls_has_pending(c->tls)) sv_conn_resume(c);
}

static void stop_reading(sv_conn *c)
{
    if (!c->reading) return;
    c->reading = false;
    event_del(&c->read_event);
}

bool sv_conn_create(sv_hub *hub, int fd, const sv_peer *peer)
{
    struct event_base *base = sv_loop_base(hub->loop);
    sv_conn *c = sv_alloc_zero(hub->allocator, sizeof *c);
    if (!c) {
        close(fd);
        return false;
    }
    c->hub = hub;
    c->fd = fd;
    c->peer = *peer;
    c->proto = &sv_proto_sniff;
    c->read_task.run = run_read;
    c->send_task.run = run_send;
    c->free_task.run = run_free;
    sv_output_init(&c->out, &hub->blocks);
    /* EV_CLOSED tells, without another recv, that the end follows what is being read. */
    event_assign(&c->read_event, base, fd, EV_READ | EV_CLOSED | EV_PERSIST, on_socket_event, c);
    event_assign(&c->write_event, base, fd, EV_WRITE, on_socket_writable, c);
    sv_link_init(&c->link);
    if (hub->server->tls && !peer->local) {
        c->tls = sv_tls_create(hub->server->tls, fd);
        if (!c->tls) {
            sv_free(hub->allocator, c, sizeof *c);
            close(fd);
            return false;
        }
        /* A handshake has the time of a head. */
        c->stage = SV_STAGE_HEAD;
    }
    sv_list_append(&hub->stages[c->stage], &c->link);
    c->since = sv_loop_now(hub->loop);
    start_reading(c);
    sv_hub_conn_opened(hub);
    return true;
}

/* What waits in connections counts as memory too. False: there is too much of it. */
static bool set_in_capacity(sv_conn *c, size_t capacity)
{
    size_t old = c->in_capacity;
    c->in_capacity = capacity;
    if (capacity > old) return sv_hub_charge(c->hub, capacity - old);
    sv_hub_uncharge(c->hub, old - capacity);
    return true;
}

static void release_in(sv_conn *c)
{
    sv_free(c->hub->allocator, c->in, c->in_capacity);
    (void)set_in_capacity(c, 0);
    c->in = NULL;
    c->in_at = c->in_size = 0;
}

static void run_free(sv_task *task)
{
    sv_conn *c = SV_CONTAINER(task, sv_conn, free_task);
    /* Its other tasks run in earlier phases: one queued during this phase must have its turn first.
     */
    if (c->read_queued || c->send_queued) {
        sv_loop_defer(c->hub->loop, SV_PHASE_FREE, task);
        return;
    }
    sv_hub *hub = c->hub;
    release_in(c);
    sv_free(hub->allocator, c, sizeof *c);
    sv_hub_conn_freed(hub);
}

void sv_conn_kill(sv_conn *c)
{
    if (c->dead) return;
    c->dead = true;
    stop_reading(c);
    event_del(&c->write_event);
    sv_tls_destroy(c->tls);
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    sv_link_remove(&c->link);
    if (c->proto->closed) c->proto->closed(c);
    sv_output_release(&c->out);
    sv_hub_conn_closed(c->hub);
    sv_loop_defer(c->hub->loop, SV_PHASE_FREE, &c->free_task);
}

void sv_conn_abort(sv_conn *c)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    if (c->dead) return;
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    sv_conn_kill(c);
}

void sv_conn_restart_stage(sv_conn *c)
{
    sv_link_remove(&c->link);
    sv_list_append(&c->hub->stages[c->stage], &c->link);
    c->since = sv_loop_now(c->hub->loop);
    c->since_sent = c->sent;
}

void sv_conn_set_stage(sv_conn *c, sv_stage stage)
{
    if (c->dead || c->stage == stage) return;
    c->stage = stage;
    sv_conn_restart_stage(c);
}

static void queue_send(sv_conn *c)
{
    if (c->send_queued || c->dead) return;
    c->send_queued = true;
    sv_loop_defer(c->hub->loop, SV_PHASE_SEND, &c->send_task);
}

void sv_conn_wake(sv_conn *c)
{
    if (!c->blocked) queue_send(c);
}

void sv_conn_finish(sv_conn *c, bool linger)
{
    c->closing = true;
    c->linger |= linger;
    queue_send(c);
}

void sv_conn_resume(sv_conn *c)
{
    if (c->read_queued || c->dead) return;
    c->read_queued = true;
    sv_loop_defer(c->hub->loop, SV_PHASE_READ, &c->read_task);
}

void sv_conn_write(sv_conn *c, const void *data, size_t size)
{
    if (c->dead) return;
    char *room = sv_output_reserve(&c->out, size);
    if (!room) {
        sv_conn_kill(c);
        return;
    }
    memcpy(room, data, size);
    sv_output_commit(&c->out, size);
    c->queued += size;
    if (!c->blocked) queue_send(c);
}

void sv_conn_take(sv_conn *c, sv_text *text)
{
    size_t size = text->size;
    if (c->dead || !sv_output_take(&c->out, text)) {
        sv_text_release(text);
        if (size) sv_conn_kill(c);
        return;
    }
    c->queued += size;
    if (!c->blocked) queue_send(c);
}

/* Everything was sent and nothing more comes. */
static void end_output(sv_conn *c)
{
    if (!c->linger || c->ended) {
        if (c->tls) sv_tls_end(c->tls);
        sv_conn_kill(c);
        return;
    }
    if (c->stage == SV_STAGE_LINGER) return;
    if (c->tls) sv_tls_end(c->tls);
    shutdown(c->fd, SHUT_WR);
    sv_conn_set_stage(c, SV_STAGE_LINGER);
    release_in(c);
    start_reading(c);
}

/* Sends the first bytes of the output, as send. */
static ssize_t send_first(sv_conn *c)
{
    struct iovec vectors[SEND_VECTORS];
    int count = sv_output_peek(&c->out, vectors, c->tls ? 1 : SEND_VECTORS);
    if (c->tls) return sv_tls_write(c->tls, vectors[0].iov_base, vectors[0].iov_len);
    /* The common case, for which the kernel has less to do. */
    if (count == 1) return send(c->fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
    return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

/* One send. False: the socket takes no more for now, or the connection is dead. */
static bool send_once(sv_conn *c)
{
    ssize_t n = send_first(c);
    if (n >= 0) {
        sv_output_drop(&c->out, (size_t)n);
        c->sent += (uint64_t)n;
        sv_counter_add(&c->hub->bytes_out, (uint64_t)n);
        return true;
    }
    if (errno == EINTR) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        c->blocked = true;
        sv_output_settle(&c->out);
        event_add(&c->write_event, NULL);
    } else {
        sv_conn_kill(c);
    }
    return false;
}

static void send_output(sv_conn *c)
{
    uint64_t before = c->sent;
    /* Records go one by one, and hold little. */
    int most = c->tls ? SENDS_PER_ROUND_TLS : SENDS_PER_ROUND;
    for (int i = 0; c->out.size && !c->blocked && !c->dead; i++) {
        if (i == most) {
            queue_send(c);
            break;
        }
        send_once(c);
    }
    if (!c->dead && c->sent != before && c->proto->sent) c->proto->sent(c);
    if (!c->dead && c->closing && !c->out.size) end_output(c);
}

static void run_send(sv_task *task)
{
    sv_conn *c = SV_CONTAINER(task, sv_conn, send_task);
    /* What `fill` adds needs no other turn than this one. */
    if (!c->dead && c->proto->fill) c->proto->fill(c);
    c->send_queued = false;
    if (!c->dead && !c->blocked) send_output(c);
}

static void on_socket_writable(evutil_socket_t fd, short what, void *user)
{
    sv_conn *c = user;
    (void)fd;
    (void)what;
    c->blocked = false;
    queue_send(c);
    /* A handshake that had more to say is driven by reading. */
    if (c->tls && !sv_tls_is_open(c->tls)) sv_conn_resume(c);
}

/* Keeps `size` bytes behind those already kept. */
static bool keep(sv_conn *c, const uint8_t *data, size_t size)
{
    size_t have = c->in_size - c->in_at;
    if (c->in_at && c->in_size + size > c->in_capacity) {
        memmove(c->in, c->in + c->in_at, have);
        c->in_at = 0;
        c->in_size = have;
    }
    if (c->in_size + size > c->in_capacity) {
        size_t capacity = c->in_capacity ? c->in_capacity : IN_MIN;
        while (capacity < c->in_size + size)
            capacity *= 2;
        uint8_t *in = sv_realloc(c->hub->allocator, c->in, c->in_capacity, capacity);
        if (!in) return false;
        c->in = in;
        if (!set_in_capacity(c, capacity) || c->dead) return false;
    }
    memcpy(c->in + c->in_size, data, size);
    c->in_size += size;
    return true;
}

/* Gives the protocol what is kept. */
static void feed_kept(sv_conn *c)
{
    size_t size = c->in_size - c->in_at;
    uint8_t *data = size ? c->in + c->in_at : c->hub->scratch;
    size_t used = c->closing ? size : c->proto->feed(c, data, size);
    c->in_at += used;
    if (c->in_at == c->in_size) release_in(c);
}

static void take_input(sv_conn *c, uint8_t *data, size_t size)
{
    if (c->closing) return;
    size_t used = c->in_size ? 0 : c->proto->feed(c, data, size);
    if (c->dead || used == size) return;
    bool kept = c->in_size > 0;
    if (!keep(c, data + used, size - used))
        sv_conn_kill(c);
    else if (kept)
        feed_kept(c);
}

/* Reading pauses while too much waits behind a running exchange; nothing waits at an end. */
static void settle_reading(sv_conn *c)
{
    if (c->dead) return;
    if (c->in_size - c->in_at >= c->hub->limits->pipelined_bytes)
        stop_reading(c);
    else
        start_reading(c);
}

static void end_input(sv_conn *c)
{
    c->ended = true;
    stop_reading(c);
    if (c->closing) {
        /* Nobody waits for the rest of a lingering connection. */
        if (!c->out.size) sv_conn_kill(c);
        return;
    }
    c->proto->ended(c);
}

/* One recv, straight into the protocol's own memory as far as it has some: then `*room` says how
 * much. */
static ssize_t receive(sv_conn *c, size_t *room, size_t *asked)
{
    struct iovec vectors[2];
    uint8_t *at = NULL;
    *room = 0;
    if (!c->in_size && !c->closing) c->proto->sink(c, &at, room);
    if (*room > SINK_MAX) *room = SINK_MAX;
    if (c->tls) {
        if (!*room) at = c->hub->scratch;
        *asked = *room ? *room : SV_HUB_SCRATCH;
        return sv_tls_read(c->tls, at, *asked);
    }
    /* What follows the end of a body comes with the same call. */
    bool spill = *room < SINK_MAX;
    *asked = *room + (spill ? SV_HUB_SCRATCH : 0);
    if (!*room) return recv(c->fd, c->hub->scratch, SV_HUB_SCRATCH, 0);
    vectors[0] = (struct iovec){at, *room};
    vectors[1] = (struct iovec){c->hub->scratch, SV_HUB_SCRATCH};
    return readv(c->fd, vectors, spill ? 2 : 1);
}

/* False: nothing more is there for now, or the connection ended. */
static bool read_once(sv_conn *c, bool to_the_end)
{
    size_t room, asked;
    ssize_t got = receive(c, &room, &asked);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        if (c->tls && sv_tls_wants_write(c->tls)) event_add(&c->write_event, NULL);
        return false;
    }
    if (got < 0) {
        sv_conn_kill(c);
        return false;
    }
    if (got == 0) {
        end_input(c);
        return false;
    }
    size_t n = (size_t)got, sunk = n < room ? n : room;
    c->read_at = sv_clock_ns();
    if (c->proto == &sv_proto_sniff) sv_conn_set_stage(c, SV_STAGE_IDLE);
    sv_counter_add(&c->hub->bytes_in, n);
    if (sunk) c->proto->sunk(c, sunk);
    if (!c->dead && n > sunk) take_input(c, c->hub->scratch, n - sunk);
    settle_reading(c);
    if (c->tls) return c->reading;
    return c->reading && (to_the_end || n == asked);
}

static void read_socket(sv_conn *c, short what)
{
    c->pass++;
    int most = c->tls ? READS_PER_ROUND_TLS : READS_PER_ROUND;
    for (int i = 0; i < most && !c->dead; i++)
        if (!read_once(c, what & EV_CLOSED)) return;
    /* What is decrypted already would not be announced. */
    if (!c->dead && c->tls && sv_tls_has_pending(c->tls)) sv_conn_resume(c);
}

/* Once a round: what comes while a round's requests wait to be run, an end above all, is found when
 * they have been answered. */
static void on_socket_event(evutil_socket_t fd, short what, void *user)
{
    sv_conn *c = user;
    const uint64_t round = sv_loop_round(c->hub->loop);
    (void)fd;
    if (c->round == round) return;
    c->round = round;
    read_socket(c, what);
}

static void run_read(sv_task *task)
{
    sv_conn *c = SV_CONTAINER(task, sv_conn, read_task);
    c->read_queued = false;
    if (c->dead) return;
    feed_kept(c);
    if (!c->dead && c->ended && !c->closing) c->proto->ended(c);
    settle_reading(c);
    if (!c->dead && c->tls && c->reading) read_socket(c, EV_READ);
}
