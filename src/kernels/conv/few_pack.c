/* The choice and the packed weights of convolutions of few output channels. */
#include "kernels/conv/few.h"

#include "kernels/conv/conv_shape.h"
#include "kernels/conv/winograd.h"
#include "kernels/panel.h"
#include "kernels/prices.h"

/* Outputs of a line, and lines, while these are symbols. */
#define ASSUMED_SIZE 32
/* With fewer channels, inputs may lie in planes, which others read better. */
#define LEAST_CHANNELS 5
/* Positions that a line has beyond its outputs, at most. */
#define MOST_BORDER 64
/* A product and a sum fewer: below that it is not worth while. */
#define WORTH 0.8
/* A vector that is added costs about as much as so many multiply-adds of one. */
#define ADD_COST 2.0

static bool takes(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    const int32_t last = param->spatial - 1;
    if (param->spatial > 2 || param->groups != 1 || w->rank != 2 + param->spatial) return false;
    if (problem->desc[0].dtype != SV_F32 || w->dtype != SV_F32) return false;
    for (int32_t i = 0; i < w->rank; i++) {
        if (w->dim[i] < 1) return false;
    }
    return param->stride[last] == 1 && param->kernel[last] > 1 && w->dim[1] >= LEAST_CHANNELS &&
           w->dim[0] <= sv_panel_width(level) / 2 &&
           (param->kernel[last] - 1) * param->dilation[last] <= MOST_BORDER;
}

double sv_conv_few_ns(const sv_problem *problem, sv_cpu_level level)
{
    if (!takes(problem, level)) return -1;
    const sv_conv_param *param = problem->param;
    const int64_t *w = problem->desc[1].dim, *x = problem->desc[0].dim, *y = problem->desc[2].dim;
    const int32_t last = param->spatial - 1;
    const int64_t width = sv_panel_width(level), columns = param->kernel[last];
    const int64_t high = last == 0 ? 1 : y[2] >= 0 ? y[2] : ASSUMED_SIZE;
    const int64_t outputs = y[2 + last] >= 0 ? y[2 + last] : ASSUMED_SIZE;
    const int64_t border = outputs + (columns - 1) * param->dilation[last];
    const int64_t there = x[2 + last] >= 0 && x[2 + last] < border ? x[2 + last] : border;
    const double depth = (double)(w[1] * (last == 0 ? 1 : param->kernel[0]));
    const double direct = (double)(outputs * columns * sv_panel_computed(w[0], width)) * depth;
    const double product = (double)(there * sv_panel_computed(columns * w[0], width)) * depth;
    const int64_t lanes = width / 2;
    const double sums = ADD_COST * (double)(outputs * columns * lanes);
    if (product + sums >= WORTH * direct) return -1;
    const double lines = (double)((y[0] > 0 ? y[0] : 1) * high);
    return 2 * lines * (product + sums) * sv_price(problem, level, SV_PRICE_product);
}

/* ---- weights ------------------------------------------------------------------------------- */

static bool conv_few_accepts(const sv_problem *problem, sv_cpu_level level)
{
    return sv_conv_few_ns(problem, level) >= 0 &&
           sv_winograd_choose(problem, level) == WINOGRAD_NONE;
}

/* Rows of the kernel, and its columns. */
static int64_t kernel_of(const sv_desc *w, int64_t *columns)
{
    *columns = w->dim[w->rank - 1];
    return w->rank == 4 ? w->dim[2] : 1;
}

static size_t conv_few_size(const sv_problem *problem, sv_cpu_level level)
{
    const sv_desc *w = &problem->desc[1];
    int64_t columns, n, k, rows = kernel_of(w, &columns);
    size_t bytes;
    if (__builtin_mul_overflow(columns, w->dim[0], &n)) return 0;
    if (__builtin_mul_overflow(rows, w->dim[1], &k)) return 0;
    const size_t floats = sv_panel_floats(k, n, sv_panel_width(level));
    if (__builtin_mul_overflow(floats, sizeof(float), &bytes)) return 0;
    return bytes;
}

/* The weight of filter `o`, channel `c`, of a tap. */
static float weight_of(const sv_pack_source *source, int64_t o, int64_t c, int64_t row,
                       int64_t column)
{
    const sv_view *view = &source->view;
    const int64_t plane[4] = {o, c, row, column}, line[3] = {o, c, column};
    const int64_t *at = view->rank == 4 ? plane : line;
    const float *from = view->data;
    for (int32_t i = 0; i < view->rank; i++)
        from += at[i] * view->stride[i];
    float value = *from;
    if (source->scale) value *= source->scale[at[source->axis]];
    if (source->shift) value += source->shift[at[source->axis]];
    return value;
}

static void conv_few_pack(const sv_problem *problem, sv_cpu_level level,
                          const sv_pack_source *source, void *to)
{
    const sv_desc *w = &problem->desc[1];
    const int64_t width = sv_panel_width(level), o = w->dim[0], c = w->dim[1];
    int64_t columns, rows = kernel_of(w, &columns);
    float *at = to;
    for (int64_t first = 0; first < columns * o; first += width) {
        const int64_t stored = sv_panel_columns(columns * o, first, width);
        for (int64_t k = 0; k < rows * c; k++, at += stored) {
            for (int64_t j = 0; j < stored; j++) {
                const int64_t n = first + j;
                at[j] = n < columns * o ? weight_of(source, n % o, k % c, k / c, n / o) : 0;
            }
        }
    }
}

const sv_packer sv_packer_conv_few = {
    .name = "conv_few",
    .family = SV_FAMILY_conv,
    .operand = 1,
    .accepts = conv_few_accepts,
    .size = conv_few_size,
    .pack = conv_few_pack,
};
