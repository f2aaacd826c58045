/* What a protocol is to the core: rows of routes, and four translations.
 *
 * A front end turns bodies into requests and results into bodies; it owns no thread, queue or
 * socket. All its calls happen on the loop that owns the exchange. */
#ifndef SV_SERVE_FRONT_H
#define SV_SERVE_FRONT_H

#include "net/exchange.h"
#include "serve/due.h"
#include "serve/regions.h"
#include "serve/request.h"

typedef struct sv_service sv_service;
typedef struct sv_call sv_call;
struct sv_tracing;

enum {
    SV_ROUTE_HEALTH = 1,   /* answered whatever the load is */
    SV_ROUTE_INFER = 2,    /* runs a model: admitted, counted and timed */
    SV_ROUTE_MANAGE = 4,   /* changes what is served: closed unless the operator opens it */
    SV_ROUTE_STREAM = 8,   /* gRPC: many messages each way, each decoded and answered by itself */
    SV_ROUTE_PROBE = 16,   /* also answered where only metrics and probes are asked */
    SV_ROUTE_METRICS = 32, /* answered nowhere else, if there is such an address */
};

/* Patterns are segments: literal text, {model}, {version}, {label}, {region} and {repository}
 * (captured), and a literal ending such as {model}:predict. Where several match, literal text goes
 * before captures, and a longer ending before a shorter. HEAD is answered wherever GET is. */
typedef struct sv_route {
    sv_method method;
    const char *pattern;
    int verb; /* the front end's own number */
    uint32_t flags;
} sv_route;

typedef struct sv_front {
    const char *name; /* "tfs": the metrics' label */
    const sv_route *routes;
    size_t route_count;
    /* gRPC methods: the pattern is the whole path, "/package.Service/Method"; the method counts for
     * nothing. A body is then a message, and an answer's content type counts for nothing. */
    const sv_route *calls;
    size_t call_count;
    /* The head of an exchange that is to infer is there: may say where its body should be aligned
     * (x->aligned_at). May be NULL. */
    void (*open)(sv_call *call);
    /* The body is complete (empty for GET): begins and submits requests, or answers by
     * sv_call_reply. An error becomes an error answer. `body` is borrowed for the call of this
     * function. */
    sv_status (*decode)(sv_call *call, sv_string body);
    /* A request of the call has succeeded, and its outputs are valid now: appends to the answer's
     * body, which is sent when all requests of the call are done. */
    sv_status (*encode)(sv_call *call, const sv_request *request, sv_text *out);
    /* Appends an error's body. `call` has its route, but maybe nothing else. For gRPC only asked
     * where messages stream, and answers one of them; NULL: the status ends the stream. */
    void (*error)(const sv_call *call, int http, sv_status status, sv_text *out);
    /* Streams that have asked by sv_call_watch: appends a message and returns true when there is
     * something new. Called a few times a second. May be NULL where nobody asks. */
    bool (*poll)(sv_call *call, sv_text *out);
} sv_front;

/* A route that is known at the start only, since the environment says its path. */
typedef struct sv_extra_route {
    const sv_front *front;
    sv_route route;
} sv_extra_route;

/* One exchange on its way through a front end, or one message of a stream. */
struct sv_call {
    sv_exchange *x;
    sv_arena *arena; /* for what lives as long as the call */
    sv_service *service;
    const sv_front *front;
    const sv_route *route;
    sv_string model;              /* captured; empty: none */
    int64_t version;              /* captured; 0: none */
    sv_string label;              /* captured in its place; empty: none */
    sv_string region;             /* captured; of shared memory */
    sv_string repository;         /* captured; empty: any */
    sv_request *request;          /* begun for this call, the newest first */
    void *state;                  /* the front end's, in the arena */
    sv_string id;                 /* the client's name for the request, in the arena; for logs */
    const struct sv_trace *trace; /* that the client belongs to, in the arena; NULL: none */
    int http;                 /* the HTTP code of an error that decode returns; 0: by its status */
    const char *content_type; /* of the answer that encode writes, static; NULL: JSON */

    /* The core's own. */
    struct sv_lane *lane;
    bool id_answered, trace_answered; /* the answer has such a header */
    uint32_t open;                    /* requests that are submitted and not done, and its turn */
    sv_text answer;                   /* what encode has appended so far */
    sv_due deadline;                  /* in the lane's list, while results are waited for */
    bool admitted;                    /* counted among those that run */
    struct sv_stream *stream;         /* of a stream's first call, which stands for all of it */
    struct sv_part *part;             /* of a call for one message */
    struct sv_turn *turn; /* among those that are answered in order; NULL: at any time */
    sv_served *served;    /* the first that was found, a reference, for metrics and the log */
    bool ran;
    bool shed; /* refused for want of room or time, which says nothing about the version */
    uint64_t submitted_ns, started_ns, finished_ns;
    uint64_t trace_number; /* of the record of its times; 0: it gets none */
};

/* Answers; takes the contents of `body`. `content_type` is static. */
void sv_call_reply(sv_call *call, int http, const char *content_type, sv_text *body);
/* SV_ROUTE_STREAM: the stream stays open, and the front end is polled with a call whose state is
 * `state`, from the exchange's arena. Before the first answer. RESOURCE_EXHAUSTED. */
SV_MUST_USE sv_status sv_call_watch(sv_call *call, void *state);

/* Takes a reference to the version that the call's path (or `name`, if not empty) asks for. */
SV_MUST_USE sv_status sv_call_find(sv_call *call, sv_string name, sv_served **out);
/* Begins a request of this call for the version that sv_call_find gives. The core releases it when
 * it is done, or when decode fails. */
SV_MUST_USE sv_status sv_call_begin(sv_call *call, sv_string name, sv_request **out);
/* One more request for the version that `other`, a request of the same call, is for, whatever has
 * become of its name meanwhile. */
SV_MUST_USE sv_status sv_call_begin_beside(sv_call *call, const sv_request *other,
                                           sv_request **out);
/* Counts memory that the call makes the core touch besides its inputs' own. RESOURCE_EXHAUSTED. */
SV_MUST_USE sv_status sv_call_charge(sv_call *call, size_t bytes);
/* The shared memory of clients on this machine. PERMISSION_DENIED where it is not open to this one.
 */
SV_MUST_USE sv_status sv_call_regions(const sv_call *call, sv_regions **out);
/* PERMISSION_DENIED unless management is open to this call: for those that only sometimes change
 * something, which SV_ROUTE_MANAGE cannot tell. */
SV_MUST_USE sv_status sv_call_may_manage(const sv_call *call);
/* Queues all requests begun; to be called once, last in decode. */
SV_MUST_USE sv_status sv_call_submit(sv_call *call);

/* True while the service wants traffic: everything is loaded, and no drain has begun. */
bool sv_service_ready(const sv_service *service);
/* The routes in the order in which they are tried; false past the last. */
bool sv_service_route(const sv_service *service, size_t index, const sv_front **front,
                      const sv_route **route);
struct sv_store *sv_service_store(const sv_service *service);
/* Whether a route is answered at all on addresses that are not for metrics alone. */
bool sv_service_offers(const sv_service *service, const sv_route *route);
/* The front ends of the service, which describe its gRPC methods too. */
const sv_front *const *sv_service_fronts(const sv_service *service, size_t *count);
/* Appends the metrics in Prometheus' text format. */
void sv_service_metrics(const sv_service *service, sv_text *out);
/* Rows that requests of a version may share in one run; 0: each runs alone. */
uint32_t sv_service_max_batch(const sv_service *service, const sv_served *version);
/* Runs of a version that may go on at once. */
uint32_t sv_service_max_runs(const sv_service *service, const sv_served *version);
/* What is traced, and the path that records go to; NULL: nowhere. */
struct sv_tracing *sv_service_tracing(const sv_service *service);
const char *sv_service_trace_path(const sv_service *service);
uint64_t sv_service_uptime_ns(const sv_service *service);

#endif
