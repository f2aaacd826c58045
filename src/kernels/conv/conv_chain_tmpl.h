/* Chains of a depthwise convolution with pointwise ones around it, at one CPU level.
 *
 * A unit is a pair of the depthwise convolution's output rows. What it reads is kept in a ring of
 * rows in the thread's scratch: the pointwise convolution before it makes those rows that the unit
 * before has not left there. Its own pair of rows goes through scratch too where a pointwise
 * convolution follows. So what lies between is read back from the second-level cache. The tiles are
 * those of the separate convolutions, and so are all sums. */
#include "kernels/conv/depthwise_rows.h"

/* Tiles of a pointwise convolution that are listed at once. */
#define CHAIN_TILES 24
/* Shares of the rows that threads are expected to take. */
#define CHAIN_SHARES 4

typedef struct chain_plan {
    const sv_conv_chain_param *param;
    bool expands, projects;
    window_operand x, y;
    window_shape window; /* of the depthwise convolution: x and y may be its rows in scratch */
    int64_t ring;        /* rows of the ring */
    int64_t pairs;       /* units of an image */
} chain_plan;

/* Rows of `c` channels in scratch, spread like channels-last tensors. */
static window_operand chain_rows(int64_t c, int64_t height, int64_t width)
{
    const int64_t pitch = (c + 15) / 16 * 16 + (c >= 512 ? 16 : 0);
    return (window_operand){
        .n = 1, .c = c, .d = {1, height, width}, .c_stride = 1, .s = {0, width * pitch, pitch}};
}

static void chain_plan_init(const sv_desc *desc, const sv_conv_chain_param *param, chain_plan *out)
{
    const sv_conv_stage *depthwise = &param->stage[param->depthwise];
    const sv_conv_param *conv = &depthwise->conv;
    *out = (chain_plan){.param = param,
                        .expands = param->depthwise == 1,
                        .projects = param->depthwise + 1 < param->n};
    window_init(&desc[0], &desc[1], conv->spatial, conv->kernel, conv->stride, conv->dilation,
                conv->pad, &out->window);
    window_shape *window = &out->window;
    out->x = window->x;
    out->y = window->y;
    const int64_t c = desc[depthwise->weight].dim[0];
    if (out->expands) window->x = chain_rows(c, out->x.d[1], out->x.d[2]);
    if (out->projects) window->y = chain_rows(c, out->y.d[1], out->y.d[2]);
    out->pairs = (out->y.d[1] + 1) / 2;
    out->ring = depthwise_rows_in(window, 2);
}

/* ---- scratch ------------------------------------------------------------------------------- */

typedef struct chain_scratch {
    tile_rows tile[CHAIN_TILES];
    const float *list[CHAIN_TILES][(2 + SV_EPILOGUE_MAX) * TILE_MR];
    float last[DEPTHWISE_ROWS_LAST];
    /* zeros, the ring, a pair of rows */
    float floats[] __attribute__((aligned(64)));
} chain_scratch;

static size_t chain_floats(const chain_plan *plan)
{
    size_t floats = (size_t)depthwise_rows_zeros(plan->window.x.c);
    if (plan->expands) floats += (size_t)(plan->ring * plan->window.x.s[1]);
    if (plan->projects) floats += 2 * (size_t)plan->window.y.s[1];
    return floats;
}

/* ---- pointwise ----------------------------------------------------------------------------- */

/* Rows through a pointwise convolution. */
typedef struct chain_lines {
    int64_t n, width, x_step, y_step;
    const float *x[DEPTHWISE_ROWS_IN];
    float *y[DEPTHWISE_ROWS_IN];
    int64_t n_side, side_step[SV_EPILOGUE_MAX];
    const float *side[SV_EPILOGUE_MAX][DEPTHWISE_ROWS_IN];
} chain_lines;

typedef struct chain_pointwise {
    const float *weights;
    int64_t k, n, c_stride; /* channels read and made, stride of those made */
    tile_epilogue epilogue;
} chain_pointwise;

static void chain_list_part(const float *at, int64_t step, int64_t n, const float **list)
{
    for (int64_t i = 0; i < n; i++)
        list[i] = at + i * step;
}

/* Lists n positions from (line, at) on. */
static void chain_list(const chain_lines *lines, int64_t line, int64_t at, int32_t n,
                       const float **list, tile_rows *out)
{
    *out = (tile_rows){
        .n = n, .x = list, .y = (float *const *)(list + n), .side = list + 2 * (int64_t)n};
    for (int64_t i = 0, count; i < n; i += count, line++, at = 0) {
        count = lines->width - at < n - i ? lines->width - at : n - i;
        chain_list_part(lines->x[line] + at * lines->x_step, lines->x_step, count, list + i);
        chain_list_part(lines->y[line] + at * lines->y_step, lines->y_step, count, list + n + i);
        for (int64_t s = 0; s < lines->n_side; s++) {
            const int64_t step = lines->side_step[s];
            chain_list_part(lines->side[s][line] + at * step, step, count, list + (2 + s) * n + i);
        }
    }
}

static tile_panel chain_panel(const chain_pointwise *stage, int64_t column)
{
    const int64_t left = stage->n - column;
    return (tile_panel){.at = stage->weights + column * stage->k,
                        .step = left > SV_VF ? TILE_NR : SV_VF,
                        .taps = 1,
                        .depth = stage->k,
                        .column = column,
                        .columns = (int32_t)(left < TILE_NR ? left : TILE_NR),
                        .y_step = stage->c_stride};
}

static void chain_tiles(const chain_pointwise *stage, const tile_rows *tile, int64_t tiles)
{
    tile_panel panel;
    if (stage->k * stage->n * (int64_t)sizeof(float) <= TILE_WEIGHTS_L1) {
        for (int64_t t = 0; t < tiles; t++) {
            for (int64_t column = 0; column < stage->n; column += TILE_NR) {
                panel = chain_panel(stage, column);
                tile_run(&stage->epilogue, &tile[t], &panel);
            }
        }
        return;
    }
    for (int64_t column = 0; column < stage->n; column += TILE_NR) {
        panel = chain_panel(stage, column);
        for (int64_t t = 0; t < tiles; t++)
            tile_run(&stage->epilogue, &tile[t], &panel);
    }
}

/* Tiles as even as they can be: the first `high` of them have a row more. */
static void chain_pointwise_run(const chain_pointwise *stage, const chain_lines *lines,
                                chain_scratch *scratch)
{
    const int64_t positions = lines->n * lines->width, tiles = (positions + TILE_MR - 1) / TILE_MR;
    const int64_t low = positions / tiles, high = positions % tiles;
    int64_t line = 0, at = 0, listed = 0;
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t n = low + (t < high);
        chain_list(lines, line, at, (int32_t)n, scratch->list[listed], &scratch->tile[listed]);
        for (at += n; at >= lines->width; at -= lines->width)
            line++;
        if (++listed < CHAIN_TILES && t + 1 < tiles) continue;
        chain_tiles(stage, scratch->tile, listed);
        listed = 0;
    }
}

/* ---- running ------------------------------------------------------------------------------- */

typedef struct chain_run {
    const sv_call *call;
    chain_plan plan;
    chain_scratch *scratch;
    float *ring, *between; /* rows that the depthwise convolution reads, and makes */
    chain_pointwise expand, project;
    tile_epilogue epilogue; /* of the depthwise convolution */
    conv_sides sides;       /* of the last convolution */
    depthwise_rows rows;
    int64_t image, filled; /* what is in the ring: rows of which image, up to which */
} chain_run;

/* The call as one stage sees it. */
static sv_call chain_stage_call(const chain_run *run, uint32_t i)
{
    sv_call call = *run->call;
    call.epilogue = &run->plan.param->stage[i].epilogue;
    return call;
}

static void chain_pointwise_init(const chain_run *run, uint32_t i, const window_operand *to,
                                 chain_pointwise *out)
{
    const uint8_t weight = run->plan.param->stage[i].weight;
    const sv_call call = chain_stage_call(run, i);
    *out = (chain_pointwise){.weights = call.ptr[weight],
                             .k = call.desc[weight].dim[1],
                             .n = call.desc[weight].dim[0],
                             .c_stride = to->c_stride};
    tile_epilogue_init(&call, 1, 1.0f, &out->epilogue);
}

static void chain_init(const sv_call *call, chain_run *run)
{
    *run = (chain_run){.call = call, .scratch = call->scratch, .image = -1};
    chain_plan *plan = &run->plan;
    chain_plan_init(call->desc, call->param, plan);
    const uint32_t middle = plan->param->depthwise, last = plan->param->n - 1;
    float *zero = run->scratch->floats;
    const int64_t zeros = depthwise_rows_zeros(plan->window.x.c);
    memset(zero, 0, (size_t)zeros * sizeof(float));
    run->ring = zero + zeros;
    run->between = run->ring + (plan->expands ? plan->ring * plan->window.x.s[1] : 0);
    if (plan->expands) chain_pointwise_init(run, 0, &plan->window.x, &run->expand);
    if (plan->projects) chain_pointwise_init(run, last, &plan->y, &run->project);
    const sv_call own = chain_stage_call(run, middle), end = chain_stage_call(run, last);
    tile_epilogue_init(&own, 1, 1.0f, &run->epilogue);
    conv_sides_init(&end, plan->projects ? &run->project.epilogue : &run->epilogue, &run->sides);
    static const conv_sides none;
    run->rows = (depthwise_rows){.shape = &plan->window,
                                 .group = 1,
                                 .depth = 1,
                                 .weights = call->ptr[plan->param->stage[middle].weight],
                                 .epilogue = &run->epilogue,
                                 .sides = plan->projects ? &none : &run->sides,
                                 .zero = zero,
                                 .last = run->scratch->last};
}

static float *chain_ring_row(const chain_run *run, int64_t row)
{
    return run->ring + row % run->plan.ring * run->plan.window.x.s[1];
}

static const float *chain_x_row(const chain_run *run, int64_t n, int64_t row)
{
    const window_operand *x = &run->plan.x;
    return (const float *)run->call->ptr[0] + n * x->n_stride + row * x->s[1];
}

/* Has rows [begin, end) of image n in the ring. */
static void chain_fill(chain_run *run, int64_t n, int64_t begin, int64_t end)
{
    const window_operand *x = &run->plan.x, *ring = &run->plan.window.x;
    if (n != run->image) run->filled = 0;
    run->image = n;
    if (begin < run->filled) begin = run->filled;
    chain_lines lines = {.width = x->d[2], .x_step = x->s[2], .y_step = ring->s[2]};
    for (int64_t row = begin; row < end; row++, lines.n++) {
        lines.x[lines.n] = chain_x_row(run, n, row);
        lines.y[lines.n] = chain_ring_row(run, row);
    }
    if (lines.n == 0) return;
    chain_pointwise_run(&run->expand, &lines, run->scratch);
    run->filled = end;
}

/* Row `row` of what the depthwise convolution reads, or NULL outside. */
static const float *chain_input(const chain_run *run, int64_t n, int64_t row)
{
    if (!conv_inside(row, run->plan.x.d[1])) return NULL;
    return run->plan.expands ? chain_ring_row(run, row) : chain_x_row(run, n, row);
}

static void chain_unit(chain_run *run, uint32_t unit)
{
    const chain_plan *plan = &run->plan;
    const window_shape *window = &plan->window;
    const window_operand *y = &plan->y;
    const int64_t n = unit / plan->pairs, at = unit % plan->pairs * 2, height = plan->x.d[1];
    depthwise_rows *rows = &run->rows;
    rows->high = y->d[1] - at < 2 ? 1 : 2;
    const int64_t top = at * window->stride[1] - window->pad[1];
    const int64_t end = top + depthwise_rows_in(window, rows->high);
    if (plan->expands) chain_fill(run, n, top < 0 ? 0 : top, end < height ? end : height);
    for (int64_t i = 0; top + i < end; i++)
        rows->in[i] = chain_input(run, n, top + i);
    chain_lines lines = {.n = rows->high,
                         .width = y->d[2],
                         .x_step = window->y.s[2],
                         .y_step = y->s[2],
                         .n_side = run->sides.n};
    for (int64_t i = 0; i < rows->high; i++) {
        lines.y[i] = (float *)run->call->ptr[1] + n * y->n_stride + (at + i) * y->s[1];
        rows->out[i] = plan->projects ? run->between + i * window->y.s[1] : lines.y[i];
        lines.x[i] = rows->out[i];
        for (int32_t s = 0; s < run->sides.n; s++) {
            lines.side[s][i] = rows->side[s][i] = conv_side_row(&run->sides, s, n, at + i);
            lines.side_step[s] = run->sides.operand[s].s[2];
        }
    }
    SV_LEVEL_NAME(sv_depthwise_rows)(rows);
    if (plan->projects) chain_pointwise_run(&run->project, &lines, run->scratch);
    const uint8_t sums = plan->param->sums;
    if (sums) SV_LEVEL_NAME(sv_depthwise_sums)(rows, (float *)run->call->ptr[sums] + unit * y->c);
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool chain_supports(const sv_problem *problem)
{
    const sv_conv_chain_param *param = problem->param;
    const sv_desc *x = &problem->desc[0];
    return tile_all_f32(problem) && depthwise_rows_support(&param->stage[param->depthwise].conv) &&
           (x->dim[1] == 1 || x->stride[1] == 1);
}

/* What a value of `values` floats between two stages costs: it is written and read near, unless the
 * rows of it that a unit keeps are too many for that. */
static double chain_between_ns(const sv_problem *problem, const chain_plan *plan, double values)
{
    const double bytes = 2 * values * sizeof(float);
    const double scratch = (double)chain_floats(plan) * sizeof(float);
    const bool near = scratch <= sv_prices_of(problem, SV_LEVEL)->l2 / 2;
    return bytes * (sv_price(problem, SV_LEVEL, SV_PRICE_bytes) +
                    (near ? 0 : sv_price(problem, SV_LEVEL, SV_PRICE_far)));
}

/* A pointwise stage over `rows` rows; each pair of them reads the weights again. */
static double chain_pointwise_ns(const sv_problem *problem, const sv_desc *w, double rows,
                                 double width)
{
    const double weights = (double)(w->dim[0] * w->dim[1]);
    return conv_tiles_ns(problem, 2 * weights * rows * width, w->dim[1], w->dim[0]) +
           weights * sizeof(float) * rows / 2 * sv_price(problem, SV_LEVEL, SV_PRICE_reread);
}

static double chain_cost(const sv_problem *problem)
{
    const sv_conv_chain_param *param = problem->param;
    const sv_desc *first = &problem->desc[param->stage[0].weight];
    const sv_desc *last = &problem->desc[param->stage[param->n - 1].weight];
    chain_plan plan;
    chain_plan_init(problem->desc, param, &plan);
    const window_shape *window = &plan.window;
    const double c = (double)window->x.c, images = (double)plan.x.n;
    const double y_rows = images * (double)plan.y.d[1], y_width = (double)plan.y.d[2];
    const double x_rows = images * (double)plan.x.d[1], x_width = (double)plan.x.d[2];
    double cost = sv_problem_default_cost(problem);
    cost += depthwise_rows_ns(problem, 2 * (double)window->taps * c * y_rows * y_width);
    if (plan.expands) {
        /* A thread's share begins with rows that another has made too. */
        const double again = CHAIN_SHARES * (double)(window->kernel[1] - window->stride[1]);
        cost += chain_pointwise_ns(problem, first, x_rows + again, x_width);
        cost += chain_between_ns(problem, &plan, c * x_rows * x_width);
    }
    if (plan.projects) {
        cost += chain_pointwise_ns(problem, last, y_rows, y_width);
        cost += chain_between_ns(problem, &plan, c * y_rows * y_width);
    }
    return cost;
}

static uint32_t chain_units(const sv_problem *problem, uint32_t phase)
{
    const sv_desc *y = &problem->desc[1];
    (void)phase;
    return sv_desc_count(y) == 0 ? 0 : (uint32_t)(y->dim[0] * ((y->dim[2] + 1) / 2));
}

static size_t chain_scratch_bytes(const sv_problem *problem)
{
    chain_plan plan;
    chain_plan_init(problem->desc, problem->param, &plan);
    return sizeof(chain_scratch) + chain_floats(&plan) * sizeof(float);
}

static void chain_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    chain_run run;
    chain_init(call, &run);
    for (uint32_t unit = begin; unit < end; unit++)
        chain_unit(&run, unit);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_conv_chain) = {
    .name = "conv_chain_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_conv_chain,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_conv_panels,
    .supports = chain_supports,
    .cost = chain_cost,
    .units = chain_units,
    .scratch = chain_scratch_bytes,
    .sums = true,
    .run = chain_run_units,
};
