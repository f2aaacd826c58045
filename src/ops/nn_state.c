/* Layers that carry a state from call to call: CausalConvWithState (the last inputs of a causal
 * depthwise convolution) and LinearAttention (a matrix a head, updated token by token). */
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/nn_check.h"
#include "ops/support.h"

#include <math.h>

/* ---- CausalConvWithState --------------------------------------------------------------------- */

static sv_status causal_activation(const sv_node *node, bool *swish)
{
    const char *name = sv_node_text(node, "activation", "none");
    *swish = strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0;
    if (*swish || strcmp(name, "none") == 0) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "activation: expected none, silu or swish, found '%s'", name);
}

static sv_status causal_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape, *w = &x->in[1].shape;
    int64_t kept = sv_infer_has(x, 3) && x->in[3].shape.rank == 3 ? x->in[3].shape.dim[2] : -1;
    bool swish;
    for (uint32_t i = 0; i < x->n_out; i++)
        x->out[i] = x->in[0];
    SV_TRY(causal_activation(x->node, &swish));
    SV_TRY(sv_infer_one_dtype(x, 4));
    for (uint32_t i = 0; i < 4; i++) {
        if (i != 2) SV_TRY(sv_infer_rank(x, i, 3, 3));
    }
    int64_t channels = w->rank == 3 ? w->dim[0] : -1, taps = w->rank == 3 ? w->dim[2] : -1;
    SV_TRY(sv_infer_vector(x, 2, channels));
    bool fits = taps != 0 && (w->rank < 0 || w->dim[1] < 0 || w->dim[1] == 1) &&
                (in->rank < 0 || in->dim[1] < 0 || channels < 0 || in->dim[1] == channels);
    if (!fits)
        return sv_infer_error(x, 1, "expected [channels, 1, at least 1] with input 0's channels");
    if (taps >= 0 && kept >= 0 && kept != taps - 1)
        return sv_infer_error(x, 3, "expected %lld columns, found %lld", (long long)taps - 1,
                              (long long)kept);
    if (x->n_out > 1 && in->rank == 3)
        x->out[1].shape.dim[2] = taps >= 0 ? taps - 1 : sv_infer_symbol(x);
    return SV_OK;
}

/* The past (or zeros) and the input in one row. */
static sv_status causal_row(sv_emit *e, int64_t before, sv_slot *out)
{
    const sv_type x = *sv_emit_type(e, 0);
    sv_shape shape = x.shape, past_shape = x.shape;
    sv_slot past = sv_emit_in(e, 3);
    int64_t start[SV_MAX_RANK] = {0};
    shape.dim[2] += before;
    past_shape.dim[2] = before;
    SV_TRY(sv_emit_temp(e, x.dtype, &shape, out));
    if (past == SV_NO_SLOT) {
        sv_slot zero;
        SV_TRY(sv_emit_scalar(e, x.dtype, 0, &zero));
        SV_TRY(sv_emit_temp(e, x.dtype, &past_shape, &past));
        SV_TRY(sv_emit_fill(e, past, zero));
    } else if (!sv_shape_equal(&sv_emit_type(e, past)->shape, &past_shape)) {
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "input 3: expected a state of input 0's batch");
    }
    if (before > 0) SV_TRY(sv_emit_copy(e, *out, past, start));
    start[2] = before;
    return sv_emit_copy(e, *out, 0, start);
}

static sv_status causal_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_type x = *sv_emit_type(e, 0), w = *sv_emit_type(e, 1);
    int64_t taps = w.shape.dim[2];
    bool swish;
    sv_slot row, bias = sv_emit_in(e, 2), state = sv_emit_out(e, 1);
    SV_TRY(causal_activation(e->node, &swish));
    SV_TRY(causal_row(e, taps - 1, &row));
    sv_conv_param param = {
        .spatial = 1, .groups = x.shape.dim[1], .kernel = {taps}, .stride = {1}, .dilation = {1}};
    sv_ref ref[4] = {sv_ref_clast(row), sv_ref_any(1), sv_ref_clast(sv_emit_out(e, 0))};
    sv_epilogue epilogue = {0};
    if (bias != SV_NO_SLOT) {
        sv_shape column = sv_shape_make(2, (int64_t[]){x.shape.dim[1], 1});
        sv_slot shaped;
        SV_TRY(sv_emit_temp(e, x.dtype, &column, &shaped));
        SV_TRY(sv_emit_reshape(e, shaped, bias));
        ref[3] = sv_ref_expand(shaped, &x.shape);
        epilogue.item[epilogue.n++] = (sv_epilogue_item){.kind = SV_EPI_ADD, .operand = 3};
    }
    if (swish)
        epilogue.item[epilogue.n++] =
            (sv_epilogue_item){.kind = SV_EPI_UNARY, .unary = SV_UNARY_Swish, .a = 1.0f};
    SV_TRY(sv_emit_problem_epilogue(e, SV_FAMILY_conv, &param, sizeof(param),
                                    bias == SV_NO_SLOT ? 3 : 4, ref, 4, &epilogue));
    if (state == SV_NO_SLOT) return SV_OK;
    int64_t start[SV_MAX_RANK] = {0, 0, x.shape.dim[2]};
    return sv_emit_window(e, state, row, start, NULL);
}

const sv_op_desc sv_op_desc_CausalConvWithState = {.op = SV_OP_CausalConvWithState,
                                                   .min_in = 2,
                                                   .max_in = 4,
                                                   .min_out = 1,
                                                   .max_out = 2,
                                                   .infer = causal_infer,
                                                   .emit = causal_emit};

/* ---- LinearAttention ------------------------------------------------------------------------- */

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA, RESULT, PRESENT, N_OPERANDS };

/* Per head of keys: S = decay * S + key x update, where the update is the value or, with the delta
 * rule, beta * (value - S' key); the result of a query is scale * S' query. */
typedef struct sv_linear_attention {
    bool gated, delta, decay_per_key, beta_per_head;
    int64_t batch, length, q_heads, kv_heads, key, value; /* key, value: elements of a head */
    double scale;
} sv_linear_attention;

static sv_status read_rule(const sv_node *node, sv_linear_attention *p)
{
    static const char *const names[] = {"linear", "gated", "delta", "gated_delta"};
    const char *rule = sv_node_text(node, "update_rule", "gated_delta");
    p->q_heads = sv_node_int(node, "q_num_heads", 0);
    p->kv_heads = sv_node_int(node, "kv_num_heads", 0);
    if (p->q_heads < 1 || p->kv_heads < 1 || p->q_heads % p->kv_heads != 0)
        return sv_node_error(
            node, SV_CODE_INVALID_ARGUMENT,
            "q_num_heads: expected a multiple of kv_num_heads, found %lld and %lld",
            (long long)p->q_heads, (long long)p->kv_heads);
    for (int i = 0; i < 4; i++) {
        if (strcmp(rule, names[i]) != 0) continue;
        p->gated = i & 1;
        p->delta = i & 2;
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "update_rule: expected linear, gated, delta or gated_delta, found '%s'",
                         rule);
}

static sv_status linear_infer(sv_infer *x)
{
    const sv_shape *q = &x->in[QUERY].shape, *v = &x->in[VALUE].shape;
    sv_linear_attention p = {0};
    SV_TRY(read_rule(x->node, &p));
    for (uint32_t i = 0; i < 6; i++)
        SV_TRY(sv_infer_rank(x, i, i == PAST ? 4 : 3, i == PAST ? 4 : 3));
    if (sv_infer_has(x, DECAY) != p.gated || sv_infer_has(x, BETA) != p.delta)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "expected decay for gated rules only and beta for delta rules only");
    x->out[0].dtype = x->in[QUERY].dtype;
    sv_shape result = sv_infer_symbols(x, 3), state = sv_infer_symbols(x, 4);
    state.dim[1] = p.kv_heads;
    if (q->rank == 3) {
        result.dim[0] = state.dim[0] = q->dim[0];
        result.dim[1] = q->dim[1];
        if (q->dim[2] >= 0) state.dim[2] = q->dim[2] / p.q_heads;
    }
    if (v->rank == 3 && v->dim[2] >= 0) {
        state.dim[3] = v->dim[2] / p.kv_heads;
        if (__builtin_mul_overflow(state.dim[3], p.q_heads, &result.dim[2]))
            return sv_infer_error(x, VALUE, "expected a size that fits in 63 bits");
    }
    x->out[0].shape = result;
    if (x->n_out < 2) return SV_OK;
    x->out[1] = (sv_type){sv_infer_has(x, PAST) ? x->in[PAST].dtype : x->in[QUERY].dtype, state};
    return SV_OK;
}

/* One token of one head: the state, then the results of the queries that share it. */
static void linear_step(const sv_call *call, int64_t b, int64_t h, int64_t t, double *state,
                        double *update)
{
    const sv_linear_attention *p = call->param;
    int64_t token = b * p->length + t, group = p->q_heads / p->kv_heads;
    int64_t at_k = (token * p->kv_heads + h) * p->key, at_v = (token * p->kv_heads + h) * p->value;
    for (int64_t i = 0; p->gated && i < p->key; i++) {
        int64_t at = p->decay_per_key ? at_k + i : token * p->kv_heads + h;
        double decay = exp(ref_get(call->desc[DECAY].dtype, call->ptr[DECAY], at));
        for (int64_t j = 0; j < p->value; j++)
            state[i * p->value + j] *= decay;
    }
    for (int64_t j = 0; j < p->value; j++) {
        update[j] = ref_get(call->desc[VALUE].dtype, call->ptr[VALUE], at_v + j);
        if (!p->delta) continue;
        double found = 0, beta = ref_get(call->desc[BETA].dtype, call->ptr[BETA],
                                         p->beta_per_head ? token * p->kv_heads + h : token);
        for (int64_t i = 0; i < p->key; i++)
            found +=
                state[i * p->value + j] * ref_get(call->desc[KEY].dtype, call->ptr[KEY], at_k + i);
        update[j] = beta * (update[j] - found);
    }
    for (int64_t i = 0; i < p->key; i++) {
        double key = ref_get(call->desc[KEY].dtype, call->ptr[KEY], at_k + i);
        for (int64_t j = 0; j < p->value; j++)
            state[i * p->value + j] += key * update[j];
    }
    for (int64_t head = h * group; head < (h + 1) * group; head++) {
        int64_t at_q = (token * p->q_heads + head) * p->key,
                to = (token * p->q_heads + head) * p->value;
        for (int64_t j = 0; j < p->value; j++) {
            double sum = 0;
            for (int64_t i = 0; i < p->key; i++)
                sum += ref_get(call->desc[QUERY].dtype, call->ptr[QUERY], at_q + i) *
                       state[i * p->value + j];
            ref_put(call->desc[RESULT].dtype, call->ptr[RESULT], to + j, p->scale * sum);
        }
    }
}

static size_t linear_scratch(const sv_problem *problem)
{
    const sv_linear_attention *p = problem->param;
    return (size_t)((p->key + 1) * p->value) * sizeof(double);
}

static uint32_t linear_units(const sv_problem *problem, uint32_t phase)
{
    const sv_linear_attention *p = problem->param;
    (void)phase;
    return (uint32_t)(p->batch * p->kv_heads < UINT32_MAX ? p->batch * p->kv_heads : UINT32_MAX);
}

/* A unit is one head of keys of one sequence. */
static void linear_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_linear_attention *p = call->param;
    int64_t size = p->key * p->value;
    double *state = call->scratch, *update = state + size;
    for (uint32_t unit = begin; unit < end; unit++) {
        for (int64_t i = 0; i < size; i++)
            state[i] = call->ptr[PAST]
                           ? ref_get(call->desc[PAST].dtype, call->ptr[PAST], unit * size + i)
                           : 0;
        for (int64_t t = 0; t < p->length; t++)
            linear_step(call, unit / p->kv_heads, unit % p->kv_heads, t, state, update);
        for (int64_t i = 0; call->ptr[PRESENT] && i < size; i++)
            ref_put(call->desc[PRESENT].dtype, call->ptr[PRESENT], unit * size + i, state[i]);
    }
}

static const sv_kernel linear_kernel = {.name = "custom_linear_attention",
                                        .family = SV_FAMILY_custom,
                                        .units = linear_units,
                                        .scratch = linear_scratch,
                                        .run = linear_run};

static sv_status check_sizes(const sv_emit *e, const sv_linear_attention *p)
{
    int64_t b = p->batch, t = p->length, h = p->kv_heads;
    SV_TRY(sv_emit_dims(e, QUERY, 3, (int64_t[]){b, t, p->q_heads * p->key}));
    SV_TRY(sv_emit_dims(e, KEY, 3, (int64_t[]){b, t, h * p->key}));
    SV_TRY(sv_emit_dims(e, VALUE, 3, (int64_t[]){b, t, h * p->value}));
    SV_TRY(sv_emit_dims(e, PAST, 4, (int64_t[]){b, h, p->key, p->value}));
    SV_TRY(sv_emit_dims(e, DECAY, 3, (int64_t[]){b, t, p->decay_per_key ? h * p->key : h}));
    return sv_emit_dims(e, BETA, 3, (int64_t[]){b, t, p->beta_per_head ? h : 1});
}

static sv_status linear_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *q = &sv_emit_type(e, QUERY)->shape, *v = &sv_emit_type(e, VALUE)->shape;
    sv_linear_attention p = {.batch = q->dim[0], .length = q->dim[1]};
    SV_TRY(read_rule(e->node, &p));
    p.key = q->dim[2] / p.q_heads;
    p.value = v->dim[2] / p.kv_heads;
    if (p.gated) p.decay_per_key = sv_emit_type(e, DECAY)->shape.dim[2] != p.kv_heads;
    if (p.delta) p.beta_per_head = sv_emit_type(e, BETA)->shape.dim[2] == p.kv_heads;
    p.scale = (double)sv_node_float(e->node, "scale", 0.0f);
    if (p.scale == 0) p.scale = 1 / sqrt((double)p.key);
    if (p.key > INT32_MAX / 64 || p.value > INT32_MAX / 64)
        return sv_node_error(e->node, SV_CODE_RESOURCE_EXHAUSTED,
                             "expected heads of less than 2^25 elements");
    SV_TRY(check_sizes(e, &p));
    sv_ref ref[N_OPERANDS];
    for (uint32_t i = 0; i < RESULT; i++)
        ref[i] = sv_ref_dense(sv_emit_in(e, i));
    ref[RESULT] = sv_ref_dense(sv_emit_out(e, 0));
    ref[PRESENT] = sv_ref_dense(sv_emit_out(e, 1));
    uint32_t mask = 1u << RESULT | (ref[PRESENT].slot == SV_NO_SLOT ? 0 : 1u << PRESENT);
    return sv_emit_custom(e, &linear_kernel, &p, sizeof(p), N_OPERANDS, ref, mask);
}

const sv_op_desc sv_op_desc_LinearAttention = {.op = SV_OP_LinearAttention,
                                               .min_in = 3,
                                               .max_in = 6,
                                               .min_out = 1,
                                               .max_out = 2,
                                               .infer = linear_infer,
                                               .emit = linear_emit};
