/* The Open Inference Protocol, version 2, over gRPC: its methods and their small messages. Those of
 * ModelInfer are in grpc_infer.c. */
#include "base/status.h"
#include "front/messages.h"
#include "front/oip/config.h"
#include "front/oip/fields.h"
#include "front/oip/grpc_infer.h"
#include "front/oip/metadata.h"
#include "front/oip/repository.h"
#include "front/oip/settings.h"
#include "front/oip/sharing.h"
#include "front/oip/statistics.h"
#include "front/oip/traces.h"
#include "store/terms.h"

#include <serval/serval.h>
#include <stdio.h>

#define MAX_VERSIONS 1024
#define SERVICE "/inference.GRPCInferenceService/"

enum {
    VERB_LIVE,
    VERB_READY,
    VERB_MODEL_READY,
    VERB_SERVER,
    VERB_MODEL,
    VERB_INFER,
    VERB_CONFIG,
    VERB_STATISTICS,
    VERB_INDEX,
    VERB_LOAD,
    VERB_UNLOAD,
    VERB_TRACE,
    VERB_LOGGING,
    VERB_SHARING, /* and what follows it: sv_oip_sharing */
};

static const sv_route calls[] = {
    {.pattern = SERVICE "CudaSharedMemoryRegister", .verb = VERB_SHARING + SV_OIP_CUDA_REGISTER},
    {.pattern = SERVICE "CudaSharedMemoryStatus", .verb = VERB_SHARING + SV_OIP_CUDA_STATUS},
    {.pattern = SERVICE "CudaSharedMemoryUnregister",
     .verb = VERB_SHARING + SV_OIP_CUDA_UNREGISTER},
    {.pattern = SERVICE "LogSettings", .verb = VERB_LOGGING},
    {.pattern = SERVICE "ModelConfig", .verb = VERB_CONFIG},
    {.pattern = SERVICE "ModelInfer", .verb = VERB_INFER, .flags = SV_ROUTE_INFER},
    {.pattern = SERVICE "ModelMetadata", .verb = VERB_MODEL},
    {.pattern = SERVICE "ModelReady", .verb = VERB_MODEL_READY},
    {.pattern = SERVICE "ModelStatistics", .verb = VERB_STATISTICS},
    {.pattern = SERVICE "ModelStreamInfer",
     .verb = VERB_INFER,
     .flags = SV_ROUTE_INFER | SV_ROUTE_STREAM},
    {.pattern = SERVICE "RepositoryIndex", .verb = VERB_INDEX},
    {.pattern = SERVICE "RepositoryModelLoad", .verb = VERB_LOAD, .flags = SV_ROUTE_MANAGE},
    {.pattern = SERVICE "RepositoryModelUnload", .verb = VERB_UNLOAD, .flags = SV_ROUTE_MANAGE},
    {.pattern = SERVICE "ServerLive", .verb = VERB_LIVE, .flags = SV_ROUTE_HEALTH},
    {.pattern = SERVICE "ServerMetadata", .verb = VERB_SERVER},
    {.pattern = SERVICE "ServerReady", .verb = VERB_READY, .flags = SV_ROUTE_HEALTH},
    {.pattern = SERVICE "SystemSharedMemoryRegister",
     .verb = VERB_SHARING + SV_OIP_SHARING_REGISTER},
    {.pattern = SERVICE "SystemSharedMemoryStatus", .verb = VERB_SHARING + SV_OIP_SHARING_STATUS},
    {.pattern = SERVICE "SystemSharedMemoryUnregister",
     .verb = VERB_SHARING + SV_OIP_SHARING_UNREGISTER},
    {.pattern = SERVICE "TraceSetting", .verb = VERB_TRACE},
};

static sv_status reply_state(sv_call *call, bool state)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_pb_put_int(&text, SV_OIP_STATE, state);
    return sv_message_reply(call, &text);
}

static sv_status reply_server(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_pb_put_text(&text, SV_OIP_SERVER_NAME, "serval");
    sv_pb_put_text(&text, SV_OIP_SERVER_VERSION, sv_version());
    for (size_t i = 0; sv_oip_extension(call, i); i++)
        sv_pb_put_text(&text, SV_OIP_SERVER_EXTENSIONS, sv_oip_extension(call, i));
    return sv_message_reply(call, &text);
}

/* The model that a message names, and its version. */
static sv_status read_model(sv_call *call, sv_string message)
{
    sv_string version = {NULL, 0};
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        if (field.number == SV_OIP_MODEL_NAME)
            SV_TRY(sv_message_keep(call, &field, "name", &call->model));
        else if (field.number == SV_OIP_MODEL_VERSION)
            SV_TRY(sv_message_text(&field, "version", &version));
    }
    return sv_oip_take_version(call, version);
}

/* A model that is not there is not ready. */
static sv_status reply_model_ready(sv_call *call)
{
    sv_served *served = NULL;
    sv_status status = sv_call_find(call, (sv_string){NULL, 0}, &served);
    bool missing = status && sv_status_code(status) == SV_CODE_NOT_FOUND;
    if (status && !missing) return status;
    sv_status_free(status);
    sv_served_unref(served);
    return reply_state(call, !missing);
}

static void put_ports(const sv_served *served, bool inputs, sv_text *out)
{
    const sv_model *model = served->model;
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        sv_port room;
        const sv_port *port = sv_terms_port(served, inputs, i, &room);
        const char *type = sv_oip_type_name(port->dtype);
        size_t mark = sv_pb_begin(out, inputs ? SV_OIP_METADATA_INPUTS : SV_OIP_METADATA_OUTPUTS);
        sv_pb_put_text(out, SV_OIP_TENSOR_NAME, port->name);
        if (type) sv_pb_put_text(out, SV_OIP_TENSOR_TYPE, type);
        size_t shape = sv_pb_begin(out, SV_OIP_TENSOR_SHAPE);
        for (int32_t d = 0; d < port->rank; d++)
            sv_pb_put_varint(out, (uint64_t)(port->dim[d] < 0 ? -1 : port->dim[d]));
        sv_pb_end(out, shape);
        sv_pb_end(out, mark);
    }
}

static sv_status reply_model(sv_call *call)
{
    sv_served *served;
    int64_t numbers[MAX_VERSIONS];
    SV_TRY(sv_call_find(call, (sv_string){NULL, 0}, &served));
    size_t count = sv_store_versions(sv_service_store(call->service), call->model.data,
                                     call->model.size, numbers, MAX_VERSIONS);
    sv_text text;
    sv_text_init(&text, NULL);
    sv_pb_put_text(&text, SV_OIP_METADATA_NAME, served->name);
    for (size_t i = 0; i < count && i < MAX_VERSIONS; i++) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)numbers[i]);
        sv_pb_put_text(&text, SV_OIP_METADATA_VERSIONS, number);
    }
    sv_pb_put_text(&text, SV_OIP_METADATA_PLATFORM, "onnx");
    put_ports(served, true, &text);
    put_ports(served, false, &text);
    sv_served_unref(served);
    return sv_message_reply(call, &text);
}

/* Calls that say a model, and maybe its version. */
static sv_status decode_named(sv_call *call, sv_string message)
{
    SV_TRY(read_model(call, message));
    switch (call->route->verb) {
    case VERB_CONFIG:
        return sv_oip_config_message(call);
    case VERB_STATISTICS:
        return sv_oip_statistics_message(call);
    case VERB_MODEL_READY:
        return reply_model_ready(call);
    default:
        return reply_model(call);
    }
}

static sv_status decode(sv_call *call, sv_string message)
{
    int verb = call->route->verb;
    if (verb >= VERB_SHARING)
        return sv_oip_share_message(call, (sv_oip_sharing)(verb - VERB_SHARING), message);
    switch (verb) {
    case VERB_LIVE:
        return reply_state(call, true);
    case VERB_READY:
        return reply_state(call, sv_service_ready(call->service));
    case VERB_SERVER:
        return reply_server(call);
    case VERB_INFER:
        return sv_oip_decode_message(call, message);
    case VERB_INDEX:
        return sv_oip_index_message(call, message);
    case VERB_LOAD:
        return sv_oip_change_message(call, SV_KEEPER_LOAD, message);
    case VERB_UNLOAD:
        return sv_oip_change_message(call, SV_KEEPER_UNLOAD, message);
    case VERB_TRACE:
        return sv_oip_trace_message(call, message);
    case VERB_LOGGING:
        return sv_oip_logging_message(call, message);
    default:
        return decode_named(call, message);
    }
}

const sv_front sv_front_oip_grpc = {
    .name = "oip_grpc",
    .calls = calls,
    .call_count = sizeof calls / sizeof calls[0],
    .decode = decode,
    .encode = sv_oip_encode_message,
    .error = sv_oip_encode_error,
};
