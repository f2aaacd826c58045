/* Tensors that signal processing makes from a few numbers: HannWindow, HammingWindow,
 * BlackmanWindow and MelWeightMatrix. */
#include "base/status.h"
#include "ops/support.h"

#include <math.h>

#define WINDOW_PI 3.14159265358979323846

static sv_status read_dtype(const sv_infer *x, sv_dtype *out)
{
    SV_TRY(sv_infer_dtype_attr(x, "output_datatype", SV_F32, out));
    uint8_t class_ = sv_dtype_get(*out)->class_;
    if (class_ == SV_CLASS_FLOAT || class_ == SV_CLASS_INT || class_ == SV_CLASS_UINT) return SV_OK;
    return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                         "output_datatype: expected a numeric type, found %s", sv_dtype_name(*out));
}

static void put(const sv_call *call, int32_t operand, int64_t i, double value)
{
    sv_dtype dtype = call->desc[operand].dtype;
    sv_scalar_set_f64(dtype, (char *)call->ptr[operand] + i * (int64_t)sv_dtype_get(dtype)->size,
                      value);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* a - b cos(u) + c cos(2 u), u the position on the circle. */
typedef struct sv_window_param {
    double a, b, c;
    bool periodic;
} sv_window_param;

static sv_status window_infer(sv_infer *x)
{
    sv_dtype dtype;
    int64_t size[64];
    uint32_t n;
    SV_TRY(read_dtype(x, &dtype));
    x->out[0].dtype = dtype;
    x->out[0].shape = sv_infer_symbols(x, 1);
    if (!sv_infer_ints(x, 0, size, &n)) return SV_OK;
    if (n != 1 || size[0] < 0)
        return sv_infer_error(x, 0, "expected one size of at least 0, found %lld",
                              n == 1 ? (long long)size[0] : (long long)n);
    x->out[0].shape.dim[0] = size[0];
    return SV_OK;
}

static void window_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    const sv_window_param *p = call->param;
    int64_t n = call->desc[1].dim[0];
    int64_t last = p->periodic ? n : n - 1;
    double period = (double)(last > 0 ? last : 1);
    for (int64_t i = 0; i < n; i++) {
        double u = 2 * WINDOW_PI * (double)i / period;
        put(call, 1, i, p->a - p->b * cos(u) + p->c * cos(2 * u));
    }
}

static const sv_kernel window_kernel = {
    .name = "custom_window", .family = SV_FAMILY_custom, .run = window_run};

static sv_status window_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_window_param param = {
        .a = 0.5, .b = 0.5, .periodic = sv_node_int(e->node, "periodic", 1) != 0};
    if (e->node->op == SV_OP_HammingWindow) {
        param.a = 25.0 / 46.0;
        param.b = 21.0 / 46.0;
    } else if (e->node->op == SV_OP_BlackmanWindow) {
        param.a = 0.42;
        param.c = 0.08;
    }
    return sv_emit_run(e, &window_kernel, &param, sizeof(param));
}

#define WINDOW_DESC(name)                                                                          \
    const sv_op_desc sv_op_desc_##name = {.op = SV_OP_##name,                                      \
                                          .min_in = 1,                                             \
                                          .max_in = 1,                                             \
                                          .min_out = 1,                                            \
                                          .max_out = 1,                                            \
                                          .infer = window_infer,                                   \
                                          .emit = window_emit}

WINDOW_DESC(BlackmanWindow);
WINDOW_DESC(HammingWindow);
WINDOW_DESC(HannWindow);

/* ---- MelWeightMatrix ------------------------------------------------------------------------- */

static sv_status mel_infer(sv_infer *x)
{
    sv_dtype dtype;
    int64_t bins[64], length[64];
    uint32_t n_bins, n_length;
    SV_TRY(read_dtype(x, &dtype));
    x->out[0].dtype = dtype;
    x->out[0].shape = sv_infer_symbols(x, 2);
    bool known = sv_infer_ints(x, 0, bins, &n_bins);
    known = sv_infer_ints(x, 1, length, &n_length) && known;
    if (!known) return SV_OK;
    if (n_bins != 1 || n_length != 1 || bins[0] < 0 || length[0] < 0)
        return sv_infer_error(x, 0, "expected one number of bins and one length, both at least 0");
    x->out[0].shape = sv_shape_make(2, (int64_t[]){length[0] / 2 + 1, bins[0]});
    return SV_OK;
}

static double number(const sv_call *call, int32_t operand)
{
    return sv_scalar_get_f64(call->desc[operand].dtype, call->ptr[operand]);
}

/* The bin of the spectrum at the edge `i` of the bands. */
static int64_t mel_edge(const sv_call *call, int64_t i)
{
    double low = 2595 * log10(1 + number(call, 3) / 700),
           high = 2595 * log10(1 + number(call, 4) / 700);
    double step = (high - low) / (number(call, 0) + 2);
    double hertz = 700 * (pow(10, (low + (double)i * step) / 2595) - 1);
    double edge = floor((number(call, 1) + 1) * hertz / number(call, 2)),
           rows = (double)call->desc[5].dim[0];
    if (edge >= 0 && edge < rows) return (int64_t)edge;
    sv_call_fault(call, 0, "bin of a band's edge", edge > 0 ? INT64_MAX : -1, 0,
                  call->desc[5].dim[0]);
    return 0;
}

/* One triangle: up from `left` to `centre`, down to `right`. */
static void mel_band(const sv_call *call, int64_t band, int64_t left, int64_t centre, int64_t right)
{
    int64_t columns = call->desc[5].dim[1];
    if (left == centre) put(call, 5, centre * columns + band, 1);
    for (int64_t i = left; left < centre && i <= centre; i++)
        put(call, 5, i * columns + band, (double)(i - left) / (double)(centre - left));
    for (int64_t i = centre; i < right; i++)
        put(call, 5, i * columns + band, (double)(right - i) / (double)(right - centre));
}

static void mel_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    const sv_desc *y = &call->desc[5];
    if (sv_desc_count(y) == 0) return;
    memset(call->ptr[5], 0, (size_t)sv_desc_count(y) * sv_desc_size(y));
    for (int64_t band = 0; band < y->dim[1]; band++)
        mel_band(call, band, mel_edge(call, band), mel_edge(call, band + 1),
                 mel_edge(call, band + 2));
}

static const sv_kernel mel_kernel = {
    .name = "custom_mel_weights", .family = SV_FAMILY_custom, .run = mel_run};

static sv_status mel_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    for (uint32_t i = 0; i < 5; i++) {
        int64_t n;
        if (sv_shape_count(&sv_emit_type(e, i)->shape, &n) && n == 1) continue;
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT, "input %u: expected one number", i);
    }
    return sv_emit_run(e, &mel_kernel, NULL, 0);
}

const sv_op_desc sv_op_desc_MelWeightMatrix = {.op = SV_OP_MelWeightMatrix,
                                               .min_in = 5,
                                               .max_in = 5,
                                               .min_out = 1,
                                               .max_out = 1,
                                               .infer = mel_infer,
                                               .emit = mel_emit};
