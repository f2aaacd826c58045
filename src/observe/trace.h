/* W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a request belongs to.
 *
 * Serval keeps no spans: it passes the trace on, with a span id of its own, and writes both into
 * the access log. */
#ifndef SV_OBSERVE_TRACE_H
#define SV_OBSERVE_TRACE_H

#include <serval/types.h>

/* Hexadecimal digits as the header has them, not NUL-terminated. */
typedef struct sv_trace {
    char id[32];     /* of the trace */
    char parent[16]; /* the caller's span; all NUL: the trace begins here */
    char span[16];   /* our own */
    char flags[2];
} sv_trace;

#define SV_TRACE_TEXT 56

/* Reads a traceparent header; false for what is none: versions above 0 are read as far as they are
 * like version 0. `span` becomes the id of our span; 0 is no id, so 1 stands for it. */
bool sv_trace_read(sv_string header, uint64_t span, sv_trace *out);
/* A new trace that begins with this span; numbers that are 0 as a whole become 1. Nothing is known
 * of sampling, so no flag is set. */
void sv_trace_make(const uint64_t id[2], uint64_t span, sv_trace *out);
/* The header for an answer: our span within the trace, with a NUL. */
void sv_trace_write(const sv_trace *trace, char out[SV_TRACE_TEXT]);

#endif
