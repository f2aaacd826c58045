/* Lists and descriptions as TorchServe's management API gives them. */
#include "front/torchserve/models.h"

#include "base/clock.h"
#include "base/status.h"
#include "front/common.h"
#include "front/torchserve/query.h"
#include <string.h>

#define DEFAULT_LIMIT 100
#define MAX_VERSIONS 1024
#define MAX_WORKERS 64 /* that are listed */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

sv_status sv_torchserve_list(sv_call *call)
{
    uint64_t limit, first, next;
    sv_store *store = sv_service_store(call->service);
    sv_served *served;
    SV_TRY(sv_torchserve_number(call, "limit", DEFAULT_LIMIT, &limit, NULL));
    SV_TRY(sv_torchserve_number(call, "next_page_token", 0, &first, NULL));
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"models\":[");
    for (next = first; next < first + limit; next++) {
        served = sv_store_at(store, next);
        if (!served) break;
        sv_text_puts(&text, next > first ? ",{\"modelName\":" : "{\"modelName\":");
        sv_front_put_string(&text, served->name);
        sv_text_puts(&text, ",\"modelUrl\":");
        sv_front_put_string(&text, file_name(served->path));
        sv_text_putc(&text, '}');
        sv_served_unref(served);
    }
    sv_text_putc(&text, ']');
    if (next > first && next == first + limit && next < sv_store_count(store)) {
        sv_text_puts(&text, ",\"nextPageToken\":\"");
        sv_text_put_u64(&text, next);
        sv_text_putc(&text, '"');
    }
    sv_text_putc(&text, '}');
    return sv_front_reply(call, 200, &text);
}

/* What is said of runs at once, or what there may be: from one to all threads. */
static void put_workers(const sv_call *call, const sv_served *served, sv_text *out)
{
    const sv_tuning *tuning = &served->tuning;
    uint32_t batch = sv_service_max_batch(call->service, served);
    uint32_t least = tuning->instances ? tuning->instances : 1;
    uint32_t most =
        tuning->instances ? tuning->instances : sv_service_max_runs(call->service, served);
    /* TorchServe knows milliseconds only. */
    uint64_t delay = (tuning->max_queue_delay_us + 999) / 1000;
    char time[28];
    sv_clock_format(served->loaded_us, time);
    sv_text_printf(out,
                   "\"minWorkers\":%u,\"maxWorkers\":%u,\"batchSize\":%u,\"maxBatchDelay\":%llu,"
                   "\"loadedAtStartup\":true,\"workers\":[",
                   (unsigned)least, (unsigned)most, batch ? (unsigned)batch : 1u,
                   (unsigned long long)delay);
    for (uint32_t i = 0; i < least && i < MAX_WORKERS; i++) {
        sv_text_printf(out,
                       "%s{\"id\":\"%u\",\"startTime\":\"%s\",\"status\":\"READY\","
                       "\"memoryUsage\":0,\"gpu\":false}",
                       i ? "," : "", (unsigned)i, time);
    }
    sv_text_putc(out, ']');
}

static void put_version(const sv_call *call, const sv_served *served, sv_text *out)
{
    sv_text_puts(out, "{\"modelName\":");
    sv_front_put_string(out, served->name);
    sv_text_printf(out, ",\"modelVersion\":\"%lld\",\"modelUrl\":", (long long)served->number);
    sv_front_put_string(out, file_name(served->path));
    sv_text_puts(out, ",\"runtime\":\"serval\",");
    put_workers(call, served, out);
    sv_text_putc(out, '}');
}

static bool asks_for_all(const sv_call *call)
{
    const sv_exchange *x = call->x;
    sv_string last = x->head.segments[x->head.segment_count - 1];
    return x->head.segment_count == 3 && last.size == 3 && memcmp(last.data, "all", 3) == 0;
}

static void put_all(sv_call *call, sv_text *out)
{
    int64_t numbers[MAX_VERSIONS];
    bool first = true;
    sv_store *store = sv_service_store(call->service);
    size_t count =
        sv_store_versions(store, call->model.data, call->model.size, numbers, MAX_VERSIONS);
    for (size_t i = 0; i < count && i < MAX_VERSIONS; i++) {
        sv_served *served;
        sv_status status =
            sv_store_acquire(store, call->model.data, call->model.size, numbers[i], &served);
        if (status == SV_OK) {
            sv_text_puts(out, first ? "" : ",");
            first = false;
            put_version(call, served, out);
            sv_served_unref(served);
        }
        sv_status_free(status);
    }
}

sv_status sv_torchserve_model(sv_call *call)
{
    sv_served *served;
    if (!call->version && !call->label.size) {
        call->version =
            sv_store_default(sv_service_store(call->service), call->model.data, call->model.size);
    }
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_putc(&text, '[');
    if (asks_for_all(call)) {
        put_all(call, &text);
    } else {
        put_version(call, served, &text);
    }
    sv_text_putc(&text, ']');
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}
