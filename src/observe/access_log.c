/* Lines of the access log. */
#include "observe/access_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "observe/outlet.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)32 << 10)
#define MAX_TEXT 1024     /* of one client-chosen field */
#define LAST_WAIT_MS 1000 /* for a slow reader, at the end */

struct sv_access_log {
    sv_outlet outlet;
    uint32_t shards;
    const char *what;
    char *path;
    pthread_mutex_t lock; /* writes of two threads do not mix, even on a pipe */
    bool failing;         /* the last write failed; under the lock, as the next */
    bool mid;             /* what was written last is no whole line */
    bool torn;            /* and its rest is lost */
    sv_text held;         /* until somebody reads */
    uint64_t lost_before; /* lines that were lost when it began to fail */
    _Atomic uint64_t lost;
    atomic_bool stalled; /* something is held */
    sv_text *shard;      /* [shards] */
};

sv_status sv_access_log_create(const char *path, uint32_t shards, sv_access_log **out)
{
    return sv_access_log_create_as("access log", path, shards, out);
}

const char *sv_access_log_path(const sv_access_log *log)
{
    return log->path;
}

sv_status sv_access_log_create_as(const char *what, const char *path, uint32_t shards,
                                  sv_access_log **out)
{
    sv_access_log *log = calloc(1, sizeof *log);
    sv_text *texts = calloc(shards, sizeof *texts);
    char *copy = strdup(path);
    if (!log || !texts || !copy) {
        free(log);
        free(texts);
        free(copy);
        return sv_error_memory(what, shards * sizeof *texts);
    }
    sv_status status = sv_outlet_open(path, &log->outlet);
    if (status != SV_OK) {
        free(texts);
        free(copy);
        free(log);
        return sv_status_annotate(status, "%s", what);
    }
    log->what = what;
    log->path = copy;
    log->shards = shards;
    log->shard = texts;
    pthread_mutex_init(&log->lock, NULL);
    sv_text_init(&log->held, NULL);
    for (uint32_t i = 0; i < shards; i++)
        sv_text_init(&texts[i], NULL);
    *out = log;
    return SV_OK;
}

static uint64_t count_lines(const char *text, size_t size)
{
    uint64_t lines = 0;
    for (const char *at = text; (at = memchr(at, '\n', size - (size_t)(at - text))); at++)
        lines++;
    return lines;
}

/* Says once that lines are lost, and why. */
static void note_failure(sv_access_log *log, int error)
{
    if (log->failing) return;
    log->failing = true;
    log->lost_before = atomic_load_explicit(&log->lost, memory_order_relaxed);
    sv_log(SV_LOG_WARN,
           "%s '%s': expected to be written, found: %s; lines are lost until it can be", log->what,
           log->path, error == EAGAIN ? "nobody reads it" : strerror(error));
}

static void note_success(sv_access_log *log)
{
    if (!log->failing) return;
    log->failing = false;
    uint64_t lost = atomic_load_explicit(&log->lost, memory_order_relaxed) - log->lost_before;
    sv_log(SV_LOG_WARN, "%s '%s': is written again; %llu lines were lost", log->what, log->path,
           (unsigned long long)lost);
}

/* Counts the lines that end in a text, and sees to it that the next begins on a line of its own.
 * The lock is held, as for what follows. */
static void lose(sv_access_log *log, const char *text, size_t size, int error)
{
    note_failure(log, error);
    log->torn = log->mid;
    atomic_fetch_add_explicit(&log->lost, count_lines(text, size), memory_order_relaxed);
}

/* Writes what can be written now; *error is 0, EAGAIN, or why the rest is lost. */
static size_t put_lines(sv_access_log *log, const char *text, size_t size, int *error)
{
    size_t written = 0;
    *error = 0;
    /* What stands there of a line must not spoil the next. */
    if (log->torn && sv_outlet_write(&log->outlet, "\n", 1) == 1) log->torn = log->mid = false;
    if (!log->torn) written = sv_outlet_write(&log->outlet, text, size);
    if (written < size) *error = errno == EWOULDBLOCK ? EAGAIN : errno;
    if (written) log->mid = text[written - 1] != '\n';
    return written;
}

/* Keeps whole lines while there is room for them, and loses the others. */
static void hold(sv_access_log *log, const char *text, size_t size)
{
    size_t room = SV_ACCESS_LOG_HELD > log->held.size ? SV_ACCESS_LOG_HELD - log->held.size : 0;
    size_t keep = size < room ? size : room;
    while (keep && text[keep - 1] != '\n')
        keep--;
    if (log->held.capacity < SV_ACCESS_LOG_HELD && !sv_text_reserve(&log->held, SV_ACCESS_LOG_HELD))
        keep = 0;
    sv_text_append(&log->held, text, keep);
    atomic_store_explicit(&log->stalled, true, memory_order_relaxed);
    if (keep == size) return;
    /* Without memory nothing is held: then the rest of a line may be lost, too. */
    if (!log->held.size) log->torn = log->mid;
    note_failure(log, EAGAIN);
    atomic_fetch_add_explicit(&log->lost, count_lines(text + keep, size - keep),
                              memory_order_relaxed);
}

static void let_go(sv_access_log *log)
{
    sv_text_release(&log->held);
    sv_text_init(&log->held, NULL);
    atomic_store_explicit(&log->stalled, false, memory_order_relaxed);
}

bool sv_access_log_stalled(const sv_access_log *log)
{
    return atomic_load_explicit(&log->stalled, memory_order_relaxed);
}

/* Writes what is held; false: nobody reads it yet. */
static bool write_held(sv_access_log *log)
{
    int error;
    if (!log->held.size) {
        if (sv_access_log_stalled(log)) let_go(log);
        return true;
    }
    size_t written = put_lines(log, log->held.data, log->held.size, &error);
    log->held.size -= written;
    memmove(log->held.data, log->held.data + written, log->held.size);
    if (error == EAGAIN) return false;
    if (error) lose(log, log->held.data, log->held.size, error);
    let_go(log);
    return true;
}

/* A log that cannot be written, or that nobody reads, must not stop the service. */
static void write_lines(sv_access_log *log, const char *text, size_t size)
{
    int error;
    if (!write_held(log)) {
        hold(log, text, size);
        return;
    }
    size_t written = put_lines(log, text, size, &error);
    if (error == EAGAIN) {
        hold(log, text + written, size - written);
    } else if (error) {
        lose(log, text + written, size - written, error);
    } else {
        note_success(log);
    }
}

/* Gives a slow reader some time, but the end of the program must not wait for one that is not. */
static void write_last(sv_access_log *log)
{
    uint64_t end = sv_clock_ns() + LAST_WAIT_MS * UINT64_C(1000000);
    while (!write_held(log)) {
        uint64_t now = sv_clock_ns();
        if (now >= end || !sv_outlet_wait(&log->outlet, (int)((end - now) / 1000000) + 1)) break;
    }
    if (log->held.size) lose(log, log->held.data, log->held.size, EAGAIN);
}

void sv_access_log_destroy(sv_access_log *log)
{
    if (!log) return;
    for (uint32_t i = 0; i < log->shards; i++) {
        sv_access_log_flush(log, i);
        sv_text_release(&log->shard[i]);
    }
    write_last(log);
    sv_text_release(&log->held);
    sv_outlet_close(&log->outlet);
    pthread_mutex_destroy(&log->lock);
    free(log->shard);
    free(log->path);
    free(log);
}

uint64_t sv_access_log_lost(const sv_access_log *log)
{
    return log ? atomic_load_explicit(&log->lost, memory_order_relaxed) : 0;
}

void sv_access_log_flush(sv_access_log *log, uint32_t shard)
{
    sv_text *text = &log->shard[shard];
    if (text->size || sv_access_log_stalled(log)) {
        pthread_mutex_lock(&log->lock);
        write_lines(log, text->data, text->size);
        pthread_mutex_unlock(&log->lock);
    }
    if (text->failed || text->capacity > 8 * FLUSH_BYTES) {
        sv_text_release(text);
        sv_text_init(text, NULL);
    }
    sv_text_clear(text);
}

static void put_string(sv_text *out, const char *name, sv_string value)
{
    sv_text_printf(out, ",\"%s\":", name);
    sv_text_put_json(out, value.data ? value.data : "",
                     value.size < MAX_TEXT ? value.size : MAX_TEXT);
}

static void put_name(sv_text *out, const char *name, const char *value)
{
    put_string(out, name, (sv_string){value, strlen(value)});
}

static void put_phases(sv_text *out, const uint64_t *ns)
{
    for (int i = 0; i < SV_METRIC_PHASES; i++) {
        sv_text_printf(out, ",\"%s_us\":%.1f", sv_metric_phase_name((sv_metric_phase)i),
                       (double)ns[i] / 1e3);
    }
}

static void put_trace(sv_text *out, const sv_trace *trace)
{
    if (!trace) return;
    sv_text_printf(out, ",\"trace\":\"%.32s\",\"span\":\"%.16s\"", trace->id, trace->span);
    if (trace->parent[0]) sv_text_printf(out, ",\"parent\":\"%.16s\"", trace->parent);
}

bool sv_access_log_add(sv_access_log *log, uint32_t shard, const sv_access_entry *e)
{
    sv_text *out = &log->shard[shard];
    bool was_empty = out->size == 0;
    char time[28];
    sv_clock_format(e->wall_us, time);
    sv_text_printf(out, "{\"time\":\"%s\"", time);
    put_name(out, "peer", e->peer);
    put_string(out, "method", e->method);
    put_string(out, "target", e->target);
    put_name(out, "protocol", e->protocol);
    if (e->model) {
        put_name(out, "model", e->model);
        sv_text_printf(out, ",\"version\":%lld", (long long)e->version);
    }
    if (e->id.size) put_string(out, "id", e->id);
    put_trace(out, e->trace);
    sv_text_printf(out, ",\"code\":%d,\"bytes_in\":%llu,\"bytes_out\":%llu,\"total_us\":%.1f",
                   e->http, (unsigned long long)e->bytes_in, (unsigned long long)e->bytes_out,
                   (double)e->total_ns / 1e3);
    if (e->ran) put_phases(out, e->phase_ns);
    sv_text_puts(out, e->lost ? ",\"lost\":true}\n" : "}\n");
    if (out->size >= FLUSH_BYTES) sv_access_log_flush(log, shard);
    return was_empty;
}

/* Stamps of a round are taken once, and may lie a little behind others: none goes back. */
static void put_stamp(sv_text *out, const char *name, uint64_t ns, uint64_t *last)
{
    if (!ns) return;
    if (ns > *last) *last = ns;
    sv_text_printf(out, "%s{\"name\":\"%s\",\"ns\":%llu}",
                   out->data[out->size - 1] == '[' ? "" : ",", name, (unsigned long long)*last);
}

bool sv_access_log_add_times(sv_access_log *log, uint32_t shard, const sv_access_times *times)
{
    sv_text *out = &log->shard[shard];
    bool was_empty = out->size == 0;
    uint64_t last = 0;
    sv_text_printf(out, "{\"id\":%llu", (unsigned long long)times->number);
    put_name(out, "model_name", times->model);
    sv_text_printf(out, ",\"model_version\":%lld", (long long)times->version);
    if (times->id.size) put_string(out, "request_id", times->id);
    put_trace(out, times->trace);
    sv_text_puts(out, ",\"timestamps\":[");
    if (!out->failed) {
        put_stamp(out, "REQUEST_START", times->start_ns, &last);
        put_stamp(out, "QUEUE_START", times->queue_ns, &last);
        put_stamp(out, "COMPUTE_START", times->run_ns, &last);
        put_stamp(out, "COMPUTE_END", times->ran_ns, &last);
        put_stamp(out, "REQUEST_END", times->end_ns, &last);
    }
    sv_text_puts(out, "]}\n");
    if (out->size >= FLUSH_BYTES) sv_access_log_flush(log, shard);
    return was_empty;
}
