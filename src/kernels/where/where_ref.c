/* Where for every dtype and stride: elements are moved whole, so only their size matters. */
#include "kernels/strided.h"

typedef struct element16 {
    uint64_t part[2];
} element16;

/* The condition is often repeated along the row, and then decides for all of it; one row then
 * copies. */
#define ROW(name, T)                                                                               \
    static void name(char *const *at, const int64_t *step, int64_t n, const void *context)         \
    {                                                                                              \
        (void)context;                                                                             \
        const int64_t s0 = step[0], s1 = step[1], s2 = step[2], s3 = step[3];                      \
        if (s0 == 1 && s1 == sizeof(T) && s2 == sizeof(T) && s3 == sizeof(T)) {                    \
            for (int64_t i = 0; i < n; i++) {                                                      \
                T a = ((const T *)at[1])[i], b = ((const T *)at[2])[i];                            \
                ((T *)at[3])[i] = ((const uint8_t *)at[0])[i] ? a : b;                             \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T *a = (const T *)(at[1] + i * s1), *b = (const T *)(at[2] + i * s2);            \
            *(T *)(at[3] + i * s3) = at[0][i * s0] ? *a : *b;                                      \
        }                                                                                          \
    }
ROW(row1, uint8_t)
ROW(row2, uint16_t)
ROW(row4, uint32_t)
ROW(row8, uint64_t)
ROW(row16, element16)

static sv_strided_row row_of(size_t size)
{
    switch (size) {
    case 1:
        return row1;
    case 2:
        return row2;
    case 4:
        return row4;
    case 8:
        return row8;
    case 16:
        return row16;
    default:
        return NULL;
    }
}

static bool supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == SV_BOOL && desc[1].dtype == desc[3].dtype &&
           desc[2].dtype == desc[3].dtype && row_of(sv_dtype_get(desc[3].dtype)->size);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 4);
    sv_strided_run(&strided, call->ptr, begin, end, row_of(sv_dtype_get(call->desc[3].dtype)->size),
                   NULL);
}

const sv_kernel sv_kernel_where_ref = {
    .name = "where_ref",
    .family = SV_FAMILY_where,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_strided_problem_units,
    .run = run,
};
