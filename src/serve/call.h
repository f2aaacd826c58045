/* Calls, as the service sees them; for the core's own files. */
#ifndef SV_SERVE_CALL_H
#define SV_SERVE_CALL_H

#include "serve/front.h"

/* Nobody waits for the answer any more: cancels what was begun. Idempotent. */
void sv_call_cancel(sv_call *call);
/* After a failed decode: cancels, and releases what was not submitted. */
void sv_call_abandon(sv_call *call);
/* Answers with an error, as sv_exchange_fail. Takes `status`. */
void sv_call_fail(sv_call *call, int http, sv_status status);
/* An answer is neither given nor useless. */
bool sv_call_is_waiting(const sv_call *call);
/* The call ends at `deadline` (monotonic) at the latest, or stays as it was if that is earlier. */
void sv_call_set_deadline(sv_call *call, uint64_t deadline);
/* The call has no deadline any more. Idempotent. */
void sv_call_clear_deadline(sv_call *call);
/* Answers what decode said: its error, if it is one. */
void sv_call_decode(sv_call *call, sv_string body);
/* A request of the call is done, or its turn has come: answers it when that was the last. The call
 * may be gone afterwards. */
void sv_call_settle(sv_call *call);
/* A lane's timer: ends the calls whose deadline has passed. `user` is the lane. */
void sv_lane_expire(sv_timer *timer, void *user);

/* Of the service. */
uint64_t sv_service_timeout_ns(const sv_service *service);
/* Counts the call among those that run; false when there are too many. */
bool sv_call_enter(sv_call *call);
sv_status sv_call_busy(const sv_call *call); /* the status that says so */
/* Counts what a call has come to. `x` gives bytes and times, where the call is the exchange's. */
void sv_call_observe(const sv_call *call, const sv_exchange *x, int http);
/* The call is no longer among those that run. Idempotent. */
void sv_call_leave(sv_call *call);

#endif
