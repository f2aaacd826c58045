/* Traffic between the versions of a model. */
#include "front/oip/traffic.h"

#include "base/status.h"
#include "front/common.h"
#include "serve/manage.h"
#include <string.h>

/* ---- showing -------------------------------------------------------------------------------- */

static void put_counts(const sv_version_status *version, sv_text *out)
{
    const uint64_t *figure = version->figure, *shadow = version->shadow;
    uint64_t good = figure[SV_SERVED_SUCCESS];
    sv_text_printf(out, "{\"version\":\"%lld\",\"success\":%llu,\"fail\":%llu,\"mean_ms\":",
                   (long long)version->number, (unsigned long long)good,
                   (unsigned long long)figure[SV_SERVED_FAIL]);
    sv_text_put_f64(out, good ? (double)figure[SV_SERVED_SUCCESS_NS] / 1e6 / (double)good : 0);
    sv_text_printf(
        out, ",\"shadow\":{\"agrees\":%llu,\"differs\":%llu,\"fails\":%llu,\"skipped\":%llu}}",
        (unsigned long long)shadow[SV_SHADOW_AGREES], (unsigned long long)shadow[SV_SHADOW_DIFFERS],
        (unsigned long long)shadow[SV_SHADOW_FAILS], (unsigned long long)shadow[SV_SHADOW_SKIPPED]);
}

static void put_guard(const sv_guard *guard, sv_text *out)
{
    if (!guard->requests) {
        sv_text_puts(out, "null");
        return;
    }
    sv_text_printf(out, "{\"requests\":%u,\"errors\":", (unsigned)guard->requests);
    sv_text_put_f64(out, guard->errors);
    sv_text_puts(out, ",\"latency\":");
    sv_text_put_f64(out, guard->latency);
    sv_text_puts(out, ",\"max_errors\":");
    sv_text_put_f64(out, guard->max_errors);
    sv_text_puts(out, ",\"max_latency_ms\":");
    sv_text_put_f64(out, guard->max_latency_ms);
    sv_text_printf(out, ",\"seconds\":%u}", (unsigned)guard->seconds);
}

static void put_traffic(const sv_traffic *traffic, sv_text *out)
{
    sv_text_puts(out, ",\"traffic\":{");
    for (uint32_t i = 0; i < traffic->count; i++) {
        sv_text_printf(out, "%s\"%lld\":%u", i ? "," : "", (long long)traffic->share[i].number,
                       (unsigned)traffic->share[i].weight);
    }
    sv_text_puts(out, "},\"shadow\":");
    if (traffic->shadow) {
        sv_text_printf(out, "\"%lld\"", (long long)traffic->shadow);
    } else {
        sv_text_puts(out, "null");
    }
    sv_text_puts(out, ",\"guard\":");
    put_guard(&traffic->guard, out);
}

static void put_model(const sv_model_status *model, sv_text *out)
{
    sv_text_puts(out, "{\"name\":");
    sv_front_put_string(out, model->name);
    put_traffic(&model->traffic, out);
    sv_text_puts(out, ",\"versions\":[");
    bool first = true;
    for (size_t i = 0; i < model->count; i++) {
        if (model->version[i].state != SV_VERSION_AVAILABLE) continue;
        sv_text_puts(out, first ? "" : ",");
        first = false;
        put_counts(&model->version[i], out);
    }
    sv_text_puts(out, "],\"last_good\":[");
    for (uint32_t i = 0; i < model->good_count; i++)
        sv_text_printf(out, "%s\"%lld\"", i ? "," : "", (long long)model->good[i]);
    sv_text_printf(out, "],\"rollbacks\":%llu,\"verdict\":", (unsigned long long)model->rollbacks);
    sv_front_put_string(out, model->verdict);
    sv_text_putc(out, '}');
}

sv_status sv_oip_traffic(sv_call *call)
{
    sv_model_status model;
    sv_text text;
    SV_TRY(sv_front_describe(call, &model));
    sv_text_init(&text, NULL);
    put_model(&model, &text);
    return sv_front_reply(call, 200, &text);
}

/* ---- changing ------------------------------------------------------------------------------- */

/* 0 when it is no version's number. */
static int64_t number_of(sv_string text)
{
    int64_t number = 0;
    if (text.size == 0 || text.size > 18) return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        number = number * 10 + (text.data[i] - '0');
    }
    return number;
}

static sv_status read_version(sv_json *json, int64_t *out)
{
    if (sv_json_peek(json) == SV_JSON_NUMBER) {
        SV_TRY(sv_json_i64(json, out));
    } else {
        sv_string text;
        SV_TRY(sv_json_string(json, &text));
        *out = number_of(text);
    }
    return *out > 0 ? SV_OK : sv_json_error(json, "expected a version's number, found another");
}

static bool is_null(sv_json *json)
{
    return sv_json_peek(json) == SV_JSON_NULL;
}

static sv_status read_shares(sv_json *json, void *into)
{
    sv_traffic *traffic = into;
    sv_string key;
    int64_t weight;
    bool more;
    if (is_null(json)) return sv_json_null(json);
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_object_next(json, &key, &more));
        if (!more) return SV_OK;
        int64_t number = number_of(key);
        if (!number || traffic->count == SV_TRAFFIC_SHARES) {
            return sv_json_error(json,
                                 "traffic: expected at most %d versions' numbers, found '%.*s'",
                                 SV_TRAFFIC_SHARES, (int)(key.size < 32 ? key.size : 32), key.data);
        }
        SV_TRY(sv_json_i64(json, &weight));
        if (weight < 0 || weight > SV_TRAFFIC_MAX_WEIGHT) {
            return sv_json_error(json, "traffic: expected shares from 0 to %d, found %lld",
                                 SV_TRAFFIC_MAX_WEIGHT, (long long)weight);
        }
        if (weight) {
            traffic->share[traffic->count++] = (sv_traffic_share){number, (uint32_t)weight};
        }
    }
}

static sv_status read_errors(sv_json *json, void *into)
{
    return sv_json_f64(json, &((sv_guard *)into)->errors);
}

static sv_status read_latency(sv_json *json, void *into)
{
    return sv_json_f64(json, &((sv_guard *)into)->latency);
}

static sv_status read_max_errors(sv_json *json, void *into)
{
    return sv_json_f64(json, &((sv_guard *)into)->max_errors);
}

static sv_status read_max_latency(sv_json *json, void *into)
{
    return sv_json_f64(json, &((sv_guard *)into)->max_latency_ms);
}

static sv_status read_seconds(sv_json *json, void *into)
{
    int64_t seconds;
    SV_TRY(sv_json_i64(json, &seconds));
    if (seconds < 0 || seconds > SV_GUARD_MAX_SECONDS) {
        return sv_json_error(json, "guard: expected seconds from 0 to %d, found %lld",
                             SV_GUARD_MAX_SECONDS, (long long)seconds);
    }
    ((sv_guard *)into)->seconds = (uint32_t)seconds;
    return SV_OK;
}

static sv_status read_requests(sv_json *json, void *into)
{
    int64_t requests;
    SV_TRY(sv_json_i64(json, &requests));
    if (requests < 1 || requests > UINT32_MAX) {
        return sv_json_error(json, "guard: expected at least one request, found %lld",
                             (long long)requests);
    }
    ((sv_guard *)into)->requests = (uint32_t)requests;
    return SV_OK;
}

static sv_status read_guard(sv_json *json, void *into)
{
    static const sv_json_member members[] = {
        {"errors", read_errors},         {"latency", read_latency},
        {"max_errors", read_max_errors}, {"max_latency_ms", read_max_latency},
        {"requests", read_requests},     {"seconds", read_seconds}};
    sv_guard *guard = &((sv_traffic *)into)->guard;
    if (is_null(json)) return sv_json_null(json);
    *guard = SV_GUARD_DEFAULT;
    SV_TRY(sv_json_members(json, members, 6,
                           "guard: expected errors, latency, max_errors, max_latency_ms, requests "
                           "or seconds",
                           guard, NULL));
    bool relative = guard->errors >= 0 && guard->latency >= 0;
    if (relative && guard->max_errors >= 0 && guard->max_latency_ms >= 0) return SV_OK;
    return sv_json_error(json, "guard: expected numbers of at least 0");
}

static sv_status read_shadow(sv_json *json, void *into)
{
    if (is_null(json)) return sv_json_null(json);
    return read_version(json, &((sv_traffic *)into)->shadow);
}

/* Answers with what is now. */
static sv_status changed(sv_call *call)
{
    return sv_oip_traffic(call);
}

sv_status sv_oip_set_traffic(sv_call *call, sv_string body)
{
    static const sv_json_member members[] = {
        {"guard", read_guard}, {"shadow", read_shadow}, {"traffic", read_shares}};
    sv_traffic traffic = {.count = 0};
    SV_TRY(sv_front_members(call, body, members, 3, "expected guard, shadow or traffic", &traffic,
                            NULL));
    return sv_call_manage(call, SV_KEEPER_TRAFFIC, call->model, &traffic, changed);
}

/* The version that a label of the model has. */
static sv_status find_label(const sv_call *call, sv_string label, int64_t *out)
{
    sv_served *served;
    SV_TRY(sv_store_acquire_label(sv_service_store(call->service), call->model.data,
                                  call->model.size, label, &served));
    *out = served->number;
    sv_served_unref(served);
    return SV_OK;
}

/* What a promotion names: a version's number, or a text, which may be a label. */
typedef struct promotion {
    int64_t number;
    sv_string text;
} promotion;

static sv_status read_promoted(sv_json *json, void *into)
{
    promotion *p = into;
    if (sv_json_peek(json) == SV_JSON_NUMBER) return read_version(json, &p->number);
    return sv_json_string(json, &p->text);
}

static sv_status read_promotion(const sv_call *call, sv_string body, int64_t *out)
{
    static const sv_json_member members[] = {{"version", read_promoted}};
    promotion p = {.number = 0};
    uint64_t seen;
    SV_TRY(sv_front_members(call, body, members, 1, "expected version", &p, &seen));
    if (!seen) return sv_error_invalid("body: expected a key \"version\", found none");
    *out = p.text.data ? number_of(p.text) : p.number;
    return *out ? SV_OK : find_label(call, p.text, out);
}

sv_status sv_oip_promote(sv_call *call, sv_string body)
{
    int64_t number;
    SV_TRY(read_promotion(call, body, &number));
    return sv_front_promote(call, number, changed);
}

sv_status sv_oip_rollback(sv_call *call, sv_string body)
{
    (void)body;
    return sv_call_manage(call, SV_KEEPER_ROLLBACK, call->model, NULL, changed);
}
