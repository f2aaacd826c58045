/* Triton's model configuration
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/
 * extension_model_configuration.md): what clients such as perf_analyzer ask a server for. */
#include "front/oip/config.h"

#include "base/status.h"
#include "front/common.h"
#include "front/messages.h"
#include "front/oip/fields.h"
#include "tensor/dtype.h"
#include <string.h>

#define PLATFORM "onnx"
#define BACKEND "serval"

/* "TYPE_FP32"; Triton calls bytes strings here. */
static void put_type(sv_dtype dtype, sv_text *out)
{
    const char *name = sv_dtype_get(dtype)->oip_name;
    sv_text_printf(out, "\"data_type\":\"TYPE_%s\"",
                   dtype == SV_STRING ? "STRING"
                   : name             ? name
                                      : "INVALID");
}

/* Dimensions without the batch, where there is one. */
static void put_dims(const sv_port *port, bool batched, sv_text *out)
{
    sv_text_puts(out, ",\"dims\":[");
    for (int32_t i = batched; i < port->rank; i++) {
        sv_text_puts(out, i > batched ? "," : "");
        sv_text_put_i64(out, port->dim[i] < 0 ? -1 : port->dim[i]);
    }
    sv_text_putc(out, ']');
}

static void put_ports(const sv_model *model, bool inputs, bool batched, sv_text *out)
{
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        const sv_port *port = inputs ? sv_model_input(model, i) : sv_model_output(model, i);
        sv_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        sv_front_put_string(out, port->name);
        sv_text_putc(out, ',');
        put_type(port->dtype, out);
        put_dims(port, batched, out);
        if (inputs) sv_text_printf(out, ",\"optional\":%s", port->optional ? "true" : "false");
        sv_text_putc(out, '}');
    }
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Order is said within it, also where requests never share a run. */
static bool has_batching(const sv_served *served, uint32_t batch)
{
    return batch || served->tuning.preserve_ordering;
}

sv_status sv_oip_config(sv_call *call)
{
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    uint32_t batch = sv_service_max_batch(call->service, served);
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"name\":");
    sv_front_put_string(&text, served->name);
    sv_text_printf(&text,
                   ",\"platform\":\"" PLATFORM "\",\"backend\":\"" BACKEND
                   "\",\"max_batch_size\":%u,"
                   "\"version_policy\":{\"latest\":{\"num_versions\":1}},\"input\":[",
                   (unsigned)batch);
    put_ports(served->model, true, batch > 0, &text);
    sv_text_puts(&text, "],\"output\":[");
    put_ports(served->model, false, batch > 0, &text);
    sv_text_puts(&text, "],\"default_model_filename\":");
    sv_front_put_string(&text, file_name(served->path));
    if (has_batching(served, batch)) {
        sv_text_printf(&text,
                       ",\"dynamic_batching\":{\"preferred_batch_size\":[],"
                       "\"max_queue_delay_microseconds\":0,\"preserve_ordering\":%s}",
                       served->tuning.preserve_ordering ? "true" : "false");
    }
    sv_text_puts(&text, ",\"instance_group\":[{\"kind\":\"KIND_CPU\",\"count\":1}],"
                        "\"parameters\":{}}");
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}

/* ---- as a message -------------------------------------------------------------------------- */

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

static void put_port_message(const sv_port *port, bool input, bool batched, sv_text *out)
{
    size_t mark = sv_pb_begin(out, input ? SV_OIP_CONFIG_INPUT : SV_OIP_CONFIG_OUTPUT);
    sv_pb_put_text(out, SV_OIP_PORT_NAME, port->name);
    sv_pb_put_int(out, SV_OIP_PORT_TYPE, type_number(port->dtype));
    size_t dims = sv_pb_begin(out, input ? SV_OIP_INPUT_DIMS : SV_OIP_OUTPUT_DIMS);
    for (int32_t i = batched; i < port->rank; i++)
        sv_pb_put_varint(out, (uint64_t)(port->dim[i] < 0 ? -1 : port->dim[i]));
    sv_pb_end(out, dims);
    if (input && port->optional) sv_pb_put_int(out, SV_OIP_INPUT_OPTIONAL, 1);
    sv_pb_end(out, mark);
}

static void put_port_messages(const sv_model *model, bool batched, sv_text *out)
{
    for (size_t i = 0; i < sv_model_input_count(model); i++)
        put_port_message(sv_model_input(model, i), true, batched, out);
    for (size_t i = 0; i < sv_model_output_count(model); i++)
        put_port_message(sv_model_output(model, i), false, batched, out);
}

static void put_batching_message(const sv_served *served, uint32_t batch, sv_text *out)
{
    if (!has_batching(served, batch)) return;
    size_t mark = sv_pb_begin(out, SV_OIP_CONFIG_BATCHING);
    if (served->tuning.preserve_ordering) sv_pb_put_int(out, SV_OIP_BATCHING_ORDER, 1);
    sv_pb_end(out, mark);
}

static void put_message(const sv_served *served, uint32_t batch, sv_text *out)
{
    sv_pb_put_text(out, SV_OIP_CONFIG_NAME, served->name);
    sv_pb_put_text(out, SV_OIP_CONFIG_PLATFORM, PLATFORM);
    size_t policy = sv_pb_begin(out, SV_OIP_CONFIG_POLICY);
    size_t latest = sv_pb_begin(out, SV_OIP_POLICY_LATEST);
    sv_pb_put_int(out, SV_OIP_LATEST_COUNT, 1);
    sv_pb_end(out, latest);
    sv_pb_end(out, policy);
    sv_pb_put_int(out, SV_OIP_CONFIG_MAX_BATCH, batch);
    put_port_messages(served->model, batch > 0, out);
    size_t group = sv_pb_begin(out, SV_OIP_CONFIG_GROUP);
    sv_pb_put_int(out, SV_OIP_GROUP_COUNT, 1);
    sv_pb_put_int(out, SV_OIP_GROUP_KIND, SV_OIP_KIND_CPU);
    sv_pb_end(out, group);
    sv_pb_put_text(out, SV_OIP_CONFIG_FILE, file_name(served->path));
    put_batching_message(served, batch, out);
    sv_pb_put_text(out, SV_OIP_CONFIG_BACKEND, BACKEND);
}

sv_status sv_oip_config_message(sv_call *call)
{
    sv_served *served;
    sv_text text;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_text_init(&text, NULL);
    size_t config = sv_pb_begin(&text, SV_OIP_CONFIG);
    put_message(served, sv_service_max_batch(call->service, served), &text);
    sv_pb_end(&text, config);
    sv_served_unref(served);
    return sv_message_reply(call, &text);
}
