/* Lists and descriptions as TorchServe's management API gives them. */
#include "front/torchserve/models.h"

#include "base/clock.h"
#include "base/status.h"
#include "front/common.h"
#include <string.h>

#define DEFAULT_LIMIT 100
#define MAX_VERSIONS 1024

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A number of the query; `fallback` where there is none. */
static sv_status query_number(sv_call *call, const char *name, uint64_t fallback, uint64_t *out)
{
    sv_string text;
    *out = fallback;
    if (!sv_exchange_query(call->x, name, &text)) return SV_OK;
    uint64_t value = 0;
    bool good = text.size > 0 && text.size <= 9;
    for (size_t i = 0; good && i < text.size; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (!good) {
        return sv_error_invalid("%s: expected a whole number, found '%.*s'", name,
                                (int)(text.size < 32 ? text.size : 32), text.data);
    }
    *out = value;
    return SV_OK;
}

sv_status sv_torchserve_list(sv_call *call)
{
    uint64_t limit, first, next;
    sv_store *store = sv_service_store(call->service);
    sv_served *served;
    SV_TRY(query_number(call, "limit", DEFAULT_LIMIT, &limit));
    SV_TRY(query_number(call, "next_page_token", 0, &first));
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

static void put_version(const sv_call *call, const sv_served *served, sv_text *out)
{
    char time[28];
    uint32_t batch = sv_service_max_batch(call->service, served);
    sv_clock_format(served->loaded_us, time);
    sv_text_puts(out, "{\"modelName\":");
    sv_front_put_string(out, served->name);
    sv_text_printf(out, ",\"modelVersion\":\"%lld\",\"modelUrl\":", (long long)served->number);
    sv_front_put_string(out, file_name(served->path));
    sv_text_printf(out,
                   ",\"runtime\":\"serval\",\"minWorkers\":1,\"maxWorkers\":1,\"batchSize\":%u,"
                   "\"maxBatchDelay\":0,\"loadedAtStartup\":true,\"workers\":[{\"id\":\"0\","
                   "\"startTime\":\"%s\",\"status\":\"READY\",\"memoryUsage\":0,\"gpu\":false}]}",
                   batch ? (unsigned)batch : 1u, time);
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
