/* Ids and traces of requests. */
#include "serve/identity.h"

#include <stdio.h>
#include <string.h>

#define MAX_ID 128
#define ID_HEADER "X-Request-Id"
#define TRACE_HEADER "traceparent"

static void make_id(sv_lane *lane, sv_identity *out)
{
    uint64_t id[2];
    sv_lane_next_id(lane, id);
    snprintf(out->id, sizeof out->id, "%016llx%016llx", (unsigned long long)id[0],
             (unsigned long long)id[1]);
}

static void make_trace(sv_lane *lane, sv_identity *out)
{
    uint64_t id[2];
    sv_lane_next_id(lane, id);
    sv_trace_make(id, sv_lane_next_span(lane), &out->trace);
}

/* Of an exchange, where more than one line needs it; NULL when memory is out. */
static sv_identity *make_identity(sv_exchange *x)
{
    sv_lane *lane = sv_loop_user(x->loop);
    if (x->identity || !lane) return x->identity;
    sv_identity *made = sv_arena_alloc(&x->arena, sizeof *made);
    if (!made) return NULL;
    make_id(lane, made);
    make_trace(lane, made);
    x->identity = made;
    return made;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void add_trace(sv_exchange *x, const sv_trace *trace)
{
    char text[SV_TRACE_TEXT];
    sv_trace_write(trace, text);
    sv_exchange_add_header(x, TRACE_HEADER, text);
}

static void add_made_id(sv_exchange *x)
{
    const sv_identity *made = make_identity(x);
    if (made) sv_exchange_add_header(x, ID_HEADER, made->id);
}

static void add_made_trace(sv_exchange *x)
{
    const sv_identity *made = make_identity(x);
    if (made) add_trace(x, &made->trace);
}

/* ---- what the client says ------------------------------------------------------------------- */

bool sv_identity_is_said(const sv_exchange *x)
{
    sv_string ignored;
    return sv_exchange_header(x, ID_HEADER, &ignored) ||
           sv_exchange_header(x, TRACE_HEADER, &ignored);
}

/* The client's name for a request is passed back, and into the log. */
static void take_id(sv_call *call)
{
    sv_string id;
    if (!sv_exchange_header(call->x, ID_HEADER, &id) || id.size > MAX_ID) return;
    call->id_answered = true;
    if (!id.size) {
        add_made_id(call->x);
        return;
    }
    const char *text = sv_arena_copy_text(&call->x->arena, id.data, id.size);
    if (!text) return;
    call->id = (sv_string){text, id.size};
    sv_exchange_add_header(call->x, ID_HEADER, text);
}

/* An answer within the client's trace says which span it was. */
static void take_trace(sv_call *call)
{
    sv_string header;
    if (!sv_exchange_header(call->x, TRACE_HEADER, &header)) return;
    if (!header.size) {
        call->trace_answered = true;
        add_made_trace(call->x);
        return;
    }
    sv_trace *trace = sv_arena_alloc(&call->x->arena, sizeof *trace);
    if (!trace || !sv_trace_read(header, sv_lane_next_span(call->lane), trace)) return;
    call->trace_answered = true;
    call->trace = trace;
    add_trace(call->x, trace);
}

void sv_identity_take(sv_call *call)
{
    take_id(call);
    take_trace(call);
}

/* ---- failures ------------------------------------------------------------------------------- */

/* What any client takes as a header's value. */
static bool is_plain(sv_string text)
{
    if (text.size > MAX_ID) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') return false;
    }
    return true;
}

/* The body may have said an id, which the log has. */
static void add_said_id(sv_exchange *x, sv_string id)
{
    const char *text = is_plain(id) ? sv_arena_copy_text(&x->arena, id.data, id.size) : NULL;
    if (text) sv_exchange_add_header(x, ID_HEADER, text);
}

void sv_identity_name_failure(sv_exchange *x)
{
    const sv_call *call = x->state;
    if (!(call && call->trace_answered)) add_made_trace(x);
    if (call && call->id_answered) return;
    if (call && call->id.size)
        add_said_id(x, call->id);
    else
        add_made_id(x);
}

/* ---- the log -------------------------------------------------------------------------------- */

void sv_identity_log(sv_lane *lane, const sv_exchange *x, const sv_call *call, sv_identity *room,
                     sv_access_entry *entry)
{
    const sv_identity *made = x->identity;
    entry->id = call ? call->id : (sv_string){0};
    entry->trace = call ? call->trace : NULL;
    if (!made && !entry->id.size) make_id(lane, room);
    if (!made && !entry->trace) make_trace(lane, room);
    if (!made) made = room;
    if (!entry->id.size) entry->id = (sv_string){made->id, sizeof made->id - 1};
    if (!entry->trace) entry->trace = &made->trace;
}

void sv_identity_log_times(const sv_call *call, sv_access_times *times)
{
    times->id = call->id;
    times->trace = call->trace;
    const sv_identity *made = times->id.size && times->trace ? NULL : make_identity(call->x);
    if (!made) return;
    if (!times->id.size) times->id = (sv_string){made->id, sizeof made->id - 1};
    if (!times->trace) times->trace = &made->trace;
}
