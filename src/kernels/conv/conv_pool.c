/* A convolution and the pooling of its result by bands of rows: a unit is a band of an image. What
 * neighbouring bands both read of the map stays in scratch from one to the next. */
#include "kernels/conv_pool.h"

#include "base/alloc.h"
#include "kernels/conv/winograd.h"
#include "kernels/prices.h"
#include "kernels/strided.h"

#include <string.h>

/* There are at least so many bands: threads share them. */
#define BANDS 8
/* The part of the second-level cache that a band's rows of the map may fill: the rest is for
 * weights, and for what the convolution reads. */
#define MAP_SHARE 0.125
/* Operands of a convolution, at most: one less than conv_pool's. */
#define CONV_OPERANDS (SV_OPERAND_MAX - 1)
#define ROW_AXIS 2 /* the dimension that rows are counted along */

enum { X = 0, W = 1, CONV_Y = 2, CONV_EPILOGUE = 3, POOL_Y = 1, POOL_INDICES = 2, POOL_OPERANDS };

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t align_up(int64_t row, int64_t align)
{
    return sv_divide_up(row, align) * align;
}

/* ---- bands --------------------------------------------------------------------------------- */

/* Rows [begin, end). */
typedef struct row_range {
    int64_t begin, end;
} row_range;

typedef struct band {
    row_range out;  /* of y */
    row_range read; /* of the map: what the pool reads */
    row_range made; /* what the convolution has made when the pool begins, cut where it may be */
} band;

/* `whole` is a problem of the family, of which param, desc, prices and exact are looked at. */
static bool keeps_map(const sv_problem *whole)
{
    return whole->desc[SV_CONV_POOL_MAP].dtype != SV_DTYPE_NONE;
}

static int64_t bands_of(const sv_problem *whole)
{
    const sv_conv_pool_param *param = whole->param;
    return sv_divide_up(whole->desc[SV_CONV_POOL_Y].dim[ROW_AXIS], param->rows);
}

/* Inputs that `outputs` of one window after the other reach over. */
static int64_t reach(int64_t outputs, int64_t kernel, int64_t stride, int64_t dilation)
{
    return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

static band band_of(const sv_problem *whole, int64_t index)
{
    const sv_conv_pool_param *param = whole->param;
    const sv_pool_param *pool = &param->pool;
    const int64_t height = param->map.dim[ROW_AXIS], step = param->align;
    const int64_t rows = whole->desc[SV_CONV_POOL_Y].dim[ROW_AXIS];
    const int64_t first = index * param->rows, last = sv_least(first + param->rows, rows);
    const int64_t top = first * pool->stride[0] - pool->pad[0];
    const int64_t end =
        top + reach(last - first, pool->kernel[0], pool->stride[0], pool->dilation[0]);
    band at = {.out = {first, last}, .read = {most(top, 0), sv_least(end, height)}};
    at.made.begin = at.read.begin / step * step;
    at.made.end = sv_least(align_up(at.read.end, step), height);
    /* All rows of a map that is kept are made, whether or not they are pooled. */
    if (keeps_map(whole)) at.made.end = last == rows ? height : last * pool->stride[0];
    return at;
}

/* ---- the parts' problems ------------------------------------------------------------------- */

/* What either part is of a band: a problem with parameters of its own, and operands that are some
 * of the whole's rows. Lies where it was made: the problem points into it. */
typedef struct conv_part {
    sv_problem problem;
    sv_conv_param param;
    sv_desc desc[CONV_OPERANDS];
    int64_t x_row; /* of x, where its part begins */
} conv_part;

typedef struct pool_part {
    sv_problem problem;
    sv_pool_param param;
    sv_desc desc[POOL_OPERANDS];
} pool_part;

static void take_rows(const sv_desc *whole, int64_t rows, sv_desc *out)
{
    *out = *whole;
    out->dim[0] = 1;
    out->dim[ROW_AXIS] = rows;
}

/* The convolution that makes rows `made` of an image's map. */
static void conv_part_init(const sv_problem *whole, row_range made, conv_part *out)
{
    const sv_conv_pool_param *param = whole->param;
    const sv_conv_param *conv = &param->conv;
    const sv_desc *desc = whole->desc, *x = &desc[SV_CONV_POOL_X];
    const int64_t height = x->dim[ROW_AXIS], top = made.begin * conv->stride[0] - conv->pad[0];
    const int64_t end =
        top + reach(made.end - made.begin, conv->kernel[0], conv->stride[0], conv->dilation[0]);
    out->param = *conv;
    out->param.pad[0] = most(-top, 0);
    out->x_row = most(top, 0);
    take_rows(x, sv_least(end, height) - out->x_row, &out->desc[X]);
    out->desc[W] = desc[SV_CONV_POOL_W];
    take_rows(&param->map, made.end - made.begin, &out->desc[CONV_Y]);
    for (uint32_t i = CONV_EPILOGUE; i < param->n_operand; i++)
        out->desc[i] = desc[i + SV_CONV_POOL_EPILOGUE - CONV_EPILOGUE];
    out->problem = (sv_problem){.family = SV_FAMILY_conv,
                                .n_operand = param->n_operand,
                                .write_mask = 1u << CONV_Y,
                                .b_dtype = param->w_dtype,
                                .b_format = param->w_format,
                                .exact = whole->exact,
                                .prices = whole->prices,
                                .param_size = sizeof out->param,
                                .param = &out->param,
                                .desc = out->desc,
                                .epilogue = param->epilogue};
}

/* The pool of rows `at->read`; where a window leaves them it leaves the map. */
static void pool_part_init(const sv_problem *whole, const band *at, pool_part *out)
{
    const sv_conv_pool_param *param = whole->param;
    out->param = param->pool;
    out->param.pad[0] = most(param->pool.pad[0] - at->out.begin * param->pool.stride[0], 0);
    take_rows(&param->map, at->read.end - at->read.begin, &out->desc[X]);
    take_rows(&whole->desc[SV_CONV_POOL_Y], at->out.end - at->out.begin, &out->desc[POOL_Y]);
    out->desc[POOL_INDICES] = (sv_desc){.dtype = SV_DTYPE_NONE};
    out->problem = (sv_problem){.family = SV_FAMILY_pool,
                                .n_operand = POOL_OPERANDS,
                                .write_mask = 1u << POOL_Y,
                                .prices = whole->prices,
                                .param_size = sizeof out->param,
                                .param = &out->param,
                                .desc = out->desc};
}

/* ---- memory -------------------------------------------------------------------------------- */

static const sv_kernel *row_of(uint16_t kernel)
{
    size_t count;
    return sv_kernel_table(&count)[kernel];
}

static uint16_t number_of(const sv_kernel *kernel)
{
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    uint16_t number = 0;
    while (table[number] != kernel)
        number++;
    return number;
}

/* Makes sure that a part finds its memory. */
static void grow(const sv_problem *part, const sv_kernel *kernel, sv_conv_pool_param *param)
{
    const size_t shared = kernel->shared ? sv_size_align(kernel->shared(part), 64) : 0;
    const size_t scratch = kernel->scratch ? sv_size_align(kernel->scratch(part), 64) : 0;
    if (shared > param->shared_bytes) param->shared_bytes = shared;
    if (scratch > param->scratch_bytes) param->scratch_bytes = scratch;
}

/* What all bands need, with rows left by the one before and without. */
static void set_memory(const sv_problem *whole, sv_conv_pool_param *param)
{
    const int64_t row = param->map.stride[ROW_AXIS] * (int64_t)sizeof(float);
    int64_t filled = 0, rows = 0;
    for (int64_t i = 0; i < bands_of(whole); i++) {
        const band at = band_of(whole, i);
        pool_part pool;
        pool_part_init(whole, &at, &pool);
        grow(&pool.problem, row_of(param->pool_kernel), param);
        const int64_t begin[2] = {at.made.begin, most(at.made.begin, filled)};
        for (int k = 0; k < 2 && begin[k] < at.made.end; k++) {
            conv_part conv;
            conv_part_init(whole, (row_range){begin[k], at.made.end}, &conv);
            grow(&conv.problem, row_of(param->conv_kernel), param);
        }
        filled = at.made.end;
        rows = most(rows, at.made.end - at.made.begin);
    }
    param->map_bytes = keeps_map(whole) ? 0 : sv_size_align((size_t)(rows * row), 64);
}

static size_t bands_scratch(const sv_problem *problem)
{
    const sv_conv_pool_param *param = problem->param;
    return (size_t)(param->map_bytes + param->shared_bytes + param->scratch_bytes);
}

/* ---- running ------------------------------------------------------------------------------- */

typedef struct band_run {
    const sv_call *call;
    sv_problem whole; /* what the parts are made from */
    const sv_conv_pool_param *param;
    char *map, *shared, *scratch;
    int64_t image;      /* whose rows .. */
    row_range in_place; /* .. of the map are at `map` */
} band_run;

static void band_run_init(const sv_call *call, band_run *out)
{
    const sv_conv_pool_param *param = call->param;
    *out = (band_run){.call = call, .param = param, .map = call->scratch, .image = -1};
    out->whole.param = (void *)(uintptr_t)param;
    out->whole.desc = (sv_desc *)(uintptr_t)call->desc;
    out->shared = out->map + param->map_bytes;
    out->scratch = out->shared + param->shared_bytes;
}

/* All units of a part, phase after phase, on this thread. */
static void run_part(const band_run *run, const sv_problem *problem, const sv_kernel *kernel,
                     void *const *ptr)
{
    sv_call call = *run->call;
    call.param = problem->param;
    call.desc = problem->desc;
    call.ptr = ptr;
    call.epilogue = &problem->epilogue;
    call.scratch = run->scratch;
    call.shared = run->shared;
    call.round = 0;
    for (call.phase = 0; call.phase < sv_kernel_phases(kernel); call.phase++) {
        const uint32_t units = kernel->units ? kernel->units(problem, call.phase) : 1;
        if (units) kernel->run(&call, 0, units);
    }
}

/* Where row `row` of image n of an operand lies. */
static float *row_at(void *data, const sv_desc *desc, int64_t n, int64_t row)
{
    return (float *)data + n * desc->stride[0] + row * desc->stride[ROW_AXIS];
}

/* Where row `row` of the map lies, which is at hand. */
static float *map_row(const band_run *run, int64_t n, int64_t row)
{
    const sv_desc *map = &run->param->map;
    if (keeps_map(&run->whole)) return row_at(run->call->ptr[SV_CONV_POOL_MAP], map, n, row);
    return row_at(run->map, map, 0, row - run->in_place.begin);
}

/* Moves the rows that the band before has left, and that this one reads, to the front; returns how
 * far the map has been made. */
static int64_t take_over(band_run *run, int64_t n, const band *at)
{
    const row_range left = run->in_place;
    const bool near = run->image == n && left.begin <= at->made.begin && at->made.begin < left.end;
    run->image = n;
    run->in_place = at->made;
    if (!near) return at->made.begin;
    const size_t row = (size_t)run->param->map.stride[ROW_AXIS] * sizeof(float);
    if (!keeps_map(&run->whole))
        memmove(run->map, run->map + (size_t)(at->made.begin - left.begin) * row,
                (size_t)(left.end - at->made.begin) * row);
    return left.end;
}

static void make_rows(const band_run *run, int64_t n, row_range made)
{
    const sv_call *call = run->call;
    conv_part part;
    void *ptr[CONV_OPERANDS];
    conv_part_init(&run->whole, made, &part);
    ptr[X] = row_at(call->ptr[SV_CONV_POOL_X], &call->desc[SV_CONV_POOL_X], n, part.x_row);
    ptr[W] = call->ptr[SV_CONV_POOL_W];
    ptr[CONV_Y] = map_row(run, n, made.begin);
    for (uint32_t i = CONV_EPILOGUE; i < run->param->n_operand; i++)
        ptr[i] = call->ptr[i + SV_CONV_POOL_EPILOGUE - CONV_EPILOGUE];
    run_part(run, &part.problem, row_of(run->param->conv_kernel), ptr);
}

static void pool_rows(const band_run *run, int64_t n, const band *at)
{
    const sv_call *call = run->call;
    const sv_desc *y = &call->desc[SV_CONV_POOL_Y];
    pool_part part;
    pool_part_init(&run->whole, at, &part);
    void *const ptr[POOL_OPERANDS] = {
        map_row(run, n, at->read.begin),
        row_at(call->ptr[SV_CONV_POOL_Y], y, n, at->out.begin),
    };
    run_part(run, &part.problem, row_of(run->param->pool_kernel), ptr);
}

static void run_bands(const sv_call *call, uint32_t begin, uint32_t end)
{
    band_run run;
    band_run_init(call, &run);
    const int64_t bands = bands_of(&run.whole);
    for (uint32_t unit = begin; unit < end; unit++) {
        const int64_t n = unit / bands;
        const band at = band_of(&run.whole, unit % bands);
        const row_range made = {take_over(&run, n, &at), at.made.end};
        if (made.begin < made.end) make_rows(&run, n, made);
        pool_rows(&run, n, &at);
    }
}

/* ---- what it costs ------------------------------------------------------------------------- */

static double bytes_of(const sv_desc *desc)
{
    return (double)sv_desc_count(desc) * sizeof(float);
}

/* Both parts of a band in the middle, as often as there are bands: what lies between them is near.
 * What does not fit into the cache comes and goes once. */
static double bands_cost(const sv_problem *problem)
{
    const sv_conv_pool_param *param = problem->param;
    const sv_desc *desc = problem->desc, *y = &desc[SV_CONV_POOL_Y];
    const sv_kernel *conv_kernel = row_of(param->conv_kernel);
    const sv_cpu_level level = conv_kernel->level;
    const bool keeps = keeps_map(problem);
    const int64_t bands = bands_of(problem), middle = bands / 2;
    const band at = band_of(problem, middle);
    const row_range made = {band_of(problem, middle - 1).made.end, at.made.end};
    conv_part conv;
    pool_part pool;
    conv_part_init(problem, made, &conv);
    pool_part_init(problem, &at, &pool);
    double each = sv_kernel_cost(conv_kernel, &conv.problem) +
                  sv_kernel_cost(row_of(param->pool_kernel), &pool.problem);
    if (!keeps)
        each += 2 * (double)((made.begin - at.made.begin) * param->map.stride[ROW_AXIS]) *
                sizeof(float) * sv_price(problem, level, SV_PRICE_bytes);
    const double outer =
        bytes_of(&desc[SV_CONV_POOL_X]) + bytes_of(y) + (keeps ? bytes_of(&param->map) : 0);
    const double far = outer - sv_prices_of(problem, level)->l2 / 2;
    return (double)(y->dim[0] * bands) * each +
           (far > 0 ? far * sv_price(problem, level, SV_PRICE_far) : 0);
}

static uint32_t bands_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return (uint32_t)(problem->desc[SV_CONV_POOL_Y].dim[0] * bands_of(problem));
}

/* ---- which problems ------------------------------------------------------------------------ */

/* Rows follow one another without others between, and so are what a part of them is. */
static bool rows_are_outermost(const sv_desc *map)
{
    for (int32_t i = 1; i < map->rank; i++) {
        if (i != ROW_AXIS && map->dim[i] > 1 &&
            map->stride[i] * map->dim[i] > map->stride[ROW_AXIS])
            return false;
    }
    return map->dim[ROW_AXIS] > 1;
}

/* Whether every window along the axis meets its input, and is worth so many rows. */
static bool windows_meet(int64_t outputs, int64_t inputs, int64_t kernel, int64_t stride,
                         int64_t dilation, int64_t pad)
{
    const int64_t limit = (int64_t)1 << 24;
    if (kernel > limit || stride > limit || dilation > limit || pad > limit || outputs > limit ||
        inputs > limit)
        return false;
    return pad < reach(1, kernel, stride, dilation) && (outputs - 1) * stride - pad < inputs;
}

/* Rows of the map at whose multiples Winograd's tiles begin. */
static int64_t alignment(const sv_problem *conv)
{
    static const sv_format formats[WINOGRAD_FORMS] = {
        [WINOGRAD_4_3] = SV_FORMAT_conv_winograd_4_3,
        [WINOGRAD_2_3] = SV_FORMAT_conv_winograd_2_3,
        [WINOGRAD_2_5] = SV_FORMAT_conv_winograd_2_5,
    };
    const sv_conv_param *param = conv->param;
    /* In volumes, rows are slices. */
    if (param->spatial == 3) return 1;
    for (int i = 0; i < WINOGRAD_FORMS; i++) {
        if (conv->b_format == formats[i]) return winograd_m((winograd_form)i) * param->dilation[0];
    }
    return 1;
}

/* Rows of y in a band; 0: none that there are enough of, and that fit. */
static int64_t rows_of_band(const sv_problem *conv, const sv_kernel *kernel, const sv_desc *y,
                            const sv_conv_pool_param *param)
{
    const double row = (double)param->map.stride[ROW_AXIS] * sizeof(float);
    const double room = MAP_SHARE * sv_prices_of(conv, kernel->level)->l2;
    const int64_t height = y->dim[ROW_AXIS], stride = param->pool.stride[0];
    int64_t step = 1;
    while (step * stride % param->align)
        step++;
    const int64_t parts = sv_divide_up(BANDS, y->dim[0]);
    const int64_t rows = sv_least((int64_t)(room / row) / stride, height / parts);
    const int64_t whole = most(rows / step * step, step);
    const int64_t bands = sv_divide_up(height, whole);
    return bands * y->dim[0] < BANDS ? 0 : align_up(sv_divide_up(height, bands), step);
}

/* Whether the parts are of the kinds that bands know. */
static bool are_parts(const sv_conv_pool_part *conv, const sv_conv_pool_part *pool)
{
    if (conv->problem->family != SV_FAMILY_conv || pool->problem->family != SV_FAMILY_pool)
        return false;
    const sv_conv_param *param = conv->problem->param;
    return conv->problem->n_operand <= CONV_OPERANDS && !param->sums && !conv->kernel->rounds &&
           !pool->kernel->rounds && pool->problem->epilogue.n == 0 &&
           pool->problem->desc[POOL_INDICES].dtype == SV_DTYPE_NONE &&
           sv_conv_epilogue_is_plain(&conv->problem->epilogue);
}

static bool shapes_fit(const sv_conv_pool_part *conv, const sv_conv_pool_part *pool, bool keeps)
{
    const sv_conv_param *c = conv->problem->param;
    const sv_pool_param *p = pool->problem->param;
    const sv_desc *x = &conv->problem->desc[X], *map = &conv->problem->desc[CONV_Y];
    const sv_desc *y = &pool->problem->desc[POOL_Y];
    if (map->dtype != SV_F32 || sv_desc_count(y) == 0 || sv_desc_count(x) == 0 ||
        !rows_are_outermost(map) ||
        !windows_meet(map->dim[ROW_AXIS], x->dim[ROW_AXIS], c->kernel[0], c->stride[0],
                      c->dilation[0], c->pad[0]) ||
        !windows_meet(y->dim[ROW_AXIS], map->dim[ROW_AXIS], p->kernel[0], p->stride[0],
                      p->dilation[0], p->pad[0]))
        return false;
    /* Two threads would write the rows that windows share. */
    return !keeps ||
           (p->pad[0] == 0 && reach(1, p->kernel[0], p->stride[0], p->dilation[0]) <= p->stride[0]);
}

static void set_operands(uint8_t n_conv, bool keeps, sv_joined_operands *out)
{
    *out = (sv_joined_operands){.n = (uint8_t)(n_conv + SV_CONV_POOL_EPILOGUE - CONV_EPILOGUE)};
    out->from[SV_CONV_POOL_X].operand = X;
    out->from[SV_CONV_POOL_W].operand = W;
    out->from[SV_CONV_POOL_Y].problem = 1;
    out->from[SV_CONV_POOL_Y].operand = POOL_Y;
    out->from[SV_CONV_POOL_MAP].problem = keeps ? 0 : SV_JOINED_NONE;
    out->from[SV_CONV_POOL_MAP].operand = CONV_Y;
    for (uint8_t i = CONV_EPILOGUE; i < n_conv; i++)
        out->from[i + SV_CONV_POOL_EPILOGUE - CONV_EPILOGUE].operand = i;
}

bool sv_conv_pool_make(const sv_conv_pool_part *conv, const sv_conv_pool_part *pool, bool keeps,
                       sv_conv_pool *out)
{
    if (!are_parts(conv, pool) || !shapes_fit(conv, pool, keeps)) return false;
    const sv_problem *maker = conv->problem, *part[] = {maker, pool->problem};
    sv_conv_pool_param *param = &out->param;
    *param = (sv_conv_pool_param){.conv = *(const sv_conv_param *)maker->param,
                                  .epilogue = maker->epilogue,
                                  .n_operand = maker->n_operand,
                                  .w_dtype = maker->b_dtype,
                                  .w_format = maker->b_format,
                                  .pool = *(const sv_pool_param *)pool->problem->param,
                                  .map = maker->desc[CONV_Y],
                                  .align = alignment(maker),
                                  .conv_kernel = number_of(conv->kernel),
                                  .pool_kernel = number_of(pool->kernel)};
    param->rows = rows_of_band(maker, conv->kernel, &pool->problem->desc[POOL_Y], param);
    if (param->rows == 0) return false;
    set_operands(maker->n_operand, keeps, &out->operands);
    sv_desc desc[SV_OPERAND_MAX] = {{.dtype = SV_DTYPE_NONE}};
    for (uint32_t i = 0; i < out->operands.n; i++) {
        const uint8_t from = out->operands.from[i].problem;
        if (from != SV_JOINED_NONE) desc[i] = part[from]->desc[out->operands.from[i].operand];
    }
    const sv_problem whole = {
        .param = param, .desc = desc, .exact = maker->exact, .prices = maker->prices};
    set_memory(&whole, param);
    return true;
}

/* Whether the parts' kernels take them as they lie in a band. */
static bool bands_support(const sv_problem *problem)
{
    const sv_conv_pool_param *param = problem->param;
    const sv_kernel *conv_kernel = row_of(param->conv_kernel);
    const sv_kernel *pool_kernel = row_of(param->pool_kernel);
    const band at = band_of(problem, 0);
    conv_part conv;
    pool_part pool;
    conv_part_init(problem, at.made, &conv);
    pool_part_init(problem, &at, &pool);
    return (!conv_kernel->supports || conv_kernel->supports(&conv.problem)) &&
           (!pool_kernel->supports || pool_kernel->supports(&pool.problem));
}

const sv_kernel sv_kernel_conv_pool_bands = {
    .name = "conv_pool_bands",
    .family = SV_FAMILY_conv_pool,
    .level = SV_CPU_BASELINE,
    .b_format = SV_FORMAT_RAW,
    .supports = bands_support,
    .cost = bands_cost,
    .units = bands_units,
    .scratch = bands_scratch,
    .run = run_bands,
};
