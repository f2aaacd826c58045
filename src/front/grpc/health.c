/* gRPC's health service: the server as a whole, a gRPC service, or a model. */
#include "base/status.h"
#include "front/messages.h"

#include <string.h>

/* A client that asks a server of so many models has other ways to see them; gRPC's own servers stop
 * at a hundred. */
#define LIST_MAX 1000

enum { REQUEST_SERVICE = 1, RESPONSE_STATUS = 1 };
enum { LIST_STATUSES = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };
enum { VERB_CHECK, VERB_LIST, VERB_WATCH };

static const sv_route calls[] = {
    {.pattern = "/grpc.health.v1.Health/Check", .verb = VERB_CHECK, .flags = SV_ROUTE_HEALTH},
    {.pattern = "/grpc.health.v1.Health/List", .verb = VERB_LIST, .flags = SV_ROUTE_HEALTH},
    {.pattern = "/grpc.health.v1.Health/Watch",
     .verb = VERB_WATCH,
     .flags = SV_ROUTE_HEALTH | SV_ROUTE_STREAM},
};

/* What a Watch has been told. */
typedef struct watch {
    sv_string service;
    int told;
} watch;

/* The gRPC service of the `index`-th method of all front ends; false past the last. */
static bool service_at(const sv_call *call, size_t index, sv_string *out)
{
    size_t count;
    const sv_front *const *fronts = sv_service_fronts(call->service, &count);
    for (size_t i = 0; i < count; i++) {
        if (index < fronts[i]->call_count) {
            const char *pattern = fronts[i]->calls[index].pattern + 1;
            *out = (sv_string){pattern, strcspn(pattern, "/")};
            return true;
        }
        index -= fronts[i]->call_count;
    }
    return false;
}

/* Where the methods of this service begin; false when no front end has any. */
static bool find_service(const sv_call *call, sv_string name, size_t *index)
{
    sv_string other;
    for (*index = 0; service_at(call, *index, &other); ++*index) {
        if (other.size == name.size && !memcmp(other.data, name.data, name.size)) return true;
    }
    return false;
}

static bool is_model(const sv_call *call, sv_string name)
{
    int64_t number;
    return sv_store_versions(sv_service_store(call->service), name.data, name.size, &number, 1) > 0;
}

static int state_of(const sv_call *call, sv_string service)
{
    size_t index;
    if (service.size && !find_service(call, service, &index) && !is_model(call, service))
        return SERVICE_UNKNOWN;
    return sv_service_ready(call->service) ? SERVING : NOT_SERVING;
}

/* ---- all of them -------------------------------------------------------------------------- */

static void put_entry(sv_text *out, sv_string name, int state)
{
    size_t entry = sv_pb_begin(out, LIST_STATUSES);
    sv_pb_put_bytes(out, ENTRY_KEY, name.data, name.size);
    size_t value = sv_pb_begin(out, ENTRY_VALUE);
    sv_pb_put_int(out, RESPONSE_STATUS, state);
    sv_pb_end(out, value);
    sv_pb_end(out, entry);
}

static size_t put_services(const sv_call *call, int state, sv_text *out)
{
    sv_string name;
    size_t first, count = 0;
    for (size_t i = 0; service_at(call, i, &name); i++) {
        if (!find_service(call, name, &first) || first != i) continue;
        put_entry(out, name, state);
        count++;
    }
    return count;
}

static sv_status list(sv_call *call)
{
    sv_store *store = sv_service_store(call->service);
    int state = sv_service_ready(call->service) ? SERVING : NOT_SERVING;
    sv_served *served;
    sv_text text;
    sv_text_init(&text, NULL);
    put_entry(&text, (sv_string){"", 0}, state);
    size_t count = 1 + put_services(call, state, &text);
    for (size_t i = 0; count <= LIST_MAX && (served = sv_store_at(store, i)); i++, count++) {
        put_entry(&text, (sv_string){served->name, strlen(served->name)}, state);
        sv_served_unref(served);
    }
    if (count <= LIST_MAX) return sv_message_reply(call, &text);
    sv_text_release(&text);
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "health: expected at most %d services and models to list, found more",
                    LIST_MAX);
}

/* ---- calls -------------------------------------------------------------------------------- */

static sv_status read_service(const sv_call *call, sv_string message, sv_string *out)
{
    sv_budget budget;
    sv_reader reader;
    sv_pb_field field;
    *out = (sv_string){"", 0};
    sv_message_begin(message, &budget, &reader);
    for (;;) {
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == REQUEST_SERVICE) SV_TRY(sv_message_keep(call, &field, "service", out));
    }
}

static sv_status begin_watch(sv_call *call, sv_string service, int state)
{
    /* It outlives its message. */
    watch *seen = sv_arena_alloc(&call->x->arena, sizeof *seen);
    const char *copy = sv_arena_copy_text(&call->x->arena, service.data, service.size);
    if (!seen || !copy) return sv_error_memory("a watch", sizeof *seen);
    *seen = (watch){{copy, service.size}, state};
    return sv_call_watch(call, seen);
}

static sv_status decode(sv_call *call, sv_string message)
{
    sv_string service;
    sv_text text;
    if (call->route->verb == VERB_LIST) return list(call);
    SV_TRY(read_service(call, message, &service));
    int state = state_of(call, service);
    if (call->route->verb == VERB_WATCH)
        SV_TRY(begin_watch(call, service, state));
    else if (state == SERVICE_UNKNOWN)
        return sv_error(SV_CODE_NOT_FOUND, "service: expected one that is served, found '%.*s'",
                        (int)(service.size < 256 ? service.size : 256), service.data);
    sv_text_init(&text, NULL);
    sv_pb_put_int(&text, RESPONSE_STATUS, state);
    return sv_message_reply(call, &text);
}

static bool poll(sv_call *call, sv_text *out)
{
    watch *seen = call->state;
    int state = state_of(call, seen->service);
    if (state == seen->told) return false;
    seen->told = state;
    sv_pb_put_int(out, RESPONSE_STATUS, state);
    return true;
}

const sv_front sv_front_grpc_health = {
    .name = "grpc_health",
    .calls = calls,
    .call_count = sizeof calls / sizeof calls[0],
    .decode = decode,
    .poll = poll,
};
