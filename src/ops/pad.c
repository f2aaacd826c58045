/* Operators that put something around a tensor or take its middle: Pad, CenterCropPad. */
#include "base/status.h"
#include "ops/support.h"

/* The numbers before and behind each dimension; negative ones take away. */
typedef struct sv_pads {
    int64_t before[SV_MAX_RANK], after[SV_MAX_RANK];
} sv_pads;

/* `axes` NULL: all dimensions. The axes have been checked. */
static sv_pads pads_of(int32_t rank, const int64_t *pad, const int64_t *axis, uint32_t n)
{
    sv_pads p = {{0}, {0}};
    for (uint32_t i = 0; i < n; i++) {
        int64_t at = axis ? axis[i] : i;
        if (at < 0) at += rank;
        p.before[at] = pad[i];
        p.after[at] = pad[n + i];
    }
    return p;
}

/* Takes away what is negative, then surrounds with the rest. */
static sv_status crop_and_surround(sv_emit *e, const sv_pads *p, sv_slot fill)
{
    sv_slot y = sv_emit_out(e, 0), from = 0;
    sv_shape inside = sv_emit_type(e, 0)->shape;
    int64_t start[SV_MAX_RANK] = {0}, before[SV_MAX_RANK] = {0};
    bool crop = false;
    for (int32_t i = 0; i < inside.rank; i++) {
        start[i] = p->before[i] < 0 ? -p->before[i] : 0;
        before[i] = p->before[i] > 0 ? p->before[i] : 0;
        inside.dim[i] -= start[i] + (p->after[i] < 0 ? -p->after[i] : 0);
        if (inside.dim[i] < 0) inside.dim[i] = 0;
        crop = crop || p->before[i] < 0 || p->after[i] < 0;
    }
    if (crop) {
        SV_TRY(sv_emit_temp(e, sv_emit_type(e, 0)->dtype, &inside, &from));
        SV_TRY(sv_emit_window(e, from, 0, start, NULL));
    }
    return sv_emit_surround(e, y, from, fill, before);
}

/* ---- Pad --------------------------------------------------------------------------------- */

typedef enum sv_pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } sv_pad_mode;

static sv_status pad_mode(const sv_node *node, sv_pad_mode *out)
{
    static const char *const name[] = {"constant", "reflect", "edge", "wrap"};
    const char *mode = sv_node_text(node, "mode", "constant");
    for (int i = 0; i < 4; i++) {
        if (strcmp(mode, name[i]) != 0) continue;
        *out = (sv_pad_mode)i;
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "attribute 'mode': expected constant, reflect, edge or wrap, found '%s'",
                         mode);
}

/* One padded dimension; what is cropped is gone before the rest is repeated. */
static sv_status pad_dim(const sv_infer *x, sv_pad_mode mode, int32_t i, const sv_pads *p,
                         int64_t *out)
{
    int64_t dim = x->in[0].shape.dim[i], left = dim, size;
    if (p->before[i] < 0) left += p->before[i];
    if (p->after[i] < 0) left += p->after[i];
    if (__builtin_add_overflow(dim, p->before[i], &size) ||
        __builtin_add_overflow(size, p->after[i], &size) || size < 0) {
        return sv_infer_error(x, 1, "expected a size in dimension %d, found %lld%+lld%+lld", i,
                              (long long)dim, (long long)p->before[i], (long long)p->after[i]);
    }
    if (mode != PAD_CONSTANT && left <= 0 && size > 0)
        return sv_infer_error(x, 0, "expected elements to repeat in dimension %d, found none", i);
    *out = size;
    return SV_OK;
}

/* Whether pads (and axes) are known, and right. */
static sv_status pad_read(sv_infer *x, sv_pads *p, bool *known)
{
    int64_t pad[64], axis[64];
    uint32_t n = 0, n_axis = 0, mask;
    int32_t rank = x->in[0].shape.rank;
    bool axes = sv_infer_has(x, 3), pads = sv_infer_ints(x, 1, pad, &n);
    *known = (!axes || sv_infer_ints(x, 3, axis, &n_axis)) && pads && rank >= 0;
    if (!*known) return SV_OK;
    if (!axes) n_axis = (uint32_t)rank;
    if (axes) SV_TRY(sv_infer_axes(x, axis, n_axis, rank, &mask));
    if (n != 2 * n_axis) {
        return sv_infer_error(x, 1, "expected %u numbers, two an axis, found %u", 2 * n_axis, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (pad[i] < -INT64_MAX)
            return sv_infer_error(x, 1, "expected numbers of elements, found %lld",
                                  (long long)pad[i]);
    }
    *p = pads_of(rank, pad, axes ? axis : NULL, n_axis);
    return SV_OK;
}

static sv_status pad_infer(sv_infer *x)
{
    sv_pads p;
    sv_pad_mode mode;
    bool known;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(pad_mode(x->node, &mode));
    SV_TRY(pad_read(x, &p, &known));
    x->out[0].shape = sv_infer_symbols(x, x->in[0].shape.rank);
    if (!known) return SV_OK;
    for (int32_t i = 0; i < x->in[0].shape.rank; i++) {
        if (x->in[0].shape.dim[i] >= 0) {
            SV_TRY(pad_dim(x, mode, i, &p, &x->out[0].shape.dim[i]));
        } else if (p.before[i] == 0 && p.after[i] == 0) {
            x->out[0].shape.dim[i] = x->in[0].shape.dim[i];
        }
    }
    return SV_OK;
}

typedef struct sv_pad_param {
    uint8_t mode;
    sv_pads pads;
} sv_pad_param;

/* The index in a dimension of `dim` that padded index `i` shows; `dim` holds what is cropped too.
 */
static int64_t pad_source(const sv_pad_param *p, int32_t d, int64_t dim, int64_t i)
{
    int64_t before = p->pads.before[d], after = p->pads.after[d];
    int64_t low = before < 0 ? -before : 0, n = dim - low - (after < 0 ? -after : 0);
    int64_t at = i - (before > 0 ? before : 0);
    if (at >= 0 && at < n) return low + at;
    if (p->mode == PAD_EDGE) return low + (at < 0 ? 0 : n - 1);
    int64_t period = p->mode == PAD_WRAP ? n : 2 * (n - 1);
    if (period <= 0) return low;
    at %= period;
    if (at < 0) at += period;
    return low + (at < n ? at : period - at);
}

/* Operands: x, y. A row is y's innermost dimension. */
static sv_rows pad_rows(const sv_desc *y)
{
    int64_t inner = y->dim[y->rank - 1];
    return sv_rows_make(inner ? sv_desc_count(y) / inner : 0, inner * (int64_t)sv_desc_size(y));
}

static uint32_t pad_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(pad_rows(&problem->desc[1]));
}

static void pad_row(const sv_pad_param *p, const sv_desc *x, const sv_desc *y, const char *from,
                    char *to)
{
    int32_t last = x->rank - 1;
    size_t size = sv_desc_size(x);
    int64_t before = p->pads.before[last], after = p->pads.after[last];
    int64_t first = before > 0 ? before : 0, low = before < 0 ? -before : 0;
    int64_t inside = x->dim[last] - low - (after < 0 ? -after : 0);
    for (int64_t i = 0; i < first; i++) {
        int64_t at = pad_source(p, last, x->dim[last], i);
        sv_element_move(to + (size_t)i * size, from + (size_t)at * size, size);
    }
    memcpy(to + (size_t)first * size, from + (size_t)low * size, (size_t)inside * size);
    for (int64_t i = first + inside; i < y->dim[last]; i++) {
        int64_t at = pad_source(p, last, x->dim[last], i);
        sv_element_move(to + (size_t)i * size, from + (size_t)at * size, size);
    }
}

static void pad_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_pad_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    sv_rows rows = pad_rows(y);
    size_t size = sv_desc_size(x);
    int32_t last = x->rank - 1;
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t offset = 0, stride = x->dim[last], rest = r;
        for (int32_t d = last - 1; d >= 0; d--) {
            offset += pad_source(p, d, x->dim[d], rest % y->dim[d]) * stride;
            rest /= y->dim[d];
            stride *= x->dim[d];
        }
        pad_row(p, x, y, (const char *)call->ptr[0] + (size_t)offset * size,
                (char *)call->ptr[1] + (size_t)(r * y->dim[last]) * size);
    }
}

static const sv_kernel pad_kernel = {
    .name = "custom_pad", .family = SV_FAMILY_custom, .units = pad_units, .run = pad_run};

static sv_status pad_emit(sv_emit *e)
{
    int64_t pad[64], axis[64];
    uint32_t n, n_axis;
    sv_pad_mode mode;
    if (e->symbolic) return SV_OK;
    SV_TRY(pad_mode(e->node, &mode));
    if (!sv_emit_ints(e, 1, pad, &n))
        return sv_node_error(e->node, SV_CODE_INTERNAL, "pads are not known");
    bool axes = sv_emit_ints(e, 3, axis, &n_axis);
    int32_t rank = sv_emit_type(e, 0)->shape.rank;
    if (rank == 0) return sv_emit_reshape(e, sv_emit_out(e, 0), 0);
    sv_pad_param param = {.mode = (uint8_t)mode,
                          .pads = pads_of(rank, pad, axes ? axis : NULL, n / 2)};
    if (mode == PAD_CONSTANT) {
        sv_slot fill = sv_emit_in(e, 2);
        if (fill == SV_NO_SLOT) SV_TRY(sv_emit_scalar(e, sv_emit_type(e, 0)->dtype, 0.0, &fill));
        return crop_and_surround(e, &param.pads, fill);
    }
    sv_ref ref[2] = {sv_ref_dense(0), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &pad_kernel, &param, sizeof(param), 2, ref, 2);
}

const sv_op_desc sv_op_desc_Pad = {.op = SV_OP_Pad,
                                   .min_in = 2,
                                   .max_in = 4,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = pad_infer,
                                   .emit = pad_emit};

/* ---- CenterCropPad ----------------------------------------------------------------------- */

static sv_status center_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int64_t want[64];
    uint32_t n, n_axis, mask;
    const int64_t *axis = sv_node_ints(x->node, "axes", &n_axis);
    *x->out = x->in[0];
    bool known = sv_infer_ints(x, 1, want, &n);
    if (in->rank < 0) return SV_OK;
    if (axis) SV_TRY(sv_infer_axes(x, axis, n_axis, in->rank, &mask));
    uint32_t expected = axis ? n_axis : (uint32_t)in->rank;
    if (known && n != expected)
        return sv_infer_error(x, 1, "expected %u sizes, one an axis, found %u", expected, n);
    for (uint32_t i = 0; i < expected; i++) {
        int64_t at = axis ? axis[i] : i;
        if (at < 0) at += in->rank;
        if (known && want[i] < 0)
            return sv_infer_error(x, 1, "expected sizes, found %lld", (long long)want[i]);
        x->out[0].shape.dim[at] = known ? want[i] : sv_infer_symbol(x);
    }
    return SV_OK;
}

/* An odd number is split in favour of the end, whether it is padded or cropped. */
static sv_status center_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *in = &sv_emit_type(e, 0)->shape,
                   *out = &sv_emit_type(e, sv_emit_out(e, 0))->shape;
    sv_pads p = {{0}, {0}};
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t more = out->dim[i] - in->dim[i];
        p.before[i] = more / 2;
        p.after[i] = more - more / 2;
    }
    sv_slot fill;
    SV_TRY(sv_emit_scalar(e, sv_emit_type(e, 0)->dtype, 0.0, &fill));
    return crop_and_surround(e, &p, fill);
}

const sv_op_desc sv_op_desc_CenterCropPad = {.op = SV_OP_CenterCropPad,
                                             .min_in = 2,
                                             .max_in = 2,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .infer = center_infer,
                                             .emit = center_emit};
