/* Convolutions of few output channels at one CPU level, channels innermost (conv/few.h).
 *
 * A unit is a line of the result, or a part of a long one. The products of the positions of x that
 * it meets lie in the thread's scratch, [position][column of the kernel][output channel]; those of
 * positions outside x stay 0. */
#include "kernels/conv/conv_parts.h"
#include "kernels/conv/few.h"

/* Outputs of a unit, at most. */
#define FEW_OUTPUTS 256

typedef struct few_plan {
    window_shape shape;
    int64_t parts;     /* of a line */
    int64_t positions; /* of the longest part */
    int64_t columns;   /* stored for a position */
} few_plan;

typedef struct few_run {
    const sv_call *call;
    few_plan plan;
    tile_epilogue epilogue, plain;
    conv_sides sides;
    const float **list; /* [rows of the kernel][TILE_MR] */
    float *zero, *sums;
} few_run;

static void few_plan_init(const sv_desc *desc, const sv_conv_param *param, few_plan *out)
{
    window_of_conv(desc, param, &out->shape);
    const window_shape *shape = &out->shape;
    const int64_t wide = shape->y.d[2];
    out->parts = (wide + FEW_OUTPUTS - 1) / FEW_OUTPUTS;
    out->positions = (out->parts ? (wide + out->parts - 1) / out->parts : 0) +
                     (shape->kernel[2] - 1) * shape->dilation[2];
    out->columns = sv_panel_stored(shape->kernel[2] * shape->y.c, TILE_NR);
}

static int64_t few_zeros(const few_plan *plan)
{
    return (plan->shape.x.c + 15) / 16 * 16;
}

/* A vector more, for the last output channels are read as one. */
static int64_t few_sums(const few_plan *plan)
{
    return plan->positions * plan->columns + SV_VF;
}

/* ---- loops --------------------------------------------------------------------------------- */

/* A tile_fn: job->depth outputs, each the sum of job->taps vectors. job->x: [taps][outputs]. */
static void few_add(const tile_job *job)
{
    const tile_end end = tile_end_of(job);
    const tile_lanes lanes = tile_lanes_of(job->columns);
    const sv_vf bias = job->bias ? tile_load(job->bias, lanes) : vf_zero();
    const int64_t n = job->depth, taps = job->taps;
    for (int64_t i = 0; i < n; i++) {
        const float *const *x = job->x + i;
        sv_vf sum = bias;
        for (int64_t tap = 0; tap < taps; tap++, x += n)
            sum = sum + vf_load(*x);
        tile_finish(&end, (int)i, 0, lanes, sum);
    }
}

/* A line of the result, or a part of it. */
typedef struct few_line {
    int64_t n, y;         /* image, row */
    int64_t first, count; /* outputs */
} few_line;

/* The products of positions [first, first + n) of a line, counted from the left of its border. */
static void few_multiply(const few_run *run, const few_line *line, int64_t first, int64_t n)
{
    const window_shape *shape = &run->plan.shape;
    const window_operand *x = &shape->x;
    const float *image = (const float *)run->call->ptr[0] + line->n * x->n_stride;
    const int64_t left = line->first + first - shape->pad[2], depth = shape->kernel[1] * x->c;
    float *y[TILE_MR];
    const float **to = run->list;
    for (int64_t t = 0; t < shape->kernel[1]; t++) {
        const int64_t row = line->y * shape->stride[1] + t * shape->dilation[1] - shape->pad[1];
        const bool there = conv_inside(row, x->d[1]);
        for (int64_t i = 0; i < n; i++)
            *to++ = there ? image + row * x->s[1] + (left + i) * x->s[2] : run->zero;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = run->sums + (first + i) * run->plan.columns;
    const tile_rows rows = {.n = (int32_t)n, .x = run->list, .y = y};
    for (int64_t column = 0; column < run->plan.columns; column += TILE_NR) {
        const int64_t width = sv_panel_columns(run->plan.columns, column, TILE_NR);
        const tile_panel panel = {.at = (const float *)run->call->ptr[1] + column * depth,
                                  .step = width,
                                  .taps = shape->kernel[1],
                                  .depth = x->c,
                                  .column = column,
                                  .columns = (int32_t)width,
                                  .y_step = 1};
        tile_run(&run->plain, &rows, &panel);
    }
}

/* Outputs [first, first + n) of a line, from the products. */
static void few_sum(const few_run *run, const few_line *line, int64_t first, int64_t n)
{
    const window_shape *shape = &run->plan.shape;
    const window_operand *y = &shape->y;
    const int64_t at = line->first + first, columns = run->plan.columns;
    float *row = (float *)run->call->ptr[2] + line->n * y->n_stride + line->y * y->s[1];
    float *out[TILE_BUFFER];
    const float *side[SV_EPILOGUE_MAX * TILE_BUFFER], **list = run->list;
    for (int64_t tap = 0; tap < shape->kernel[2]; tap++) {
        const float *from = run->sums + (first + tap * shape->dilation[2]) * columns + tap * y->c;
        for (int64_t i = 0; i < n; i++)
            *list++ = from + i * columns;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = row + (at + i) * y->s[2];
    for (int32_t s = 0; s < run->sides.n; s++) {
        const float *from = conv_side_row(&run->sides, s, line->n, line->y);
        for (int64_t i = 0; i < n; i++)
            side[s * n + i] = from + (at + i) * run->sides.operand[s].s[2];
    }
    const tile_rows rows = {.n = (int32_t)n, .x = run->list, .y = out, .side = side};
    const tile_panel panel = {
        .taps = shape->kernel[2], .depth = n, .columns = (int32_t)y->c, .y_step = y->c_stride};
    tile_apply(few_add, 1, &run->epilogue, &rows, &panel);
}

/* Calls `part` for `count` things from `first` on, at most `most` at a time, as even as can be. */
static void few_each(const few_run *run, const few_line *line, int64_t first, int64_t count,
                     int64_t most,
                     void (*part)(const few_run *, const few_line *, int64_t, int64_t))
{
    const int64_t parts = (count + most - 1) / most;
    for (int64_t i = 0; i < parts; i++) {
        const int64_t at = tile_part(count, parts, i);
        part(run, line, first + at, tile_part(count, parts, i + 1) - at);
    }
}

static void few_unit(const few_run *run, uint32_t unit)
{
    const few_plan *plan = &run->plan;
    const window_shape *shape = &plan->shape;
    const int64_t row = unit / plan->parts, part = unit % plan->parts, wide = shape->y.d[2];
    few_line line = {.n = row / shape->y.d[1], .y = row % shape->y.d[1]};
    line.first = tile_part(wide, plan->parts, part);
    line.count = tile_part(wide, plan->parts, part + 1) - line.first;
    /* Positions that lie in x. */
    const int64_t positions = line.count + (shape->kernel[2] - 1) * shape->dilation[2];
    int64_t from = shape->pad[2] - line.first, to = from + shape->x.d[2];
    from = from < 0 ? 0 : from < positions ? from : positions;
    to = to < from ? from : to < positions ? to : positions;
    memset(run->sums, 0, (size_t)(from * plan->columns) * sizeof(float));
    memset(run->sums + to * plan->columns, 0,
           (size_t)((positions - to) * plan->columns) * sizeof(float));
    few_each(run, &line, from, to - from, TILE_MR, few_multiply);
    few_each(run, &line, 0, line.count, TILE_BUFFER, few_sum);
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool few_supports(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0];
    return tile_all_f32(problem) && (x->dim[1] == 1 || x->stride[1] == 1);
}

static double few_cost(const sv_problem *problem)
{
    return sv_problem_default_cost(problem) + sv_conv_few_ns(problem, SV_LEVEL);
}

static uint32_t few_units(const sv_problem *problem, uint32_t phase)
{
    few_plan plan;
    (void)phase;
    if (sv_desc_count(&problem->desc[2]) == 0) return 0;
    few_plan_init(problem->desc, problem->param, &plan);
    return (uint32_t)(plan.shape.y.n * plan.shape.y.d[1] * plan.parts);
}

/* Pointers that are listed at once. */
static int64_t few_list(const few_plan *plan)
{
    const int64_t rows = plan->shape.kernel[1] * TILE_MR,
                  sums = plan->shape.kernel[2] * TILE_BUFFER;
    return ((rows > sums ? rows : sums) + 7) / 8 * 8;
}

static size_t few_scratch(const sv_problem *problem)
{
    few_plan plan;
    few_plan_init(problem->desc, problem->param, &plan);
    return (size_t)few_list(&plan) * sizeof(void *) +
           (size_t)(few_zeros(&plan) + few_sums(&plan)) * sizeof(float);
}

static void few_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    static const sv_epilogue none = {0};
    sv_call plain = *call;
    plain.epilogue = &none;
    few_run run = {.call = call, .list = call->scratch};
    few_plan_init(call->desc, call->param, &run.plan);
    run.zero = (float *)(run.list + few_list(&run.plan));
    run.sums = run.zero + few_zeros(&run.plan);
    memset(run.zero, 0, (size_t)few_zeros(&run.plan) * sizeof(float));
    memset(run.sums + run.plan.positions * run.plan.columns, 0, SV_VF * sizeof(float));
    tile_epilogue_init(call, 1, 1.0f, &run.epilogue);
    tile_epilogue_init(&plain, 1, 1.0f, &run.plain);
    conv_sides_init(call, &run.epilogue, &run.sides);
    for (uint32_t unit = begin; unit < end; unit++)
        few_unit(&run, unit);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_conv_few) = {
    .name = "conv_few_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_conv,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_conv_few,
    .supports = few_supports,
    .cost = few_cost,
    .units = few_units,
    .scratch = few_scratch,
    .run = few_run_units,
};
