/* Operators that cut tensors and put them together: Concat, Slice, Split, Tile. */
#include "base/status.h"
#include "ops/support.h"

/* ---- Concat ------------------------------------------------------------------------------ */

static sv_status concat_dim(const sv_infer *x, uint32_t input, int32_t axis, int32_t at,
                            sv_shape *out)
{
    int64_t dim = x->in[input].shape.dim[at], *have = &out->dim[at];
    if (at == axis) {
        if (dim < 0 || *have < 0) {
            *have = -1;
        } else if (__builtin_add_overflow(*have, dim, have)) {
            return sv_infer_error(x, input, "expected a smaller size, found %lld", (long long)dim);
        }
    } else if (*have < 0) {
        *have = dim;
    } else if (dim >= 0 && dim != *have) {
        return sv_infer_error(x, input,
                              "expected %lld in dimension %d as the inputs before, found %lld",
                              (long long)*have, at, (long long)dim);
    }
    return SV_OK;
}

static sv_status concat_infer(sv_infer *x)
{
    sv_shape out = sv_shape_unknown();
    int32_t axis = 0;
    bool partial = false;
    for (uint32_t i = 0; i < x->n_in; i++) {
        const sv_shape *in = &x->in[i].shape;
        SV_TRY(sv_infer_same_dtype(x, 0, i));
        if (x->in[i].dtype) x->out[0].dtype = x->in[i].dtype;
        if (in->rank < 0) {
            partial = true;
        } else if (out.rank < 0) {
            SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), in->rank, &axis));
            out = *in;
        } else {
            SV_TRY(sv_infer_rank(x, i, out.rank, out.rank));
            for (int32_t d = 0; d < out.rank; d++)
                SV_TRY(concat_dim(x, i, axis, d, &out));
        }
    }
    if (out.rank >= 0 && (partial || (out.dim[axis] < 0 && x->n_in > 1)))
        out.dim[axis] = sv_infer_symbol(x);
    x->out[0].shape = out;
    return SV_OK;
}

static sv_status concat_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot y = sv_emit_out(e, 0);
    const sv_shape shape = sv_emit_type(e, y)->shape;
    int64_t axis = sv_node_int(e->node, "axis", 0), start[SV_MAX_RANK] = {0};
    if (axis < 0) axis += shape.rank;
    for (uint32_t i = 0; i < e->n_in; i++) {
        int64_t size = sv_emit_type(e, i)->shape.dim[axis];
        if (size > 0) SV_TRY(sv_emit_copy(e, y, i, start));
        start[axis] += size;
    }
    return SV_OK;
}

const sv_op_desc sv_op_desc_Concat = {.op = SV_OP_Concat,
                                      .min_in = 1,
                                      .max_in = 255,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = concat_infer,
                                      .emit = concat_emit};

/* ---- Slice ------------------------------------------------------------------------------- */

/* The four vectors of a slice, axes and steps filled in. */
typedef struct sv_slice {
    int64_t start[64], end[64], axis[64], step[64];
    uint32_t n;
} sv_slice;

/* One dimension of a result: to[i] = from[start + i * step]. */
typedef struct sv_cut {
    int64_t start, step, size;
} sv_cut;

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* numpy's rules for basic slices: ends are clamped, negative ones count from the back. */
static sv_cut cut(int64_t dim, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
    step = clamp(step, -dim - 1, dim + 1);
    start = clamp(start < 0 ? start + dim : start, low, high);
    end = clamp(end < 0 ? end + dim : end, low, high);
    int64_t span = step < 0 ? start - end : end - start, by = step < 0 ? -step : step;
    return (sv_cut){start, step, span > 0 ? (span + by - 1) / by : 0};
}

/* What is wrong with the vectors, if anything. */
static sv_status slice_check(const sv_infer *x, const sv_slice *s)
{
    uint32_t mask;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->step[i] == 0)
            return sv_infer_error(x, 4, "expected a step that is not 0, found 0 at %u", i);
    }
    return sv_infer_axes(x, s->axis, s->n, x->in[0].shape.rank, &mask);
}

/* Where the size does not depend on the values of the sizes that nobody knows yet. */
static void slice_dim(sv_infer *x, int64_t *dim, int64_t start, int64_t end, int64_t step)
{
    if (*dim >= 0) {
        *dim = cut(*dim, start, end, step).size;
        return;
    }
    bool whole = start == 0 && step == 1 && end >= INT32_MAX;
    bool reversed = step == -1 && (start == -1 || start >= INT32_MAX) && end < -(int64_t)INT32_MAX;
    if (!whole && !reversed) *dim = sv_infer_symbol(x);
}

static sv_status slice_count(const sv_infer *x, uint32_t input, uint32_t found, uint32_t expected)
{
    if (found == expected) return SV_OK;
    return sv_infer_error(x, input, "expected as many elements as starts (%u), found %u", expected,
                          found);
}

/* false: some vector is not known (and asked for). */
static sv_status slice_read(sv_infer *x, sv_slice *s, bool *known)
{
    uint32_t n_end = 0, n_axis = 0, n_step = 0;
    bool start = sv_infer_ints(x, 1, s->start, &s->n), end = sv_infer_ints(x, 2, s->end, &n_end);
    bool axes = sv_infer_has(x, 3), steps = sv_infer_has(x, 4);
    bool axis = !axes || sv_infer_ints(x, 3, s->axis, &n_axis);
    bool step = !steps || sv_infer_ints(x, 4, s->step, &n_step);
    *known = start && end && axis && step;
    if (!*known) return SV_OK;
    SV_TRY(slice_count(x, 2, n_end, s->n));
    if (axes) SV_TRY(slice_count(x, 3, n_axis, s->n));
    if (steps) SV_TRY(slice_count(x, 4, n_step, s->n));
    for (uint32_t i = 0; i < s->n; i++) {
        if (!axes) s->axis[i] = i;
        if (!steps) s->step[i] = 1;
    }
    return slice_check(x, s);
}

/* Only the axes are known: the other dimensions stay. */
static sv_status slice_partial(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int64_t axis[64];
    uint32_t n, mask = UINT32_MAX;
    if (sv_infer_ints(x, 3, axis, &n)) {
        SV_TRY(sv_infer_axes(x, axis, n, in->rank, &mask));
    } else if (!sv_infer_has(x, 3) && sv_infer_length(x, 1) >= 0) {
        mask = (1u << clamp(sv_infer_length(x, 1), 0, SV_MAX_RANK)) - 1;
    }
    x->out[0].shape = *in;
    for (int32_t i = 0; i < in->rank; i++) {
        if (mask >> i & 1) x->out[0].shape.dim[i] = sv_infer_symbol(x);
    }
    return SV_OK;
}

static sv_status slice_infer(sv_infer *x)
{
    sv_slice s;
    bool known = false;
    x->out[0].dtype = x->in[0].dtype;
    for (uint32_t i = 1; i < 5; i++) {
        SV_TRY(sv_infer_index(x, i));
        (void)sv_infer_value(x, i);
    }
    if (x->in[0].shape.rank < 0) return SV_OK;
    SV_TRY(slice_read(x, &s, &known));
    if (!known) return slice_partial(x);
    sv_shape out = x->in[0].shape;
    for (uint32_t i = 0; i < s.n; i++) {
        int64_t at = s.axis[i] < 0 ? s.axis[i] + out.rank : s.axis[i];
        slice_dim(x, &out.dim[at], s.start[i], s.end[i], s.step[i]);
    }
    x->out[0].shape = out;
    return SV_OK;
}

static sv_status slice_emit(sv_emit *e)
{
    sv_slice s;
    uint32_t n;
    if (e->symbolic) return SV_OK;
    if (!sv_emit_ints(e, 1, s.start, &s.n) || !sv_emit_ints(e, 2, s.end, &n))
        return sv_node_error(e->node, SV_CODE_INTERNAL, "starts and ends are not known");
    bool axes = sv_emit_ints(e, 3, s.axis, &n), steps = sv_emit_ints(e, 4, s.step, &n);
    const sv_shape shape = sv_emit_type(e, 0)->shape;
    int64_t start[SV_MAX_RANK] = {0}, step[SV_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (uint32_t i = 0; i < s.n; i++) {
        int64_t at = axes ? s.axis[i] : i;
        if (at < 0) at += shape.rank;
        sv_cut c = cut(shape.dim[at], s.start[i], s.end[i], steps ? s.step[i] : 1);
        start[at] = c.size > 0 ? c.start : 0;
        step[at] = c.step;
    }
    return sv_emit_window(e, sv_emit_out(e, 0), 0, start, step);
}

const sv_op_desc sv_op_desc_Slice = {.op = SV_OP_Slice,
                                     .min_in = 3,
                                     .max_in = 5,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .infer = slice_infer,
                                     .emit = slice_emit};

/* ---- Split ------------------------------------------------------------------------------- */

/* Sizes that input 1 gives; their sum is the dimension. */
static sv_status split_given(sv_infer *x, const int64_t *size, uint32_t n, int32_t axis)
{
    int64_t dim = x->in[0].shape.dim[axis], sum = 0;
    if (n != x->n_out) {
        return sv_infer_error(x, 1, "expected a size for each of %u outputs, found %u", x->n_out,
                              n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (size[i] < 0 || __builtin_add_overflow(sum, size[i], &sum))
            return sv_infer_error(x, 1, "expected sizes, found %lld", (long long)size[i]);
        x->out[i].shape.dim[axis] = size[i];
    }
    if (dim >= 0 && dim != sum) {
        return sv_infer_error(x, 1, "expected sizes that add up to %lld, found %lld",
                              (long long)dim, (long long)sum);
    }
    return SV_OK;
}

/* Equal parts; the last one is smaller when they do not divide. */
static sv_status split_equal(sv_infer *x, int32_t axis)
{
    int64_t dim = x->in[0].shape.dim[axis];
    int64_t parts = sv_node_int(x->node, "num_outputs", x->n_out);
    if (parts != x->n_out) {
        return sv_node_error(
            x->node, SV_CODE_INVALID_ARGUMENT,
            "attribute 'num_outputs': expected the number of outputs (%u), found %lld", x->n_out,
            (long long)parts);
    }
    int64_t chunk = dim / parts + (dim % parts != 0);
    for (uint32_t i = 0; i < x->n_out; i++) {
        int64_t left = dim - (int64_t)i * chunk;
        x->out[i].shape.dim[axis] = dim < 0        ? sv_infer_symbol(x)
                                    : left < 0     ? 0
                                    : left < chunk ? left
                                                   : chunk;
    }
    return SV_OK;
}

static sv_status split_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int64_t size[64];
    uint32_t n;
    int32_t axis;
    for (uint32_t i = 0; i < x->n_out; i++)
        x->out[i] = x->in[0];
    bool given = sv_infer_has(x, 1), known = sv_infer_ints(x, 1, size, &n);
    if (in->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), in->rank, &axis));
    if (known) return split_given(x, size, n, axis);
    if (!given) return split_equal(x, axis);
    for (uint32_t i = 0; i < x->n_out; i++)
        x->out[i].shape.dim[axis] = sv_infer_symbol(x);
    return SV_OK;
}

static sv_status split_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", 0), start[SV_MAX_RANK] = {0};
    if (axis < 0) axis += sv_emit_type(e, 0)->shape.rank;
    for (uint32_t i = 0; i < e->n_out; i++) {
        sv_slot y = sv_emit_out(e, i);
        if (y != SV_NO_SLOT) SV_TRY(sv_emit_window(e, y, 0, start, NULL));
        start[axis] += e->slot[e->n_in + i].shape.dim[axis];
    }
    return SV_OK;
}

const sv_op_desc sv_op_desc_Split = {.op = SV_OP_Split,
                                     .min_in = 1,
                                     .max_in = 2,
                                     .min_out = 1,
                                     .max_out = 255,
                                     .infer = split_infer,
                                     .emit = split_emit};

/* ---- Tile -------------------------------------------------------------------------------- */

static sv_status tile_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int64_t repeat[64];
    uint32_t n;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_rank(x, 1, 1, 1));
    int64_t length = sv_infer_length(x, 1);
    if (in->rank >= 0 && length >= 0 && length != in->rank) {
        return sv_infer_error(x, 1, "expected a repeat for each of %d dimensions, found %lld",
                              in->rank, (long long)length);
    }
    int32_t rank = in->rank >= 0 ? in->rank : (int32_t)(length > SV_MAX_RANK ? -1 : length);
    x->out[0].shape = sv_infer_symbols(x, rank);
    if (!sv_infer_ints(x, 1, repeat, &n) || in->rank < 0) return SV_OK;
    for (uint32_t i = 0; i < n; i++) {
        int64_t dim = in->dim[i];
        if (repeat[i] < 0)
            return sv_infer_error(x, 1, "expected repeats, found %lld", (long long)repeat[i]);
        if (repeat[i] == 1 || dim == 0) {
            x->out[0].shape.dim[i] = dim;
        } else if (dim > 0 && __builtin_mul_overflow(dim, repeat[i], &x->out[0].shape.dim[i])) {
            return sv_infer_error(x, 1, "expected fewer repeats, found %lld", (long long)repeat[i]);
        } else if (repeat[i] == 0) {
            x->out[0].shape.dim[i] = 0;
        }
    }
    return SV_OK;
}

/* The dimensions that are repeated, each with those behind it that are not; rank at least 1. */
typedef struct sv_tile_param {
    int32_t rank;
    int64_t from[SV_MAX_RANK], repeat[SV_MAX_RANK];
} sv_tile_param;

static sv_tile_param tile_dims(const sv_shape *x, const sv_shape *y)
{
    sv_tile_param p = {.rank = 1, .from = {1}, .repeat = {1}};
    for (int32_t i = 0; i < x->rank; i++) {
        const int64_t repeat = x->dim[i] ? y->dim[i] / x->dim[i] : 1;
        if (repeat == 1) {
            p.from[p.rank - 1] *= x->dim[i];
            continue;
        }
        if (p.repeat[p.rank - 1] != 1 || p.from[p.rank - 1] != 1) p.rank++;
        p.from[p.rank - 1] = x->dim[i];
        p.repeat[p.rank - 1] = repeat;
    }
    return p;
}

/* A row is a run of x that repeats, once if it is long, else with all its repeats. */
#define TILE_LONG 4096

static bool tile_once(const sv_tile_param *p, size_t size)
{
    return (size_t)p->from[p->rank - 1] * size >= TILE_LONG;
}

static sv_rows tile_rows(const sv_tile_param *p, const sv_desc *y)
{
    const int64_t size = (int64_t)sv_desc_size(y);
    int64_t row = p->from[p->rank - 1];
    if (!tile_once(p, (size_t)size)) row *= p->repeat[p->rank - 1];
    return sv_rows_make(row ? sv_desc_count(y) / row : 0, row * size);
}

static uint32_t tile_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(tile_rows(problem->param, &problem->desc[1]));
}

/* Where the row of x begins that row `row` of y repeats. */
static int64_t tile_source(const sv_tile_param *p, bool once, int64_t row)
{
    int32_t last = p->rank - 1;
    int64_t offset = 0, stride = p->from[last];
    if (once) row /= p->repeat[last];
    for (int32_t i = last - 1; i >= 0; i--) {
        offset += row % (p->from[i] * p->repeat[i]) % p->from[i] * stride;
        row /= p->from[i] * p->repeat[i];
        stride *= p->from[i];
    }
    return offset;
}

/* `from` bytes again and again, until there are `to`: what there is doubles. */
static void tile_repeat(char *target, const char *source, size_t from, size_t to)
{
    memcpy(target, source, from);
    for (size_t have = from; have < to;) {
        size_t more = have < to - have ? have : to - have;
        memcpy(target + have, target, more);
        have += more;
    }
}

static void tile_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_tile_param *p = call->param;
    const sv_desc *y = &call->desc[1];
    sv_rows rows = tile_rows(p, y);
    const size_t size = sv_desc_size(y), from = (size_t)p->from[p->rank - 1] * size;
    const bool once = tile_once(p, size);
    const size_t to = once ? from : from * (size_t)p->repeat[p->rank - 1];
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        const char *source = (const char *)call->ptr[0] + (size_t)tile_source(p, once, r) * size;
        tile_repeat((char *)call->ptr[1] + (size_t)r * to, source, from, to);
    }
}

static const sv_kernel tile_kernel = {
    .name = "custom_tile", .family = SV_FAMILY_custom, .units = tile_units, .run = tile_run};

static sv_status tile_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot y = sv_emit_out(e, 0);
    const sv_shape *from = &sv_emit_type(e, 0)->shape, *to = &sv_emit_type(e, y)->shape;
    if (sv_shape_equal(from, to)) return sv_emit_reshape(e, y, 0);
    const sv_tile_param param = tile_dims(from, to);
    sv_ref ref[2] = {sv_ref_dense(0), sv_ref_dense(y)};
    return sv_emit_custom(e, &tile_kernel, &param, sizeof(param), 2, ref, 2);
}

const sv_op_desc sv_op_desc_Tile = {.op = SV_OP_Tile,
                                    .min_in = 2,
                                    .max_in = 2,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .infer = tile_infer,
                                    .emit = tile_emit};
