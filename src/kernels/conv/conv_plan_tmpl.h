/* How a convolution's or its transpose's work is cut at one CPU level: the copy of x if there is
 * one, blocks of positions by groups of panels, and their order. The loops are in conv_tmpl.h. */
#ifndef SV_KERNELS_CONV_PLAN_TMPL_H
#define SV_KERNELS_CONV_PLAN_TMPL_H

#include "kernels/conv/conv_parts.h"
#include "kernels/conv/conv_regions.h"
#include "kernels/conv/depthwise_tmpl.h"

#define CONV_MAX_TILES 48
/* Bytes of pointer lists that a unit may hold: they should stay in the second-level cache. */
#define CONV_LIST_BYTES 131072

typedef enum conv_kind {
    CONV_DENSE,
    CONV_TRANSPOSE,
    CONV_DEPTHWISE,
    CONV_TRANSPOSE_DEPTHWISE,
    CONV_GROUPS, /* narrow ones */
} conv_kind;

static inline bool conv_transposes(conv_kind kind)
{
    return kind == CONV_TRANSPOSE || kind == CONV_TRANSPOSE_DEPTHWISE;
}

/* Whether each lane has weights of its own: tiles of positions by vectors of channels. */
static inline bool conv_by_lanes(conv_kind kind)
{
    return kind != CONV_DENSE && kind != CONV_TRANSPOSE;
}

typedef struct conv_plan {
    conv_kind kind;
    window_shape shape;    /* of the copy of x if there is one */
    window_operand source; /* x itself */
    int64_t source_pad[3]; /* where x begins in the copy */
    bool copied;
    int64_t groups, group_c, group_o;
    int64_t phases;
    conv_regions regions; /* if there are any, they are the phases */
    double share;         /* of the products that are left by regions */
    int64_t group_panels; /* panels of one group of channels */
    int64_t merged;       /* taps along the last axis that are summed as one */
    int32_t n_side;
    tile_split split;
    bool by_rows; /* a block's groups follow one another, else a group's blocks */
} conv_plan;

/* Replaces x by its copy: border included, channels innermost. The transpose's copy has no border.
 */
static void conv_plan_copy(conv_plan *plan)
{
    window_shape *shape = &plan->shape;
    window_operand *x = &shape->x;
    plan->source = *x;
    plan->copied = true;
    int64_t stride = x->c;
    x->c_stride = 1;
    for (int i = 2; i >= 0; i--) {
        plan->source_pad[i] = 0;
        if (!conv_transposes(plan->kind)) {
            plan->source_pad[i] = shape->pad[i];
            shape->pad[i] = 0;
            x->d[i] = (shape->y.d[i] - 1) * shape->stride[i] +
                      (shape->kernel[i] - 1) * shape->dilation[i] + 1;
        }
        x->s[i] = stride;
        stride *= x->d[i];
    }
    x->n_stride = stride;
    bool whole = plan->kind == CONV_DENSE && plan->groups == 1 && shape->dilation[2] == 1;
    plan->merged = whole ? shape->kernel[2] : 1;
}

static int32_t conv_side_count(const sv_epilogue *epilogue)
{
    int32_t n = 0;
    for (uint32_t i = 0; i < epilogue->n; i++) {
        n += epilogue->item[i].kind == SV_EPI_ADD || epilogue->item[i].kind == SV_EPI_MUL;
    }
    return n;
}

/* Pointers that a tile lists. */
static int64_t conv_list_length(const conv_plan *plan)
{
    return (plan->shape.taps / plan->merged + 1 + plan->n_side) * TILE_MR;
}

/* Threads take units in order. Where x and y are larger than the weights, each thread gets a part
 * of the image, whose neighbours it makes and reads in the layers around: that stays in its cache,
 * and only weights are read by all. */
static bool conv_is_by_rows(const conv_plan *plan)
{
    const window_operand *x = &plan->shape.x, *y = &plan->shape.y;
    const int64_t weights = plan->shape.taps * plan->group_c * y->c;
    const int64_t in = x->n * x->c * x->d[0] * x->d[1] * x->d[2];
    return weights < in + y->n * y->c * y->d[0] * y->d[1] * y->d[2];
}

/* Whether the outputs may be cut into regions: their sums are made in several goes, in y. */
static bool conv_has_regions(const conv_plan *plan)
{
    const window_shape *shape = &plan->shape;
    return plan->kind == CONV_DENSE && !plan->copied && shape->taps > 1 && shape->y.c_stride == 1;
}

static void conv_plan_init(const sv_desc *desc, const sv_conv_param *param,
                           const sv_epilogue *epilogue, conv_kind kind, bool copied, conv_plan *out)
{
    *out = (conv_plan){.kind = kind, .groups = param->groups, .merged = 1};
    window_of_conv(desc, param, &out->shape);
    if (copied) conv_plan_copy(out);
    window_shape *shape = &out->shape;
    out->group_c = shape->x.c / param->groups;
    out->group_o = shape->y.c / param->groups;
    out->n_side = conv_side_count(epilogue);
    out->phases = conv_phase_count(shape, conv_transposes(kind));
    out->share = conv_has_regions(out) ? conv_regions_init(shape, &out->regions) : 1;
    if (out->regions.count) out->phases = out->regions.count;
    int64_t positions = shape->y.n, panels;
    double k = (double)(shape->taps * out->group_c);
    if (conv_transposes(kind)) k /= (double)out->phases;
    for (int i = 0; i < 3; i++) {
        int64_t step = conv_transposes(kind) ? shape->stride[i] : 1;
        positions *= (shape->y.d[i] + step - 1) / step;
    }
    if (conv_by_lanes(kind)) {
        panels = (shape->y.c + DEPTHWISE_COLUMNS - 1) / DEPTHWISE_COLUMNS;
        out->group_panels = panels;
    } else {
        out->group_panels = (out->group_o + TILE_NR - 1) / TILE_NR;
        panels = out->group_panels * param->groups;
    }
    int64_t max_tiles = CONV_LIST_BYTES / (conv_list_length(out) * (int64_t)sizeof(void *));
    max_tiles = max_tiles < 1 ? 1 : max_tiles >= CONV_MAX_TILES ? CONV_MAX_TILES - 1 : max_tiles;
    bool deep = !conv_by_lanes(kind);
    tile_split_init(positions > 0 ? positions : 1, deep ? TILE_MR : DEPTHWISE_ROWS, k,
                    deep ? TILE_NR : DEPTHWISE_COLUMNS, panels > 0 ? panels : 1, max_tiles,
                    &out->split);
    out->by_rows = conv_is_by_rows(out);
}

/* Blocks of a phase. Those of a transpose have nearly as many positions each; regions have not, and
 * have as many as their positions ask for. */
static int64_t conv_phase_blocks(const conv_plan *plan, int64_t phase)
{
    const tile_split *split = &plan->split;
    if (!plan->regions.count) return split->blocks;
    const conv_axis_run *run[3];
    const int64_t positions = conv_region_at(&plan->regions, phase, run) * plan->shape.y.n;
    const int64_t tiles = (positions + split->height - 1) / split->height;
    return conv_ceil(tiles, split->block_tiles - 1);
}

static int64_t conv_blocks(const conv_plan *plan)
{
    int64_t blocks = plan->regions.count ? 0 : plan->phases * plan->split.blocks;
    for (int64_t i = 0; i < plan->regions.count; i++)
        blocks += conv_phase_blocks(plan, i);
    return blocks;
}

static void conv_plan_of(const sv_problem *problem, conv_kind kind, bool copied, conv_plan *out)
{
    conv_plan_init(problem->desc, problem->param, &problem->epilogue, kind, copied, out);
}

#endif
