/* Convolutions of f32 at one CPU level: dense and grouped, transposed, depthwise; channels
 * innermost.
 *
 * Every output position lists a pointer per tap, to x or to a vector of zeros where the window
 * leaves x, and the tiles of tile_tmpl.h or of the depthwise kernel below do the rest. A unit is a
 * block of positions by a group of output channels. Rows named "copied" first copy x into the
 * step's shared memory, channels innermost, with its border: for inputs that lie otherwise, and for
 * so few channels that a whole line of the kernel is better summed at once. */
#include "kernels/conv/conv_plan_tmpl.h"

/* Where there are up to so many tiles, they read the next weights ahead. */
#define CONV_AHEAD_TILES 64

/* ---- pointer lists ------------------------------------------------------------------------- */

/* Scratch of a thread. */
typedef struct conv_scratch {
    tile_rows tile[CONV_MAX_TILES];
    /* then: zeros [channels], pointers [tiles][conv_list_length] */
    float zero[] __attribute__((aligned(64)));
} conv_scratch;

static int64_t conv_zeros(const conv_plan *plan)
{
    return (plan->shape.x.c + 15) / 16 * 16;
}

static size_t conv_scratch_bytes(const conv_plan *plan)
{
    return sizeof(conv_scratch) + (size_t)conv_zeros(plan) * sizeof(float) +
           (size_t)(plan->split.block_tiles * conv_list_length(plan)) * sizeof(void *);
}

typedef struct conv_run {
    const sv_call *call;
    const conv_plan *plan;
    tile_epilogue epilogue;
    conv_sides sides;
    const float *x;
    float *y;
    conv_scratch *scratch;
    const float **list;
    conv_phase phase;
    int64_t phase_index, block; /* whose tiles are listed */
    int64_t tiles;
    bool regular;
} conv_run;

/* Taps that are listed. */
static int64_t conv_taps(const conv_run *run)
{
    return run->plan->merged > 1 ? run->phase.taps / run->plan->merged : run->phase.taps;
}

/* One output position. */
typedef struct conv_position {
    int64_t n, i[3];
} conv_position;

static conv_position conv_position_of(const conv_phase *phase, int64_t flat)
{
    conv_position at = {.n = flat / phase->positions};
    const int64_t d[3] = {phase->axis[0].count, phase->axis[1].count, phase->axis[2].count};
    window_split(flat % phase->positions, d, at.i);
    return at;
}

/* Lists the taps of `count` positions along one line: pointer[tap * n + i]. */
static void conv_list_taps(const conv_run *run, const conv_position *at, int64_t count, int64_t n,
                           const float **pointer)
{
    const window_operand *x = &run->plan->shape.x;
    const conv_axis *axis = run->phase.axis;
    const float *image = run->x + at->n * x->n_stride, *const zero = run->scratch->zero;
    const int64_t taps2 = run->plan->merged > 1 ? 1 : axis[2].taps;
    const int64_t size = x->d[2], scale = axis[2].scale, step = scale * x->s[2];
    for (int64_t t0 = 0; t0 < axis[0].taps; t0++) {
        int64_t q0 = at->i[0] * axis[0].scale + axis[0].offset + t0 * axis[0].delta;
        for (int64_t t1 = 0; t1 < axis[1].taps; t1++) {
            int64_t q1 = at->i[1] * axis[1].scale + axis[1].offset + t1 * axis[1].delta;
            int64_t q2 = at->i[2] * scale + axis[2].offset;
            const bool line = conv_inside(q0, x->d[0]) && conv_inside(q1, x->d[1]);
            const int64_t width = line ? size : 0;
            int64_t offset = q0 * x->s[0] + q1 * x->s[1] + q2 * x->s[2];
            for (int64_t t2 = 0; t2 < taps2; t2++, pointer += n) {
                if (conv_inside(q2, width) && conv_inside(q2 + (count - 1) * scale, width)) {
                    for (int64_t i = 0; i < count; i++)
                        pointer[i] = image + (offset + i * step);
                } else {
                    for (int64_t i = 0; i < count; i++) {
                        bool there = conv_inside(q2 + i * scale, width);
                        pointer[i] = there ? image + (offset + i * step) : zero;
                    }
                }
                q2 += axis[2].delta;
                offset += axis[2].delta * x->s[2];
            }
        }
    }
}

/* Lists where `count` positions along one line lie in an operand of y's shape. */
static void conv_list_line(const conv_run *run, const window_operand *operand, const float *base,
                           const conv_position *at, int64_t count, const float **pointer)
{
    int64_t offset = at->n * operand->n_stride;
    for (int a = 0; a < 3; a++) {
        const conv_axis *axis = &run->phase.axis[a];
        offset += (axis->first + at->i[a] * axis->step) * operand->s[a];
    }
    const int64_t step = run->phase.axis[2].step * operand->s[2];
    for (int64_t i = 0; i < count; i++)
        pointer[i] = base + (offset + i * step);
}

/* The position `count` further on, at most behind the end of its line. */
static void conv_advance(const conv_phase *phase, int64_t count, conv_position *at)
{
    at->i[2] += count;
    for (int a = 2; a > 0 && at->i[a] == phase->axis[a].count; a--) {
        at->i[a] = 0;
        at->i[a - 1]++;
    }
    if (at->i[0] < phase->axis[0].count) return;
    at->i[0] = 0;
    at->n++;
}

static tile_rows conv_tile_of(int32_t n, int64_t taps, const float **pointer)
{
    return (tile_rows){.n = n,
                       .x = pointer,
                       .y = (float *const *)(pointer + taps * n),
                       .side = pointer + (taps + 1) * n};
}

/* Lists a whole tile's rows, whatever its height: a loop of known length, which compilers unroll.
 * What is behind the tile's rows is listed over, or never read. */
static void conv_list_part(const float *at, int64_t step, const float **pointer)
{
    for (int64_t i = 0; i < TILE_MR; i++, at += step)
        pointer[i] = at;
}

/* Lists `n` positions from number `first` on where all operands are regular. */
static void conv_list_regular(const conv_run *run, int64_t first, int64_t n, const float **pointer)
{
    const int64_t x = run->plan->shape.x.s[2], y = run->plan->shape.y.s[2];
    conv_list_part(run->x + first * x, x, pointer);
    conv_list_part(run->y + first * y, y, pointer + n);
    for (int32_t s = 0; s < run->plan->n_side; s++) {
        const int64_t step = run->sides.operand[s].s[2];
        conv_list_part(run->sides.at[s] + first * step, step, pointer + (2 + s) * n);
    }
}

/* Whether all pixels lie at one distance from the one before. */
static bool conv_is_spread(const window_operand *operand, const window_operand *like)
{
    int64_t next = operand->s[2];
    if (operand->n != like->n || operand->d[2] < 2) return false;
    for (int a = 2; a >= 0; a--) {
        if (operand->d[a] != like->d[a] || (operand->d[a] > 1 && operand->s[a] != next))
            return false;
        next *= operand->d[a];
    }
    return operand->n == 1 || operand->n_stride == next;
}

/* Whether position i of the result reads position i of x, and all operands are spread evenly: then
 * positions need not be found line by line. */
static bool conv_is_regular(const conv_run *run)
{
    const window_shape *shape = &run->plan->shape;
    if (run->plan->kind != CONV_DENSE || shape->taps != 1 || !conv_is_spread(&shape->y, &shape->x))
        return false;
    for (int a = 0; a < 3; a++) {
        if (shape->stride[a] != 1 || shape->pad[a] != 0) return false;
    }
    for (int32_t s = 0; s < run->plan->n_side; s++) {
        if (!conv_is_spread(&run->sides.operand[s], &shape->y)) return false;
    }
    return conv_is_spread(&shape->x, &shape->y);
}

/* Lists the pointers of `n` positions from `at` on, which moves behind them. */
static void conv_list_tile(const conv_run *run, conv_position *at, int32_t n, const float **pointer,
                           tile_rows *out)
{
    const int64_t taps = conv_taps(run), line = run->phase.axis[2].count;
    if (run->regular) {
        conv_list_regular(run, at->i[2], n, pointer);
        at->i[2] += n;
        *out = conv_tile_of(n, 1, pointer);
        return;
    }
    for (int64_t i = 0; i < n;) {
        int64_t count = line - at->i[2] < n - i ? line - at->i[2] : n - i;
        conv_list_taps(run, at, count, n, pointer + i);
        conv_list_line(run, &run->plan->shape.y, run->y, at, count, pointer + taps * n + i);
        for (int32_t s = 0; s < run->plan->n_side; s++) {
            conv_list_line(run, &run->sides.operand[s], run->sides.at[s], at, count,
                           pointer + (taps + 1 + s) * n + i);
        }
        conv_advance(&run->phase, count, at);
        i += count;
    }
    *out = conv_tile_of(n, taps, pointer);
}

/* Channels of panel `p` for one tile: whole vectors at once, then what is left of the last. */
static void depthwise_run(const conv_run *run, const tile_rows *rows, int64_t p)
{
    const conv_plan *plan = run->plan;
    const int64_t channels = plan->shape.y.c, step = sv_depthwise_channels(channels);
    const float *weights = (const float *)run->call->ptr[1] + run->phase.taps_before * step;
    const bool groups = plan->kind == CONV_GROUPS;
    int64_t column = p * DEPTHWISE_COLUMNS, left = channels - column;
    if (left > DEPTHWISE_COLUMNS) left = DEPTHWISE_COLUMNS;
    tile_panel panel = {.step = groups ? SV_VF : step,
                        .taps = run->phase.taps,
                        .depth = plan->group_c,
                        .group = plan->group_o,
                        .y_step = plan->shape.y.c_stride};
    while (left > 0) {
        const int64_t vectors = groups && left > SV_VF ? 1 : left / SV_VF;
        panel.columns = (int32_t)(vectors ? vectors * SV_VF : left);
        panel.at = weights + (groups ? column * plan->group_c * panel.taps : column);
        panel.column = column;
        panel.x_offset = column / plan->group_o * plan->group_c;
        tile_apply(groups ? groups_table[rows->n - 1] : depthwise_table[rows->n - 1][vectors],
                   vectors ? (int)vectors : 1, &run->epilogue, rows, &panel);
        column += panel.columns;
        left -= panel.columns;
    }
}

/* ---- running ------------------------------------------------------------------------------- */

/* Panel `p`, counted over all groups of channels, for one tile. */
static void conv_panel(const conv_run *run, int64_t p, tile_panel *out)
{
    const conv_plan *plan = run->plan;
    int64_t group = plan->groups == 1 ? 0 : p / plan->group_panels;
    int64_t first = (p - group * plan->group_panels) * TILE_NR;
    int64_t left = plan->group_o - first, width = left > SV_VF ? TILE_NR : SV_VF;
    int64_t k = plan->shape.taps * plan->group_c;
    const float *weights = (const float *)run->call->ptr[1] +
                           group * k * sv_panel_stored(plan->group_o, TILE_NR) + first * k +
                           run->phase.taps_before * plan->group_c * width;
    *out = (tile_panel){.at = weights,
                        .step = width,
                        .taps = conv_taps(run),
                        .depth = plan->group_c * plan->merged,
                        .x_offset = group * plan->group_c,
                        .column = group * plan->group_o + first,
                        .columns = (int32_t)(left < TILE_NR ? left : TILE_NR),
                        .y_step = plan->shape.y.c_stride};
}

/* The weights of panel `p`, if reading them ahead while few tiles are multiplied is worth it: there
 * are more than stay near, and each is used briefly. NULL otherwise. */
static const float *conv_ahead(const conv_run *run, int64_t p, int64_t tiles)
{
    const conv_plan *plan = run->plan;
    const int64_t bytes = plan->shape.taps * plan->group_c * TILE_NR * (int64_t)sizeof(float);
    const int64_t all = plan->split.blocks * tiles;
    if (p >= plan->split.panels || all > CONV_AHEAD_TILES || plan->regions.count ||
        bytes * plan->split.panels <= TILE_WEIGHTS_L2)
        return NULL;
    tile_panel panel;
    conv_panel(run, p, &panel);
    return panel.at;
}

/* One panel for one tile of a region: the weights of taps that the region leaves out lie between
 * those of others, and every stretch between them is a part of the depth. */
static void conv_region_tile(const conv_run *run, const tile_rows *tile, tile_panel *panel)
{
    const conv_axis *axis = run->phase.axis;
    const int64_t *kernel = run->plan->shape.kernel, taps = run->phase.taps;
    const bool lines = axis[2].taps == kernel[2];
    const int64_t across = lines || !taps ? 1 : axis[1].taps;
    const int64_t parts = taps ? axis[0].taps * across : 1, each = taps / parts;
    const float *weights = panel->at;
    tile_rows rows = *tile;
    for (int64_t i = 0; i < parts; i++, rows.x += each * tile->n) {
        const int64_t t0 = axis[0].first_tap + i / across, t1 = axis[1].first_tap + i % across;
        const int64_t tap = (t0 * kernel[1] + t1) * kernel[2] + axis[2].first_tap;
        panel->at = weights + (taps ? tap : 0) * panel->depth * panel->step;
        panel->taps = each;
        panel->resumed = i > 0;
        panel->unfinished = i + 1 < parts;
        tile_run(&run->epilogue, &rows, panel);
    }
    panel->at = weights;
}

static void conv_tile(const conv_run *run, const tile_rows *tile, tile_panel *panel)
{
    if (run->plan->regions.count) {
        conv_region_tile(run, tile, panel);
    } else {
        tile_run(&run->epilogue, tile, panel);
    }
}

/* Panels [first, last) of the tiles of block `block`. */
static void conv_block(const conv_run *run, int64_t first, int64_t last, int64_t block,
                       int64_t tiles)
{
    const tile_rows *tile = run->scratch->tile;
    const bool depthwise = conv_by_lanes(run->plan->kind);
    tile_panel panel;
    if (depthwise || (run->plan->split.tiles_outside && last - first > 1)) {
        for (int64_t t = 0; t < tiles; t++) {
            for (int64_t p = first; p < last; p++) {
                if (depthwise) {
                    depthwise_run(run, &tile[t], p);
                    continue;
                }
                conv_panel(run, p, &panel);
                conv_tile(run, &tile[t], &panel);
            }
        }
        return;
    }
    for (int64_t p = first; p < last; p++) {
        conv_panel(run, p, &panel);
        const float *next = conv_ahead(run, p + 1, tiles);
        for (int64_t t = 0; t < tiles; t++) {
            tile_read_ahead(&panel, next, block * tiles + t, run->plan->split.blocks * tiles);
            conv_tile(run, &tile[t], &panel);
        }
    }
}

/* Lists the tiles of a block. */
static void conv_list_block(conv_run *run, int64_t phase, int64_t block)
{
    const conv_plan *plan = run->plan;
    const tile_split *split = &plan->split;
    if (phase != run->phase_index) {
        if (plan->regions.count) {
            conv_region_phase(&plan->shape, &plan->regions, phase, &run->phase);
        } else {
            conv_phase_init(&plan->shape, conv_transposes(plan->kind), phase, &run->phase);
        }
        run->phase_index = phase;
    }
    const int64_t blocks = conv_phase_blocks(plan, phase);
    int64_t positions = run->phase.positions * plan->shape.y.n;
    int64_t first = tile_part(positions, blocks, block);
    int64_t count = tile_part(positions, blocks, block + 1) - first;
    run->block = block;
    run->tiles = (count + split->height - 1) / split->height;
    if (count == 0) return;
    /* Tiles as even as they can be: the first `high` of them have a row more. */
    const int64_t low = count / run->tiles, high = count % run->tiles;
    const int64_t length = conv_list_length(plan);
    conv_position at = {.i = {0, 0, first}};
    if (!run->regular) at = conv_position_of(&run->phase, first);
    for (int64_t t = 0; t < run->tiles; t++) {
        conv_list_tile(run, &at, (int32_t)(low + (t < high)), run->list + t * length,
                       &run->scratch->tile[t]);
    }
}

static void conv_unit(conv_run *run, uint32_t unit)
{
    const conv_plan *plan = run->plan;
    const tile_split *split = &plan->split;
    int64_t at = unit, blocks = split->blocks, phase = at / blocks / split->groups;
    if (plan->regions.count) {
        phase = 0;
        while (at >= (blocks = conv_phase_blocks(plan, phase)) * split->groups) {
            at -= blocks * split->groups;
            phase++;
        }
    }
    int64_t block = at % blocks, group = at / blocks % split->groups;
    if (plan->by_rows) {
        group = at % split->groups;
        block = at / split->groups % blocks;
    }
    if (phase != run->phase_index || block != run->block) conv_list_block(run, phase, block);
    conv_block(run, tile_part(split->panels, split->groups, group),
               tile_part(split->panels, split->groups, group + 1), block, run->tiles);
}

static void conv_run_units(const sv_call *call, const conv_plan *plan, uint32_t begin, uint32_t end)
{
    conv_run run = {.call = call,
                    .plan = plan,
                    .x = plan->copied ? call->shared : call->ptr[0],
                    .y = call->ptr[2],
                    .scratch = call->scratch,
                    .phase_index = -1};
    int64_t zeros = conv_zeros(plan);
    memset(run.scratch->zero, 0, (size_t)zeros * sizeof(float));
    run.list = (const float **)(run.scratch->zero + zeros);
    tile_epilogue_init(call, 1, 1.0f, &run.epilogue);
    conv_sides_init(call, &run.epilogue, &run.sides);
    run.regular = conv_is_regular(&run);
    for (uint32_t unit = begin; unit < end; unit++)
        conv_unit(&run, unit);
}

/* Three planes become pixels: the usual input, in a loop that compilers turn into shuffles. */
static void conv_copy_three(const float *restrict x, int64_t c_stride, int64_t width,
                            float *restrict to)
{
    for (int64_t i = 0; i < width; i++) {
        to[3 * i] = x[i];
        to[3 * i + 1] = x[i + c_stride];
        to[3 * i + 2] = x[i + 2 * c_stride];
    }
}

/* Pixels whose channels are neighbours, `step` from one to the next. */
static void conv_copy_pixels(const float *x, int64_t step, int64_t width, int64_t channels,
                             float *to)
{
    if (step == channels) {
        memcpy(to, x, (size_t)(width * channels) * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < width; i++, x += step, to += channels) {
        int64_t c = 0;
        for (; c + SV_VF <= channels; c += SV_VF)
            vf_store(to + c, vf_load(x + c));
        if (c < channels) vf_store_n(to + c, vf_load_n(x + c, channels - c), channels - c);
    }
}

/* Copies one line of x, border included, channels innermost. */
static void conv_copy_line(const sv_call *call, const conv_plan *plan, int64_t line)
{
    const window_operand *to = &plan->shape.x, *from = &plan->source;
    int64_t n = line / (to->d[0] * to->d[1]);
    int64_t q0 = line / to->d[1] % to->d[0] - plan->source_pad[0];
    int64_t q1 = line % to->d[1] - plan->source_pad[1], pad = plan->source_pad[2];
    float *at = (float *)call->shared + line * to->s[1];
    memset(at, 0, (size_t)(to->d[2] * to->c) * sizeof *at);
    if (!conv_inside(q0, from->d[0]) || !conv_inside(q1, from->d[1])) return;
    const float *x =
        (const float *)call->ptr[0] + n * from->n_stride + q0 * from->s[0] + q1 * from->s[1];
    int64_t width = to->d[2] - pad < from->d[2] ? to->d[2] - pad : from->d[2];
    at += pad * to->c;
    if (to->c == 3 && from->s[2] == 1) {
        conv_copy_three(x, from->c_stride, width, at);
        return;
    }
    if (from->c_stride == 1) {
        conv_copy_pixels(x, from->s[2], width, to->c, at);
        return;
    }
    for (int64_t c = 0; c < to->c; c++) {
        const float *channel = x + c * from->c_stride;
        for (int64_t i = 0; i < width; i++)
            at[i * to->c + c] = channel[i * from->s[2]];
    }
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Channels of x are neighbours. */
static bool conv_supports(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0];
    return tile_all_f32(problem) && (x->dim[1] == 1 || x->stride[1] == 1);
}

static double conv_cost(const sv_problem *problem, conv_kind kind, bool copied)
{
    conv_plan plan;
    conv_plan_of(problem, kind, copied, &plan);
    const double flops = sv_problem_flops(problem);
    double cost = sv_problem_default_cost(problem);
    /* A depthwise row reads all it uses. */
    const window_operand *x = &plan.shape.x, *y = &plan.shape.y;
    if (conv_by_lanes(kind)) {
        cost += flops * sv_price(problem, SV_LEVEL, SV_PRICE_pixels);
    } else {
        cost +=
            conv_tiles_ns(problem, flops * plan.share, plan.group_c * plan.merged, plan.group_o);
        cost += sv_price_weights(problem, SV_LEVEL, (double)sv_desc_count(&problem->desc[1]),
                                 (double)(y->n * y->d[0] * y->d[1] * y->d[2]));
    }
    if (!copied) return cost;
    /* A phase more is as good as a step. */
    cost += sv_price(problem, SV_LEVEL, SV_PRICE_step);
    cost += (double)(x->n_stride * x->n) * sv_price(problem, SV_LEVEL, SV_PRICE_image);
    return cost;
}

static uint32_t conv_units(const sv_problem *problem, uint32_t phase, conv_kind kind, bool copied)
{
    if (sv_desc_count(&problem->desc[2]) == 0) return 0;
    conv_plan plan;
    conv_plan_of(problem, kind, copied, &plan);
    const window_operand *x = &plan.shape.x;
    if (copied && phase == 0) return (uint32_t)(x->n * x->d[0] * x->d[1]);
    return (uint32_t)(conv_blocks(&plan) * plan.split.groups);
}

static size_t conv_scratch_of(const sv_problem *problem, conv_kind kind, bool copied)
{
    conv_plan plan;
    conv_plan_of(problem, kind, copied, &plan);
    return conv_scratch_bytes(&plan);
}

static size_t conv_shared_of(const sv_problem *problem, conv_kind kind)
{
    if (sv_desc_count(&problem->desc[2]) == 0) return 0;
    conv_plan plan;
    conv_plan_of(problem, kind, true, &plan);
    return (size_t)(plan.shape.x.n_stride * plan.shape.x.n) * sizeof(float);
}

static void conv_run_kind(const sv_call *call, uint32_t begin, uint32_t end, conv_kind kind,
                          bool copied)
{
    conv_plan plan;
    conv_plan_init(call->desc, call->param, call->epilogue, kind, copied, &plan);
    if (!copied || call->phase == 1) {
        conv_run_units(call, &plan, begin, end);
        return;
    }
    for (uint32_t line = begin; line < end; line++)
        conv_copy_line(call, &plan, line);
}

/* The functions and the constant of one row. */
#define CONV_ROW(id, family_, kind, copied, format, supports_, shared_)                            \
    static double id##_cost(const sv_problem *p)                                                   \
    {                                                                                              \
        return conv_cost(p, kind, copied);                                                         \
    }                                                                                              \
    static uint32_t id##_units(const sv_problem *p, uint32_t phase)                                \
    {                                                                                              \
        return conv_units(p, phase, kind, copied);                                                 \
    }                                                                                              \
    static size_t id##_scratch(const sv_problem *p)                                                \
    {                                                                                              \
        return conv_scratch_of(p, kind, copied);                                                   \
    }                                                                                              \
    static void id##_run(const sv_call *call, uint32_t begin, uint32_t end)                        \
    {                                                                                              \
        conv_run_kind(call, begin, end, kind, copied);                                             \
    }                                                                                              \
    const sv_kernel SV_LEVEL_NAME(sv_kernel_##id) = {                                              \
        .name = #id "_" SV_LEVEL_TEXT,                                                             \
        .family = family_,                                                                         \
        .level = SV_LEVEL,                                                                         \
        .b_format = format,                                                                        \
        .supports = supports_,                                                                     \
        .cost = id##_cost,                                                                         \
        .units = id##_units,                                                                       \
        .scratch = id##_scratch,                                                                   \
        .shared = shared_,                                                                         \
        .phases = copied ? 2 : 1,                                                                  \
        .run = id##_run,                                                                           \
    };

#define CONV_SHARED(id, kind)                                                                      \
    static size_t id##_shared(const sv_problem *p)                                                 \
    {                                                                                              \
        return conv_shared_of(p, kind);                                                            \
    }
CONV_SHARED(conv, CONV_DENSE)
CONV_SHARED(conv_depthwise, CONV_DEPTHWISE)
CONV_SHARED(conv_groups, CONV_GROUPS)
CONV_SHARED(conv_transpose, CONV_TRANSPOSE)
CONV_SHARED(conv_transpose_depthwise, CONV_TRANSPOSE_DEPTHWISE)

CONV_ROW(conv_packed, SV_FAMILY_conv, CONV_DENSE, false, SV_FORMAT_conv_panels, conv_supports, NULL)
CONV_ROW(conv_copied, SV_FAMILY_conv, CONV_DENSE, true, SV_FORMAT_conv_panels, tile_all_f32,
         conv_shared)
CONV_ROW(conv_depthwise, SV_FAMILY_conv, CONV_DEPTHWISE, false, SV_FORMAT_conv_depthwise,
         conv_supports, NULL)
CONV_ROW(conv_depthwise_copied, SV_FAMILY_conv, CONV_DEPTHWISE, true, SV_FORMAT_conv_depthwise,
         tile_all_f32, conv_depthwise_shared)
CONV_ROW(conv_transpose_packed, SV_FAMILY_conv_transpose, CONV_TRANSPOSE, false,
         SV_FORMAT_conv_transpose_panels, conv_supports, NULL)
CONV_ROW(conv_transpose_copied, SV_FAMILY_conv_transpose, CONV_TRANSPOSE, true,
         SV_FORMAT_conv_transpose_panels, tile_all_f32, conv_transpose_shared)
CONV_ROW(conv_groups, SV_FAMILY_conv, CONV_GROUPS, false, SV_FORMAT_conv_groups, conv_supports,
         NULL)
CONV_ROW(conv_groups_copied, SV_FAMILY_conv, CONV_GROUPS, true, SV_FORMAT_conv_groups, tile_all_f32,
         conv_groups_shared)
CONV_ROW(conv_transpose_depthwise, SV_FAMILY_conv_transpose, CONV_TRANSPOSE_DEPTHWISE, false,
         SV_FORMAT_conv_transpose_depthwise, conv_supports, NULL)
CONV_ROW(conv_transpose_depthwise_copied, SV_FAMILY_conv_transpose, CONV_TRANSPOSE_DEPTHWISE, true,
         SV_FORMAT_conv_transpose_depthwise, tile_all_f32, conv_transpose_depthwise_shared)
