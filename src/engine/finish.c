/* The finished plan: barriers, addresses, and where values are for later segments and the session.
 */
#include "engine/build.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

enum { ALIGNMENT = 64 };

static sv_status no_memory(size_t size)
{
    return sv_error_memory("plan", size);
}

/* ---- barriers ---------------------------------------------------------------------------- */

/* Every access is compared with those since the last barrier: there are never more than this. */
enum { OPEN_MAX = 1024 };

/* One access to memory by a step since the last barrier. */
typedef struct sv_access {
    uint32_t space, index;
    uint64_t begin, end; /* bytes; SLAB, others as a whole */
    uint32_t root, value;
    bool write, window, single;
} sv_access;

/* A step that costs less is not divided: the barriers that one thread's steps need not have among
 * each other take as long. */
static const double single_ns = 500;

/* Whether one thread does all of the step, in every phase. */
static bool is_single(const sv_build_step *step)
{
    if (step->kind != SV_BUILD_ITEM) return false;
    const bool told = step->problem.family != SV_FAMILY_custom; /* those count bytes alone */
    if (told && sv_build_cost(step) < single_ns) return true;
    if (step->units > 1) return false;
    for (uint32_t phase = 1; phase < step->kernel->phases; phase++) {
        if (step->kernel->units(&step->problem, phase) > 1) return false;
    }
    return true;
}

static sv_access access_of(const sv_build *build, const sv_build_step *step, uint32_t i)
{
    uint32_t root = sv_build_root(build, step->operand[i].base);
    const sv_base *base = &build->base[root];
    bool slab = base->space == SV_SPACE_SLAB;
    return (sv_access){.space = base->space,
                       .index = base->index,
                       .root = root,
                       .begin = slab ? base->offset : 0,
                       .value = step->value[i],
                       .end = slab ? base->offset + base->bytes : UINT64_MAX,
                       .write = step->problem.write_mask >> i & 1,
                       .window = step->window,
                       .single = is_single(step)};
}

/* Constants and inputs are never written. What one thread does runs on the same thread as another
 * such step, in order. Two that fill different windows of one destination do not meet. */
static bool conflict(const sv_access *a, const sv_access *b)
{
    if (a->space != b->space || a->index != b->index) return false;
    if (!a->write && !b->write) return false;
    if (a->begin >= b->end || b->begin >= a->end) return false;
    if (a->single && b->single) return false;
    bool windows = a->root == b->root && a->window && b->window && a->write && b->write;
    return !(windows && a->value != b->value);
}

static bool shares_memory(const sv_build_step *step)
{
    return step->kernel && step->kernel->shared && step->kernel->shared(&step->problem) > 0;
}

static sv_status set_barriers(sv_build *build)
{
    sv_access *open =
        sv_arena_array(build->arena, (size_t)build->n_step * SV_OPERAND_MAX + 1, sizeof(*open));
    if (!open) return no_memory(build->n_step * sizeof(*open));
    uint32_t n = 0;
    bool shared = false;
    for (uint32_t s = 0; s < build->n_step; s++) {
        sv_build_step *step = &build->step[s];
        uint32_t kept = n;
        /* All threads read a condition, and meet again wherever paths begin or join. */
        step->barrier = (shared && shares_memory(step)) || step->kind == SV_BUILD_BRANCH ||
                        n > OPEN_MAX || (s > 0 && build->step[s - 1].kind == SV_BUILD_TARGET);
        for (uint32_t i = 0; i < step->problem.n_operand; i++) {
            if (step->operand[i].base == SV_NO_INDEX) continue;
            sv_access access = access_of(build, step, i);
            for (uint32_t j = 0; j < kept && !step->barrier; j++)
                step->barrier = conflict(&open[j], &access);
            open[n++] = access;
        }
        if (step->barrier) {
            memmove(open, open + kept, (n - kept) * sizeof(*open));
            n -= kept;
            shared = false;
        }
        shared |= shares_memory(step);
    }
    return SV_OK;
}

/* ---- constants of the plan --------------------------------------------------------------- */

static sv_status place_constants(sv_build *build)
{
    sv_plan *plan = build->plan;
    uint64_t bytes = 0;
    for (uint32_t b = 0; b < build->n_base; b++) {
        sv_base *base = &build->base[b];
        if (base->constant == SV_NO_INDEX) continue;
        base->offset = bytes;
        bytes = sv_size_align(bytes + base->bytes, ALIGNMENT);
    }
    char *memory = sv_arena_alloc(&plan->arena, bytes + ALIGNMENT);
    if (!memory) return no_memory(bytes);
    plan->constants = (uint8_t *)sv_size_align((size_t)memory, ALIGNMENT);
    for (uint32_t b = 0; b < build->n_base; b++) {
        const sv_base *base = &build->base[b];
        if (base->constant == SV_NO_INDEX || base->bytes == 0) continue;
        sv_tensor value = *build->value[base->constant].known;
        /* The texts of strings lie elsewhere, and must stay as long as the plan. */
        if (value.dtype == SV_STRING) SV_TRY(sv_tensor_copy(&plan->arena, &value, &value));
        memcpy(plan->constants + base->offset, value.data, base->bytes);
    }
    return SV_OK;
}

/* ---- steps ------------------------------------------------------------------------------- */

static sv_operand address(const sv_build *build, const sv_storage *storage)
{
    if (storage->base == SV_NO_INDEX) return (sv_operand){.space = SV_SPACE_NONE};
    const sv_base *base = &build->base[sv_build_root(build, storage->base)];
    uint64_t size = sv_dtype_get(storage->desc.dtype)->size;
    return (sv_operand){base->space, base->index, base->offset + (uint64_t)storage->offset * size};
}

static sv_status kernel_index(sv_plan *plan, const sv_kernel *kernel, uint16_t *out)
{
    for (uint32_t i = 0; i < plan->n_kernel; i++) {
        if (plan->kernel[i] == kernel) {
            *out = (uint16_t)i;
            return SV_OK;
        }
    }
    if (plan->n_kernel == UINT16_MAX) return sv_error_internal("more kernels than a step can name");
    plan->kernel[plan->n_kernel] = kernel;
    *out = (uint16_t)plan->n_kernel++;
    return SV_OK;
}

static void finish_operands(sv_build *build, const sv_build_step *from)
{
    sv_plan *plan = build->plan;
    for (uint32_t i = 0; i < from->problem.n_operand; i++) {
        plan->desc[plan->n_operand] = from->problem.desc[i];
        plan->operand[plan->n_operand++] = address(build, &from->operand[i]);
    }
}

/* The label of a branch or jump until all steps have their places. */
static void finish_control(sv_build *build, const sv_build_step *from)
{
    sv_plan *plan = build->plan;
    bool branch = from->kind == SV_BUILD_BRANCH;
    plan->step[plan->n_step++] =
        (sv_step){.flags = (uint8_t)((branch ? SV_STEP_BRANCH : SV_STEP_JUMP) |
                                     (from->barrier ? SV_STEP_BARRIER : 0)),
                  .n_operand = from->problem.n_operand,
                  .operand = plan->n_operand,
                  .target = from->label,
                  .node = from->node};
    finish_operands(build, from);
}

static sv_status finish_step(sv_build *build, const sv_build_step *from, uint32_t *param)
{
    sv_plan *plan = build->plan;
    const sv_problem *problem = &from->problem;
    sv_step *step = &plan->step[plan->n_step];
    sv_step_detail *detail = &plan->detail[plan->n_step++];
    *step = (sv_step){.flags = (uint8_t)((from->barrier ? SV_STEP_BARRIER : 0) |
                                         (is_single(from) ? SV_STEP_SINGLE : 0)),
                      .n_operand = problem->n_operand,
                      .units = from->units,
                      .operand = plan->n_operand,
                      .param = *param,
                      .node = from->node};
    SV_TRY(kernel_index(plan, from->kernel, &step->run));
    if (problem->param_size) memcpy(plan->param + *param, problem->param, problem->param_size);
    *param += (uint32_t)sv_size_align(problem->param_size, 16);
    finish_operands(build, from);
    detail->epilogue = problem->epilogue;
    detail->flops = sv_problem_flops(problem);
    detail->bytes = sv_problem_bytes(problem);
    if (problem->write_mask) detail->result = (uint32_t)__builtin_ctz(problem->write_mask);
    const uint32_t phases = sv_kernel_phases(from->kernel);
    for (uint32_t p = 1; p < phases && p <= 3; p++)
        detail->phase_units[p - 1] = from->kernel->units(problem, p);
    detail->rounds = sv_kernel_rounds(from->kernel, problem, phases - 1);
    size_t scratch = from->kernel->scratch ? from->kernel->scratch(problem) : 0;
    size_t shared = from->kernel->shared ? from->kernel->shared(problem) : 0;
    if (scratch > plan->scratch) plan->scratch = scratch;
    if (shared > plan->shared) plan->shared = shared;
    plan->cost_ns += sv_build_cost(from);
    return SV_OK;
}

static sv_status finish_steps(sv_build *build)
{
    sv_plan *plan = build->plan;
    size_t operands = 0, params = 0;
    for (uint32_t s = 0; s < build->n_step; s++) {
        operands += build->step[s].problem.n_operand;
        params += sv_size_align(build->step[s].problem.param_size, 16);
    }
    if (params > UINT32_MAX) return no_memory(params);
    plan->step = sv_arena_array(&plan->arena, build->n_step, sizeof(*plan->step));
    plan->detail = sv_arena_array(&plan->arena, build->n_step, sizeof(*plan->detail));
    plan->operand = sv_arena_array(&plan->arena, operands, sizeof(*plan->operand));
    plan->desc = sv_arena_array(&plan->arena, operands, sizeof(*plan->desc));
    plan->param = sv_arena_array(&plan->arena, params, 1);
    plan->kernel = sv_arena_array(&plan->arena, build->n_step, sizeof(*plan->kernel));
    if (!plan->step || !plan->detail || !plan->operand || !plan->desc || !plan->param ||
        !plan->kernel)
        return no_memory(operands * sizeof(*plan->desc));
    uint32_t param = 0;
    uint32_t *label = sv_arena_array(build->arena, build->n_label, sizeof(*label));
    if (!label) return no_memory(build->n_label * sizeof(*label));
    for (uint32_t s = 0; s < build->n_step; s++) {
        const sv_build_step *step = &build->step[s];
        if (step->kind == SV_BUILD_TARGET) {
            label[step->label] = plan->n_step;
        } else if (step->kind == SV_BUILD_ITEM) {
            SV_TRY(finish_step(build, step, &param));
        } else {
            finish_control(build, step);
        }
    }
    for (uint32_t s = 0; s < plan->n_step; s++) {
        if (plan->step[s].flags & (SV_STEP_BRANCH | SV_STEP_JUMP))
            plan->step[s].target = label[plan->step[s].target];
    }
    return SV_OK;
}

/* ---- what others read -------------------------------------------------------------------- */

static sv_status finish_places(sv_build *build)
{
    const sv_program *program = build->compiled->program;
    sv_plan *plan = build->plan;
    plan->output = sv_arena_array(&plan->arena, program->n_out, sizeof(*plan->output));
    if (!plan->output) return no_memory(program->n_out * sizeof(*plan->output));
    for (uint32_t i = 0; i < program->n_out; i++) {
        uint32_t v = build->program_value[program->out[i]];
        if (v == SV_NO_INDEX) continue;
        bool here = plan->break_kind == SV_BREAK_END;
        if (!here && build->value[v].stored)
            here = build->base[build->value[v].storage.base].space == SV_SPACE_OUTPUT &&
                   build->value[v].output == i;
        if (here) plan->output[i] = build->value[v].type;
    }
    if (plan->break_kind == SV_BREAK_END) return SV_OK;
    plan->place = sv_arena_array(&plan->arena, program->n_value, sizeof(*plan->place));
    if (!plan->place) return no_memory(program->n_value * sizeof(*plan->place));
    if (plan->parent)
        memcpy(plan->place, plan->parent->place, program->n_value * sizeof(*plan->place));
    for (uint32_t p = 0; p < program->n_value; p++) {
        uint32_t v = build->program_value[p];
        if (v == SV_NO_INDEX || !build->value[v].live_out) continue;
        const sv_build_value *value = &build->value[v];
        sv_place place = {.type = value->type, .known = value->known};
        if (value->stored) {
            place.at = address(build, &value->storage);
            place.desc = value->storage.desc;
        } else if (program->value[p].held != SV_NO_INDEX) {
            place.at = (sv_operand){.space = SV_SPACE_HELD, .index = program->value[p].held};
            place.desc = sv_layout_dense(&value->type);
        } else if (!value->known) {
            continue; /* an input or constant, or handed on from before: found again there */
        }
        plan->place[p] = place;
    }
    return SV_OK;
}

static void finish_sizes(sv_build *build)
{
    sv_plan *plan = build->plan;
    for (uint32_t i = 0; i < plan->n_size; i++) {
        uint32_t v = build->size_value[i];
        plan->size_at[i] = v == SV_NO_INDEX ? (sv_operand){.space = SV_SPACE_NONE}
                                            : address(build, &build->value[v].storage);
    }
}

static void finish_arguments(sv_build *build)
{
    for (uint32_t i = 0; i < build->plan->n_argument; i++) {
        uint32_t v = build->argument[i];
        if (v != SV_NO_INDEX)
            build->plan->argument[i].at = address(build, &build->value[v].storage);
    }
}

sv_status sv_build_finish(sv_build *build)
{
    SV_TRY(place_constants(build));
    SV_TRY(set_barriers(build));
    SV_TRY(finish_steps(build));
    finish_sizes(build);
    finish_arguments(build);
    return finish_places(build);
}
