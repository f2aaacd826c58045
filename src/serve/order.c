/* The line of a model's calls, and how the first of it is called up on its loop. */
#include "serve/order.h"

#include "base/status.h"
#include "serve/call.h"
#include "serve/queue.h"

struct sv_turn {
    sv_task task; /* on its way to the call's loop */
    sv_order *order;
    sv_call *call;
    sv_status failure; /* of a request, to be said when it is the call's turn */

    /* Guarded by the order's lock. */
    sv_turn *before, *behind;
    bool called, left;

    sv_turn *next_called; /* of the lane's */
};

void sv_order_init(sv_order *order)
{
    *order = (sv_order){.first = NULL};
    pthread_mutex_init(&order->lock, NULL);
}

void sv_order_release(sv_order *order)
{
    pthread_mutex_destroy(&order->lock);
}

/* ---- to the call's loop --------------------------------------------------------------------- */

/* On the loop of the call: it is told at the end of the work that goes on, since whoever calls it
 * up may stand on a list that it is in. */
static void call_here(sv_lane *lane, sv_turn *turn)
{
    turn->next_called = lane->called;
    lane->called = turn;
    if (lane->call_planned) return;
    lane->call_planned = true;
    sv_loop_defer(lane->loop, SV_PHASE_DONE, &lane->call_up);
}

void sv_order_call_up(sv_task *task)
{
    sv_lane *lane = (sv_lane *)((char *)task - offsetof(sv_lane, call_up));
    /* One that is answered calls the next, which is told now as well. */
    while (lane->called) {
        sv_turn *turn = lane->called;
        lane->called = turn->next_called;
        sv_call_settle(turn->call);
    }
    lane->call_planned = false;
}

static void arrive(sv_task *task)
{
    sv_turn *turn = (sv_turn *)task;
    call_here(turn->call->lane, turn);
}

static void cross(sv_task *task)
{
    sv_turn *turn = (sv_turn *)task;
    task->run = arrive;
    sv_loop_post(turn->call->lane->loop, task);
}

/* Calls up `turn` from the thread of `lane`. Another loop is told when this one has sent the answer
 * that goes before. */
static void call_from(sv_lane *lane, sv_turn *turn)
{
    if (turn->call->lane == lane) {
        call_here(lane, turn);
        return;
    }
    turn->task.run = cross;
    sv_loop_defer(lane->loop, SV_PHASE_FREE, &turn->task);
}

/* ---- the line ------------------------------------------------------------------------------- */

static void append(sv_order *order, sv_turn *turn)
{
    pthread_mutex_lock(&order->lock);
    turn->before = order->last;
    *(order->last ? &order->last->behind : &order->first) = turn;
    order->last = turn;
    turn->called = order->first == turn;
    bool called = turn->called;
    pthread_mutex_unlock(&order->lock);
    if (called) call_here(turn->call->lane, turn);
}

sv_status sv_order_enter(sv_call *call)
{
    sv_lane *lane = call->lane;
    const sv_request *request = call->request;
    if (call->turn || !request || !request->version->tuning.preserve_ordering) return SV_OK;
    sv_flow *flow = sv_queue_flow(sv_service_queue(lane->service), request->version);
    sv_turn *turn = flow ? sv_arena_alloc_zero(call->arena, sizeof *turn) : NULL;
    if (!turn) return sv_error_memory("a turn", sizeof *turn);
    turn->order = &flow->order;
    turn->call = call;
    call->turn = turn;
    call->open++;
    sv_exchange_hold(call->x);
    append(turn->order, turn);
    return SV_OK;
}

static sv_turn *unlink_turn(sv_order *order, sv_turn *turn)
{
    *(turn->before ? &turn->before->behind : &order->first) = turn->behind;
    *(turn->behind ? &turn->behind->before : &order->last) = turn->before;
    turn->left = true;
    sv_turn *first = order->first;
    if (!first || first->called) return NULL;
    first->called = true;
    return first;
}

void sv_order_leave(sv_call *call)
{
    sv_turn *turn = call->turn, *next = NULL;
    bool called = true;
    if (!turn) return;
    pthread_mutex_lock(&turn->order->lock);
    if (!turn->left) {
        next = unlink_turn(turn->order, turn);
        called = turn->called;
        turn->called = true;
    }
    pthread_mutex_unlock(&turn->order->lock);
    if (!called) call_here(call->lane, turn);
    if (next) call_from(call->lane, next);
}

/* ---- answers -------------------------------------------------------------------------------- */

bool sv_order_keep(sv_call *call, sv_status status)
{
    sv_turn *turn = call->turn;
    if (!turn || !sv_call_is_waiting(call)) return false;
    if (turn->failure)
        sv_status_free(status);
    else
        turn->failure = status;
    return true;
}

sv_status sv_order_end(sv_call *call)
{
    sv_status failure = call->turn->failure;
    call->turn->failure = SV_OK;
    sv_order_leave(call);
    return failure;
}
