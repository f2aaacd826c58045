/* Copies of any dtype and strides. */
#include "kernels/copy/plan.h"
#include "kernels/elementwise.h"

typedef struct element16 {
    uint64_t part[2];
} element16;

#define TILE(name, T)                                                                              \
    static void name(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd, int64_t nq)       \
    {                                                                                              \
        for (int64_t d = 0; d < nd; d++) {                                                         \
            T *to = (T *)(y + d * ys);                                                             \
            const char *from = x + d * (int64_t)sizeof(T);                                         \
            for (int64_t q = 0; q < nq; q++)                                                       \
                to[q] = *(const T *)(from + q * xs);                                               \
        }                                                                                          \
    }
TILE(tile1, uint8_t)
TILE(tile2, uint16_t)
TILE(tile4, uint32_t)
TILE(tile8, uint64_t)
TILE(tile16, element16)

static sv_copy_tile tile_of(size_t size)
{
    switch (size) {
    case 1:
        return tile1;
    case 2:
        return tile2;
    case 4:
        return tile4;
    case 8:
        return tile8;
    case 16:
        return tile16;
    default:
        return NULL;
    }
}

static bool supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == desc[1].dtype &&
           tile_of(sv_dtype_get(desc[0].dtype)->size);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_copy_plan plan;
    sv_copy_plan_init(&plan, call->desc);
    sv_copy_run(&plan, call->ptr, begin, end, tile_of(plan.size));
}

const sv_kernel sv_kernel_copy_ref = {
    .name = "copy_ref",
    .family = SV_FAMILY_copy,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_copy_units,
    .run = run,
};
