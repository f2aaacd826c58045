/* Products of i16 summed in i32, as those of quantised numbers without their zero points are, with
 * the vectors of one level. Included by one file a level; meaning is that of gemm_ref.c, to the
 * bit: sums wrap around, so their order does not matter.
 *
 * First all of b becomes panels of pairs of rows, so that one instruction multiplies two rows and
 * adds them up; then tiles of y are made, rows of a by panels. Where a has few rows, pairs are made
 * on the way. */
#include "kernels/gemm/gemm_shape.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__)
#define I16_LEVEL SV_CPU_AVX512_VNNI
#define I16_NAME(name) name##_avx512_vnni
#define I16_TEXT "avx512_vnni"
#else
#define I16_LEVEL SV_LEVEL
#define I16_NAME(name) SV_LEVEL_NAME(name)
#define I16_TEXT SV_LEVEL_TEXT
#endif

/* Rows and vectors of a tile: as many accumulators as registers hold beside what they read. Without
 * an instruction for pairs, their products need registers of their own. */
#define I16_HIGH (SV_REGISTERS == 32 && SV_VF == 16)
#if I16_HIGH
enum { TILE_ROWS = 6, TILE_VECTORS = 4 };
#else
enum { TILE_ROWS = 4, TILE_VECTORS = 2 };
#endif
enum { PANEL = TILE_VECTORS * SV_VF };
/* Rows and columns of y that a unit makes: whole tiles. */
enum { UNIT_ROWS = 24, UNIT_PANELS = 256 / PANEL };

/* sum + the products of pairs. */
SV_INLINE sv_vi i16_dot(sv_vi sum, sv_vi a, sv_vi b)
{
#if defined(__AVX512VNNI__)
    return (sv_vi)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512F__)
    return vi_add(sum, (sv_vi)_mm512_madd_epi16((__m512i)a, (__m512i)b));
#elif defined(__AVX2__)
    return vi_add(sum, (sv_vi)_mm256_madd_epi16((__m256i)a, (__m256i)b));
#elif defined(__SSE2__)
    return vi_add(sum, (sv_vi)_mm_madd_epi16((__m128i)a, (__m128i)b));
#else
    sv_vi low = ((sv_vi)((sv_vu)a << 16) >> 16) * ((sv_vi)((sv_vu)b << 16) >> 16);
    return vi_add(sum, vi_add(low, (a >> 16) * (b >> 16)));
#endif
}

/* The problem's parts: pairs of rows of b, panels of a batch. */
typedef struct i16_plan {
    gemm_shape shape;
    int64_t pairs, panels, row_units, panel_units;
} i16_plan;

static void i16_plan_init(i16_plan *plan, const sv_desc *desc)
{
    const sv_epilogue none = {0};
    gemm_shape_init(desc, &none, false, &plan->shape);
    plan->pairs = sv_divide_up(plan->shape.k, 2);
    plan->panels = sv_divide_up(plan->shape.n, PANEL);
    plan->row_units = sv_divide_up(plan->shape.m, UNIT_ROWS);
    plan->panel_units = sv_divide_up(plan->panels, UNIT_PANELS);
}

/* Rows of a up to which b is read as it lies: packing would take longer than the product. */
enum { DIRECT_ROWS = 4 };

static bool i16_direct(const gemm_shape *shape)
{
    return shape->m <= DIRECT_ROWS && shape->b_n == 1;
}

static inline uint32_t pair_of(int16_t low, int16_t high)
{
    return (uint16_t)low | (uint32_t)(uint16_t)high << 16;
}

/* ---- packing ------------------------------------------------------------------------------- */

/* Row `p` of pairs: `n` columns. An odd last row is paired with zeros. */
static void pack_pairs(const i16_plan *plan, const int16_t *b, int64_t p, uint32_t *to, int64_t n)
{
    const int64_t step = plan->shape.b_n;
    const int16_t *low = b + 2 * p * plan->shape.b_k, *high = low + plan->shape.b_k;
    if (2 * p + 1 == plan->shape.k) {
        for (int64_t c = 0; c < n; c++)
            to[c] = pair_of(low[c * step], 0);
    } else if (step == 1) {
        SV_APART
        for (int64_t c = 0; c < n; c++)
            to[c] = pair_of(low[c], high[c]);
    } else {
        for (int64_t c = 0; c < n; c++)
            to[c] = pair_of(low[c * step], high[c * step]);
    }
    for (int64_t c = n; c < PANEL; c++)
        to[c] = 0;
}

static void pack_panel(const i16_plan *plan, const int16_t *b, int64_t panel, uint32_t *to)
{
    const int64_t first = panel * PANEL, left = plan->shape.n - first;
    for (int64_t p = 0; p < plan->pairs; p++)
        pack_pairs(plan, b + first * plan->shape.b_n, p, to + p * PANEL,
                   left < PANEL ? left : PANEL);
}

/* Row `row` of a as pairs. */
static void pack_row(const i16_plan *plan, const int16_t *a, uint32_t *to)
{
    const int64_t step = plan->shape.a_k, whole = plan->shape.k / 2;
    if (step == 1 && whole > 0) {
        memcpy(to, a, (size_t)whole * sizeof *to);
    } else {
        for (int64_t p = 0; p < whole; p++)
            to[p] = pair_of(a[2 * p * step], a[(2 * p + 1) * step]);
    }
    if (whole < plan->pairs) to[whole] = pair_of(a[2 * whole * step], 0);
}

/* ---- tiles --------------------------------------------------------------------------------- */

/* `rows`: a constant. */
SV_INLINE void i16_tile(const uint32_t *a, int64_t pairs, const uint32_t *panel, int32_t *y,
                        const int rows)
{
    sv_vi sum[TILE_ROWS][TILE_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < TILE_VECTORS; v++)
            sum[r][v] = vi_set1(0);
    for (int64_t p = 0; p < pairs; p++, panel += PANEL) {
        sv_vi b[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            memcpy(&b[v], panel + v * SV_VF, sizeof b[v]);
        for (int r = 0; r < rows; r++) {
            const sv_vi x = vi_set1((int32_t)a[r * pairs + p]);
            for (int v = 0; v < TILE_VECTORS; v++)
                sum[r][v] = i16_dot(sum[r][v], x, b[v]);
        }
    }
    for (int r = 0; r < rows; r++)
        memcpy(y + r * PANEL, sum[r], sizeof sum[r]);
}

/* The first `n` columns of `rows` rows that lie PANEL apart. */
static void put_rows(const i16_plan *plan, const int32_t *from, int32_t *y, int64_t rows, int64_t n)
{
    const int64_t step = plan->shape.y_n;
    for (int64_t r = 0; r < rows; r++, from += PANEL, y += plan->shape.row[GEMM_Y])
        sv_strided_copy((const char *)from, 4, (char *)y, step * 4, n, 4);
}

/* Rows of a, packed, by one panel: in tiles, the last of them lower. */
static void i16_rows(const i16_plan *plan, const uint32_t *a, const uint32_t *panel, int32_t *y,
                     int64_t rows, int64_t n)
{
    _Alignas(64) int32_t tile[TILE_ROWS * PANEL];
    for (int64_t done; rows > 0; rows -= done) {
        done = rows >= TILE_ROWS ? TILE_ROWS : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
        switch (done) {
        case TILE_ROWS:
            i16_tile(a, plan->pairs, panel, tile, TILE_ROWS);
            break;
#if I16_HIGH
        case 4:
            i16_tile(a, plan->pairs, panel, tile, 4);
            break;
#endif
        case 2:
            i16_tile(a, plan->pairs, panel, tile, 2);
            break;
        default:
            i16_tile(a, plan->pairs, panel, tile, 1);
            break;
        }
        put_rows(plan, tile, y, done, n);
        a += done * plan->pairs;
        y += done * plan->shape.row[GEMM_Y];
    }
}

/* ---- few rows ------------------------------------------------------------------------------ */

typedef uint16_t i16_half __attribute__((vector_size(SV_VF * 2)));

SV_INLINE sv_vi pairs_at(const int16_t *low, const int16_t *high)
{
    i16_half a, b;
    memcpy(&a, low, sizeof a);
    memcpy(&b, high, sizeof b);
    return (sv_vi)(__builtin_convertvector(a, sv_vu) | __builtin_convertvector(b, sv_vu) << 16);
}

/* As i16_tile, of `n` columns of b as it lies: all of a panel, or with `part` fewer, by way of a
 * copy. `rows`, `part`: constants. */
SV_INLINE void i16_direct_tile(const i16_plan *plan, const uint32_t *a, const int16_t *b,
                               int32_t *y, const int rows, const bool part, int64_t n)
{
    int16_t edge[2][PANEL] = {{0}};
    sv_vi sum[DIRECT_ROWS][TILE_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < TILE_VECTORS; v++)
            sum[r][v] = vi_set1(0);
    for (int64_t p = 0; p < plan->pairs; p++) {
        const bool odd = 2 * p + 1 == plan->shape.k;
        const int16_t *low = b + 2 * p * plan->shape.b_k;
        /* The last row of an odd number meets a zero of a: any will do. */
        const int16_t *high = odd ? low : low + plan->shape.b_k;
        if (part) {
            memcpy(edge[0], low, (size_t)n * sizeof *low);
            memcpy(edge[1], high, (size_t)n * sizeof *high);
            low = edge[0];
            high = edge[1];
        }
        for (int v = 0; v < TILE_VECTORS; v++) {
            const sv_vi pair = pairs_at(low + v * SV_VF, high + v * SV_VF);
            for (int r = 0; r < rows; r++)
                sum[r][v] = i16_dot(sum[r][v], vi_set1((int32_t)a[r * plan->pairs + p]), pair);
        }
    }
    for (int r = 0; r < rows; r++)
        memcpy(y + r * PANEL, sum[r], sizeof sum[r]);
}

/* As i16_rows. */
static void i16_direct_rows(const i16_plan *plan, const uint32_t *a, const int16_t *b, int32_t *y,
                            int64_t rows, int64_t n)
{
    _Alignas(64) int32_t tile[DIRECT_ROWS * PANEL];
    for (int64_t done; rows > 0; rows -= done) {
        done = rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
        if (n < PANEL) {
            done = 1;
            i16_direct_tile(plan, a, b, tile, 1, true, n);
        } else if (done == 4) {
            i16_direct_tile(plan, a, b, tile, 4, false, n);
        } else if (done == 2) {
            i16_direct_tile(plan, a, b, tile, 2, false, n);
        } else {
            i16_direct_tile(plan, a, b, tile, 1, false, n);
        }
        put_rows(plan, tile, y, done, n);
        a += done * plan->pairs;
        y += done * plan->shape.row[GEMM_Y];
    }
}

/* ---- units --------------------------------------------------------------------------------- */

static void i16_unit(const sv_call *call, const i16_plan *plan, int64_t unit)
{
    const gemm_shape *s = &plan->shape;
    const int64_t panel_unit = unit % plan->panel_units;
    const int64_t first = unit / plan->panel_units % plan->row_units * UNIT_ROWS;
    const int64_t batch = unit / plan->panel_units / plan->row_units;
    const int64_t rows = s->m - first < UNIT_ROWS ? s->m - first : UNIT_ROWS;
    int64_t offset[GEMM_ROWED], b;
    gemm_batch_offsets(s, batch, offset, &b);
    const int16_t *a = (const int16_t *)call->ptr[0] + offset[GEMM_A] + first * s->row[GEMM_A];
    int32_t *y = (int32_t *)call->ptr[2] + offset[GEMM_Y] + first * s->row[GEMM_Y];
    uint32_t *packed = call->scratch;
    for (int64_t r = 0; r < rows; r++)
        pack_row(plan, a + r * s->row[GEMM_A], packed + r * plan->pairs);
    int64_t last = (panel_unit + 1) * UNIT_PANELS;
    if (last > plan->panels) last = plan->panels;
    for (int64_t p = panel_unit * UNIT_PANELS; p < last; p++) {
        const int64_t left = s->n - p * PANEL, n = left < PANEL ? left : PANEL;
        int32_t *to = y + p * PANEL * s->y_n;
        if (i16_direct(s)) {
            const int16_t *from = (const int16_t *)call->ptr[1] + b + p * PANEL;
            i16_direct_rows(plan, packed, from, to, rows, n);
            continue;
        }
        const int64_t panel = batch * plan->panels + p;
        i16_rows(plan, packed, (const uint32_t *)call->shared + panel * plan->pairs * PANEL, to,
                 rows, n);
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool i16_supports(const sv_problem *problem)
{
    const sv_gemm_param *gemm = problem->param;
    return problem->epilogue.n == 0 && gemm->alpha == 1.0f && problem->desc[0].dtype == SV_I16 &&
           problem->desc[1].dtype == SV_I16 && problem->desc[2].dtype == SV_I32;
}

/* Panels first, then blocks of y. */
static uint32_t i16_units(const sv_problem *problem, uint32_t phase)
{
    i16_plan plan;
    i16_plan_init(&plan, problem->desc);
    if (phase == 0)
        return i16_direct(&plan.shape) ? 0 : (uint32_t)(plan.shape.batches * plan.panels);
    return (uint32_t)(plan.shape.batches * plan.row_units * plan.panel_units);
}

static size_t i16_scratch(const sv_problem *problem)
{
    return (size_t)UNIT_ROWS *
           (size_t)sv_divide_up(problem->desc[0].dim[problem->desc[0].rank - 1], 2) *
           sizeof(uint32_t);
}

static size_t i16_shared(const sv_problem *problem)
{
    i16_plan plan;
    i16_plan_init(&plan, problem->desc);
    if (i16_direct(&plan.shape)) return 0;
    return (size_t)(plan.shape.batches * plan.panels * plan.pairs) * PANEL * sizeof(uint32_t);
}

static void i16_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    i16_plan plan;
    i16_plan_init(&plan, call->desc);
    for (uint32_t u = begin; u < end; u++) {
        if (call->phase) {
            i16_unit(call, &plan, u);
            continue;
        }
        int64_t offset[GEMM_ROWED], b;
        gemm_batch_offsets(&plan.shape, u / plan.panels, offset, &b);
        pack_panel(&plan, (const int16_t *)call->ptr[1] + b, u % plan.panels,
                   (uint32_t *)call->shared + (int64_t)u * plan.pairs * PANEL);
    }
}

const sv_kernel I16_NAME(sv_kernel_gemm_i16) = {
    .name = "gemm_i16_" I16_TEXT,
    .family = SV_FAMILY_gemm,
    .level = I16_LEVEL,
    .b_format = SV_FORMAT_RAW,
    .supports = i16_supports,
    .phases = 2,
    .units = i16_units,
    .scratch = i16_scratch,
    .shared = i16_shared,
    .run = i16_run,
};
