/* The model repository extension of the Open Inference Protocol. */
#include "front/oip/repository.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "serve/manage.h"
#include <stdio.h>
#include <string.h>

/* ---- index ---------------------------------------------------------------------------------- */

static sv_status read_ready(sv_json *json, void *into)
{
    return sv_json_bool(json, into);
}

static sv_status read_index(const sv_call *call, sv_string body, bool *ready)
{
    static const sv_json_member members[] = {{"ready", read_ready}};
    *ready = false;
    return body.size ? sv_front_members(call, body, members, 1, NULL, ready, NULL) : SV_OK;
}

static const char *state_name(sv_version_state state)
{
    static const char *const names[] = {
        [SV_VERSION_START] = "LOADING",   [SV_VERSION_LOADING] = "LOADING",
        [SV_VERSION_AVAILABLE] = "READY", [SV_VERSION_UNLOADING] = "UNLOADING",
        [SV_VERSION_END] = "UNAVAILABLE",
    };
    return names[state];
}

/* A version, or with version 0 a model. */
typedef struct row {
    const char *name;
    int64_t version;
    const char *state, *reason;
} row;

typedef void put_row(const row *row, sv_text *out);

static void put_json_row(const row *row, sv_text *out)
{
    if (out->size > 1) sv_text_putc(out, ',');
    sv_text_puts(out, "{\"name\":");
    sv_front_put_string(out, row->name);
    if (row->version) sv_text_printf(out, ",\"version\":\"%lld\"", (long long)row->version);
    sv_text_printf(out, ",\"state\":\"%s\",\"reason\":", row->state);
    sv_front_put_string(out, row->reason);
    sv_text_putc(out, '}');
}

static void put_message_row(const row *row, sv_text *out)
{
    char version[24];
    size_t mark = sv_pb_begin(out, SV_OIP_INDEX_MODEL);
    sv_pb_put_text(out, SV_OIP_INDEX_NAME, row->name);
    snprintf(version, sizeof version, "%lld", (long long)row->version);
    if (row->version) sv_pb_put_text(out, SV_OIP_INDEX_VERSION, version);
    sv_pb_put_text(out, SV_OIP_INDEX_STATE, row->state);
    sv_pb_put_text(out, SV_OIP_INDEX_REASON, row->reason);
    sv_pb_end(out, mark);
}

static void put_model(const sv_model_status *model, bool ready, put_row *put, sv_text *out)
{
    if (model->problem[0] && !ready)
        put(&(row){model->name, 0, "UNAVAILABLE", model->problem}, out);
    for (size_t i = 0; i < model->count; i++) {
        const sv_version_status *version = &model->version[i];
        if (ready && version->state != SV_VERSION_AVAILABLE) continue;
        bool unloaded = version->state == SV_VERSION_END && !version->message[0];
        put(&(row){model->name, version->number, state_name(version->state),
                   unloaded ? "unloaded" : version->message},
            out);
    }
}

static sv_status put_models(sv_store *store, bool ready, put_row *put, sv_text *out)
{
    sv_arena arena;
    sv_model_status *models;
    size_t count;
    sv_arena_init(&arena, NULL);
    sv_status status = sv_store_describe_all(store, &arena, &models, &count);
    for (size_t i = 0; status == SV_OK && i < count; i++)
        put_model(&models[i], ready, put, out);
    sv_arena_release(&arena);
    return status;
}

sv_status sv_oip_index(sv_call *call, sv_string body)
{
    bool ready;
    sv_text text;
    SV_TRY(read_index(call, body, &ready));
    sv_text_init(&text, NULL);
    sv_text_putc(&text, '[');
    sv_status status = put_models(sv_service_store(call->service), ready, put_json_row, &text);
    sv_text_putc(&text, ']');
    if (status == SV_OK) return sv_front_reply(call, 200, &text);
    sv_text_release(&text);
    return status;
}

/* There is one repository, as far as clients are concerned: its name is stepped over. */
sv_status sv_oip_index_message(sv_call *call, sv_string message)
{
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    sv_text text;
    bool ready = false;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        if (field.number == SV_OIP_INDEX_READY) ready = field.value != 0;
    }
    sv_text_init(&text, NULL);
    sv_status status = put_models(sv_service_store(call->service), ready, put_message_row, &text);
    if (status == SV_OK) return sv_message_reply(call, &text);
    sv_text_release(&text);
    return status;
}

/* ---- load and unload ------------------------------------------------------------------------ */

/* A configuration or file that comes with the call would be served unseen by the operator. */
static sv_status check_parameter(sv_string key)
{
    if (sv_message_is(key, "unload_dependents")) return SV_OK;
    return sv_error_invalid(
        "parameters: expected none, since models come from the repository only, "
        "found \"%.*s\"",
        (int)(key.size < 64 ? key.size : 64), key.data);
}

static sv_status read_parameters(sv_json *json, void *into)
{
    sv_string key;
    bool more;
    (void)into;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_object_next(json, &key, &more));
        if (!more) return SV_OK;
        SV_TRY(check_parameter(key));
        SV_TRY(sv_json_skip(json));
    }
}

static sv_status read_change(const sv_call *call, sv_string body)
{
    static const sv_json_member members[] = {{"parameters", read_parameters}};
    return body.size ? sv_front_members(call, body, members, 1, NULL, NULL, NULL) : SV_OK;
}

static sv_status changed(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{}");
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_load(sv_call *call, sv_string body)
{
    SV_TRY(read_change(call, body));
    return sv_call_manage(call, SV_KEEPER_LOAD, call->model, NULL, changed);
}

sv_status sv_oip_unload(sv_call *call, sv_string body)
{
    SV_TRY(read_change(call, body));
    return sv_call_manage(call, SV_KEEPER_UNLOAD, call->model, NULL, changed);
}

static sv_status read_entry(const sv_pb_field *entry)
{
    sv_reader reader = entry->bytes;
    sv_pb_field field;
    sv_string key = {"", 0};
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return check_parameter(key);
        if (field.number == SV_OIP_ENTRY_KEY) SV_TRY(sv_message_text(&field, "parameters", &key));
    }
}

static sv_status changed_message(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    return sv_message_reply(call, &text);
}

sv_status sv_oip_change_message(sv_call *call, sv_keeper_verb verb, sv_string message)
{
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        if (field.number == SV_OIP_LOAD_NAME)
            SV_TRY(sv_message_keep(call, &field, "model_name", &call->model));
        else if (field.number == SV_OIP_LOAD_PARAMETERS)
            SV_TRY(read_entry(&field));
    }
    return sv_call_manage(call, verb, call->model, NULL, changed_message);
}
