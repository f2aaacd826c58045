/* The access log: one JSON object a line for each request; and in the same way the trace log, with
 * the times of requests that were chosen for it.
 *
 * Each thread gathers its lines in a shard of its own and writes them at once when it flushes.
 * No thread waits for who reads them: what a pipe has no room for is held, up to
 * SV_ACCESS_LOG_HELD bytes. Lines that cannot be written or held are lost and counted; the log of
 * the program says when that begins and when it is over. */
#ifndef SV_OBSERVE_ACCESS_LOG_H
#define SV_OBSERVE_ACCESS_LOG_H

#include "observe/latency.h"
#include "observe/trace.h"

typedef struct sv_access_entry {
    int64_t wall_us;  /* when the request was answered */
    const char *peer; /* "192.0.2.1:4711" */
    sv_string method; /* as sent */
    sv_string target; /* as sent */
    const char *protocol;
    const char *model; /* NULL: none */
    int64_t version;
    int http;
    uint64_t bytes_in, bytes_out;
    uint64_t total_ns; /* from the first byte to the last */
    bool ran;          /* whether the phases are known */
    uint64_t phase_ns[SV_METRIC_PHASES];
    sv_string id;          /* the client's; empty: none */
    const sv_trace *trace; /* NULL: none */
    bool lost;             /* the peer went before the end */
} sv_access_entry;

/* A request's way, in monotonic nanoseconds. */
typedef struct sv_access_times {
    uint64_t number; /* of the record */
    const char *model;
    int64_t version;
    sv_string id;          /* the client's; empty: none */
    const sv_trace *trace; /* NULL: none */
    uint64_t start_ns, queue_ns, run_ns, ran_ns, end_ns;
} sv_access_times;

typedef struct sv_access_log sv_access_log;

#define SV_ACCESS_LOG_HELD ((size_t)256 << 10)

/* Appends to the file at `path`, "-" for standard output. Returns owned. */
SV_MUST_USE sv_status sv_access_log_create(const char *path, uint32_t shards, sv_access_log **out);
/* The same for a log of times; `what` a log is, static, is for messages ("access log"). */
SV_MUST_USE sv_status sv_access_log_create_as(const char *what, const char *path, uint32_t shards,
                                              sv_access_log **out);
const char *sv_access_log_path(const sv_access_log *log);
/* Writes what is left, for which a slow reader has a second; NULL is allowed. */
void sv_access_log_destroy(sv_access_log *log);

/* One thread a shard. True: the shard was empty before, so a flush should be planned. */
bool sv_access_log_add(sv_access_log *log, uint32_t shard, const sv_access_entry *entry);
/* The same for a record of the trace log, whose times have Triton's names. */
bool sv_access_log_add_times(sv_access_log *log, uint32_t shard, const sv_access_times *times);
void sv_access_log_flush(sv_access_log *log, uint32_t shard);
/* Any thread: lines are held, so that another flush should be planned. */
bool sv_access_log_stalled(const sv_access_log *log);
/* Any thread: lines that could not be written, ever; 0 for NULL. */
uint64_t sv_access_log_lost(const sv_access_log *log);

#endif
