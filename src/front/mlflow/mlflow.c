/* MLflow's scoring server (https://mlflow.org/docs/latest/deployment: "local inference server
 * specification"): its routes, its content types, the form of its errors. */
#define _GNU_SOURCE /* memmem */
#include "base/status.h"
#include "front/any.h"
#include "front/common.h"
#include "front/table.h"
#include "net/exchange.h"
#include <serval/serval.h>
#include <string.h>

enum { VERB_PING, VERB_VERSION, VERB_INVOKE };

static const sv_route routes[] = {
    {SV_METHOD_GET, "/health", VERB_PING, SV_ROUTE_HEALTH},
    {SV_METHOD_POST, "/invocations", VERB_INVOKE, SV_ROUTE_INFER},
    {SV_METHOD_GET, "/ping", VERB_PING, SV_ROUTE_HEALTH},
    {SV_METHOD_GET, "/version", VERB_VERSION, SV_ROUTE_HEALTH},
};

static sv_status ping(sv_call *call)
{
    return sv_front_reply_text(call, sv_service_ready(call->service) ? 200 : 503, SV_FRONT_JSON,
                               "\n");
}

/* The only content types are JSON and CSV, in UTF-8; without any it is JSON. */
static sv_status check_type(sv_call *call)
{
    sv_string type = call->x->head.content_type;
    if (type.size == 0) return SV_OK;
    bool known = sv_any_is_type(type, "application/json") || sv_any_is_type(type, "text/csv");
    const char *charset = memmem(type.data, type.size, "charset=", 8);
    if (known && charset) {
        sv_string name = {charset + 8, type.size - (size_t)(charset + 8 - type.data)};
        known = sv_any_is_type(name, "utf-8") || sv_any_is_type(name, "\"utf-8\"");
    }
    if (known) return SV_OK;
    call->http = 415;
    return sv_error_invalid("Content-Type: expected application/json or text/csv in UTF-8, found "
                            "'%.*s'",
                            (int)(type.size < 128 ? type.size : 128), type.data);
}

static sv_status invoke(sv_call *call, sv_string body)
{
    sv_request *request;
    sv_any_form *form = sv_arena_alloc(call->arena, sizeof *form);
    if (!form) return sv_error_memory("a call", sizeof *form);
    call->state = form;
    *form = SV_ANY_TABLE;
    SV_TRY(check_type(call));
    SV_TRY(sv_call_begin(call, (sv_string){0}, &request));
    if (sv_any_is_type(call->x->head.content_type, "text/csv")) {
        SV_TRY(sv_table_read_csv(request, body));
    } else {
        SV_TRY(sv_any_read_keyed(request, body, form));
    }
    return sv_call_submit(call);
}

static sv_status decode(sv_call *call, sv_string body)
{
    switch (call->route->verb) {
    case VERB_PING:
        return ping(call);
    case VERB_VERSION:
        return sv_front_reply_text(call, 200, "text/plain", sv_version());
    default:
        return invoke(call, body);
    }
}

static sv_status encode(sv_call *call, const sv_request *request, sv_text *out)
{
    sv_text_puts(out, "{\"predictions\":");
    SV_TRY(sv_any_write(request, *(const sv_any_form *)call->state, out));
    sv_text_putc(out, '}');
    return SV_OK;
}

static void put_error(const sv_call *call, int http, sv_status status, sv_text *out)
{
    static const struct {
        int http;
        const char *name;
    } codes[] = {{400, "BAD_REQUEST"},
                 {404, "RESOURCE_DOES_NOT_EXIST"},
                 {429, "RESOURCE_EXHAUSTED"},
                 {501, "NOT_IMPLEMENTED"},
                 {503, "TEMPORARILY_UNAVAILABLE"}};
    const char *name = http < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR";
    (void)call;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].http == http) name = codes[i].name;
    }
    sv_text_printf(out, "{\"error_code\":\"%s\",\"message\":", name);
    sv_front_put_string(out, sv_status_message(status));
    sv_text_putc(out, '}');
}

const sv_front sv_front_mlflow = {
    .name = "mlflow",
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .decode = decode,
    .encode = encode,
    .error = put_error,
};
