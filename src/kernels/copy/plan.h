/* How a copy is walked: rows where source and destination run along together, tiles where the one
 * runs across the other (transpositions). The rows of the family differ in the tile's loop only. */
#ifndef SV_KERNELS_COPY_PLAN_H
#define SV_KERNELS_COPY_PLAN_H

#include "kernels/strided.h"

/* Copies a tile: `nd` by `nq` elements. The source has its d side by side and q `xs` bytes apart,
 * the destination has its q side by side and d `ys` bytes apart. */
typedef void (*sv_copy_tile)(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd,
                             int64_t nq);

/* Side of the tiles that a strip is cut into; strips are this wide in d, or a multiple. */
#define SV_COPY_TILE 16

typedef struct sv_copy_plan {
    sv_strided strided; /* used when there are no tiles */
    bool tiled;
    size_t size;           /* bytes an element, or of a short row */
    int64_t d, q;          /* sizes of the two dimensions */
    int64_t xs, ys;        /* bytes: source's step in q, destination's step in d */
    int64_t strip, strips; /* d of a unit; units over d */
    sv_cursor outer;       /* the other dimensions */
} sv_copy_plan;

/* desc: {x, y} of one dtype. */
void sv_copy_plan_init(sv_copy_plan *plan, const sv_desc *desc);
uint32_t sv_copy_units(const sv_problem *problem, uint32_t phase);
/* Copies units [begin, end); `tile` is used when the plan is tiled. */
void sv_copy_run(sv_copy_plan *plan, void *const *ptr, uint32_t begin, uint32_t end,
                 sv_copy_tile tile);

#endif
