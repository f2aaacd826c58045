/* Triton's model configuration
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/
 * extension_model_configuration.md): what is in force for a model, in the words of a config.pbtxt.
 * One pass writes either form, JSON or message. */
#include "front/oip/config.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "store/terms.h"
#include "tensor/dtype.h"
#include <stdio.h>
#include <string.h>

#define PLATFORM "onnx"
#define BACKEND "serval"

/* ---- either form --------------------------------------------------------------------------- */

/* A field by its name in JSON and its number in a message. */
typedef struct field {
    const char *name;
    uint32_t number;
} field;

typedef struct form {
    sv_text *out;
    bool json;
} form;

/* What comes next: in JSON its key, and a comma where something stands before it. */
static void put_key(const form *f, const char *name)
{
    if (!f->json) return;
    char last = f->out->size ? f->out->data[f->out->size - 1] : '{';
    if (last != '{' && last != '[' && last != ':') sv_text_putc(f->out, ',');
    if (!name) return;
    sv_front_put_string(f->out, name);
    sv_text_putc(f->out, ':');
}

/* A message within; without a name: an element of a list, of a field of this number. */
static size_t begin(const form *f, field field)
{
    put_key(f, field.name);
    if (!f->json) return sv_pb_begin(f->out, field.number);
    sv_text_putc(f->out, '{');
    return 0;
}

static void end(const form *f, size_t mark)
{
    if (f->json)
        sv_text_putc(f->out, '}');
    else
        sv_pb_end(f->out, mark);
}

/* Lists and maps are nothing of their own in messages. */
static void begin_all(const form *f, const char *name, char open)
{
    put_key(f, name);
    if (f->json) sv_text_putc(f->out, open);
}

static void end_all(const form *f, char close)
{
    if (f->json) sv_text_putc(f->out, close);
}

static void put_text(const form *f, field field, const char *value)
{
    put_key(f, field.name);
    if (f->json)
        sv_front_put_string(f->out, value);
    else
        sv_pb_put_text(f->out, field.number, value);
}

static void put_number(const form *f, field field, uint64_t value)
{
    put_key(f, field.name);
    if (f->json)
        sv_text_printf(f->out, "%llu", (unsigned long long)value);
    else
        sv_pb_put_int(f->out, field.number, (int64_t)value);
}

static void put_flag(const form *f, field field, bool value)
{
    put_key(f, field.name);
    if (f->json)
        sv_text_puts(f->out, value ? "true" : "false");
    else
        sv_pb_put_int(f->out, field.number, value);
}

/* The value of an enum: a name in JSON. */
static void put_choice(const form *f, field field, const char *name, int64_t number)
{
    put_key(f, field.name);
    if (f->json)
        sv_front_put_string(f->out, name);
    else
        sv_pb_put_int(f->out, field.number, number);
}

static void put_numbers(const form *f, field field, const int64_t *value, size_t count)
{
    size_t mark = 0;
    begin_all(f, field.name, '[');
    if (!f->json) mark = sv_pb_begin(f->out, field.number);
    for (size_t i = 0; i < count; i++) {
        int64_t shown = value[i] < 0 ? -1 : value[i];
        put_key(f, NULL);
        if (f->json)
            sv_text_put_i64(f->out, shown);
        else
            sv_pb_put_varint(f->out, (uint64_t)shown);
    }
    if (!f->json) sv_pb_end(f->out, mark);
    end_all(f, ']');
}

/* An entry of a map, up to its value, which is a message. */
static size_t begin_entry(const form *f, uint32_t map, const char *key, uint64_t number,
                          size_t *value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    if (f->json) {
        *value = begin(f, (field){key ? key : text, 0});
        return 0;
    }
    size_t entry = sv_pb_begin(f->out, map);
    if (key)
        sv_pb_put_text(f->out, SV_OIP_ENTRY_KEY, key);
    else
        sv_pb_put_int(f->out, SV_OIP_ENTRY_KEY, (int64_t)number);
    *value = sv_pb_begin(f->out, SV_OIP_ENTRY_VALUE);
    return entry;
}

static void end_entry(const form *f, size_t entry, size_t value)
{
    end(f, value);
    if (!f->json) sv_pb_end(f->out, entry);
}

/* ---- inputs and outputs -------------------------------------------------------------------- */

/* Numbers of TYPE_*: theirs are in no order of ours. */
static int64_t type_number(sv_dtype dtype)
{
    static const uint8_t numbers[SV_DTYPE_COUNT] = {
        [SV_BOOL] = 1, [SV_U8] = 2,   [SV_U16] = 3,     [SV_U32] = 4,   [SV_U64] = 5,
        [SV_I8] = 6,   [SV_I16] = 7,  [SV_I32] = 8,     [SV_I64] = 9,   [SV_F16] = 10,
        [SV_F32] = 11, [SV_F64] = 12, [SV_STRING] = 13, [SV_BF16] = 14,
    };
    return numbers[dtype];
}

/* "TYPE_FP32"; Triton calls bytes strings here. */
static void put_type(const form *f, sv_dtype dtype)
{
    char text[32];
    const char *name = dtype == SV_STRING ? "STRING" : sv_dtype_get(dtype)->oip_name;
    snprintf(text, sizeof text, "TYPE_%s", name ? name : "INVALID");
    put_choice(f, (field){"data_type", SV_OIP_PORT_TYPE}, text, type_number(dtype));
}

/* Dimensions without the batch, where there is one. */
static void put_dims(const form *f, field field, int32_t rank, const int64_t *dim, bool batched)
{
    int32_t skip = batched && rank > 0;
    put_numbers(f, field, dim + skip, rank > skip ? (size_t)(rank - skip) : 0);
}

static void put_port(const form *f, const sv_served *served, bool input, size_t index, bool batched)
{
    sv_port room;
    const sv_port *port = sv_terms_port(served, input, index, &room);
    const sv_port *own = sv_terms_port(served, input, index, NULL);
    const sv_terms *terms = served->terms;
    size_t mark = begin(f, (field){NULL, input ? SV_OIP_CONFIG_INPUT : SV_OIP_CONFIG_OUTPUT});
    put_text(f, (field){"name", SV_OIP_PORT_NAME}, port->name);
    put_type(f, port->dtype);
    put_dims(f, (field){"dims", input ? SV_OIP_INPUT_DIMS : SV_OIP_OUTPUT_DIMS}, port->rank,
             port->dim, batched);
    if (port != own) {
        size_t reshape =
            begin(f, (field){"reshape", input ? SV_OIP_INPUT_RESHAPE : SV_OIP_OUTPUT_RESHAPE});
        put_dims(f, (field){"shape", SV_OIP_RESHAPE_SHAPE}, own->rank, own->dim, batched);
        end(f, reshape);
    }
    if (!input && terms && terms->label_file[index])
        put_text(f, (field){"label_filename", SV_OIP_OUTPUT_LABELS}, terms->label_file[index]);
    if (input && (f->json || port->optional))
        put_flag(f, (field){"optional", SV_OIP_INPUT_OPTIONAL}, port->optional);
    end(f, mark);
}

static void put_ports(const form *f, const sv_served *served, bool inputs, bool batched)
{
    size_t count =
        inputs ? sv_model_input_count(served->model) : sv_model_output_count(served->model);
    begin_all(f, inputs ? "input" : "output", '[');
    for (size_t i = 0; i < count; i++)
        put_port(f, served, inputs, i, batched);
    end_all(f, ']');
}

/* ---- how it is run ------------------------------------------------------------------------- */

static void put_policy(const form *f, const sv_version_policy *policy)
{
    size_t inner = 0, mark = begin(f, (field){"version_policy", SV_OIP_CONFIG_POLICY});
    switch (policy->kind) {
    case SV_POLICY_LATEST:
        inner = begin(f, (field){"latest", SV_OIP_POLICY_LATEST});
        put_number(f, (field){"num_versions", SV_OIP_LATEST_COUNT},
                   policy->latest ? policy->latest : 1);
        break;
    case SV_POLICY_ALL:
        inner = begin(f, (field){"all", SV_OIP_POLICY_ALL});
        break;
    case SV_POLICY_SPECIFIC:
        inner = begin(f, (field){"specific", SV_OIP_POLICY_SPECIFIC});
        put_numbers(f, (field){"versions", SV_OIP_SPECIFIC_VERSIONS}, policy->number,
                    policy->count);
        break;
    }
    end(f, inner);
    end(f, mark);
}

static void put_queue_policy(const form *f, const sv_queue_policy *policy)
{
    put_choice(f, (field){"timeout_action", SV_OIP_QUEUE_ACTION},
               policy->delays ? "DELAY" : "REJECT", policy->delays);
    put_number(f, (field){"default_timeout_microseconds", SV_OIP_QUEUE_TIMEOUT},
               policy->timeout_us);
    put_flag(f, (field){"allow_timeout_override", SV_OIP_QUEUE_OVERRIDE}, !policy->fixed);
    put_number(f, (field){"max_queue_size", SV_OIP_QUEUE_SIZE}, policy->max_size);
}

static void put_level_policies(const form *f, const sv_tuning *tuning)
{
    begin_all(f, "priority_queue_policy", '{');
    for (uint32_t level = 1; level <= SV_TUNING_LEVELS; level++) {
        size_t value;
        if (!(tuning->level_policies >> (level - 1) & 1)) continue;
        size_t entry = begin_entry(f, SV_OIP_BATCHING_LEVEL_POLICY, NULL, level, &value);
        put_queue_policy(f, sv_tuning_policy(tuning, level));
        end_entry(f, entry, value);
    }
    end_all(f, '}');
}

/* Levels, policies and order are said here, also where requests never share a run. */
static bool has_batching(const sv_tuning *tuning, uint32_t batch)
{
    const sv_queue_policy *policy = &tuning->policy;
    return batch || tuning->preserve_ordering || tuning->priority_levels > 1 ||
           policy->timeout_us || policy->max_size;
}

static void put_batching(const form *f, const sv_tuning *tuning, uint32_t batch)
{
    int64_t preferred[SV_TUNING_PREFERRED];
    if (!has_batching(tuning, batch)) return;
    for (uint32_t i = 0; i < tuning->preferred_count; i++)
        preferred[i] = tuning->preferred[i];
    size_t mark = begin(f, (field){"dynamic_batching", SV_OIP_CONFIG_BATCHING});
    put_numbers(f, (field){"preferred_batch_size", SV_OIP_BATCHING_PREFERRED}, preferred,
                tuning->preferred_count);
    put_number(f, (field){"max_queue_delay_microseconds", SV_OIP_BATCHING_DELAY},
               tuning->max_queue_delay_us);
    put_flag(f, (field){"preserve_ordering", SV_OIP_BATCHING_ORDER}, tuning->preserve_ordering);
    put_number(f, (field){"priority_levels", SV_OIP_BATCHING_LEVELS}, tuning->priority_levels);
    put_number(f, (field){"default_priority_level", SV_OIP_BATCHING_DEFAULT_LEVEL},
               tuning->default_priority);
    size_t policy = begin(f, (field){"default_queue_policy", SV_OIP_BATCHING_POLICY});
    put_queue_policy(f, &tuning->policy);
    end(f, policy);
    put_level_policies(f, tuning);
    end(f, mark);
}

static void put_group(const form *f, uint32_t runs)
{
    begin_all(f, "instance_group", '[');
    size_t mark = begin(f, (field){NULL, SV_OIP_CONFIG_GROUP});
    put_choice(f, (field){"kind", SV_OIP_GROUP_KIND}, "KIND_CPU", SV_OIP_KIND_CPU);
    put_number(f, (field){"count", SV_OIP_GROUP_COUNT}, runs);
    end(f, mark);
    end_all(f, ']');
}

static void put_parameters(const form *f, const sv_terms *terms)
{
    begin_all(f, "parameters", '{');
    for (size_t i = 0; terms && i < terms->parameter_count; i++) {
        size_t value,
            entry = begin_entry(f, SV_OIP_CONFIG_PARAMETERS, terms->parameter[i].key, 0, &value);
        put_text(f, (field){"string_value", SV_OIP_CONFIG_PARAMETER}, terms->parameter[i].value);
        end_entry(f, entry, value);
    }
    end_all(f, '}');
}

static void put_warmups(const form *f, const sv_terms *terms)
{
    begin_all(f, "model_warmup", '[');
    for (size_t i = 0; terms && i < terms->warmup_count; i++) {
        const sv_warmup *warmup = &terms->warmup[i];
        size_t mark = begin(f, (field){NULL, SV_OIP_CONFIG_WARMUP});
        put_text(f, (field){"name", SV_OIP_WARMUP_NAME}, warmup->name);
        put_number(f, (field){"batch_size", SV_OIP_WARMUP_BATCH}, (uint64_t)warmup->batch_rows);
        put_number(f, (field){"count", SV_OIP_WARMUP_COUNT}, warmup->count);
        end(f, mark);
    }
    end_all(f, ']');
}

/* ---- the model ----------------------------------------------------------------------------- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put_config(const form *f, const sv_service *service, const sv_served *served,
                       const sv_version_policy *policy)
{
    uint32_t batch = sv_service_max_batch(service, served);
    put_text(f, (field){"name", SV_OIP_CONFIG_NAME}, served->name);
    put_text(f, (field){"platform", SV_OIP_CONFIG_PLATFORM}, PLATFORM);
    put_text(f, (field){"backend", SV_OIP_CONFIG_BACKEND}, BACKEND);
    put_policy(f, policy);
    put_number(f, (field){"max_batch_size", SV_OIP_CONFIG_MAX_BATCH}, batch);
    put_ports(f, served, true, batch > 0);
    put_ports(f, served, false, batch > 0);
    put_text(f, (field){"default_model_filename", SV_OIP_CONFIG_FILE}, file_name(served->path));
    put_batching(f, &served->tuning, batch);
    put_group(f, sv_service_max_runs(service, served));
    put_parameters(f, served->terms);
    put_warmups(f, served->terms);
}

/* The version that a call asks for, and the policy that has chosen it. */
static sv_status find(sv_call *call, sv_served **out, sv_version_policy *policy)
{
    sv_model_status about;
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_status status = sv_store_describe(sv_service_store(call->service), served->name,
                                         strlen(served->name), call->arena, &about);
    if (status != SV_OK) {
        sv_served_unref(served);
        return status;
    }
    *policy = about.policy;
    *out = served;
    return SV_OK;
}

sv_status sv_oip_config(sv_call *call)
{
    sv_served *served;
    sv_version_policy policy;
    sv_text text;
    SV_TRY(find(call, &served, &policy));
    sv_text_init(&text, NULL);
    sv_text_putc(&text, '{');
    put_config(&(form){&text, true}, call->service, served, &policy);
    sv_text_putc(&text, '}');
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_config_message(sv_call *call)
{
    sv_served *served;
    sv_version_policy policy;
    sv_text text;
    SV_TRY(find(call, &served, &policy));
    sv_text_init(&text, NULL);
    size_t config = sv_pb_begin(&text, SV_OIP_CONFIG);
    put_config(&(form){&text, false}, call->service, served, &policy);
    sv_pb_end(&text, config);
    sv_served_unref(served);
    return sv_message_reply(call, &text);
}
