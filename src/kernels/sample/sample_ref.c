/* Weighted sums of chosen elements, any strides, in f64. */
#include "kernels/sample/points.h"

static bool supports(const sv_problem *problem)
{
    return problem->desc[SV_SAMPLE_X].dtype == SV_F32 &&
           problem->desc[SV_SAMPLE_Y].dtype == SV_F32 && !problem->epilogue.n;
}

static float sum_of(const float *x, const sv_desc *desc, const int32_t *at, const float *weight,
                    int64_t taps)
{
    double sum = 0;
    for (int64_t t = 0; t < taps; t++) {
        if (weight[t] != 0) sum += (double)weight[t] * (double)x[sv_sample_offset(desc, at[t])];
    }
    return (float)sum;
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[SV_SAMPLE_X], *y = &call->desc[SV_SAMPLE_Y];
    const int32_t *image = call->ptr[SV_SAMPLE_IMAGE];
    sv_sample_points points;
    sv_sample_points_init(&points, call->desc);
    int64_t i = begin * points.per_unit, last = end * points.per_unit;
    int64_t count = points.images * points.positions;
    for (; i < last && i < count; i++) {
        int64_t m = i / points.positions, p = i % points.positions;
        const int32_t *at = (const int32_t *)call->ptr[SV_SAMPLE_AT] + i * points.taps;
        const float *weight = (const float *)call->ptr[SV_SAMPLE_WEIGHT] + i * points.taps;
        int64_t from = (image ? image[m] : m) * x->stride[0];
        int64_t to = m * y->stride[0] + sv_sample_offset(y, p);
        for (int64_t c = 0; c < points.channels; c++) {
            ((float *)call->ptr[SV_SAMPLE_Y])[to + c * y->stride[1]] =
                sum_of((const float *)call->ptr[SV_SAMPLE_X] + from + c * x->stride[1], x, at,
                       weight, points.taps);
        }
    }
}

const sv_kernel sv_kernel_sample_ref = {
    .name = "sample_ref",
    .family = SV_FAMILY_sample,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_sample_units,
    .run = run,
};
