/* Depthwise convolutions of two dimensions, 3 x 3 to 9 x 9, and 3 x 3 ones of narrow groups, with
 * strides 1 and for the small ones 2, at one CPU level: the common ones, in blocks of two output
 * rows by several columns, each input read once a block.
 *
 * A unit is a pair of output rows. A block lists a pointer for each position of its window, to x or
 * to zeros where the window leaves x, and walks over the channels, a vector at a time; the last
 * channels, which fill no vector, are gathered first. With a dilation, the rows and the columns of
 * a block lie that far apart. All other depthwise convolutions are done by depthwise_tmpl.h. */
#include "kernels/conv/depthwise_rows.h"
#include "kernels/conv/group_lanes.h"

/* Columns of a block, at most. Its accumulators and one or two rows of weights fill the registers.
 */
#if SV_REGISTERS == 32
#define BLOCK_COLUMNS 7
#else
#define BLOCK_COLUMNS 4
#endif
/* The largest window. Where a product needs a register of its own, and there are sixteen, larger
 * ones take half as long by pixels. */
#if SV_VF == 4 && SV_REGISTERS == 16
#define BLOCK_SIZE 5
#else
#define BLOCK_SIZE 9
#endif
/* Positions of a block's window, at most. */
#define BLOCK_WINDOW (DEPTHWISE_ROWS_IN * DEPTHWISE_ROWS_WIDE)

/* ---- micro-kernels ------------------------------------------------------------------------- */

#if BLOCK_COLUMNS == 7
#define BLOCK_EACH_COLUMN(F, r, j)                                                                 \
    F(r, 0, j) F(r, 1, j) F(r, 2, j) F(r, 3, j) F(r, 4, j) F(r, 5, j) F(r, 6, j)
#define BLOCK_EACH_INPUT(F)                                                                        \
    F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16)
#else
#define BLOCK_EACH_COLUMN(F, r, j) F(r, 0, j) F(r, 1, j) F(r, 2, j) F(r, 3, j)
#define BLOCK_EACH_INPUT(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#endif

/* Unrolled for arm64 by clang, a kernel loads the weights of several rows together: more than
 * registers hold. (On x86-64 it makes no difference in time.) */
#if defined(__clang__) && defined(SV_SIMD_NEON)
#define BLOCK_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define BLOCK_ROLLED
#endif

/* The q-th of a row of weights; q is known to the compiler. */
SV_INLINE sv_vf block_weight(const int q, sv_vf w0, sv_vf w1, sv_vf w2, sv_vf w3, sv_vf w4,
                             sv_vf w5, sv_vf w6, sv_vf w7, sv_vf w8)
{
    if (q < 5) return q == 0 ? w0 : q == 1 ? w1 : q == 2 ? w2 : q == 3 ? w3 : w4;
    return q == 5 ? w5 : q == 6 ? w6 : q == 7 ? w7 : w8;
}

/* A tile_fn: `high` rows of `wide` outputs of a `size` x `size` kernel, over job->columns channels.
 * Input row i meets row i of the kernel for the first output row, row i - stride for the second.
 * `grouped`: in groups of job->group, each of which sums job->depth channels of x. */
SV_INLINE void block_kernel(const int size, const int stride, const int high, const int wide,
                            const bool grouped, const tile_job *job)
{
    const tile_end end = tile_end_of(job);
    const int window = (wide - 1) * stride + size;
    const int64_t columns = job->columns, step = job->step, depth = grouped ? job->depth : 1;
    for (int64_t c = 0; c < columns; c += SV_VF) {
        const tile_lanes lanes = tile_lanes_of(columns - c);
        const sv_vf bias = job->bias ? tile_load(job->bias + c, lanes) : vf_zero();
        const group_lanes groups = grouped ? group_lanes_of(job, c) : (group_lanes){.n = 0};
#define BLOCK_DECLARE(r, t, j) sv_vf c##r##_##t = bias;
        BLOCK_EACH_COLUMN(BLOCK_DECLARE, 0, 0)
        BLOCK_EACH_COLUMN(BLOCK_DECLARE, 1, 0)
        const float *weight = job->panel + (grouped ? c * depth * size * size : c);
        const int64_t offset = job->x_offset + (grouped ? c / job->group * depth : c);
        for (int64_t g = 0; g < depth; g++, weight += size * size * step) {
            const float *const *x = job->x;
            const sv_vi lane = grouped ? group_lanes_at(&groups, g) : groups.first;
#define BLOCK_LOAD(i, q) (q < size ? vf_load(weight + ((i)*size + q) * step) : vf_zero())
#define BLOCK_STEP(r, t, j)                                                                        \
    if (t < wide && j - t * stride >= 0 && j - t * stride < size) {                                \
        c##r##_##t = vf_fma(in,                                                                    \
                            block_weight(j - t * stride, w##r##0, w##r##1, w##r##2, w##r##3,       \
                                         w##r##4, w##r##5, w##r##6, w##r##7, w##r##8),             \
                            c##r##_##t);                                                           \
    }
#define BLOCK_READ(at) (grouped ? vf_permute(vf_load_n(at, groups.n), lane) : vf_load(at))
#define BLOCK_INPUT(j)                                                                             \
    if (j < window) {                                                                              \
        const sv_vf in = BLOCK_READ(x[j] + offset);                                                \
        if (first) {                                                                               \
            BLOCK_EACH_COLUMN(BLOCK_STEP, 0, j)                                                    \
        }                                                                                          \
        if (second) {                                                                              \
            BLOCK_EACH_COLUMN(BLOCK_STEP, 1, j)                                                    \
        }                                                                                          \
    }
#define BLOCK_WEIGHTS(r, i)                                                                        \
    const sv_vf w##r##0 = BLOCK_LOAD(i, 0), w##r##1 = BLOCK_LOAD(i, 1),                            \
                w##r##2 = BLOCK_LOAD(i, 2), w##r##3 = BLOCK_LOAD(i, 3),                            \
                w##r##4 = BLOCK_LOAD(i, 4), w##r##5 = BLOCK_LOAD(i, 5),                            \
                w##r##6 = BLOCK_LOAD(i, 6), w##r##7 = BLOCK_LOAD(i, 7),                            \
                w##r##8 = BLOCK_LOAD(i, 8);
#define BLOCK_ROWS(from, to, with_first, with_second)                                              \
    BLOCK_ROLLED for (int i = from; i < to; i++, x += window)                                      \
    {                                                                                              \
        const bool first = with_first, second = with_second;                                       \
        BLOCK_WEIGHTS(0, first ? i : 0)                                                            \
        BLOCK_WEIGHTS(1, second ? i - stride : 0)                                                  \
        BLOCK_EACH_INPUT(BLOCK_INPUT)                                                              \
    }
            if (high == 1) {
                BLOCK_ROWS(0, size, true, false)
            } else {
                BLOCK_ROWS(0, stride, true, false)
                BLOCK_ROWS(stride, size, true, true)
                BLOCK_ROWS(size, size + stride, false, true)
            }
        }
#define BLOCK_FINISH(r, t, j)                                                                      \
    if (r < high && t < wide) tile_finish(&end, r *wide + t, c, lanes, c##r##_##t);
        BLOCK_EACH_COLUMN(BLOCK_FINISH, 0, 0)
        BLOCK_EACH_COLUMN(BLOCK_FINISH, 1, 0)
    }
}

/* Blocks of 1 to 4 and, with many registers, of 5 and of 7 columns. */
#define BLOCK_WIDTHS 6
static const int block_width[BLOCK_WIDTHS] = {1, 2, 3, 4, 5, 7};

/* Which width is next, where so many columns are left: as few blocks as can be, of like widths. */
static int block_next(int64_t left)
{
    if (left < BLOCK_COLUMNS) return left == 6 ? 2 : (int)left - 1;
    return BLOCK_COLUMNS == 7 ? BLOCK_WIDTHS - 1 : 3;
}

#define BLOCK_DEFINE(size, stride, high, wide)                                                     \
    static void block_##size##_##stride##_##high##_##wide(const tile_job *job)                     \
    {                                                                                              \
        block_kernel(size, stride, high, wide, false, job);                                        \
    }
#define BLOCK_DEFINE_GROUPS(size, stride, high, wide)                                              \
    static void group_##size##_##stride##_##high##_##wide(const tile_job *job)                     \
    {                                                                                              \
        block_kernel(size, stride, high, wide, true, job);                                         \
    }
#define BLOCK_EACH_NARROW(F, size, stride, high)                                                   \
    F(size, stride, high, 1)                                                                       \
    F(size, stride, high, 2) F(size, stride, high, 3) F(size, stride, high, 4)
#if BLOCK_COLUMNS == 7
#define BLOCK_EACH_WIDTH(F, size, stride, high)                                                    \
    BLOCK_EACH_NARROW(F, size, stride, high) F(size, stride, high, 5) F(size, stride, high, 7)
#else
#define BLOCK_EACH_WIDTH BLOCK_EACH_NARROW
#endif
#define BLOCK_EACH_HIGH(WIDTHS, F, size, stride)                                                   \
    WIDTHS(F, size, stride, 1)                                                                     \
    WIDTHS(F, size, stride, 2)
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE, 3, 1)
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE, 3, 2)
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE, 5, 1)
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE, 5, 2)
#if BLOCK_SIZE == 9
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE, 7, 1)
BLOCK_EACH_HIGH(BLOCK_EACH_NARROW, BLOCK_DEFINE, 9, 1)
#endif
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE_GROUPS, 3, 1)
BLOCK_EACH_HIGH(BLOCK_EACH_WIDTH, BLOCK_DEFINE_GROUPS, 3, 2)

#define BLOCK_NAME(size, stride, high, wide) block_##size##_##stride##_##high##_##wide,
#define BLOCK_NAME_GROUPS(size, stride, high, wide) group_##size##_##stride##_##high##_##wide,
#define BLOCK_ENTRY(WIDTHS, NAME, size, stride)                                                    \
    {                                                                                              \
        {WIDTHS(NAME, size, stride, 1)},                                                           \
        {                                                                                          \
            WIDTHS(NAME, size, stride, 2)                                                          \
        }                                                                                          \
    }
typedef tile_fn *const block_kernels[2][BLOCK_WIDTHS];
static block_kernels block_table[4][2] = {
    {BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME, 3, 1),
     BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME, 3, 2)},
    {BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME, 5, 1),
     BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME, 5, 2)},
#if BLOCK_SIZE == 9
    {BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME, 7, 1)},
    {BLOCK_ENTRY(BLOCK_EACH_NARROW, BLOCK_NAME, 9, 1)},
#endif
};
static block_kernels block_groups[2] = {BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME_GROUPS, 3, 1),
                                        BLOCK_ENTRY(BLOCK_EACH_WIDTH, BLOCK_NAME_GROUPS, 3, 2)};

/* ---- blocks -------------------------------------------------------------------------------- */

/* `wide` columns of the rows, `apart`, from x on. */
typedef struct block_place {
    int64_t x, wide, apart;
} block_place;

/* Where the outputs lie in rows of y's shape; returns what follows the last pointer. */
static const float **block_list(const float *const *row, int64_t high, int64_t step,
                                const block_place *at, const float **to)
{
    for (int64_t i = 0; i < high; i++) {
        for (int64_t j = 0; j < at->wide; j++)
            *to++ = row[i] + (at->x + j * at->apart) * step;
    }
    return to;
}

/* The window's positions in x; returns how many. */
static int64_t block_window(const depthwise_rows *run, const block_place *at, const float **to)
{
    const window_shape *shape = run->shape;
    const int64_t size = shape->x.d[2], step = shape->x.s[2];
    const int64_t high = depthwise_rows_in(shape, run->high);
    const int64_t wide = (at->wide - 1) * shape->stride[2] + shape->kernel[2];
    const int64_t left = at->x * shape->stride[2] - shape->pad[2];
    const int64_t apart = at->apart;
    const bool inside = left >= 0 && left + (wide - 1) * apart < size;
    for (int64_t i = 0; i < high; i++, to += wide) {
        const float *row = run->in[i];
        if (row && inside) {
            for (int64_t j = 0; j < wide; j++)
                to[j] = row + (left + j * apart) * step;
            continue;
        }
        const int64_t width = row ? size : 0;
        for (int64_t j = 0; j < wide; j++)
            to[j] =
                conv_inside(left + j * apart, width) ? row + (left + j * apart) * step : run->zero;
    }
    return high * wide;
}

/* Channels [first, first + n) of a block, n whole vectors or less than one. */
static void block_channels(const depthwise_rows *run, tile_fn *kernel, const tile_rows *rows,
                           int64_t first, int64_t n, int64_t x_offset)
{
    const window_operand *y = &run->shape->y;
    const bool grouped = run->group > 1;
    const int64_t taps = run->shape->taps, before = grouped ? first * run->depth * taps : first;
    const tile_panel panel = {.at = run->weights + before,
                              .step = grouped ? SV_VF : sv_depthwise_channels(y->c),
                              .taps = taps,
                              .depth = run->depth,
                              .group = run->group,
                              .x_offset = x_offset,
                              .column = first,
                              .columns = (int32_t)n,
                              .y_step = y->c_stride};
    tile_apply(kernel, (int)((n + SV_VF - 1) / SV_VF), run->epilogue, rows, &panel);
}

static void block_do(const depthwise_rows *run, const block_place *at, tile_fn *kernel)
{
    const window_operand *y = &run->shape->y;
    const float *window[BLOCK_WINDOW];
    const float *list[(1 + SV_EPILOGUE_MAX) * 2 * BLOCK_COLUMNS];
    const float **side = block_list((const float *const *)run->out, run->high, y->s[2], at, list),
                **next = side;
    for (int32_t s = 0; s < run->sides->n; s++)
        next = block_list(run->side[s], run->high, run->sides->operand[s].s[2], at, next);
    const int64_t positions = block_window(run, at, window), whole = y->c / SV_VF * SV_VF;
    tile_rows rows = {
        .n = (int32_t)(run->high * at->wide), .x = window, .y = (float *const *)list, .side = side};
    const int64_t width = run->epilogue->direct && y->c_stride == 1 ? whole : TILE_NR;
    for (int64_t c = 0; c < whole; c += width) {
        int64_t n = whole - c < width ? whole - c : width;
        block_channels(run, kernel, &rows, c, n, c / run->group * run->depth);
    }
    if (whole == y->c) return;
    if (run->group > 1) {
        block_channels(run, kernel, &rows, whole, y->c - whole, whole / run->group * run->depth);
        return;
    }
    for (int64_t i = 0; i < positions; i++) {
        float *to = run->last + i * SV_VF;
        vf_store(to, vf_load_n(window[i] + whole, y->c - whole));
        window[i] = to;
    }
    block_channels(run, kernel, &rows, whole, y->c - whole, 0);
}

/* From the left, for each remainder of the dilation. */
void SV_LEVEL_NAME(sv_depthwise_rows)(const depthwise_rows *rows)
{
    const window_shape *shape = rows->shape;
    const int64_t stride = shape->stride[1] == 2, apart = shape->dilation[2];
    tile_fn *const *kernels = rows->group > 1
                                  ? block_groups[stride][rows->high - 1]
                                  : block_table[shape->kernel[1] / 2 - 1][stride][rows->high - 1];
    for (int64_t first = 0; first < apart && first < shape->y.d[2]; first++) {
        block_place at = {.x = first, .apart = apart};
        for (int64_t left = (shape->y.d[2] - first + apart - 1) / apart; left > 0;
             left -= at.wide, at.x += at.wide * apart) {
            int next = block_next(left);
            while (!kernels[next])
                next--;
            at.wide = block_width[next];
            block_do(rows, &at, kernels[next]);
        }
    }
}

/* Pixels that are added in f32 before they are put on the pile: sums stay accurate. */
#define BLOCK_SUMMED 256
/* Vectors of channels that are summed together. */
#define BLOCK_SUMS 4

/* Adds `n` pixels of BLOCK_SUMS vectors, or of one of which `lanes` channels count. */
SV_INLINE void block_add(const float *x, int64_t step, int64_t n, bool wide, int64_t lanes,
                         sv_vf *total)
{
    sv_vf a = vf_zero(), b = a, c = a, d = a;
    for (int64_t i = 0; i < n; i++, x += step) {
        a = a + (wide ? vf_load(x) : vf_load_n(x, lanes));
        if (!wide) continue;
        b = b + vf_load(x + SV_VF);
        c = c + vf_load(x + 2 * SV_VF);
        d = d + vf_load(x + 3 * SV_VF);
    }
    total[0] = total[0] + a;
    total[1] = total[1] + b;
    total[2] = total[2] + c;
    total[3] = total[3] + d;
}

void SV_LEVEL_NAME(sv_depthwise_sums)(const depthwise_rows *rows, float *to)
{
    const window_operand *y = &rows->shape->y;
    const int64_t pixels = y->d[2], step = y->s[2];
    for (int64_t c = 0; c < y->c;) {
        const bool wide = y->c - c >= BLOCK_SUMS * SV_VF;
        const int64_t lanes = y->c - c < SV_VF ? y->c - c : SV_VF;
        sv_vf total[BLOCK_SUMS] = {vf_zero()};
        for (int64_t at = 0; at < rows->high * pixels;) {
            const int64_t row = at / pixels, x = at % pixels;
            const int64_t n = pixels - x < BLOCK_SUMMED ? pixels - x : BLOCK_SUMMED;
            const float *from = rows->out[row] + x * step + c;
            if (wide) {
                block_add(from, step, n, true, lanes, total);
            } else {
                block_add(from, step, n, false, lanes, total);
            }
            at += n;
        }
        for (int k = 0; k < (wide ? BLOCK_SUMS : 1); k++)
            vf_store_n(to + c + k * SV_VF, total[k], lanes);
        c += wide ? BLOCK_SUMS * SV_VF : lanes;
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

/* Pairs of rows of an image; with a dilation, rows that far apart are a pair. */
static int64_t block_pairs(int64_t rows, int64_t dilation)
{
    const int64_t rest = rows % (2 * dilation);
    return rows / (2 * dilation) * dilation + (rest < dilation ? rest : dilation);
}

static bool block_supports(const sv_problem *problem)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *x = &problem->desc[0];
    if (!tile_all_f32(problem) || param->spatial != 2 || (x->dim[1] != 1 && x->stride[1] != 1))
        return false;
    const int64_t size = param->kernel[0], stride = param->stride[0];
    const bool plain = param->dilation[0] == 1 && param->dilation[1] == 1;
    const bool narrow = problem->b_format == SV_FORMAT_conv_groups;
    if (size != param->kernel[1] || stride != param->stride[1]) return false;
    if (size % 2 == 0 || size < 3 || size > (narrow ? 3 : BLOCK_SIZE)) return false;
    return stride == 1 || (stride == 2 && plain && size <= 5);
}

static double block_cost(const sv_problem *problem)
{
    return sv_problem_default_cost(problem) + depthwise_rows_ns(problem, sv_problem_flops(problem));
}

static uint32_t block_units(const sv_problem *problem, uint32_t phase)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *y = &problem->desc[2];
    (void)phase;
    if (sv_desc_count(y) == 0) return 0;
    return (uint32_t)(y->dim[0] * block_pairs(y->dim[2], param->dilation[0]));
}

static size_t block_scratch(const sv_problem *problem)
{
    int64_t floats = depthwise_rows_zeros(problem->desc[0].dim[1]) + DEPTHWISE_ROWS_LAST;
    return (size_t)floats * sizeof(float);
}

typedef struct block_run {
    const sv_call *call;
    window_shape shape;
    tile_epilogue epilogue;
    conv_sides sides;
    depthwise_rows rows;
    float *sums; /* [units][channels], or NULL */
} block_run;

/* A pair of output rows. */
static void block_unit(block_run *run, uint32_t unit)
{
    const window_shape *shape = &run->shape;
    const window_operand *x = &shape->x, *y = &shape->y;
    depthwise_rows *rows = &run->rows;
    const int64_t apart = shape->dilation[1], pairs = block_pairs(y->d[1], apart);
    const int64_t n = unit / pairs, pair = unit % pairs;
    const int64_t at = pair / apart * 2 * apart + pair % apart;
    rows->high = y->d[1] - at > apart ? 2 : 1;
    const float *image = (const float *)run->call->ptr[0] + n * x->n_stride;
    int64_t from = at * shape->stride[1] - shape->pad[1];
    for (int64_t i = 0; i < depthwise_rows_in(shape, rows->high); i++, from += apart)
        rows->in[i] = conv_inside(from, x->d[1]) ? image + from * x->s[1] : NULL;
    for (int64_t i = 0; i < rows->high; i++) {
        const int64_t to = at + i * apart;
        rows->out[i] = (float *)run->call->ptr[2] + n * y->n_stride + to * y->s[1];
        for (int32_t s = 0; s < run->sides.n; s++)
            rows->side[s][i] = conv_side_row(&run->sides, s, n, to);
    }
    SV_LEVEL_NAME(sv_depthwise_rows)(rows);
    if (run->sums) SV_LEVEL_NAME(sv_depthwise_sums)(rows, run->sums + unit * y->c);
}

static void block_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    block_run run = {.call = call};
    const uint8_t sums = ((const sv_conv_param *)call->param)->sums;
    if (sums) run.sums = call->ptr[sums];
    window_of_conv(call->desc, call->param, &run.shape);
    tile_epilogue_init(call, 1, 1.0f, &run.epilogue);
    conv_sides_init(call, &run.epilogue, &run.sides);
    const int64_t zeros = depthwise_rows_zeros(run.shape.x.c);
    memset(call->scratch, 0, (size_t)zeros * sizeof(float));
    const int64_t groups = ((const sv_conv_param *)call->param)->groups;
    run.rows = (depthwise_rows){.shape = &run.shape,
                                .group = run.shape.y.c / groups,
                                .depth = run.shape.x.c / groups,
                                .weights = call->ptr[1],
                                .epilogue = &run.epilogue,
                                .sides = &run.sides,
                                .zero = call->scratch,
                                .last = (float *)call->scratch + zeros};
    for (uint32_t unit = begin; unit < end; unit++)
        block_unit(&run, unit);
}

#define BLOCK_ROW(id, format)                                                                      \
    const sv_kernel SV_LEVEL_NAME(sv_kernel_##id) = {                                              \
        .name = #id "_" SV_LEVEL_TEXT,                                                             \
        .family = SV_FAMILY_conv,                                                                  \
        .level = SV_LEVEL,                                                                         \
        .b_format = format,                                                                        \
        .supports = block_supports,                                                                \
        .cost = block_cost,                                                                        \
        .units = block_units,                                                                      \
        .scratch = block_scratch,                                                                  \
        .sums = true,                                                                              \
        .run = block_run_units,                                                                    \
    };

BLOCK_ROW(conv_depthwise_block, SV_FORMAT_conv_depthwise)
BLOCK_ROW(conv_groups_block, SV_FORMAT_conv_groups)
