/* A graph compiled and run on two threads, with all its memory counted. */
#ifndef SV_TESTS_ENGINE_FIXTURE_H
#define SV_TESTS_ENGINE_FIXTURE_H

#include "graphs.h"

#include "base/alloc.h"
#include "engine/exec.h"
#include "kernels/prices.h"
#include "ops/op.h"

typedef struct fixture {
    sv_counting_allocator memory;
    sv_module *module;
    sv_graph *graph;
    sv_compiled *compiled;
    sv_team *team;
    sv_exec *exec;
    const sv_prices *prices; /* likewise: what kernels are chosen by; NULL: any CPU's */
    bool join;               /* set before fixture_finish: kernels may do several steps together */
} fixture;

/* An empty graph. */
void fixture_start(fixture *x);
/* The graph has this output and is complete: checks, infers, compiles. */
void fixture_finish(fixture *x, sv_value_id output);
/* Gives everything back, and nothing may be left. */
void fixture_stop(fixture *x);

/* A dense tensor over `data`. */
sv_tensor tensor_of(sv_dtype dtype, int32_t rank, const int64_t *dim, void *data);
/* Binds input `index` to the tensor's data. */
void fixture_bind_tensor(fixture *x, uint32_t index, const sv_tensor *tensor);
/* Binds input `index` to `data`. */
void fixture_bind(fixture *x, uint32_t index, sv_dtype dtype, int32_t rank, const int64_t *dim,
                  void *data);
/* Runs; output 0. */
sv_tensor fixture_run(fixture *x);
/* Runs, and stops: output 0 copied into memory from malloc; returns the steps of the plan that ran,
 * the only one. */
uint32_t fixture_answer(fixture *x, void **bytes, size_t *size);
/* This machine's prices, but for what comes back from far off, ns for 1,000 bytes. */
sv_prices fixture_prices(double far);

#endif
