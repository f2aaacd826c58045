/* LSTM, GRU and RNN of f32 with recurrent weights in rnn_panels, on inputs that are multiplied by
 * their weights already. Included by one file a level; meaning is that of rnn_ref.c.
 *
 * A step multiplies the state of up to RNN_GROUP sequences, so that weights are read once for all
 * of them, then makes gates and state in vectors. Every sum is one chain over the hidden units,
 * however many sequences run side by side: answers do not depend on the batch. */
#include "kernels/activation_tmpl.h"
#include "kernels/rnn/operands.h"
#include "kernels/rnn/panels.h"
#include "kernels/strided.h"

/* Sequences side by side: as many as accumulators fit in registers. */
#define RNN_GROUP (SV_REGISTERS == 32 ? 4 : 2)

/* ---- products ------------------------------------------------------------------------------ */

/* What is multiplied: up to four states by gates of all blocks of units. */
typedef struct rnn_product {
    const float *x[4];   /* [hidden] */
    float *to[4];        /* [blocks][gates][SV_VF] */
    const float *weight; /* the first gate's; panels lie `panel` apart, rows of one `row` */
    int64_t depth, panel, row;
} rnn_product;

/* F(q, j, i) for block q, gate j and state i: written out, because clang keeps an array in
 * registers only where no loop is left. */
#define RNN_STATES_OF(F, q, j) F(q, j, 0) F(q, j, 1) F(q, j, 2) F(q, j, 3)
#define RNN_GATES_OF(F, q) F(q, 0) F(q, 1) F(q, 2) F(q, 3)
#define RNN_BLOCKS_OF(F) F(0) F(1) F(2) F(3)

#define RNN_CLEAR(i)                                                                               \
    sum[4 * (i)] = sum[4 * (i) + 1] = sum[4 * (i) + 2] = sum[4 * (i) + 3] = vf_zero();
#define RNN_STATE(i)                                                                               \
    if ((i) < n) x[i] = vf_set1(m->x[i][k]);
#define RNN_ADD(q, j, i)                                                                           \
    if ((i) < n) sum[((q)*g + (j)) * n + (i)] = vf_fma(x[i], w, sum[((q)*g + (j)) * n + (i)]);
#define RNN_GATE(q, j)                                                                             \
    if ((q) < p && (j) < g) {                                                                      \
        sv_vf w = vf_load(weight + (q)*m->panel + (j)*SV_VF);                                      \
        RNN_STATES_OF(RNN_ADD, q, j)                                                               \
    }
#define RNN_BLOCK(q) RNN_GATES_OF(RNN_GATE, q)
#define RNN_PUT(q, j, i)                                                                           \
    if ((q) < p && (j) < g && (i) < n)                                                             \
        vf_store(m->to[i] + ((at + (q)) * g + (j)) * SV_VF, sum[((q)*g + (j)) * n + (i)]);
#define RNN_PUT_GATE(q, j) RNN_STATES_OF(RNN_PUT, q, j)
#define RNN_PUT_BLOCK(q) RNN_GATES_OF(RNN_PUT_GATE, q)

/* Blocks [at, at + p) of g gates for n states; p, g and n are constants, p * g * n chains: at most
 * 16. */
SV_INLINE void rnn_multiply_blocks(const rnn_product *m, int64_t at, const int p, const int g,
                                   const int n)
{
    sv_vf sum[16];
    const float *weight = m->weight + at * m->panel;
    RNN_BLOCKS_OF(RNN_CLEAR)
    for (int64_t k = 0; k < m->depth; k++, weight += m->row) {
        sv_vf x[4];
        RNN_BLOCKS_OF(RNN_STATE)
        RNN_BLOCKS_OF(RNN_BLOCK)
    }
    RNN_BLOCKS_OF(RNN_PUT_BLOCK)
}

/* Enough chains to hide the latency of a sum, in blocks of units. */
#define RNN_BLOCKS(g, n) ((g) * (n) >= 8 ? 1 : (g) * (n) >= 3 ? 2 : 4)

SV_INLINE void rnn_multiply_n(const rnn_product *m, int64_t blocks, const int g, const int n)
{
    const int p = RNN_BLOCKS(g, n);
    int64_t at = 0;
    for (; at + p <= blocks; at += p)
        rnn_multiply_blocks(m, at, p, g, n);
    for (; at < blocks; at++)
        rnn_multiply_blocks(m, at, 1, g, n);
}

SV_INLINE void rnn_multiply_g(const rnn_product *m, int64_t blocks, const int g, int n)
{
    if (n == 1) {
        rnn_multiply_n(m, blocks, g, 1);
    } else if (RNN_GROUP == 2 || n == 2) {
        rnn_multiply_n(m, blocks, g, 2);
    } else if (n == 3) {
        rnn_multiply_n(m, blocks, g, 3);
    } else {
        rnn_multiply_n(m, blocks, g, 4);
    }
}

static void rnn_multiply(const rnn_product *m, int64_t blocks, int gates, int n)
{
    switch (gates) {
    case 1:
        rnn_multiply_g(m, blocks, 1, n);
        break;
    case 2:
        rnn_multiply_g(m, blocks, 2, n);
        break;
    case 3:
        rnn_multiply_g(m, blocks, 3, n);
        break;
    default:
        rnn_multiply_g(m, blocks, 4, n);
        break;
    }
}

/* ---- what sequences share ------------------------------------------------------------------ */

typedef struct rnn_plan {
    rnn_sizes size;
    int64_t blocks; /* panels of a direction */
    int64_t pitch;  /* floats of all gates of a block of units */
    int64_t padded; /* hidden units rounded up to whole vectors */
} rnn_plan;

static rnn_plan rnn_plan_make(const sv_rnn_param *param, const sv_desc *x)
{
    rnn_plan p = {.size = rnn_get_sizes(param, x)};
    p.blocks = sv_divide_up(p.size.hidden, SV_VF);
    p.pitch = (int64_t)p.size.gates * SV_VF;
    p.padded = p.blocks * SV_VF;
    return p;
}

/* A sequence; state is padded to whole vectors and lies in scratch. */
typedef struct rnn_sequence {
    int64_t b, length;
    float *h, *next, *c, *reset; /* [padded] each */
    float *gate;                 /* [blocks][gates][SV_VF]: products with the state */
    const float *input;          /* [gates][hidden]: this step's row */
} rnn_sequence;

/* Sequences of one direction, those that still run in front. */
typedef struct rnn_group {
    const sv_call *call;
    const sv_rnn_param *param;
    const rnn_plan *plan;
    const float *weight;  /* the direction's panels */
    bool usual;           /* sigmoid and tanh where they are by default, and nothing else */
    uint8_t unclipped[3]; /* functions that need no clip before them; else UINT8_MAX */
    int32_t d;
    int n;
    int64_t from, to; /* hidden units that are made; whole vectors */
    rnn_sequence sequence[RNN_GROUP];
    float *peephole;      /* [3][padded] */
    float *bias, *bias_r; /* [gates][padded]; [padded] of a GRU's hidden gate */
} rnn_group;

static sv_vf rnn_activate_any(const rnn_group *s, int which, sv_vf x)
{
    const sv_rnn_param *param = s->param;
    int i = s->d * 3 + which;
    if (param->clip > 0) x = vf_clip(x, vf_set1(-param->clip), vf_set1(param->clip));
    return vf_activate((sv_unary)param->activation[i], x, vf_set1(param->alpha[i]),
                       vf_set1(param->beta[i]));
}

/* Activation f, g or h (0, 1, 2) after the clip. */
SV_INLINE sv_vf rnn_activate(const rnn_group *s, int which, sv_vf x)
{
    uint8_t unary = s->unclipped[which];
    if (unary == SV_UNARY_Sigmoid) return vf_sigmoid(x);
    if (unary == SV_UNARY_Tanh) return vf_tanh(x);
    return rnn_activate_any(s, which, x);
}

/* What `gate` of the units from `at` on gets from the input, biases included. */
SV_INLINE sv_vf rnn_input(const rnn_group *s, const rnn_sequence *q, int gate, int64_t at)
{
    int64_t hidden = s->plan->size.hidden;
    const float *from = q->input + gate * hidden + at;
    sv_vf x = hidden - at >= SV_VF ? vf_load(from) : vf_load_n(from, hidden - at);
    return x + vf_load(s->bias + gate * s->plan->padded + at);
}

/* Products of `gates` gates from `first` on with what `of` names, for all sequences that run. */
static void rnn_recur(const rnn_group *s, int first, int gates, bool of_reset)
{
    const int64_t panel = s->plan->size.hidden * s->plan->pitch;
    rnn_product m = {.weight = s->weight + s->from / SV_VF * panel + first * SV_VF,
                     .depth = s->plan->size.hidden,
                     .panel = panel,
                     .row = s->plan->pitch};
    for (int i = 0; i < s->n; i++) {
        m.x[i] = of_reset ? s->sequence[i].reset : s->sequence[i].h;
        m.to[i] = s->sequence[i].gate + s->from * gates;
    }
    rnn_multiply(&m, (s->to - s->from) / SV_VF, gates, s->n);
}

/* ---- steps --------------------------------------------------------------------------------- */

/* Sigmoid and tanh as fractions, s = 1 / (1 + a) and t = -b / (2 + b) with a = e^-x and b = e^-2x -
 * 1, so that a product of both takes one division. Arguments are cut where the functions have long
 * reached their limits, so that no product of two denominators overflows; NaN stays. */
SV_INLINE sv_vf rnn_above(sv_vf x)
{
    sv_vf n, p = vf_exp_reduce(vf_neg(vf_clip(x, vf_set1(-43.0f), vf_set1(43.0f))), &n);
    return vf_scale2(p + vf_set1(1.0f), n);
}
SV_INLINE sv_vf rnn_beyond(sv_vf x)
{
    x = vf_clip(x, vf_set1(-20.0f), vf_set1(20.0f));
    sv_vf n, p = vf_exp_reduce(vf_set1(-2.0f) * x, &n), scale = vf_scale2(vf_set1(1.0f), n);
    return vf_fma(scale, p, scale - vf_set1(1.0f));
}

/* sigmoid(x) * tanh(y), from the functions above. */
SV_INLINE sv_vf rnn_gated(sv_vf above, sv_vf beyond)
{
    return vf_neg(beyond) / ((vf_set1(1.0f) + above) * (vf_set1(2.0f) + beyond));
}

static void rnn_lstm_cells(const rnn_group *s, const rnn_sequence *q)
{
    int64_t padded = s->plan->padded;
    const float *gate = q->gate + s->from * 4;
    for (int64_t at = s->from; at < s->to; at += SV_VF, gate += 4 * SV_VF) {
        const float *peephole = s->peephole + at;
        sv_vf c = vf_load(q->c + at);
        sv_vf in = vf_load(gate + LSTM_I * SV_VF) + rnn_input(s, q, LSTM_I, at);
        sv_vf out = vf_load(gate + LSTM_O * SV_VF) + rnn_input(s, q, LSTM_O, at);
        sv_vf forget = vf_load(gate + LSTM_F * SV_VF) + rnn_input(s, q, LSTM_F, at);
        sv_vf cell = vf_load(gate + LSTM_C * SV_VF) + rnn_input(s, q, LSTM_C, at);
        in = vf_fma(vf_load(peephole), c, in);
        forget = vf_fma(vf_load(peephole + 2 * padded), c, forget);
        if (s->usual) {
            c = c / (vf_set1(1.0f) + rnn_above(forget)) +
                rnn_gated(rnn_above(in), rnn_beyond(cell));
        } else {
            in = rnn_activate(s, 0, in);
            if (s->param->input_forget) {
                forget = vf_set1(1) - in;
            } else {
                forget = rnn_activate(s, 0, forget);
            }
            c = vf_fma(forget, c, in * rnn_activate(s, 1, cell));
        }
        vf_store(q->c + at, c);
        out = vf_fma(vf_load(peephole + padded), c, out);
        sv_vf h;
        if (s->usual) {
            h = rnn_gated(rnn_above(out), rnn_beyond(c));
        } else {
            h = rnn_activate(s, 0, out) * rnn_activate(s, 2, c);
        }
        vf_store(q->next + at, h);
    }
}

/* The new state from the update gate and the candidate, both before their functions:
 * s h + (1 - s) t = (h (2 + b) - a b) / ((1 + a) (2 + b)). */
SV_INLINE void rnn_gru_blend(const rnn_group *s, const rnn_sequence *q, int64_t at, sv_vf z,
                             sv_vf candidate)
{
    sv_vf h = vf_load(q->h + at);
    if (s->usual) {
        sv_vf a = rnn_above(z), b = rnn_beyond(candidate), two = b + vf_set1(2.0f);
        h = (h * two - a * b) / ((a + vf_set1(1.0f)) * two);
    } else {
        candidate = rnn_activate(s, 1, candidate);
        h = vf_fma(rnn_activate(s, 0, z), h - candidate, candidate);
    }
    vf_store(q->next + at, h);
}

/* The reset gate scales the product of the hidden gate. */
static void rnn_gru_linear_cells(const rnn_group *s, const rnn_sequence *q)
{
    const float *gate = q->gate + s->from * 3;
    for (int64_t at = s->from; at < s->to; at += SV_VF, gate += 3 * SV_VF) {
        sv_vf z = vf_load(gate + GRU_Z * SV_VF) + rnn_input(s, q, GRU_Z, at);
        sv_vf r = vf_load(gate + GRU_R * SV_VF) + rnn_input(s, q, GRU_R, at);
        sv_vf hidden = vf_load(gate + GRU_H * SV_VF) + vf_load(s->bias_r + at);
        r = rnn_activate(s, 0, r);
        rnn_gru_blend(s, q, at, z, vf_fma(r, hidden, rnn_input(s, q, GRU_H, at)));
    }
}

/* The reset gate scales what the hidden gate multiplies: all of it must be known first. The update
 * gate waits in `next`. */
static void rnn_gru_gates(const rnn_group *s, const rnn_sequence *q)
{
    const float *gate = q->gate + s->from * 2;
    for (int64_t at = s->from; at < s->to; at += SV_VF, gate += 2 * SV_VF) {
        sv_vf z = vf_load(gate + GRU_Z * SV_VF) + rnn_input(s, q, GRU_Z, at);
        sv_vf r = vf_load(gate + GRU_R * SV_VF) + rnn_input(s, q, GRU_R, at);
        vf_store(q->next + at, z);
        vf_store(q->reset + at, rnn_activate(s, 0, r) * vf_load(q->h + at));
    }
}

static void rnn_gru_cells(const rnn_group *s, const rnn_sequence *q)
{
    for (int64_t at = s->from; at < s->to; at += SV_VF) {
        sv_vf candidate = vf_load(q->gate + at) + rnn_input(s, q, GRU_H, at);
        rnn_gru_blend(s, q, at, vf_load(q->next + at), candidate);
    }
}

static void rnn_plain_cells(const rnn_group *s, const rnn_sequence *q)
{
    for (int64_t at = s->from; at < s->to; at += SV_VF)
        vf_store(q->next + at, rnn_activate(s, 0, vf_load(q->gate + at) + rnn_input(s, q, 0, at)));
}

typedef void rnn_cells(const rnn_group *s, const rnn_sequence *q);

static void rnn_each(const rnn_group *s, rnn_cells *cells)
{
    for (int i = 0; i < s->n; i++)
        cells(s, &s->sequence[i]);
}

static void rnn_step_group(const rnn_group *s)
{
    if (s->param->kind == SV_RNN_LSTM) {
        rnn_recur(s, 0, 4, false);
        rnn_each(s, rnn_lstm_cells);
    } else if (s->param->kind != SV_RNN_GRU) {
        rnn_recur(s, 0, 1, false);
        rnn_each(s, rnn_plain_cells);
    } else if (s->param->linear_before_reset) {
        rnn_recur(s, 0, 3, false);
        rnn_each(s, rnn_gru_linear_cells);
    } else {
        rnn_recur(s, 0, 2, false);
        rnn_each(s, rnn_gru_gates);
        rnn_recur(s, GRU_H, 1, true);
        rnn_each(s, rnn_gru_cells);
    }
}

/* ---- operands ------------------------------------------------------------------------------ */

/* An operand's [i, j, k..] of `n` to `to`; zeros stay if it is absent. */
static void rnn_load(const rnn_group *s, int operand, int64_t i, int64_t j, int64_t k, float *to,
                     int64_t n)
{
    if (!rnn_has(s->call, operand)) return;
    sv_element_get_f32(SV_F32, rnn_at(s->call, operand, i, j, k, 0), rnn_step(s->call, operand), to,
                       n);
}

/* What is made of a vector of hidden units to the operand's [i, j, k..], if that is asked for. */
static void rnn_store(const rnn_group *s, int operand, int64_t i, int64_t j, int64_t k,
                      const float *vector)
{
    if (!rnn_has(s->call, operand)) return;
    const int64_t hidden = s->plan->size.hidden, step = rnn_step(s->call, operand);
    const int64_t n = (s->to < hidden ? s->to : hidden) - s->from;
    const float *from = vector + s->from;
    char *at = rnn_at(s->call, operand, i, j, k, 0) + s->from * step;
    if (step == (int64_t)sizeof *from) {
        memcpy(at, from, (size_t)n * sizeof *from);
    } else {
        sv_element_put_f32(SV_F32, from, at, step, n, true);
    }
}

/* The biases that are added to the input's product: all but the recurrent one of a GRU's hidden
 * gate, which the reset gate scales when linear_before_reset is set. */
static void rnn_load_bias(rnn_group *s)
{
    const rnn_plan *p = s->plan;
    int64_t n = p->size.hidden;
    float *recurrent = s->sequence[0].gate;
    for (int32_t g = 0; rnn_has(s->call, RNN_BIAS) && g < p->size.gates; g++) {
        float *to = s->bias + g * p->padded;
        rnn_load(s, RNN_BIAS, s->d, g * n, 0, to, n);
        rnn_load(s, RNN_BIAS, s->d, (p->size.gates + g) * n, 0, recurrent, n);
        bool apart = s->param->kind == SV_RNN_GRU && s->param->linear_before_reset && g == GRU_H;
        if (apart) {
            memcpy(s->bias_r, recurrent, (size_t)n * sizeof *recurrent);
            continue;
        }
        for (int64_t i = 0; i < n; i++)
            to[i] += recurrent[i];
    }
}

/* Vectors in scratch: of a sequence h, next, c, reset and the gates; of the group peepholes, biases
 * and the recurrent one. */
#define RNN_STATES 4
#define RNN_SHARED 4

static int64_t rnn_floats(const rnn_plan *p)
{
    int64_t sequence = RNN_STATES + p->size.gates, shared = RNN_SHARED + p->size.gates;
    return (RNN_GROUP * sequence + shared) * p->padded;
}

/* Where a sequence's vectors are. */
static void rnn_lay_sequence(rnn_group *s, int i, int64_t b, float *at)
{
    const rnn_plan *p = s->plan;
    uint32_t unit = (uint32_t)(s->d * p->size.batch + b);
    s->sequence[i] = (rnn_sequence){.b = b,
                                    .length = rnn_length(s->call, b, p->size.steps, unit),
                                    .h = at,
                                    .next = at + p->padded,
                                    .c = at + 2 * p->padded,
                                    .reset = at + 3 * p->padded,
                                    .gate = at + RNN_STATES * p->padded};
}

/* The `n` sequences from unit `unit` on, with their vectors at `at`, rnn_floats of them. */
static void rnn_lay_group(rnn_group *s, uint32_t unit, int n, float *at)
{
    const rnn_plan *p = s->plan;
    s->d = (int32_t)(unit / p->size.batch);
    s->n = n;
    s->from = 0;
    s->to = p->padded;
    for (int i = 0; i < 3; i++)
        s->unclipped[i] = s->param->clip > 0 ? UINT8_MAX : s->param->activation[s->d * 3 + i];
    s->usual = s->unclipped[0] == SV_UNARY_Sigmoid && s->unclipped[1] == SV_UNARY_Tanh &&
               (s->param->kind == SV_RNN_GRU || s->unclipped[2] == SV_UNARY_Tanh) &&
               !s->param->input_forget;
    s->weight =
        (const float *)s->call->ptr[RNN_R] + s->d * p->padded / SV_VF * p->size.hidden * p->pitch;
    for (int i = 0; i < n; i++, at += (RNN_STATES + p->size.gates) * p->padded)
        rnn_lay_sequence(s, i, unit % p->size.batch + i, at);
    s->peephole = at;
    s->bias_r = at + 3 * p->padded;
    s->bias = at + RNN_SHARED * p->padded;
}

/* What the vectors of a group are before the first step. */
static void rnn_open_group(rnn_group *s)
{
    const rnn_plan *p = s->plan;
    const int64_t hidden = p->size.hidden;
    memset(s->sequence[0].h, 0, (size_t)rnn_floats(p) * sizeof(float));
    for (int i = 0; i < s->n; i++) {
        const rnn_sequence *q = &s->sequence[i];
        rnn_load(s, RNN_INITIAL_H, s->d, q->b, 0, q->h, hidden);
        rnn_load(s, RNN_INITIAL_C, s->d, q->b, 0, q->c, hidden);
    }
    for (int64_t k = 0; k < 3; k++)
        rnn_load(s, RNN_PEEPHOLES, s->d, k * hidden, 0, s->peephole + k * p->padded, hidden);
    rnn_load_bias(s);
}

static int64_t rnn_time(const rnn_group *s, const rnn_sequence *q, int64_t step)
{
    return rnn_backwards(s->param, s->d) ? q->length - 1 - step : step;
}

/* Last states, and zeros behind the end of the sequence. */
static void rnn_finish(const rnn_group *s, const rnn_sequence *q)
{
    rnn_store(s, RNN_Y_H, s->d, q->b, 0, q->h);
    rnn_store(s, RNN_Y_C, s->d, q->b, 0, q->c);
    memset(q->next, 0, (size_t)s->plan->padded * sizeof(float));
    for (int64_t t = q->length; t < s->plan->size.steps; t++)
        rnn_store(s, RNN_Y, t, s->d, q->b, q->next);
}

/* Finishes the sequences that end before `step`; the others move to the front. */
static void rnn_drop(rnn_group *s, int64_t step)
{
    int kept = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->sequence[i].length > step) {
            s->sequence[kept++] = s->sequence[i];
        } else {
            rnn_finish(s, &s->sequence[i]);
        }
    }
    s->n = kept;
}

/* Where the sequence's input of a step is. */
static const float *rnn_input_at(const rnn_group *s, const rnn_sequence *q, int64_t step)
{
    const int64_t *stride = s->call->desc[RNN_X].stride;
    return (const float *)s->call->ptr[RNN_X] +
           s->d * (int64_t)s->plan->size.gates * s->plan->size.hidden +
           rnn_time(s, q, step) * stride[0] + q->b * stride[1];
}

static void rnn_run_group(rnn_group *s)
{
    rnn_drop(s, 0);
    for (int64_t step = 0; s->n > 0; rnn_drop(s, ++step)) {
        for (int i = 0; i < s->n; i++)
            s->sequence[i].input = rnn_input_at(s, &s->sequence[i], step);
        rnn_step_group(s);
        for (int i = 0; i < s->n; i++) {
            rnn_sequence *q = &s->sequence[i];
            float *done = q->next;
            q->next = q->h;
            q->h = done;
            rnn_store(s, RNN_Y, rnn_time(s, q, step), s->d, q->b, done);
        }
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool rnn_supports(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[RNN_X];
    return sv_packer_get(SV_FORMAT_rnn_panels)->accepts(problem, SV_LEVEL) &&
           problem->epilogue.n == 0 && (x->stride[2] == 1 || x->dim[2] == 1);
}

static uint32_t rnn_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    rnn_sizes size = rnn_get_sizes(problem->param, &problem->desc[RNN_X]);
    return (uint32_t)(size.directions * size.batch);
}

static size_t rnn_scratch(const sv_problem *problem)
{
    rnn_plan p = rnn_plan_make(problem->param, &problem->desc[RNN_X]);
    return (size_t)rnn_floats(&p) * sizeof(float);
}

static void rnn_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    rnn_plan p = rnn_plan_make(call->param, &call->desc[RNN_X]);
    for (uint32_t u = begin; u < end;) {
        int64_t n = p.size.batch - u % p.size.batch;
        if (n > end - u) n = end - u;
        if (n > RNN_GROUP) n = RNN_GROUP;
        rnn_group group = {.call = call, .param = call->param, .plan = &p};
        rnn_lay_group(&group, u, (int)n, call->scratch);
        rnn_open_group(&group);
        rnn_run_group(&group);
        u += (uint32_t)n;
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_rnn_f32) = {
    .name = "rnn_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_rnn,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_rnn_panels,
    .supports = rnn_supports,
    .units = rnn_units,
    .scratch = rnn_scratch,
    .run = rnn_run,
};
