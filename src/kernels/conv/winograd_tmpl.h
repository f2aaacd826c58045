/* Winograd's convolution of f32 at one CPU level, channels innermost.
 *
 * A unit takes a block of tiles and a group of output channels: it transforms the inputs into
 * [alpha * alpha][tiles][channels] scratch, multiplies with the packed weights by the tiles of
 * tile_tmpl.h, and transforms the sums, through the epilogue, into y. Where there are few tiles,
 * the inputs are transformed once for all groups, in a phase before: rows named "shared".
 *
 * In volumes, a column is the tiles at one place of all slices, one after the other. What they read
 * is transformed slice by slice, and a tile's sums go over the slices of its window, as over taps.
 * An image is a volume of one slice. */
#include "kernels/conv/conv_shape.h"
#include "kernels/conv/winograd.h"
#include "kernels/strided.h"
#include "kernels/tile_tmpl.h"

/* Most outputs, and positions, of a tile. */
#define WINOGRAD_OUT 16
#define WINOGRAD_IN 36
/* Tiles of a block, at most; rows of a matrix product. */
#define WINOGRAD_TILES (2 * TILE_MR)
/* Panels whose sums are made before they are transformed. */
#define WINOGRAD_CHUNK 4
/* Up to so many tiles the inputs are transformed in a phase of their own. */
#define WINOGRAD_SHARED 64

/* The tiles along an axis, remainder after remainder of its dilation. */
typedef struct winograd_axis {
    int64_t tiles, step;   /* of all remainders; from an output of a tile to the next */
    int64_t longer;        /* remainders that come first, with an output more */
    int64_t first, second; /* tiles of one of these, of one of the others */
} winograd_axis;

typedef struct winograd_plan {
    winograd_form form;
    window_shape shape;
    bool shared;
    int64_t m, alpha, points;      /* points: alpha * alpha */
    winograd_axis high, wide;      /* tiles of an image down and across */
    int64_t deep, reach;           /* slices of y, and those that a column reads */
    int64_t slices;                /* that a tile reads */
    int64_t tiles;                 /* of all images */
    int64_t panels;                /* of output channels */
    int64_t blocks, block, groups; /* of tiles; most tiles of one; of panels */
    int64_t v_row, m_row;          /* floats between rows of transformed inputs, of sums */
    int64_t v_rows;                /* rows of a point's inputs: one of them is of one slice */
    int32_t n_side;
} winograd_plan;

static void winograd_axis_init(int64_t count, int64_t dilation, int64_t m, winograd_axis *out)
{
    *out = (winograd_axis){.tiles = winograd_tiles(count, dilation, m),
                           .step = dilation,
                           .longer = count % dilation,
                           .first = winograd_tiles_of(count, dilation, m, 0),
                           .second = winograd_tiles_of(count, dilation, m, dilation - 1)};
}

/* The first output of tile `t` along an axis. */
static int64_t winograd_first(const winograd_axis *axis, int64_t m, int64_t t)
{
    const int64_t before = axis->longer * axis->first;
    if (t < before) return t / axis->first + t % axis->first * m * axis->step;
    t -= before;
    return axis->longer + t / axis->second + t % axis->second * m * axis->step;
}

/* Of all slices that columns read, one column's after the other's: the first that tile `t` reads.
 */
static int64_t winograd_row(const winograd_plan *plan, int64_t t)
{
    return t / plan->deep * plan->reach + t % plan->deep;
}

static void winograd_plan_init(const sv_desc *desc, const sv_conv_param *param,
                               const sv_epilogue *epilogue, winograd_form form, bool shared,
                               winograd_plan *out)
{
    *out = (winograd_plan){
        .form = form, .shared = shared, .m = winograd_m(form), .alpha = winograd_alpha(form)};
    window_of_conv(desc, param, &out->shape);
    const window_operand *x = &out->shape.x, *y = &out->shape.y;
    out->points = out->alpha * out->alpha;
    winograd_axis_init(y->d[1], out->shape.dilation[1], out->m, &out->high);
    winograd_axis_init(y->d[2], out->shape.dilation[2], out->m, &out->wide);
    out->deep = y->d[0] > 0 ? y->d[0] : 1;
    out->slices = out->shape.kernel[0];
    out->reach = out->deep + out->slices - 1;
    out->tiles = y->d[0] * out->high.tiles * out->wide.tiles * y->n;
    out->panels = (y->c + TILE_NR - 1) / TILE_NR;
    out->blocks = (out->tiles + WINOGRAD_TILES - 1) / WINOGRAD_TILES;
    out->block = out->blocks ? (out->tiles + out->blocks - 1) / out->blocks : 0;
    out->groups = 1;
    if (shared) {
        out->groups = (out->panels + 1) / 2;
    } else if (out->blocks == 1 && out->panels > 1) {
        out->groups = 2;
    }
    out->v_row = (x->c + 15) / 16 * 16 + 16;
    out->m_row = sv_least(out->panels, WINOGRAD_CHUNK) * TILE_NR + 16;
    out->v_rows = winograd_row(out, shared ? out->tiles - 1 : out->block - 1) + out->slices;
    /* A block that begins within a column meets one more. */
    if (!shared) out->v_rows += out->slices - 1;
    for (uint32_t i = 0; i < epilogue->n; i++)
        out->n_side += epilogue->item[i].kind == SV_EPI_ADD || epilogue->item[i].kind == SV_EPI_MUL;
}

/* ---- memory -------------------------------------------------------------------------------- */

static int64_t winograd_v_floats(const winograd_plan *plan)
{
    return plan->points * plan->v_rows * plan->v_row;
}

/* Scratch of a thread: zeros, sums, transformed inputs unless they are shared. */
static size_t winograd_scratch_floats(const winograd_plan *plan)
{
    int64_t floats = plan->v_row + plan->points * plan->block * plan->m_row;
    if (!plan->shared) floats += winograd_v_floats(plan);
    return (size_t)floats;
}

typedef struct winograd_run {
    const sv_call *call;
    const winograd_plan *plan;
    tile_epilogue epilogue, plain;
    window_operand side[SV_EPILOGUE_MAX];
    const float *side_at[SV_EPILOGUE_MAX];
    float *zero, *v, *sums;
} winograd_run;

/* ---- transforms of one line ---------------------------------------------------------------- */

#define WINOGRAD_A 0.75f
#define WINOGRAD_B 1.5f
#define WINOGRAD_A2 (WINOGRAD_A * WINOGRAD_A)
#define WINOGRAD_B2 (WINOGRAD_B * WINOGRAD_B)

/* Inputs d[0], d[step], ... of a line; results to[0], to[to_step], ... Row p of the transform holds
 * the coefficients of m(x) / (x - p), the last those of m(x), m the product of all x - p. */
SV_INLINE void winograd_in_6(const sv_vf d[6], sv_vf to[6])
{
    const sv_vf a2 = vf_set1(-WINOGRAD_A2), b2 = vf_set1(-WINOGRAD_B2);
    const sv_vf sum = vf_set1(-WINOGRAD_A2 - WINOGRAD_B2);
    const sv_vf product = vf_set1(WINOGRAD_A2 * WINOGRAD_B2);
    sv_vf even_a = vf_fma(b2, d[2], d[4]), odd_a = vf_fma(b2, d[1], d[3]) * vf_set1(WINOGRAD_A);
    sv_vf even_b = vf_fma(a2, d[2], d[4]), odd_b = vf_fma(a2, d[1], d[3]) * vf_set1(WINOGRAD_B);
    to[0] = vf_fma(product, d[0], vf_fma(sum, d[2], d[4]));
    to[1] = even_a + odd_a;
    to[2] = even_a - odd_a;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = vf_fma(product, d[1], vf_fma(sum, d[3], d[5]));
}

SV_INLINE void winograd_in_4(const sv_vf d[4], sv_vf to[4])
{
    to[0] = d[2] - d[0];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
}

SV_INLINE void winograd_in(const int alpha, const sv_vf *d, sv_vf *to)
{
    if (alpha == 6) {
        winograd_in_6(d, to);
    } else {
        winograd_in_4(d, to);
    }
}

/* Output i is the sum of p^i over the points p; infinity counts for the last alone. */
SV_INLINE void winograd_out_6_4(const sv_vf s[6], sv_vf to[4])
{
    const sv_vf a = vf_set1(WINOGRAD_A), b = vf_set1(WINOGRAD_B);
    const sv_vf a2 = vf_set1(WINOGRAD_A2), b2 = vf_set1(WINOGRAD_B2);
    sv_vf even_a = s[1] + s[2], odd_a = (s[1] - s[2]) * a;
    sv_vf even_b = s[3] + s[4], odd_b = (s[3] - s[4]) * b;
    to[0] = s[0] + even_a + even_b;
    to[1] = odd_a + odd_b;
    to[2] = vf_fma(a2, even_a, b2 * even_b);
    to[3] = vf_fma(a2, odd_a, vf_fma(b2, odd_b, s[5]));
}

SV_INLINE void winograd_out_6_2(const sv_vf s[6], sv_vf to[2])
{
    const sv_vf a = vf_set1(WINOGRAD_A), b = vf_set1(WINOGRAD_B);
    to[0] = s[0] + (s[1] + s[2]) + (s[3] + s[4]);
    to[1] = vf_fma(a, s[1] - s[2], vf_fma(b, s[3] - s[4], s[5]));
}

SV_INLINE void winograd_out_4_2(const sv_vf s[4], sv_vf to[2])
{
    to[0] = s[0] + s[1] + s[2];
    to[1] = s[1] - s[2] + s[3];
}

SV_INLINE void winograd_out(const int alpha, const int m, const sv_vf *s, sv_vf *to)
{
    if (alpha == 4) {
        winograd_out_4_2(s, to);
    } else if (m == 4) {
        winograd_out_6_4(s, to);
    } else {
        winograd_out_6_2(s, to);
    }
}

/* ---- transforms of tiles ------------------------------------------------------------------- */

/* Column after column, then row after row; by way of memory, which stays in the first-level cache:
 * a tile is more than the registers hold. */
SV_INLINE void winograd_tile_in(const int alpha, const float *const *from, int64_t channels,
                                float *to, int64_t step)
{
    for (int64_t c = 0; c < channels; c += SV_VF) {
        sv_vf half[WINOGRAD_IN], d[6], t[6];
        const int64_t left = channels - c;
        for (int j = 0; j < alpha; j++) {
            for (int i = 0; i < alpha; i++) {
                const float *at = from[i * alpha + j] + c;
                d[i] = left >= SV_VF ? vf_load(at) : vf_load_n(at, left);
            }
            winograd_in(alpha, d, t);
            for (int i = 0; i < alpha; i++)
                half[i * alpha + j] = t[i];
        }
        for (int i = 0; i < alpha; i++) {
            winograd_in(alpha, half + i * alpha, t);
            for (int j = 0; j < alpha; j++)
                vf_store(to + (i * alpha + j) * step + c, t[j]);
        }
    }
}

/* A tile_fn: job->taps x job->depth outputs of a tile, which lie in y one after the other, over
 * job->columns channels; sums of a point lie job->step floats apart. */
SV_INLINE void winograd_tile_out(const int alpha, const int m, const tile_job *job)
{
    const tile_end end = tile_end_of(job);
    const int64_t high = job->taps, wide = job->depth, columns = job->columns, step = job->step;
    const float *from = job->panel, *bias = job->bias;
    for (int64_t c = 0; c < columns; c += SV_VF) {
        const tile_lanes lanes = tile_lanes_of(columns - c);
        const sv_vf start = bias ? tile_load(bias + c, lanes) : vf_zero();
        sv_vf half[4 * 6], s[6], t[4];
        for (int j = 0; j < alpha; j++) {
            for (int i = 0; i < alpha; i++)
                s[i] = vf_load(from + (i * alpha + j) * step + c);
            winograd_out(alpha, m, s, t);
            for (int i = 0; i < m; i++)
                half[i * alpha + j] = t[i];
        }
        for (int i = 0; i < high; i++) {
            winograd_out(alpha, m, half + i * alpha, t);
            for (int j = 0; j < m; j++) {
                if (j < wide) tile_finish(&end, i * (int)wide + j, c, lanes, t[j] + start);
            }
        }
    }
}

static void winograd_out_4_3(const tile_job *job)
{
    winograd_tile_out(6, 4, job);
}
static void winograd_out_2_3(const tile_job *job)
{
    winograd_tile_out(4, 2, job);
}
static void winograd_out_2_5(const tile_job *job)
{
    winograd_tile_out(6, 2, job);
}
static tile_fn *const winograd_outs[WINOGRAD_FORMS] = {winograd_out_4_3, winograd_out_2_3,
                                                       winograd_out_2_5};

/* A tile: its image and slice, its number down and across, its first output row and column. */
typedef struct winograd_place {
    int64_t n, slice, down, across, y, x;
} winograd_place;

/* Number `t` of all images, with columns of `deep`: tiles, or slices that they read. */
static winograd_place winograd_place_of(const winograd_plan *plan, int64_t deep, int64_t t)
{
    const int64_t wide = plan->wide.tiles, image = plan->high.tiles * wide;
    const int64_t column = t / deep, rest = column % image;
    winograd_place at = {
        .n = column / image, .slice = t % deep, .down = rest / wide, .across = rest % wide};
    at.y = winograd_first(&plan->high, plan->m, at.down);
    at.x = winograd_first(&plan->wide, plan->m, at.across);
    return at;
}

/* The place that follows. */
static void winograd_advance(const winograd_plan *plan, int64_t deep, winograd_place *at)
{
    if (++at->slice < deep) return;
    at->slice = 0;
    if (++at->across == plan->wide.tiles) {
        at->across = 0;
        if (++at->down == plan->high.tiles) {
            at->down = 0;
            at->n++;
        }
        at->y = winograd_first(&plan->high, plan->m, at->down);
    }
    at->x = winograd_first(&plan->wide, plan->m, at->across);
}

/* Transforms what tiles at a place read of a slice into row `row` of v. */
static void winograd_input(const winograd_run *run, const winograd_place *at, int64_t row)
{
    const winograd_plan *plan = run->plan;
    const window_operand *x = &plan->shape.x;
    const int64_t alpha = plan->alpha, top = at->y - plan->shape.pad[1];
    const int64_t left = at->x - plan->shape.pad[2], slice = at->slice - plan->shape.pad[0];
    const float *line = (const float *)run->call->ptr[0] + at->n * x->n_stride;
    const float *list[WINOGRAD_IN], **from = list;
    const int64_t down = plan->high.step, across = plan->wide.step;
    line += slice * x->s[0] + top * x->s[1] + left * x->s[2];
    const int64_t height = conv_inside(slice, x->d[0]) ? x->d[1] : 0;
    for (int64_t i = 0; i < alpha; i++, line += down * x->s[1]) {
        const int64_t width = conv_inside(top + i * down, height) ? x->d[2] : 0;
        for (int64_t j = 0; j < alpha; j++) {
            const bool there = conv_inside(left + j * across, width);
            *from++ = there ? line + j * across * x->s[2] : run->zero;
        }
    }
    float *to = run->v + row * plan->v_row;
    const int64_t step = plan->v_rows * plan->v_row;
    if (alpha == 6) {
        winograd_tile_in(6, list, x->c, to, step);
    } else {
        winograd_tile_in(4, list, x->c, to, step);
    }
}

/* Transforms slices [begin, end) of all that columns read; v's first row is slice `row`. */
static void winograd_inputs(const winograd_run *run, int64_t begin, int64_t end, int64_t row)
{
    winograd_place at = winograd_place_of(run->plan, run->plan->reach, begin);
    for (int64_t i = begin; i < end; i++, winograd_advance(run->plan, run->plan->reach, &at))
        winograd_input(run, &at, i - row);
}

/* Where the high x wide outputs of a tile lie in an operand of y's shape; returns what follows the
 * last pointer. */
static const float **winograd_list(const winograd_plan *plan, const window_operand *operand,
                                   const float *base, const winograd_place *at, int64_t high,
                                   int64_t wide, const float **to)
{
    const int64_t down = plan->high.step * operand->s[1];
    const int64_t across = plan->wide.step * operand->s[2];
    base += at->n * operand->n_stride + at->slice * operand->s[0];
    base += at->y * operand->s[1] + at->x * operand->s[2];
    for (int64_t i = 0; i < high; i++, base += down) {
        for (int64_t j = 0; j < wide; j++)
            *to++ = base + j * across;
    }
    return to;
}

/* Outputs of a tile along an axis of `count`, from `first` on. */
static int64_t winograd_outputs(const winograd_axis *axis, int64_t m, int64_t count, int64_t first)
{
    return sv_least(m, (count - first + axis->step - 1) / axis->step);
}

/* Transforms the sums in row `row` into a tile of y; columns [first, first + n). */
static void winograd_output(const winograd_run *run, const winograd_place *at, int64_t row,
                            int64_t first, int64_t n)
{
    const winograd_plan *plan = run->plan;
    const window_operand *y = &plan->shape.y;
    const int64_t high = winograd_outputs(&plan->high, plan->m, y->d[1], at->y);
    const int64_t wide = winograd_outputs(&plan->wide, plan->m, y->d[2], at->x);
    const float *list[(1 + SV_EPILOGUE_MAX) * WINOGRAD_OUT];
    const float **side = winograd_list(plan, y, run->call->ptr[2], at, high, wide, list);
    const float **next = side;
    for (int32_t s = 0; s < plan->n_side; s++)
        next = winograd_list(plan, &run->side[s], run->side_at[s], at, high, wide, next);
    const tile_rows rows = {.n = (int32_t)(high * wide), .y = (float *const *)list, .side = side};
    const bool whole = run->epilogue.direct && TILE_MASKS && y->c_stride == 1;
    const int64_t width = whole ? n : TILE_NR;
    for (int64_t c = 0; c < n; c += width) {
        const tile_panel panel = {.at = run->sums + row * plan->m_row + c,
                                  .step = plan->block * plan->m_row,
                                  .taps = high,
                                  .depth = wide,
                                  .column = first + c,
                                  .columns = (int32_t)sv_least(width, n - c),
                                  .y_step = y->c_stride};
        tile_apply(winograd_outs[plan->form], (int)((panel.columns + SV_VF - 1) / SV_VF),
                   &run->epilogue, &rows, &panel);
    }
}

/* ---- units --------------------------------------------------------------------------------- */

/* Where panel `p` of point `e` lies. */
static const float *winograd_weights(const winograd_run *run, int64_t e, int64_t p)
{
    const int64_t k = run->plan->shape.x.c * run->plan->slices, o = run->plan->shape.y.c;
    return (const float *)run->call->ptr[1] + (e * sv_panel_stored(o, TILE_NR) + p * TILE_NR) * k;
}

/* Tiles are multiplied in heaps: the h-th of them is [first, first + n). */
static int64_t winograd_heaps(int64_t tiles)
{
    return sv_divide_up(tiles, TILE_MR);
}
static int64_t winograd_heap(int64_t tiles, int64_t heaps, int64_t h, int64_t *n)
{
    const int64_t first = tile_part(tiles, heaps, h);
    *n = tile_part(tiles, heaps, h + 1) - first;
    return first;
}

/* All tiles of a block times one panel; x: heap by heap, [slices][n]. The panel that comes next is
 * read ahead meanwhile: with few rows a panel is used too briefly to hide how far off it is. */
static void winograd_panel(const winograd_run *run, const float *const *x, float *const *y,
                           int64_t tiles, tile_panel *panel, const float *next)
{
    const int64_t heaps = winograd_heaps(tiles);
    for (int64_t h = 0; h < heaps; h++) {
        int64_t n, from = winograd_heap(tiles, heaps, h, &n);
        const tile_rows rows = {.n = (int32_t)n, .x = x + from * panel->taps, .y = y + from};
        tile_read_ahead(panel, next, h, heaps);
        tile_run(&run->plain, &rows, panel);
    }
}

/* Lists what tiles [begin, end) read of v, whose first row is slice `row` of all columns'. */
static void winograd_list_inputs(const winograd_run *run, int64_t begin, int64_t end, int64_t row,
                                 const float **x)
{
    const winograd_plan *plan = run->plan;
    const int64_t tiles = end - begin, heaps = winograd_heaps(tiles);
    for (int64_t h = 0; h < heaps; h++) {
        int64_t n, first = begin + winograd_heap(tiles, heaps, h, &n);
        for (int64_t s = 0; s < plan->slices; s++) {
            for (int64_t i = 0; i < n; i++)
                *x++ = run->v + (winograd_row(plan, first + i) - row + s) * plan->v_row;
        }
    }
}

/* The products of `tiles` tiles, which read x, with panels [first, last), into the sums. */
static void winograd_multiply(const winograd_run *run, const float *const *x, int64_t tiles,
                              int64_t first, int64_t last)
{
    const winograd_plan *plan = run->plan;
    float *y[WINOGRAD_TILES];
    for (int64_t i = 0; i < tiles; i++)
        y[i] = run->sums + i * plan->m_row;
    for (int64_t e = 0; e < plan->points; e++) {
        for (int64_t p = first; p < last; p++) {
            const int64_t width = sv_panel_columns(plan->shape.y.c, p * TILE_NR, TILE_NR);
            const bool more = p + 1 < last, done = !more && e + 1 == plan->points;
            tile_panel panel = {.at = winograd_weights(run, e, p),
                                .step = width,
                                .taps = plan->slices,
                                .depth = plan->shape.x.c,
                                .x_offset = e * plan->v_rows * plan->v_row,
                                .column = e * plan->block * plan->m_row + (p - first) * TILE_NR,
                                .columns = (int32_t)width,
                                .y_step = 1};
            winograd_panel(run, x, y, tiles, &panel,
                           done   ? NULL
                           : more ? winograd_weights(run, e, p + 1)
                                  : winograd_weights(run, e + 1, first));
        }
    }
}

static void winograd_unit(const winograd_run *run, uint32_t unit)
{
    const winograd_plan *plan = run->plan;
    const int64_t block = unit % plan->blocks, group = unit / plan->blocks;
    const int64_t begin = tile_part(plan->tiles, plan->blocks, block);
    const int64_t end = tile_part(plan->tiles, plan->blocks, block + 1);
    const int64_t row = plan->shared ? 0 : winograd_row(plan, begin);
    const float *x[WINOGRAD_TILES * WINOGRAD_SLICES];
    if (!plan->shared) winograd_inputs(run, row, winograd_row(plan, end - 1) + plan->slices, row);
    winograd_list_inputs(run, begin, end, row, x);
    const winograd_place start = winograd_place_of(plan, plan->deep, begin);
    const int64_t last = tile_part(plan->panels, plan->groups, group + 1);
    for (int64_t p = tile_part(plan->panels, plan->groups, group); p < last; p += WINOGRAD_CHUNK) {
        const int64_t until = sv_least(last, p + WINOGRAD_CHUNK);
        const int64_t columns = sv_least(until * TILE_NR, plan->shape.y.c) - p * TILE_NR;
        winograd_multiply(run, x, end - begin, p, until);
        winograd_place at = start;
        for (int64_t t = begin; t < end; t++, winograd_advance(plan, plan->deep, &at))
            winograd_output(run, &at, t - begin, p * TILE_NR, columns);
    }
}

static void winograd_run_init(const sv_call *call, const winograd_plan *plan, winograd_run *out)
{
    static const sv_epilogue none = {0};
    sv_call plain = *call;
    plain.epilogue = &none;
    *out = (winograd_run){.call = call, .plan = plan, .zero = call->scratch};
    out->sums = out->zero + plan->v_row;
    out->v = plan->shared ? call->shared : out->sums + plan->points * plan->block * plan->m_row;
    memset(out->zero, 0, (size_t)plan->v_row * sizeof(float));
    tile_epilogue_init(call, 1, 1.0f, &out->epilogue);
    tile_epilogue_init(&plain, 1, 1.0f, &out->plain);
    for (uint32_t i = 0; i < call->epilogue->n; i++) {
        int8_t side = out->epilogue.side[i];
        if (side < 0) continue;
        window_operand_init(&call->desc[call->epilogue->item[i].operand], &out->side[side]);
        out->side_at[side] = out->epilogue.operand[i];
    }
}

static void winograd_run_units(const sv_call *call, winograd_form form, bool shared, uint32_t begin,
                               uint32_t end)
{
    winograd_plan plan;
    winograd_run run;
    winograd_plan_init(call->desc, call->param, call->epilogue, form, shared, &plan);
    winograd_run_init(call, &plan, &run);
    if (shared && call->phase == 0) {
        winograd_inputs(&run, begin, end, 0);
        return;
    }
    for (uint32_t unit = begin; unit < end; unit++)
        winograd_unit(&run, unit);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void winograd_plan_of(const sv_problem *problem, winograd_form form, bool shared,
                             winograd_plan *out)
{
    winograd_plan_init(problem->desc, problem->param, &problem->epilogue, form, shared, out);
}

static bool winograd_supports(const sv_problem *problem, winograd_form form, bool shared)
{
    const sv_desc *x = &problem->desc[0];
    if (!sv_winograd_takes(problem, form) || !tile_all_f32(problem)) return false;
    if (x->dim[1] != 1 && x->stride[1] != 1) return false;
    winograd_plan plan;
    winograd_plan_of(problem, form, false, &plan);
    return !shared || plan.tiles <= WINOGRAD_SHARED;
}

/* The shared way, where it is supported, is the cheaper one. */
static double winograd_cost(const sv_problem *problem, winograd_form form, bool shared)
{
    return sv_problem_default_cost(problem) + sv_winograd_ns(problem, form, SV_LEVEL) -
           (shared ? 1 : 0);
}

static uint32_t winograd_units(const sv_problem *problem, uint32_t phase, winograd_form form,
                               bool shared)
{
    if (sv_desc_count(&problem->desc[2]) == 0) return 0;
    winograd_plan plan;
    winograd_plan_of(problem, form, shared, &plan);
    if (shared && phase == 0) return (uint32_t)plan.v_rows;
    return (uint32_t)(plan.blocks * plan.groups);
}

static size_t winograd_scratch(const sv_problem *problem, winograd_form form, bool shared)
{
    winograd_plan plan;
    winograd_plan_of(problem, form, shared, &plan);
    return winograd_scratch_floats(&plan) * sizeof(float);
}

static size_t winograd_shared_bytes(const sv_problem *problem, winograd_form form)
{
    winograd_plan plan;
    winograd_plan_of(problem, form, true, &plan);
    return (size_t)winograd_v_floats(&plan) * sizeof(float);
}

/* The functions and the constant of one row. */
#define WINOGRAD_ROW(id, form, format, is_shared, shared_, phases_)                                \
    static bool id##_supports(const sv_problem *p)                                                 \
    {                                                                                              \
        return winograd_supports(p, form, is_shared);                                              \
    }                                                                                              \
    static double id##_cost(const sv_problem *p)                                                   \
    {                                                                                              \
        return winograd_cost(p, form, is_shared);                                                  \
    }                                                                                              \
    static uint32_t id##_units(const sv_problem *p, uint32_t phase)                                \
    {                                                                                              \
        return winograd_units(p, phase, form, is_shared);                                          \
    }                                                                                              \
    static size_t id##_scratch(const sv_problem *p)                                                \
    {                                                                                              \
        return winograd_scratch(p, form, is_shared);                                               \
    }                                                                                              \
    static void id##_run(const sv_call *call, uint32_t begin, uint32_t end)                        \
    {                                                                                              \
        winograd_run_units(call, form, is_shared, begin, end);                                     \
    }                                                                                              \
    const sv_kernel SV_LEVEL_NAME(sv_kernel_##id) = {                                              \
        .name = #id "_" SV_LEVEL_TEXT,                                                             \
        .family = SV_FAMILY_conv,                                                                  \
        .level = SV_LEVEL,                                                                         \
        .b_format = format,                                                                        \
        .supports = id##_supports,                                                                 \
        .cost = id##_cost,                                                                         \
        .units = id##_units,                                                                       \
        .scratch = id##_scratch,                                                                   \
        .shared = shared_,                                                                         \
        .phases = phases_,                                                                         \
        .run = id##_run,                                                                           \
    };

/* A form's two rows. */
#define WINOGRAD_ROWS(name, form)                                                                  \
    static size_t conv_##name##_shared_bytes(const sv_problem *p)                                  \
    {                                                                                              \
        return winograd_shared_bytes(p, form);                                                     \
    }                                                                                              \
    WINOGRAD_ROW(conv_##name, form, SV_FORMAT_conv_##name, false, NULL, 1)                         \
    WINOGRAD_ROW(conv_##name##_shared, form, SV_FORMAT_conv_##name, true,                          \
                 conv_##name##_shared_bytes, 2)

WINOGRAD_ROWS(winograd_2_3, WINOGRAD_2_3)
WINOGRAD_ROWS(winograd_2_5, WINOGRAD_2_5)
WINOGRAD_ROWS(winograd_4_3, WINOGRAD_4_3)
