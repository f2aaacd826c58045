/* gemm_strassen: the right side's halves and their sums, in f32 panels; and the cost. */
#include "kernels/gemm/strassen.h"
#include "kernels/panel.h"
#include "kernels/prices.h"

/* Packed weights grow by three quarters: a gain below a fiftieth is not worth that. */
#define WORTH 0.98

static void b_size(const sv_problem *problem, int64_t *k, int64_t *n)
{
    const sv_desc *b = &problem->desc[1];
    *k = b->dim[b->rank - 2];
    *n = b->dim[b->rank - 1];
}

bool sv_strassen_takes(const sv_problem *problem)
{
    const sv_desc *b = &problem->desc[1];
    if (problem->exact || problem->compact || b->rank < 2 || problem->desc[2].rank < 2)
        return false;
    if (problem->desc[0].dtype != SV_F32 || b->dtype != SV_F32) return false;
    for (int32_t i = 0; i < b->rank - 2; i++) {
        if (b->dim[i] != 1) return false;
    }
    int64_t k, n;
    b_size(problem, &k, &n);
    return k > 0 && n > 0 && k % 2 == 0 && n % (2 * sv_panel_width(SV_CPU_AVX512)) == 0;
}

/* Rows over all batches; -1: a symbol is among their sizes. */
static double rows_of(const sv_problem *problem)
{
    const sv_desc *a = &problem->desc[0];
    double rows = 1;
    for (int32_t i = 0; i + 1 < a->rank; i++) {
        if (a->dim[i] < 0) return -1;
        rows *= (double)a->dim[i];
    }
    return rows;
}

double sv_strassen_ns(const sv_problem *problem, sv_cpu_level level)
{
    int64_t k, n;
    b_size(problem, &k, &n);
    const double rows = rows_of(problem), product = sv_price(problem, level, SV_PRICE_product);
    const double sums = rows * (double)(k + n);
    return 2 * rows * (double)k * (double)n * product * STRASSEN_SIDES / 8 +
           sums * sv_price(problem, level, SV_PRICE_sum);
}

bool sv_strassen_choose(const sv_problem *problem, sv_cpu_level level)
{
    if (!sv_strassen_takes(problem)) return false;
    int64_t k, n;
    b_size(problem, &k, &n);
    const double rows = rows_of(problem), product = sv_price(problem, level, SV_PRICE_product);
    const double plain = 2 * rows * (double)k * (double)n * product;
    return rows > 0 && sv_strassen_ns(problem, level) < WORTH * plain;
}

/* ---- packing ------------------------------------------------------------------------------- */

static bool accepts(const sv_problem *problem, sv_cpu_level level)
{
    return sv_strassen_choose(problem, level);
}

static size_t packed_size(const sv_problem *problem, sv_cpu_level level)
{
    int64_t k, n;
    b_size(problem, &k, &n);
    size_t floats = sv_panel_floats(k / 2, n / 2, sv_panel_width(level)), bytes;
    if (__builtin_mul_overflow(floats, STRASSEN_SIDES * sizeof(float), &bytes)) return 0;
    return bytes;
}

/* A transposed matrix has its own bytes: strides count. */
static uint64_t packed_key(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_desc *b = &problem->desc[1];
    return sv_hash_bytes(0, b->stride + b->rank - 2, 2 * sizeof *b->stride);
}

/* Quarter (low, right) of b. */
static sv_panel_source quarter_of(const sv_pack_source *source, int64_t low, int64_t right)
{
    const sv_view *view = &source->view;
    const int32_t last = view->rank - 1;
    const int64_t k = view->dim[last - 1] / 2, n = view->dim[last] / 2;
    const bool by_k = source->axis == last - 1, by_n = source->axis == last;
    const int64_t scale_at = by_k ? low * k : by_n ? right * n : 0;
    return (sv_panel_source){
        .data = (const float *)view->data + low * k * view->stride[last - 1] +
                right * n * view->stride[last],
        .k = k,
        .n = n,
        .k_stride = view->stride[last - 1],
        .n_stride = view->stride[last],
        .scale = source->scale ? source->scale + scale_at : NULL,
        .shift = source->shift ? source->shift + scale_at : NULL,
        .scale_k = by_k,
        .scale_n = by_n,
    };
}

/* The seven matrices' panels at one place. */
static void combine_panels(float *const side[STRASSEN_SIDES], int64_t floats)
{
    const float *b11 = side[STRASSEN_B11], *b21 = side[STRASSEN_B21], *b22 = side[STRASSEN_B22];
    float *t1 = side[STRASSEN_T1], *t2 = side[STRASSEN_T2], *t3 = side[STRASSEN_T3];
    float *minus_t4 = side[STRASSEN_MINUS_T4];
    for (int64_t i = 0; i < floats; i++) {
        const float b12 = t1[i];
        t1[i] = b12 - b11[i];
        t2[i] = b22[i] - t1[i];
        t3[i] = b22[i] - b12;
        minus_t4[i] = b21[i] - t2[i];
    }
}

static void pack(const sv_problem *problem, sv_cpu_level level, const sv_pack_source *source,
                 void *to)
{
    const int64_t width = sv_panel_width(level);
    const sv_panel_source quarter[2][2] = {
        {quarter_of(source, 0, 0), quarter_of(source, 0, 1)},
        {quarter_of(source, 1, 0), quarter_of(source, 1, 1)},
    };
    const int64_t k = quarter[0][0].k, n = quarter[0][0].n;
    (void)problem;
    for (int64_t column = 0; column < n; column += width) {
        float *side[STRASSEN_SIDES];
        for (int i = 0; i < STRASSEN_SIDES; i++)
            side[i] = (float *)to + (i * n + column) * k;
        sv_panel_pack(&quarter[0][0], column, width, side[STRASSEN_B11]);
        sv_panel_pack(&quarter[0][1], column, width, side[STRASSEN_T1]); /* B12, for now */
        sv_panel_pack(&quarter[1][0], column, width, side[STRASSEN_B21]);
        sv_panel_pack(&quarter[1][1], column, width, side[STRASSEN_B22]);
        combine_panels(side, k * width);
    }
}

const sv_packer sv_packer_gemm_strassen = {
    .name = "gemm_strassen",
    .family = SV_FAMILY_gemm,
    .operand = 1,
    .accepts = accepts,
    .size = packed_size,
    .key = packed_key,
    .pack = pack,
};
