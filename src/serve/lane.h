/* A lane: what the core keeps for one loop. Requests that were submitted in a round, batches made
 * of them, free lists, calls by deadline. Also the batch itself.
 *
 * For the core's own files. A lane is touched by its loop's thread only; a batch by that thread or,
 * while a worker has it, by that. */
#ifndef SV_SERVE_LANE_H
#define SV_SERVE_LANE_H

#include "net/exchange.h"
#include "serve/halt.h"
#include "serve/pad.h"
#include "serve/request.h"
#include "serve/service.h"
#include <pthread.h>

typedef struct sv_flow sv_flow;
typedef struct sv_joint sv_joint;

/* Requests of one loop that run together: one member, or several whose first dimensions are joined.
 * In the queue a batch is a part: others of its model, also of other loops, may join its run. */
typedef struct sv_batch {
    sv_task task; /* back to the loop */
    struct sv_lane *lane;
    sv_request *members; /* by their `next`, in the order of submission */
    sv_request *last;
    uint32_t count;
    sv_extent extent;   /* what the members come to */
    sv_served *version; /* of the members */
    uint64_t given;
    bool poolable;    /* as of the members */
    bool joins;       /* its rows may share a run with those of others */
    bool apart;       /* members that have to wait do so one by one */
    uint32_t threads; /* that its run may use; 0: the runtime's */
    void *memory;     /* joined inputs */
    size_t memory_size;

    /* The queue's (serve/queue.h), guarded by its lock. */
    sv_flow *flow; /* of the model */
    uint32_t level;
    bool queued, late;              /* in the flow; put off */
    bool forced;                    /* has been admitted before: no bound keeps it out */
    bool hopeless;                  /* given back without a run: it would have come too late */
    uint64_t cost_ns, queued_ns;    /* an estimate of its run; since when it waits */
    uint64_t deadline_ns, begin_ns; /* when it must have ended or begun; 0: at any time */
    sv_halt *halt;                  /* of the worker that has taken it; NULL: none yet */
    uint64_t run;                   /* which of that one's runs it is part of */
    struct sv_batch *newer, *older; /* in the flow; `newer` also links free batches */
    struct sv_batch *mate;          /* the next part of the same run */

    /* The run's, which parts may share. */
    sv_session *session; /* held until the members have seen their outputs */
    sv_joint *joint;     /* NULL: the run was its own */
    uint32_t run_count;  /* of all members; 0: there was no run */
    int64_t run_rows, first_row;
    bool assembled;    /* its inputs are copies, and members get parts of its outputs */
    bool halted;       /* the run was broken off */
    sv_lengths target; /* that members have in the run, where they are padded */
    sv_status status;
    uint64_t started_ns, finished_ns;
} sv_batch;

typedef struct sv_lane {
    sv_service *service;
    sv_loop *loop;
    uint32_t index;
    sv_task work; /* makes and runs the round's batches */
    bool work_planned;
    sv_request *submitted; /* by `next`, in the order of submission */
    sv_request *submitted_last;
    sv_request *free_requests; /* by `next` */
    uint32_t free_request_count;
    sv_batch *free_batches; /* by `newer` */
    uint32_t free_batch_count;
    sv_due_list deadlines; /* of calls that wait for results */
    sv_timer *timer;
    bool timer_set;
    uint64_t span;             /* the last trace span's id */
    uint64_t name[2];          /* the last id of a request or a trace */
    struct sv_stream *watched; /* streams that are polled */
    sv_timer *watch_timer;     /* made with the first of them */
    sv_task flush;             /* writes the logs' lines of a round */
    sv_timer *flush_timer;     /* tries again while nobody reads them */
    bool flush_deferred, flush_planned;
    struct sv_turn *called; /* whose turn it is (serve/order.h) */
    sv_task call_up;        /* tells them */
    bool call_planned;
    uint32_t shadows;      /* requests to shadows that are under way (serve/shadow.h) */
    sv_due_list expiries;  /* of requests that wait in the queue */
    sv_timer *queue_timer; /* of these */
} sv_lane;

/* Runs a batch and its mates on the calling thread: takes a session, binds, runs. Sets status and
 * times of all. */
void sv_batch_run(sv_batch *batch);
/* Any thread: hands a batch that has run, and its mates, back to their loops. */
void sv_batch_post(sv_batch *batch);
/* On the loop's thread: hands outputs to the members, calls their on_done, frees the batch. */
void sv_batch_finish(sv_batch *batch);

/* What the members of all parts of a run come to. */
sv_extent sv_batch_run_extent(const sv_batch *batch);

/* Makes a batch of each request of a list, which have run before, and runs or queues it. */
void sv_lane_run_alone(sv_lane *lane, sv_request *list);
/* A batch of one, with its model's flow; NULL when memory is out. */
sv_batch *sv_lane_make_batch(sv_lane *lane, sv_request *request);
/* Ends a request: on_done. Takes `status`. */
void sv_lane_end(sv_request *request, sv_status status);
/* Gives a finished batch back; its members are gone. */
void sv_lane_free_batch(sv_lane *lane, sv_batch *batch);

/* NULL when memory is out. */
sv_lane *sv_lane_create(sv_service *service, sv_loop *loop, uint32_t index);
void sv_lane_destroy(sv_lane *lane);
/* A new id for a span of a trace. */
uint64_t sv_lane_next_span(sv_lane *lane);
/* A new id of 16 bytes, for a request or a trace; no secret. */
void sv_lane_next_id(sv_lane *lane, uint64_t out[2]);
/* Frees the requests that are kept for reuse. */
void sv_lane_free_requests(sv_lane *lane);
/* A new request of the lane; takes the version's reference on success. */
SV_MUST_USE sv_status sv_request_begin(sv_lane *lane, sv_served *version, sv_request **out);

/* Of the service. */
struct sv_queue *sv_service_queue(const sv_service *service);
bool sv_service_batches(const sv_service *service);
uint32_t sv_service_run_threads(const sv_service *service);

#endif
