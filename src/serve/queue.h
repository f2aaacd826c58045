/* The queue of work that is too large for the loops, and the threads that do it.
 *
 * Each model has a flow; workers take turns among them, so that none waits for another's flood:
 * self-clocked fair queueing (Golestani, INFOCOM 1994) by the estimated time of the runs. Short
 * work therefore goes before long work that has come a little earlier, and nothing waits for ever.
 * Thread-safe, for the core's own files. */
#ifndef SV_SERVE_QUEUE_H
#define SV_SERVE_QUEUE_H

#include "serve/flow.h"

typedef struct sv_queue sv_queue;

typedef struct sv_queue_options {
    uint32_t workers;
    uint32_t max_waiting; /* requests of one model, where it does not say so itself */
    /* Runs a batch with its mates, then gives all of them away. On a worker. */
    void (*run)(sv_batch *batch);
    void (*give)(sv_batch *batch);
} sv_queue_options;

/* Starts the workers. Returns owned. */
SV_MUST_USE sv_status sv_queue_create(const sv_queue_options *options, sv_queue **out);
/* Nothing may be queued any more. NULL is allowed. */
void sv_queue_destroy(sv_queue *queue);

/* The flow of a version's model; made when it is first asked for. Takes no lock but for that. NULL
 * when memory is out. */
sv_flow *sv_queue_flow(sv_queue *queue, const sv_served *version);
/* The flow of that index; NULL where there is none (yet). Indexes end at SV_QUEUE_FLOWS. */
#define SV_QUEUE_FLOWS 4096
sv_flow *sv_queue_flow_at(sv_queue *queue, uint32_t index);

/* Queues a batch whose flow, level and times are set; or says why not, which it counts, and after
 * how many nanoseconds it may be worth trying again. */
sv_refusal sv_queue_push(sv_queue *queue, sv_batch *batch, uint64_t *wait_ns);
/* Takes a batch out that no worker has begun; false: it is too late. */
bool sv_queue_unlink(sv_queue *queue, sv_batch *batch);
/* Nobody waits for a batch that sv_queue_unlink came too late for; once for each. Its run is broken
 * off when that holds for all its parts. */
void sv_queue_forgo(sv_queue *queue, sv_batch *batch);
/* Time is up: runs are broken off, and so are those that would follow. */
void sv_queue_close(sv_queue *queue);
/* Has a batch that waits wait behind the others of its priority. */
void sv_queue_put_off(sv_queue *queue, sv_batch *batch);
/* A run that sv_flow_enter let begin outside the queue has ended. */
void sv_queue_leave(sv_queue *queue, sv_flow *flow);
/* Batches that wait. */
uint32_t sv_queue_length(sv_queue *queue);

#endif
