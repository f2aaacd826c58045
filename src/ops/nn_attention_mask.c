/* Masking of attention scores; see the header. A unit is some rows of scores. */
#include "ops/nn_attention.h"

#include "base/status.h"
#include "kernels/ref.h"
#include "ops/support.h"

#include <math.h>

static sv_rows mask_rows(const sv_desc *scores)
{
    int64_t rows = sv_desc_product(scores, 0, 4);
    return sv_rows_make(rows, scores->dim[4] * (int64_t)sv_desc_size(scores));
}

static uint32_t mask_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(mask_rows(&problem->desc[2]));
}

/* Where the mask's row for batch b, head h, query q begins. */
static int64_t mask_row(const sv_desc *mask, int64_t b, int64_t h, int64_t q)
{
    const int64_t at[3] = {b, h, q};
    int64_t offset = 0;
    for (int32_t i = 0; i < mask->rank - 1; i++) {
        int64_t index = at[3 - (mask->rank - 1) + i];
        if (mask->dim[i] != 1) offset += index * mask->stride[i];
    }
    return offset;
}

/* How many keys row (b, q) may look at. */
static int64_t key_limit(const sv_call *call, int64_t b, int64_t q, int64_t keys)
{
    const sv_attention_mask *param = call->param;
    int64_t limit = keys;
    if (call->ptr[0]) {
        const sv_desc *mask = &call->desc[0];
        if (mask->dim[mask->rank - 1] < limit) limit = mask->dim[mask->rank - 1];
    }
    if (param->causal && param->past + q + 1 < limit) limit = param->past + q + 1;
    if (call->ptr[1]) {
        int64_t count = ((const int64_t *)call->ptr[1])[b];
        if (count < limit) limit = count < 0 ? 0 : count;
    }
    return limit;
}

static void apply_mask(const sv_call *call, int64_t from, int64_t to, int64_t count)
{
    const sv_desc *mask = &call->desc[0];
    void *scores = call->ptr[2];
    sv_dtype dtype = call->desc[2].dtype;
    if (mask->dtype == SV_BOOL) {
        const bool *sees = (const bool *)call->ptr[0] + from;
        for (int64_t i = 0; i < count; i++) {
            if (!sees[i]) ref_put(dtype, scores, to + i, -INFINITY);
        }
    } else if (mask->dtype == SV_F32 && dtype == SV_F32) {
        const float *bias = (const float *)call->ptr[0] + from;
        float *row = (float *)scores + to;
        for (int64_t i = 0; i < count; i++)
            row[i] += bias[i];
    } else {
        for (int64_t i = 0; i < count; i++) {
            double bias = ref_get(mask->dtype, call->ptr[0], from + i);
            ref_put(dtype, scores, to + i, ref_get(dtype, scores, to + i) + bias);
        }
    }
}

static void mask_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_attention_mask *param = call->param;
    const sv_desc *scores = &call->desc[2];
    int64_t queries = scores->dim[3], keys = scores->dim[4];
    int64_t heads = scores->dim[1] * param->group;
    sv_rows rows = mask_rows(scores);
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        int64_t q = row % queries, h = row / queries % heads, b = row / queries / heads;
        int64_t limit = key_limit(call, b, q, keys), at = row * keys;
        if (call->ptr[0]) apply_mask(call, mask_row(&call->desc[0], b, h, q), at, limit);
        for (int64_t i = limit; i < keys; i++)
            ref_put(scores->dtype, call->ptr[2], at + i, -INFINITY);
    }
}

static const sv_kernel mask_kernel = {.name = "custom_attention_mask",
                                      .family = SV_FAMILY_custom,
                                      .units = mask_units,
                                      .run = mask_run};

/* The mask's leading dimensions broadcast to the scores'. */
static sv_status check_mask(const sv_emit *e, sv_slot scores, sv_slot mask)
{
    const sv_shape *s = &sv_emit_type(e, scores)->shape, *m = &sv_emit_type(e, mask)->shape;
    const int64_t want[4] = {s->dim[0], s->dim[1] * s->dim[2], s->dim[3], s->dim[4]};
    bool fits = m->rank >= 1 && m->rank <= 4 && m->dim[m->rank - 1] <= want[3];
    for (int32_t i = 0; fits && i < m->rank - 1; i++)
        fits = m->dim[i] == 1 || m->dim[i] == want[4 - m->rank + i];
    if (fits) return SV_OK;
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    sv_shape expected = sv_shape_make(4, want);
    return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                         "input 3: expected a mask that broadcasts to %s, found %s",
                         sv_shape_text(&expected, a), sv_shape_text(m, b));
}

sv_status sv_emit_attention_mask(sv_emit *e, const sv_attention_mask *param, sv_slot scores,
                                 sv_slot mask, sv_slot nonpad)
{
    if (mask == SV_NO_SLOT && nonpad == SV_NO_SLOT && !param->causal) return SV_OK;
    if (mask != SV_NO_SLOT) SV_TRY(check_mask(e, scores, mask));
    if (nonpad != SV_NO_SLOT) {
        const sv_type *type = sv_emit_type(e, nonpad);
        bool fits = type->dtype == SV_I64 && type->shape.rank == 1 &&
                    type->shape.dim[0] == sv_emit_type(e, scores)->shape.dim[0];
        if (!fits)
            return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                                 "input 6: expected one int64 for each of the batch");
    }
    sv_ref ref[3] = {sv_ref_dense(mask), sv_ref_dense(nonpad), sv_ref_dense(scores)};
    return sv_emit_custom(e, &mask_kernel, param, sizeof(*param), 3, ref, 4);
}
