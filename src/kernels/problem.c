/* Measures of problems: shapes of operands, merged dimensions, operations, bytes.
 *
 * Nothing here depends on the kernels there are. */
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/conv_pool.h"
#include "kernels/excite.h"
#include "kernels/gemm.h"
#include "kernels/kernel.h"
#include "kernels/nn.h"
#include "kernels/prices.h"

bool sv_desc_dense(const sv_desc *desc)
{
    int64_t expect = 1;
    for (int32_t i = desc->rank - 1; i >= 0; i--) {
        if (desc->dim[i] != 1 && desc->stride[i] != expect) return false;
        expect *= desc->dim[i];
    }
    return true;
}

int64_t sv_desc_count(const sv_desc *desc)
{
    int64_t count = 1;
    for (int32_t i = 0; i < desc->rank; i++)
        count *= desc->dim[i];
    return count;
}

/* Whether dimension i of all operands continues the one already kept at `last`. */
static bool continues(const sv_desc *const *desc, int32_t n, int32_t i,
                      int64_t (*stride)[SV_MAX_RANK], int32_t last)
{
    for (int32_t k = 0; k < n; k++) {
        if (stride[k][last] != desc[k]->stride[i] * desc[k]->dim[i]) return false;
    }
    return true;
}

int32_t sv_desc_collapse(const sv_desc *const *desc, int32_t n, int64_t dim[SV_MAX_RANK],
                         int64_t (*stride)[SV_MAX_RANK])
{
    int32_t rank = 0;
    for (int32_t i = 0; i < desc[0]->rank; i++) {
        int64_t size = desc[0]->dim[i];
        if (size == 1) continue;
        bool merge = rank > 0 && continues(desc, n, i, stride, rank - 1);
        if (!merge) dim[rank++] = 1;
        dim[rank - 1] *= size;
        for (int32_t k = 0; k < n; k++)
            stride[k][rank - 1] = desc[k]->stride[i];
    }
    if (!rank) {
        dim[rank++] = 1;
        for (int32_t k = 0; k < n; k++)
            stride[k][0] = 1;
    }
    return rank;
}

/* The elements of `of` times a filter of w for each: of a convolution's result, or of what a
 * transposed one reads. */
static double filter_flops(const sv_desc *w, const sv_desc *of)
{
    double sum = 1;
    for (int32_t i = 1; i < w->rank; i++)
        sum *= (double)w->dim[i];
    return 2.0 * sum * (double)sv_desc_count(of);
}

/* The stage before the depthwise one makes x's positions, all others y's. */
static double conv_chain_flops(const sv_problem *problem)
{
    const sv_conv_chain_param *chain = problem->param;
    double flops = 0;
    for (uint32_t i = 0; i < chain->n; i++) {
        const sv_desc *w = &problem->desc[chain->stage[i].weight];
        const sv_desc *at = &problem->desc[i < chain->depthwise ? 0 : 1];
        double result = (double)at->dim[0] * (double)w->dim[0], sum = 1;
        for (int32_t d = 2; d < at->rank; d++)
            result *= (double)at->dim[d];
        for (int32_t d = 1; d < w->rank; d++)
            sum *= (double)w->dim[d];
        flops += 2.0 * sum * result;
    }
    return flops;
}

static double excite_flops(const sv_problem *problem)
{
    const double images = (double)problem->desc[SV_EXCITE_SUMS].dim[0];
    return 2.0 * images *
           (double)(sv_desc_count(&problem->desc[SV_EXCITE_W1]) +
                    sv_desc_count(&problem->desc[SV_EXCITE_W2]));
}

static double rnn_flops(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0], *w = &problem->desc[1], *r = &problem->desc[2];
    double weights = (double)sv_desc_count(r);
    if (w->dtype != SV_DTYPE_NONE) weights += (double)sv_desc_count(w);
    return 2.0 * (double)x->dim[0] * (double)x->dim[1] * weights;
}

static double pool_flops(const sv_problem *problem)
{
    const sv_pool_param *pool = problem->param;
    double window = 1;
    for (int32_t i = 0; i < pool->spatial; i++)
        window *= (double)pool->kernel[i];
    return window * (double)sv_desc_count(&problem->desc[1]);
}

/* Both products; Softmax between them is not counted. */
static double attention_flops(const sv_problem *problem)
{
    const sv_desc *q = &problem->desc[0], *v = &problem->desc[2], *y = &problem->desc[3];
    double keys = (double)v->dim[v->rank - 2], scores = keys;
    for (int32_t i = 0; i < y->rank - 1; i++)
        scores *= (double)y->dim[i];
    return 2.0 * scores * (double)(q->dim[q->rank - 1] + y->dim[y->rank - 1]);
}

double sv_problem_flops(const sv_problem *problem)
{
    switch (problem->family) {
    case SV_FAMILY_attention:
        return attention_flops(problem);
    case SV_FAMILY_excite:
        return excite_flops(problem);
    case SV_FAMILY_gemm: {
        const sv_desc *a = &problem->desc[0];
        return 2.0 * (double)a->dim[a->rank - 1] * (double)sv_desc_count(&problem->desc[2]);
    }
    case SV_FAMILY_conv:
        return filter_flops(&problem->desc[1], &problem->desc[2]);
    case SV_FAMILY_conv_chain:
        return conv_chain_flops(problem);
    case SV_FAMILY_conv_pool:
        /* A pool's comparisons are few beside them. */
        return filter_flops(&problem->desc[SV_CONV_POOL_W],
                            &((const sv_conv_pool_param *)problem->param)->map);
    case SV_FAMILY_conv_transpose:
        return filter_flops(&problem->desc[1], &problem->desc[0]);
    case SV_FAMILY_rnn:
        return rnn_flops(problem);
    case SV_FAMILY_pool:
        return pool_flops(problem);
    default:
        return 0;
    }
}

double sv_problem_bytes(const sv_problem *problem)
{
    double bytes = 0;
    for (uint32_t i = 0; i < problem->n_operand; i++) {
        const sv_desc *desc = &problem->desc[i];
        double count = sv_dtype_get(desc->dtype)->size;
        for (int32_t k = 0; k < desc->rank; k++) {
            /* A repeated dimension is read again from the first-level cache: almost free. */
            if (desc->stride[k]) count *= (double)desc->dim[k];
        }
        bytes += count;
    }
    return bytes;
}

double sv_problem_default_cost(const sv_problem *problem)
{
    const sv_cpu_level level = problem->prices ? problem->prices->level : SV_CPU_BASELINE;
    const double bytes = sv_problem_bytes(problem);
    /* Half of the cache: the rest is for weights and what comes next. */
    const double beyond = bytes - sv_prices_of(problem, level)->l2 / 2;
    return sv_price(problem, level, SV_PRICE_step) +
           bytes * sv_price(problem, level, SV_PRICE_bytes) +
           (beyond > 0 ? beyond * sv_price(problem, level, SV_PRICE_far) : 0);
}
