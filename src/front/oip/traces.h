/* Triton's settings of traces
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_trace.md),
 * over HTTP and gRPC, for all models or for one. They can be changed where management is open;
 * where records go is said when the server is started, and nowhere else. */
#ifndef SV_FRONT_OIP_TRACES_H
#define SV_FRONT_OIP_TRACES_H

#include "serve/front.h"

SV_MUST_USE sv_status sv_oip_trace(sv_call *call);
SV_MUST_USE sv_status sv_oip_set_trace(sv_call *call, sv_string body);
/* Asks, and with settings in the message changes. */
SV_MUST_USE sv_status sv_oip_trace_message(sv_call *call, sv_string message);

#endif
