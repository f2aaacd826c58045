/* From a method and a path to a route. */
#ifndef SV_SERVE_ROUTER_H
#define SV_SERVE_ROUTER_H

#include "serve/front.h"

typedef struct sv_router sv_router;

typedef struct sv_route_match {
    const sv_front *front; /* NULL: no route has this path */
    const sv_route *route; /* NULL: the path is known, but not with this method */
    sv_string model;
    int64_t version;
    sv_string label;      /* what stands for a version and is no number, or {label} */
    sv_string region;     /* {region} */
    sv_string repository; /* {repository} */
    uint32_t allowed; /* where route is NULL: a bit (1 << sv_method) for each method that works */
} sv_route_match;

/* Routes of all front ends, and `extra` ones before them; on equal patterns the earlier front end's
 * row is taken. Returns owned; NULL when memory is out. */
sv_router *sv_router_create(const sv_front *const *fronts, size_t count,
                            const sv_extra_route *extra, size_t extra_count);
void sv_router_destroy(sv_router *router);

/* `segments` are decoded. A {version} that is no number of 1 to 18 digits is a label. */
void sv_router_find(const sv_router *router, sv_method method, const sv_string *segments,
                    uint32_t count, sv_route_match *out);
/* The `index`-th row in the order in which they are tried; false past the last. */
bool sv_router_at(const sv_router *router, size_t index, const sv_front **front,
                  const sv_route **route);
/* The gRPC method whose path this is; out->front is NULL when there is none. */
void sv_router_find_call(const sv_router *router, sv_string path, sv_route_match *out);
/* "GET, HEAD, POST" for `allowed`. */
void sv_router_allow(uint32_t allowed, char *out, size_t size);

#endif
