/* Which requests leave a record of their times in the trace log, as clients choose it for all
 * models or for single ones (Triton's trace extension). Thread-safe; asking is one load while
 * nothing is traced. Records and their log are the service's matter. */
#ifndef SV_SERVE_TRACING_H
#define SV_SERVE_TRACING_H

#include <serval/types.h>

typedef struct sv_tracing sv_tracing;

typedef struct sv_trace_choice {
    bool timestamps;    /* else nothing is traced */
    uint32_t rate;      /* one of so many requests; at least 1 */
    int64_t count;      /* records that may still be written; -1: any number */
    uint32_t frequency; /* kept for clients that ask for it */
} sv_trace_choice;

enum {
    SV_TRACE_TIMESTAMPS = 1,
    SV_TRACE_RATE = 2,
    SV_TRACE_COUNT = 4,
    SV_TRACE_FREQUENCY = 8,
};

typedef struct sv_trace_change {
    uint32_t set;   /* bits of what is chosen */
    uint32_t clear; /* of what is as for all models again, or there as at the start */
    sv_trace_choice value;
} sv_trace_change;

sv_tracing *sv_tracing_create(void);          /* returns owned; NULL when memory is out */
void sv_tracing_destroy(sv_tracing *tracing); /* NULL is allowed */

/* For one model, which is there, or for all where it is NULL. RESOURCE_EXHAUSTED. */
SV_MUST_USE sv_status sv_tracing_change(sv_tracing *tracing, const char *model,
                                        const sv_trace_change *change);
/* What is in force for a model, or for those that have no choice of their own. */
sv_trace_choice sv_tracing_get(sv_tracing *tracing, const char *model);
/* Counts a request of a model; returns the number of its record, 0 where it gets none. */
uint64_t sv_tracing_take(sv_tracing *tracing, const char *model);

#endif
