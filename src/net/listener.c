/* Accepting: on the first loop, which gives each connection to the loop that has the fewest. When
 * descriptors or places run out, listening pauses (else the poller would spin on a socket that
 * stays readable), long-idle connections are closed, and clients wait in the kernel's queue. */
#define _GNU_SOURCE /* accept4 */
#include "net/server_impl.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "net/address.h"
#include "net/conn.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_PER_ROUND 64
#define RETRY_NS ((uint64_t)500 * 1000000)

struct sv_listener {
    struct sv_server *server;
    struct event event;
    int fd;
    bool admin, metrics; /* as in sv_peer */
    char *path;          /* of a socket in the file system, removed with it; NULL: none */
};

/* A connection on its way to another loop. */
typedef struct handover {
    sv_task task;
    sv_hub *hub;
    int fd;
    sv_peer peer;
} handover;

static void on_connection(evutil_socket_t fd, short what, void *user);
static void run_resume(sv_task *task);
static void on_retry(sv_timer *timer, void *user);

static sv_status open_listener(struct sv_server *server, sv_listener *listener, const char *address)
{
    SV_TRY(sv_address_listen(address, &listener->fd));
    listener->server = server;
    const char *path = sv_address_path(address);
    if (path && !(listener->path = strdup(path))) {
        unlink(path);
        close(listener->fd);
        return sv_error_memory("listener", strlen(path));
    }
    event_assign(&listener->event, sv_loop_base(server->hubs[0]->loop), listener->fd,
                 EV_READ | EV_PERSIST, on_connection, listener);
    server->listener_count++;
    return SV_OK;
}

sv_status sv_listeners_create(struct sv_server *server, const sv_server_options *options)
{
    uint32_t count = options->listen_count;
    if (!count) return sv_error_invalid("server: expected at least one address to listen on");
    size_t size = count * sizeof *server->listeners;
    server->listeners = sv_alloc_zero(server->allocator, size);
    if (!server->listeners) return sv_error_memory("listeners", size);
    server->listener_room = count;
    server->resume_task.run = run_resume;
    SV_TRY(sv_timer_create(server->hubs[0]->loop, on_retry, server, &server->retry_timer));
    for (uint32_t i = 0; i < count; i++) {
        sv_listener *listener = &server->listeners[i];
        SV_TRY(open_listener(server, listener, options->listen[i]));
        listener->metrics = i + options->metrics_count >= count;
        listener->admin =
            !listener->metrics && i + options->metrics_count + options->admin_count >= count;
    }
    return SV_OK;
}

static void pause_events(struct sv_server *server)
{
    for (uint32_t i = 0; i < server->listener_count; i++)
        event_del(&server->listeners[i].event);
}

void sv_listeners_stop(struct sv_server *server)
{
    if (server->retry_timer) sv_timer_clear(server->retry_timer);
    pause_events(server);
    for (uint32_t i = 0; i < server->listener_count; i++) {
        sv_listener *listener = &server->listeners[i];
        if (listener->fd >= 0) close(listener->fd);
        listener->fd = -1;
        if (listener->path) unlink(listener->path);
        free(listener->path);
        listener->path = NULL;
    }
    server->listening = false;
}

void sv_listeners_destroy(struct sv_server *server)
{
    sv_listeners_stop(server);
    sv_timer_destroy(server->retry_timer);
    sv_free(server->allocator, server->listeners,
            server->listener_room * sizeof *server->listeners);
}

void sv_listeners_start(struct sv_server *server)
{
    server->listening = true;
    for (uint32_t i = 0; i < server->listener_count; i++)
        event_add(&server->listeners[i].event, NULL);
}

static void pause_accepting(struct sv_server *server)
{
    if (atomic_exchange(&server->paused, true)) return;
    atomic_fetch_add_explicit(&server->listen_pauses, 1, memory_order_relaxed);
    pause_events(server);
    for (uint32_t i = 0; i < server->hub_count; i++)
        sv_hub_post_shed(server->hubs[i]);
    sv_timer_set(server->retry_timer, sv_clock_ns() + RETRY_NS);
    /* A connection that closed just before saw no pause to end. */
    if (atomic_load(&server->connections) == 0) sv_listeners_resume(server);
}

void sv_listeners_resume(struct sv_server *server)
{
    if (!atomic_load(&server->paused)) return;
    if (!atomic_flag_test_and_set(&server->resume_posted))
        sv_loop_post(server->hubs[0]->loop, &server->resume_task);
}

static void resume_accepting(struct sv_server *server)
{
    if (!atomic_exchange(&server->paused, false)) return;
    sv_timer_clear(server->retry_timer);
    if (server->listening) sv_listeners_start(server);
}

static void run_resume(sv_task *task)
{
    struct sv_server *server = SV_CONTAINER(task, struct sv_server, resume_task);
    atomic_flag_clear(&server->resume_posted);
    resume_accepting(server);
}

static void on_retry(sv_timer *timer, void *user)
{
    (void)timer;
    resume_accepting(user);
}

static sv_hub *find_hub(struct sv_server *server)
{
    sv_hub *best = server->hubs[0];
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < server->hub_count; i++) {
        uint32_t load = atomic_load_explicit(&server->hubs[i]->load, memory_order_relaxed);
        if (load >= least) continue;
        least = load;
        best = server->hubs[i];
    }
    return best;
}

static void forget(sv_hub *hub)
{
    atomic_fetch_sub_explicit(&hub->load, 1, memory_order_relaxed);
    atomic_fetch_sub(&hub->server->connections, 1);
}

static void run_handover(sv_task *task)
{
    handover *given = SV_CONTAINER(task, handover, task);
    sv_hub *hub = given->hub;
    if (!sv_conn_create(hub, given->fd, &given->peer)) forget(hub);
    sv_free(hub->allocator, given, sizeof *given);
}

static void hand_over(struct sv_server *server, int fd, const sv_peer *peer)
{
    sv_hub *hub = find_hub(server);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    atomic_fetch_add_explicit(&hub->load, 1, memory_order_relaxed);
    atomic_fetch_add(&server->connections, 1);
    atomic_fetch_add_explicit(&server->accepted, 1, memory_order_relaxed);
    if (hub == server->hubs[0]) {
        if (!sv_conn_create(hub, fd, peer)) forget(hub);
        return;
    }
    handover *given = sv_alloc(server->allocator, sizeof *given);
    if (!given) {
        close(fd);
        forget(hub);
        return;
    }
    *given = (handover){.task.run = run_handover, .hub = hub, .fd = fd, .peer = *peer};
    sv_loop_post(hub->loop, &given->task);
}

/* False: there is nothing to accept for now. */
static bool accept_one(const sv_listener *listener)
{
    struct sv_server *server = listener->server;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    sv_peer peer;
    if (atomic_load(&server->connections) >= server->max_connections) {
        pause_accepting(server);
        return false;
    }
    int fd =
        accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        sv_address_peer(&address, &peer);
        peer.admin = listener->admin;
        peer.metrics = listener->metrics;
        hand_over(server, fd, &peer);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_accepting(server);
    /* Errors of a connection that was lost before it was accepted say nothing about the next. */
    return errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
}

static void on_connection(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++)
        if (!accept_one(user)) break;
}

void sv_listener_address(const struct sv_server *server, uint32_t i, char out[SV_SERVER_ADDRESS])
{
    if (server->listeners[i].path) {
        snprintf(out, SV_SERVER_ADDRESS, "unix:%s", server->listeners[i].path);
        return;
    }
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    sv_peer peer;
    getsockname(server->listeners[i].fd, (struct sockaddr *)&address, &size);
    sv_address_peer(&address, &peer);
    sv_peer_format(&peer, out);
}
