/* Answers of a model in the order in which its requests came, whichever of them is done first:
 * what Triton calls preserve_ordering.
 *
 * A call has a turn among those of its model. It waits for that as for one more request: it is
 * called up when all calls before it have been answered, have failed, or are no longer wanted by
 * anybody. Sessions and queues do not wait, only answers do. For the core's own files; each call is
 * touched by its loop's thread only, calls of all loops stand in one line. */
#ifndef SV_SERVE_ORDER_H
#define SV_SERVE_ORDER_H

#include "serve/front.h"
#include <pthread.h>

typedef struct sv_turn sv_turn;

/* Of a model; part of its flow. */
typedef struct sv_order {
    pthread_mutex_t lock;
    sv_turn *first, *last;
} sv_order;

void sv_order_init(sv_order *order);
/* No call may have a turn. */
void sv_order_release(sv_order *order);

/* Puts the call last, if the version that its requests are for wants answers in order: `open`
 * counts its turn, too, until sv_call_settle. RESOURCE_EXHAUSTED. */
SV_MUST_USE sv_status sv_order_enter(sv_call *call);
/* Nobody waits for the call's answer any more: those behind it need not either. Idempotent. */
void sv_order_leave(sv_call *call);
/* Keeps a failure until it is the call's turn; false where it is not waited for. Takes `status` if
 * it returns true. */
bool sv_order_keep(sv_call *call, sv_status status);
/* The call is about to be answered: leaves, and gives the failure that was kept, owned. */
sv_status sv_order_end(sv_call *call);
/* A lane's task: calls that have been called up. */
void sv_order_call_up(sv_task *task);

#endif
