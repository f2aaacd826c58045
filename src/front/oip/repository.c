/* The model repository extension of the Open Inference Protocol. */
#include "front/oip/repository.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "front/oip/settings.h"
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

static bool is_of(const sv_model_status *model, const char *repository)
{
    return !*repository ||
           (model->repository[0] && sv_repository_is(model->repository, repository));
}

/* Of one repository, or of all where the call names none. */
static sv_status put_models(const sv_call *call, bool ready, put_row *put, sv_text *out)
{
    sv_model_status *models;
    size_t count, found = 0;
    const char *repository = sv_arena_copy_text(
        call->arena, call->repository.data ? call->repository.data : "", call->repository.size);
    if (!repository) return sv_error_memory("a repository's name", call->repository.size);
    SV_TRY(sv_store_describe_all(sv_service_store(call->service), call->arena, &models, &count));
    for (size_t i = 0; i < count; i++) {
        if (!is_of(&models[i], repository)) continue;
        put_model(&models[i], ready, put, out);
        found++;
    }
    if (found || !*repository) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND,
                    "repository: expected one that models are served from, found '%.256s'",
                    repository);
}

sv_status sv_oip_index(sv_call *call, sv_string body)
{
    bool ready;
    sv_text text;
    SV_TRY(read_index(call, body, &ready));
    sv_text_init(&text, NULL);
    sv_text_putc(&text, '[');
    sv_status status = put_models(call, ready, put_json_row, &text);
    sv_text_putc(&text, ']');
    if (status == SV_OK) return sv_front_reply(call, 200, &text);
    sv_text_release(&text);
    return status;
}

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
        if (field.number == SV_OIP_INDEX_REPOSITORY)
            SV_TRY(sv_message_keep(call, &field, "repository_name", &call->repository));
    }
    sv_text_init(&text, NULL);
    sv_status status = put_models(call, ready, put_message_row, &text);
    if (status == SV_OK) return sv_message_reply(call, &text);
    sv_text_release(&text);
    return status;
}

/* ---- load and unload ------------------------------------------------------------------------ */

/* A load or unload as it is read. */
typedef struct change {
    bool load;
    sv_manage_request what;
} change;

/* Files that come with a call would be served unseen by the operator. */
static sv_status check_parameter(const change *c, sv_string key)
{
    bool config = sv_message_is(key, "config");
    if (sv_message_is(key, "unload_dependents") || (c->load && config)) return SV_OK;
    if (key.size >= 5 && memcmp(key.data, "file:", 5) == 0) {
        return sv_error_invalid("parameters: expected no files, since models come from the "
                                "repository only, found \"%.*s\"",
                                (int)(key.size < 64 ? key.size : 64), key.data);
    }
    return sv_error_invalid("parameters: expected %s, found \"%.*s\"",
                            c->load ? "config" : "unload_dependents",
                            (int)(key.size < 64 ? key.size : 64), key.data);
}

static sv_status read_parameters(sv_json *json, void *into)
{
    change *c = into;
    sv_string key;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_object_next(json, &key, &more));
        if (!more) return SV_OK;
        SV_TRY(check_parameter(c, key));
        if (sv_message_is(key, "config"))
            SV_TRY(sv_json_string(json, &c->what.description));
        else
            SV_TRY(sv_json_skip(json));
    }
}

static sv_status read_change(const sv_call *call, sv_string body, change *c)
{
    static const sv_json_member members[] = {{"parameters", read_parameters}};
    c->what.name = call->model;
    c->what.repository = call->repository;
    return body.size ? sv_front_members(call, body, members, 1, NULL, c, NULL) : SV_OK;
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
    change c = {.load = true, .what.verb = SV_KEEPER_LOAD};
    SV_TRY(read_change(call, body, &c));
    return sv_call_ask_keeper(call, &c.what, changed);
}

sv_status sv_oip_unload(sv_call *call, sv_string body)
{
    change c = {.load = false, .what.verb = SV_KEEPER_UNLOAD};
    SV_TRY(read_change(call, body, &c));
    return sv_call_ask_keeper(call, &c.what, changed);
}

static sv_status read_text(sv_reader value, sv_string *out)
{
    sv_pb_field field;
    *out = (sv_string){"", 0};
    for (;;) {
        SV_TRY(sv_pb_next(&value, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == SV_OIP_LOAD_TEXT) SV_TRY(sv_message_text(&field, "parameters", out));
    }
}

static sv_status read_entry(const sv_pb_field *entry, change *c)
{
    sv_reader value;
    sv_string key;
    SV_TRY(sv_oip_setting_read(entry, &key, &value));
    SV_TRY(check_parameter(c, key));
    return sv_message_is(key, "config") ? read_text(value, &c->what.description) : SV_OK;
}

static sv_status changed_message(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    return sv_message_reply(call, &text);
}

static sv_status read_change_field(sv_call *call, const sv_pb_field *field, change *c)
{
    switch (field->number) {
    case SV_OIP_LOAD_REPOSITORY:
        return sv_message_keep(call, field, "repository_name", &c->what.repository);
    case SV_OIP_LOAD_NAME:
        return sv_message_keep(call, field, "model_name", &call->model);
    case SV_OIP_LOAD_PARAMETERS:
        return read_entry(field, c);
    default:
        return SV_OK;
    }
}

sv_status sv_oip_change_message(sv_call *call, sv_keeper_verb verb, sv_string message)
{
    change c = {.load = verb == SV_KEEPER_LOAD, .what.verb = verb};
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        SV_TRY(read_change_field(call, &field, &c));
    }
    c.what.name = call->model;
    return sv_call_ask_keeper(call, &c.what, changed_message);
}
