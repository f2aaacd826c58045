/* A flow: what waits of one model, by priority, and which of it runs together at what time.
 *
 * Data only: the caller says the time and holds the lock (serve/queue.h), but for what is atomic.
 * For the core's own files. Who runs what, and which model's turn it is, do not belong here. */
#ifndef SV_SERVE_FLOW_H
#define SV_SERVE_FLOW_H

#include "serve/lane.h"
#include "serve/order.h"
#include "serve/pace.h"
#include <stdatomic.h>

/* Why a request was not run. */
typedef enum sv_refusal {
    SV_REFUSED_NOT,
    SV_REFUSED_FULL,     /* as many wait as may */
    SV_REFUSED_LIMIT,    /* as many run or wait as may (max_requests) */
    SV_REFUSED_DEADLINE, /* it could not be answered in time */
    SV_REFUSED_TIMEOUT,  /* it has waited for too long */
    SV_REFUSED_CANCELLED,
    SV_REFUSALS
} sv_refusal;

/* Bounds of the histogram of rows a run: powers of two up to 1024, and what is beyond. */
#define SV_FLOW_BUCKETS 12

typedef struct sv_flow_list {
    sv_batch *oldest, *newest;
    uint32_t requests;
    uint64_t cost_ns; /* of their runs, as far as it is known */
} sv_flow_list;

struct sv_flow {
    uint32_t slot;            /* of the model (sv_served) */
    char name[129];           /* of the model that came first */
    sv_flow *next, *previous; /* where something waits (serve/queue.c) */
    sv_flow_list due[SV_TUNING_LEVELS], late[SV_TUNING_LEVELS]; /* late: was put off */
    uint32_t parts;
    uint32_t queued_runs; /* of this flow that workers have begun */
    uint64_t tag;         /* virtual time of its last run (serve/queue.c) */
    sv_pace pace;
    sv_order order;            /* of answers, with a lock of its own */
    _Atomic uint32_t waiting;  /* requests, in all lists */
    _Atomic uint32_t running;  /* runs, where the model bounds them */
    _Atomic uint32_t open;     /* requests, where the model bounds them */
    _Atomic uint64_t delay_ns; /* of the pace, for others to see */
    _Atomic uint64_t refused[SV_REFUSALS];
    _Atomic uint64_t rows[SV_FLOW_BUCKETS], row_sum;
};

/* Rows and bytes that may be joined in a run of a version. */
int64_t sv_flow_max_rows(const sv_served *version);
size_t sv_flow_max_bytes(const sv_served *version);
/* Whether requests of a version wait for others even when there is nothing else to do. */
bool sv_flow_waits(const sv_served *version);
/* Whether two may run together: same version and inputs, none that must run alone. Says nothing
 * about sizes, nor about lengths that are padded. */
bool sv_flow_fits(const sv_batch *a, const sv_batch *b);

/* Queues a part at its level; `batch->queued_ns` and `cost_ns` are set. */
void sv_flow_add(sv_flow *flow, sv_batch *batch);
void sv_flow_remove(sv_flow *flow, sv_batch *batch);
/* Moves a part behind all of its level that have not been put off. */
void sv_flow_put_off(sv_flow *flow, sv_batch *batch);
/* The time from which on the next run may begin: 0 at once, UINT64_MAX when nothing waits. */
uint64_t sv_flow_ready(const sv_flow *flow);
/* The part that runs next; NULL when nothing waits. */
sv_batch *sv_flow_first(const sv_flow *flow);
/* Takes out what runs next: the first part and those that go with it, linked by `mate`. */
sv_batch *sv_flow_take(sv_flow *flow);
/* The cost of what goes before a new part of this level. */
uint64_t sv_flow_ahead_ns(const sv_flow *flow, uint32_t level);

/* Any thread: begins a run that the model's bound allows; false: it does not. */
bool sv_flow_enter(sv_flow *flow, const sv_served *version);
/* Any thread: counts a run of so many rows. */
void sv_flow_count_run(sv_flow *flow, int64_t rows);
void sv_flow_count_refused(sv_flow *flow, sv_refusal why, uint32_t requests); /* any thread */

#endif
