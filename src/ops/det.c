/* Det: determinants of square matrices, by elimination with the largest pivot of each column. */
#include "base/status.h"
#include "kernels/convert/element.h"
#include "ops/support.h"

#include <math.h>

static sv_status det_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    SV_TRY(sv_infer_rank(x, 0, 2, SV_MAX_RANK));
    *x->out = x->in[0];
    if (in->rank < 2) return SV_OK;
    int64_t rows = in->dim[in->rank - 2], columns = in->dim[in->rank - 1];
    if (rows >= 0 && columns >= 0 && rows != columns)
        return sv_infer_error(x, 0, "expected square matrices, found %lld by %lld", (long long)rows,
                              (long long)columns);
    x->out[0].shape.rank -= 2;
    return SV_OK;
}

static uint32_t det_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return (uint32_t)sv_desc_count(&problem->desc[1]);
}

static size_t det_scratch(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0];
    size_t n = (size_t)x->dim[x->rank - 1];
    return n * n * sizeof(double);
}

static double determinant(double *a, int64_t n)
{
    double result = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++) {
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        }
        if (a[pivot * n + k] == 0) return 0;
        for (int64_t j = k; pivot != k && j < n; j++) {
            double other = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = other;
        }
        result *= pivot != k ? -a[k * n + k] : a[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k + 1; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return result;
}

static void det_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    int64_t n = x->dim[x->rank - 1], size = (int64_t)sv_desc_size(x);
    for (uint32_t m = begin; m < end; m++) {
        const char *from = (const char *)call->ptr[0] + (size_t)(m * n * n * size);
        sv_element_get_f64(x->dtype, from, size, call->scratch, n * n);
        double result = determinant(call->scratch, n);
        sv_element_put_f64(y->dtype, &result, (char *)call->ptr[1] + (size_t)(m * size), size, 1,
                           true);
    }
}

static const sv_kernel det_kernel = {.name = "custom_det",
                                     .family = SV_FAMILY_custom,
                                     .units = det_units,
                                     .scratch = det_scratch,
                                     .run = det_run};

static sv_status det_emit(sv_emit *e)
{
    return e->symbolic ? SV_OK : sv_emit_run(e, &det_kernel, NULL, 0);
}

const sv_op_desc sv_op_desc_Det = {.op = SV_OP_Det,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = det_infer,
                                   .emit = det_emit};
