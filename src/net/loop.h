/* The loop: one thread's rounds of polling, working, sending and freeing, and the ways into it.
 *
 * A round is: poll the sockets (waiting only when nothing is queued; a second time, without
 * waiting, when what was read is work, for its batches to take more), then run the phases in order.
 * What a connection reads in one round is worked on, answered and sent in the same round, so work
 * that came together can be batched without waiting for more. Connections, listeners and requests
 * are queued here as tasks; the loop knows none of them. */
#ifndef SV_NET_LOOP_H
#define SV_NET_LOOP_H

#include <serval/types.h>

struct event_base;

typedef struct sv_loop sv_loop;

/* A piece of work that its owner embeds. It is queued at most once at a time; `run` may queue it
 * again, or free the memory that it lies in. */
typedef struct sv_task {
    struct sv_task *next;
    void (*run)(struct sv_task *task);
} sv_task;

/* The phases of a round, in their order. */
typedef enum sv_phase {
    SV_PHASE_READ, /* connections whose bytes waited behind an answer go on (net's own) */
    SV_PHASE_WORK, /* inline work: batches made of what was submitted while polling */
    SV_PHASE_DONE, /* results: posted tasks run here, and completions of inline work */
    SV_PHASE_SEND, /* one send for each connection that has something to say (net's own) */
    SV_PHASE_FREE, /* what is dead goes: nothing else frees what a caller may still stand on */
    SV_PHASE_COUNT
} sv_phase;

/* `index` is reported by sv_loop_index. `allocator` NULL: malloc. */
SV_MUST_USE sv_status sv_loop_create(uint32_t index, const sv_allocator *allocator, sv_loop **out);
/* The loop must not run; tasks still queued are dropped without being run. NULL is allowed. */
void sv_loop_destroy(sv_loop *loop);

/* Runs rounds on the calling thread until sv_loop_stop; afterwards it may be run again. INTERNAL
 * when polling fails. */
SV_MUST_USE sv_status sv_loop_run(sv_loop *loop);
/* Any thread: the loop returns from sv_loop_run after finishing a round. A stop that comes before
 * the run counts. */
void sv_loop_stop(sv_loop *loop);

/* How long the loop polls before it sleeps, as long as what it waits for mostly comes within that
 * time: saves waking it up. Once it does not, the loop sleeps at once, and takes no CPU. 0, and
 * until it is set: never. Before the run. */
void sv_loop_set_spin(sv_loop *loop, uint64_t ns);

/* Any thread: queues `task` for the loop's next SV_PHASE_DONE, in the order of the posts of one
 * thread. Never blocks, never allocates, wakes the loop if it sleeps. Whatever the poster wrote
 * before is seen by the task. The loop must outlive the call. */
void sv_loop_post(sv_loop *loop, sv_task *task);
/* The loop's thread only: queues `task` for `phase`: of this round when that phase is still to come
 * (as it always is from sv_handler's calls), else of the next round, which then does not wait.
 * Tasks of one phase run in the order in which they were queued. */
void sv_loop_defer(sv_loop *loop, sv_phase phase, sv_task *task);

/* The loop's thread only: takes `cost_ns` (an estimate) from what this round may still spend on
 * inline work, SV_LOOP_INLINE_NS in all; false, and nothing is taken, when that is not enough: such
 * work belongs on a worker, since every connection of the loop waits for it. */
#define SV_LOOP_INLINE_NS 1000000
bool sv_loop_take_inline(sv_loop *loop, uint64_t cost_ns);

/* Counts the rounds' polls, from 1 on; the second one of a round has the number of the first. The
 * loop's thread only. */
uint64_t sv_loop_round(const sv_loop *loop);
/* Monotonic nanoseconds, read once after a poll when first asked for; the loop's thread only. */
uint64_t sv_loop_now(sv_loop *loop);
uint32_t sv_loop_index(const sv_loop *loop);
const sv_allocator *sv_loop_allocator(const sv_loop *loop);
/* True on the thread that runs the loop. */
bool sv_loop_is_current(const sv_loop *loop);
/* A pointer for the handler's own state of this loop; set before the run or on its thread. */
void sv_loop_set_user(sv_loop *loop, void *user);
void *sv_loop_user(const sv_loop *loop);

/* The poller beneath, for the socket layer's own events. */
struct event_base *sv_loop_base(const sv_loop *loop);

/* A timer of one loop, for deadlines and queue delays (connections share a one-second tick
 * instead). All calls on the loop's thread, or while the loop does not run. `run` is called while
 * polling, so what it defers happens in the same round. */
typedef struct sv_timer sv_timer;
SV_MUST_USE sv_status sv_timer_create(sv_loop *loop, void (*run)(sv_timer *timer, void *user),
                                      void *user, sv_timer **out);
void sv_timer_destroy(sv_timer *timer); /* NULL is allowed; also from within `run` */
/* Fires once, at monotonic time `at_ns` or in the next round if that has passed; replaces an
 * earlier setting. */
void sv_timer_set(sv_timer *timer, uint64_t at_ns);
void sv_timer_clear(sv_timer *timer);

#endif
