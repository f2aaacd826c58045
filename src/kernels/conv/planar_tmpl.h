/* Convolutions of few channels that lie in planes, as pictures come: the first layer of most
 * networks, at one CPU level.
 *
 * A unit is a row of the result, or a part of a long one. The rows of x that it meets are copied
 * into the thread's scratch, with their border, and a tile is some neighbouring pixels of the
 * result: for each channel and tap they read neighbours (or every other one, and so on) of one such
 * row. So x is not turned into pixels first, and a list of one pointer a tap serves the whole row.
 * Sums are taken in the order of the other rows of the family. */
#include "kernels/conv/conv_parts.h"

/* Products of a sum, at most: each costs a pointer, and longer ones are better read as pixels. */
#define PLANAR_DEPTH 160
#define PLANAR_CHANNELS 4
/* Pixels of a unit, at most. */
#define PLANAR_PIXELS 512
/* Images of up to so many elements, border included, are copied as a whole: their rows are short,
 * and many units meet each. */
#define PLANAR_IMAGE 8192

/* ---- micro-kernels ------------------------------------------------------------------------- */

#if TILE_MR == 12
#define PLANAR_EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#else
#define PLANAR_EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5)
#endif

/* A tile_fn: `mr` pixels, `fixed` elements of x from one to the next (0: job->group of them), by so
 * many `halves` of a vector of columns. job->x: a pointer for each of job->taps products. */
SV_INLINE void planar_kernel(const int mr, const int halves, const int fixed, const tile_job *job)
{
    const int nv = (halves + 1) / 2;
    const bool low0 = halves == 1, low1 = halves == 3;
    const int64_t stride = fixed ? fixed : job->group, three = 3 * stride, four = 4 * stride;
    const tile_lanes lanes0 = tile_lanes_of(job->columns);
    const tile_lanes lanes1 = tile_lanes_of(nv > 1 ? job->columns - SV_VF : 0);
    sv_vf start0 = vf_zero(), start1 = vf_zero();
    if (job->bias) {
        start0 = tile_load(job->bias, lanes0);
        if (nv > 1) start1 = tile_load(job->bias + SV_VF, lanes1);
    }
#define PLANAR_DECLARE(i) sv_vf c##i##_0 = start0, c##i##_1 = start1;
    PLANAR_EACH_ROW(PLANAR_DECLARE)
    const float *panel = job->panel;
    const int64_t step = job->step, offset = job->x_offset;
    /* Lines of y may be far off: they are asked for before the sums, so that stores find them. */
#define PLANAR_CLAIM(i)                                                                            \
    if (i < mr) {                                                                                  \
        __builtin_prefetch(job->y[i] + job->column, 1, 3);                                         \
        if (nv > 1) __builtin_prefetch(job->y[i] + job->column + SV_VF, 1, 3);                     \
    }
    PLANAR_EACH_ROW(PLANAR_CLAIM)
    for (int64_t k = 0; k < job->taps; k++, panel += step) {
        const float *x0 = job->x[k] + offset, *x4 = x0 + four, *x8 = x4 + four;
        const sv_vf b0 = tile_weights(low0, panel);
        const sv_vf b1 = nv > 1 ? tile_weights(low1, panel + SV_VF) : b0;
#define PLANAR_STEP(i)                                                                             \
    if (i < mr) {                                                                                  \
        const float *x = i < 4 ? x0 : i < 8 ? x4 : x8;                                             \
        const float *at = x + (i % 4 == 3 ? three : i % 4 * stride);                               \
        const sv_vf a = low0 ? vf_low_set1(*at) : vf_set1(*at);                                    \
        c##i##_0 = tile_add(low0, a, b0, c##i##_0);                                                \
        if (nv > 1) c##i##_1 = tile_add(low1, a, b1, c##i##_1);                                    \
    }
        PLANAR_EACH_ROW(PLANAR_STEP)
    }
    const tile_end end = tile_end_of(job);
#define PLANAR_FINISH(i)                                                                           \
    if (i < mr) {                                                                                  \
        tile_finish(&end, i, 0, lanes0, tile_sums(low0, c##i##_0));                                \
        if (nv > 1) tile_finish(&end, i, SV_VF, lanes1, tile_sums(low1, c##i##_1));                \
    }
    PLANAR_EACH_ROW(PLANAR_FINISH)
}

#define PLANAR_DEFINE(halves, mr, stride)                                                          \
    static void planar_##mr##_##halves##_##stride(const tile_job *job)                             \
    {                                                                                              \
        planar_kernel(mr, halves, stride, job);                                                    \
    }
#define PLANAR_NAME(halves, mr, stride) planar_##mr##_##halves##_##stride,
#define PLANAR_FORMS(F, mr)                                                                        \
    TILE_EACH_WIDTH(F, mr, 0) TILE_EACH_WIDTH(F, mr, 1) TILE_EACH_WIDTH(F, mr, 2)
PLANAR_FORMS(PLANAR_DEFINE, 1)
PLANAR_FORMS(PLANAR_DEFINE, 2)
PLANAR_FORMS(PLANAR_DEFINE, 3)
PLANAR_FORMS(PLANAR_DEFINE, 4)
PLANAR_FORMS(PLANAR_DEFINE, 5)
PLANAR_FORMS(PLANAR_DEFINE, 6)
#if TILE_MR == 12
PLANAR_FORMS(PLANAR_DEFINE, 12)
#endif

/* By pixels - 1; those of a whole tile last. */
static tile_fn *const planar_table[][3 * TILE_KERNELS] = {
    {PLANAR_FORMS(PLANAR_NAME, 1)},  {PLANAR_FORMS(PLANAR_NAME, 2)}, {PLANAR_FORMS(PLANAR_NAME, 3)},
    {PLANAR_FORMS(PLANAR_NAME, 4)},  {PLANAR_FORMS(PLANAR_NAME, 5)}, {PLANAR_FORMS(PLANAR_NAME, 6)},
#if TILE_MR == 12
    {PLANAR_FORMS(PLANAR_NAME, 12)},
#endif
};

/* Pixels of the next tile where `left` are left: whole tiles, then one or two even ones. */
static int64_t planar_height(int64_t left)
{
    if (left >= TILE_MR) return TILE_MR;
    return left > 6 ? (left + 1) / 2 : left;
}

/* ---- rows of the result -------------------------------------------------------------------- */

typedef struct planar_run {
    const sv_call *call;
    window_shape shape;
    tile_epilogue epilogue;
    conv_sides sides;
    int64_t parts, width; /* of a row of the result; of what a part meets of a row of x */
    int64_t depth;
    int64_t image; /* that was copied as a whole, -1: none yet, -2: none is */
    const float *tap[PLANAR_DEPTH];
    float *rows; /* [kernel's rows, or the image's][channels][width] */
} planar_run;

static int64_t planar_parts(const window_shape *shape)
{
    return (shape->y.d[2] + PLANAR_PIXELS - 1) / PLANAR_PIXELS;
}

static int64_t planar_width(const window_shape *shape)
{
    const int64_t parts = planar_parts(shape), pixels = (shape->y.d[2] + parts - 1) / parts;
    return (pixels - 1) * shape->stride[2] + (shape->kernel[2] - 1) * shape->dilation[2] + 1;
}

/* Elements [first, first + width) of a row of one channel of x; `from` is NULL outside x. */
static void planar_copy(const planar_run *run, const float *from, int64_t first, float *to)
{
    const int64_t width = run->width, before = first < 0 ? -first : 0;
    int64_t there = run->shape.x.d[2] - (first + before);
    if (there > width - before) there = width - before;
    if (!from || there <= 0) {
        memset(to, 0, (size_t)width * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)before * sizeof *to);
    memcpy(to + before, from + first + before, (size_t)there * sizeof *to);
    memset(to + before + there, 0, (size_t)(width - before - there) * sizeof *to);
}

/* Rows of a whole image, with its border; 0 where rows are copied as they are needed. */
static int64_t planar_image_rows(const window_shape *shape)
{
    const int64_t rows =
        (shape->y.d[1] - 1) * shape->stride[1] + (shape->kernel[1] - 1) * shape->dilation[1] + 1;
    const int64_t width = planar_width(shape);
    if (rows > PLANAR_IMAGE || width > PLANAR_IMAGE || planar_parts(shape) > 1) return 0;
    return rows * shape->x.c * width <= PLANAR_IMAGE ? rows : 0;
}

/* Copies `count` rows of image n, `apart`, from row and column on. */
static void planar_fetch(const planar_run *run, int64_t n, int64_t row, int64_t apart,
                         int64_t count, int64_t column)
{
    const window_operand *x = &run->shape.x;
    const float *image = (const float *)run->call->ptr[0] + n * x->n_stride;
    float *to = run->rows;
    for (int64_t i = 0; i < count; i++, row += apart) {
        for (int64_t c = 0; c < x->c; c++, to += run->width) {
            const float *from = image + row * x->s[1] + c * x->c_stride;
            planar_copy(run, conv_inside(row, x->d[1]) ? from : NULL, column, to);
        }
    }
}

/* A pointer for each product of a sum, in the order of the weights. */
static void planar_list(planar_run *run)
{
    const window_shape *shape = &run->shape;
    const float **to = run->tap;
    const int64_t apart = (run->image == -2 ? 1 : shape->dilation[1]) * shape->x.c;
    for (int64_t i = 0; i < shape->kernel[1]; i++) {
        for (int64_t j = 0; j < shape->kernel[2]; j++) {
            for (int64_t c = 0; c < shape->x.c; c++)
                *to++ = run->rows + (i * apart + c) * run->width + j * shape->dilation[2];
        }
    }
    run->depth = to - run->tap;
}

/* `high` pixels from `at` on of a row, which begins at y and side; what they meet begins `offset`
 * elements behind what was copied. */
static void planar_tile(const planar_run *run, float *y, const float *const *side, int64_t offset,
                        int64_t at, int64_t high)
{
    const window_operand *to = &run->shape.y;
    const int64_t stride = run->shape.stride[2];
    const float *list[SV_EPILOGUE_MAX * TILE_MR];
    float *out[TILE_MR];
    for (int64_t i = 0; i < high; i++) {
        out[i] = y + (at + i) * to->s[2];
        for (int32_t s = 0; s < run->sides.n; s++)
            list[s * high + i] = side[s] + (at + i) * run->sides.operand[s].s[2];
    }
    const tile_rows rows = {.n = (int32_t)high, .x = run->tap, .y = out, .side = list};
    for (int64_t column = 0; column < to->c; column += TILE_NR) {
        const int64_t left = to->c - column;
        const int vectors = left > SV_VF ? 2 : 1;
        const tile_panel panel = {.at = (const float *)run->call->ptr[1] + column * run->depth,
                                  .step = vectors * SV_VF,
                                  .taps = run->depth,
                                  .depth = 1,
                                  .x_offset = offset,
                                  .group = stride,
                                  .column = column,
                                  .columns = (int32_t)(left < TILE_NR ? left : TILE_NR),
                                  .y_step = to->c_stride};
        tile_fn *const *forms = planar_table[high <= 6 ? high - 1 : 6];
        const int64_t form = (stride <= 2 ? stride : 0) * TILE_KERNELS;
        tile_apply(forms[form + tile_kernel_of(panel.columns)], vectors, &run->epilogue, &rows,
                   &panel);
    }
}

/* Makes sure that what row `row` of image n of the result meets from pixel `first` on has been
 * copied; returns where it begins. */
static int64_t planar_meet(planar_run *run, int64_t n, int64_t row, int64_t first)
{
    const window_shape *shape = &run->shape;
    const int64_t *stride = shape->stride, *pad = shape->pad;
    if (run->image == -2) {
        planar_fetch(run, n, row * stride[1] - pad[1], shape->dilation[1], shape->kernel[1],
                     first * stride[2] - pad[2]);
        return 0;
    }
    if (run->image != n) planar_fetch(run, n, -pad[1], 1, planar_image_rows(shape), -pad[2]);
    run->image = n;
    return row * stride[1] * shape->x.c * run->width;
}

static void planar_unit(planar_run *run, uint32_t unit)
{
    const window_operand *y = &run->shape.y;
    const int64_t line = unit / run->parts, part = unit % run->parts;
    const int64_t n = line / y->d[1], row = line % y->d[1];
    const int64_t first = tile_part(y->d[2], run->parts, part);
    const int64_t end = tile_part(y->d[2], run->parts, part + 1);
    float *const to = (float *)run->call->ptr[2] + n * y->n_stride + row * y->s[1];
    const float *side[SV_EPILOGUE_MAX];
    const int64_t offset = planar_meet(run, n, row, first);
    for (int32_t s = 0; s < run->sides.n; s++)
        side[s] = conv_side_row(&run->sides, s, n, row);
    for (int64_t at = first; at < end;) {
        const int64_t high = planar_height(end - at);
        planar_tile(run, to, side, offset + (at - first) * run->shape.stride[2], at, high);
        at += high;
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool planar_supports(const sv_problem *problem)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *x = &problem->desc[0];
    const int32_t last = param->spatial + 1;
    int64_t depth = x->dim[1];
    if (!tile_all_f32(problem) || param->spatial > 2 || param->groups != 1) return false;
    if (x->dim[1] > PLANAR_CHANNELS || (x->dim[last] != 1 && x->stride[last] != 1)) return false;
    for (int32_t i = 0; i < param->spatial && depth <= PLANAR_DEPTH; i++)
        depth *= param->kernel[i];
    return depth <= PLANAR_DEPTH;
}

/* Nothing but sums, and the rows of x that are copied again and again. */
static double planar_cost(const sv_problem *problem)
{
    window_shape shape;
    window_of_conv(problem->desc, problem->param, &shape);
    const double columns = (double)shape.y.c;
    const double computed = (double)sv_panel_computed(shape.y.c, TILE_NR);
    const double copied = (double)(shape.kernel[1] * shape.x.c * planar_width(&shape)) *
                          (double)(shape.y.n * shape.y.d[1] * planar_parts(&shape));
    return sv_problem_default_cost(problem) +
           copied * 2 * sizeof(float) * sv_price(problem, SV_LEVEL, SV_PRICE_bytes) +
           sv_problem_flops(problem) * (computed / columns) *
               sv_price(problem, SV_LEVEL, SV_PRICE_product);
}

static uint32_t planar_units(const sv_problem *problem, uint32_t phase)
{
    const sv_desc *y = &problem->desc[2];
    (void)phase;
    if (sv_desc_count(y) == 0) return 0;
    window_shape shape;
    window_of_conv(problem->desc, problem->param, &shape);
    return (uint32_t)(y->dim[0] * shape.y.d[1] * planar_parts(&shape));
}

static size_t planar_scratch(const sv_problem *problem)
{
    window_shape shape;
    window_of_conv(problem->desc, problem->param, &shape);
    if (sv_desc_count(&problem->desc[2]) == 0) return 0;
    const int64_t image = planar_image_rows(&shape), rows = image ? image : shape.kernel[1];
    return (size_t)(rows * shape.x.c * planar_width(&shape)) * sizeof(float);
}

static void planar_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    planar_run run = {.call = call, .rows = call->scratch};
    window_of_conv(call->desc, call->param, &run.shape);
    tile_epilogue_init(call, 1, 1.0f, &run.epilogue);
    conv_sides_init(call, &run.epilogue, &run.sides);
    run.parts = planar_parts(&run.shape);
    run.width = planar_width(&run.shape);
    run.image = planar_image_rows(&run.shape) ? -1 : -2;
    planar_list(&run);
    for (uint32_t unit = begin; unit < end; unit++)
        planar_unit(&run, unit);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_conv_planar) = {
    .name = "conv_planar_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_conv,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_conv_panels,
    .supports = planar_supports,
    .cost = planar_cost,
    .units = planar_units,
    .scratch = planar_scratch,
    .run = planar_run_units,
};
