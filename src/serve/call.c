/* Calls: an exchange's way through a front end, its requests, its deadline, its answer. */
#include "serve/call.h"

#include "base/clock.h"
#include "base/status.h"
#include "serve/lane.h"
#include "serve/order.h"
#include "serve/shadow.h"
#include "serve/stream.h"
#include "serve/tracing.h"

void sv_call_reply(sv_call *call, int http, const char *content_type, sv_text *body)
{
    if (call->part)
        sv_part_reply(call, body);
    else
        sv_exchange_reply(call->x, http, content_type, body);
}

void sv_call_fail(sv_call *call, int http, sv_status status)
{
    if (call->part)
        sv_part_fail(call, http, status);
    else
        sv_exchange_fail(call->x, http, status);
}

bool sv_call_is_waiting(const sv_call *call)
{
    return sv_exchange_is_waiting(call->x) && (!call->part || !sv_part_is_answered(call));
}

sv_status sv_call_find(sv_call *call, sv_string name, sv_served **out)
{
    if (!name.size) name = call->model;
    sv_store *store = sv_service_store(call->service);
    SV_TRY(call->label.size ? sv_store_acquire_label(store, name.data, name.size, call->label, out)
                            : sv_store_acquire(store, name.data, name.size, call->version, out));
    if (!call->served) call->served = sv_served_ref(*out);
    return SV_OK;
}

/* Takes the reference. */
static sv_status begin(sv_call *call, sv_served *version, sv_request **out)
{
    sv_status status = sv_request_begin(call->lane, version, out);
    if (status != SV_OK) {
        sv_served_unref(version);
        return status;
    }
    if (!call->request)
        call->trace_number = sv_tracing_take(sv_service_tracing(call->service), version->name);
    (*out)->user = call;
    (*out)->sibling = call->request;
    call->request = *out;
    return SV_OK;
}

sv_status sv_call_begin(sv_call *call, sv_string name, sv_request **out)
{
    sv_served *version;
    SV_TRY(sv_call_find(call, name, &version));
    return begin(call, version, out);
}

sv_status sv_call_begin_beside(sv_call *call, const sv_request *other, sv_request **out)
{
    return begin(call, sv_served_ref(other->version), out);
}

/* ---- deadlines --------------------------------------------------------------------------- */

void sv_call_clear_deadline(sv_call *call)
{
    sv_due_remove(&call->lane->deadlines, &call->deadline);
}

void sv_call_set_deadline(sv_call *call, uint64_t deadline)
{
    sv_lane *lane = call->lane;
    if (call->deadline.at && call->deadline.at <= deadline) return;
    sv_call_clear_deadline(call);
    sv_due_insert(&lane->deadlines, &call->deadline, deadline);
    /* One setting serves many calls: the timer sets itself for those that come later. */
    if (lane->timer_set && lane->deadlines.first != &call->deadline) return;
    lane->timer_set = true;
    sv_timer_set(lane->timer, deadline);
}

static void expire(sv_call *call)
{
    sv_call_clear_deadline(call);
    if (sv_call_is_waiting(call)) {
        sv_call_fail(call, 0,
                     sv_error(SV_CODE_DEADLINE_EXCEEDED,
                              "request: expected its end within the time limit, found it still %s",
                              call->ran ? "running" : "waiting"));
    }
    if (call->stream) sv_stream_cancel(call);
    sv_call_cancel(call);
    if (call->part) sv_part_settle(call);
}

void sv_lane_expire(sv_timer *timer, void *user)
{
    sv_lane *lane = user;
    uint64_t now = sv_clock_ns();
    const sv_due *first;
    while ((first = lane->deadlines.first) && first->at <= now)
        expire((sv_call *)((char *)first - offsetof(sv_call, deadline)));
    lane->timer_set = first != NULL;
    if (first) sv_timer_set(timer, first->at);
}

/* ---- results ----------------------------------------------------------------------------- */

static void note_times(sv_call *call, const sv_request *request)
{
    call->ran = request->finished_ns > 0;
    call->submitted_ns = request->submitted_ns;
    call->started_ns = request->started_ns;
    call->finished_ns = request->finished_ns;
}

/* Takes the request's status. */
static sv_status take_result(sv_call *call, sv_request *request)
{
    sv_status status = request->status;
    request->status = SV_OK;
    if (status != SV_OK || !sv_call_is_waiting(call)) return status;
    SV_TRY(call->front->encode(call, request, &call->answer));
    return sv_text_status(&call->answer, "the answer");
}

/* Nothing is waited for any more. */
static void end(sv_call *call)
{
    const char *type = call->content_type ? call->content_type : "application/json";
    sv_status failure = call->turn ? sv_order_end(call) : SV_OK;
    sv_call_clear_deadline(call);
    sv_call_leave(call);
    if (failure != SV_OK)
        sv_call_fail(call, 0, failure);
    else if (sv_call_is_waiting(call))
        sv_call_reply(call, 200, type, &call->answer);
    if (call->part) sv_part_settle(call);
}

void sv_call_settle(sv_call *call)
{
    sv_exchange *x = call->x;
    if (--call->open == 0)
        end(call);
    else if (call->turn && !sv_call_is_waiting(call))
        sv_order_leave(call);
    sv_exchange_release(x);
}

static void request_done(sv_request *request)
{
    sv_call *call = request->user;
    note_times(call, request);
    sv_status status = take_result(call, request);
    if (request->refused) {
        call->shed = true;
        call->x->retry_after = request->retry_after_s;
    }
    if (status != SV_OK && (request->refused || !sv_order_keep(call, status)))
        sv_call_fail(call, request->refused ? 503 : 0, status);
    for (sv_request **at = &call->request; *at; at = &(*at)->sibling) {
        if (*at != request) continue;
        *at = request->sibling;
        break;
    }
    if (status == SV_OK) sv_shadow_ask(call, request);
    sv_request_release(request);
    sv_call_settle(call);
}

sv_status sv_call_charge(sv_call *call, size_t bytes)
{
    sv_status status = sv_exchange_charge(call->x, bytes);
    if (status != SV_OK) {
        call->http = 503;
        call->shed = true;
    } else if (call->part) {
        sv_part_note_charge(call, bytes);
    }
    return status;
}

/* Memory of the inputs counts against the server's budget; what they borrow has been counted. */
static sv_status charge(sv_call *call)
{
    size_t bytes = 0;
    for (const sv_request *r = call->request; r; r = r->sibling) {
        for (size_t i = 0; i < r->input_count; i++)
            bytes += r->input[i].buffer.data == r->input[i].memory ? r->input[i].buffer.size : 0;
    }
    return sv_call_charge(call, bytes);
}

static sv_status submit(sv_call *call, sv_request *request, uint64_t now, uint64_t deadline)
{
    request->on_done = request_done;
    request->deadline_ns = deadline;
    sv_status status = sv_request_submit(request, now);
    if (sv_status_code(status) == SV_CODE_RESOURCE_EXHAUSTED) {
        call->http = 503;
        call->shed = true;
        call->x->retry_after = 1;
    }
    if (status != SV_OK) return status;
    sv_exchange_hold(call->x);
    call->open++;
    return SV_OK;
}

sv_status sv_call_submit(sv_call *call)
{
    for (const sv_request *r = call->request; r; r = r->sibling)
        SV_TRY(sv_request_check(r));
    uint64_t now = sv_clock_ns();
    if (call->x->deadline && call->x->deadline <= now)
        return sv_error(SV_CODE_DEADLINE_EXCEEDED,
                        "request: expected time to run it, found its deadline passed");
    SV_TRY(charge(call));
    SV_TRY(sv_order_enter(call));
    sv_text_init(&call->answer, sv_loop_allocator(call->x->loop));
    uint64_t deadline = now + sv_service_timeout_ns(call->service);
    if (call->x->deadline && call->x->deadline < deadline) deadline = call->x->deadline;
    for (sv_request *r = call->request; r; r = r->sibling)
        SV_TRY(submit(call, r, now, deadline));
    sv_call_set_deadline(call, deadline);
    return SV_OK;
}

void sv_call_cancel(sv_call *call)
{
    for (sv_request *r = call->request; r; r = r->sibling)
        sv_request_cancel(r);
    sv_order_leave(call);
}

void sv_call_abandon(sv_call *call)
{
    sv_call_cancel(call);
    sv_request **at = &call->request;
    while (*at) {
        sv_request *r = *at;
        if (r->state != SV_REQUEST_NEW) {
            at = &r->sibling;
            continue;
        }
        *at = r->sibling;
        sv_request_release(r);
    }
    if (call->open == 0) sv_call_leave(call);
}

void sv_call_decode(sv_call *call, sv_string body)
{
    /* Front ends count from its start, also where there is nothing. */
    if (!body.data) body.data = "";
    sv_status status = call->front->decode(call, body);
    if (status != SV_OK) {
        sv_call_abandon(call);
        sv_call_fail(call, call->http, status);
    } else if (call->open == 0) {
        sv_call_leave(call);
    }
}
