/* TorchServe's management calls
 * (https://github.com/pytorch/serve/blob/master/docs/management_api.md). Who may make them is the
 * service's matter. */
#include "front/torchserve/manage.h"

#include "base/status.h"
#include "front/common.h"
#include "front/torchserve/query.h"
#include "serve/manage.h"
#include <stdio.h>
#include <string.h>

/* {"status": ...} with the model's name in it. */
static sv_status reply_status(sv_call *call, const char *before, const char *after)
{
    sv_text message, text;
    sv_text_init(&message, NULL);
    sv_text_init(&text, NULL);
    sv_text_printf(&message, "%s\"%.*s\"%s", before, (int)call->model.size, call->model.data,
                   after);
    sv_text_puts(&text, "{\"status\":");
    sv_text_put_json(&text, message.data ? message.data : "", message.size);
    sv_text_putc(&text, '}');
    sv_text_release(&message);
    return sv_front_reply(call, 200, &text);
}

/* The name that an archive's file gives a model: "squeezenet.mar" is "squeezenet". */
static sv_string name_of_archive(sv_string url)
{
    static const char *const endings[] = {".mar", ".onnx", ".tar.gz"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t size = strlen(endings[i]);
        if (url.size > size && memcmp(url.data + url.size - size, endings[i], size) == 0) {
            url.size -= size;
            break;
        }
    }
    return url;
}

/* ---- how runs are arranged ------------------------------------------------------------------ */

#define MAX_WORKERS 1024
#define MAX_BATCH 1000000
#define MAX_DELAY_MS 3600000

static sv_status read_limited(const sv_call *call, const char *name, uint64_t most, uint64_t *out,
                              bool *given)
{
    SV_TRY(sv_torchserve_number(call, name, 0, out, given));
    if (*out <= most) return SV_OK;
    return sv_error_invalid("%s: expected at most %llu, found %llu", name, (unsigned long long)most,
                            (unsigned long long)*out);
}

static void set_workers(sv_tuning *tuning, uint64_t workers)
{
    tuning->instances = (uint32_t)workers;
    tuning->given |= 1u << SV_TUNING_INSTANCES;
}

/* What a registration says besides its names; 0 workers are said where they are to come later, and
 * leave it to the server. */
static sv_status read_tuning(const sv_call *call, sv_tuning *out)
{
    uint64_t batch, delay, workers;
    bool batch_given, delay_given, workers_given;
    SV_TRY(read_limited(call, "batch_size", MAX_BATCH, &batch, &batch_given));
    SV_TRY(read_limited(call, "max_batch_delay", MAX_DELAY_MS, &delay, &delay_given));
    SV_TRY(read_limited(call, "initial_workers", MAX_WORKERS, &workers, &workers_given));
    *out = (sv_tuning){.given = 0};
    if (batch_given) {
        out->given |= 1u << SV_TUNING_MAX_BATCH;
        out->max_batch_rows = batch > 1 ? (int64_t)batch : 0;
        out->no_batching = batch < 2;
    }
    if (delay_given) {
        out->given |= 1u << SV_TUNING_DELAY;
        out->max_queue_delay_us = delay * 1000;
        out->batching = delay > 0 && !out->no_batching;
    }
    if (workers) set_workers(out, workers);
    return SV_OK;
}

/* As many as must be are as many as may be, unless more are said. */
static sv_status read_scale(const sv_call *call, uint64_t *out)
{
    uint64_t least, most;
    bool given;
    SV_TRY(read_limited(call, "min_worker", MAX_WORKERS, &least, &given));
    if (!given) least = 1;
    SV_TRY(read_limited(call, "max_worker", MAX_WORKERS, &most, &given));
    if (!given) most = least;
    if (least == 0) {
        return sv_error_invalid("min_worker: expected at least 1, found 0: a model without workers "
                                "is one that is unregistered");
    }
    if (most < least) {
        return sv_error_invalid("max_worker: expected at least min_worker, %llu, found %llu",
                                (unsigned long long)least, (unsigned long long)most);
    }
    *out = most;
    return SV_OK;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static uint32_t workers_of(sv_call *call)
{
    sv_served *served = NULL;
    sv_status_free(sv_call_find(call, (sv_string){0}, &served));
    uint32_t workers = served && served->tuning.instances ? served->tuning.instances : 1;
    sv_served_unref(served);
    return workers;
}

static sv_status done_register(sv_call *call)
{
    char after[64];
    snprintf(after, sizeof after, " registered with %u initial workers",
             (unsigned)workers_of(call));
    return reply_status(call, "Model ", after);
}

sv_status sv_torchserve_register(sv_call *call)
{
    sv_string url, name;
    sv_tuning tuning;
    if (!sv_exchange_query(call->x, "url", &url)) {
        return sv_error_invalid("url: expected the name of a model of the repository, found none");
    }
    if (memchr(url.data, '/', url.size)) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "url: expected the name of a model of the repository, found '%.*s': "
                        "nothing is fetched",
                        (int)(url.size < 128 ? url.size : 128), url.data);
    }
    SV_TRY(read_tuning(call, &tuning));
    if (!sv_exchange_query(call->x, "model_name", &name)) name = name_of_archive(url);
    call->model = name;
    const sv_manage_request request = {
        .verb = SV_KEEPER_REGISTER, .name = name, .tuning = tuning.given ? &tuning : NULL};
    return sv_call_ask_keeper(call, &request, done_register);
}

static sv_status done_unregister(sv_call *call)
{
    return reply_status(call, "Model ", " unregistered");
}

sv_status sv_torchserve_unregister(sv_call *call)
{
    int64_t number;
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    const sv_manage_request request = {
        .verb = SV_KEEPER_UNLOAD_VERSION, .name = call->model, .version = served->number};
    sv_served_unref(served);
    size_t count = sv_store_versions(sv_service_store(call->service), call->model.data,
                                     call->model.size, &number, 1);
    bool one = call->version || call->label.size;
    if (one && count > 1) return sv_call_ask_keeper(call, &request, done_unregister);
    return sv_call_manage(call, SV_KEEPER_UNLOAD, call->model, NULL, done_unregister);
}

static sv_status done_scale(sv_call *call)
{
    char before[48];
    snprintf(before, sizeof before, "Workers scaled to %u for model: ", (unsigned)workers_of(call));
    return reply_status(call, before, "");
}

sv_status sv_torchserve_scale(sv_call *call)
{
    uint64_t workers;
    sv_served *served;
    sv_tuning tuning = {.given = 0};
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_served_unref(served);
    SV_TRY(read_scale(call, &workers));
    set_workers(&tuning, workers);
    const sv_manage_request request = {
        .verb = SV_KEEPER_TUNE, .name = call->model, .tuning = &tuning};
    return sv_call_ask_keeper(call, &request, done_scale);
}

static sv_status done_set_default(sv_call *call)
{
    return reply_status(call, "Default version successfully updated for model ", "");
}

sv_status sv_torchserve_set_default(sv_call *call)
{
    sv_served *asked;
    SV_TRY(sv_call_find(call, (sv_string){0}, &asked));
    int64_t number = asked->number;
    sv_served_unref(asked);
    return sv_front_promote(call, number, done_set_default);
}
