/* The Open Inference Protocol, version 2, over HTTP
 * (https://github.com/kserve/open-inference-protocol): its routes. */
#include "front/common.h"
#include "front/oip/config.h"
#include "front/oip/infer.h"
#include "front/oip/metadata.h"
#include "front/oip/settings.h"
#include "front/oip/statistics.h"
#include "front/oip/repository.h"
#include "front/oip/sharing.h"
#include "front/oip/traces.h"
#include "front/oip/traffic.h"

enum {
    VERB_SERVER,
    VERB_LIVE,
    VERB_READY,
    VERB_MODEL,
    VERB_MODEL_READY,
    VERB_CONFIG,
    VERB_STATS,
    VERB_ALL_STATS,
    VERB_LOGGING,
    VERB_TRACE,
    VERB_SET_LOGGING,
    VERB_SET_TRACE,
    VERB_INFER,
    VERB_INDEX,
    VERB_LOAD,
    VERB_UNLOAD,
    VERB_TRAFFIC,
    VERB_SET_TRAFFIC,
    VERB_PROMOTE,
    VERB_ROLLBACK,
    VERB_SHARING, /* and what follows it: sv_oip_sharing */
};

static const sv_route routes[] = {
    {SV_METHOD_GET, "/v2", VERB_SERVER, 0},
    {SV_METHOD_POST, "/v2/cudasharedmemory/region/{region}/register",
     VERB_SHARING + SV_OIP_CUDA_REGISTER, 0},
    {SV_METHOD_GET, "/v2/cudasharedmemory/region/{region}/status",
     VERB_SHARING + SV_OIP_CUDA_STATUS, 0},
    {SV_METHOD_POST, "/v2/cudasharedmemory/region/{region}/unregister",
     VERB_SHARING + SV_OIP_CUDA_UNREGISTER, 0},
    {SV_METHOD_GET, "/v2/cudasharedmemory/status", VERB_SHARING + SV_OIP_CUDA_STATUS, 0},
    {SV_METHOD_POST, "/v2/cudasharedmemory/unregister", VERB_SHARING + SV_OIP_CUDA_UNREGISTER, 0},
    {SV_METHOD_GET, "/v2/health/live", VERB_LIVE, SV_ROUTE_HEALTH},
    {SV_METHOD_GET, "/v2/health/ready", VERB_READY, SV_ROUTE_HEALTH},
    {SV_METHOD_GET, "/v2/logging", VERB_LOGGING, 0},
    {SV_METHOD_POST, "/v2/logging", VERB_SET_LOGGING, 0},
    {SV_METHOD_GET, "/v2/models/stats", VERB_ALL_STATS, 0},
    {SV_METHOD_GET, "/v2/models/{model}", VERB_MODEL, 0},
    {SV_METHOD_GET, "/v2/models/{model}/config", VERB_CONFIG, 0},
    {SV_METHOD_GET, "/v2/models/{model}/stats", VERB_STATS, 0},
    {SV_METHOD_GET, "/v2/models/{model}/trace/setting", VERB_TRACE, 0},
    {SV_METHOD_POST, "/v2/models/{model}/trace/setting", VERB_SET_TRACE, 0},
    {SV_METHOD_GET, "/v2/models/{model}/ready", VERB_MODEL_READY, 0},
    {SV_METHOD_GET, "/v2/models/{model}/versions/{version}", VERB_MODEL, 0},
    {SV_METHOD_GET, "/v2/models/{model}/versions/{version}/config", VERB_CONFIG, 0},
    {SV_METHOD_GET, "/v2/models/{model}/versions/{version}/ready", VERB_MODEL_READY, 0},
    {SV_METHOD_GET, "/v2/models/{model}/versions/{version}/stats", VERB_STATS, 0},
    {SV_METHOD_POST, "/v2/models/{model}/infer", VERB_INFER, SV_ROUTE_INFER},
    {SV_METHOD_POST, "/v2/models/{model}/versions/{version}/infer", VERB_INFER, SV_ROUTE_INFER},
    {SV_METHOD_POST, "/v2/systemsharedmemory/region/{region}/register",
     VERB_SHARING + SV_OIP_SHARING_REGISTER, 0},
    {SV_METHOD_GET, "/v2/systemsharedmemory/region/{region}/status",
     VERB_SHARING + SV_OIP_SHARING_STATUS, 0},
    {SV_METHOD_POST, "/v2/systemsharedmemory/region/{region}/unregister",
     VERB_SHARING + SV_OIP_SHARING_UNREGISTER, 0},
    {SV_METHOD_GET, "/v2/systemsharedmemory/status", VERB_SHARING + SV_OIP_SHARING_STATUS, 0},
    {SV_METHOD_POST, "/v2/systemsharedmemory/unregister", VERB_SHARING + SV_OIP_SHARING_UNREGISTER,
     0},
    {SV_METHOD_GET, "/v2/trace/setting", VERB_TRACE, 0},
    {SV_METHOD_POST, "/v2/trace/setting", VERB_SET_TRACE, 0},
    {SV_METHOD_POST, "/v2/repository/index", VERB_INDEX, 0},
    {SV_METHOD_POST, "/v2/repository/models/{model}/load", VERB_LOAD, SV_ROUTE_MANAGE},
    {SV_METHOD_POST, "/v2/repository/models/{model}/promote", VERB_PROMOTE, SV_ROUTE_MANAGE},
    {SV_METHOD_POST, "/v2/repository/models/{model}/rollback", VERB_ROLLBACK, SV_ROUTE_MANAGE},
    {SV_METHOD_GET, "/v2/repository/models/{model}/traffic", VERB_TRAFFIC, 0},
    {SV_METHOD_POST, "/v2/repository/models/{model}/traffic", VERB_SET_TRAFFIC, SV_ROUTE_MANAGE},
    {SV_METHOD_POST, "/v2/repository/models/{model}/unload", VERB_UNLOAD, SV_ROUTE_MANAGE},
};

static sv_status decode(sv_call *call, sv_string body)
{
    if (call->route->verb >= VERB_SHARING)
        return sv_oip_share(call, (sv_oip_sharing)(call->route->verb - VERB_SHARING), body);
    switch (call->route->verb) {
    case VERB_SERVER:
        return sv_oip_server(call);
    case VERB_LIVE:
        return sv_oip_live(call);
    case VERB_READY:
        return sv_oip_ready(call);
    case VERB_MODEL:
        return sv_oip_model(call);
    case VERB_MODEL_READY:
        return sv_oip_model_ready(call);
    case VERB_CONFIG:
        return sv_oip_config(call);
    case VERB_STATS:
        return sv_oip_statistics(call);
    case VERB_ALL_STATS:
        return sv_oip_all_statistics(call);
    case VERB_LOGGING:
        return sv_oip_logging(call);
    case VERB_TRACE:
        return sv_oip_trace(call);
    case VERB_SET_LOGGING:
        return sv_oip_set_logging(call, body);
    case VERB_SET_TRACE:
        return sv_oip_set_trace(call, body);
    case VERB_INDEX:
        return sv_oip_index(call, body);
    case VERB_LOAD:
        return sv_oip_load(call, body);
    case VERB_UNLOAD:
        return sv_oip_unload(call, body);
    case VERB_TRAFFIC:
        return sv_oip_traffic(call);
    case VERB_SET_TRAFFIC:
        return sv_oip_set_traffic(call, body);
    case VERB_PROMOTE:
        return sv_oip_promote(call, body);
    case VERB_ROLLBACK:
        return sv_oip_rollback(call, body);
    default:
        return sv_oip_decode_infer(call, body);
    }
}

const sv_front sv_front_oip = {
    .name = "oip",
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .open = sv_oip_open_infer,
    .decode = decode,
    .encode = sv_oip_encode_infer,
    .error = sv_front_error,
};
