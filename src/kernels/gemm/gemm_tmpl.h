/* GEMM of f32 at one CPU level: packed b (panels made at load) and raw b (panels made on the way,
 * or b read in place). A unit is a block of rows by a group of panels, or several small batches;
 * with packed b, neighbouring units of a thread are done as one area. */
#include "kernels/gemm/gemm_shape.h"
#include "kernels/panel_tmpl.h"
#include "kernels/strided.h"
#include "kernels/tile_tmpl.h"

/* Tiles of an area: pointers of all of them are listed once and serve every panel. */
#define GEMM_MAX_TILES 47
#define GEMM_MOST_ROWS (GEMM_MAX_TILES * TILE_MR)
/* From this many rows on, raw b is copied into panels: then they are read often enough. */
#define GEMM_PACK_ROWS (2 * TILE_MR)

/* Large products: a part of the rows stays in the second-level cache, beside the panel read and the
 * one to come, while all panels of the thread go by. Up to GEMM_ONE_PART rows are one part, so that
 * weights come from afar once; of more, a part has GEMM_NEAR_ROWS or more. Where that many are too
 * deep, all panels meet a part of the depth before the next. */
#define GEMM_NEAR_BYTES (1 << 19)
#define GEMM_ONE_PART 144
#define GEMM_NEAR_ROWS 96
#define GEMM_NEAR_DEPTH 2048

/* Rows that lie a multiple of so many bytes apart share few sets of the second-level cache: a part
 * of them is copied where so many panels read it. */
#define GEMM_SETS_BYTES (1 << 13)
#define GEMM_COPY_ROWS 48
#define GEMM_COPY_PANELS 16

/* Rows that are transposed on the way, so many bytes at once. */
#define GEMM_TRANSPOSED_BYTES (1 << 17)

/* A single tile reads ahead where it has no more rows: higher ones leave the processor the time. */
#define GEMM_AHEAD_ALONE 10

/* Panels over all batches that are units enough, for raw b. */
#define GEMM_RAW_UNITS 16

typedef struct gemm_plan {
    gemm_shape shape;
    tile_split split;
    int64_t wide;         /* panels that are taken together: TILE_WIDE for a single row */
    int64_t near_blocks;  /* blocks whose rows stay near: all panels meet these before the next */
    int64_t depth_parts;  /* parts of the depth: all panels meet one before the next */
    int64_t unit_batches; /* batches of a unit; above 1 only if a batch is one unit's work */
    bool packed;
    bool copied; /* rows of a are copied into scratch, where their elements are neighbours */
    bool joined; /* units that are neighbours are done as one */
} gemm_plan;

/* Depth of a part, at most. */
static int64_t gemm_part_depth(const gemm_plan *plan)
{
    return (plan->shape.k + plan->depth_parts - 1) / plan->depth_parts;
}

/* Floats from one copied row to the next. */
static int64_t gemm_copy_pitch(const gemm_plan *plan)
{
    return (gemm_part_depth(plan) + TILE_LINE - 1) / TILE_LINE * TILE_LINE + TILE_LINE;
}

/* Rows that are done together, at most. */
static int64_t gemm_most_rows(const gemm_plan *plan)
{
    const int64_t blocks = plan->joined ? plan->near_blocks : 1;
    return (plan->shape.m * blocks + plan->split.blocks - 1) / plan->split.blocks;
}

/* Floats of the rows that are copied. */
static int64_t gemm_copy_floats(const gemm_plan *plan)
{
    return plan->copied ? gemm_most_rows(plan) * gemm_copy_pitch(plan) : 0;
}

/* The parts that a large product is done by. */
static void gemm_parts_init(gemm_plan *plan)
{
    const gemm_shape *shape = &plan->shape;
    tile_split *split = &plan->split;
    const int64_t floats = GEMM_NEAR_BYTES / (int64_t)sizeof(float);
    const int64_t rows = shape->m <= GEMM_ONE_PART ? shape->m : GEMM_NEAR_ROWS;
    const int64_t fit = sv_least(floats / rows, GEMM_NEAR_DEPTH);
    if (shape->y_n == 1 && shape->k > fit) plan->depth_parts = (shape->k + fit - 1) / fit;
    const double depth = (double)(shape->k ? gemm_part_depth(plan) : 1);
    int64_t most = tile_clamp_count((double)floats / depth, GEMM_MOST_ROWS);
    if (most < TILE_MR) most = TILE_MR;
    const int64_t parts = (shape->m + most - 1) / most;
    plan->near_blocks = (split->blocks + parts - 1) / parts;
    split->blocks = parts * plan->near_blocks;
    if (shape->row[GEMM_A] * (int64_t)sizeof(float) % GEMM_SETS_BYTES == 0 &&
        shape->m >= GEMM_COPY_ROWS && split->panels >= GEMM_COPY_PANELS)
        plan->copied = true;
}

/* Blocks whose rows stay near where units are done one by one. */
static int64_t gemm_near_blocks(const gemm_plan *plan)
{
    const double bytes = (double)plan->shape.k * (double)plan->shape.m * (double)sizeof(float);
    const int64_t blocks = plan->split.blocks;
    return tile_clamp_count(GEMM_NEAR_BYTES * (double)blocks / (bytes + 1), blocks);
}

/* Tiles of a block, at most. Rows that must be gathered are gathered a tile at a time, or a part of
 * a large product; those that are transposed, as many as stay near. */
static int64_t gemm_most_tiles(const gemm_shape *shape)
{
    const int64_t most = GEMM_MOST_ROWS / TILE_MR;
    if (shape->a_k == 1) return most;
    if (shape->row[GEMM_A] != 1) return 1;
    const double bytes = (double)shape->k * TILE_MR * (double)sizeof(float);
    return tile_clamp_count(GEMM_TRANSPOSED_BYTES / (bytes + 1), most);
}

static void gemm_plan_init(const sv_desc *desc, const sv_epilogue *epilogue, bool packed,
                           gemm_plan *out)
{
    *out = (gemm_plan){.packed = packed, .depth_parts = 1, .unit_batches = 1};
    gemm_shape_init(desc, epilogue, packed, &out->shape);
    const gemm_shape *shape = &out->shape;
    int64_t panels = (shape->n + TILE_NR - 1) / TILE_NR;
    int64_t max_tiles = gemm_most_tiles(shape);
    out->copied = shape->a_k != 1;
    out->wide = packed && shape->m == 1 ? TILE_WIDE : 1;
    panels = (panels + out->wide - 1) / out->wide;
    tile_split_init(shape->m > 0 ? shape->m : 1, TILE_MR, (double)shape->k, TILE_NR * out->wide,
                    panels > 0 ? panels : 1, max_tiles, &out->split);
    double flops = 2.0 * (double)shape->m * (double)shape->n * (double)(shape->k + 8);
    double fit = 2 * TILE_GRAIN / (flops + 1);
    if (!packed && shape->m >= GEMM_PACK_ROWS && panels * shape->batches >= GEMM_RAW_UNITS) {
        /* A panel made on the way should be made once. */
        out->split.groups = fit > 1 ? 1 : panels;
        out->split.blocks = ((shape->m + TILE_MR - 1) / TILE_MR + max_tiles - 1) / max_tiles;
    }
    out->near_blocks = gemm_near_blocks(out);
    out->joined = packed && out->split.groups > 1;
    if (out->joined && shape->m > TILE_MR) gemm_parts_init(out);
    if (out->split.blocks * out->split.groups == 1) {
        out->unit_batches = tile_clamp_count(fit, shape->batches > 0 ? shape->batches : 1);
    }
}

/* Padded columns cost as much as real ones. */
static double gemm_cost(const sv_problem *problem)
{
    const sv_desc *y = &problem->desc[2];
    double n = (double)y->dim[y->rank - 1];
    double computed = (double)sv_panel_computed(y->dim[y->rank - 1], TILE_NR);
    double flops = n > 0 ? sv_problem_flops(problem) * computed / n : 0;
    double copy = 0;
    if (problem->b_format == SV_FORMAT_RAW)
        copy =
            (double)sv_desc_count(&problem->desc[1]) * sv_price(problem, SV_LEVEL, SV_PRICE_panel);
    return sv_problem_default_cost(problem) +
           flops * sv_price(problem, SV_LEVEL, SV_PRICE_product) + copy;
}

static uint32_t gemm_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    gemm_plan plan;
    gemm_plan_init(problem->desc, &problem->epilogue, problem->b_format != SV_FORMAT_RAW, &plan);
    int64_t batches = (plan.shape.batches + plan.unit_batches - 1) / plan.unit_batches;
    return (uint32_t)(batches * plan.split.blocks * plan.split.groups);
}

/* Scratch of a thread: the area's pointer lists, gathered or copied rows of a, a panel of raw b. */
typedef struct gemm_scratch {
    tile_rows tile[GEMM_MAX_TILES];
    const float *pointer[GEMM_MAX_TILES * TILE_MR * GEMM_ROWED];
    float room[] __attribute__((aligned(64)));
} gemm_scratch;

static size_t gemm_scratch_bytes(const sv_problem *problem)
{
    gemm_plan plan;
    gemm_plan_init(problem->desc, &problem->epilogue, problem->b_format != SV_FORMAT_RAW, &plan);
    size_t floats = (size_t)gemm_copy_floats(&plan);
    if (!plan.packed) floats += TILE_NR * (size_t)plan.shape.k;
    return sizeof(gemm_scratch) + floats * sizeof(float);
}

/* One batch of a run. */
typedef struct gemm_batch {
    const sv_call *call;
    const gemm_plan *plan;
    const tile_epilogue *epilogue;
    int64_t offset[GEMM_ROWED];
    const float *b;
    gemm_scratch *scratch;
} gemm_batch;

/* Rows by panels of a batch that are done together. */
typedef struct gemm_area {
    int64_t row, rows, tiles;
    int64_t first, last; /* panels */
} gemm_area;

/* A part of the depth. */
typedef struct gemm_depth {
    int64_t first, n;
    bool resumed, unfinished;
} gemm_depth;

static gemm_depth gemm_depth_of(const gemm_plan *plan, int64_t part)
{
    const int64_t first = tile_part(plan->shape.k, plan->depth_parts, part);
    return (gemm_depth){.first = first,
                        .n = tile_part(plan->shape.k, plan->depth_parts, part + 1) - first,
                        .resumed = part > 0,
                        .unfinished = part + 1 < plan->depth_parts};
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Copies rows that are neighbours, element by element: squares of them are transposed. */
static void gemm_copy_across(const float *from, int64_t a_k, int64_t rows, int64_t depth,
                             int64_t pitch, float *to)
{
    for (int64_t row = 0; row < rows; row += SV_VF) {
        for (int64_t k = 0; k < depth; k += SV_VF)
            panel_transpose(from + row + k * a_k, a_k, depth - k, rows - row, to + row * pitch + k,
                            pitch);
    }
}

/* Copies what the area's rows have of the depth into the scratch. */
static void gemm_copy(const gemm_batch *batch, const gemm_area *area, const gemm_depth *depth)
{
    const gemm_shape *shape = &batch->plan->shape;
    const int64_t pitch = gemm_copy_pitch(batch->plan), step = shape->row[GEMM_A];
    const float *from = (const float *)batch->call->ptr[0] + batch->offset[GEMM_A] +
                        area->row * step + depth->first * shape->a_k;
    float *to = batch->scratch->room;
    if (shape->a_k == 1) {
        panel_copy_rows(from, step, area->rows, depth->n, pitch, to);
        return;
    }
    if (step == 1) {
        gemm_copy_across(from, shape->a_k, area->rows, depth->n, pitch, to);
        return;
    }
    for (int64_t row = 0; row < area->rows; row += TILE_MR) {
        const int64_t end = sv_least(row + TILE_MR, area->rows);
        for (int64_t k = 0; k < depth->n; k++) {
            for (int64_t i = row; i < end; i++)
                to[i * pitch + k] = from[i * step + k * shape->a_k];
        }
    }
}

/* Lists the pointers of rows [row, row + n) of the area for one tile. */
static void gemm_list(const gemm_batch *batch, const gemm_area *area, int64_t row, int32_t n,
                      const float **pointer, tile_rows *out)
{
    const gemm_shape *shape = &batch->plan->shape;
    const sv_epilogue *epilogue = batch->call->epilogue;
    const float *base[GEMM_ROWED] = {batch->call->ptr[0], batch->call->ptr[2]};
    for (uint32_t i = 0; i < epilogue->n; i++) {
        int8_t side = batch->epilogue->side[i];
        if (side >= 0) base[GEMM_SIDE + side] = batch->epilogue->operand[i];
    }
    for (int32_t r = 0; r < shape->n_rowed; r++) {
        const float *at = base[r] + batch->offset[r] + (area->row + row) * shape->row[r];
        for (int32_t i = 0; i < n; i++, at += shape->row[r])
            pointer[r * n + i] = at;
    }
    const int64_t pitch = gemm_copy_pitch(batch->plan);
    for (int32_t i = 0; i < n && batch->plan->copied; i++)
        pointer[GEMM_A * n + i] = batch->scratch->room + (row + i) * pitch;
    *out = (tile_rows){.n = n,
                       .x = pointer + GEMM_A * n,
                       .y = (float *const *)(pointer + GEMM_Y * n),
                       .side = pointer + GEMM_SIDE * n};
}

/* ---- panels -------------------------------------------------------------------------------- */

/* The panel's weights when b is raw: in place where columns are neighbours and rows few, else
 * copied. A part of a panel is always copied: reading it in place would pass b's end. */
static void gemm_raw_panel(const gemm_batch *batch, int64_t rows, tile_panel *panel)
{
    const gemm_shape *shape = &batch->plan->shape;
    const float *from = batch->b + panel->column * shape->b_n;
    int64_t width = panel->columns > SV_VF ? TILE_NR : SV_VF;
    if (shape->b_n == 1 && panel->columns == width && rows < GEMM_PACK_ROWS) {
        panel->at = from;
        panel->step = shape->b_k;
        return;
    }
    float *to = batch->scratch->room + gemm_copy_floats(batch->plan);
    panel->at = to;
    panel->step = width;
    panel_copy(from, shape->b_k, shape->b_n, shape->k, panel->columns, width, to);
}

static void gemm_panel(const gemm_batch *batch, int64_t p, int64_t rows, const gemm_depth *depth,
                       tile_panel *out)
{
    const gemm_shape *shape = &batch->plan->shape;
    const int64_t left = shape->n - p * TILE_NR, step = left > SV_VF ? TILE_NR : SV_VF;
    *out = (tile_panel){.at = batch->b + p * TILE_NR * shape->k + depth->first * step,
                        .step = step,
                        .taps = 1,
                        .depth = depth->n,
                        .x_offset = batch->plan->copied ? 0 : depth->first,
                        .column = p * TILE_NR,
                        .columns = (int32_t)(left < TILE_NR ? left : TILE_NR),
                        .y_step = shape->y_n,
                        .resumed = depth->resumed,
                        .unfinished = depth->unfinished};
    if (!batch->plan->packed) gemm_raw_panel(batch, rows, out);
}

/* A single row: as many panels at once as there are. */
static void gemm_one_row(const gemm_batch *batch, const gemm_area *area, const gemm_depth *depth)
{
    const tile_rows *tile = batch->scratch->tile;
    tile_panel panel;
    for (int64_t p = area->first; p < area->last;) {
        gemm_panel(batch, p, 1, depth, &panel);
        if ((p + TILE_WIDE) * TILE_NR <= batch->plan->shape.n && p + TILE_WIDE <= area->last) {
            panel.columns = TILE_WIDE * TILE_NR;
            tile_run_wide(batch->epilogue, tile, &panel);
            p += TILE_WIDE;
        } else {
            tile_run(batch->epilogue, tile, &panel);
            p++;
        }
    }
}

/* Where the weights that follow panel `p` begin. (Behind the last of all there are none: that is
 * only a hint.) */
static const float *gemm_next(const gemm_batch *batch, const gemm_area *area, int64_t p,
                              const gemm_depth *depth)
{
    const int64_t k = batch->plan->shape.k;
    if (p + 1 < area->last) return batch->b + (p + 1) * TILE_NR * k + depth->first * TILE_NR;
    if (!depth->unfinished) return batch->b + (p + 1) * TILE_NR * k;
    return batch->b + area->first * TILE_NR * k + (depth->first + depth->n) * TILE_NR;
}

/* The area's tiles by its panels, over a part of the depth. */
static void gemm_panels(const gemm_batch *batch, const gemm_area *area, const gemm_depth *depth)
{
    const tile_rows *tile = batch->scratch->tile;
    const bool ahead = batch->plan->packed && (area->tiles > 1 || area->rows <= GEMM_AHEAD_ALONE);
    const int64_t weights = (area->last - area->first) * TILE_NR * depth->n;
    tile_panel panel;
    if (batch->plan->packed && weights * (int64_t)sizeof(float) <= TILE_WEIGHTS_L1) {
        for (int64_t t = 0; t < area->tiles; t++) {
            for (int64_t p = area->first; p < area->last; p++) {
                gemm_panel(batch, p, area->rows, depth, &panel);
                tile_run(batch->epilogue, &tile[t], &panel);
            }
        }
        return;
    }
    for (int64_t p = area->first; p < area->last; p++) {
        gemm_panel(batch, p, area->rows, depth, &panel);
        const float *next = ahead ? gemm_next(batch, area, p, depth) : NULL;
        for (int64_t t = 0; t < area->tiles; t++) {
            tile_read_ahead(&panel, next, t, area->tiles);
            tile_run(batch->epilogue, &tile[t], &panel);
        }
    }
}

/* ---- areas --------------------------------------------------------------------------------- */

static void gemm_area_run(const gemm_batch *batch, gemm_area *area)
{
    const gemm_plan *plan = batch->plan;
    gemm_scratch *scratch = batch->scratch;
    area->tiles = (area->rows + TILE_MR - 1) / TILE_MR;
    for (int64_t t = 0; t < area->tiles; t++) {
        const int64_t first = tile_part(area->rows, area->tiles, t);
        const int64_t end = tile_part(area->rows, area->tiles, t + 1);
        gemm_list(batch, area, first, (int32_t)(end - first),
                  scratch->pointer + t * TILE_MR * GEMM_ROWED, &scratch->tile[t]);
    }
    for (int64_t part = 0; part < plan->depth_parts; part++) {
        const gemm_depth depth = gemm_depth_of(plan, part);
        if (plan->copied) gemm_copy(batch, area, &depth);
        if (plan->wide > 1) {
            gemm_one_row(batch, area, &depth);
        } else {
            gemm_panels(batch, area, &depth);
        }
    }
}

/* Blocks by groups. */
typedef struct gemm_share {
    int64_t block, blocks, group, groups;
} gemm_share;

/* The units from `index` of a batch on, up to `most`, that are done together. Neighbours share a
 * group of panels, then, of large matrices, the rows that stay near: threads take neighbours. */
static gemm_share gemm_share_at(const gemm_plan *plan, int64_t index, int64_t most)
{
    const tile_split *split = &plan->split;
    const int64_t near = index / (plan->near_blocks * split->groups) * plan->near_blocks;
    const int64_t blocks = sv_least(split->blocks - near, plan->near_blocks);
    index -= near * split->groups;
    gemm_share share = {near + index % blocks, 1, index / blocks, 1};
    if (!plan->joined) return share;
    if (index % blocks == 0 && most >= blocks) {
        share.blocks = blocks;
        share.groups = sv_least(most / blocks, split->groups - share.group);
    } else {
        share.blocks = sv_least(most, blocks - index % blocks);
    }
    return share;
}

static gemm_area gemm_area_of(const gemm_plan *plan, const gemm_share *share)
{
    const tile_split *split = &plan->split;
    const int64_t panels = (plan->shape.n + TILE_NR - 1) / TILE_NR;
    const int64_t row = tile_part(plan->shape.m, split->blocks, share->block);
    const int64_t end = tile_part(plan->shape.m, split->blocks, share->block + share->blocks);
    const int64_t first = tile_part(split->panels, split->groups, share->group);
    const int64_t stop = tile_part(split->panels, split->groups, share->group + share->groups);
    return (gemm_area){.row = row,
                       .rows = end - row,
                       .first = first * plan->wide,
                       .last = stop * plan->wide < panels ? stop * plan->wide : panels};
}

/* Units [index, index + count) of one batch. */
static void gemm_batch_run(const gemm_batch *batch, int64_t index, int64_t count)
{
    while (count > 0) {
        const gemm_share share = gemm_share_at(batch->plan, index, count);
        gemm_area area = gemm_area_of(batch->plan, &share);
        gemm_area_run(batch, &area);
        index += share.blocks * share.groups;
        count -= share.blocks * share.groups;
    }
}

static void gemm_run(const sv_call *call, uint32_t begin, uint32_t end, bool packed)
{
    const sv_gemm_param *param = call->param;
    gemm_plan plan;
    tile_epilogue epilogue;
    gemm_plan_init(call->desc, call->epilogue, packed, &plan);
    if (plan.shape.m == 0 || plan.shape.n == 0) return;
    tile_epilogue_init(call, call->desc[2].rank - 1, param->alpha, &epilogue);
    gemm_batch batch = {
        .call = call, .plan = &plan, .epilogue = &epilogue, .scratch = call->scratch};
    const int64_t per_batch = plan.split.blocks * plan.split.groups;
    for (int64_t unit = begin; unit < end;) {
        const int64_t inner = unit % per_batch;
        const int64_t count = sv_least(end - unit, per_batch - inner);
        const int64_t first = unit / per_batch * plan.unit_batches;
        const int64_t stop = sv_least(first + plan.unit_batches, plan.shape.batches);
        for (int64_t i = first; i < stop; i++) {
            int64_t b;
            gemm_batch_offsets(&plan.shape, i, batch.offset, &b);
            batch.b = (const float *)call->ptr[1] + b;
            gemm_batch_run(&batch, inner, count);
        }
        unit += count;
    }
}

static void gemm_packed_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    gemm_run(call, begin, end, true);
}

static void gemm_raw_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    gemm_run(call, begin, end, false);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_gemm_packed) = {
    .name = "gemm_packed_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_gemm,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_gemm_panels,
    .supports = tile_all_f32,
    .cost = gemm_cost,
    .units = gemm_units,
    .scratch = gemm_scratch_bytes,
    .run = gemm_packed_run,
};

const sv_kernel SV_LEVEL_NAME(sv_kernel_gemm_raw) = {
    .name = "gemm_raw_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_gemm,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_RAW,
    .supports = tile_all_f32,
    .cost = gemm_cost,
    .units = gemm_units,
    .scratch = gemm_scratch_bytes,
    .run = gemm_raw_run,
};
