/* Runs of kernels, timed one by one; see the header. */
#include "tune/timing.h"

#include "base/clock.h"
#include "base/status.h"

#define LEAST_ROUNDS 3
#define MOST_ROUNDS 500
#define PHASES 4

/* A run with everything found out before it is timed. */
typedef struct prepared {
    sv_call call;
    const sv_kernel *kernel;
    uint32_t phases, units[PHASES];
} prepared;

typedef struct prepared_way {
    uint32_t n;
    prepared run[SV_TUNE_STAGES];
} prepared_way;

static sv_status memory_for(sv_tune_memory *memory, size_t bytes, void **out)
{
    *out = sv_tune_memory_get(memory, bytes);
    return *out ? SV_OK : sv_error_memory("scratch of a kernel", bytes);
}

static sv_status prepare(const sv_tune_run *run, sv_tune_memory *memory, sv_fault *fault,
                         prepared *out)
{
    const sv_kernel *kernel = run->kernel;
    const sv_problem *problem = &run->problem;
    *out = (prepared){.kernel = kernel, .phases = sv_kernel_phases(kernel)};
    out->call = (sv_call){.param = problem->param,
                          .desc = problem->desc,
                          .ptr = run->ptr,
                          .epilogue = &problem->epilogue,
                          .fault = fault};
    SV_TRY(memory_for(memory, kernel->scratch ? kernel->scratch(problem) : 0, &out->call.scratch));
    SV_TRY(memory_for(memory, kernel->shared ? kernel->shared(problem) : 0, &out->call.shared));
    if (out->phases > PHASES || kernel->rounds)
        return sv_error_internal("%s: phases or rounds that are not timed", kernel->name);
    for (uint32_t i = 0; i < out->phases; i++)
        out->units[i] = kernel->units ? kernel->units(problem, i) : 1;
    return SV_OK;
}

static void run_way(prepared_way *way)
{
    for (uint32_t i = 0; i < way->n; i++) {
        prepared *run = &way->run[i];
        for (uint32_t phase = 0; phase < run->phases; phase++) {
            run->call.phase = phase;
            run->kernel->run(&run->call, 0, run->units[phase]);
        }
    }
}

/* Reads a float of each cache line. */
static void touch(const void *memory, size_t bytes)
{
    const volatile float *at = memory;
    for (size_t i = 0; i < bytes / sizeof *at; i += 16)
        (void)at[i];
}

sv_status sv_tune_time(const sv_tune_problem *problem, double seconds, const void *sweep,
                       size_t sweep_bytes, double *least)
{
    prepared_way way[SV_TUNE_WAYS];
    sv_fault fault = {.step = UINT32_MAX};
    for (uint32_t w = 0; w < problem->n; w++) {
        way[w].n = problem->way[w].n;
        for (uint32_t i = 0; i < way[w].n; i++)
            SV_TRY(prepare(&problem->way[w].run[i], problem->memory, &fault, &way[w].run[i]));
    }
    const uint64_t end = sv_clock_ns() + (uint64_t)(seconds * 1e9);
    for (int r = 0; r < MOST_ROUNDS && (r < LEAST_ROUNDS || sv_clock_ns() < end); r++) {
        for (uint32_t w = 0; w < problem->n; w++) {
            const sv_tune_run *first = &problem->way[w].run[0];
            const sv_desc *x = &first->problem.desc[0];
            touch(sweep, sweep_bytes);
            touch(first->ptr[0], (size_t)(x->dim[0] * x->stride[0]) * sizeof(float));
            const uint64_t start = sv_clock_ns();
            run_way(&way[w]);
            const double ns = (double)(sv_clock_ns() - start);
            if (least[w] == 0 || ns < least[w]) least[w] = ns;
        }
    }
    return SV_OK;
}
