/* Where on elements of one, two and eight bytes: one plain loop a size, which the compiler
 * vectorises for the level. Included by one file a level; four bytes are where_b32's. */
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

typedef void (*sized_fn)(const void *condition, const void *a, const void *b, void *y, int64_t n);

#define SIZED(name, T)                                                                             \
    static void name(const void *condition, const void *a, const void *b, void *y, int64_t n)      \
    {                                                                                              \
        const uint8_t *c = condition;                                                              \
        const T *pa = a, *pb = b;                                                                  \
        T *to = y;                                                                                 \
        SV_APART                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T va = pa[i], vb = pb[i];                                                        \
            to[i] = c[i] ? va : vb;                                                                \
        }                                                                                          \
    }
SIZED(where_b8, uint8_t)
SIZED(where_b16, uint16_t)
SIZED(where_b64, uint64_t)

static sized_fn fn_of(size_t size)
{
    return size == 1 ? where_b8 : size == 2 ? where_b16 : size == 8 ? where_b64 : NULL;
}

static void sized_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const size_t size = *(const size_t *)context;
    const sized_fn fn = fn_of(size);
    _Alignas(64) char c[SV_STRIDED_BLOCK], a[SV_STRIDED_BLOCK * 8], b[SV_STRIDED_BLOCK * 8];
    _Alignas(64) char y[SV_STRIDED_BLOCK * 8];
    const bool dense = step[3] == (int64_t)size;
    for (int64_t i = 0; i < n; i += SV_STRIDED_BLOCK) {
        int64_t m = n - i < SV_STRIDED_BLOCK ? n - i : SV_STRIDED_BLOCK;
        char *to = dense ? at[3] + i * step[3] : y;
        fn(sv_strided_side_by_side(at[0], step[0], i, m, 1, c),
           sv_strided_side_by_side(at[1], step[1], i, m, size, a),
           sv_strided_side_by_side(at[2], step[2], i, m, size, b), to, m);
        if (!dense) sv_strided_copy(y, (int64_t)size, at[3] + i * step[3], step[3], m, size);
    }
}

static bool sized_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == SV_BOOL && desc[1].dtype == desc[3].dtype &&
           desc[2].dtype == desc[3].dtype && fn_of(sv_dtype_get(desc[3].dtype)->size);
}

static void sized_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    size_t size = sv_dtype_get(call->desc[3].dtype)->size;
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 4);
    sv_strided_run(&strided, call->ptr, begin, end, sized_row, &size);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_where_sized) = {
    .name = "where_sized_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_where,
    .level = SV_LEVEL,
    .supports = sized_supports,
    .units = sv_strided_problem_units,
    .run = sized_run,
};
