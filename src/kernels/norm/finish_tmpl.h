/* What follows a normalisation before its result leaves the cache: activations, and sums and
 * products with an operand that lies as the result does. */
#include "kernels/activation_tmpl.h"
#include "kernels/norm/sets.h"

static bool norm_lies_alike(const sv_desc *a, const sv_desc *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i] || (a->dim[i] != 1 && a->stride[i] != b->stride[i]))
            return false;
    }
    return true;
}

/* Whether norm_finish does the problem's epilogue; y is f32. */
static bool norm_can_finish(const sv_problem *problem)
{
    for (int i = 0; i < problem->epilogue.n; i++) {
        const sv_epilogue_item *item = &problem->epilogue.item[i];
        if (item->kind == SV_EPI_UNARY) {
            if (!vf_activate_has((sv_unary)item->unary)) return false;
        } else if (item->kind == SV_EPI_BIAS ||
                   !norm_lies_alike(&problem->desc[item->operand], &problem->desc[SV_NORM_Y])) {
            return false;
        }
    }
    return true;
}

SV_INLINE void norm_activate(const sv_unary op, const sv_epilogue_item *item, float *y, int64_t n)
{
    const sv_vf a = vf_set1(item->a), b = vf_set1(item->b);
    for (int64_t i = 0; i < n; i += SV_VF) {
        const int64_t m = n - i < SV_VF ? n - i : SV_VF;
        vf_store_n(y + i, vf_activate(op, vf_load_n(y + i, m), a, b), m);
    }
}

static void norm_combine(bool product, const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += SV_VF) {
        const int64_t m = n - i < SV_VF ? n - i : SV_VF;
        const sv_vf a = vf_load_n(y + i, m), b = vf_load_n(x + i, m);
        vf_store_n(y + i, product ? a * b : a + b, m);
    }
}

/* The epilogue on n elements of the result, which lie side by side at `y`. */
static void norm_finish(const sv_call *call, float *y, int64_t n)
{
    const int64_t at = y - (const float *)call->ptr[SV_NORM_Y];
    for (int i = 0; i < call->epilogue->n; i++) {
        const sv_epilogue_item *item = &call->epilogue->item[i];
        if (item->kind != SV_EPI_UNARY) {
            norm_combine(item->kind == SV_EPI_MUL, (const float *)call->ptr[item->operand] + at, y,
                         n);
        } else if (item->unary == SV_UNARY_Relu) {
            norm_activate(SV_UNARY_Relu, item, y, n);
        } else if (item->unary == SV_UNARY_Swish) {
            norm_activate(SV_UNARY_Swish, item, y, n);
        } else {
            norm_activate((sv_unary)item->unary, item, y, n);
        }
    }
}
