/* gemm_panels: the packed right side of a GEMM, a constant matrix [K, N] in f32 panels. */
#include "kernels/gemm.h"
#include "kernels/panel.h"

/* Rows and columns of b: its last two dimensions. */
static void gemm_b_size(const sv_problem *problem, int64_t *k, int64_t *n)
{
    const sv_desc *b = &problem->desc[1];
    *k = b->dim[b->rank - 2];
    *n = b->dim[b->rank - 1];
}

static bool gemm_panels_accepts(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_desc *b = &problem->desc[1];
    if (problem->desc[0].dtype != SV_F32 || b->dtype != SV_F32 || b->rank < 2) return false;
    for (int32_t i = 0; i < b->rank - 2; i++) {
        if (b->dim[i] != 1) return false;
    }
    return b->dim[b->rank - 2] >= 0 && b->dim[b->rank - 1] >= 0;
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

static void gemm_panels_pack(const sv_problem *problem, sv_cpu_level level,
                             const sv_pack_source *source, void *to)
{
    (void)problem;
    const sv_view *view = &source->view;
    int32_t last = view->rank - 1;
    sv_panel_source matrix = {
        .data = view->data,
        .k = view->dim[last - 1],
        .n = view->dim[last],
        .k_stride = view->stride[last - 1],
        .n_stride = view->stride[last],
        .scale = source->scale,
        .shift = source->shift,
        .scale_k = source->axis == last - 1,
        .scale_n = source->axis == last,
    };
    int64_t width = sv_panel_width(level);
    float *at = to;
    for (int64_t column = 0; column < matrix.n; column += width) {
        at += sv_panel_pack(&matrix, column, width, at);
    }
    *at = 0;
}

const sv_packer sv_packer_gemm_panels = {
    .name = "gemm_panels",
    .family = SV_FAMILY_gemm,
    .operand = 1,
    .accepts = gemm_panels_accepts,
    .size = gemm_panels_size,
    .key = gemm_panels_key,
    .pack = gemm_panels_pack,
};
