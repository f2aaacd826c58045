/* DeformConv: a convolution whose taps are moved by offsets that the data give. Sampled into
 * columns by a loop of its own, then multiplied with the weights by the gemm family. */
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/nn_check.h"
#include "ops/nn_window.h"
#include "ops/support.h"

#include <math.h>

enum { X, W, OFFSET, BIAS, MASK };

/* Operands of the sampling: x, offset, mask or absent, columns [N, C * taps, pixels]. */
typedef struct sv_deform_param {
    int32_t spatial;
    int64_t offset_groups, taps;
    int64_t out[SV_SPATIAL_MAX];
    int64_t kernel[SV_SPATIAL_MAX], stride[SV_SPATIAL_MAX], dilation[SV_SPATIAL_MAX];
    int64_t pad[SV_SPATIAL_MAX];
} sv_deform_param;

static sv_status deform_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[X].shape, *w = &x->in[W].shape;
    sv_window window;
    x->out[0].dtype = x->in[X].dtype;
    SV_TRY(sv_infer_one_dtype(x, 5));
    for (uint32_t i = X; i <= OFFSET; i++)
        SV_TRY(sv_infer_rank(x, i, 3, 2 + SV_SPATIAL_MAX));
    if (in->rank >= 0 && w->rank >= 0 && in->rank != w->rank)
        return sv_infer_error(x, W, "expected a rank of %d as input 0, found %d", in->rank,
                              w->rank);
    int32_t rank = in->rank >= 0 ? in->rank : w->rank;
    if (rank < 0) return SV_OK;
    int64_t unknown[SV_SPATIAL_MAX] = {-1, -1, -1}, filters = w->rank >= 0 ? w->dim[0] : -1;
    SV_TRY(sv_infer_vector(x, BIAS, filters));
    SV_TRY(sv_window_read(x->node, rank - 2, w->rank >= 0 ? w->dim + 2 : unknown, &window));
    return sv_window_infer(x, &window, filters, &x->out[0].shape);
}

/* ---- sampling -------------------------------------------------------------------------------- */

/* x at a point between its elements, linearly; 0 outside. */
static double sample(const sv_desc *x, const void *data, int64_t base, int32_t spatial,
                     const double *at)
{
    double sum = 0;
    for (uint32_t corner = 0; corner < 1u << spatial; corner++) {
        double weight = 1;
        int64_t offset = base;
        for (int32_t i = 0; i < spatial && weight != 0; i++) {
            double low = floor(at[i]), index = low + (double)(corner >> i & 1);
            weight *= corner >> i & 1 ? at[i] - low : 1 - (at[i] - low);
            /* Also false for NaN. */
            if (!(index >= 0 && index < (double)x->dim[2 + i])) weight = 0;
            if (weight != 0) offset += (int64_t)index * x->stride[2 + i];
        }
        if (weight != 0) sum += weight * ref_get(x->dtype, data, offset);
    }
    return sum;
}

/* Row (n, c, tap) of the columns, over all pixels. */
static void sample_row(const sv_call *call, int64_t n, int64_t c, int64_t tap)
{
    const sv_deform_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    int64_t pixels = call->desc[3].dim[2], channels = x->dim[1];
    int64_t group = c / (channels / p->offset_groups),
            tap_row = (n * p->offset_groups + group) * p->taps + tap;
    int64_t to = ((n * channels + c) * p->taps + tap) * pixels,
            base = n * x->stride[0] + c * x->stride[1];
    int64_t t[SV_SPATIAL_MAX], rest = tap, index[SV_MAX_RANK] = {0};
    for (int32_t i = p->spatial - 1; i >= 0; i--) {
        t[i] = rest % p->kernel[i];
        rest /= p->kernel[i];
    }
    for (int64_t pixel = 0; pixel < pixels; pixel++) {
        double at[SV_SPATIAL_MAX];
        for (int32_t i = 0; i < p->spatial; i++) {
            int64_t moved = (tap_row * p->spatial + i) * pixels + pixel;
            at[i] = (double)(index[i] * p->stride[i] - p->pad[i] + t[i] * p->dilation[i]) +
                    ref_get(x->dtype, call->ptr[1], moved);
        }
        double value = sample(x, call->ptr[0], base, p->spatial, at);
        if (call->ptr[2]) value *= ref_get(x->dtype, call->ptr[2], tap_row * pixels + pixel);
        ref_put(x->dtype, call->ptr[3], to + pixel, value);
        sv_index_next(p->spatial, p->out, index);
    }
}

static uint32_t deform_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    int64_t units = problem->desc[3].dim[0] * problem->desc[3].dim[1];
    return (uint32_t)(units < UINT32_MAX ? units : UINT32_MAX);
}

static void deform_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_deform_param *p = call->param;
    int64_t channels = call->desc[0].dim[1];
    for (uint32_t unit = begin; unit < end; unit++)
        sample_row(call, unit / (channels * p->taps), unit / p->taps % channels, unit % p->taps);
}

static const sv_kernel deform_kernel = {.name = "custom_deform_columns",
                                        .family = SV_FAMILY_custom,
                                        .units = deform_units,
                                        .run = deform_run};

/* ---- emission -------------------------------------------------------------------------------- */

static sv_status check_shape(const sv_emit *e, uint32_t input, int64_t channels,
                             const sv_deform_param *p)
{
    sv_shape want = sv_emit_type(e, X)->shape;
    const sv_shape *found = &sv_emit_type(e, input)->shape;
    want.dim[1] = channels;
    for (int32_t i = 0; i < p->spatial; i++)
        want.dim[2 + i] = p->out[i];
    if (sv_shape_equal(&want, found)) return SV_OK;
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT, "input %u: expected %s, found %s",
                         input, sv_shape_text(&want, a), sv_shape_text(found, b));
}

static sv_status read_param(const sv_emit *e, int64_t groups, sv_deform_param *out)
{
    const sv_shape *x = &sv_emit_type(e, X)->shape, *w = &sv_emit_type(e, W)->shape;
    sv_window window;
    SV_TRY(sv_window_read(e->node, x->rank - 2, w->dim + 2, &window));
    sv_deform_param p = {.spatial = window.spatial,
                         .taps = 1,
                         .offset_groups = sv_node_int(e->node, "offset_group", 1)};
    for (int32_t i = 0; i < p.spatial; i++) {
        SV_TRY(sv_window_size(e->node, &window, i, x->dim[2 + i], &p.out[i]));
        p.kernel[i] = window.kernel[i];
        p.stride[i] = window.stride[i];
        p.dilation[i] = window.dilation[i];
        p.pad[i] = window.pad[i];
        p.taps *= p.kernel[i];
    }
    bool fits = groups >= 1 && p.offset_groups >= 1 && x->dim[1] % groups == 0 &&
                w->dim[0] % groups == 0 && w->dim[1] == x->dim[1] / groups &&
                x->dim[1] % p.offset_groups == 0;
    if (!fits)
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "expected channels that %lld groups and %lld offset groups divide",
                             (long long)groups, (long long)p.offset_groups);
    SV_TRY(check_shape(e, OFFSET, p.offset_groups * p.taps * p.spatial, &p));
    if (sv_emit_in(e, MASK) != SV_NO_SLOT)
        SV_TRY(check_shape(e, MASK, p.offset_groups * p.taps, &p));
    *out = p;
    return SV_OK;
}

/* y [N, groups, filters, pixels] = w [1, groups, filters, rows] x columns [N, groups, rows,
 * pixels]. */
static sv_status emit_product(sv_emit *e, const sv_deform_param *p, int64_t groups, sv_slot columns,
                              int64_t pixels)
{
    const sv_type *x = sv_emit_type(e, X), *w = sv_emit_type(e, W);
    int64_t n = x->shape.dim[0], filters = w->shape.dim[0] / groups,
            rows = w->shape.dim[1] * p->taps;
    sv_dtype dtype = x->dtype;
    sv_shape left = sv_shape_make(4, (int64_t[]){1, groups, filters, rows});
    sv_shape right = sv_shape_make(4, (int64_t[]){n, groups, rows, pixels});
    sv_shape result = sv_shape_make(4, (int64_t[]){n, groups, filters, pixels});
    sv_shape column = sv_shape_make(3, (int64_t[]){groups, filters, 1});
    sv_slot a, b, y, bias = sv_emit_in(e, BIAS);
    SV_TRY(sv_emit_temp(e, dtype, &left, &a));
    SV_TRY(sv_emit_temp(e, dtype, &right, &b));
    SV_TRY(sv_emit_temp(e, dtype, &result, &y));
    SV_TRY(sv_emit_reshape(e, a, W));
    SV_TRY(sv_emit_reshape(e, b, columns));
    sv_gemm_param gemm = {.alpha = 1.0f};
    sv_ref ref[4] = {sv_ref_any(a), sv_ref_any(b), sv_ref_any(y)};
    sv_epilogue epilogue = {0};
    if (bias != SV_NO_SLOT) {
        sv_slot shaped;
        SV_TRY(sv_emit_temp(e, dtype, &column, &shaped));
        SV_TRY(sv_emit_reshape(e, shaped, bias));
        ref[3] = sv_ref_expand(shaped, &result);
        epilogue.item[epilogue.n++] = (sv_epilogue_item){.kind = SV_EPI_ADD, .operand = 3};
    }
    SV_TRY(sv_emit_problem_epilogue(e, SV_FAMILY_gemm, &gemm, sizeof(gemm),
                                    bias == SV_NO_SLOT ? 3 : 4, ref, 4, &epilogue));
    return sv_emit_reshape(e, sv_emit_out(e, 0), y);
}

static sv_status deform_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_deform_param p;
    int64_t groups = sv_node_int(e->node, "group", 1), pixels = 1;
    sv_slot columns;
    SV_TRY(read_param(e, groups, &p));
    const sv_type *x = sv_emit_type(e, X);
    for (int32_t i = 0; i < p.spatial; i++)
        pixels *= p.out[i];
    sv_shape shape =
        sv_shape_make(3, (int64_t[]){x->shape.dim[0], x->shape.dim[1] * p.taps, pixels});
    SV_TRY(sv_emit_temp(e, x->dtype, &shape, &columns));
    sv_ref ref[4] = {sv_ref_dense(X), sv_ref_dense(OFFSET), sv_ref_dense(sv_emit_in(e, MASK)),
                     sv_ref_dense(columns)};
    SV_TRY(sv_emit_custom(e, &deform_kernel, &p, sizeof(p), 4, ref, 8));
    return emit_product(e, &p, groups, columns, pixels);
}

const sv_op_desc sv_op_desc_DeformConv = {.op = SV_OP_DeformConv,
                                          .min_in = 3,
                                          .max_in = 5,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .infer = deform_infer,
                                          .emit = deform_emit};
