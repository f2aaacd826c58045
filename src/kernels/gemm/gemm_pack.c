/* gemm_panels: the packed right side of a GEMM, a constant matrix [K, N] in f32 panels. */
#include "kernels/gemm/strassen.h"
#include "kernels/panel.h"

extern const sv_packer sv_packer_gemm_panels;

/* Rows and columns of b: its last two dimensions. */
static void gemm_b_size(const sv_problem *problem, int64_t *k, int64_t *n)
{
    const sv_desc *b = &problem->desc[1];
    *k = b->dim[b->rank - 2];
    *n = b->dim[b->rank - 1];
}

static bool gemm_panels_accepts(const sv_problem *problem, sv_cpu_level level)
{
    const sv_desc *b = &problem->desc[1];
    if (problem->desc[0].dtype != SV_F32 || b->dtype != SV_F32 || b->rank < 2) return false;
    for (int32_t i = 0; i < b->rank - 2; i++) {
        if (b->dim[i] != 1) return false;
    }
    return b->dim[b->rank - 2] >= 0 && b->dim[b->rank - 1] >= 0 &&
           !sv_strassen_choose(problem, level);
}

static size_t gemm_panels_size(const sv_problem *problem, sv_cpu_level level)
{
    int64_t k, n;
    gemm_b_size(problem, &k, &n);
    /* One float more, so that an empty matrix still has a size. */
    return (sv_panel_floats(k, n, sv_panel_width(level)) + 1) * sizeof(float);
}

/* A transposed matrix has its own bytes: strides count. */
static uint64_t gemm_panels_key(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_desc *b = &problem->desc[1];
    return sv_hash_bytes(0, b->stride + b->rank - 2, 2 * sizeof *b->stride);
}

/* What one part covers: all columns of some rows where rows lie in one piece, otherwise all rows of
 * some columns. */
typedef struct gemm_part {
    int64_t k, n, first_k, first_n;
} gemm_part;

/* Rows, or columns, of a part. */
static int64_t gemm_part_size(const sv_problem *problem, sv_cpu_level level, bool *by_rows)
{
    const sv_desc *b = &problem->desc[1];
    int64_t k, n, width = sv_panel_width(level);
    gemm_b_size(problem, &k, &n);
    *by_rows = b->stride[b->rank - 1] == 1;
    int64_t bytes = (int64_t)sizeof(float) * (*by_rows ? n : k);
    int64_t size = SV_PANEL_PART_BYTES / (bytes ? bytes : 1);
    if (*by_rows) return size ? size : 1;
    return size > width ? size / width * width : width;
}

static uint32_t gemm_panels_parts(const sv_problem *problem, sv_cpu_level level)
{
    bool by_rows;
    int64_t k, n, size = gemm_part_size(problem, level, &by_rows);
    gemm_b_size(problem, &k, &n);
    int64_t whole = by_rows ? k : n;
    return whole > 0 ? (uint32_t)((whole + size - 1) / size) : 1;
}

static gemm_part gemm_part_at(const sv_problem *problem, sv_cpu_level level, uint32_t index)
{
    bool by_rows;
    gemm_part part = {0};
    int64_t size = gemm_part_size(problem, level, &by_rows);
    gemm_b_size(problem, &part.k, &part.n);
    int64_t *first = by_rows ? &part.first_k : &part.first_n, *n = by_rows ? &part.k : &part.n;
    *first = size * index;
    *n = *n - *first < size ? *n - *first : size;
    return part;
}

static void gemm_panels_part(const sv_problem *problem, sv_cpu_level level, uint32_t index,
                             int64_t *first, int64_t *count)
{
    const sv_desc *b = &problem->desc[1];
    const int64_t k_stride = b->stride[b->rank - 2], n_stride = b->stride[b->rank - 1];
    gemm_part part = gemm_part_at(problem, level, index);
    *first = part.first_k * k_stride + part.first_n * n_stride;
    *count = part.k && part.n ? (part.k - 1) * k_stride + (part.n - 1) * n_stride + 1 : 0;
}

static void gemm_panels_pack_part(const sv_problem *problem, sv_cpu_level level,
                                  const sv_pack_source *source, uint32_t index, void *to)
{
    const sv_view *view = &source->view;
    const gemm_part part = gemm_part_at(problem, level, index);
    const int32_t last = view->rank - 1;
    const bool by_k = source->axis == last - 1, by_n = source->axis == last;
    const int64_t scale_at = by_k ? part.first_k : by_n ? part.first_n : 0;
    sv_panel_source matrix = {
        .data = view->data,
        .k = part.k,
        .n = part.n,
        .k_stride = view->stride[last - 1],
        .n_stride = view->stride[last],
        .scale = source->scale ? source->scale + scale_at : NULL,
        .shift = source->shift ? source->shift + scale_at : NULL,
        .scale_k = by_k,
        .scale_n = by_n,
    };
    int64_t k, n, width = sv_panel_width(level);
    gemm_b_size(problem, &k, &n);
    for (int64_t column = 0; column < part.n; column += width) {
        int64_t stored = sv_panel_columns(part.n, column, width);
        float *panel = (float *)to + (part.first_n + column) * k;
        sv_panel_pack(&matrix, column, width, panel + part.first_k * stored);
    }
    if (index == 0) ((float *)to)[sv_panel_floats(k, n, width)] = 0;
}

static void gemm_panels_pack(const sv_problem *problem, sv_cpu_level level,
                             const sv_pack_source *source, void *to)
{
    sv_packer_pack_parts(&sv_packer_gemm_panels, problem, level, source, to);
}

const sv_packer sv_packer_gemm_panels = {
    .name = "gemm_panels",
    .family = SV_FAMILY_gemm,
    .operand = 1,
    .accepts = gemm_panels_accepts,
    .size = gemm_panels_size,
    .key = gemm_panels_key,
    .pack = gemm_panels_pack,
    .parts = gemm_panels_parts,
    .part = gemm_panels_part,
    .pack_part = gemm_panels_pack_part,
};
