/* Where on elements of four bytes with the vectors of one level: condition, a and b each run along
 * or stay. Included by one file a level. */
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

typedef uint8_t where_bytes __attribute__((vector_size(SV_VF)));

/* All bits of a lane set where the condition holds. */
SV_INLINE sv_vi where_mask(const char *condition)
{
    where_bytes bytes;
    memcpy(&bytes, condition, sizeof bytes);
    return (sv_vi)(__builtin_convertvector(bytes, sv_vi) != 0);
}

SV_INLINE sv_vf where_select(sv_vi mask, sv_vf a, sv_vf b)
{
    return vi_bits((mask & vf_bits(a)) | (~mask & vf_bits(b)));
}

static void where_loop(const char *condition, const float *a, bool move_a, const float *b,
                       bool move_b, float *y, int64_t n)
{
    sv_vf va = vf_set1(0), vb = va;
    if (!move_a) va = vi_bits(vi_set1(*(const int32_t *)a));
    if (!move_b) vb = vi_bits(vi_set1(*(const int32_t *)b));
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF) {
        if (move_a) va = vf_load(a + i);
        if (move_b) vb = vf_load(b + i);
        vf_store(y + i, where_select(where_mask(condition + i), va, vb));
    }
    if (i == n) return;
    char tail[SV_VF] = {0};
    memcpy(tail, condition + i, (size_t)(n - i));
    if (move_a) va = vf_load_n(a + i, n - i);
    if (move_b) vb = vf_load_n(b + i, n - i);
    vf_store_n(y + i, where_select(where_mask(tail), va, vb), n - i);
}

static void where_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    (void)context;
    bool plain =
        step[0] == 1 && (step[1] == 4 || !step[1]) && (step[2] == 4 || !step[2]) && step[3] == 4;
    if (plain) {
        where_loop(at[0], (const float *)at[1], step[1], (const float *)at[2], step[2],
                   (float *)at[3], n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const char *from = at[0][i * step[0]] ? at[1] + i * step[1] : at[2] + i * step[2];
        memcpy(at[3] + i * step[3], from, 4);
    }
}

static bool where_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == SV_BOOL && desc[1].dtype == desc[3].dtype &&
           desc[2].dtype == desc[3].dtype && sv_dtype_get(desc[3].dtype)->size == 4;
}

static void where_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 4);
    sv_strided_run(&strided, call->ptr, begin, end, where_row, NULL);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_where_b32) = {
    .name = "where_b32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_where,
    .level = SV_LEVEL,
    .supports = where_supports,
    .units = sv_strided_problem_units,
    .run = where_run,
};
