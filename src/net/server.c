/* The server's life: made, run on its threads, drained or stopped. */
#include "net/server.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/status.h"
#include "base/thread.h"
#include "net/http1.h"
#include "net/server_impl.h"

#include <dirent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MS_NS ((uint64_t)1000000)
#define DRAIN_LIMIT_MS 30000
#define LAST_ANSWERS_MS UINT64_C(1000)
/* Descriptors left to everything else in the process: files, models, logs. */
#define RESERVED_DESCRIPTORS 16

static void run_drain(sv_task *task);
static void run_stop(sv_task *task);
static void on_drain_timer(sv_timer *timer, void *user);
static void on_signal(evutil_socket_t number, short what, void *user);

static uint32_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint32_t count = 0;
    if (!dir) return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

/* At least one connection is tried, whatever the limits say. */
static uint32_t find_max_connections(uint32_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY) return wanted;
    uint64_t taken = (uint64_t)count_descriptors() + RESERVED_DESCRIPTORS;
    uint64_t left = limit.rlim_cur > taken ? limit.rlim_cur - taken : 1;
    return wanted < left ? wanted : (uint32_t)left;
}

static void set_default(uint32_t *value, uint32_t standard)
{
    if (!*value) *value = standard;
}

static void set_defaults(sv_net_limits *limits)
{
    set_default(&limits->head_bytes, 16 << 10);
    set_default(&limits->head_fields, SV_HTTP1_MAX_FIELDS);
    set_default(&limits->connections, 10000);
    set_default(&limits->idle_ms, 75000);
    set_default(&limits->head_ms, 10000);
    set_default(&limits->body_rate, 1024);
    set_default(&limits->body_grace_ms, 5000);
    set_default(&limits->pipelined_bytes, 64 << 10);
    set_default(&limits->drain_bytes, 64 << 10);
    set_default(&limits->output_bytes, 256 << 10);
    set_default(&limits->compress_min, 1024);
    set_default(&limits->compress_max, 1 << 20);
    if (!limits->body_bytes) limits->body_bytes = (uint64_t)64 << 20;
    if (!limits->inflate_ratio) limits->inflate_ratio = 200;
    if (!limits->memory_bytes) limits->memory_bytes = (uint64_t)1 << 30;
}

static sv_status create_hubs(sv_server *server, uint32_t count)
{
    size_t size = count * sizeof(void *);
    server->hubs = sv_alloc_zero(server->allocator, size);
    if (!server->hubs) return sv_error_memory("server's loops", size);
    server->hub_count = count;
    atomic_store(&server->hubs_left, count);
    for (uint32_t i = 0; i < count; i++)
        SV_TRY(sv_hub_create(server, i, &server->hubs[i]));
    return SV_OK;
}

static int signal_count(const sv_server *server)
{
    return server->on_hangup ? 3 : 2;
}

static sv_status watch_signals(sv_server *server)
{
    struct event_base *base = sv_loop_base(server->hubs[0]->loop);
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    if (!server->signals) return SV_OK;
    for (int i = 0; i < signal_count(server); i++)
        event_assign(&server->signal_events[i], base, numbers[i], EV_SIGNAL | EV_PERSIST, on_signal,
                     server);
    server->watching = true;
    for (int i = 0; i < signal_count(server); i++)
        if (event_add(&server->signal_events[i], NULL) != 0)
            return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "server: cannot watch signal %d",
                            numbers[i]);
    return SV_OK;
}

static void unwatch_signals(sv_server *server)
{
    for (int i = 0; server->watching && i < signal_count(server); i++)
        event_del(&server->signal_events[i]);
    server->watching = false;
}

static sv_status set_up(sv_server *server, const sv_server_options *options)
{
    uint32_t loops = options->loops ? options->loops : sv_server_usual_loops(sv_cpu_granted());
    server->limits = options->limits;
    set_defaults(&server->limits);
    server->memory.limit = server->limits.memory_bytes;
    server->memory.high = server->memory.limit / 4 * 3;
    server->drain_task.run = run_drain;
    server->stop_task.run = run_stop;
    if (options->tls_cert || options->tls_key) {
        if (!options->tls_cert || !options->tls_key)
            return sv_error_invalid("TLS: expected a certificate and its key, found only one");
        SV_TRY(sv_tls_server_create(options->tls_cert, options->tls_key, server->allocator,
                                    &server->tls));
    }
    SV_TRY(create_hubs(server, loops));
    SV_TRY(sv_timer_create(server->hubs[0]->loop, on_drain_timer, server, &server->drain_timer));
    /* From the moment that clients can connect, a signal ends the server in order. */
    SV_TRY(watch_signals(server));
    SV_TRY(sv_listeners_create(server, options));
    server->max_connections = find_max_connections(server->limits.connections);
    return SV_OK;
}

sv_status sv_server_create(const sv_server_options *options, const sv_handler *handler,
                           sv_server **out)
{
    sv_server *server = sv_alloc_zero(options->allocator, sizeof *server);
    if (!server) return sv_error_memory("server", sizeof *server);
    server->allocator = options->allocator;
    server->handler = handler;
    server->signals = options->signals;
    server->spin_ns = (uint64_t)options->spin_us * 1000u;
    server->drain_grace_ms = options->drain_grace_ms;
    server->drain_limit_ms = options->drain_limit_ms ? options->drain_limit_ms : DRAIN_LIMIT_MS;
    server->on_drain = options->on_drain;
    server->on_drain_self = options->on_drain_self;
    server->on_limit = options->on_limit;
    server->on_limit_self = options->on_limit_self;
    server->on_hangup = options->on_hangup;
    server->on_hangup_self = options->on_hangup_self;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->changed, NULL);
    sv_status status = set_up(server, options);
    if (status) {
        sv_server_destroy(server);
        return status;
    }
    *out = server;
    return SV_OK;
}

void sv_server_destroy(sv_server *server)
{
    if (!server) return;
    unwatch_signals(server);
    sv_listeners_destroy(server);
    sv_timer_destroy(server->drain_timer);
    for (uint32_t i = 0; i < server->hub_count; i++)
        sv_hub_destroy(server->hubs[i]);
    sv_free(server->allocator, server->hubs, server->hub_count * sizeof(void *));
    sv_tls_server_destroy(server->tls);
    pthread_mutex_destroy(&server->mutex);
    pthread_cond_destroy(&server->changed);
    sv_free(server->allocator, server, sizeof *server);
}

static void stop_loops(sv_server *server)
{
    for (uint32_t i = 0; i < server->hub_count; i++)
        sv_loop_stop(server->hubs[i]->loop);
}

void sv_server_hub_done(sv_server *server)
{
    if (atomic_fetch_sub(&server->hubs_left, 1) == 1) stop_loops(server);
}

static void stop_now(sv_server *server)
{
    if (server->stopping) return;
    server->stopping = true;
    sv_timer_clear(server->drain_timer);
    sv_listeners_stop(server);
    for (uint32_t i = 0; i < server->hub_count; i++)
        sv_hub_post_stop(server->hubs[i]);
}

/* The grace time is over: nobody new comes in. The hubs hear of it behind all connections that were
 * handed to them. */
static void close_doors(sv_server *server)
{
    sv_listeners_stop(server);
    sv_timer_set(server->drain_timer, sv_clock_ns() + server->drain_limit_ms * MS_NS);
    for (uint32_t i = 0; i < server->hub_count; i++)
        sv_hub_post_drain(server->hubs[i]);
}

/* The wait is over, but for the answers that say so. */
static void end_wait(sv_server *server)
{
    if (server->stopping) return;
    if (!server->on_limit || server->limited) {
        stop_now(server);
        return;
    }
    if (server->listening) close_doors(server);
    server->limited = true;
    server->on_limit(server->on_limit_self);
    sv_timer_set(server->drain_timer, sv_clock_ns() + LAST_ANSWERS_MS * MS_NS);
}

static void on_drain_timer(sv_timer *timer, void *user)
{
    sv_server *server = user;
    (void)timer;
    if (server->listening)
        close_doors(server);
    else
        end_wait(server);
}

static void begin_drain(sv_server *server)
{
    if (server->draining || server->stopping) return;
    server->draining = true;
    if (server->on_drain) server->on_drain(server->on_drain_self);
    if (server->drain_grace_ms)
        sv_timer_set(server->drain_timer, sv_clock_ns() + server->drain_grace_ms * MS_NS);
    else
        close_doors(server);
}

static void run_drain(sv_task *task)
{
    begin_drain(SV_CONTAINER(task, sv_server, drain_task));
}

static void run_stop(sv_task *task)
{
    stop_now(SV_CONTAINER(task, sv_server, stop_task));
}

static void on_signal(evutil_socket_t number, short what, void *user)
{
    sv_server *server = user;
    (void)what;
    if (number == SIGHUP)
        server->on_hangup(server->on_hangup_self);
    else if (!server->draining)
        begin_drain(server);
    else {
        end_wait(server);
        /* A step of a run cannot be broken off: who will not wait for it may end the process. */
        unwatch_signals(server);
    }
}

void sv_server_drain(sv_server *server)
{
    if (!atomic_flag_test_and_set(&server->drain_posted))
        sv_loop_post(server->hubs[0]->loop, &server->drain_task);
}

void sv_server_stop(sv_server *server)
{
    if (!atomic_flag_test_and_set(&server->stop_posted))
        sv_loop_post(server->hubs[0]->loop, &server->stop_task);
}

static sv_status open_loop(sv_server *server, sv_loop *loop)
{
    const sv_handler *handler = server->handler;
    return handler->loop_open ? handler->loop_open(handler->self, loop) : SV_OK;
}

static void close_loop(sv_server *server, sv_loop *loop)
{
    const sv_handler *handler = server->handler;
    if (handler->loop_close) handler->loop_close(handler->self, loop);
}

static void keep_status(sv_server *server, sv_status status)
{
    if (!status) return;
    pthread_mutex_lock(&server->mutex);
    if (server->start_status)
        sv_status_free(status);
    else
        server->start_status = status;
    pthread_mutex_unlock(&server->mutex);
}

/* Runs one loop whose handler is ready; a loop that breaks takes the server down with it. */
static void run_loop(sv_server *server, sv_loop *loop)
{
    sv_status status = sv_loop_run(loop);
    if (!status) return;
    keep_status(server, status);
    stop_loops(server);
}

/* Says that this loop's handler is ready, or failed, and waits for the word of the first. */
static bool wait_for_start(sv_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->ready++;
    pthread_cond_broadcast(&server->changed);
    while (!server->decision)
        pthread_cond_wait(&server->changed, &server->mutex);
    bool go = server->decision > 0;
    pthread_mutex_unlock(&server->mutex);
    return go;
}

static void *run_thread(void *argument)
{
    sv_hub *hub = argument;
    sv_server *server = hub->server;
    sv_status status = open_loop(server, hub->loop);
    bool opened = !status;
    keep_status(server, status);
    if (wait_for_start(server)) run_loop(server, hub->loop);
    if (opened) close_loop(server, hub->loop);
    return NULL;
}

/* Waits until `threads` loops are ready and gives them the word. */
static bool decide_start(sv_server *server, uint32_t threads)
{
    pthread_mutex_lock(&server->mutex);
    while (server->ready < threads)
        pthread_cond_wait(&server->changed, &server->mutex);
    server->decision = server->start_status ? -1 : 1;
    bool go = server->decision > 0;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
    return go;
}

sv_status sv_server_run(sv_server *server)
{
    sv_loop *first = server->hubs[0]->loop;
    uint32_t started = 0;
    size_t size = server->hub_count * sizeof(pthread_t);
    pthread_t *threads = sv_alloc(server->allocator, size);
    if (!threads) return sv_error_memory("server's threads", size);
    sv_status status = open_loop(server, first);
    bool opened = !status;
    while (!status && started + 1 < server->hub_count) {
        char name[16];
        snprintf(name, sizeof name, "sv-loop-%u", (started + 1) % 1000);
        status = sv_thread_start(&threads[started], name, run_thread, server->hubs[started + 1]);
        if (!status) started++;
    }
    keep_status(server, status);
    if (decide_start(server, started)) {
        sv_listeners_start(server);
        run_loop(server, first);
        unwatch_signals(server);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (opened) close_loop(server, first);
    sv_free(server->allocator, threads, size);
    status = server->start_status;
    server->start_status = SV_OK;
    return status;
}

void sv_server_address(const sv_server *server, uint32_t i, char out[SV_SERVER_ADDRESS])
{
    sv_listener_address(server, i, out);
}

uint32_t sv_server_loop_count(const sv_server *server)
{
    return server->hub_count;
}

sv_loop *sv_server_loop(const sv_server *server, uint32_t i)
{
    return server->hubs[i]->loop;
}

void sv_server_get_stats(const sv_server *server, sv_server_stats *out)
{
    *out = (sv_server_stats){
        .accepted = atomic_load_explicit(&server->accepted, memory_order_relaxed),
        .memory_bytes = atomic_load_explicit(&server->memory.used, memory_order_relaxed),
        .connections = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .listen_pauses = atomic_load_explicit(&server->listen_pauses, memory_order_relaxed),
    };
    for (uint32_t i = 0; i < server->hub_count; i++) {
        const sv_hub *hub = server->hubs[i];
        out->exchanges += atomic_load_explicit(&hub->exchanges, memory_order_relaxed);
        out->refused += atomic_load_explicit(&hub->refused, memory_order_relaxed);
        out->shed += atomic_load_explicit(&hub->shed, memory_order_relaxed);
        out->timed_out += atomic_load_explicit(&hub->timed_out, memory_order_relaxed);
        out->bytes_in += atomic_load_explicit(&hub->bytes_in, memory_order_relaxed);
        out->bytes_out += atomic_load_explicit(&hub->bytes_out, memory_order_relaxed);
    }
}
