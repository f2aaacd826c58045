/* Winograd's choice, and its packed weights: for each of the alpha * alpha points, the panels of
 * the matrix [slices of the kernel][channels][output channels] (kernels/panel.h) of transformed
 * filters. */
#include "kernels/conv/winograd.h"

#include "kernels/conv/conv_part.h"
#include "kernels/conv/conv_regions.h"
#include "kernels/conv/few.h"
#include "kernels/panel.h"
#include "kernels/prices.h"

/* ---- which form ---------------------------------------------------------------------------- */

bool sv_winograd_takes(const sv_problem *problem, winograd_form form)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    const int64_t r = winograd_r(form);
    const int32_t spatial = param->spatial;
    if (spatial < 2 || param->groups != 1 || w->rank != spatial + 2) return false;
    if (problem->desc[0].dtype != SV_F32 || w->dtype != SV_F32) return false;
    if (spatial == 3 && (param->kernel[0] > WINOGRAD_SLICES || param->dilation[0] != 1))
        return false;
    for (int32_t i = 0; i < spatial; i++) {
        if (param->stride[i] != 1 || (i + 2 >= spatial && param->kernel[i] != r)) return false;
    }
    return w->dim[0] > 0 && w->dim[1] > 0;
}

/* Outputs along an axis, while these are symbols. */
#define ASSUMED_SIZE 32
/* Packed filters grow by alpha^2 / r^2: a gain below a tenth is not worth that. */
#define WORTH 0.9

/* Vectors of `lanes` that are needed to cover `count`. */
static double vectors_of(double count, double lanes)
{
    return (double)winograd_tiles((int64_t)count, 1, (int64_t)lanes);
}

/* What decides the cost. */
typedef struct conv_work {
    double c, o, slices, deep, high, wide, images; /* slices of the kernel; of y, in all: deep */
    double lanes;                                  /* of a vector */
    double product, transform;                     /* prices */
    const sv_problem *problem;
    sv_cpu_level level;
} conv_work;

static conv_work work_of(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const bool volume = param->spatial == 3;
    const int64_t *w = problem->desc[1].dim, *image = problem->desc[2].dim;
    const int64_t *y = image + param->spatial - 2;
    return (conv_work){.c = (double)w[1],
                       .o = (double)w[0],
                       .slices = volume ? (double)param->kernel[0] : 1,
                       .deep = !volume        ? 1
                               : image[2] > 0 ? (double)image[2]
                                              : ASSUMED_SIZE,
                       .high = y[2] >= 0 ? (double)y[2] : ASSUMED_SIZE,
                       .wide = y[3] >= 0 ? (double)y[3] : ASSUMED_SIZE,
                       .images = image[0] > 0 ? (double)image[0] : 1,
                       .lanes = (double)sv_panel_width(level) / 2,
                       .product = sv_price(problem, level, SV_PRICE_product),
                       .transform = sv_price(problem, level, SV_PRICE_transform),
                       .problem = problem,
                       .level = level};
}

/* `rows` products with `points` matrices of filters, which come from afar. */
static double products_ns(const conv_work *work, double rows, double points)
{
    double filters = points * work->slices * work->c * work->o;
    return 2 * rows * filters * work->product +
           sv_price_weights(work->problem, work->level, filters, rows);
}

/* The direct way leaves out products with what lies outside x, where that is worth while. */
static double direct_ns(const conv_work *work, double r)
{
    double share = 1;
    window_shape shape;
    conv_regions regions;
    window_of_conv(work->problem->desc, work->problem->param, &shape);
    const int64_t *x = shape.x.d, *y = shape.y.d;
    if (shape.y.n > 0 && x[0] > 0 && x[1] > 0 && x[2] > 0 && y[0] > 0 && y[1] > 0 && y[2] > 0)
        share = conv_regions_init(&shape, &regions);
    return products_ns(work, work->images * work->deep * work->high * work->wide, r * r) * share;
}

static double form_ns(const conv_work *work, winograd_form form)
{
    const sv_conv_param *param = work->problem->param;
    const double alpha = (double)winograd_alpha(form);
    const int64_t m = winograd_m(form);
    const int64_t *dilation = param->dilation + param->spatial - 2;
    const double high = (double)winograd_tiles((int64_t)work->high, dilation[0], m);
    const double wide = (double)winograd_tiles((int64_t)work->wide, dilation[1], m);
    const double columns = work->images * high * wide, reach = work->deep + work->slices - 1;
    const double vectors =
        reach * vectors_of(work->c, work->lanes) + work->deep * vectors_of(work->o, work->lanes);
    return products_ns(work, columns * work->deep, alpha * alpha) +
           columns * alpha * alpha * vectors * work->transform;
}

double sv_winograd_ns(const sv_problem *problem, winograd_form form, sv_cpu_level level)
{
    const conv_work work = work_of(problem, level);
    return form_ns(&work, form);
}

winograd_form sv_winograd_choose(const sv_problem *problem, sv_cpu_level level)
{
    winograd_form best = WINOGRAD_NONE;
    double best_ns = 0;
    for (int form = 0; form < WINOGRAD_FORMS && !problem->exact && !problem->compact; form++) {
        if (!sv_winograd_takes(problem, (winograd_form)form)) continue;
        const conv_work work = work_of(problem, level);
        double ns = form_ns(&work, (winograd_form)form);
        double direct = direct_ns(&work, (double)winograd_r((winograd_form)form));
        if (ns >= WORTH * direct || (best != WINOGRAD_NONE && ns >= best_ns)) continue;
        best = (winograd_form)form;
        best_ns = ns;
    }
    const double few = best == WINOGRAD_NONE ? -1 : sv_conv_few_ns(problem, level);
    return few >= 0 && few < best_ns ? WINOGRAD_NONE : best;
}

/* ---- filters ------------------------------------------------------------------------------- */

static const double points_6[] = {0, 0.75, -0.75, 1.5, -1.5}, points_4[] = {0, 1, -1};

/* Row i of the filters' transform: powers of point i over the product of its distances to the
 * others; the last row takes the highest power alone. */
static void filter_rows(winograd_form form, double row[6][5])
{
    const int alpha = (int)winograd_alpha(form), r = (int)winograd_r(form);
    const double *point = alpha == 6 ? points_6 : points_4;
    for (int i = 0; i + 1 < alpha; i++) {
        double scale = 1, power = 1;
        for (int k = 0; k + 1 < alpha; k++)
            scale *= k == i ? 1 : point[i] - point[k];
        for (int j = 0; j < r; j++) {
            row[i][j] = power / scale;
            power *= point[i];
        }
    }
    for (int j = 0; j < r; j++)
        row[alpha - 1][j] = j + 1 == r;
}

/* Filters side by side: one input channel, a panel of output channels. */
#define MAX_WIDTH 32

typedef struct filter_block {
    double tap[5 * 5][MAX_WIDTH], half[6 * 5][MAX_WIDTH];
} filter_block;

/* Filters from `first` on of those that begin at filter `begin` of all: row `k_row` of their
 * matrix. */
static void load_taps(const sv_pack_source *source, int64_t k_row, int64_t first, int64_t n,
                      int64_t begin, int r, filter_block *block)
{
    const sv_view *view = &source->view;
    const int32_t rank = view->rank;
    int64_t at[5] = {first, k_row % view->dim[1], k_row / view->dim[1]};
    for (int i = 0; i < r * r; i++) {
        const float *from = view->data;
        at[rank - 2] = i / r;
        at[rank - 1] = i % r;
        for (int32_t d = 0; d < rank; d++)
            from += at[d] * view->stride[d];
        for (int64_t j = 0; j < MAX_WIDTH; j++) {
            float value = j < n ? from[j * view->stride[0]] : 0;
            int64_t k = source->axis == 0 && j < n ? begin + first + j : at[source->axis];
            if (source->scale) value *= source->scale[k];
            if (source->shift && j < n) value += source->shift[k];
            block->tap[i][j] = (double)value;
        }
    }
}

/* to[j] is the sum over k of factor[k] * from[k * step][j]. */
static void combine(const double *factor, int n, const double (*from)[MAX_WIDTH], int step,
                    double *to)
{
    for (int j = 0; j < MAX_WIDTH; j++)
        to[j] = 0;
    for (int k = 0; k < n; k++) {
        for (int j = 0; j < MAX_WIDTH; j++)
            to[j] += factor[k] * from[k * step][j];
    }
}

/* Writes `width` columns of each point's row for one input channel; rows of points lie `step`
 * floats apart. */
static void transform_filters(winograd_form form, const double row[6][5], filter_block *block,
                              int64_t width, float *to, int64_t step)
{
    const int alpha = (int)winograd_alpha(form), r = (int)winograd_r(form);
    for (int i = 0; i < alpha; i++) {
        for (int j = 0; j < r; j++)
            combine(row[i], r, block->tap + j, r, block->half[i * r + j]);
    }
    for (int i = 0; i < alpha; i++) {
        for (int j = 0; j < alpha; j++) {
            double sum[MAX_WIDTH];
            float *at = to + (i * alpha + j) * step;
            combine(row[j], r, block->half + i * r, 1, sum);
            for (int64_t k = 0; k < width; k++)
                at[k] = (float)sum[k];
        }
    }
}

static uint32_t winograd_parts(const sv_problem *problem, sv_cpu_level level)
{
    const sv_desc *w = &problem->desc[1];
    const int64_t size = sv_conv_part_filters(w, level);
    return (uint32_t)((w->dim[0] + size - 1) / size);
}

/* Filters of a part, and the first of them. */
static int64_t winograd_part_filters(const sv_desc *w, sv_cpu_level level, uint32_t index,
                                     int64_t *first)
{
    const int64_t size = sv_conv_part_filters(w, level);
    *first = size * index;
    return w->dim[0] - *first < size ? w->dim[0] - *first : size;
}

static void winograd_part(const sv_problem *problem, sv_cpu_level level, uint32_t index,
                          int64_t *first, int64_t *count)
{
    const sv_desc *w = &problem->desc[1];
    *count = sv_conv_filters_extent(w, winograd_part_filters(w, level, index, first));
    *first *= w->stride[0];
}

/* Rows of a point's matrix. */
static int64_t depth_of(const sv_desc *w)
{
    return w->rank == 5 ? w->dim[2] * w->dim[1] : w->dim[1];
}

static void pack_part(winograd_form form, sv_cpu_level level, const sv_desc *w,
                      const sv_pack_source *source, uint32_t index, float *to)
{
    const int64_t o = w->dim[0], k = depth_of(w);
    const int64_t width = sv_panel_width(level), step = k * sv_panel_stored(o, width);
    double row[6][5];
    filter_block block;
    int64_t begin, size = winograd_part_filters(w, level, index, &begin);
    filter_rows(form, row);
    to += begin * k;
    for (int64_t first = 0; first < size; first += width) {
        const int64_t stored = sv_panel_columns(o, begin + first, width);
        const int64_t n = size - first < stored ? size - first : stored;
        for (int64_t i = 0; i < k; i++, to += stored) {
            load_taps(source, i, first, n, begin, (int)winograd_r(form), &block);
            transform_filters(form, row, &block, stored, to, step);
        }
    }
}

static size_t packed_size(const sv_problem *problem, sv_cpu_level level, winograd_form form)
{
    const sv_desc *w = &problem->desc[1];
    size_t points = (size_t)(winograd_alpha(form) * winograd_alpha(form));
    size_t floats = sv_panel_floats(depth_of(w), w->dim[0], sv_panel_width(level)), bytes;
    if (__builtin_mul_overflow(floats, points * sizeof(float), &bytes)) return 0;
    return bytes;
}

/* ---- packers ------------------------------------------------------------------------------- */

#define WINOGRAD_PACKER(id, form)                                                                  \
    static bool id##_accepts(const sv_problem *problem, sv_cpu_level level)                        \
    {                                                                                              \
        return sv_winograd_choose(problem, level) == (form);                                       \
    }                                                                                              \
    static size_t id##_size(const sv_problem *problem, sv_cpu_level level)                         \
    {                                                                                              \
        return packed_size(problem, level, form);                                                  \
    }                                                                                              \
    static void id##_pack_part(const sv_problem *problem, sv_cpu_level level,                      \
                               const sv_pack_source *source, uint32_t index, void *to)             \
    {                                                                                              \
        pack_part(form, level, &problem->desc[1], source, index, to);                              \
    }                                                                                              \
    extern const sv_packer sv_packer_conv_##id;                                                    \
    static void id##_pack(const sv_problem *problem, sv_cpu_level level,                           \
                          const sv_pack_source *source, void *to)                                  \
    {                                                                                              \
        sv_packer_pack_parts(&sv_packer_conv_##id, problem, level, source, to);                    \
    }                                                                                              \
    const sv_packer sv_packer_conv_##id = {                                                        \
        .name = "conv_" #id,                                                                       \
        .family = SV_FAMILY_conv,                                                                  \
        .operand = 1,                                                                              \
        .accepts = id##_accepts,                                                                   \
        .size = id##_size,                                                                         \
        .pack = id##_pack,                                                                         \
        .parts = winograd_parts,                                                                   \
        .part = winograd_part,                                                                     \
        .pack_part = id##_pack_part,                                                               \
    };

WINOGRAD_PACKER(winograd_2_3, WINOGRAD_2_3)
WINOGRAD_PACKER(winograd_2_5, WINOGRAD_2_5)
WINOGRAD_PACKER(winograd_4_3, WINOGRAD_4_3)
