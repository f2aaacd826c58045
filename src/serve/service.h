/* The service: everything between the socket layer's handler and the models: routes, admission,
 * queues, workers, metrics, the access log. */
#ifndef SV_SERVE_SERVICE_H
#define SV_SERVE_SERVICE_H

#include "net/server.h"
#include "observe/access_log.h"
#include "serve/front.h"
#include "store/keeper.h"

typedef struct sv_service_options {
    sv_store *store;            /* borrowed */
    sv_keeper *keeper;          /* borrowed; NULL: nothing can be managed */
    bool allow_management;      /* also for those who do not come in by an admin listener */
    const sv_front *open_front; /* its management is open, since whoever started the server is the
                                   only one to reach it; NULL: none is */
    sv_regions *regions;        /* borrowed; NULL: clients may not share memory */
    const char *const *hosts;   /* [host_count], borrowed: names that management may be asked */
    size_t host_count;          /* by, besides addresses and localhost */
    const sv_front *const *fronts; /* [front_count], borrowed; where routes collide, the earlier */
    size_t front_count;
    const sv_extra_route *extra; /* [extra_count], borrowed; they come before all others */
    size_t extra_count;
    uint32_t loops;            /* of the server that will call */
    uint32_t workers;          /* threads for large work; 0: 1 */
    uint32_t run_threads;      /* that a worker's run may use, its own included; 0: the runtime's */
    uint32_t max_running;      /* requests admitted at once; 0: 1024 */
    uint32_t max_queued;       /* requests of a model waiting for a worker; 0: 256 */
    uint32_t timeout_ms;       /* of a request from its last byte; 0: 60 s */
    bool metrics_apart;        /* the server has addresses for metrics alone */
    bool no_batching;          /* every request runs alone */
    uint32_t metric_names;     /* sets of other servers' names (serve/metric_names.h) */
    sv_access_log *access_log; /* borrowed; NULL: none */
    sv_access_log *trace_log;  /* borrowed; NULL: nothing is traced */
} sv_service_options;

/* Starts the workers. Returns owned. */
SV_MUST_USE sv_status sv_service_create(const sv_service_options *options, sv_service **out);
/* After the server has ended. NULL is allowed. */
void sv_service_destroy(sv_service *service);

/* What the server calls; valid until the service is destroyed. */
const sv_handler *sv_service_handler(const sv_service *service);
/* Gauges of the server's connections are shown with the metrics; NULL: none. Before it runs. */
void sv_service_set_server(sv_service *service, const sv_server *server);
/* Any thread: whether sv_service_ready says so (the drain of a server sets it to false). */
void sv_service_set_ready(sv_service *service, bool ready);
/* Any thread: time is up (the limit of a server's drain). Runs are broken off between two steps,
 * and their requests, like those that wait, are answered UNAVAILABLE. */
void sv_service_close(sv_service *service);

#endif
