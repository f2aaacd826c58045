/* Strassen's product at one CPU level; the algorithm is in strassen.h. A unit is a block of rows of
 * the upper half and those of the lower half that belong to them: it makes the sums of the left
 * side once, then goes through the columns by groups of panels. In a group, each of the left side's
 * matrices meets all panels before the next, so that it stays in the second-level cache; what the
 * result is made of waits in buffers beside it, or in the result itself.
 *
 * Where that gives too few units for several threads, a phase of its own makes the sums of all
 * rows, and a unit is a part of a block's columns. */
#include "kernels/gemm/gemm_shape.h"
#include "kernels/gemm/strassen.h"
#include "kernels/strided.h"
#include "kernels/tile_tmpl.h"

/* Rows of a block, at most; several blocks are a multiple of STRASSEN_EVEN. */
#define STRASSEN_ROWS 96
#define STRASSEN_EVEN 4
/* Panels of a group. */
#define STRASSEN_GROUP 16
/* Parts of a block's columns, at most, and panels of each, at least, where blocks are few; rows of
 * sums that are made together there. */
#define STRASSEN_PARTS 8
#define STRASSEN_PART 3
#define STRASSEN_SUM_ROWS 8
#define STRASSEN_PITCH (STRASSEN_GROUP * TILE_NR + TILE_LINE)

/* What is summed up on the left, and what waits. */
enum { STRASSEN_S1, STRASSEN_S2, STRASSEN_S3, STRASSEN_S4, STRASSEN_SUMS };
enum { STRASSEN_U, STRASSEN_V, STRASSEN_P5, STRASSEN_RESULT, STRASSEN_BUFFERS };

typedef struct strassen_plan {
    gemm_shape shape;
    int64_t half_m, half_k, half_n; /* rows of the upper half: the lower one may have one less */
    int64_t blocks;                 /* of a batch */
    int64_t parts;                  /* of a block's columns */
    bool early;                     /* sums are made in a phase before */
    int64_t pitch;                  /* floats from one row of sums to the next */
    bool gathered;                  /* rows of a are copied, so that elements are neighbours */
    bool scattered;                 /* the result's elements are not: it is made elsewhere first */
} strassen_plan;

/* Floats of whole lines, and one more: rows should not share the sets of a cache. */
static int64_t strassen_pitch(int64_t n)
{
    return (n + TILE_LINE - 1) / TILE_LINE * TILE_LINE + TILE_LINE;
}

static void strassen_plan_init(const sv_desc *desc, const sv_epilogue *epilogue, strassen_plan *out)
{
    gemm_shape_init(desc, epilogue, true, &out->shape);
    out->half_m = (out->shape.m + 1) / 2;
    out->half_k = out->shape.k / 2;
    out->half_n = out->shape.n / 2;
    out->blocks = (out->half_m + STRASSEN_ROWS - 1) / STRASSEN_ROWS;
    /* Few threads get as many each. */
    if (out->blocks > STRASSEN_EVEN) out->blocks += -out->blocks & (STRASSEN_EVEN - 1);
    out->early = out->shape.batches * out->blocks < STRASSEN_EVEN;
    const int64_t parts = out->half_n / TILE_NR / STRASSEN_PART;
    out->parts = !out->early || parts < 1 ? 1 : parts < STRASSEN_PARTS ? parts : STRASSEN_PARTS;
    out->pitch = strassen_pitch(out->half_k);
    out->gathered = out->shape.a_k != 1;
    out->scattered = out->shape.y_n != 1;
}

/* Scratch of a thread. */
typedef struct strassen_scratch {
    const float *pointer[2][STRASSEN_ROWS * GEMM_ROWED]; /* of the upper rows, of the lower ones */
    const float *sum[STRASSEN_SUMS][STRASSEN_ROWS];
    float *buffer[STRASSEN_BUFFERS][STRASSEN_ROWS];
    float waiting[STRASSEN_BUFFERS][STRASSEN_ROWS * STRASSEN_PITCH] __attribute__((aligned(64)));
    /* A row of zeros and one to write to, sums, gathered rows of both halves. */
    float room[];
} strassen_scratch;

/* Floats of a row that stands for one that is missing, as an operand or as a result. */
static int64_t strassen_spare(const strassen_plan *plan)
{
    return strassen_pitch(plan->shape.k > plan->shape.n ? plan->shape.k : plan->shape.n);
}

/* Floats of a block's sums, where it makes them itself. */
static int64_t strassen_own_sums(const strassen_plan *plan)
{
    return plan->early ? 0 : STRASSEN_SUMS * STRASSEN_ROWS * plan->pitch;
}

static float *strassen_gathered(const strassen_plan *plan, strassen_scratch *scratch, int low,
                                int64_t row)
{
    return scratch->room + 2 * strassen_spare(plan) + strassen_own_sums(plan) +
           (low * STRASSEN_ROWS + row) * strassen_pitch(plan->shape.k);
}

static size_t strassen_scratch_bytes(const sv_problem *problem)
{
    strassen_plan plan;
    strassen_plan_init(problem->desc, &problem->epilogue, &plan);
    int64_t floats = 2 * strassen_spare(&plan) + strassen_own_sums(&plan);
    if (plan.gathered) floats += 2 * STRASSEN_ROWS * strassen_pitch(plan.shape.k);
    return sizeof(strassen_scratch) + (size_t)floats * sizeof(float);
}

typedef struct strassen_run {
    const sv_call *call;
    const strassen_plan *plan;
    const tile_epilogue *epilogue; /* of the result */
    tile_epilogue plain;           /* of what waits */
    strassen_scratch *scratch;
    int64_t rows, tiles;
    int64_t panels, first; /* of the group; its first panel */
} strassen_run;

/* ---- rows ---------------------------------------------------------------------------------- */

/* Copies rows of a that are listed, and lists the copies. */
static void strassen_gather(const strassen_run *run, int low)
{
    const gemm_shape *shape = &run->plan->shape;
    const float **pointer = run->scratch->pointer[low];
    for (int64_t i = 0; i < run->rows; i++) {
        float *to = strassen_gathered(run->plan, run->scratch, low, i);
        const bool spare = pointer[i] == run->scratch->room;
        for (int64_t k = 0; k < shape->k; k++)
            to[k] = spare ? 0 : pointer[i][k * shape->a_k];
        pointer[i] = to;
    }
}

/* Lists rows [row, row + rows) of each operand, operand by operand. Behind the last row of the
 * matrix stands a spare one. */
static void strassen_list(const strassen_run *run, const int64_t offset[GEMM_ROWED], int64_t row,
                          int low)
{
    const float **pointer = run->scratch->pointer[low];
    const gemm_shape *shape = &run->plan->shape;
    const sv_epilogue *epilogue = run->call->epilogue;
    const float *base[GEMM_ROWED] = {run->call->ptr[0], run->call->ptr[2]};
    const float *zeros = run->scratch->room;
    for (uint32_t i = 0; i < epilogue->n; i++) {
        const int8_t side = run->epilogue->side[i];
        if (side >= 0) base[GEMM_SIDE + side] = run->epilogue->operand[i];
    }
    for (int32_t r = 0; r < shape->n_rowed; r++) {
        const float *spare = r == GEMM_Y ? zeros + strassen_spare(run->plan) : zeros;
        for (int64_t i = 0; i < run->rows; i++) {
            const bool there = row + i < shape->m;
            pointer[r * run->rows + i] =
                there ? base[r] + offset[r] + (row + i) * shape->row[r] : spare;
        }
    }
    if (run->plan->gathered) strassen_gather(run, low);
}

/* The sums of one row of each half. */
static void strassen_sum_row(const float *upper, const float *lower, int64_t n,
                             float *const to[STRASSEN_SUMS])
{
    for (int64_t i = 0; i < n; i++) {
        const float a11 = upper[i], a21 = lower[i], s1 = a21 + lower[n + i], s2 = s1 - a11;
        to[STRASSEN_S1][i] = s1;
        to[STRASSEN_S2][i] = s2;
        to[STRASSEN_S3][i] = a11 - a21;
        to[STRASSEN_S4][i] = upper[n + i] - s2;
    }
}

/* Where the sums of row `row` of batch `batch` are, or will be: of the block's row `i`. */
static float *strassen_sum_at(const strassen_run *run, int sum, int64_t batch, int64_t row,
                              int64_t i)
{
    const strassen_plan *plan = run->plan;
    if (!plan->early)
        return run->scratch->room + 2 * strassen_spare(plan) +
               (sum * STRASSEN_ROWS + i) * plan->pitch;
    const int64_t rows = plan->shape.batches * plan->half_m;
    return (float *)run->call->shared + (sum * rows + batch * plan->half_m + row + i) * plan->pitch;
}

/* The sums of the listed rows, which begin with row `row` of the batch's halves. */
static void strassen_sums(const strassen_run *run, int64_t batch, int64_t row)
{
    const strassen_scratch *scratch = run->scratch;
    for (int64_t i = 0; i < run->rows; i++) {
        float *to[STRASSEN_SUMS];
        for (int s = 0; s < STRASSEN_SUMS; s++)
            to[s] = strassen_sum_at(run, s, batch, row, i);
        strassen_sum_row(scratch->pointer[0][i], scratch->pointer[1][i], run->plan->half_k, to);
    }
}

/* Lists rows of both halves. */
static void strassen_list_both(const strassen_run *run, int64_t batch, int64_t row)
{
    int64_t offset[GEMM_ROWED], b;
    gemm_batch_offsets(&run->plan->shape, batch, offset, &b);
    strassen_list(run, offset, row, 0);
    strassen_list(run, offset, run->plan->half_m + row, 1);
}

/* ---- products ------------------------------------------------------------------------------ */

/* Rows of the left side, from a column on. */
typedef struct strassen_left {
    const float *const *x;
    int64_t offset;
} strassen_left;

/* Where a product goes: into a buffer, or columns of the result from `column` on. */
typedef struct strassen_place {
    float *const *y;
    const float *const *side; /* [n_side][rows], or NULL: a buffer */
    int64_t column;
} strassen_place;

/* Sums up rows by the group's panels of one of the right side's matrices: from nothing, or
 * `resumed` from what is there. In the result this is the end: the epilogue follows. `matrix` may
 * be STRASSEN_SIDES: nothing is added. */
static void strassen_product(const strassen_run *run, strassen_left left, int matrix, bool resumed,
                             strassen_place place)
{
    const strassen_plan *plan = run->plan;
    const bool none = matrix == STRASSEN_SIDES;
    const int64_t size = plan->half_k * TILE_NR, n_side = place.side ? run->epilogue->n_side : 0;
    const float *weights = (const float *)run->call->ptr[1] +
                           (none ? 0 : matrix * plan->half_n * plan->half_k) + run->first * size;
    for (int64_t p = 0; p < run->panels; p++) {
        tile_panel panel = {.at = weights + p * size,
                            .step = TILE_NR,
                            .taps = 1,
                            .depth = none ? 0 : plan->half_k,
                            .x_offset = left.offset,
                            .column = place.column + p * TILE_NR,
                            .columns = TILE_NR,
                            .y_step = 1,
                            .resumed = resumed};
        for (int64_t t = 0; t < run->tiles; t++) {
            const int64_t row = tile_part(run->rows, run->tiles, t);
            const int64_t n = tile_part(run->rows, run->tiles, t + 1) - row;
            const float *side[SV_EPILOGUE_MAX * TILE_MR];
            for (int64_t s = 0; s < n_side; s++) {
                for (int64_t i = 0; i < n; i++)
                    side[s * n + i] = place.side[s * run->rows + row + i];
            }
            const tile_rows rows = {(int32_t)n, left.x + row, place.y + row, side};
            if (!none) tile_read_ahead(&panel, weights + (p + 1) * size, t, run->tiles);
            tile_run(place.side ? run->epilogue : &run->plain, &rows, &panel);
        }
    }
}

/* Writes one or the sum of two buffers to columns of the result, or into a buffer. Sums that the
 * result's product resumes must hold the bias, unless they are scaled. */
static void strassen_move(const strassen_run *run, float *const *from, float *const *also,
                          strassen_place place)
{
    const bool biased = place.side && run->epilogue->bias && run->epilogue->alpha == 1.0f;
    const float *bias = biased ? run->epilogue->bias + place.column : NULL;
    for (int64_t i = 0; i < run->rows; i++) {
        float *to = place.y[i] + place.column;
        for (int64_t j = 0; j < run->panels * TILE_NR; j += SV_VF) {
            sv_vf x = vf_load(from[i] + j);
            if (also) x = x + vf_load(also[i] + j);
            if (bias) x = x + vf_load(bias + j);
            vf_store(to + j, x);
        }
    }
}

/* A quarter of the result, from the group's first column on. */
static strassen_place strassen_quarter(const strassen_run *run, int low, int right)
{
    const float *const *pointer = run->scratch->pointer[low];
    return (strassen_place){.y = (float *const *)(pointer + GEMM_Y * run->rows),
                            .side = pointer + GEMM_SIDE * run->rows,
                            .column = right * run->plan->half_n + run->first * TILE_NR};
}

/* Where a quarter waits whose elements are not neighbours; then it is written. */
static void strassen_scatter(const strassen_run *run, strassen_place to)
{
    const int64_t step = run->plan->shape.y_n;
    const float alpha = run->epilogue->alpha;
    const float *spare = run->scratch->room + strassen_spare(run->plan);
    for (int64_t i = 0; i < run->rows; i++) {
        const float *from = run->scratch->buffer[STRASSEN_RESULT][i];
        if (to.y[i] == spare) continue;
        for (int64_t j = 0; j < run->panels * TILE_NR; j++)
            to.y[i][(to.column + j) * step] = alpha * from[j];
    }
}

/* A quarter: one buffer or the sum of two, and a product. */
static void strassen_finish(const strassen_run *run, float *const *from, float *const *also,
                            strassen_left left, int matrix, strassen_place quarter)
{
    const strassen_place aside = {.y = run->scratch->buffer[STRASSEN_RESULT]};
    const strassen_place place = run->plan->scattered ? aside : quarter;
    strassen_move(run, from, also, place);
    strassen_product(run, left, matrix, true, place);
    if (run->plan->scattered) strassen_scatter(run, quarter);
}

/* The group's columns of all four quarters. */
static void strassen_columns(const strassen_run *run)
{
    strassen_scratch *scratch = run->scratch;
    const float *const *upper = scratch->pointer[0], *const *lower = scratch->pointer[1];
    float *const *u = scratch->buffer[STRASSEN_U], *const *v = scratch->buffer[STRASSEN_V];
    float *const *p5 = scratch->buffer[STRASSEN_P5];
    const strassen_left a11 = {upper, 0}, a12 = {upper, run->plan->half_k};
    const strassen_left a22 = {lower, run->plan->half_k}, s1 = {scratch->sum[STRASSEN_S1], 0};
    const strassen_left s2 = {scratch->sum[STRASSEN_S2], 0};
    const strassen_left s3 = {scratch->sum[STRASSEN_S3], 0};
    const strassen_left s4 = {scratch->sum[STRASSEN_S4], 0};
    const strassen_place to_u = {.y = u}, to_v = {.y = v}, to_p5 = {.y = p5};
    strassen_product(run, a11, STRASSEN_B11, false, to_u);
    strassen_finish(run, u, NULL, a12, STRASSEN_B21, strassen_quarter(run, 0, 0));
    strassen_product(run, s2, STRASSEN_T2, true, to_u);
    strassen_move(run, u, NULL, to_v);
    strassen_product(run, s3, STRASSEN_T3, true, to_v);
    strassen_product(run, s1, STRASSEN_T1, false, to_p5);
    strassen_finish(run, u, p5, s4, STRASSEN_B22, strassen_quarter(run, 0, 1));
    strassen_finish(run, v, p5, s1, STRASSEN_SIDES, strassen_quarter(run, 1, 1));
    strassen_finish(run, v, NULL, a22, STRASSEN_MINUS_T4, strassen_quarter(run, 1, 0));
}

/* ---- running ------------------------------------------------------------------------------- */

static int64_t strassen_sum_blocks(const strassen_plan *plan)
{
    return sv_divide_up(plan->half_m, STRASSEN_SUM_ROWS);
}

/* The first phase: the sums of some rows. */
static void strassen_early(strassen_run *run, int64_t unit)
{
    const strassen_plan *plan = run->plan;
    const int64_t blocks = strassen_sum_blocks(plan), batch = unit / blocks;
    const int64_t row = unit % blocks * STRASSEN_SUM_ROWS, left = plan->half_m - row;
    run->rows = left < STRASSEN_SUM_ROWS ? left : STRASSEN_SUM_ROWS;
    strassen_list_both(run, batch, row);
    strassen_sums(run, batch, row);
}

/* A part of the columns of a block of rows: neighbouring units have the same columns. */
static void strassen_unit(strassen_run *run, int64_t unit)
{
    const strassen_plan *plan = run->plan;
    strassen_scratch *scratch = run->scratch;
    const int64_t blocks = plan->shape.batches * plan->blocks, panels = plan->half_n / TILE_NR;
    const int64_t part = unit / blocks, end = tile_part(panels, plan->parts, part + 1);
    const int64_t batch = unit % blocks / plan->blocks, block = unit % plan->blocks;
    const int64_t row = tile_part(plan->half_m, plan->blocks, block);
    run->rows = tile_part(plan->half_m, plan->blocks, block + 1) - row;
    run->tiles = (run->rows + TILE_MR - 1) / TILE_MR;
    strassen_list_both(run, batch, row);
    if (!plan->early) strassen_sums(run, batch, row);
    for (int64_t i = 0; i < run->rows; i++) {
        for (int s = 0; s < STRASSEN_SUMS; s++)
            scratch->sum[s][i] = strassen_sum_at(run, s, batch, row, i);
        for (int b = 0; b < STRASSEN_BUFFERS; b++)
            scratch->buffer[b][i] = scratch->waiting[b] + i * STRASSEN_PITCH;
    }
    run->first = tile_part(panels, plan->parts, part);
    for (; run->first < end; run->first += run->panels) {
        const int64_t left = end - run->first;
        run->panels = left < STRASSEN_GROUP ? left : STRASSEN_GROUP;
        strassen_columns(run);
    }
}

static void strassen_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_gemm_param *param = call->param;
    static const sv_epilogue nothing;
    const sv_call bare = {.epilogue = &nothing};
    strassen_plan plan;
    tile_epilogue epilogue;
    strassen_plan_init(call->desc, call->epilogue, &plan);
    tile_epilogue_init(call, call->desc[2].rank - 1, param->alpha, &epilogue);
    strassen_run run = {
        .call = call, .plan = &plan, .epilogue = &epilogue, .scratch = call->scratch};
    tile_epilogue_init(&bare, 0, 1.0f, &run.plain);
    memset(run.scratch->room, 0, 2 * (size_t)strassen_spare(&plan) * sizeof(float));
    for (uint32_t unit = begin; unit < end; unit++) {
        if (call->phase == 0) {
            strassen_early(&run, unit);
        } else {
            strassen_unit(&run, unit);
        }
    }
}

static uint32_t strassen_units(const sv_problem *problem, uint32_t phase)
{
    strassen_plan plan;
    strassen_plan_init(problem->desc, &problem->epilogue, &plan);
    if (phase == 0)
        return plan.early ? (uint32_t)(plan.shape.batches * strassen_sum_blocks(&plan)) : 0;
    return (uint32_t)(plan.shape.batches * plan.blocks * plan.parts);
}

/* Sums that are made early: few rows, by what being early means. */
static size_t strassen_shared(const sv_problem *problem)
{
    strassen_plan plan;
    strassen_plan_init(problem->desc, &problem->epilogue, &plan);
    const int64_t rows = plan.early ? plan.shape.batches * plan.half_m : 0;
    return (size_t)(STRASSEN_SUMS * rows * plan.pitch) * sizeof(float);
}

/* A result that is scattered leaves its epilogue to others. */
static bool strassen_supports(const sv_problem *problem)
{
    const sv_desc *y = &problem->desc[2];
    if (!sv_strassen_takes(problem) || !tile_all_f32(problem)) return false;
    return y->stride[y->rank - 1] == 1 || problem->epilogue.n == 0;
}

static double strassen_cost(const sv_problem *problem)
{
    return sv_problem_default_cost(problem) + sv_strassen_ns(problem, SV_LEVEL);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_gemm_strassen) = {
    .name = "gemm_strassen_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_gemm,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_gemm_strassen,
    .supports = strassen_supports,
    .cost = strassen_cost,
    .units = strassen_units,
    .scratch = strassen_scratch_bytes,
    .shared = strassen_shared,
    .phases = 2,
    .run = strassen_run_units,
};
