/* Layer and RMS normalisation of any float dtypes and strides, in f64; two passes over a set. */
#include "kernels/convert/element.h"
#include "kernels/norm/sets.h"

#include <math.h>

enum {
    X = SV_NORM_X,
    SCALE = SV_NORM_SCALE,
    SHIFT = SV_NORM_SHIFT,
    Y = SV_NORM_Y,
    MEAN = SV_NORM_MEAN,
    INV_STD = SV_NORM_INV_STD,
    OPERANDS = SV_NORM_OPERANDS,
};

static int64_t set_size(const sv_desc *x, int32_t axis)
{
    int64_t n = 1;
    for (int32_t i = axis; i < x->rank; i++)
        n *= x->dim[i];
    return n;
}

static double get(const sv_desc *desc, const char *at)
{
    double value;
    sv_element_get_f64(desc->dtype, at, 0, &value, 1);
    return value;
}

static void put(const sv_desc *desc, char *at, double value)
{
    if (desc->dtype != SV_DTYPE_NONE) sv_element_put_f64(desc->dtype, &value, at, 0, 1, true);
}

/* The set at `base`: its mean and the inverse of its deviation. */
static void statistics(const sv_call *call, sv_cursor *in, char *const *base, int64_t n,
                       double *mean, double *inv_std)
{
    const sv_norm_param *param = call->param;
    double sum = 0, squares = 0;
    sv_cursor_seek(in, base, 0);
    for (int64_t i = 0; i < n && !param->rms; i++, sv_cursor_next(in)) {
        sum += get(&call->desc[X], in->at[X]);
    }
    *mean = sum / (double)n;
    sv_cursor_seek(in, base, 0);
    for (int64_t i = 0; i < n; i++, sv_cursor_next(in)) {
        double d = get(&call->desc[X], in->at[X]) - *mean;
        squares += d * d;
    }
    *inv_std = 1 / sqrt(squares / (double)n + (double)param->epsilon);
}

static void normalise(const sv_call *call, sv_cursor *in, char *const *base, int64_t n)
{
    const sv_desc *desc = call->desc;
    double mean, inv_std;
    statistics(call, in, base, n, &mean, &inv_std);
    sv_cursor_seek(in, base, 0);
    for (int64_t i = 0; i < n; i++, sv_cursor_next(in)) {
        double y = (get(&desc[X], in->at[X]) - mean) * inv_std;
        if (desc[SCALE].dtype != SV_DTYPE_NONE) y *= get(&desc[SCALE], in->at[SCALE]);
        if (desc[SHIFT].dtype != SV_DTYPE_NONE) y += get(&desc[SHIFT], in->at[SHIFT]);
        put(&desc[Y], in->at[Y], y);
    }
    put(&desc[MEAN], base[MEAN], mean);
    put(&desc[INV_STD], base[INV_STD], inv_std);
}

static bool is_float(sv_dtype dtype)
{
    sv_dtype wide = sv_element_wide(dtype);
    return wide == SV_F32 || wide == SV_F64;
}

static bool supports(const sv_problem *problem)
{
    for (int i = 0; i < OPERANDS; i++) {
        sv_dtype dtype = problem->desc[i].dtype;
        if (!is_float(dtype) && (i == X || i == Y || dtype != SV_DTYPE_NONE)) return false;
    }
    return problem->epilogue.n == 0;
}

static uint32_t units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    sv_norm_sets sets;
    sv_norm_sets_init(&sets, problem->desc, problem->param);
    int64_t n = set_size(&sets.desc[X], sets.axis), count = sv_desc_count(&sets.desc[X]);
    return n ? (uint32_t)sv_divide_up(count / n, sv_pieces_per_unit(n)) : 0;
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_norm_sets sets;
    sv_norm_sets_init(&sets, call->desc, call->param);
    uint32_t kept = (1u << sets.axis) - 1;
    int64_t n = set_size(&sets.desc[X], sets.axis), per_unit = sv_pieces_per_unit(n);
    /* The statistics' strides within a set mean nothing. */
    sv_cursor in, outer, none;
    sv_cursor_split(sets.desc, Y + 1, X, Y, ~kept, &in, &none);
    sv_cursor_split(sets.desc, OPERANDS, X, Y, kept, &outer, &none);
    int64_t from = begin * per_unit, to = end * per_unit, count = sv_cursor_count(&outer);
    if (to > count) to = count;
    if (from >= to) return;
    char *base[OPERANDS];
    for (int i = 0; i < OPERANDS; i++)
        base[i] = call->ptr[i] ? call->ptr[i] : call->ptr[X];
    sv_cursor_seek(&outer, base, from);
    for (; from < to; from++, sv_cursor_next(&outer))
        normalise(call, &in, outer.at, n);
}

const sv_kernel sv_kernel_norm_ref = {
    .name = "norm_ref",
    .family = SV_FAMILY_norm,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = units,
    .run = run,
};
