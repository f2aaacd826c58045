/* Settings of the log under Triton's names. */
#include "front/oip/settings.h"

#include "base/log.h"
#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "front/oip/parameters.h"
#include <stdatomic.h>

/* Lines have times of ISO 8601 under either name, which is kept for clients that ask. */
static const char *const formats[] = {"default", "ISO8601"};

typedef struct logging {
    sv_log_choice choice;
    uint32_t format; /* of formats */
} logging;

static _Atomic uint32_t format_chosen;

static logging get_logging(void)
{
    return (logging){sv_log_chosen(), atomic_load_explicit(&format_chosen, memory_order_relaxed)};
}

static void set_logging(const logging *l)
{
    sv_log_choose(&l->choice);
    atomic_store_explicit(&format_chosen, l->format, memory_order_relaxed);
}

static sv_status take_flag(const sv_oip_parameter *p, bool *out)
{
    SV_TRY(sv_oip_parameter_check(p, SV_OIP_FLAG));
    *out = p->flag;
    return SV_OK;
}

/* A path from a client would be written with the server's rights. */
static sv_status take_file(const sv_oip_parameter *p)
{
    SV_TRY(sv_oip_parameter_check(p, SV_OIP_TEXT));
    if (!p->text.size) return SV_OK;
    return sv_error_invalid("log_file: expected '': logs go to standard error, and where else is "
                            "for whoever starts the server to say, found '%.*s'",
                            (int)(p->text.size < 64 ? p->text.size : 64), p->text.data);
}

static sv_status take_format(const sv_oip_parameter *p, uint32_t *out)
{
    SV_TRY(sv_oip_parameter_check(p, SV_OIP_TEXT));
    for (uint32_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!sv_message_is(p->text, formats[i])) continue;
        *out = i;
        return SV_OK;
    }
    return sv_error_invalid("log_format: expected 'default' or 'ISO8601', found '%.*s'",
                            (int)(p->text.size < 64 ? p->text.size : 64), p->text.data);
}

static sv_status take_verbose(const sv_oip_parameter *p, uint32_t *out)
{
    SV_TRY(sv_oip_parameter_check(p, SV_OIP_NUMBER));
    if (p->number > UINT32_MAX) {
        return sv_error_invalid("log_verbose_level: expected at most %u, found %llu", UINT32_MAX,
                                (unsigned long long)p->number);
    }
    *out = (uint32_t)p->number;
    return SV_OK;
}

sv_status sv_oip_setting_unknown(sv_string name)
{
    return sv_error_invalid("settings: expected one that there is, found '%.*s'",
                            (int)(name.size < 64 ? name.size : 64), name.data ? name.data : "");
}

static sv_status take_logging(void *self, const sv_oip_parameter *p)
{
    logging *l = self;
    if (sv_oip_parameter_is(p, "log_error")) return take_flag(p, &l->choice.error);
    if (sv_oip_parameter_is(p, "log_warning")) return take_flag(p, &l->choice.warn);
    if (sv_oip_parameter_is(p, "log_info")) return take_flag(p, &l->choice.info);
    if (sv_oip_parameter_is(p, "log_verbose_level")) return take_verbose(p, &l->choice.verbose);
    if (sv_oip_parameter_is(p, "log_file")) return take_file(p);
    if (sv_oip_parameter_is(p, "log_format")) return take_format(p, &l->format);
    return sv_oip_setting_unknown(p->name);
}

static const char *word(bool value)
{
    return value ? "true" : "false";
}

sv_status sv_oip_logging(sv_call *call)
{
    logging l = get_logging();
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_printf(&text,
                   "{\"log_file\":\"\",\"log_info\":%s,\"log_warning\":%s,\"log_error\":%s,"
                   "\"log_verbose_level\":%u,\"log_format\":\"%s\"}",
                   word(l.choice.info), word(l.choice.warn), word(l.choice.error),
                   (unsigned)l.choice.verbose, formats[l.format]);
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_set_logging(sv_call *call, sv_string body)
{
    logging l = get_logging();
    sv_json json;
    SV_TRY(sv_call_may_manage(call));
    SV_TRY(sv_front_json(body, call->arena, &json));
    SV_TRY(sv_oip_parameters_read(&json, take_logging, &l));
    SV_TRY(sv_json_end(&json));
    set_logging(&l);
    return sv_oip_logging(call);
}

/* ---- messages ------------------------------------------------------------------------------ */

sv_status sv_oip_setting_read(const sv_pb_field *entry, sv_string *key, sv_reader *value)
{
    sv_reader reader = entry->bytes;
    sv_pb_field field;
    *key = (sv_string){"", 0};
    sv_reader_init(value, "", 0, "message", 0, reader.budget);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == SV_OIP_ENTRY_KEY) SV_TRY(sv_message_text(&field, "settings", key));
        if (field.number == SV_OIP_ENTRY_VALUE) *value = field.bytes;
    }
}

static sv_status read_log_entry(const sv_pb_field *entry, logging *l)
{
    sv_oip_parameter parameter = {.kind = SV_OIP_OTHER};
    sv_reader value;
    sv_pb_field field;
    SV_TRY(sv_oip_setting_read(entry, &parameter.name, &value));
    for (;;) {
        SV_TRY(sv_pb_next(&value, &field));
        if (field.number == 0) return take_logging(l, &parameter);
        parameter.flag = field.value != 0;
        parameter.number = field.value;
        parameter.kind = field.number == SV_OIP_LOG_BOOL     ? SV_OIP_FLAG
                         : field.number == SV_OIP_LOG_UINT32 ? SV_OIP_NUMBER
                                                             : SV_OIP_TEXT;
        if (parameter.kind == SV_OIP_TEXT)
            SV_TRY(sv_message_text(&field, "settings", &parameter.text));
    }
}

static void put_number(const char *key, uint32_t kind, uint32_t value, sv_text *out)
{
    size_t entry = sv_pb_begin(out, SV_OIP_SETTINGS);
    sv_pb_put_text(out, SV_OIP_ENTRY_KEY, key);
    size_t inner = sv_pb_begin(out, SV_OIP_ENTRY_VALUE);
    sv_pb_put_int(out, kind, value);
    sv_pb_end(out, inner);
    sv_pb_end(out, entry);
}

void sv_oip_setting_put(const char *key, uint32_t kind, const char *value, sv_text *out)
{
    size_t entry = sv_pb_begin(out, SV_OIP_SETTINGS);
    sv_pb_put_text(out, SV_OIP_ENTRY_KEY, key);
    size_t inner = sv_pb_begin(out, SV_OIP_ENTRY_VALUE);
    sv_pb_put_text(out, kind, value);
    sv_pb_end(out, inner);
    sv_pb_end(out, entry);
}

static sv_status reply_logging(sv_call *call)
{
    logging l = get_logging();
    sv_text text;
    sv_text_init(&text, NULL);
    sv_oip_setting_put("log_file", SV_OIP_LOG_STRING, "", &text);
    put_number("log_info", SV_OIP_LOG_BOOL, l.choice.info, &text);
    put_number("log_warning", SV_OIP_LOG_BOOL, l.choice.warn, &text);
    put_number("log_error", SV_OIP_LOG_BOOL, l.choice.error, &text);
    put_number("log_verbose_level", SV_OIP_LOG_UINT32, l.choice.verbose, &text);
    sv_oip_setting_put("log_format", SV_OIP_LOG_STRING, formats[l.format], &text);
    return sv_message_reply(call, &text);
}

sv_status sv_oip_logging_message(sv_call *call, sv_string message)
{
    logging l = get_logging();
    bool changes = false;
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        if (field.number != SV_OIP_SETTINGS) continue;
        if (!changes) SV_TRY(sv_call_may_manage(call));
        changes = true;
        SV_TRY(read_log_entry(&field, &l));
    }
    if (changes) set_logging(&l);
    return reply_logging(call);
}
