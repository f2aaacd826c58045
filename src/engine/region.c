/* The parallel region of a run: all threads walk the steps, each does its share of every step's
 * units, and they meet at barriers. */
#include "engine/exec_state.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "ops/emit.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* A plan that costs less runs on one thread: waking others would cost more. */
static const double parallel_ns = 20e3;

/* Flush-to-zero and denormals-are-zero on this thread; returns the state to restore. */
static uint64_t float_state_enter(bool keep_denormals)
{
#if defined(__x86_64__)
    uint32_t state = _mm_getcsr();
    if (!keep_denormals) _mm_setcsr(state | 0x8040);
    return state;
#elif defined(__aarch64__)
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    if (!keep_denormals) __asm__ volatile("msr fpcr, %0" : : "r"(state | (1ull << 24)));
    return state;
#else
    (void)keep_denormals;
    return 0;
#endif
}

static void float_state_leave(uint64_t state)
{
#if defined(__x86_64__)
    _mm_setcsr((uint32_t)state);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
#else
    (void)state;
#endif
}

/* Where operands without elements lie when their memory was never needed: NULL means an absent one.
 */
static _Alignas(64) char nothing[64];

void *sv_exec_address(const sv_exec *exec, const sv_operand *operand)
{
    const sv_compiled *compiled = exec->compiled;
    char *base = NULL;
    switch (operand->space) {
    case SV_SPACE_SLAB:
        base = exec->slab[operand->index].data;
        break;
    case SV_SPACE_WEIGHT:
        base = compiled->store->entry[operand->index].data;
        break;
    case SV_SPACE_CONSTANT:
        base = compiled->module->constant[operand->index].source.data;
        break;
    case SV_SPACE_INPUT:
        base = exec->input[operand->index].data;
        break;
    case SV_SPACE_OUTPUT:
        base = sv_exec_port_data(&exec->output[operand->index]);
        break;
    case SV_SPACE_PLAN:
        base = (char *)exec->plan[operand->index]->constants;
        break;
    case SV_SPACE_HELD:
        base = exec->held[operand->index].tensor.data;
        break;
    default:
        return NULL;
    }
    return base ? base + operand->offset : nothing;
}

typedef struct sv_region {
    sv_exec *exec;
    const sv_plan *plan;
    _Atomic uint32_t end; /* the step at which an interrupted run ends: a barrier's */
} sv_region;

/* This thread's share of `units`: nearly equal, in order, the same for the same numbers. */
static uint32_t share(uint32_t units, uint32_t thread, uint32_t threads)
{
    return (uint32_t)(((uint64_t)units * thread + threads - 1) / threads);
}

static void run_units(const sv_kernel *kernel, const sv_call *call, uint32_t units, uint32_t thread,
                      uint32_t threads)
{
    uint32_t begin = share(units, thread, threads), end = share(units, thread + 1, threads);
    if (begin < end) kernel->run(call, begin, end);
}

static void run_step(const sv_region *region, uint32_t s, sv_call *call, uint32_t thread,
                     uint32_t threads)
{
    const sv_plan *plan = region->plan;
    const sv_step *step = &plan->step[s];
    if (step->flags & SV_STEP_SINGLE) {
        if (thread > 0) return;
        threads = 1;
    }
    const sv_kernel *kernel = plan->kernel[step->run];
    void *ptr[SV_OPERAND_MAX];
    for (uint32_t i = 0; i < step->n_operand; i++)
        ptr[i] = sv_exec_address(region->exec, &plan->operand[step->operand + i]);
    call->param = plan->param + step->param;
    call->desc = plan->desc + step->operand;
    call->ptr = ptr;
    call->epilogue = &plan->detail[s].epilogue;
    call->step = s;
    call->phase = call->round = 0;
    run_units(kernel, call, step->units, thread, threads);
    for (uint32_t phase = 1; phase < kernel->phases; phase++) {
        const uint32_t rounds = phase + 1 == kernel->phases ? plan->detail[s].rounds : 1;
        call->phase = phase;
        for (call->round = 0; call->round < rounds; call->round++) {
            sv_team_barrier(region->exec->team, thread, threads);
            run_units(kernel, call, plan->detail[s].phase_units[phase - 1], thread, threads);
        }
    }
}

/* Where this thread goes on; all threads read the same condition. */
static uint32_t next_step(const sv_exec *exec, const sv_plan *plan, uint32_t s)
{
    const sv_step *step = &plan->step[s];
    if (step->flags & SV_STEP_JUMP) return step->target;
    if (!(step->flags & SV_STEP_BRANCH)) return s + 1;
    const uint8_t *condition = sv_exec_address(exec, &plan->operand[step->operand]);
    return *condition ? s + 1 : step->target;
}

/* The first thread looks whether the run has been interrupted, and then ends it here. */
static void look(sv_region *region, uint32_t s)
{
    if (atomic_load_explicit(region->exec->interrupted, memory_order_relaxed))
        atomic_store_explicit(&region->end, s, memory_order_relaxed);
}

/* Whether step `s` begins: not where the run ends. Several threads end at a barrier: what the first
 * says before it is what all find behind it, and who is still behind an earlier one finds a later
 * step, and goes on to that. */
static bool may_begin(sv_region *region, uint32_t s, uint32_t thread, uint32_t threads)
{
    bool together = region->plan->step[s].flags & SV_STEP_BARRIER;
    if (threads > 1 && !together) return true;
    if (thread == 0) look(region, s);
    if (together) sv_team_barrier(region->exec->team, thread, threads);
    return atomic_load_explicit(&region->end, memory_order_relaxed) > s;
}

static void run_thread(void *argument, uint32_t thread, uint32_t threads)
{
    sv_region *region = argument;
    sv_exec *exec = region->exec;
    const sv_plan *plan = region->plan;
    uint64_t state = float_state_enter(exec->compiled->options.keep_denormals);
    exec->fault[thread].step = UINT32_MAX;
    char *scratch = exec->scratch.data;
    if (scratch) scratch += thread * sv_size_align(plan->scratch, 64);
    sv_call call = {.scratch = scratch,
                    .shared = exec->shared.data,
                    .arena = exec->arena,
                    .fault = &exec->fault[thread]};
    bool stamps = exec->profile && thread == 0;
    sv_exec_time *time = stamps ? (sv_exec_time *)exec->times.data + exec->n_time : NULL;
    for (uint32_t s = 0; s < plan->n_step; s = next_step(exec, plan, s)) {
        if (!may_begin(region, s, thread, threads)) break;
        if (plan->step[s].flags & (SV_STEP_BRANCH | SV_STEP_JUMP)) continue;
        uint64_t start = stamps ? sv_clock_ns() : 0;
        run_step(region, s, &call, thread, threads);
        if (stamps) *time++ = (sv_exec_time){sv_clock_ns() - start, plan->segment, s};
    }
    if (stamps) exec->n_time = (uint32_t)(time - (sv_exec_time *)exec->times.data);
    float_state_leave(state);
}

static sv_status first_fault(const sv_exec *exec, const sv_plan *plan, uint32_t threads)
{
    const sv_fault *first = &exec->fault[0];
    for (uint32_t t = 1; t < threads; t++) {
        const sv_fault *fault = &exec->fault[t];
        if (fault->step < first->step || (fault->step == first->step && fault->unit < first->unit))
            first = fault;
    }
    if (first->step == UINT32_MAX) return SV_OK;
    const sv_program_node *node = &exec->compiled->program->node[plan->step[first->step].node];
    return sv_fault_status(first, node->node->name, node->title);
}

sv_status sv_exec_region(sv_exec *exec, const sv_plan *plan)
{
    sv_region region = {exec, plan, UINT32_MAX};
    uint32_t threads = plan->cost_ns < parallel_ns ? 1 : exec->threads;
    size_t scratch = sv_size_align(plan->scratch, 64) * exec->threads;
    SV_TRY(sv_exec_reserve(exec, &exec->scratch, scratch, "scratch"));
    SV_TRY(sv_exec_reserve(exec, &exec->shared, plan->shared, "shared scratch"));
    for (uint32_t t = 0; t < exec->threads; t++)
        exec->fault[t].step = UINT32_MAX;
    if (threads > 1) {
        sv_team_region(exec->team, threads, run_thread, &region);
    } else {
        run_thread(&region, 0, 1);
    }
    if (region.end != UINT32_MAX) return sv_exec_interrupted_error();
    return first_fault(exec, plan, exec->threads);
}
