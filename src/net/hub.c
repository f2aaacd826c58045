/* A loop's share of the server: its tick with the time limits, its memory's high mark, its pool of
 * exchanges, and its part in a drain. */
#include "net/hub.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "net/answer.h"
#include "net/body.h"
#include "net/conn.h"
#include "net/kept_head.h"
#include "net/server_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_NS ((uint64_t)1000000000)
#define MS_NS ((uint64_t)1000000)
#define LINGER_NS ((uint64_t)10 * 1000000000)
/* Younger bodies count as this old, so that one that has just begun does not look infinitely fast.
 */
#define AGE_MIN_NS ((uint64_t)100 * 1000000)
#define SHED_IDLE_NS ((uint64_t)500 * 1000000)
#define POOL_MAX 64

static void on_tick(sv_timer *timer, void *user);
static void run_drain(sv_task *task);
static void run_stop(sv_task *task);
static void run_shed(sv_task *task);
static void run_memory(sv_task *task);
static void free_exchange(sv_task *task);

sv_status sv_hub_create(struct sv_server *server, uint32_t index, sv_hub **out)
{
    sv_hub *hub = sv_alloc_zero(server->allocator, sizeof *hub);
    sv_status status = SV_OK;
    if (!hub) return sv_error_memory("loop's hub", sizeof *hub);
    hub->server = server;
    hub->allocator = server->allocator;
    hub->handler = server->handler;
    hub->limits = &server->limits;
    hub->drain_task.run = run_drain;
    hub->stop_task.run = run_stop;
    hub->shed_task.run = run_shed;
    hub->memory_task.run = run_memory;
    for (int i = 0; i < SV_STAGE_COUNT; i++)
        sv_link_init(&hub->stages[i]);
    sv_link_init(&hub->bodies);
    sv_link_init(&hub->answers);
    sv_compressor_init(&hub->compressor, hub->allocator);
    sv_spares_init(&hub->spares, hub->allocator);
    sv_pool_init(&hub->blocks, hub->allocator);
    SV_TRY_OUT(sv_loop_create(index, hub->allocator, &hub->loop));
    sv_loop_set_spin(hub->loop, server->spin_ns);
    SV_TRY_OUT(sv_timer_create(hub->loop, on_tick, hub, &hub->tick));
    *out = hub;
    return SV_OK;
out:
    sv_hub_destroy(hub);
    return status;
}

static void destroy_pool(sv_hub *hub)
{
    while (hub->pool) {
        sv_exchange *x = hub->pool;
        hub->pool = x->next;
        sv_arena_release(&x->arena);
        sv_text_release(&x->extra);
        sv_free(hub->allocator, x, sizeof *x + sizeof *x->wire);
    }
}

void sv_hub_destroy(sv_hub *hub)
{
    if (!hub) return;
    destroy_pool(hub);
    sv_compressor_release(&hub->compressor);
    sv_spares_release(&hub->spares);
    sv_pool_release(&hub->blocks);
    sv_free(hub->allocator, hub->decoded, SV_HUB_SCRATCH);
    sv_timer_destroy(hub->tick);
    sv_loop_destroy(hub->loop);
    sv_free(hub->allocator, hub, sizeof *hub);
}

static sv_exchange *create_exchange(sv_hub *hub)
{
    sv_exchange *x = sv_alloc(hub->allocator, sizeof *x + sizeof *x->wire);
    if (!x) return NULL;
    sv_arena_init(&x->arena, hub->allocator);
    sv_text_init(&x->extra, hub->allocator);
    /* The head, its table of headers and segments, and what the handler needs. */
    x->arena.limit = (size_t)hub->limits->head_bytes * 3 + ((size_t)64 << 10);
    return x;
}

sv_exchange *sv_hub_open_exchange(sv_hub *hub, sv_conn *conn)
{
    sv_exchange *x = hub->pool;
    if (x) {
        hub->pool = x->next;
        hub->pooled--;
    } else {
        x = create_exchange(hub);
        if (!x) return NULL;
    }
    sv_arena arena = x->arena;
    sv_text extra = x->extra;
    memset(x, 0, sizeof *x);
    x->arena = arena;
    x->extra = extra;
    x->wire = (sv_exchange_wire *)(x + 1);
    *x->wire = (sv_exchange_wire){.hub = hub, .conn = conn};
    sv_link_init(&x->wire->body_link);
    sv_link_init(&x->wire->answer_link);
    x->loop = hub->loop;
    x->handler = hub->handler;
    x->ops = &sv_answer_ops;
    x->task.run = free_exchange;
    x->wire_held = true;
    x->peer = conn->peer;
    hub->exchange_count++;
    sv_counter_add(&hub->exchanges, 1);
    return x;
}

/* When nothing is left of a hub that is to end, the server hears of it once. */
static void report_if_done(sv_hub *hub)
{
    if (!hub->draining || hub->reported || hub->conn_count || hub->exchange_count) return;
    hub->reported = true;
    sv_timer_clear(hub->tick);
    sv_server_hub_done(hub->server);
}

static void free_exchange(sv_task *task)
{
    sv_exchange *x = SV_CONTAINER(task, sv_exchange, task);
    sv_hub *hub = x->wire->hub;
    if (x->handler->done) x->handler->done(x);
    sv_body_release(x);
    sv_kept_head_unref(x->wire->head);
    sv_exchange_uncharge(x, x->charged);
    sv_arena_reset(&x->arena);
    sv_text_clear(&x->extra);
    x->next = hub->pool;
    hub->pool = x;
    if (++hub->pooled > POOL_MAX) {
        hub->pool = x->next;
        hub->pooled--;
        sv_arena_release(&x->arena);
        sv_text_release(&x->extra);
        sv_free(hub->allocator, x, sizeof *x + sizeof *x->wire);
    }
    hub->exchange_count--;
    report_if_done(hub);
}

void sv_hub_conn_opened(sv_hub *hub)
{
    hub->conn_count++;
    if (hub->ticking) return;
    hub->ticking = true;
    sv_timer_set(hub->tick, sv_clock_ns() + TICK_NS);
}

void sv_hub_conn_closed(sv_hub *hub)
{
    atomic_fetch_sub_explicit(&hub->load, 1, memory_order_relaxed);
    atomic_fetch_sub(&hub->server->connections, 1);
    sv_listeners_resume(hub->server);
}

void sv_hub_conn_freed(sv_hub *hub)
{
    hub->conn_count--;
    report_if_done(hub);
}

bool sv_hub_charge(sv_hub *hub, size_t bytes)
{
    sv_memory *memory = &hub->server->memory;
    size_t used = atomic_fetch_add_explicit(&memory->used, bytes, memory_order_relaxed) + bytes;
    if (used <= memory->high) return true;
    if (!hub->memory_queued) {
        hub->memory_queued = true;
        sv_loop_defer(hub->loop, SV_PHASE_WORK, &hub->memory_task);
    }
    return used <= memory->limit;
}

void sv_hub_uncharge(sv_hub *hub, size_t bytes)
{
    if (bytes) atomic_fetch_sub_explicit(&hub->server->memory.used, bytes, memory_order_relaxed);
}

static uint64_t age_of(const sv_exchange *x, uint64_t now)
{
    return now > x->at.head ? now - x->at.head : 0;
}

static sv_exchange *exchange_of(sv_link *link)
{
    return (sv_exchange *)SV_CONTAINER(link, sv_exchange_wire, body_link) - 1;
}

/* The body that came most slowly among those that hold memory. */
static sv_exchange *find_slowest(sv_hub *hub, uint64_t now)
{
    sv_exchange *slowest = NULL;
    double least = 0;
    for (sv_link *link = hub->bodies.next; link != &hub->bodies; link = link->next) {
        sv_exchange *x = exchange_of(link);
        uint64_t age = age_of(x, now);
        if (!x->charged) continue;
        double rate =
            (double)x->wire->body_received / (double)(age < AGE_MIN_NS ? AGE_MIN_NS : age);
        if (slowest && rate >= least) continue;
        slowest = x;
        least = rate;
    }
    return slowest;
}

static void run_memory(sv_task *task)
{
    sv_hub *hub = SV_CONTAINER(task, sv_hub, memory_task);
    sv_memory *memory = &hub->server->memory;
    uint64_t now = sv_clock_ns();
    hub->memory_queued = false;
    while (atomic_load_explicit(&memory->used, memory_order_relaxed) > memory->high) {
        sv_exchange *x = find_slowest(hub, now);
        if (!x) break;
        sv_counter_add(&hub->shed, 1);
        x->wire->keep = false;
        sv_answer_refuse(x, 503,
                         sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                                  "the server's memory is nearly full and this body came slowest"));
    }
}

/* Is the time since `from` long enough to judge, and were `bytes` too few for it? Rates are taken
 * over windows as long as the grace time, so that nobody lives on what went quickly at first. */
typedef enum pace { PACE_UNKNOWN, PACE_GOOD, PACE_SLOW } pace;

static pace judge(const sv_hub *hub, uint64_t now, uint64_t from, uint64_t bytes)
{
    uint64_t age = now > from ? now - from : 0;
    if (age < hub->limits->body_grace_ms * MS_NS) return PACE_UNKNOWN;
    return (double)bytes * 1e9 < (double)hub->limits->body_rate * (double)age ? PACE_SLOW
                                                                              : PACE_GOOD;
}

static void end_slow_bodies(sv_hub *hub, uint64_t now)
{
    for (sv_link *link = hub->bodies.next, *next; link != &hub->bodies; link = next) {
        sv_exchange *x = exchange_of(link);
        sv_exchange_wire *wire = x->wire;
        next = link->next;
        pace found =
            judge(hub, now, wire->window_from, wire->body_received - wire->window_received);
        if (found == PACE_GOOD) {
            wire->window_from = now;
            wire->window_received = wire->body_received;
        }
        if (found != PACE_SLOW) continue;
        sv_counter_add(&hub->timed_out, 1);
        wire->keep = false;
        sv_answer_refuse(x, 408,
                         sv_error(SV_CODE_DEADLINE_EXCEEDED,
                                  "the body comes too slowly: expected at least %u bytes a second",
                                  hub->limits->body_rate));
    }
}

static void end_slow_readers(sv_hub *hub, uint64_t now)
{
    sv_link *list = &hub->stages[SV_STAGE_WRITE];
    for (sv_link *link = list->next, *next; link != list; link = next) {
        sv_conn *c = SV_CONTAINER(link, sv_conn, link);
        next = link->next;
        pace found = judge(hub, now, c->since, c->sent - c->since_sent);
        if (found == PACE_UNKNOWN) break;
        if (found == PACE_GOOD) {
            sv_conn_restart_stage(c);
            continue;
        }
        sv_counter_add(&hub->timed_out, 1);
        sv_conn_abort(c);
    }
}

static void end_stalled_answers(sv_hub *hub, uint64_t now)
{
    for (sv_link *link = hub->answers.next, *next; link != &hub->answers; link = next) {
        sv_exchange_wire *wire = SV_CONTAINER(link, sv_exchange_wire, answer_link);
        sv_exchange *x = (sv_exchange *)wire - 1;
        next = link->next;
        pace found = judge(hub, now, wire->answer_from, x->bytes_out - wire->answer_sent);
        if (found == PACE_GOOD) {
            wire->answer_from = now;
            wire->answer_sent = x->bytes_out;
        }
        if (found != PACE_SLOW) continue;
        sv_counter_add(&hub->timed_out, 1);
        sv_link_remove(link);
        wire->stall(x);
        /* It may have taken others of the list along. */
        next = hub->answers.next;
    }
}

/* Ends the connections that have been in `stage` for over `limit`: the longest stand first. */
static void end_stage(sv_hub *hub, sv_stage stage, uint64_t now, uint64_t limit)
{
    sv_link *list = &hub->stages[stage];
    for (sv_link *link = list->next, *next; link != list; link = next) {
        sv_conn *c = SV_CONTAINER(link, sv_conn, link);
        next = link->next;
        if (now < c->since + limit) break;
        if (stage != SV_STAGE_LINGER) sv_counter_add(&hub->timed_out, 1);
        if (stage == SV_STAGE_HEAD && c->proto->late)
            c->proto->late(c);
        else if (stage == SV_STAGE_IDLE && c->proto->leave)
            c->proto->leave(c);
        else if (stage == SV_STAGE_LINGER)
            sv_conn_abort(c);
        else
            sv_conn_kill(c);
    }
}

static void on_tick(sv_timer *timer, void *user)
{
    sv_hub *hub = user;
    uint64_t now = sv_loop_now(hub->loop);
    (void)timer;
    end_stage(hub, SV_STAGE_IDLE, now, hub->limits->idle_ms * MS_NS);
    end_stage(hub, SV_STAGE_HEAD, now, hub->limits->head_ms * MS_NS);
    end_stage(hub, SV_STAGE_LINGER, now, hub->draining ? TICK_NS : LINGER_NS);
    end_slow_readers(hub, now);
    end_slow_bodies(hub, now);
    end_stalled_answers(hub, now);
    sv_spares_tick(&hub->spares);
    /* The high mark may have been passed by other loops. */
    if (!hub->memory_queued) run_memory(&hub->memory_task);
    hub->ticking = hub->conn_count > 0;
    if (hub->ticking) sv_timer_set(hub->tick, now + TICK_NS);
}

/* Fixed names: strftime's would follow the locale. */
const char *sv_hub_date(sv_hub *hub)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(sv_clock_coarse_ms() / 1000);
    struct tm tm;
    if ((uint64_t)now == hub->date_second && hub->date[0]) return hub->date;
    gmtime_r(&now, &tm);
    snprintf(hub->date, sizeof hub->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + tm.tm_wday * 3, (unsigned)tm.tm_mday % 100u, months + tm.tm_mon * 3,
             (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)tm.tm_hour % 100u,
             (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u);
    hub->date_second = (uint64_t)now;
    return hub->date;
}

/* Descriptors are short: the idle give up theirs, unless they are likely to be about to use them.
 */
static void run_shed(sv_task *task)
{
    sv_hub *hub = SV_CONTAINER(task, sv_hub, shed_task);
    sv_link *list = &hub->stages[SV_STAGE_IDLE];
    uint64_t now = sv_loop_now(hub->loop);
    atomic_flag_clear(&hub->shed_posted);
    for (sv_link *link = list->next, *next; link != list; link = next) {
        sv_conn *c = SV_CONTAINER(link, sv_conn, link);
        next = link->next;
        if (now < c->since + SHED_IDLE_NS) break;
        sv_conn_kill(c);
    }
}

void sv_hub_post_shed(sv_hub *hub)
{
    if (!atomic_flag_test_and_set(&hub->shed_posted)) sv_loop_post(hub->loop, &hub->shed_task);
}

static void quit_stage(sv_hub *hub, sv_stage stage)
{
    sv_link *list = &hub->stages[stage];
    for (sv_link *link = list->next, *next; link != list; link = next) {
        sv_conn *c = SV_CONTAINER(link, sv_conn, link);
        next = link->next;
        if (c->proto->leave)
            c->proto->leave(c);
        else if (stage == SV_STAGE_IDLE && c->proto->quit(c))
            sv_conn_kill(c);
    }
}

static void run_drain(sv_task *task)
{
    sv_hub *hub = SV_CONTAINER(task, sv_hub, drain_task);
    hub->draining = true;
    for (int i = 0; i < SV_STAGE_COUNT; i++)
        quit_stage(hub, (sv_stage)i);
    report_if_done(hub);
}

static void run_stop(sv_task *task)
{
    sv_hub *hub = SV_CONTAINER(task, sv_hub, stop_task);
    hub->draining = hub->stopping = true;
    for (int i = 0; i < SV_STAGE_COUNT; i++)
        while (!sv_link_is_alone(&hub->stages[i]))
            sv_conn_kill(SV_CONTAINER(hub->stages[i].next, sv_conn, link));
    report_if_done(hub);
}

void sv_hub_post_drain(sv_hub *hub)
{
    sv_loop_post(hub->loop, &hub->drain_task);
}

void sv_hub_post_stop(sv_hub *hub)
{
    sv_loop_post(hub->loop, &hub->stop_task);
}
