/* Convolutions on 8-bit integers: ConvInteger (sums as they are) and QLinearConv (sums brought back
 * to 8 bits). A product of the filters and of what each of their taps sees, copied side by side; a
 * direct loop where there are many taps. The zero points come off first, so that padding counts as
 * the zero point. Convolutions on floats are in nn_conv.c. */
#include "kernels/conv/conv_shape.h"

#include "base/status.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "ops/nn_check.h"
#include "ops/nn_window.h"
#include "ops/quantize.h"
#include "ops/support.h"

#include <math.h>

/* The loop's operands; absent ones have a NULL pointer. */
enum { X, W, Y, X_ZERO, W_ZERO, BIAS, X_SCALE, W_SCALE, Y_SCALE, Y_ZERO, N_OPERANDS };

/* Where the operators have them among their inputs: {x, w, x_zero, w_zero, bias, scales ..,
 * y_zero}. */
typedef struct sv_integer_conv_form {
    sv_op op;
    int8_t input[N_OPERANDS]; /* -1: none */
} sv_integer_conv_form;

static const sv_integer_conv_form forms[] = {
    {SV_OP_ConvInteger, {0, 1, -1, 2, 3, -1, -1, -1, -1, -1}},
    {SV_OP_QLinearConv, {0, 3, -1, 2, 5, 8, 1, 4, 6, 7}},
};

static const sv_integer_conv_form *form_of(const sv_node *node)
{
    return &forms[node->op == SV_OP_QLinearConv];
}

/* ---- inference ------------------------------------------------------------------------------- */

static bool is_byte(sv_dtype dtype)
{
    return dtype == SV_DTYPE_NONE || dtype == SV_I8 || dtype == SV_U8;
}

/* A scalar, or one value a filter. */
static sv_status check_zero(const sv_infer *x, int8_t input, int64_t filters)
{
    if (input < 0 || !sv_infer_has(x, (uint32_t)input)) return SV_OK;
    const sv_shape *shape = &x->in[input].shape;
    bool fits = shape->rank <= 0 || (shape->rank == 1 && (shape->dim[0] < 0 || shape->dim[0] == 1 ||
                                                          filters < 0 || shape->dim[0] == filters));
    if (fits) return SV_OK;
    char text[SV_SHAPE_TEXT];
    return sv_infer_error(x, (uint32_t)input, "expected a scalar or a vector of %lld, found %s",
                          (long long)filters, sv_shape_text(shape, text));
}

static sv_status integer_conv_infer(sv_infer *x)
{
    const sv_integer_conv_form *form = form_of(x->node);
    uint32_t at_w = (uint32_t)form->input[W];
    const sv_shape *in = &x->in[0].shape, *w = &x->in[at_w].shape;
    int64_t groups = sv_node_int(x->node, "group", 1), unknown[SV_SPATIAL_MAX] = {-1, -1, -1};
    sv_window window;
    x->out[0].dtype = form->op == SV_OP_ConvInteger ? SV_I32 : x->in[7].dtype;
    if (!is_byte(x->in[0].dtype)) return sv_infer_error(x, 0, "expected int8 or uint8");
    if (!is_byte(x->in[at_w].dtype)) return sv_infer_error(x, at_w, "expected int8 or uint8");
    SV_TRY(sv_infer_rank(x, 0, 3, 2 + SV_SPATIAL_MAX));
    SV_TRY(sv_infer_rank(x, at_w, 3, 2 + SV_SPATIAL_MAX));
    if (in->rank >= 0 && w->rank >= 0 && in->rank != w->rank)
        return sv_infer_error(x, at_w, "expected a rank of %d as input 0, found %d", in->rank,
                              w->rank);
    int32_t rank = in->rank >= 0 ? in->rank : w->rank;
    if (rank < 0) return SV_OK;
    int64_t filters = w->rank >= 0 && w->dim[0] >= 0 ? w->dim[0] : -1;
    bool whole = groups >= 1 && (filters < 0 || filters % groups == 0);
    if (whole && in->rank >= 0 && w->rank >= 0 && in->dim[1] >= 0 && w->dim[1] >= 0)
        whole = in->dim[1] % groups == 0 && in->dim[1] / groups == w->dim[1];
    if (!whole)
        return sv_infer_error(x, at_w, "expected filters that %lld groups divide",
                              (long long)groups);
    SV_TRY(check_zero(x, form->input[X_ZERO], 1));
    SV_TRY(check_zero(x, form->input[W_ZERO], filters));
    SV_TRY(check_zero(x, form->input[W_SCALE], filters));
    if (form->input[BIAS] >= 0) SV_TRY(sv_infer_vector(x, (uint32_t)form->input[BIAS], filters));
    SV_TRY(sv_window_read(x->node, rank - 2, w->rank >= 0 ? w->dim + 2 : unknown, &window));
    return sv_window_infer(x, &window, filters, &x->out[0].shape);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static inline int32_t byte_at(const sv_desc *desc, const void *data, int64_t i)
{
    return desc->dtype == SV_I8 ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
}

/* Element `o` of a zero point that may be one for all, or absent. */
static int32_t zero_at(const sv_call *call, int operand, int64_t o)
{
    if (!call->ptr[operand]) return 0;
    const sv_desc *desc = &call->desc[operand];
    return byte_at(desc, call->ptr[operand], sv_desc_count(desc) > 1 ? o : 0);
}

static float scale_at(const sv_call *call, int operand, int64_t o)
{
    const float *scale = call->ptr[operand];
    return scale[sv_desc_count(&call->desc[operand]) > 1 ? o : 0];
}

/* One filter over one image. */
typedef struct sv_integer_plane {
    const sv_call *call;
    const window_shape *shape;
    int64_t at_x, at_w, channels; /* first elements of the group, of the filter; channels summed */
    int32_t x_zero, w_zero;
} sv_integer_plane;

static int32_t plane_sum(const sv_integer_plane *p, const int64_t out[3])
{
    const window_shape *s = p->shape;
    const sv_desc *x = &p->call->desc[X], *w = &p->call->desc[W];
    int32_t sum = 0;
    for (int64_t tap = 0; tap < s->taps; tap++) {
        int64_t t[3], at = p->at_x;
        bool inside = true;
        window_split(tap, s->kernel, t);
        for (int i = 0; i < 3; i++) {
            int64_t q = out[i] * s->stride[i] - s->pad[i] + t[i] * s->dilation[i];
            inside = inside && q >= 0 && q < s->x.d[i];
            at += q * s->x.s[i];
        }
        for (int64_t c = 0; inside && c < p->channels; c++) {
            int32_t a = byte_at(x, p->call->ptr[X], at + c * s->x.c_stride) - p->x_zero;
            int32_t b = byte_at(w, p->call->ptr[W], p->at_w + c * s->taps + tap) - p->w_zero;
            /* Sums wrap around, as the specification allows. */
            sum = (int32_t)((uint32_t)sum + (uint32_t)(a * b));
        }
    }
    return sum;
}

static void put_result(const sv_call *call, int64_t at, int64_t o, int32_t sum)
{
    if (!call->ptr[Y_SCALE]) {
        ((int32_t *)call->ptr[Y])[at] = sum;
        return;
    }
    if (call->ptr[BIAS])
        sum = (int32_t)((uint32_t)sum + (uint32_t)((const int32_t *)call->ptr[BIAS])[o]);
    float scale =
        scale_at(call, X_SCALE, 0) * scale_at(call, W_SCALE, o) / scale_at(call, Y_SCALE, 0);
    float value = nearbyintf((float)sum * scale) + (float)zero_at(call, Y_ZERO, 0);
    bool is_signed = call->desc[Y].dtype == SV_I8;
    float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    value = value > high ? high : value > low ? value : low;
    ((uint8_t *)call->ptr[Y])[at] = (uint8_t)(int)value;
}

static uint32_t integer_conv_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    int64_t units = problem->desc[Y].dim[0] * problem->desc[Y].dim[1];
    return (uint32_t)(units < UINT32_MAX ? units : UINT32_MAX);
}

/* A unit is one filter over one image. */
static void integer_conv_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_conv_param *param = call->param;
    window_shape shape;
    window_of_conv(call->desc, param, &shape);
    sv_integer_plane p = {.call = call, .shape = &shape, .channels = shape.x.c / param->groups};
    int64_t filters = shape.y.c, pixels = shape.y.d[0] * shape.y.d[1] * shape.y.d[2];
    p.x_zero = zero_at(call, X_ZERO, 0);
    for (uint32_t unit = begin; unit < end; unit++) {
        int64_t n = unit / filters, o = unit % filters, group = o / (filters / param->groups);
        p.at_x = n * shape.x.n_stride + group * p.channels * shape.x.c_stride;
        p.at_w = o * p.channels * shape.taps;
        p.w_zero = zero_at(call, W_ZERO, o);
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            int64_t out[3];
            window_split(pixel, shape.y.d, out);
            put_result(call, unit * pixels + pixel, o, plane_sum(&p, out));
        }
    }
}

static const sv_kernel integer_conv_kernel = {.name = "custom_conv_integer",
                                              .family = SV_FAMILY_custom,
                                              .units = integer_conv_units,
                                              .run = integer_conv_run};

static sv_status emit_direct(sv_emit *e, const sv_integer_conv_form *form,
                             const sv_conv_param *param)
{
    sv_ref ref[N_OPERANDS];
    for (int i = 0; i < N_OPERANDS; i++) {
        int8_t input = form->input[i];
        ref[i] = sv_ref_dense(input < 0 ? SV_NO_SLOT : sv_emit_in(e, (uint32_t)input));
    }
    ref[Y] = sv_ref_dense(sv_emit_out(e, 0));
    return sv_emit_custom(e, &integer_conv_kernel, param, sizeof(*param), N_OPERANDS, ref, 1u << Y);
}

/* ---- as a product ---------------------------------------------------------------------------- */

/* More taps than this are not copied. */
#define TAPS_MOST 64

/* What is emitted: shapes, and the sizes of a filter's taps and of a plane of y. */
typedef struct sv_integer_conv {
    const sv_integer_conv_form *form;
    const sv_conv_param *param;
    sv_shape x, w, y;
    int64_t taps, pixels;
} sv_integer_conv;

static sv_slot slot_of(const sv_emit *e, const sv_integer_conv *c, int operand)
{
    int8_t input = c->form->input[operand];
    return input < 0 ? SV_NO_SLOT : sv_emit_in(e, (uint32_t)input);
}

/* A slot seen with another shape. */
static sv_status seen_as(sv_emit *e, sv_slot from, const sv_shape *shape, sv_slot *out)
{
    *out = SV_NO_SLOT;
    if (from == SV_NO_SLOT) return SV_OK;
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, from)->dtype, shape, out));
    return sv_emit_reshape(e, *out, from);
}

/* One value for all, or one a filter, as it broadcasts into [filters, ...] of `rank` dimensions. */
static sv_status a_filter(sv_emit *e, sv_slot from, int32_t rank, sv_slot *out)
{
    int64_t count = 1;
    sv_shape shape = {.rank = rank};
    if (from != SV_NO_SLOT) (void)sv_shape_count(&sv_emit_type(e, from)->shape, &count);
    for (int32_t i = 0; i < rank; i++)
        shape.dim[i] = i ? 1 : count;
    return seen_as(e, from, &shape, out);
}

/* x without its zero point, with as much around it as windows reach. */
static sv_status padded(sv_emit *e, const sv_integer_conv *c, sv_slot *out)
{
    sv_slot x, zero;
    int64_t before[SV_MAX_RANK] = {0};
    sv_shape whole = c->x;
    SV_TRY(a_filter(e, slot_of(e, c, X_ZERO), 0, &zero));
    SV_TRY(sv_emit_centered(e, 0, zero, SV_I16, &x));
    for (int32_t i = 0; i < c->param->spatial; i++) {
        const sv_conv_param *p = c->param;
        int64_t reach = (c->y.dim[2 + i] - 1) * p->stride[i] + (p->kernel[i] - 1) * p->dilation[i];
        before[2 + i] = p->pad[i];
        whole.dim[2 + i] += p->pad[i];
        if (whole.dim[2 + i] <= reach) whole.dim[2 + i] = reach + 1;
    }
    *out = x;
    if (sv_shape_equal(&whole, &c->x)) return SV_OK;
    SV_TRY(sv_emit_scalar(e, SV_I16, 0, &zero));
    SV_TRY(sv_emit_temp(e, SV_I16, &whole, out));
    return sv_emit_surround(e, *out, x, zero, before);
}

/* [images, channels, taps, y's spatial ..]: what each tap sees. */
static sv_status columns(sv_emit *e, const sv_integer_conv *c, sv_slot *out)
{
    sv_slot x;
    sv_shape one = c->y, all = {.rank = c->y.rank + 1, .dim = {c->x.dim[0], c->x.dim[1], c->taps}};
    SV_TRY(padded(e, c, &x));
    one.dim[1] = c->x.dim[1];
    for (int32_t i = 0; i < c->param->spatial; i++)
        all.dim[3 + i] = c->y.dim[2 + i];
    SV_TRY(sv_emit_temp(e, SV_I16, &all, out));
    for (int64_t tap = 0; tap < c->taps; tap++) {
        int64_t start[SV_MAX_RANK] = {0}, step[SV_MAX_RANK], at[SV_MAX_RANK] = {0, 0, tap};
        int64_t rest = tap;
        for (int32_t i = 0; i < SV_MAX_RANK; i++)
            step[i] = 1;
        for (int32_t i = c->param->spatial - 1; i >= 0; i--) {
            start[2 + i] = rest % c->param->kernel[i] * c->param->dilation[i];
            step[2 + i] = c->param->stride[i];
            rest /= c->param->kernel[i];
        }
        sv_slot seen, layer;
        sv_shape flat = all;
        flat.dim[2] = 1;
        SV_TRY(sv_emit_temp(e, SV_I16, &one, &seen));
        SV_TRY(sv_emit_window(e, seen, x, start, step));
        SV_TRY(seen_as(e, seen, &flat, &layer));
        SV_TRY(sv_emit_copy(e, *out, layer, at));
    }
    return SV_OK;
}

/* The sums, as y's shape: for each image and group the filters times the columns. */
static sv_status sums(sv_emit *e, const sv_integer_conv *c, sv_slot to)
{
    const int64_t groups = c->param->groups, depth = c->w.dim[1] * c->taps;
    const int64_t filters = c->w.dim[0] / groups;
    const int64_t batch[4] = {c->x.dim[0], groups, filters, c->pixels};
    sv_shape left = sv_shape_make(4, batch), right = left, w = left, result = left;
    sv_slot all, col, weights, zero, a, product;
    left.dim[3] = right.dim[2] = w.dim[3] = depth;
    w.dim[0] = 1;
    SV_TRY(columns(e, c, &all));
    SV_TRY(seen_as(e, all, &right, &col));
    SV_TRY(a_filter(e, slot_of(e, c, W_ZERO), c->w.rank, &zero));
    SV_TRY(sv_emit_centered(e, slot_of(e, c, W), zero, SV_I16, &weights));
    SV_TRY(seen_as(e, weights, &w, &a));
    SV_TRY(sv_emit_temp(e, SV_I32, &result, &product));
    sv_ref ref[3] = {sv_ref_expand(a, &left), sv_ref_any(col), sv_ref_any(product)};
    sv_gemm_param param = {.alpha = 1.0f};
    SV_TRY(sv_emit_problem(e, SV_FAMILY_gemm, &param, sizeof(param), 3, ref, 4));
    return sv_emit_reshape(e, to, product);
}

/* Sums and bias times x's and w's scales over y's, to the nearest integer. */
static sv_status rescaled(sv_emit *e, const sv_integer_conv *c, sv_slot sum)
{
    const int32_t rank = c->y.rank - 1;
    const sv_shape scalar = {.rank = 0};
    sv_slot bias, x_scale, w_scale, y_scale, zero, scale, product, one;
    SV_TRY(a_filter(e, slot_of(e, c, BIAS), rank, &bias));
    SV_TRY(a_filter(e, slot_of(e, c, X_SCALE), 0, &x_scale));
    SV_TRY(a_filter(e, slot_of(e, c, W_SCALE), rank, &w_scale));
    SV_TRY(a_filter(e, slot_of(e, c, Y_SCALE), 0, &y_scale));
    SV_TRY(seen_as(e, slot_of(e, c, Y_ZERO), &scalar, &zero));
    if (bias != SV_NO_SLOT) SV_TRY(sv_emit_binary(e, SV_BINARY_Add, sum, bias, sum));
    SV_TRY(sv_emit_temp(e, SV_F32, &sv_emit_type(e, w_scale)->shape, &scale));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Mul, w_scale, x_scale, scale));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Div, scale, y_scale, scale));
    SV_TRY(sv_emit_temp(e, SV_F32, &c->y, &product));
    SV_TRY(sv_emit_convert(e, sum, product));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Mul, product, scale, product));
    SV_TRY(sv_emit_scalar(e, SV_F32, 1, &one));
    return sv_emit_quantize(e, product, one, zero, sv_emit_out(e, 0));
}

static sv_status emit_product(sv_emit *e, const sv_integer_conv *c)
{
    sv_slot sum;
    if (c->form->op == SV_OP_ConvInteger) return sums(e, c, sv_emit_out(e, 0));
    SV_TRY(sv_emit_temp(e, SV_I32, &c->y, &sum));
    SV_TRY(sums(e, c, sum));
    return rescaled(e, c, sum);
}

static sv_status integer_conv_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_integer_conv_form *form = form_of(e->node);
    sv_integer_conv c = {.form = form,
                         .x = sv_emit_type(e, 0)->shape,
                         .w = sv_emit_type(e, (sv_slot)form->input[W])->shape,
                         .y = sv_emit_type(e, sv_emit_out(e, 0))->shape,
                         .taps = 1,
                         .pixels = 1};
    sv_window window;
    SV_TRY(sv_window_read(e->node, c.x.rank - 2, c.w.dim + 2, &window));
    sv_conv_param param = {.spatial = window.spatial, .groups = sv_node_int(e->node, "group", 1)};
    c.param = &param;
    for (int32_t i = 0; i < window.spatial; i++) {
        int64_t size;
        SV_TRY(sv_window_size(e->node, &window, i, c.x.dim[2 + i], &size));
        param.kernel[i] = window.kernel[i];
        param.stride[i] = window.stride[i];
        param.dilation[i] = window.dilation[i];
        param.pad[i] = window.pad[i];
        c.taps *= window.kernel[i];
        c.pixels *= c.y.dim[2 + i];
    }
    int64_t count;
    const bool some = sv_shape_count(&c.y, &count) && count > 0 && c.x.dim[1] > 0;
    if (some && c.taps > 0 && c.taps <= TAPS_MOST) return emit_product(e, &c);
    return emit_direct(e, form, &param);
}

const sv_op_desc sv_op_desc_ConvInteger = {.op = SV_OP_ConvInteger,
                                           .min_in = 2,
                                           .max_in = 4,
                                           .min_out = 1,
                                           .max_out = 1,
                                           .infer = integer_conv_infer,
                                           .emit = integer_conv_emit};
const sv_op_desc sv_op_desc_QLinearConv = {.op = SV_OP_QLinearConv,
                                           .min_in = 8,
                                           .max_in = 9,
                                           .min_out = 1,
                                           .max_out = 1,
                                           .infer = integer_conv_infer,
                                           .emit = integer_conv_emit};
