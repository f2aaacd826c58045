/* Calls, as the service sees them; for the core's own files. */
#ifndef SV_SERVE_CALL_H
#define SV_SERVE_CALL_H

#include "serve/front.h"

/* Nobody waits for the answer any more: cancels what was begun. Idempotent. */
void sv_call_cancel(sv_call *call);
/* After a failed decode: cancels, and releases what was not submitted. */
void sv_call_abandon(sv_call *call);
/* A lane's timer: ends the calls whose deadline has passed. `user` is the lane. */
void sv_lane_expire(sv_timer *timer, void *user);

/* Of the service. */
uint64_t sv_service_timeout_ns(const sv_service *service);
/* The call is no longer among those that run. Idempotent. */
void sv_call_leave(sv_call *call);

#endif
