/* What the loops over convolutions share at one CPU level: where the sides of an epilogue (operands
 * of the result's shape) lie, and what tiles cost. */
#ifndef SV_KERNELS_CONV_PARTS_H
#define SV_KERNELS_CONV_PARTS_H

#include "kernels/conv/conv_shape.h"
#include "kernels/tile_tmpl.h"

typedef struct conv_sides {
    int32_t n;
    window_operand operand[SV_EPILOGUE_MAX];
    const float *at[SV_EPILOGUE_MAX];
} conv_sides;

static inline void conv_sides_init(const sv_call *call, const tile_epilogue *epilogue,
                                   conv_sides *out)
{
    out->n = epilogue->n_side;
    for (uint32_t i = 0; i < call->epilogue->n; i++) {
        int8_t side = epilogue->side[i];
        if (side < 0) continue;
        window_operand_init(&call->desc[call->epilogue->item[i].operand], &out->operand[side]);
        out->at[side] = epilogue->operand[i];
    }
}

/* Row `y` of image `n` of side `s`. */
static inline const float *conv_side_row(const conv_sides *sides, int32_t s, int64_t n, int64_t y)
{
    const window_operand *operand = &sides->operand[s];
    return sides->at[s] + n * operand->n_stride + y * operand->s[1];
}

/* The time of tiles that sum `depth` channels a tap into `columns`: a tap costs about two steps of
 * depth more than its depth. */
static inline double conv_tiles_ns(const sv_problem *problem, double flops, int64_t depth,
                                   int64_t columns)
{
    const double done = flops * (double)(depth + 2) / (double)depth;
    return done * ((double)sv_panel_computed(columns, TILE_NR) / (double)columns) *
           sv_price(problem, SV_LEVEL, SV_PRICE_product);
}

#endif
