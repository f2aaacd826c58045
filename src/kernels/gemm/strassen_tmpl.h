/* Strassen's product at one CPU level; the algorithm is in strassen.h. The left side and
 * the result fall into blocks of rows, neighbours that a thread has had in the steps before, and
 * each block into an upper and a lower half.
 *
 * A unit is a part of the columns of a block: with the first of a block, a thread makes the sums of
 * the left side, then goes through the columns by groups of panels. In a group, each of the left
 * side's matrices meets all panels before the next, so that it stays in the second-level cache;
 * what the result is made of waits in buffers beside it, or in the result itself.
 *
 * Threads that share a block make its sums each for itself: reading what another has made takes
 * longer. */
#include "kernels/gemm/gemm_shape.h"
#include "kernels/gemm/strassen.h"
#include "kernels/strided.h"
#include "kernels/tile_tmpl.h"

/* Rows of a block's half, at most, and of one of several, whose number is a multiple of
 * STRASSEN_EVEN where they are more. */
#define STRASSEN_ROWS 128
#define STRASSEN_BLOCK 96
#define STRASSEN_EVEN 4
/* Panels of a group. */
#define STRASSEN_GROUP 16
/* Parts of a block's columns, at most, and panels of each, at least, where blocks are few. */
#define STRASSEN_PARTS 8
#define STRASSEN_PART 3
#define STRASSEN_PITCH (STRASSEN_GROUP * TILE_NR + TILE_LINE)
/* Floats of what waits: not a multiple of a page, so that rows of two do not share sets of a cache.
 */
#define STRASSEN_WAITING (STRASSEN_ROWS * STRASSEN_PITCH + 17 * TILE_LINE)

/* What is summed up on the left, and what waits. */
enum { STRASSEN_S1, STRASSEN_S2, STRASSEN_S3, STRASSEN_S4, STRASSEN_SUMS };
enum { STRASSEN_U, STRASSEN_V, STRASSEN_P5, STRASSEN_RESULT, STRASSEN_BUFFERS };

typedef struct strassen_plan {
    gemm_shape shape;
    int64_t half_m, half_k, half_n; /* upper rows of all blocks: there may be one lower less */
    int64_t blocks;                 /* of a batch */
    int64_t parts;                  /* of a block's columns */
    int64_t pitch;                  /* floats from one row of sums to the next */
    bool gathered;                  /* rows of a are copied, so that elements are neighbours */
    bool scattered;                 /* the result's elements are not: it is made elsewhere first */
} strassen_plan;

/* Floats of whole lines, and one more: rows should not share the sets of a cache. */
static int64_t strassen_pitch(int64_t n)
{
    return (n + TILE_LINE - 1) / TILE_LINE * TILE_LINE + TILE_LINE;
}

/* Cuts few blocks in parts for several threads, an even number of them; or, where there are too few
 * columns, one block in two. */
static void strassen_share(strassen_plan *plan)
{
    const int64_t parts = plan->half_n / TILE_NR / STRASSEN_PART;
    if (parts > 1) {
        plan->parts = parts < STRASSEN_PARTS ? parts + parts % 2 : STRASSEN_PARTS;
    } else if (plan->shape.batches * plan->blocks == 1 && plan->half_m > TILE_MR) {
        plan->blocks = 2;
    }
}

static void strassen_plan_init(const sv_desc *desc, const sv_epilogue *epilogue, strassen_plan *out)
{
    gemm_shape_init(desc, epilogue, true, &out->shape);
    out->half_m = (out->shape.m + 1) / 2;
    out->half_k = out->shape.k / 2;
    out->half_n = out->shape.n / 2;
    out->blocks = out->half_m > STRASSEN_ROWS ? sv_divide_up(out->half_m, STRASSEN_BLOCK) : 1;
    /* Few threads get as many each. */
    if (out->blocks > STRASSEN_EVEN) out->blocks += -out->blocks & (STRASSEN_EVEN - 1);
    out->parts = 1;
    if (out->shape.batches * out->blocks < STRASSEN_EVEN) strassen_share(out);
    out->pitch = strassen_pitch(out->half_k);
    out->gathered = out->shape.a_k != 1;
    out->scattered = out->shape.y_n != 1;
}

/* Scratch of a thread. */
typedef struct strassen_scratch {
    const float *pointer[2][STRASSEN_ROWS * GEMM_ROWED]; /* of the upper rows, of the lower ones */
    const float *sum[STRASSEN_SUMS][STRASSEN_ROWS];
    float *buffer[STRASSEN_BUFFERS][STRASSEN_ROWS];
    float waiting[STRASSEN_BUFFERS][STRASSEN_WAITING] __attribute__((aligned(64)));
    /* A row of zeros and one to write to, sums, gathered rows of both halves. */
    float room[];
} strassen_scratch;

/* Floats of a row that stands for one that is missing, as an operand or as a result. */
static int64_t strassen_spare(const strassen_plan *plan)
{
    return strassen_pitch(plan->shape.k > plan->shape.n ? plan->shape.k : plan->shape.n);
}

/* Floats of a block's sums: one after the other, for rows far apart would share sets of caches. */
static int64_t strassen_sum_floats(const strassen_plan *plan)
{
    return STRASSEN_SUMS * sv_divide_up(plan->half_m, plan->blocks) * plan->pitch;
}

static float *strassen_gathered(const strassen_plan *plan, strassen_scratch *scratch, int low,
                                int64_t row)
{
    return scratch->room + 2 * strassen_spare(plan) + strassen_sum_floats(plan) +
           (low * STRASSEN_ROWS + row) * strassen_pitch(plan->shape.k);
}

static size_t strassen_scratch_bytes(const sv_problem *problem)
{
    strassen_plan plan;
    strassen_plan_init(problem->desc, &problem->epilogue, &plan);
    int64_t floats = 2 * strassen_spare(&plan) + strassen_sum_floats(&plan);
    if (plan.gathered) floats += 2 * STRASSEN_ROWS * strassen_pitch(plan.shape.k);
    return sizeof(strassen_scratch) + (size_t)floats * sizeof(float);
}

typedef struct strassen_run {
    const sv_call *call;
    const strassen_plan *plan;
    const tile_epilogue *epilogue; /* of the result */
    tile_epilogue plain;           /* of what waits */
    strassen_scratch *scratch;
    int64_t block;         /* of all batches: whose rows are listed and summed up; -1: none */
    int64_t rows, tiles;   /* of the block */
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

/* Lists the rows of a half of the block that begins with row 2 * row, of each operand. Behind the
 * last row of the matrix stands a spare one. */
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
            const int64_t at = 2 * row + low * run->rows + i;
            pointer[r * run->rows + i] =
                at < shape->m ? base[r] + offset[r] + at * shape->row[r] : spare;
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

/* The sums of the listed rows. */
static void strassen_sums(const strassen_run *run)
{
    const strassen_plan *plan = run->plan;
    strassen_scratch *scratch = run->scratch;
    float *sums = scratch->room + 2 * strassen_spare(plan);
    for (int64_t i = 0; i < run->rows; i++) {
        float *to[STRASSEN_SUMS];
        for (int s = 0; s < STRASSEN_SUMS; s++)
            scratch->sum[s][i] = to[s] = sums + (s * run->rows + i) * plan->pitch;
        strassen_sum_row(scratch->pointer[0][i], scratch->pointer[1][i], plan->half_k, to);
    }
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

/* Has the rows of a block, counted over all batches, listed and summed up. */
static void strassen_block(strassen_run *run, int64_t index)
{
    const strassen_plan *plan = run->plan;
    strassen_scratch *scratch = run->scratch;
    const int64_t batch = index / plan->blocks, block = index % plan->blocks;
    const int64_t row = tile_part(plan->half_m, plan->blocks, block);
    int64_t offset[GEMM_ROWED], b;
    if (run->block == index) return;
    run->block = index;
    run->rows = tile_part(plan->half_m, plan->blocks, block + 1) - row;
    run->tiles = (run->rows + TILE_MR - 1) / TILE_MR;
    gemm_batch_offsets(&plan->shape, batch, offset, &b);
    strassen_list(run, offset, row, 0);
    strassen_list(run, offset, row, 1);
    strassen_sums(run);
    for (int64_t i = 0; i < run->rows; i++) {
        for (int w = 0; w < STRASSEN_BUFFERS; w++)
            scratch->buffer[w][i] = scratch->waiting[w] + i * STRASSEN_PITCH;
    }
}

/* A part of a block's columns. */
static void strassen_unit(strassen_run *run, int64_t unit)
{
    const strassen_plan *plan = run->plan;
    const int64_t panels = plan->half_n / TILE_NR, part = unit % plan->parts;
    const int64_t end = tile_part(panels, plan->parts, part + 1);
    strassen_block(run, unit / plan->parts);
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
        .call = call, .plan = &plan, .epilogue = &epilogue, .scratch = call->scratch, .block = -1};
    tile_epilogue_init(&bare, 0, 1.0f, &run.plain);
    memset(run.scratch->room, 0, 2 * (size_t)strassen_spare(&plan) * sizeof(float));
    for (uint32_t unit = begin; unit < end; unit++)
        strassen_unit(&run, unit);
}

static uint32_t strassen_units(const sv_problem *problem, uint32_t phase)
{
    strassen_plan plan;
    (void)phase;
    strassen_plan_init(problem->desc, &problem->epilogue, &plan);
    return (uint32_t)(plan.shape.batches * plan.blocks * plan.parts);
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
    .run = strassen_run_units,
};
