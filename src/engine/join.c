/* Join: steps that one kernel does together, so that what lies between them is never stored as a
 * whole. Where that costs less, by the kernels' own account. */
#include "engine/build.h"

#include "base/status.h"
#include "kernels/conv_pool.h"

#include <string.h>

enum { X = 0, Y = 2 };

static bool reads_elsewhere(const sv_build *build, const sv_build_step *step, uint32_t base,
                            uint32_t but)
{
    for (uint32_t i = 0; i < step->problem.n_operand; i++) {
        if (i == but || step->operand[i].base == SV_NO_INDEX) continue;
        if (sv_build_root(build, step->operand[i].base) == base) return true;
    }
    return false;
}

bool sv_build_passes(const sv_build *build, uint32_t from, uint32_t written, uint32_t to,
                     uint32_t read)
{
    const sv_build_step *writer = &build->step[from], *reader = &build->step[to];
    if (writer->kind != SV_BUILD_ITEM || reader->kind != SV_BUILD_ITEM || writer->window ||
        writer->problem.n_operand <= written || reader->problem.n_operand <= read ||
        writer->operand[written].base == SV_NO_INDEX ||
        writer->value[written] != reader->value[read])
        return false;
    const uint32_t root = sv_build_root(build, writer->operand[written].base);
    const sv_base *base = &build->base[root];
    return base->space == SV_SPACE_SLAB && base->index == build->plan->segment &&
           base->first == from && base->last == to && !base->live_out &&
           !reads_elsewhere(build, writer, root, written) &&
           !reads_elsewhere(build, reader, root, read);
}

/* Whether step s + 1 reads what step s writes, as it is, and nobody else does. */
static bool feeds(const sv_build *build, uint32_t s)
{
    return build->step[s].problem.family == SV_FAMILY_conv &&
           build->step[s + 1].problem.family == SV_FAMILY_conv &&
           sv_build_passes(build, s, Y, s + 1, X);
}

double sv_build_cost(const sv_build_step *step)
{
    return sv_kernel_cost(step->kernel, &step->problem);
}

/* A step in place of those from s on, at node `node`: `problem` says all but its operands, which
 * come from theirs. Its kernel is NULL when there is none. */
static sv_status joined_step(sv_build *build, uint32_t s, uint32_t node,
                             const sv_joined_operands *operands, const sv_problem *problem,
                             sv_build_step *out)
{
    const sv_build_step *part = &build->step[s];
    const uint32_t n = operands->n;
    *out = (sv_build_step){.node = node, .problem = *problem};
    sv_desc *desc = sv_arena_array(&build->plan->arena, n, sizeof(*desc));
    void *param = sv_arena_alloc(build->arena, problem->param_size);
    out->operand = sv_arena_array(build->arena, n, sizeof(*out->operand));
    out->value = sv_arena_array(build->arena, n, sizeof(*out->value));
    if (!desc || !param || !out->operand || !out->value)
        return sv_error_memory("plan", n * sizeof(*desc));
    memcpy(param, problem->param, problem->param_size);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t from = operands->from[i].problem, operand = operands->from[i].operand;
        desc[i] = (sv_desc){.dtype = SV_DTYPE_NONE};
        out->operand[i] = (sv_storage){.base = SV_NO_INDEX};
        out->value[i] = SV_NO_INDEX;
        if (from == SV_JOINED_NONE) continue;
        out->window |= part[from].window && part[from].problem.write_mask >> operand & 1;
        out->operand[i] = part[from].operand[operand];
        out->value[i] = part[from].value[operand];
        desc[i] = part[from].problem.desc[operand];
    }
    out->problem.n_operand = (uint8_t)n;
    out->problem.param = param;
    out->problem.desc = desc;
    out->problem.exact = part->problem.exact;
    out->problem.prices = part->problem.prices;
    out->kernel = sv_kernel_choose(&out->problem, build->compiled->options.level);
    if (out->kernel) out->units = out->kernel->units(&out->problem, 0);
    return SV_OK;
}

/* ---- convolutions in a chain ------------------------------------------------------------- */

/* Tries `n` steps from s on; `out` has no kernel where they stay separate. */
static sv_status try_chain(sv_build *build, uint32_t s, uint32_t n, sv_build_step *out)
{
    const sv_problem *problem[SV_CONV_STAGES];
    sv_conv_chain chain;
    double separate = 0;
    *out = (sv_build_step){0};
    if (n > build->n_step - s) return SV_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 < n && !feeds(build, s + i)) return SV_OK;
        problem[i] = &build->step[s + i].problem;
    }
    if (!sv_conv_chain_make(problem, n, &chain)) return SV_OK;
    const sv_problem all = {.family = SV_FAMILY_conv_chain,
                            .write_mask = 2,
                            .b_dtype = problem[0]->b_dtype,
                            .b_format = SV_FORMAT_conv_panels,
                            .param_size = sizeof chain.param,
                            .param = &chain.param};
    SV_TRY(joined_step(build, s, build->step[s + n - 1].node, &chain.operands, &all, out));
    /* Weights are packed for the level of the separate kernels. */
    for (uint32_t i = 0; i < n && out->kernel; i++) {
        separate += sv_build_cost(&build->step[s + i]);
        if (out->kernel->level != build->step[s + i].kernel->level) out->kernel = NULL;
    }
    if (out->kernel && sv_build_cost(out) >= separate) out->kernel = NULL;
    return SV_OK;
}

/* ---- a convolution and the pool behind it ------------------------------------------------ */

/* Whether step s + 1 pools what step s, a convolution, writes; `keeps`: others read it too. */
static bool is_pooled(const sv_build *build, uint32_t s, bool *keeps)
{
    const sv_build_step *conv = &build->step[s], *pool = &build->step[s + 1];
    if (conv->kind != SV_BUILD_ITEM || pool->kind != SV_BUILD_ITEM ||
        conv->problem.family != SV_FAMILY_conv || pool->problem.family != SV_FAMILY_pool ||
        conv->value[Y] != pool->value[X] || conv->operand[Y].base != pool->operand[X].base ||
        !sv_build_same_elements(&conv->operand[Y], &conv->problem.desc[Y], &pool->operand[X],
                                &pool->problem.desc[X]))
        return false;
    *keeps = !sv_build_passes(build, s, Y, s + 1, X);
    return true;
}

/* Tries steps s and s + 1; `out` has no kernel where they stay separate. */
static sv_status try_pool(sv_build *build, uint32_t s, sv_build_step *out)
{
    const sv_build_step *conv = &build->step[s], *pool = &build->step[s + 1];
    const sv_conv_pool_part maker = {&conv->problem, conv->kernel};
    const sv_conv_pool_part taker = {&pool->problem, pool->kernel};
    sv_conv_pool bands;
    bool keeps;
    *out = (sv_build_step){0};
    if (build->n_step - s < 2 || !is_pooled(build, s, &keeps) ||
        !sv_conv_pool_make(&maker, &taker, keeps, &bands))
        return SV_OK;
    const sv_problem all = {
        .family = SV_FAMILY_conv_pool,
        .write_mask = (uint16_t)(1u << SV_CONV_POOL_Y | (keeps ? 1u << SV_CONV_POOL_MAP : 0)),
        .param_size = sizeof bands.param,
        .param = &bands.param};
    SV_TRY(joined_step(build, s, conv->node, &bands.operands, &all, out));
    if (out->kernel && sv_build_cost(out) >= sv_build_cost(conv) + sv_build_cost(pool))
        out->kernel = NULL;
    return SV_OK;
}

sv_status sv_build_join(sv_build *build)
{
    sv_build_liveness(build);
    uint32_t kept = 0;
    for (uint32_t s = 0; s < build->n_step;) {
        sv_build_step joined = {0};
        uint32_t n = SV_CONV_STAGES;
        for (; n > 1; n--) {
            SV_TRY(try_chain(build, s, n, &joined));
            if (joined.kernel) break;
        }
        if (n == 1) {
            SV_TRY(try_pool(build, s, &joined));
            if (joined.kernel) n = 2;
        }
        build->step[kept++] = n > 1 ? joined : build->step[s];
        s += n;
    }
    build->n_step = kept;
    return sv_build_join_excite(build);
}
