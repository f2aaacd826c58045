/* Decoding of sliding windows; see the header. */
#include "ops/nn_window.h"

#include "base/status.h"

#include <string.h>

/* Beyond this a window is refused: it keeps every sum of sizes within 64 bits. */
#define WINDOW_LIMIT ((int64_t)1 << 31)

static sv_status read_ints(const sv_node *node, const char *name, int32_t n, int64_t low,
                           int64_t otherwise, int64_t *out)
{
    uint32_t count;
    const int64_t *v = sv_node_ints(node, name, &count);
    for (int32_t i = 0; i < n; i++)
        out[i] = otherwise;
    if (!v) return SV_OK;
    if (count != (uint32_t)n) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT, "%s: expected %d values, found %u",
                             name, n, count);
    }
    for (int32_t i = 0; i < n; i++) {
        if (v[i] < low || v[i] > WINDOW_LIMIT) {
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "%s: expected values in [%lld, 2^31], found %lld", name,
                                 (long long)low, (long long)v[i]);
        }
        out[i] = v[i];
    }
    return SV_OK;
}

static sv_status read_kernel(const sv_node *node, const int64_t *kernel, sv_window *w)
{
    uint32_t count;
    if (!kernel && !sv_node_ints(node, "kernel_shape", &count))
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "kernel_shape: expected it, found none");
    SV_TRY(read_ints(node, "kernel_shape", w->spatial, 1, -1, w->kernel));
    for (int32_t i = 0; kernel && i < w->spatial; i++) {
        if (w->kernel[i] < 0) w->kernel[i] = kernel[i];
        if (kernel[i] >= 0 && kernel[i] != w->kernel[i]) {
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "kernel_shape: expected %lld as the weights have, found %lld",
                                 (long long)kernel[i], (long long)w->kernel[i]);
        }
        if (w->kernel[i] == 0 || w->kernel[i] > WINDOW_LIMIT) {
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "expected kernel sizes in [1, 2^31], found %lld",
                                 (long long)w->kernel[i]);
        }
    }
    return SV_OK;
}

static sv_status read_pads(const sv_node *node, sv_window *w)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *name = sv_node_text(node, "auto_pad", "NOTSET");
    int64_t pads[2 * SV_SPATIAL_MAX];
    for (uint8_t i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        w->auto_pad = i;
        if (i != SV_PAD_EXPLICIT) return SV_OK;
        SV_TRY(read_ints(node, "pads", 2 * w->spatial, 0, 0, pads));
        memcpy(w->pad, pads, (size_t)w->spatial * sizeof(*pads));
        memcpy(w->pad_end, pads + w->spatial, (size_t)w->spatial * sizeof(*pads));
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, found '%s'",
                         name);
}

sv_status sv_window_read(const sv_node *node, int32_t spatial, const int64_t *kernel,
                         sv_window *out)
{
    sv_window w = {.spatial = spatial};
    if (spatial < 1 || spatial > SV_SPATIAL_MAX) {
        return sv_node_error(node, SV_CODE_UNIMPLEMENTED,
                             "expected 1 to %d spatial dimensions, found %d", SV_SPATIAL_MAX,
                             spatial);
    }
    SV_TRY(read_kernel(node, kernel, &w));
    SV_TRY(read_ints(node, "strides", spatial, 1, 1, w.stride));
    SV_TRY(read_ints(node, "dilations", spatial, 1, 1, w.dilation));
    SV_TRY(read_pads(node, &w));
    w.ceil = sv_node_int(node, "ceil_mode", 0) != 0;
    *out = w;
    return SV_OK;
}

/* SAME: as many results as strides begin inside; the padding that this needs is split in halves. */
static int64_t same_size(sv_window *w, int32_t i, int64_t in, int64_t extent)
{
    int64_t size = (in + w->stride[i] - 1) / w->stride[i];
    int64_t total = (size - 1) * w->stride[i] + extent - in;
    if (total < 0 || size == 0) total = 0;
    w->pad[i] = w->auto_pad == SV_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    w->pad_end[i] = total - w->pad[i];
    return size;
}

sv_status sv_window_size(const sv_node *node, sv_window *w, int32_t i, int64_t in, int64_t *out)
{
    *out = -1;
    if (in < 0 || w->kernel[i] < 0) return SV_OK;
    int64_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1;
    if (w->auto_pad == SV_PAD_SAME_UPPER || w->auto_pad == SV_PAD_SAME_LOWER) {
        *out = same_size(w, i, in, extent);
        return SV_OK;
    }
    int64_t room = in + w->pad[i] + w->pad_end[i] - extent;
    if (room < 0) {
        return sv_node_error(
            node, SV_CODE_INVALID_ARGUMENT,
            "input 0: expected at least %lld elements along dimension %d for the kernel, "
            "found %lld",
            (long long)(extent - w->pad[i] - w->pad_end[i]), i + 2, (long long)in);
    }
    int64_t size = room / w->stride[i] + 1;
    if (w->ceil && room % w->stride[i] != 0) {
        /* A window that would begin in the padding behind is not taken. */
        if (size * w->stride[i] < in + w->pad[i]) size++;
    }
    *out = size;
    return SV_OK;
}

sv_status sv_window_infer(sv_infer *x, sv_window *window, int64_t channels, sv_shape *out)
{
    const sv_shape *in = &x->in[0].shape;
    sv_shape shape = sv_infer_symbols(x, window->spatial + 2);
    if (channels >= 0) shape.dim[1] = channels;
    if (in->rank >= 0) shape.dim[0] = in->dim[0];
    for (int32_t i = 0; i < window->spatial && in->rank >= 0; i++) {
        int64_t size;
        SV_TRY(sv_window_size(x->node, window, i, in->dim[2 + i], &size));
        if (size >= 0) shape.dim[2 + i] = size;
    }
    *out = shape;
    return SV_OK;
}
