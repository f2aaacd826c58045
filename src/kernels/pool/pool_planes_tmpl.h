/* Pooling of f32 to planes, rows of which lie side by side: maximum and average, without indices.
 * Included by one file a level; meaning is that of pool_ref.c.
 *
 * A window is taken in two steps: all its lines in x become one line, between borders that count
 * nothing, and from this line each result takes its few neighbours. */
#include "kernels/pool/window_tmpl.h"
#include "kernels/prices.h"
#include "kernels/strided.h"

/* Lines that are merged before the first of them is read again: what has just been stored is slow
 * to load in other vectors. */
#define POOL_LINES 8

/* Planes as they are pooled: lines along the last dimension. */
typedef struct pool_planes {
    window_shape shape;
    sv_cursor lines;         /* {x, y}: images, channels, and the axes before the last of y */
    int64_t count, per_unit; /* lines of y */
    int64_t before, length;  /* elements of the one line before those of x, and altogether */
} pool_planes;

static void pool_planes_init(pool_planes *planes, const sv_desc *desc, const sv_pool_param *pool)
{
    window_shape *s = &planes->shape;
    window_of_pool(desc, pool, s);
    const int64_t width = s->y.d[2], reach = (s->kernel[2] - 1) * s->dilation[2] + 1;
    /* Not by sv_cursor_add: every dimension must keep its own index. */
    planes->lines =
        (sv_cursor){.rank = 4,
                    .n = 2,
                    .dim = {s->y.n, s->y.c, s->y.d[0], s->y.d[1]},
                    .step = {{4 * s->x.n_stride, 4 * s->x.c_stride},
                             {4 * s->y.n_stride, 4 * s->y.c_stride, 4 * s->y.s[0], 4 * s->y.s[1]}}};
    planes->count = sv_cursor_count(&planes->lines);
    planes->per_unit = sv_pieces_per_unit(width * (s->kernel[1] < 4 ? s->kernel[1] : 4));
    planes->before = s->pad[2];
    int64_t last = (width - 1) * s->stride[2] + reach, own = planes->before + s->x.d[2];
    /* Vectors of results that begin inside read as far as two vectors of x beyond. */
    planes->length = (last > own ? last : own) + 2 * SV_VF;
}

static bool pool_planes_supports(const sv_problem *problem)
{
    const sv_pool_param *pool = problem->param;
    const sv_desc *x = &problem->desc[0], *y = &problem->desc[1];
    if (x->dtype != SV_F32 || y->dtype != SV_F32 || problem->desc[2].dtype != SV_DTYPE_NONE ||
        pool->kind == SV_POOL_LP || problem->epilogue.n)
        return false;
    const int32_t last = x->rank - 1;
    /* Beyond this a line's borders are no longer small. */
    const int64_t reach = (pool->kernel[pool->spatial - 1] - 1) * pool->dilation[pool->spatial - 1];
    return (y->dim[last] == 1 || y->stride[last] == 1) && reach <= 4096 &&
           pool->pad[pool->spatial - 1] <= 4096;
}

/* Elements of lines that lie apart are read one by one, almost as in the reference. */
static double pool_planes_cost(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0];
    const int32_t last = x->rank - 1;
    const double ns = sv_problem_default_cost(problem);
    if (x->dim[last] == 1 || x->stride[last] == 1) return ns;
    return ns + sv_problem_flops(problem) * sv_price(problem, SV_LEVEL, SV_PRICE_reference) / 2;
}

static uint32_t pool_planes_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    pool_planes planes;
    pool_planes_init(&planes, problem->desc, problem->param);
    return (uint32_t)sv_divide_up(planes.count, planes.per_unit);
}

/* Merged lines, and what the sums of a line are multiplied by. */
static size_t pool_planes_scratch(const sv_problem *problem)
{
    pool_planes planes;
    pool_planes_init(&planes, problem->desc, problem->param);
    return (size_t)(POOL_LINES * planes.length + planes.shape.y.d[2]) * sizeof(float);
}

static float pool_start(uint8_t kind)
{
    return kind == SV_POOL_MAX ? -__builtin_inff() : 0;
}

/* ---- one line -------------------------------------------------------------------------------- */

/* A line: the taps of the first two axes that lie in x, and where the result goes. */
typedef struct pool_line {
    pool_range range[2];
    const float *x;       /* of tap (0, 0), which may lie outside */
    int64_t hop[2], step; /* from line to line, and along a line */
    float *y, factor;     /* the inverse of the taps of both axes that count */
} pool_line;

/* Lanes `step` apart, n of them. */
SV_INLINE sv_vf pool_every(const float *x, int64_t step, int64_t n)
{
    float lane[SV_VF] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i] = x[i * step];
    return vf_load(lane);
}

/* m lanes of all lines from x on: `rows` of them hop[1] apart in planes hop[0] apart. */
SV_INLINE sv_vf pool_merge_at(const uint8_t kind, const int64_t planes, const int64_t rows,
                              sv_vf sum, const float *x, const int64_t hop[2], int64_t m)
{
    for (int64_t p = 0; p < planes; p++) {
        for (int64_t t = 0; t < rows; t++) {
            const float *from = x + p * hop[0] + t * hop[1];
            sum = pool_take(kind, 0, sum, m == SV_VF ? vf_load(from) : vf_load_n(from, m));
        }
    }
    return sum;
}

SV_INLINE void pool_merge_rows(const uint8_t kind, const int64_t planes, const int64_t rows,
                               const float *x, const int64_t hop[2], float *to, int64_t n)
{
    const sv_vf start = vf_set1(pool_start(kind));
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF)
        vf_store(to + i, pool_merge_at(kind, planes, rows, start, x + i, hop, SV_VF));
    if (i < n)
        vf_store_n(to + i, pool_merge_at(kind, planes, rows, start, x + i, hop, n - i), n - i);
}

/* Lines whose elements lie apart. */
SV_INLINE void pool_merge_apart(const uint8_t kind, const pool_line *line, float *to, int64_t n)
{
    const pool_range *a = &line->range[0], *b = &line->range[1];
    for (int64_t i = 0; i < n; i += SV_VF) {
        const int64_t m = n - i < SV_VF ? n - i : SV_VF;
        sv_vf sum = vf_set1(pool_start(kind));
        for (int64_t t0 = a->first; t0 < a->last; t0++) {
            for (int64_t t1 = b->first; t1 < b->last; t1++) {
                const float *x = line->x + t0 * line->hop[0] + t1 * line->hop[1];
                sum = pool_take(kind, 0, sum, pool_every(x + i * line->step, line->step, m));
            }
        }
        vf_store_n(to + i, sum, m);
    }
}

SV_INLINE void pool_merge(const uint8_t kind, const pool_line *line, float *to, int64_t n)
{
    const pool_range *a = &line->range[0], *b = &line->range[1];
    const int64_t planes = a->last - a->first, rows = b->last - b->first;
    const float *x = line->x + a->first * line->hop[0] + b->first * line->hop[1];
    if (line->step != 1) {
        pool_merge_apart(kind, line, to, n);
    } else if (planes == 1 && rows == 2) {
        pool_merge_rows(kind, 1, 2, x, line->hop, to, n);
    } else if (planes == 1 && rows == 3) {
        pool_merge_rows(kind, 1, 3, x, line->hop, to, n);
    } else if (planes == 2 && rows == 2) {
        pool_merge_rows(kind, 2, 2, x, line->hop, to, n);
    } else {
        pool_merge_rows(kind, planes, rows, x, line->hop, to, n);
    }
}

/* m results from the line's element x on. */
SV_INLINE sv_vf pool_slide_at(const uint8_t kind, const int64_t stride, const int64_t taps,
                              const float *x, int64_t hop, int64_t m)
{
    sv_vf sum = vf_set1(pool_start(kind));
    for (int64_t t = 0; t < taps; t++, x += hop) {
        sv_vf v = stride == 1   ? vf_load(x)
                  : stride == 2 ? vf_even(vf_load(x), vf_load(x + SV_VF))
                                : pool_every(x, stride, m);
        sum = pool_take(kind, 0, sum, v);
    }
    return sum;
}

SV_INLINE void pool_slide(const uint8_t kind, const int64_t stride, const int64_t taps,
                          const window_shape *s, const float *line, const float *scale,
                          float factor, float *y)
{
    const int64_t n = s->y.d[2], hop = s->dilation[2];
    for (int64_t o = 0; o < n; o += SV_VF) {
        const int64_t m = n - o < SV_VF ? n - o : SV_VF;
        sv_vf sum = pool_slide_at(kind, stride, taps, line + o * stride, hop, m);
        if (kind == SV_POOL_AVERAGE) sum = sum * (vf_load_n(scale + o, m) * vf_set1(factor));
        if (m == SV_VF) {
            vf_store(y + o, sum);
        } else {
            vf_store_n(y + o, sum, m);
        }
    }
}

SV_INLINE void pool_slide_by(const uint8_t kind, const int64_t stride, const window_shape *s,
                             const float *line, const float *scale, float factor, float *y)
{
    if (s->kernel[2] == 2) {
        pool_slide(kind, stride, 2, s, line, scale, factor, y);
    } else if (s->kernel[2] == 3) {
        pool_slide(kind, stride, 3, s, line, scale, factor, y);
    } else if (s->kernel[2] == 5) {
        pool_slide(kind, stride, 5, s, line, scale, factor, y);
    } else {
        pool_slide(kind, stride, s->kernel[2], s, line, scale, factor, y);
    }
}

SV_INLINE void pool_some_lines(const uint8_t kind, const pool_planes *planes,
                               const pool_line *lines, int n, float *room, const float *scale)
{
    const window_shape *s = &planes->shape;
    for (int i = 0; i < n; i++)
        pool_merge(kind, &lines[i], room + i * planes->length + planes->before, s->x.d[2]);
    for (int i = 0; i < n; i++) {
        const float *line = room + i * planes->length;
        if (s->stride[2] == 1) {
            pool_slide_by(kind, 1, s, line, scale, lines[i].factor, lines[i].y);
        } else if (s->stride[2] == 2) {
            pool_slide_by(kind, 2, s, line, scale, lines[i].factor, lines[i].y);
        } else {
            pool_slide(kind, s->stride[2], s->kernel[2], s, line, scale, lines[i].factor,
                       lines[i].y);
        }
    }
}

/* ---- the row --------------------------------------------------------------------------------- */

static int64_t pool_counted(const sv_pool_param *pool, const pool_range *range)
{
    return pool->count_include_pad ? range->padded : range->last - range->first;
}

static float pool_inverse(int64_t count)
{
    return count > 0 ? 1.0f / (float)count : 0;
}

/* Borders, and the inverse of the taps of each result that count. */
static void pool_prepare(const pool_planes *planes, const sv_pool_param *pool, float *room,
                         float *scale)
{
    const window_shape *s = &planes->shape;
    for (int64_t i = 0; i < POOL_LINES * planes->length; i++)
        room[i] = pool_start(pool->kind);
    for (int64_t o = 0; o < s->y.d[2]; o++) {
        const pool_range range = pool_range_of(pool, s, 2, o);
        scale[o] = pool_inverse(pool_counted(pool, &range));
    }
}

/* The line that planes->lines stands at. */
static void pool_take_line(const sv_pool_param *pool, const pool_planes *planes, pool_line *line)
{
    const window_shape *s = &planes->shape;
    int64_t count = 1;
    line->x = (const float *)planes->lines.at[0];
    line->y = (float *)planes->lines.at[1];
    line->step = s->x.s[2];
    for (int i = 0; i < 2; i++) {
        const int64_t out = planes->lines.index[2 + i];
        line->range[i] = pool_range_of(pool, s, i, out);
        line->hop[i] = s->dilation[i] * s->x.s[i];
        line->x += (out * s->stride[i] - s->pad[i]) * s->x.s[i];
        count *= pool_counted(pool, &line->range[i]);
    }
    line->factor = pool->kind == SV_POOL_AVERAGE ? pool_inverse(count) : 1;
}

static void pool_planes_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_pool_param *pool = call->param;
    pool_planes planes;
    pool_planes_init(&planes, call->desc, pool);
    int64_t from = begin * planes.per_unit, to = end * planes.per_unit;
    if (to > planes.count) to = planes.count;
    if (from >= to) return;
    float *room = call->scratch, *scale = room + POOL_LINES * planes.length;
    pool_prepare(&planes, pool, room, scale);
    sv_cursor_seek(&planes.lines, (char *const *)call->ptr, from);
    while (from < to) {
        pool_line lines[POOL_LINES];
        int n = 0;
        for (; n < POOL_LINES && from < to; n++, from++, sv_cursor_next(&planes.lines))
            pool_take_line(pool, &planes, &lines[n]);
        if (pool->kind == SV_POOL_MAX) {
            pool_some_lines(SV_POOL_MAX, &planes, lines, n, room, scale);
        } else {
            pool_some_lines(SV_POOL_AVERAGE, &planes, lines, n, room, scale);
        }
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_pool_planes) = {
    .name = "pool_planes_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_pool,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_RAW,
    .supports = pool_planes_supports,
    .cost = pool_planes_cost,
    .units = pool_planes_units,
    .scratch = pool_planes_scratch,
    .run = pool_planes_run,
};
