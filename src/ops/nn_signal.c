/* Fourier transforms of signals: DFT and STFT. Windows and mel weights are in nn_window_function.c.
 */
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/nn_fft.h"
#include "ops/support.h"

/* ---- what both share ------------------------------------------------------------------------- */

static sv_status check_length(const sv_node *node, int64_t n)
{
    if (sv_fft_scratch(n) > 0) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "expected a transform's length in [1, 2^30], found %lld", (long long)n);
}

/* The signal's last dimension is 1 (real) or 2 (complex). */
static sv_status check_parts(const sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    SV_TRY(sv_infer_rank(x, 0, 2, SV_MAX_RANK));
    int64_t parts = in->rank > 0 ? in->dim[in->rank - 1] : -1;
    if (parts < 0 || parts == 1 || parts == 2) return SV_OK;
    return sv_infer_error(x, 0, "expected a last dimension of 1 or 2, found %lld",
                          (long long)parts);
}

static sv_complex complex_at(const sv_desc *desc, const void *data, int64_t i, int64_t parts)
{
    sv_complex value = {ref_get(desc->dtype, data, i * parts), 0};
    if (parts == 2) value.im = ref_get(desc->dtype, data, i * parts + 1);
    return value;
}

static size_t line_scratch(int64_t n)
{
    return ((size_t)n + sv_fft_scratch(n)) * sizeof(sv_complex);
}

static sv_status float_signal(const sv_emit *e)
{
    sv_dtype dtype = sv_emit_type(e, 0)->dtype;
    if (ref_is_float(dtype)) return SV_OK;
    return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                         "input 0: expected a float type, found %s", sv_dtype_name(dtype));
}

/* ---- DFT ------------------------------------------------------------------------------------- */

typedef struct sv_dft_param {
    int32_t axis;
    bool inverse, onesided;
    int64_t length;
} sv_dft_param;

/* The value of a scalar input: false when it is there but not known. */
static bool scalar_of(const sv_tensor *value, bool given, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (!given) return true;
    if (!value || sv_tensor_count(value) < 1 || !sv_dtype_is_integer(value->dtype)) return false;
    *out = sv_tensor_get_i64(value, 0);
    return true;
}

static sv_status dft_axis(const sv_node *node, const sv_shape *x, int64_t axis, int32_t *out)
{
    if (sv_shape_axis(x, axis, out) && *out < x->rank - 1) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "axis: expected a dimension before the last of %d, "
                         "found %lld",
                         x->rank, (long long)axis);
}

/* Length of the transform when none is given; -1 while it is a symbol. */
static int64_t natural_length(const sv_node *node, int64_t dim)
{
    bool whole = sv_node_int(node, "inverse", 0) && sv_node_int(node, "onesided", 0);
    if (dim < 0) return -1;
    return whole ? 2 * (dim - 1) : dim;
}

static sv_status dft_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    bool inverse = sv_node_int(x->node, "inverse", 0),
         onesided = sv_node_int(x->node, "onesided", 0);
    int64_t axis_value, length;
    int32_t axis;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(check_parts(x));
    bool known = scalar_of(sv_infer_value(x, 2), sv_infer_has(x, 2), -2, &axis_value);
    bool has_length = sv_infer_has(x, 1);
    bool length_known = scalar_of(sv_infer_value(x, 1), has_length, -1, &length);
    if (in->rank < 0) return SV_OK;
    sv_shape shape = *in;
    shape.dim[in->rank - 1] = inverse && onesided ? 1 : 2;
    if (!known) {
        for (int32_t i = 0; i < in->rank - 1; i++)
            shape.dim[i] = sv_infer_symbol(x);
        x->out[0].shape = shape;
        return SV_OK;
    }
    SV_TRY(dft_axis(x->node, in, axis_value, &axis));
    if (!has_length) length = natural_length(x->node, in->dim[axis]);
    if (!length_known) length = -1;
    if (length_known && (has_length || length >= 0)) SV_TRY(check_length(x->node, length));
    int64_t size = onesided && !inverse && length >= 0 ? length / 2 + 1 : length;
    shape.dim[axis] = size >= 0 ? size : sv_infer_symbol(x);
    x->out[0].shape = shape;
    return SV_OK;
}

/* Lines of the transform: operand `outer` x axis x `inner`. */
static sv_span dft_span(const sv_dft_param *p, const sv_desc *desc)
{
    return (sv_span){sv_desc_product(desc, 0, p->axis), desc->dim[p->axis],
                     sv_desc_product(desc, p->axis + 1, desc->rank - 1)};
}

static uint32_t dft_units(const sv_problem *problem, uint32_t phase)
{
    const sv_dft_param *p = problem->param;
    sv_span span = dft_span(p, &problem->desc[1]);
    (void)phase;
    return sv_rows_units(sv_rows_make(span.outer * span.inner, p->length * 64));
}

static size_t dft_scratch(const sv_problem *problem)
{
    return line_scratch(((const sv_dft_param *)problem->param)->length);
}

/* Reads one line, cut or filled with zeros; the second half of a one-sided spectrum mirrors the
 * first. */
static void read_line(const sv_call *call, int64_t base, int64_t step, int64_t there,
                      sv_complex *line)
{
    const sv_dft_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    bool mirror = p->inverse && p->onesided;
    int64_t parts = x->dim[x->rank - 1], half = p->length / 2 + 1,
            given = mirror ? half : p->length;
    for (int64_t i = 0; i < given; i++)
        line[i] =
            i < there ? complex_at(x, call->ptr[0], base + i * step, parts) : (sv_complex){0, 0};
    for (int64_t i = half; mirror && i < p->length; i++)
        line[i] = (sv_complex){line[p->length - i].re, -line[p->length - i].im};
}

static void dft_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_dft_param *p = call->param;
    const sv_desc *y = &call->desc[1];
    sv_span in = dft_span(p, &call->desc[0]), out = dft_span(p, y);
    sv_rows rows = sv_rows_make(out.outer * out.inner, p->length * 64);
    sv_complex *line = call->scratch, *work = line + p->length;
    int64_t parts = y->dim[y->rank - 1];
    double scale = p->inverse ? 1.0 / (double)p->length : 1.0;
    sv_fft_prepare(p->length, work);
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        int64_t o = row / out.inner, i = row % out.inner;
        read_line(call, o * in.axis * in.inner + i, in.inner, in.axis, line);
        sv_fft_run(p->length, line, p->inverse, work);
        for (int64_t k = 0; k < out.axis; k++) {
            int64_t at = (o * out.axis + k) * out.inner + i;
            ref_put(y->dtype, call->ptr[1], at * parts, line[k].re * scale);
            if (parts == 2) ref_put(y->dtype, call->ptr[1], at * 2 + 1, line[k].im * scale);
        }
    }
}

static const sv_kernel dft_kernel = {.name = "custom_dft",
                                     .family = SV_FAMILY_custom,
                                     .units = dft_units,
                                     .scratch = dft_scratch,
                                     .run = dft_run};

static sv_status dft_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *x = &sv_emit_type(e, 0)->shape;
    int64_t axis, length;
    sv_dft_param p = {.inverse = sv_node_int(e->node, "inverse", 0) != 0,
                      .onesided = sv_node_int(e->node, "onesided", 0) != 0};
    bool has_length = sv_emit_in(e, 1) != SV_NO_SLOT;
    bool known = scalar_of(sv_emit_value(e, 2), sv_emit_in(e, 2) != SV_NO_SLOT, -2, &axis) &&
                 scalar_of(sv_emit_value(e, 1), has_length, -1, &length);
    if (!known) return sv_node_error(e->node, SV_CODE_INTERNAL, "inputs 1 and 2 are not known");
    SV_TRY(float_signal(e));
    SV_TRY(dft_axis(e->node, x, axis, &p.axis));
    p.length = has_length ? length : natural_length(e->node, x->dim[p.axis]);
    SV_TRY(check_length(e->node, p.length));
    sv_ref ref[2] = {sv_ref_dense(0), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &dft_kernel, &p, sizeof(p), 2, ref, 2);
}

const sv_op_desc sv_op_desc_DFT = {.op = SV_OP_DFT,
                                   .min_in = 1,
                                   .max_in = 3,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = dft_infer,
                                   .emit = dft_emit};

/* ---- STFT ------------------------------------------------------------------------------------ */

typedef struct sv_stft_param {
    int64_t step, length;
} sv_stft_param;

/* Number of frames, or an error when there is not one. */
static sv_status frame_count(const sv_node *node, int64_t signal, const sv_stft_param *p,
                             int64_t *out)
{
    SV_TRY(check_length(node, p->length));
    if (p->step < 1)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "input 1: expected at least 1, found %lld", (long long)p->step);
    if (signal < p->length)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "input 0: expected a signal of at least %lld, found %lld",
                             (long long)p->length, (long long)signal);
    *out = 1 + (signal - p->length) / p->step;
    return SV_OK;
}

/* Length of a frame without a value for it: the window's, or all of the signal; -1: not known. */
static int64_t frame_length(const sv_shape *signal, const sv_shape *window)
{
    if (window) return window->rank == 1 ? window->dim[0] : -1;
    return signal->rank == 3 ? signal->dim[1] : -1;
}

static sv_status stft_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    bool onesided = sv_node_int(x->node, "onesided", 1) != 0;
    sv_stft_param p;
    int64_t frames;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(check_parts(x));
    SV_TRY(sv_infer_rank(x, 0, 3, 3));
    SV_TRY(sv_infer_rank(x, 2, 1, 1));
    SV_TRY(sv_infer_same_dtype(x, 0, 2));
    bool known = scalar_of(sv_infer_value(x, 1), true, -1, &p.step);
    int64_t otherwise = frame_length(in, sv_infer_has(x, 2) ? &x->in[2].shape : NULL);
    known = scalar_of(sv_infer_value(x, 3), sv_infer_has(x, 3), otherwise, &p.length) && known;
    sv_shape shape = sv_infer_symbols(x, 4);
    shape.dim[3] = 2;
    if (in->rank == 3) shape.dim[0] = in->dim[0];
    if (known && (sv_infer_has(x, 3) || p.length >= 0)) {
        SV_TRY(check_length(x->node, p.length));
        shape.dim[2] = onesided ? p.length / 2 + 1 : p.length;
        if (in->rank == 3 && in->dim[1] >= 0) {
            SV_TRY(frame_count(x->node, in->dim[1], &p, &frames));
            shape.dim[1] = frames;
        }
    }
    x->out[0].shape = shape;
    return SV_OK;
}

static sv_rows stft_rows(const sv_stft_param *p, const sv_desc *y)
{
    return sv_rows_make(y->dim[0] * y->dim[1], p->length * 64);
}

static uint32_t stft_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(stft_rows(problem->param, &problem->desc[2]));
}

static size_t stft_scratch(const sv_problem *problem)
{
    return line_scratch(((const sv_stft_param *)problem->param)->length);
}

/* A row is one frame. */
static void stft_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_stft_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[2];
    int64_t frames = y->dim[1], bins = y->dim[2], parts = x->dim[2];
    sv_complex *line = call->scratch, *work = line + p->length;
    sv_rows rows = stft_rows(p, y);
    sv_fft_prepare(p->length, work);
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        int64_t base = row / frames * x->dim[1] + row % frames * p->step;
        for (int64_t i = 0; i < p->length; i++) {
            double weight = call->ptr[1] ? ref_get(call->desc[1].dtype, call->ptr[1], i) : 1.0;
            line[i] = complex_at(x, call->ptr[0], base + i, parts);
            line[i].re *= weight;
            line[i].im *= weight;
        }
        sv_fft_run(p->length, line, false, work);
        for (int64_t k = 0; k < bins; k++) {
            ref_put(y->dtype, call->ptr[2], (row * bins + k) * 2, line[k].re);
            ref_put(y->dtype, call->ptr[2], (row * bins + k) * 2 + 1, line[k].im);
        }
    }
}

static const sv_kernel stft_kernel = {.name = "custom_stft",
                                      .family = SV_FAMILY_custom,
                                      .units = stft_units,
                                      .scratch = stft_scratch,
                                      .run = stft_run};

static sv_status stft_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot window = sv_emit_in(e, 2);
    const sv_shape *x = &sv_emit_type(e, 0)->shape;
    const sv_shape *shape = window == SV_NO_SLOT ? NULL : &sv_emit_type(e, window)->shape;
    sv_stft_param p;
    bool known = scalar_of(sv_emit_value(e, 1), true, -1, &p.step) &&
                 scalar_of(sv_emit_value(e, 3), sv_emit_in(e, 3) != SV_NO_SLOT,
                           frame_length(x, shape), &p.length);
    if (!known) return sv_node_error(e->node, SV_CODE_INTERNAL, "inputs 1 and 3 are not known");
    SV_TRY(float_signal(e));
    SV_TRY(check_length(e->node, p.length));
    if (shape && shape->dim[0] != p.length)
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "input 2: expected a window of %lld as frames have, found %lld",
                             (long long)p.length, (long long)shape->dim[0]);
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(window), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &stft_kernel, &p, sizeof(p), 3, ref, 4);
}

const sv_op_desc sv_op_desc_STFT = {.op = SV_OP_STFT,
                                    .min_in = 2,
                                    .max_in = 4,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .infer = stft_infer,
                                    .emit = stft_emit};
