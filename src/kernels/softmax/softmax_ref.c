/* Softmax, LogSoftmax and Hardmax over any axis of any float dtype: a line at a time, in f64. */
#include "kernels/convert/element.h"
#include "kernels/softmax/lines.h"

#include <math.h>

/* The first greatest value, or the first NaN, as numpy's argmax. */
static int64_t greatest(const double *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n && x[best] == x[best]; i++) {
        if (x[i] > x[best] || x[i] != x[i]) best = i;
    }
    return best;
}

static void line_softmax(double *x, int64_t n, bool logarithm)
{
    double max = x[greatest(x, n)], sum = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] -= max;
        sum += exp(x[i]);
    }
    double log_sum = log(sum);
    for (int64_t i = 0; i < n; i++)
        x[i] = logarithm ? x[i] - log_sum : exp(x[i]) / sum;
}

static void line_hardmax(double *x, int64_t n)
{
    int64_t best = greatest(x, n);
    for (int64_t i = 0; i < n; i++)
        x[i] = i == best;
}

static bool supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    sv_dtype wide = sv_element_wide(desc[0].dtype);
    return problem->epilogue.n == 0 && (wide == SV_F32 || wide == SV_F64) &&
           desc[1].dtype == desc[0].dtype;
}

static size_t scratch(const sv_problem *problem)
{
    const sv_softmax_param *param = problem->param;
    return (size_t)problem->desc[0].dim[param->axis] * sizeof(double);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_softmax_param *param = call->param;
    sv_dtype dtype = call->desc[0].dtype;
    double *x = call->scratch;
    sv_lines lines;
    sv_lines_init(&lines, call->desc, param->axis);
    int64_t from = begin * lines.per_unit, to = end * lines.per_unit;
    if (to > lines.count) to = lines.count;
    if (from >= to) return;
    sv_cursor_seek(&lines.outer, (char *const *)call->ptr, from);
    for (; from < to; from++) {
        sv_element_get_f64(dtype, lines.outer.at[0], lines.step[0], x, lines.n);
        if (param->kind == SV_HARDMAX) {
            line_hardmax(x, lines.n);
        } else {
            line_softmax(x, lines.n, param->kind == SV_LOG_SOFTMAX);
        }
        sv_element_put_f64(dtype, x, lines.outer.at[1], lines.step[1], lines.n, true);
        sv_cursor_next(&lines.outer);
    }
}

const sv_kernel sv_kernel_softmax_ref = {
    .name = "softmax_ref",
    .family = SV_FAMILY_softmax,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_lines_units,
    .scratch = scratch,
    .run = run,
};
