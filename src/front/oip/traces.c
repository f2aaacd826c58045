/* Settings of traces. */
#include "front/oip/traces.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "front/oip/settings.h"
#include "serve/tracing.h"
#include <stdio.h>
#include <string.h>

enum { LEVEL, RATE, COUNT, FREQUENCY, FILE_NAME, MODE, SETTINGS };

static const char *const names[SETTINGS] = {
    [LEVEL] = "trace_level",       [RATE] = "trace_rate",      [COUNT] = "trace_count",
    [FREQUENCY] = "log_frequency", [FILE_NAME] = "trace_file", [MODE] = "trace_mode",
};

/* What a call changes, and of what. */
typedef struct settings {
    sv_call *call;
    sv_trace_change change;
    sv_served *served; /* a reference to the model's version; NULL: all models */
} settings;

static sv_status find_setting(sv_string name, int *out)
{
    for (int i = 0; i < SETTINGS; i++) {
        if (!sv_message_is(name, names[i])) continue;
        *out = i;
        return SV_OK;
    }
    return sv_oip_setting_unknown(name);
}

static int shown(sv_string text)
{
    return (int)(text.size < 64 ? text.size : 64);
}

/* ---- values -------------------------------------------------------------------------------- */

/* A whole number of at most ten digits, maybe below 0. */
static sv_status read_number(const char *name, sv_string text, int64_t least, int64_t *out)
{
    bool minus = text.size && text.data[0] == '-';
    int64_t value = 0;
    size_t at = minus;
    bool good = text.size > at && text.size - at <= 10;
    for (; good && at < text.size; at++) {
        good = text.data[at] >= '0' && text.data[at] <= '9';
        value = value * 10 + (text.data[at] - '0');
    }
    if (minus) value = -value;
    if (!good || value < least || value > UINT32_MAX) {
        return sv_error_invalid("%s: expected a whole number from %lld to %lld, found '%.*s'", name,
                                (long long)least, (long long)UINT32_MAX, shown(text), text.data);
    }
    *out = value;
    return SV_OK;
}

static sv_status take_level(settings *s, sv_string text)
{
    bool on = sv_message_is(text, "TIMESTAMPS");
    if (!on && !sv_message_is(text, "OFF")) {
        return sv_error_invalid("trace_level: expected OFF or TIMESTAMPS, found '%.*s'",
                                shown(text), text.data);
    }
    if (on && !sv_service_trace_path(s->call->service)) {
        return sv_error_invalid("trace_level: expected OFF, since the server was started without "
                                "--trace-log and records have nowhere to go, found TIMESTAMPS");
    }
    s->change.value.timestamps |= on;
    return SV_OK;
}

/* Said at the start; may only be said as it is. */
static sv_status take_fixed(const char *name, const char *value, sv_string text)
{
    if (sv_message_is(text, value ? value : "")) return SV_OK;
    return sv_error_invalid("%s: expected '%s', which only a start can change, found '%.*s'", name,
                            value ? value : "", shown(text), text.data);
}

static sv_status take_value(settings *s, int setting, sv_string text)
{
    int64_t number = 0;
    sv_trace_choice *value = &s->change.value;
    switch (setting) {
    case LEVEL:
        return take_level(s, text);
    case RATE:
        SV_TRY(read_number(names[setting], text, 1, &number));
        value->rate = (uint32_t)number;
        return SV_OK;
    case COUNT:
        return read_number(names[setting], text, -1, &value->count);
    case FREQUENCY:
        SV_TRY(read_number(names[setting], text, 0, &number));
        value->frequency = (uint32_t)number;
        return SV_OK;
    case FILE_NAME:
        return take_fixed(names[setting], sv_service_trace_path(s->call->service), text);
    default:
        return take_fixed(names[setting], "triton", text);
    }
}

/* Nothing takes a setting back. */
static void note(settings *s, int setting, bool given)
{
    static const uint32_t bits[SETTINGS] = {
        [LEVEL] = SV_TRACE_TIMESTAMPS,
        [RATE] = SV_TRACE_RATE,
        [COUNT] = SV_TRACE_COUNT,
        [FREQUENCY] = SV_TRACE_FREQUENCY,
    };
    *(given ? &s->change.set : &s->change.clear) |= bits[setting];
    *(given ? &s->change.clear : &s->change.set) &= ~bits[setting];
}

/* ---- both forms ---------------------------------------------------------------------------- */

/* Settings are a model's if the call names one that there is. */
static sv_status begin(settings *s, sv_call *call)
{
    *s = (settings){.call = call};
    if (!call->model.size) return SV_OK;
    return sv_call_find(call, (sv_string){0}, &s->served);
}

static const char *model_of(const settings *s)
{
    return s->served ? s->served->name : NULL;
}

static sv_status apply(const settings *s)
{
    if (!s->change.set && !s->change.clear) return SV_OK;
    return sv_tracing_change(sv_service_tracing(s->call->service), model_of(s), &s->change);
}

/* Calls `put` for each setting with what is in force. */
static void each(const settings *s, void (*put)(int setting, const char *value, sv_text *out),
                 sv_text *out)
{
    const char *path = sv_service_trace_path(s->call->service);
    sv_trace_choice c = sv_tracing_get(sv_service_tracing(s->call->service), model_of(s));
    char text[24];
    put(LEVEL, c.timestamps ? "TIMESTAMPS" : "OFF", out);
    snprintf(text, sizeof text, "%u", (unsigned)c.rate);
    put(RATE, text, out);
    snprintf(text, sizeof text, "%lld", (long long)c.count);
    put(COUNT, text, out);
    snprintf(text, sizeof text, "%u", (unsigned)c.frequency);
    put(FREQUENCY, text, out);
    put(FILE_NAME, path ? path : "", out);
    put(MODE, "triton", out);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_json(int setting, const char *value, sv_text *out)
{
    sv_text_printf(out, setting == 0 ? "{\"%s\":" : ",\"%s\":", names[setting]);
    if (setting == LEVEL) sv_text_putc(out, '[');
    sv_front_put_string(out, value);
    if (setting == LEVEL) sv_text_putc(out, ']');
}

static sv_status reply_json(settings *s)
{
    sv_text text;
    sv_text_init(&text, NULL);
    each(s, put_json, &text);
    sv_text_putc(&text, '}');
    return sv_front_reply(s->call, 200, &text);
}

static sv_status read_json_list(settings *s, int setting, sv_json *json, bool *given)
{
    sv_string text;
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (*given = false;; *given = true) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) return SV_OK;
        SV_TRY(sv_json_string(json, &text));
        SV_TRY(take_value(s, setting, text));
    }
}

static sv_status read_json_value(settings *s, int setting, sv_json *json)
{
    sv_json_kind kind = sv_json_peek(json);
    bool given = false;
    sv_string text = {"", 0};
    if (kind == SV_JSON_NULL) {
        SV_TRY(sv_json_null(json));
    } else if (kind == SV_JSON_ARRAY) {
        SV_TRY(read_json_list(s, setting, json, &given));
    } else {
        SV_TRY(sv_json_string(json, &text));
        given = text.size > 0;
        if (given) SV_TRY(take_value(s, setting, text));
    }
    note(s, setting, given);
    return SV_OK;
}

static sv_status read_json(settings *s, sv_string body)
{
    sv_json json;
    sv_string name;
    int setting;
    bool more;
    SV_TRY(sv_front_json(body, s->call->arena, &json));
    SV_TRY(sv_json_object_begin(&json));
    for (;;) {
        SV_TRY(sv_json_object_next(&json, &name, &more));
        if (!more) return sv_json_end(&json);
        SV_TRY(find_setting(name, &setting));
        SV_TRY(read_json_value(s, setting, &json));
    }
}

sv_status sv_oip_trace(sv_call *call)
{
    settings s;
    SV_TRY(begin(&s, call));
    sv_status status = reply_json(&s);
    sv_served_unref(s.served);
    return status;
}

sv_status sv_oip_set_trace(sv_call *call, sv_string body)
{
    settings s;
    SV_TRY(sv_call_may_manage(call));
    SV_TRY(begin(&s, call));
    sv_status status = read_json(&s, body);
    if (status == SV_OK) status = apply(&s);
    if (status == SV_OK) status = reply_json(&s);
    sv_served_unref(s.served);
    return status;
}

/* ---- messages ------------------------------------------------------------------------------ */

static sv_status read_entry(settings *s, const sv_pb_field *entry)
{
    sv_string key, text;
    sv_reader value;
    sv_pb_field field;
    int setting;
    bool given = false;
    SV_TRY(sv_oip_setting_read(entry, &key, &value));
    SV_TRY(find_setting(key, &setting));
    for (;;) {
        SV_TRY(sv_pb_next(&value, &field));
        if (field.number == 0) break;
        if (field.number != SV_OIP_TRACE_VALUE) continue;
        SV_TRY(sv_message_text(&field, "settings", &text));
        if (text.size) SV_TRY(take_value(s, setting, text));
        given |= text.size > 0;
    }
    note(s, setting, given);
    return SV_OK;
}

static void put_message(int setting, const char *value, sv_text *out)
{
    sv_oip_setting_put(names[setting], SV_OIP_TRACE_VALUE, value, out);
}

static sv_status read_settings(settings *s, sv_reader reader)
{
    sv_pb_field field;
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != SV_OIP_SETTINGS) continue;
        SV_TRY(sv_call_may_manage(s->call));
        SV_TRY(read_entry(s, &field));
    }
}

/* The model stands behind the settings, and says whose they are. */
static sv_status read_model(sv_call *call, sv_reader reader)
{
    sv_pb_field field;
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == SV_OIP_SETTINGS_MODEL)
            SV_TRY(sv_message_keep(call, &field, "model_name", &call->model));
    }
}

sv_status sv_oip_trace_message(sv_call *call, sv_string message)
{
    settings s;
    sv_budget budget;
    sv_reader reader;
    sv_text text;
    sv_message_begin(message, &budget, &reader);
    SV_TRY(read_model(call, reader));
    SV_TRY(begin(&s, call));
    sv_status status = read_settings(&s, reader);
    if (status == SV_OK) status = apply(&s);
    if (status == SV_OK) {
        sv_text_init(&text, NULL);
        each(&s, put_message, &text);
        status = sv_message_reply(call, &text);
    }
    sv_served_unref(s.served);
    return status;
}
