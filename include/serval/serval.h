/* Serval's public API: load a model once, run it from as many threads as there are sessions.
 *
 *   sv_runtime  the process's engine: threads, CPU level, limits; thread-safe
 *   sv_model    a loaded model: graph, packed weights, plans; immutable, thread-safe, counted
 *   sv_session  one caller's running state: memory, bound tensors; used by one thread at a time,
 *               but for sv_session_interrupt
 *
 * A pointer is borrowed unless its comment says "takes" or "returns owned". Every error is an
 * sv_status (types.h). A run that repeats a known shape allocates nothing. */
#ifndef SERVAL_SERVAL_H
#define SERVAL_SERVAL_H

#include <serval/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SERVAL_VERSION_MAJOR 0
#define SERVAL_VERSION_MINOR 1
#define SERVAL_VERSION_PATCH 0

/* "0.1.0", of the library that is linked. */
SV_API const char *sv_version(void);

typedef struct sv_runtime sv_runtime;
typedef struct sv_model sv_model;
typedef struct sv_session sv_session;

/* ---- runtime ------------------------------------------------------------------------------ */

typedef struct sv_runtime_options {
    uint32_t struct_size; /* sizeof(sv_runtime_options): lets the structure grow */
    uint32_t threads;     /* threads a run may use, the caller's included; 0: the cores granted */
    const sv_allocator *allocator; /* outlives the runtime; NULL: malloc */
    bool keep_denormals;           /* false: denormals are flushed to zero during runs */
    bool no_optimize;              /* true: only required rewrites, for debugging */
    size_t plan_cache_bytes;       /* bound on cached plans a model; 0: 64 MiB */
    size_t memory_limit_bytes; /* bound on what one model file may make the reader allocate; 0: 16
                                  GiB */
    bool exact;                /* true: no algorithm that saves operations at the price of larger
                                  rounding errors (Winograd's convolution) */
    const char *plan_cache;    /* a folder in which packed weights are kept in files, which are
                                  mapped when the same model is loaded again; made when it is
                                  missing; FAILED_PRECONDITION when others may write to it. Copied;
                                  NULL: none */
    bool memory;               /* true: small packed weights rather than fast algorithms that need
                                  larger ones */
} sv_runtime_options;

#define SV_RUNTIME_OPTIONS_INIT                                                                    \
    {                                                                                              \
        (uint32_t)sizeof(sv_runtime_options), 0, 0, false, false, 0, 0, false, 0, false            \
    }

/* `options` may be NULL. Returns owned. */
SV_API SV_MUST_USE sv_status sv_runtime_create(const sv_runtime_options *options, sv_runtime **out);
/* Models and sessions keep their runtime alive. */
SV_API void sv_runtime_destroy(sv_runtime *runtime);
/* The number of threads that a run may use. */
SV_API uint32_t sv_runtime_threads(const sv_runtime *runtime);
/* What the machine can do at best with the runtime's threads, each a second. */
typedef struct sv_machine_speed {
    double flops;        /* multiply-adds of f32 in registers count as 2 */
    double cache_bytes;  /* read from second-level caches */
    double memory_bytes; /* read from memory */
} sv_machine_speed;
/* Measures for about half a second, all threads busy; other work makes it slower. */
SV_API SV_MUST_USE sv_status sv_runtime_measure(sv_runtime *runtime, sv_machine_speed *out);
/* The CPU level that kernels are chosen for: "baseline", "avx2", "avx512", "neon" ... (SERVAL_CPU
 * forces one). */
SV_API const char *sv_runtime_cpu_level(const sv_runtime *runtime);

/* ---- model -------------------------------------------------------------------------------- */

/* Reads, verifies, optimises and packs the model at `path` (a file; names inside it resolve beneath
 * its folder only). The file may change or go once this returns. Errors: NOT_FOUND,
 * INVALID_ARGUMENT (damaged or inconsistent, with the offset or node), UNIMPLEMENTED (operators by
 * name), RESOURCE_EXHAUSTED. Returns owned. */
SV_API SV_MUST_USE sv_status sv_model_load(sv_runtime *runtime, const char *path, sv_model **out);

/* The same from bytes, copied where they are needed later. `folder` is where side files resolve;
 * NULL refuses them. */
SV_API SV_MUST_USE sv_status sv_model_load_memory(sv_runtime *runtime, const void *data,
                                                  size_t size, const char *folder, sv_model **out);

SV_API sv_model *sv_model_ref(sv_model *model);
SV_API void sv_model_unref(sv_model *model);

/* One input or output of a model. */
typedef struct sv_port {
    const char *name;
    sv_kind kind;
    sv_dtype dtype;           /* of the tensor, or of the elements of a sequence or optional */
    int32_t rank;             /* -1: unknown */
    int64_t dim[SV_MAX_RANK]; /* -1: not fixed */
    const char *dim_name[SV_MAX_RANK]; /* "batch", or NULL */
    bool optional;                     /* an input with a default */
} sv_port;

SV_API size_t sv_model_input_count(const sv_model *model);
SV_API size_t sv_model_output_count(const sv_model *model);
/* Valid until the model goes. `index` below the count. */
SV_API const sv_port *sv_model_input(const sv_model *model, size_t index);
SV_API const sv_port *sv_model_output(const sv_model *model, size_t index);
/* -1 when there is none of that name. */
SV_API int64_t sv_model_find_input(const sv_model *model, const char *name);
SV_API int64_t sv_model_find_output(const sv_model *model, const char *name);

/* Metadata of the file as key and value; false past the last. */
SV_API bool sv_model_metadata(const sv_model *model, size_t index, const char **key,
                              const char **value);

typedef struct sv_model_stats {
    uint64_t parameters;   /* elements of constants */
    uint64_t weight_bytes; /* of the constants as the file holds them */
    uint64_t packed_bytes; /* of the packed copies that runs read */
    uint32_t nodes;        /* after optimisation */
    bool from_plan_cache;  /* the packed copies are a file's that was there before */
    bool open_ended;       /* a loop runs as often as the data says: no estimate holds for runs */
} sv_model_stats;
SV_API void sv_model_get_stats(const sv_model *model, sv_model_stats *out);

/* What went wrong with the plan cache when the model was loaded, which it did all the same; NULL:
 * nothing. Valid until the model goes. */
SV_API const char *sv_model_warning(const sv_model *model);

/* An estimate of one run's time on one thread for these input shapes, in nanoseconds: what decides
 * whether a server runs it on the thread that read the request. 0: unknown (no plan yet). */
SV_API uint64_t sv_model_cost_ns(const sv_model *model);

/* ---- session ------------------------------------------------------------------------------ */

/* A tensor in somebody's memory: dense, row-major, sub-byte types one element a byte. */
typedef struct sv_buffer {
    sv_dtype dtype;
    int32_t rank;
    int64_t dim[SV_MAX_RANK];
    void *data;
    size_t size; /* bytes at `data` */
} sv_buffer;

/* Keeps the model alive. `threads` 0: the runtime's. Returns owned. */
SV_API SV_MUST_USE sv_status sv_session_create(sv_model *model, uint32_t threads, sv_session **out);
SV_API void sv_session_destroy(sv_session *session);

/* Binds an input to the caller's memory, borrowed until rebound or the session goes; read at each
 * run. Any alignment is accepted; 64 bytes is fastest. Errors: dtype, rank or a fixed dimension
 * differs, `size` is too small. */
SV_API SV_MUST_USE sv_status sv_session_bind_input(sv_session *session, size_t index,
                                                   const sv_buffer *buffer);

/* Binds an output to the caller's memory, written by runs; its `dim` is ignored, `size` must hold
 * the result or the run fails. NULL unbinds: the session then keeps the memory itself. */
SV_API SV_MUST_USE sv_status sv_session_bind_output(sv_session *session, size_t index,
                                                    const sv_buffer *buffer);

/* Runs. Data errors (an index out of range) come back with the node's name; nothing is skipped.
 * The floating-point state of the calling thread is restored. */
SV_API SV_MUST_USE sv_status sv_session_run(sv_session *session);

/* The one call that another thread may make while the session runs: with `on`, the run that goes on
 * ends with CANCELLED before its next step or iteration, without results, and so does each that
 * begins later, until this is called without `on`. A step that has begun is not broken off. */
SV_API void sv_session_interrupt(sv_session *session, bool on);

/* The output of the last successful run; its data is valid until the next run or bind. */
SV_API SV_MUST_USE sv_status sv_session_output(const sv_session *session, size_t index,
                                               sv_buffer *out);

/* Inputs that are no tensors (sequences, optionals, maps), as trees. */
SV_API SV_MUST_USE sv_status sv_session_bind_datum(sv_session *session, size_t index,
                                                   const sv_datum *datum);
/* The value of an output of any kind; valid until the next run or bind. */
SV_API SV_MUST_USE sv_status sv_session_output_datum(const sv_session *session, size_t index,
                                                     const sv_datum **out);

/* Time of each step of the last run, for profiles. */
typedef struct sv_step_time {
    const char *node;   /* the node's name, "" if it has none */
    const char *op;     /* "Conv+Relu" */
    const char *kernel; /* "conv_direct_avx512" */
    uint64_t ns;
    double flops;   /* 0: not counted; of its definition, whatever the algorithm saves */
    double bytes;   /* of all operands, each once; of packed weights, those of the model */
    sv_dtype dtype; /* of its result */
    int32_t rank;
    int64_t dim[SV_MAX_RANK];
} sv_step_time;
SV_API void sv_session_profile(sv_session *session, bool on);
/* false past the last. Valid until the next run. */
SV_API bool sv_session_step_time(const sv_session *session, size_t index, sv_step_time *out);

#ifdef __cplusplus
}
#endif

#endif
