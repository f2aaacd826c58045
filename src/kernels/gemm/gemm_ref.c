/* The reference GEMM: any dtype of the family, any strides, any epilogue. A unit is a row of y. */
#include "kernels/gemm.h"
#include "kernels/ref.h"

static bool gemm_ref_supports(const sv_problem *problem)
{
    sv_dtype dtype = problem->desc[0].dtype;
    const sv_gemm_param *gemm = problem->param;
    switch (dtype) {
    case SV_F32:
    case SV_F64:
    case SV_F16:
    case SV_BF16:
        return true;
    case SV_I32:
    case SV_U32:
    case SV_I64:
    case SV_U64:
        return problem->epilogue.n == 0 && gemm->alpha == 1.0f;
    case SV_I16:
        return problem->epilogue.n == 0 && gemm->alpha == 1.0f && problem->desc[2].dtype == SV_I32;
    default:
        return false;
    }
}

static uint32_t gemm_ref_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    const sv_desc *y = &problem->desc[2];
    int64_t rows = 1;
    for (int32_t i = 0; i < y->rank - 1; i++)
        rows *= y->dim[i];
    return (uint32_t)(rows < UINT32_MAX ? rows : UINT32_MAX);
}

/* A row of y: where the operands' parts of it begin, and the steps from there. */
typedef struct gemm_row {
    const char *a, *b;
    char *y;
    int64_t a_k, b_k, b_n, y_n, k, n;
    int64_t index[SV_MAX_RANK];
} gemm_row;

static void gemm_row_find(const sv_call *call, int64_t row, gemm_row *out)
{
    const sv_desc *a = &call->desc[0], *b = &call->desc[1], *y = &call->desc[2];
    int32_t last = y->rank - 1;
    for (int32_t i = last - 1; i >= 0; i--) {
        out->index[i] = row % y->dim[i];
        row /= y->dim[i];
    }
    out->index[last] = 0;
    int64_t at_a = 0, at_b = 0, at_y = 0;
    for (int32_t i = 0; i < last; i++) {
        if (a->dim[i] != 1) at_a += out->index[i] * a->stride[i];
        if (b->dim[i] != 1 && i < last - 1) at_b += out->index[i] * b->stride[i];
        at_y += out->index[i] * y->stride[i];
    }
    int64_t size = sv_dtype_get(a->dtype)->size;
    out->a = (const char *)call->ptr[0] + at_a * size;
    out->b = (const char *)call->ptr[1] + at_b * size;
    out->y = (char *)call->ptr[2] + at_y * sv_dtype_get(y->dtype)->size;
    out->a_k = a->stride[last];
    out->b_k = b->stride[last - 1];
    out->b_n = b->stride[last];
    out->y_n = y->stride[last];
    out->k = a->dim[last];
    out->n = y->dim[last];
}

SV_REF_INLINE void float_row(const sv_call *call, sv_dtype dtype, gemm_row *row)
{
    const sv_gemm_param *gemm = call->param;
    int32_t last = call->desc[2].rank - 1;
    for (int64_t n = 0; n < row->n; n++) {
        double sum = 0;
        for (int64_t k = 0; k < row->k; k++) {
            sum += ref_get(dtype, row->a, k * row->a_k) *
                   ref_get(dtype, row->b, k * row->b_k + n * row->b_n);
        }
        row->index[last] = n;
        ref_put(dtype, row->y, n * row->y_n,
                ref_epilogue(call, (double)gemm->alpha * sum, row->index, last));
    }
}

/* Sums are of type `to`. */
SV_REF_INLINE void integer_row(sv_dtype dtype, sv_dtype to, const gemm_row *row)
{
    for (int64_t n = 0; n < row->n; n++) {
        uint64_t sum = 0;
        for (int64_t k = 0; k < row->k; k++) {
            sum += ref_get_integer(dtype, row->a, k * row->a_k) *
                   ref_get_integer(dtype, row->b, k * row->b_k + n * row->b_n);
        }
        ref_put_integer(to, row->y, n * row->y_n, sum);
    }
}

static void gemm_ref_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    for (uint32_t unit = begin; unit < end; unit++) {
        gemm_row row;
        gemm_row_find(call, unit, &row);
        switch (call->desc[0].dtype) {
        case SV_F32:
            float_row(call, SV_F32, &row);
            break;
        case SV_F64:
            float_row(call, SV_F64, &row);
            break;
        case SV_F16:
            float_row(call, SV_F16, &row);
            break;
        case SV_BF16:
            float_row(call, SV_BF16, &row);
            break;
        case SV_I16:
            integer_row(SV_I16, SV_I32, &row);
            break;
        case SV_I32:
            integer_row(SV_I32, SV_I32, &row);
            break;
        case SV_U32:
            integer_row(SV_U32, SV_U32, &row);
            break;
        case SV_I64:
            integer_row(SV_I64, SV_I64, &row);
            break;
        case SV_U64:
            integer_row(SV_U64, SV_U64, &row);
            break;
        default:
            break;
        }
    }
}

const sv_kernel sv_kernel_gemm_ref = {
    .name = "gemm_ref",
    .family = SV_FAMILY_gemm,
    .level = SV_CPU_BASELINE,
    .b_format = SV_FORMAT_RAW,
    .supports = gemm_ref_supports,
    .cost = ref_cost,
    .units = gemm_ref_units,
    .run = gemm_ref_run,
};
