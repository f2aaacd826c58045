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
    if (at <= -period || at >= period) at %= period;
    if (at < 0) at += period;
    return low + (at < n ? at : period - at);
}

/* How y is walked, whatever the strides are: lines of positions along the innermost dimension that
 * is padded, and at a position the elements that lie side by side in x and y, all of which stay. */
typedef struct sv_pad_walk {
    int32_t
        n; /* dimensions outside of a position, by falling stride of y; the line's is the last */
    int32_t dim[SV_MAX_RANK];
    size_t run; /* bytes of a position */
    sv_rows lines;
} sv_pad_walk;

/* Takes the dimensions that stay whole and side by side off the end. */
static void pad_take_run(const sv_pad_param *p, const sv_desc *x, const sv_desc *y,
                         sv_pad_walk *walk)
{
    int64_t run = 1;
    for (; walk->n > 0; walk->n--) {
        int32_t d = walk->dim[walk->n - 1];
        bool stays = p->pads.before[d] == 0 && p->pads.after[d] == 0;
        bool beside = x->stride[d] == run && y->stride[d] == run;
        if (!stays || !(beside || y->dim[d] == 1)) break;
        run *= y->dim[d];
    }
    walk->run = (size_t)run * sv_desc_size(x);
}

static void pad_walk_init(sv_pad_walk *walk, const sv_pad_param *p, const sv_desc *x,
                          const sv_desc *y)
{
    walk->n = 0;
    for (int32_t d = 0; d < y->rank; d++) {
        int32_t at = walk->n++;
        for (; at > 0 && y->stride[walk->dim[at - 1]] < y->stride[d]; at--)
            walk->dim[at] = walk->dim[at - 1];
        walk->dim[at] = d;
    }
    pad_take_run(p, x, y, walk);
    int64_t count = 1, length = walk->n ? y->dim[walk->dim[walk->n - 1]] : 1;
    for (int32_t i = 0; i + 1 < walk->n; i++)
        count *= y->dim[walk->dim[i]];
    if (!length || !walk->run) count = 0;
    walk->lines = sv_rows_make(count, length * (int64_t)walk->run);
}

static uint32_t pad_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    sv_pad_walk walk;
    pad_walk_init(&walk, problem->param, &problem->desc[0], &problem->desc[1]);
    return sv_rows_units(walk.lines);
}

/* A line: where its positions come from, in bytes from its start in x and in y. Positions that are
 * repeated are listed, as far as there is room; those of x itself follow each other. */
enum { PAD_LISTED = 64 };
typedef struct sv_pad_line {
    const sv_pad_param *p;
    int32_t d;
    size_t run;
    int64_t dim, count;         /* positions of x and of y */
    int64_t x_step, y_step;     /* bytes */
    int64_t first, low, inside; /* positions before x's in y; x's first that counts, and how many */
    int32_t n;                  /* listed, -1: too many */
    int64_t from[PAD_LISTED], to[PAD_LISTED];
} sv_pad_line;

static void pad_line_init(sv_pad_line *line, const sv_call *call, const sv_pad_walk *walk)
{
    const sv_pad_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    const int64_t size = (int64_t)sv_desc_size(x);
    const int32_t d = walk->dim[walk->n - 1];
    const int64_t before = p->pads.before[d], after = p->pads.after[d];
    *line = (sv_pad_line){.p = p, .d = d, .run = walk->run, .dim = x->dim[d], .count = y->dim[d]};
    line->x_step = x->stride[d] * size;
    line->y_step = y->stride[d] * size;
    line->first = before > 0 ? before : 0;
    line->low = before < 0 ? -before : 0;
    line->inside = line->dim - line->low - (after < 0 ? -after : 0);
    if (line->count - line->inside > PAD_LISTED) line->n = -1;
    for (int64_t i = 0; line->n >= 0 && i < line->count; i++) {
        if (i == line->first) i += line->inside;
        if (i >= line->count) break;
        line->from[line->n] = pad_source(p, d, line->dim, i) * line->x_step;
        line->to[line->n++] = i * line->y_step;
    }
}

/* The positions [first, last). */
static void pad_positions(const sv_pad_line *line, const char *from, char *to, int64_t first,
                          int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        int64_t at = pad_source(line->p, line->d, line->dim, i);
        sv_element_move(to + i * line->y_step, from + at * line->x_step, line->run);
    }
}

static void pad_listed(const sv_pad_line *line, const char *from, char *to)
{
    for (int32_t i = 0; i < line->n; i++) {
        if (line->run == 4) {
            memcpy(to + line->to[i], from + line->from[i], 4);
        } else {
            memcpy(to + line->to[i], from + line->from[i], line->run);
        }
    }
}

static void pad_line(const sv_pad_line *line, const char *from, char *to)
{
    const int64_t run = (int64_t)line->run, end = line->first + line->inside;
    if (line->x_step == run && line->y_step == run) {
        memcpy(to + line->first * run, from + line->low * run, (size_t)(line->inside * run));
    } else {
        pad_positions(line, from, to, line->first, end);
    }
    if (line->n >= 0) {
        pad_listed(line, from, to);
    } else {
        pad_positions(line, from, to, 0, line->first);
        pad_positions(line, from, to, end, line->count);
    }
}

/* A line's place: its index in each dimension, and how far along that has come in x and in y. */
typedef struct sv_pad_place {
    int64_t index[SV_MAX_RANK];
    int64_t x[SV_MAX_RANK], y[SV_MAX_RANK]; /* bytes */
    const char *from;
    char *to;
} sv_pad_place;

/* Dimension i of the walk moves to `index`. */
static void pad_place_set(const sv_call *call, const sv_pad_walk *walk, int32_t i, int64_t index,
                          sv_pad_place *place)
{
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    const int64_t size = (int64_t)sv_desc_size(x), d = walk->dim[i];
    int64_t from = pad_source(call->param, (int32_t)d, x->dim[d], index) * x->stride[d] * size;
    int64_t to = index * y->stride[d] * size;
    place->from += from - place->x[i];
    place->to += to - place->y[i];
    place->index[i] = index;
    place->x[i] = from;
    place->y[i] = to;
}

static void pad_place_init(const sv_call *call, const sv_pad_walk *walk, int64_t line,
                           sv_pad_place *place)
{
    *place = (sv_pad_place){.from = call->ptr[0], .to = call->ptr[1]};
    for (int32_t i = walk->n - 2; i >= 0; i--) {
        int64_t dim = call->desc[1].dim[walk->dim[i]];
        pad_place_set(call, walk, i, line % dim, place);
        line /= dim;
    }
}

static void pad_place_next(const sv_call *call, const sv_pad_walk *walk, sv_pad_place *place)
{
    for (int32_t i = walk->n - 2; i >= 0; i--) {
        bool more = place->index[i] + 1 < call->desc[1].dim[walk->dim[i]];
        pad_place_set(call, walk, i, more ? place->index[i] + 1 : 0, place);
        if (more) return;
    }
}

static void pad_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_pad_walk walk;
    sv_pad_place place;
    sv_pad_line line;
    pad_walk_init(&walk, call->param, &call->desc[0], &call->desc[1]);
    int64_t first = sv_rows_first(walk.lines, begin), last = sv_rows_last(walk.lines, end);
    if (first >= last) return;
    if (walk.n) pad_line_init(&line, call, &walk);
    pad_place_init(call, &walk, first, &place);
    for (; first < last; first++, pad_place_next(call, &walk, &place)) {
        if (walk.n) {
            pad_line(&line, place.from, place.to);
        } else {
            memcpy(place.to, place.from, walk.run);
        }
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
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_follow(sv_emit_out(e, 0))};
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
