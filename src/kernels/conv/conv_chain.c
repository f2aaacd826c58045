/* Which convolutions can be one step with others, above all as a chain. How that is computed is in
 * conv_chain_tmpl.h. */
#include "kernels/conv.h"

bool sv_conv_is_1x1(const sv_problem *problem)
{
    const sv_conv_param *param = problem->param;
    return problem->family == SV_FAMILY_conv && problem->b_format == SV_FORMAT_conv_panels &&
           param->spatial == 2 && param->groups == 1 && param->kernel[0] == 1 &&
           param->kernel[1] == 1 && param->pad[0] == 0 && param->pad[1] == 0;
}

static bool is_pointwise(const sv_problem *problem)
{
    const sv_conv_param *param = problem->param;
    if (!sv_conv_is_1x1(problem)) return false;
    for (int32_t i = 0; i < 2; i++) {
        if (param->stride[i] != 1 || problem->desc[0].dim[2 + i] != problem->desc[2].dim[2 + i])
            return false;
    }
    return true;
}

static bool is_depthwise(const sv_problem *problem)
{
    return problem->family == SV_FAMILY_conv && problem->b_format == SV_FORMAT_conv_depthwise;
}

bool sv_conv_epilogue_is_plain(const sv_epilogue *epilogue)
{
    for (uint32_t i = 0; i < epilogue->n; i++) {
        if (epilogue->item[i].kind != SV_EPI_BIAS && epilogue->item[i].kind != SV_EPI_UNARY)
            return false;
    }
    return true;
}

/* The chain's number for an operand of a problem; false when there are too many. */
static bool take(sv_conv_chain *chain, uint32_t problem, uint32_t operand, uint8_t *out)
{
    sv_joined_operands *operands = &chain->operands;
    if (operands->n == SV_OPERAND_MAX) return false;
    *out = operands->n++;
    operands->from[*out].problem = (uint8_t)problem;
    operands->from[*out].operand = (uint8_t)operand;
    return true;
}

static bool take_stage(sv_conv_chain *chain, const sv_problem *problem, uint32_t i)
{
    sv_conv_stage *stage = &chain->param.stage[i];
    *stage = (sv_conv_stage){.conv = *(const sv_conv_param *)problem->param,
                             .epilogue = problem->epilogue};
    if (!take(chain, i, 1, &stage->weight)) return false;
    for (uint32_t e = 0; e < stage->epilogue.n; e++) {
        sv_epilogue_item *item = &stage->epilogue.item[e];
        if (item->kind != SV_EPI_UNARY && !take(chain, i, item->operand, &item->operand))
            return false;
    }
    return true;
}

bool sv_conv_chain_make(const sv_problem *const *problem, uint32_t n, sv_conv_chain *out)
{
    if (n < 2 || n > SV_CONV_STAGES) return false;
    *out = (sv_conv_chain){.param = {.n = n, .depthwise = is_depthwise(problem[0]) ? 0 : 1}};
    uint8_t operand;
    if (n - out->param.depthwise > 2) return false;
    if (!take(out, 0, 0, &operand) || !take(out, n - 1, 2, &operand)) return false;
    for (uint32_t i = 0; i < n; i++) {
        bool fits = i == out->param.depthwise ? is_depthwise(problem[i]) : is_pointwise(problem[i]);
        if (!fits || (i + 1 < n && !sv_conv_epilogue_is_plain(&problem[i]->epilogue))) return false;
        if (!take_stage(out, problem[i], i)) return false;
    }
    return true;
}
