/* The walk of a copy; see the header. */
#include "kernels/copy/plan.h"

/* Finds the dimension in which the source runs side by side, when it is not the destination's. */
static bool find_tiles(sv_copy_plan *plan)
{
    sv_strided *strided = &plan->strided;
    int64_t size = (int64_t)plan->size;
    if (strided->inner <= 1 || strided->step[1] != size || strided->step[0] == size ||
        !strided->step[0]) {
        return false;
    }
    for (int32_t i = 0; i < strided->outer.rank; i++) {
        if (strided->outer.step[0][i] != size) continue;
        plan->d = strided->outer.dim[i];
        plan->ys = strided->outer.step[1][i];
        sv_cursor_init(&plan->outer, 2);
        for (int32_t k = 0; k < strided->outer.rank; k++) {
            int64_t step[2] = {strided->outer.step[0][k], strided->outer.step[1][k]};
            if (k != i) sv_cursor_add(&plan->outer, strided->outer.dim[k], step);
        }
        return true;
    }
    return false;
}

/* Bytes of a row that is moved as one element, at most. */
#define JOINED_BYTES 32

/* Short rows that lie side by side, here and there, are elements of longer ones. */
static void join_rows(sv_copy_plan *plan)
{
    sv_strided *strided = &plan->strided;
    const int64_t size = (int64_t)plan->size;
    if (strided->inner <= 1 || strided->inner * size > JOINED_BYTES || !strided->outer.rank ||
        strided->step[0] != size || strided->step[1] != size)
        return;
    plan->size = (size_t)(strided->inner * size);
    sv_strided_join_rows(strided);
}

void sv_copy_plan_init(sv_copy_plan *plan, const sv_desc *desc)
{
    plan->size = sv_dtype_get(desc[0].dtype)->size;
    sv_strided_init_in_order(&plan->strided, desc, 2);
    plan->tiled = find_tiles(plan);
    if (!plan->tiled) {
        join_rows(plan);
        return;
    }
    plan->q = plan->strided.inner;
    plan->xs = plan->strided.step[0];
    plan->strip = SV_COPY_TILE * sv_pieces_per_unit(SV_COPY_TILE * plan->q);
    plan->strips = sv_divide_up(plan->d, plan->strip);
}

uint32_t sv_copy_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    sv_copy_plan plan;
    sv_copy_plan_init(&plan, problem->desc);
    if (!plan.tiled) return sv_strided_units(&plan.strided);
    return (uint32_t)(sv_cursor_count(&plan.outer) * plan.strips);
}

static void copy_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    sv_strided_copy(at[0], step[0], at[1], step[1], n, *(const size_t *)context);
}

static void copy_strip(const sv_copy_plan *plan, const char *x, char *y, int64_t nd,
                       sv_copy_tile tile)
{
    int64_t size = (int64_t)plan->size;
    for (int64_t d = 0; d < nd; d += SV_COPY_TILE) {
        int64_t md = nd - d < SV_COPY_TILE ? nd - d : SV_COPY_TILE;
        /* Short rows that follow each other without gaps are taken all at once. */
        int64_t side = plan->xs == md * size ? plan->q : SV_COPY_TILE;
        for (int64_t q = 0; q < plan->q; q += side) {
            int64_t mq = plan->q - q < side ? plan->q - q : side;
            tile(x + d * size + q * plan->xs, plan->xs, y + d * plan->ys + q * size, plan->ys, md,
                 mq);
        }
    }
}

void sv_copy_run(sv_copy_plan *plan, void *const *ptr, uint32_t begin, uint32_t end,
                 sv_copy_tile tile)
{
    if (!plan->tiled) {
        sv_strided_run(&plan->strided, ptr, begin, end, copy_row, &plan->size);
        return;
    }
    int64_t strip = begin % plan->strips;
    if (begin < end) sv_cursor_seek(&plan->outer, (char *const *)ptr, begin / plan->strips);
    for (uint32_t u = begin; u < end; u++) {
        int64_t d = strip * plan->strip;
        int64_t nd = plan->d - d < plan->strip ? plan->d - d : plan->strip;
        copy_strip(plan, plan->outer.at[0] + d * (int64_t)plan->size,
                   plan->outer.at[1] + d * plan->ys, nd, tile);
        if (++strip < plan->strips) continue;
        strip = 0;
        sv_cursor_next(&plan->outer);
    }
}
