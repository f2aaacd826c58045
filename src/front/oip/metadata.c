/* Descriptions of server and models in the Open Inference Protocol, version 2
 * (https://github.com/kserve/open-inference-protocol). */
#include "front/oip/metadata.h"

#include "base/status.h"
#include "front/common.h"
#include "store/terms.h"
#include "tensor/dtype.h"
#include <serval/serval.h>
#include <string.h>

#define MAX_VERSIONS 1024

const char *sv_oip_type_name(sv_dtype dtype)
{
    return sv_dtype_get(dtype)->oip_name;
}

sv_dtype sv_oip_type_find(sv_string name)
{
    for (int dtype = 1; dtype < SV_DTYPE_COUNT; dtype++) {
        const char *known = sv_oip_type_name((sv_dtype)dtype);
        if (known && strlen(known) == name.size && memcmp(known, name.data, name.size) == 0)
            return (sv_dtype)dtype;
    }
    return SV_DTYPE_NONE;
}

const char *sv_oip_extension(const sv_call *call, size_t index)
{
    static const char *const names[] = {
        "binary_tensor_data",
        "classification",
        "logging",
        "model_configuration",
        "model_repository",
        "parameters",
        "sequence",
        "statistics",
        "trace",
        NULL,
    };
    size_t count = sizeof names / sizeof names[0] - 1;
    sv_regions *regions;
    if (index < count) return names[index];
    sv_status status = sv_call_regions(call, &regions);
    bool shares = status == SV_OK;
    sv_status_free(status);
    return index == count && shares ? "system_shared_memory" : NULL;
}

sv_status sv_oip_server(sv_call *call)
{
    const char *extension;
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_printf(&text, "{\"name\":\"serval\",\"version\":\"%s\",\"extensions\":[", sv_version());
    for (size_t i = 0; (extension = sv_oip_extension(call, i)); i++)
        sv_text_printf(&text, "%s\"%s\"", i ? "," : "", extension);
    sv_text_puts(&text, "]}");
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_live(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"live\":true}");
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_ready(sv_call *call)
{
    bool ready = sv_service_ready(call->service);
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_printf(&text, "{\"ready\":%s}", ready ? "true" : "false");
    return sv_front_reply(call, ready ? 200 : 503, &text);
}

static void put_ports(const sv_served *served, bool inputs, sv_text *out)
{
    const sv_model *model = served->model;
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        sv_port room;
        const sv_port *port = sv_terms_port(served, inputs, i, &room);
        const char *type = sv_oip_type_name(port->dtype);
        sv_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        sv_front_put_string(out, port->name);
        sv_text_printf(out, ",\"datatype\":\"%s\",\"shape\":[", type ? type : "");
        for (int32_t d = 0; d < port->rank; d++) {
            sv_text_puts(out, d ? "," : "");
            sv_text_put_i64(out, port->dim[d] < 0 ? -1 : port->dim[d]);
        }
        sv_text_puts(out, "]}");
    }
}

sv_status sv_oip_model(sv_call *call)
{
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    int64_t numbers[MAX_VERSIONS];
    size_t count = sv_store_versions(sv_service_store(call->service), call->model.data,
                                     call->model.size, numbers, MAX_VERSIONS);
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"name\":");
    sv_front_put_string(&text, served->name);
    sv_text_puts(&text, ",\"versions\":[");
    for (size_t i = 0; i < count && i < MAX_VERSIONS; i++) {
        sv_text_printf(&text, "%s\"%lld\"", i ? "," : "", (long long)numbers[i]);
    }
    sv_text_puts(&text, "],\"platform\":\"onnx\",\"inputs\":[");
    put_ports(served, true, &text);
    sv_text_puts(&text, "],\"outputs\":[");
    put_ports(served, false, &text);
    sv_text_puts(&text, "]}");
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}

sv_status sv_oip_model_ready(sv_call *call)
{
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"name\":");
    sv_front_put_string(&text, served->name);
    sv_text_puts(&text, ",\"ready\":true}");
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}
