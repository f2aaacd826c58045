/* The handler that the socket layer calls: routing, admission, answers, and what is counted. */
#include "serve/service.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/status.h"
#include "net/http_status.h"
#include "observe/metrics.h"
#include "serve/call.h"
#include "serve/identity.h"
#include "serve/manage.h"
#include "serve/metric_names.h"
#include "serve/queue_metrics.h"
#include "serve/router.h"
#include "serve/stream.h"
#include "serve/tracing.h"
#include "serve/version_metrics.h"
#include "serve/wait.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AGAIN_NS ((uint64_t)100000000)

struct sv_service {
    sv_handler handler;
    sv_service_options options;
    const sv_server *server;
    sv_router *router;
    sv_queue *queue;
    sv_metrics *metrics;
    sv_tracing *tracing;
    uint64_t start_ns;
    int64_t start_us;
    _Atomic bool ready;
    _Atomic uint32_t running;
    _Atomic uint64_t busy; /* requests refused since too many were running */
    sv_lane *lane[];       /* [options.loops] */
};

static sv_service *service_of(const sv_exchange *x)
{
    return x->handler->self;
}

/* ---- what others ask --------------------------------------------------------------------- */

bool sv_service_ready(const sv_service *service)
{
    return atomic_load(&service->ready);
}

void sv_service_set_ready(sv_service *service, bool ready)
{
    atomic_store(&service->ready, ready);
}

void sv_service_close(sv_service *service)
{
    sv_queue_close(service->queue);
}

sv_store *sv_service_store(const sv_service *service)
{
    return service->options.store;
}

bool sv_service_route(const sv_service *service, size_t index, const sv_front **front,
                      const sv_route **route)
{
    return sv_router_at(service->router, index, front, route);
}

bool sv_service_offers(const sv_service *service, const sv_route *route)
{
    return !(service->options.metrics_apart && route->flags & SV_ROUTE_METRICS);
}

sv_keeper *sv_service_keeper(const sv_service *service)
{
    return service->options.keeper;
}

sv_queue *sv_service_queue(const sv_service *service)
{
    return service->queue;
}

bool sv_service_batches(const sv_service *service)
{
    return !service->options.no_batching;
}

uint32_t sv_service_run_threads(const sv_service *service)
{
    return service->options.run_threads;
}

uint32_t sv_service_max_batch(const sv_service *service, const sv_served *version)
{
    if (!version->batches || !sv_service_batches(service)) return 0;
    return (uint32_t)sv_flow_max_rows(version);
}

uint32_t sv_service_max_runs(const sv_service *service, const sv_served *version)
{
    uint32_t instances = version->tuning.instances, workers = service->options.workers;
    return instances && instances < workers ? instances : workers;
}

sv_tracing *sv_service_tracing(const sv_service *service)
{
    return service->tracing;
}

const char *sv_service_trace_path(const sv_service *service)
{
    const sv_access_log *log = service->options.trace_log;
    return log ? sv_access_log_path(log) : NULL;
}

const sv_front *const *sv_service_fronts(const sv_service *service, size_t *count)
{
    *count = service->options.front_count;
    return service->options.fronts;
}

uint64_t sv_service_timeout_ns(const sv_service *service)
{
    return (uint64_t)service->options.timeout_ms * 1000000u;
}

uint64_t sv_service_uptime_ns(const sv_service *service)
{
    return sv_clock_ns() - service->start_ns;
}

void sv_service_set_server(sv_service *service, const sv_server *server)
{
    service->server = server;
}

const sv_handler *sv_service_handler(const sv_service *service)
{
    return &service->handler;
}

/* Loads, failures and versions of every model: as many labels as there are models. */
static void put_model_metrics(sv_store *store, sv_text *out)
{
    sv_arena arena;
    sv_model_status *models;
    size_t count;
    sv_arena_init(&arena, NULL);
    sv_status status = sv_store_describe_all(store, &arena, &models, &count);
    if (status == SV_OK) sv_manage_metrics(models, count, out);
    sv_status_free(status);
    sv_arena_release(&arena);
}

static void put_server_metrics(const sv_server *server, sv_text *out)
{
    sv_server_stats stats;
    sv_server_get_stats(server, &stats);
    sv_metrics_put_gauge(out, "serval_connections", "Open connections.", stats.connections);
    sv_metrics_put_counter(out, "serval_connections_total", "Connections accepted.",
                           (double)stats.accepted);
    sv_metrics_put_counter(out, "serval_http_refused_total",
                           "Requests that were refused before a protocol saw them.",
                           (double)stats.refused);
    sv_metrics_put_counter(out, "serval_http_shed_total", "Of these, for want of memory.",
                           (double)stats.shed);
    sv_metrics_put_counter(out, "serval_http_timed_out_total", "Of these, for slowness.",
                           (double)stats.timed_out);
    sv_metrics_put_gauge(out, "serval_http_memory_bytes", "Memory that requests hold.",
                         (double)stats.memory_bytes);
}

void sv_service_metrics(const sv_service *service, sv_text *out)
{
    sv_served_list versions;
    sv_served_list_read(service->options.store, &versions);
    sv_metrics_write(service->metrics, out);
    sv_metrics_put_gauge(out, "serval_models", "Models that are served.",
                         (double)sv_store_count(service->options.store));
    put_model_metrics(service->options.store, out);
    sv_version_metrics_put(&versions, out);
    sv_metrics_put_gauge(out, "serval_ready", "Whether the service wants traffic.",
                         sv_service_ready(service));
    sv_metrics_put_gauge(out, "serval_requests_running", "Requests admitted and not answered.",
                         atomic_load(&service->running));
    sv_metrics_put_counter(out, "serval_requests_busy_total",
                           "Requests refused because too many were running.",
                           (double)atomic_load(&service->busy));
    sv_queue_metrics_put(service->queue, out);
    sv_metrics_put_counter(
        out, "serval_access_log_lost_total",
        "Lines of the access log that could not be written, or that nobody read.",
        (double)sv_access_log_lost(service->options.access_log));
    sv_metrics_put_counter(out, "serval_trace_log_lost_total",
                           "Lines of the trace log that could not be written, or that nobody read.",
                           (double)sv_access_log_lost(service->options.trace_log));
    if (service->server) put_server_metrics(service->server, out);
    sv_metric_names_put(&versions, service->options.metric_names, out);
    sv_metrics_put_gauge(out, "process_resident_memory_bytes", "Resident memory.",
                         (double)sv_cpu_rss());
    sv_metrics_put_gauge(out, "process_start_time_seconds", "Start, in seconds since 1970.",
                         (double)service->start_us / 1e6);
    sv_served_list_release(&versions);
}

sv_status sv_call_may_manage(const sv_call *call)
{
    return sv_manage_admit(&call->service->options, call->front, call->x);
}

bool sv_call_brings_models(const sv_call *call)
{
    const sv_front *open = call->service->options.open_front;
    return open && open == call->front;
}

sv_status sv_call_regions(const sv_call *call, sv_regions **out)
{
    const sv_service_options *options = &call->service->options;
    SV_TRY(sv_manage_admit_sharing(options, call->x));
    *out = options->regions;
    return SV_OK;
}

/* ---- the handler ------------------------------------------------------------------------- */

bool sv_call_enter(sv_call *call)
{
    sv_service *service = call->service;
    if (atomic_fetch_add(&service->running, 1) < service->options.max_running) {
        call->admitted = true;
        return true;
    }
    atomic_fetch_sub(&service->running, 1);
    return false;
}

void sv_call_leave(sv_call *call)
{
    if (!call->admitted) return;
    call->admitted = false;
    atomic_fetch_sub(&call->service->running, 1);
}

sv_status sv_call_busy(const sv_call *call)
{
    atomic_fetch_add_explicit(&call->service->busy, 1, memory_order_relaxed);
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "service: expected fewer than %u requests running, found that many: try again "
                    "later",
                    (unsigned)call->service->options.max_running);
}

static void fail_busy(sv_call *call)
{
    call->x->retry_after = 1;
    sv_call_fail(call, 503, sv_call_busy(call));
}

/* An unknown path, or a known one with another method. */
static void fail_route(sv_exchange *x, const sv_route_match *match)
{
    if (x->grpc) {
        sv_exchange_fail(
            x, 404,
            sv_error_unsupported("method: expected one that is served, found '%.*s'",
                                 (int)(x->head.path.size < 256 ? x->head.path.size : 256),
                                 x->head.path.data));
        return;
    }
    if (!match->front) {
        sv_exchange_fail(x, 404,
                         sv_error(SV_CODE_NOT_FOUND,
                                  "path: expected one that is served, found "
                                  "'%.*s'",
                                  (int)(x->head.path.size < 256 ? x->head.path.size : 256),
                                  x->head.path.data));
        return;
    }
    char allow[64];
    sv_router_allow(match->allowed, allow, sizeof allow);
    sv_exchange_add_header(x, "Allow", allow);
    sv_exchange_fail(x, 405,
                     sv_error(SV_CODE_UNIMPLEMENTED, "method: expected %s, found %.*s", allow,
                              (int)(x->head.method_name.size < 64 ? x->head.method_name.size : 64),
                              x->head.method_name.data));
}

/* What follows from a head: in the exchange's note. */
typedef struct head_note {
    sv_route_match match;
    bool taken;
    bool tagged; /* has a request's id or a trace */
} head_note;

_Static_assert(sizeof(head_note) <= SV_NOTE_BYTES, "the note is too short");

static void take_note(const sv_service *service, const sv_exchange *x, head_note *note)
{
    if (x->grpc)
        sv_router_find_call(service->router, x->head.path, &note->match);
    else
        sv_router_find(service->router, x->head.method, x->head.segments, x->head.segment_count,
                       &note->match);
    note->tagged = sv_identity_is_said(x);
    note->taken = true;
}

/* Addresses for metrics have only what is for them; the others may be without it. */
static bool is_at_home(const sv_service *service, const sv_exchange *x, const sv_route *route)
{
    if (x->peer.metrics) return route && route->flags & SV_ROUTE_PROBE;
    return !route || sv_service_offers(service, route);
}

static void on_open(sv_exchange *x)
{
    sv_service *service = service_of(x);
    head_note here = {.taken = false}, *note = x->note ? x->note : &here;
    sv_call *call = sv_arena_alloc_zero(&x->arena, sizeof *call);
    if (!call) {
        sv_exchange_fail(x, 503, sv_error_memory("a call", sizeof *call));
        return;
    }
    if (!note->taken) take_note(service, x, note);
    sv_route_match match = note->match;
    if (!is_at_home(service, x, match.route)) match = (sv_route_match){.front = NULL};
    *call = (sv_call){.x = x,
                      .arena = &x->arena,
                      .service = service,
                      .front = match.front,
                      .route = match.route,
                      .model = match.model,
                      .version = match.version,
                      .label = match.label,
                      .region = match.region,
                      .repository = match.repository,
                      .lane = sv_loop_user(x->loop)};
    x->state = call;
    if (note->tagged) sv_identity_take(call);
    if (!match.route) {
        fail_route(x, &match);
        return;
    }
    if (match.route->flags & SV_ROUTE_MANAGE) {
        sv_status refused = sv_manage_admit(&service->options, match.front, x);
        if (refused != SV_OK) {
            sv_exchange_fail(x, 0, refused);
            return;
        }
    }
    bool infer = match.route->flags & SV_ROUTE_INFER;
    if (infer && atomic_load(&service->running) >= service->options.max_running) fail_busy(call);
    if (match.route->flags & SV_ROUTE_STREAM)
        sv_stream_open(call);
    else if (match.route->method == SV_METHOD_GET)
        x->mode = SV_BODY_DROP;
    else if (infer && match.front->open)
        match.front->open(call);
}

static void on_message(sv_exchange *x, sv_string message)
{
    sv_stream_message(x->state, message);
}

static void on_end(sv_exchange *x)
{
    sv_call *call = x->state;
    if (call->stream)
        sv_stream_end(call);
    else if (call->route->flags & SV_ROUTE_INFER && !sv_call_enter(call))
        fail_busy(call);
    else
        sv_call_decode(call, x->body);
}

static void on_drain(sv_exchange *x)
{
    sv_stream_drain(x->state);
}

static void on_gone(sv_exchange *x)
{
    sv_call *call = x->state;
    if (!call) return;
    sv_call_cancel(call);
    if (call->stream) sv_stream_cancel(call);
}

static const char *on_error(sv_exchange *x, int http, sv_status status, sv_text *body)
{
    const sv_call *call = x->state;
    if (call && call->front) {
        call->front->error(call, http, status, body);
        return "application/json";
    }
    const char *message = sv_status_message(status);
    sv_text_puts(body, "{\"error\":");
    sv_text_put_json(body, message, strlen(message));
    sv_text_putc(body, '}');
    return "application/json";
}

/* ---- counting ---------------------------------------------------------------------------- */

static uint64_t between(uint64_t from, uint64_t to)
{
    /* Stamps of a round are taken once and may lie a little behind our own clock. */
    return from && to > from ? to - from : 0;
}

static void take_phases(const sv_exchange *x, const sv_call *call, uint64_t *ns)
{
    ns[SV_METRIC_READ] = between(x->at.first, x->at.body);
    ns[SV_METRIC_PARSE] = between(x->at.body, call->submitted_ns);
    ns[SV_METRIC_QUEUE] = between(call->submitted_ns, call->started_ns);
    ns[SV_METRIC_RUN] = between(call->started_ns, call->finished_ns);
    ns[SV_METRIC_WRITE] = between(call->finished_ns, x->at.last);
}

static uint64_t sum_phases(const uint64_t *ns)
{
    uint64_t sum = 0;
    for (int i = 0; i < SV_METRIC_PHASES; i++)
        sum += ns[i];
    return sum;
}

static uint32_t protocol_of(const sv_service *service, const sv_call *call)
{
    for (size_t i = 0; call && i < service->options.front_count; i++) {
        if (service->options.fronts[i] == call->front) return (uint32_t)i;
    }
    return (uint32_t)service->options.front_count;
}

/* Both logs are written at the end of the round. */
static void plan_flush(sv_lane *lane)
{
    if (lane->flush_deferred) return;
    lane->flush_deferred = true;
    sv_loop_defer(lane->loop, SV_PHASE_FREE, &lane->flush);
}

static void log_access(sv_lane *lane, const sv_exchange *x, const sv_call *call)
{
    sv_access_log *log = lane->service->options.access_log;
    if (!log) return;
    char peer[64];
    sv_identity made;
    sv_peer_format(&x->peer, peer);
    sv_access_entry entry = {
        .wall_us = sv_clock_wall_us(),
        .peer = peer,
        .method = x->head.method_name,
        .target = x->head.target,
        .protocol = call && call->front ? call->front->name : "http",
        .model = call && call->served ? call->served->name : NULL,
        .version = call && call->served ? call->served->number : 0,
        .http = x->http,
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
        .total_ns = between(x->at.first, x->at.last),
        .ran = call && call->served && call->ran,
        .lost = x->lost,
    };
    if (entry.ran) take_phases(x, call, entry.phase_ns);
    sv_identity_log(lane, x, call, &made, &entry);
    if (sv_access_log_add(log, lane->index, &entry)) plan_flush(lane);
}

/* A record of the request's times, if it was its turn. Of a message in a stream the wire's times
 * are not known. */
static void log_times(const sv_exchange *x, const sv_call *call)
{
    sv_service *service = call->service;
    sv_lane *lane = call->lane;
    if (!call->trace_number || !service->options.trace_log) return;
    sv_access_times times = {
        .number = call->trace_number,
        .model = call->served->name,
        .version = call->served->number,
        .start_ns = x->at.first ? x->at.first : call->submitted_ns,
        .queue_ns = call->submitted_ns,
        .run_ns = call->started_ns,
        .ran_ns = call->finished_ns,
        .end_ns = x->at.last ? x->at.last : sv_clock_ns(),
    };
    sv_identity_log_times(call, &times);
    if (sv_access_log_add_times(service->options.trace_log, lane->index, &times)) plan_flush(lane);
}

static void count_served(const sv_exchange *x, const sv_call *call)
{
    uint64_t more[SV_SERVED_FIGURES] = {0}, ns[SV_METRIC_PHASES];
    uint64_t total = between(x->at.first, x->at.last);
    bool good = x->http == 200;
    if (!call->route || !(call->route->flags & SV_ROUTE_INFER)) return;
    more[good ? SV_SERVED_SUCCESS : SV_SERVED_FAIL] = 1;
    more[SV_SERVED_SHED] = !good && call->shed;
    more[good ? SV_SERVED_SUCCESS_NS : SV_SERVED_FAIL_NS] = total;
    if (call->ran) {
        take_phases(x, call, ns);
        more[SV_SERVED_QUEUE_NS] = ns[SV_METRIC_QUEUE];
        more[SV_SERVED_INPUT_NS] = ns[SV_METRIC_READ] + ns[SV_METRIC_PARSE];
        more[SV_SERVED_INFER_NS] = ns[SV_METRIC_RUN];
        more[SV_SERVED_OUTPUT_NS] = ns[SV_METRIC_WRITE];
        more[SV_SERVED_LAST_MS] = (uint64_t)sv_clock_coarse_ms();
        sv_version_metrics_time(call->served, call->service->options.loops, call->lane->index,
                                total ? total : sum_phases(ns), ns);
    }
    sv_served_count(call->served, more);
    log_times(x, call);
}

static void observe(sv_service *service, const sv_exchange *x, const sv_call *call)
{
    sv_lane *lane = sv_loop_user(x->loop);
    sv_observation seen = {.model = SV_METRICS_NO_MODEL,
                           .protocol = protocol_of(service, call),
                           .http = x->http,
                           .bytes_in = x->bytes_in,
                           .bytes_out = x->bytes_out};
    if (call && call->served) {
        seen.model = call->served->slot;
        count_served(x, call);
        sv_status_free(sv_metrics_name_model(service->metrics, seen.model, call->served->name));
    }
    sv_metrics_add(service->metrics, lane->index, &seen);
}

void sv_call_observe(const sv_call *call, const sv_exchange *x, int http)
{
    /* Times and bytes of the wire are the stream's. */
    sv_exchange part = {.loop = x->loop, .http = http};
    observe(call->service, &part, call);
}

static void on_done(sv_exchange *x)
{
    sv_call *call = x->state;
    observe(service_of(x), x, call);
    log_access(sv_loop_user(x->loop), x, call);
    if (!call) return;
    if (call->stream) sv_stream_close(call);
    sv_served_unref(call->served);
    sv_text_release(&call->answer);
}

/* ---- loops ------------------------------------------------------------------------------- */

/* Whether lines are held that nobody reads. */
static bool flush_one(const sv_lane *lane, sv_access_log *log)
{
    if (!log) return false;
    sv_access_log_flush(log, lane->index);
    return sv_access_log_stalled(log);
}

static void flush_lines(sv_lane *lane)
{
    const sv_service_options *options = &lane->service->options;
    bool access = flush_one(lane, options->access_log);
    bool traces = flush_one(lane, options->trace_log);
    if (lane->flush_planned || !(access || traces)) return;
    lane->flush_planned = true;
    sv_timer_set(lane->flush_timer, sv_clock_ns() + FLUSH_AGAIN_NS);
}

static void flush_log(sv_task *task)
{
    sv_lane *lane = (sv_lane *)((char *)task - offsetof(sv_lane, flush));
    lane->flush_deferred = false;
    flush_lines(lane);
}

static void flush_again(sv_timer *timer, void *user)
{
    sv_lane *lane = user;
    (void)timer;
    lane->flush_planned = false;
    flush_lines(lane);
}

static sv_status on_loop_open(void *self, sv_loop *loop)
{
    sv_service *service = self;
    uint32_t index = sv_loop_index(loop);
    if (index >= service->options.loops) {
        return sv_error_internal("loop: expected an index below %u, found %u",
                                 (unsigned)service->options.loops, (unsigned)index);
    }
    sv_lane *lane = sv_lane_create(service, loop, index);
    if (!lane) return sv_error_memory("a lane", sizeof *lane);
    lane->flush.run = flush_log;
    sv_status status = sv_timer_create(loop, sv_lane_expire, lane, &lane->timer);
    if (status == SV_OK) status = sv_timer_create(loop, sv_wait_time_out, lane, &lane->queue_timer);
    if (status == SV_OK) status = sv_timer_create(loop, flush_again, lane, &lane->flush_timer);
    if (status != SV_OK) {
        sv_lane_destroy(lane);
        return status;
    }
    service->lane[index] = lane;
    sv_loop_set_user(loop, lane);
    return SV_OK;
}

static void on_loop_close(void *self, sv_loop *loop)
{
    sv_service *service = self;
    sv_lane *lane = sv_loop_user(loop);
    if (!lane) return;
    (void)flush_one(lane, service->options.access_log);
    (void)flush_one(lane, service->options.trace_log);
    service->lane[lane->index] = NULL;
    sv_loop_set_user(loop, NULL);
    sv_lane_destroy(lane);
}

/* ---- life -------------------------------------------------------------------------------- */

static void set_defaults(sv_service_options *o)
{
    if (!o->loops) o->loops = 1;
    if (!o->workers) o->workers = 1;
    if (!o->max_running) o->max_running = 1024;
    if (!o->max_queued) o->max_queued = 256;
    if (!o->timeout_ms) o->timeout_ms = 60000;
}

static sv_status create_parts(sv_service *service)
{
    const sv_service_options *o = &service->options;
    const char *names[SV_METRICS_PROTOCOLS];
    uint32_t count = 0;
    for (; count < o->front_count && count + 1 < SV_METRICS_PROTOCOLS; count++) {
        names[count] = o->fronts[count]->name;
    }
    names[count++] = "http";
    service->router = sv_router_create(o->fronts, o->front_count, o->extra, o->extra_count);
    if (!service->router) return sv_error_memory("the routes", sizeof(sv_route));
    service->tracing = sv_tracing_create();
    if (!service->tracing) return sv_error_memory("the choice of traces", sizeof(void *));
    SV_TRY(sv_metrics_create(o->loops, names, count, NULL, &service->metrics));
    sv_queue_options queue = {.workers = o->workers,
                              .max_waiting = o->max_queued,
                              .run = sv_batch_run,
                              .give = sv_batch_post};
    return sv_queue_create(&queue, &service->queue);
}

sv_status sv_service_create(const sv_service_options *options, sv_service **out)
{
    uint32_t loops = options->loops ? options->loops : 1;
    size_t size = sizeof(sv_service) + loops * sizeof(sv_lane *);
    sv_service *service = calloc(1, size);
    if (!service) return sv_error_memory("the service", size);
    service->options = *options;
    set_defaults(&service->options);
    service->start_ns = sv_clock_ns();
    service->start_us = sv_clock_wall_us();
    service->handler = (sv_handler){
        .self = service,
        .open = on_open,
        .message = on_message,
        .end = on_end,
        .drain = on_drain,
        .gone = on_gone,
        .failing = sv_identity_name_failure,
        .error = on_error,
        .done = on_done,
        .loop_open = on_loop_open,
        .loop_close = on_loop_close,
    };
    sv_status status = create_parts(service);
    if (status != SV_OK) {
        sv_service_destroy(service);
        return status;
    }
    *out = service;
    return SV_OK;
}

void sv_service_destroy(sv_service *service)
{
    if (!service) return;
    sv_queue_destroy(service->queue);
    sv_metrics_destroy(service->metrics);
    sv_router_destroy(service->router);
    sv_tracing_destroy(service->tracing);
    free(service);
}
