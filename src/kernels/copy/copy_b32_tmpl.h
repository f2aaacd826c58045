/* Transpositions of elements of four bytes by tiles in registers. Included by one file a level. */
#include "kernels/copy/plan.h"
#include "kernels/copy/transpose_tmpl.h"
#include "kernels/elementwise.h"

static void tile_whole(const char *x, int64_t xs, char *y, int64_t ys)
{
    sv_vf r[SV_VF];
    for (int i = 0; i < SV_VF; i++)
        r[i] = vf_load((const float *)(x + i * xs));
    vf_transpose(r);
    for (int i = 0; i < SV_VF; i++)
        vf_store((float *)(y + i * ys), r[i]);
}

static void tile_part(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd, int64_t nq)
{
    sv_vf r[SV_VF];
    for (int64_t i = 0; i < SV_VF; i++) {
        r[i] = i < nq ? vf_load_n((const float *)(x + i * xs), nd) : vf_zero();
    }
    vf_transpose(r);
    for (int64_t i = 0; i < nd; i++)
        vf_store_n((float *)(y + i * ys), r[i], nq);
}

/* A few rows in turns, as shuffled channels lie: element d of row q goes to d * nq + q. */
SV_INLINE void interleave(const char *x, int64_t xs, char *y, int64_t nd, int nq)
{
    for (int64_t d = 0; d < nd; d += SV_VF) {
        sv_vf r[8];
        int64_t left = nd - d;
        for (int q = 0; q < nq; q++) {
            const float *row = (const float *)(x + d * 4 + q * xs);
            r[q] = left < SV_VF ? vf_load_n(row, left) : vf_load(row);
        }
        vf_interleave(r, nq);
        float *to = (float *)y + d * nq;
        int64_t whole = left < SV_VF ? left * nq / SV_VF : nq, rest = left * nq % SV_VF;
        for (int i = 0; i < nq; i++) {
            if (i < whole) vf_store(to + i * SV_VF, r[i]);
            if (i == whole && rest) vf_store_n(to + i * SV_VF, r[i], rest);
        }
    }
}

static bool try_interleave(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd, int64_t nq)
{
    if (ys != nq * 4) return false;
    switch (nq) {
    case 2:
        interleave(x, xs, y, nd, 2);
        return true;
    case 4:
        interleave(x, xs, y, nd, 4);
        return true;
    case 8:
        interleave(x, xs, y, nd, 8);
        return true;
    default:
        return false;
    }
}

/* The other way round: rows of two or four elements, one behind the other, as blocks of pixels
 * become channels. */
SV_INLINE void separate_at(const float *x, char *y, int64_t ys, const int nd, const int64_t m)
{
    sv_vf in[4], out[4];
    for (int i = 0; i < nd; i++) {
        int64_t left = m * nd - i * SV_VF;
        in[i] =
            left >= SV_VF ? vf_load(x + i * SV_VF) : vf_load_n(x + i * SV_VF, left < 0 ? 0 : left);
    }
    if (nd == 2) {
        out[0] = vf_even(in[0], in[1]);
        out[1] = vf_odd(in[0], in[1]);
    } else {
        sv_vf even[2] = {vf_even(in[0], in[1]), vf_even(in[2], in[3])};
        sv_vf odd[2] = {vf_odd(in[0], in[1]), vf_odd(in[2], in[3])};
        out[0] = vf_even(even[0], even[1]);
        out[1] = vf_even(odd[0], odd[1]);
        out[2] = vf_odd(even[0], even[1]);
        out[3] = vf_odd(odd[0], odd[1]);
    }
    for (int d = 0; d < nd; d++) {
        float *to = (float *)(y + d * ys);
        if (m == SV_VF) {
            vf_store(to, out[d]);
        } else {
            vf_store_n(to, out[d], m);
        }
    }
}

SV_INLINE void separate(const float *x, char *y, int64_t ys, const int nd, int64_t nq)
{
    for (; nq >= SV_VF; nq -= SV_VF, x += nd * SV_VF, y += SV_VF * 4)
        separate_at(x, y, ys, nd, SV_VF);
    if (nq) separate_at(x, y, ys, nd, nq);
}

static bool try_separate(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd, int64_t nq)
{
    if (xs != nd * 4 || (nd != 2 && nd != 4)) return false;
    if (nd == 2) {
        separate((const float *)x, y, ys, 2, nq);
    } else {
        separate((const float *)x, y, ys, 4, nq);
    }
    return true;
}

static void copy_tile(const char *x, int64_t xs, char *y, int64_t ys, int64_t nd, int64_t nq)
{
    if (try_interleave(x, xs, y, ys, nd, nq) || try_separate(x, xs, y, ys, nd, nq)) return;
    for (int64_t d = 0; d < nd; d += SV_VF) {
        for (int64_t q = 0; q < nq; q += SV_VF) {
            const char *from = x + d * 4 + q * xs;
            char *to = y + d * ys + q * 4;
            int64_t md = nd - d < SV_VF ? nd - d : SV_VF, mq = nq - q < SV_VF ? nq - q : SV_VF;
            if (md == SV_VF && mq == SV_VF) {
                tile_whole(from, xs, to, ys);
            } else {
                tile_part(from, xs, to, ys, md, mq);
            }
        }
    }
}

static bool copy_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == desc[1].dtype &&
           sv_dtype_get(desc[0].dtype)->size == 4;
}

static void copy_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_copy_plan plan;
    sv_copy_plan_init(&plan, call->desc);
    sv_copy_run(&plan, call->ptr, begin, end, copy_tile);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_copy_b32) = {
    .name = "copy_b32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_copy,
    .level = SV_LEVEL,
    .supports = copy_supports,
    .units = sv_copy_units,
    .run = copy_run,
};
