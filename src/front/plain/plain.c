/* The plain front end: what people write with a small web framework around a model, and what probes
 * and Prometheus ask.
 *
 *   POST /predict         the only model: a bare JSON array, or {"instances": [...]}
 *   POST /predict/NAME    one of several
 *   GET  /healthz         200 while the process lives
 *   GET  /readyz          200 while traffic is wanted, else 503
 *   GET  /metrics         Prometheus' text format */
#include "front/common.h"
#include "front/plain/predict.h"

enum { VERB_PREDICT, VERB_HEALTH, VERB_READY, VERB_METRICS };

static const sv_route routes[] = {
    {SV_METHOD_GET, "/healthz", VERB_HEALTH, SV_ROUTE_HEALTH | SV_ROUTE_PROBE},
    {SV_METHOD_GET, "/metrics", VERB_METRICS, SV_ROUTE_HEALTH | SV_ROUTE_PROBE | SV_ROUTE_METRICS},
    {SV_METHOD_GET, "/readyz", VERB_READY, SV_ROUTE_HEALTH | SV_ROUTE_PROBE},
    {SV_METHOD_POST, "/predict", VERB_PREDICT, SV_ROUTE_INFER},
    {SV_METHOD_POST, "/predict/{model}", VERB_PREDICT, SV_ROUTE_INFER},
};

static sv_status reply_health(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"status\":\"ok\"}");
    return sv_front_reply(call, 200, &text);
}

static sv_status reply_ready(sv_call *call)
{
    bool ready = sv_service_ready(call->service);
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, ready ? "{\"status\":\"ready\"}" : "{\"status\":\"draining\"}");
    return sv_front_reply(call, ready ? 200 : 503, &text);
}

static sv_status reply_metrics(sv_call *call)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_service_metrics(call->service, &text);
    sv_call_reply(call, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    return SV_OK;
}

static sv_status decode(sv_call *call, sv_string body)
{
    switch (call->route->verb) {
    case VERB_HEALTH:
        return reply_health(call);
    case VERB_READY:
        return reply_ready(call);
    case VERB_METRICS:
        return reply_metrics(call);
    default:
        return sv_plain_decode(call, body);
    }
}

const sv_front sv_front_plain = {
    .name = "plain",
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .decode = decode,
    .encode = sv_plain_encode,
    .error = sv_front_error,
};
