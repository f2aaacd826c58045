/* LSTM, GRU and RNN of f32 with recurrent weights in rnn_panels. Included by one file a level;
 * meaning is that of rnn_ref.c.
 *
 * Three phases: the input weights are put in panels of the same form; all steps' inputs are
 * multiplied at once; then the steps, two sequences at a time, gates and state in vectors. Which
 * sequences make a pair, and so the order of sums, is fixed by their number. */
#include "kernels/activation_tmpl.h"
#include "kernels/rnn/operands.h"
#include "kernels/rnn/panels.h"
#include "kernels/strided.h"

/* Rows (steps times sequences) of a unit of the second phase; even. */
#define RNN_ROWS 32

/* ---- products ------------------------------------------------------------------------------ */

/* Adds g gates' products with x0 and x1 ([k]) to what lies at from0 and from1 ([g] vectors), and
 * stores to to0 and to1. The panel has `step` floats a k. `g` and `two` are constants; a lone row
 * takes every other k in a second set of sums, for eight chains either way. */
SV_INLINE void rnn_product(const int g, const bool two, const float *x0, const float *x1,
                           int64_t depth, const float *panel, int64_t step, const float *from0,
                           const float *from1, float *to0, float *to1)
{
    sv_vf a0 = vf_load(from0), a1 = a0, a2 = a0, a3 = a0;
    if (g > 1) a1 = vf_load(from0 + SV_VF);
    if (g > 2) a2 = vf_load(from0 + 2 * SV_VF);
    if (g > 3) a3 = vf_load(from0 + 3 * SV_VF);
    sv_vf b0 = vf_zero(), b1 = b0, b2 = b0, b3 = b0;
    if (two) b0 = vf_load(from1);
    if (two && g > 1) b1 = vf_load(from1 + SV_VF);
    if (two && g > 2) b2 = vf_load(from1 + 2 * SV_VF);
    if (two && g > 3) b3 = vf_load(from1 + 3 * SV_VF);
    int64_t k = 0, by = two ? 1 : 2;
    for (; k + by <= depth; k += by, panel += by * step) {
        const float *second = two ? panel : panel + step;
        sv_vf va = vf_set1(x0[k]), vb = vf_set1(two ? x1[k] : x0[k + 1]);
        a0 = vf_fma(va, vf_load(panel), a0);
        b0 = vf_fma(vb, vf_load(second), b0);
        if (g > 1) a1 = vf_fma(va, vf_load(panel + SV_VF), a1);
        if (g > 1) b1 = vf_fma(vb, vf_load(second + SV_VF), b1);
        if (g > 2) a2 = vf_fma(va, vf_load(panel + 2 * SV_VF), a2);
        if (g > 2) b2 = vf_fma(vb, vf_load(second + 2 * SV_VF), b2);
        if (g > 3) a3 = vf_fma(va, vf_load(panel + 3 * SV_VF), a3);
        if (g > 3) b3 = vf_fma(vb, vf_load(second + 3 * SV_VF), b3);
    }
    if (k < depth) {
        sv_vf va = vf_set1(x0[k]);
        a0 = vf_fma(va, vf_load(panel), a0);
        if (g > 1) a1 = vf_fma(va, vf_load(panel + SV_VF), a1);
        if (g > 2) a2 = vf_fma(va, vf_load(panel + 2 * SV_VF), a2);
        if (g > 3) a3 = vf_fma(va, vf_load(panel + 3 * SV_VF), a3);
    }
    if (!two) {
        a0 += b0;
        a1 += b1;
        a2 += b2;
        a3 += b3;
    }
    vf_store(to0, a0);
    if (g > 1) vf_store(to0 + SV_VF, a1);
    if (g > 2) vf_store(to0 + 2 * SV_VF, a2);
    if (g > 3) vf_store(to0 + 3 * SV_VF, a3);
    if (two) vf_store(to1, b0);
    if (two && g > 1) vf_store(to1 + SV_VF, b1);
    if (two && g > 2) vf_store(to1 + 2 * SV_VF, b2);
    if (two && g > 3) vf_store(to1 + 3 * SV_VF, b3);
}

/* The operands of one product, for one row or two. */
typedef struct rnn_rows {
    int n; /* 1 or 2 */
    const float *x[2], *from[2];
    float *to[2];
} rnn_rows;

static void rnn_multiply(int gates, const rnn_rows *r, int64_t depth, const float *panel,
                         int64_t step)
{
#define RNN_CASE(g)                                                                                \
    case g:                                                                                        \
        if (r->n == 2) {                                                                           \
            rnn_product(g, true, r->x[0], r->x[1], depth, panel, step, r->from[0], r->from[1],     \
                        r->to[0], r->to[1]);                                                       \
        } else {                                                                                   \
            rnn_product(g, false, r->x[0], NULL, depth, panel, step, r->from[0], NULL, r->to[0],   \
                        NULL);                                                                     \
        }                                                                                          \
        break;
    switch (gates) {
        RNN_CASE(1)
        RNN_CASE(2)
        RNN_CASE(3)
        RNN_CASE(4)
    default:
        break;
    }
#undef RNN_CASE
}

/* ---- what is shared ------------------------------------------------------------------------ */

typedef struct rnn_plan {
    rnn_sizes size;
    int64_t blocks;              /* panels of a direction */
    int64_t pitch;               /* floats of all gates of a block of units */
    int64_t padded;              /* hidden units rounded up to whole vectors */
    int64_t rows, pairs, chunks; /* steps * batch; pairs of sequences; units of rows */
    float *w;                    /* panels of the input weights, [D][blocks][I][G][SV_VF] */
    float *product;              /* [D][rows][blocks][G][SV_VF] */
} rnn_plan;

static rnn_plan rnn_plan_make(const sv_rnn_param *param, const sv_desc *x, void *shared)
{
    rnn_plan p = {.size = rnn_get_sizes(param, x)};
    p.blocks = sv_divide_up(p.size.hidden, SV_VF);
    p.pitch = (int64_t)p.size.gates * SV_VF;
    p.padded = p.blocks * SV_VF;
    p.rows = p.size.steps * p.size.batch;
    p.pairs = sv_divide_up(p.size.batch, 2);
    p.chunks = sv_divide_up(p.rows, RNN_ROWS);
    p.w = shared;
    p.product = p.w ? p.w + p.size.directions * p.blocks * p.size.input * p.pitch : NULL;
    return p;
}

static float *rnn_product_at(const rnn_plan *p, int32_t d, int64_t row)
{
    return p->product + (d * p->rows + row) * p->blocks * p->pitch;
}

/* ---- phases 0 and 1: the inputs ------------------------------------------------------------ */

static void rnn_pack_inputs(const sv_call *call, const rnn_plan *p, uint32_t begin, uint32_t end)
{
    const sv_desc *w = &call->desc[RNN_W];
    sv_view view = {.data = call->ptr[RNN_W], .dtype = w->dtype, .rank = w->rank};
    memcpy(view.dim, w->dim, sizeof view.dim);
    memcpy(view.stride, w->stride, sizeof view.stride);
    for (uint32_t u = begin; u < end; u++) {
        sv_rnn_panel panel = {.view = &view,
                              .direction = (int32_t)(u / p->blocks),
                              .gates = p->size.gates,
                              .width = SV_VF,
                              .hidden = p->size.hidden,
                              .first = u % p->blocks * SV_VF};
        sv_rnn_pack(&panel, p->w + u * p->size.input * p->pitch);
    }
}

/* The biases that are added to the input's product: all but the recurrent one of a GRU's hidden
 * gate, which the reset gate scales when linear_before_reset is set. */
static void rnn_load_bias(const sv_call *call, const rnn_plan *p, int32_t d, int64_t block,
                          float *to)
{
    const sv_rnn_param *param = call->param;
    memset(to, 0, (size_t)p->pitch * sizeof *to);
    if (!rnn_has(call, RNN_BIAS)) return;
    int64_t first = block * SV_VF, step = rnn_step(call, RNN_BIAS);
    int64_t n = p->size.hidden - first < SV_VF ? p->size.hidden - first : SV_VF;
    int64_t recurrent = p->size.gates * p->size.hidden;
    for (int32_t g = 0; g < p->size.gates; g++) {
        int64_t j = g * p->size.hidden + first;
        const char *w = rnn_at(call, RNN_BIAS, d, j, 0, 0);
        const char *r = rnn_at(call, RNN_BIAS, d, recurrent + j, 0, 0);
        bool apart = param->kind == SV_RNN_GRU && param->linear_before_reset && g == GRU_H;
        for (int64_t i = 0; i < n; i++) {
            float sum = *(const float *)(w + i * step);
            if (!apart) sum += *(const float *)(r + i * step);
            to[g * SV_VF + i] = sum;
        }
    }
}

/* Row `row` of the input side by side, in place where it is. */
static const float *rnn_input(const sv_call *call, const rnn_plan *p, int64_t row, float *buffer)
{
    char *at = rnn_at(call, RNN_X, row / p->size.batch, row % p->size.batch, 0, 0);
    if (rnn_step(call, RNN_X) == 4) return (const float *)at;
    sv_element_get_f32(SV_F32, at, rnn_step(call, RNN_X), buffer, p->size.input);
    return buffer;
}

static void rnn_multiply_inputs(const sv_call *call, const rnn_plan *p, uint32_t begin,
                                uint32_t end)
{
    float *buffer = call->scratch, bias[4 * SV_VF];
    for (uint32_t u = begin; u < end; u++) {
        int64_t chunk = u % p->chunks, panel = u / p->chunks;
        int32_t d = (int32_t)(panel / p->blocks);
        int64_t block = panel % p->blocks, last = (chunk + 1) * RNN_ROWS;
        if (last > p->rows) last = p->rows;
        rnn_load_bias(call, p, d, block, bias);
        for (int64_t row = chunk * RNN_ROWS; row < last; row += 2) {
            rnn_rows r = {.n = row + 1 < last ? 2 : 1, .from = {bias, bias}};
            for (int i = 0; i < r.n; i++) {
                r.x[i] = rnn_input(call, p, row + i, buffer + i * p->size.input);
                r.to[i] = rnn_product_at(p, d, row + i) + block * p->pitch;
            }
            rnn_multiply(p->size.gates, &r, p->size.input, p->w + panel * p->size.input * p->pitch,
                         p->pitch);
        }
    }
}

/* ---- phase 2: the steps -------------------------------------------------------------------- */

/* Up to two sequences of one direction. State is padded to whole vectors and lies in scratch. */
typedef struct rnn_pair {
    const sv_call *call;
    const sv_rnn_param *param;
    const rnn_plan *plan;
    const float *r; /* the direction's panels */
    int32_t d;
    int n;
    int64_t b[2], length[2];
    float *h[2], *next[2], *c[2], *reset[2]; /* [padded] each */
    float *peephole, *bias_r;                /* [3][padded]; [padded] of a GRU's hidden gate */
    const float *product[2];                 /* this step's rows */
} rnn_pair;

static sv_vf rnn_activate(const rnn_pair *s, int which, sv_vf x)
{
    const sv_rnn_param *param = s->param;
    int i = s->d * 3 + which;
    if (param->clip > 0) x = vf_clip(x, vf_set1(-param->clip), vf_set1(param->clip));
    if (param->activation[i] == SV_UNARY_Sigmoid) return vf_sigmoid(x);
    if (param->activation[i] == SV_UNARY_Tanh) return vf_tanh(x);
    return vf_activate((sv_unary)param->activation[i], x, vf_set1(param->alpha[i]),
                       vf_set1(param->beta[i]));
}

/* Products of `gates` gates from `first` on of block `block` with x, on top of `from`. */
static void rnn_recur(const rnn_pair *s, int first, int gates, int64_t block, float *const *x,
                      const float *const *from, float *const *to)
{
    const rnn_plan *p = s->plan;
    rnn_rows r = {.n = s->n};
    for (int i = 0; i < s->n; i++) {
        r.x[i] = x[i];
        r.from[i] = from[i];
        r.to[i] = to[i];
    }
    const float *panel = s->r + block * p->size.hidden * p->pitch + first * SV_VF;
    rnn_multiply(gates, &r, p->size.hidden, panel, p->pitch);
}

static void rnn_lstm_cell(const rnn_pair *s, int i, int64_t at, const float *gate)
{
    const float *peephole = s->peephole + at;
    sv_vf c = vf_load(s->c[i] + at), in = vf_load(gate + LSTM_I * SV_VF);
    sv_vf forget = vf_load(gate + LSTM_F * SV_VF), out = vf_load(gate + LSTM_O * SV_VF);
    in = rnn_activate(s, 0, vf_fma(vf_load(peephole), c, in));
    if (s->param->input_forget) {
        forget = vf_set1(1) - in;
    } else {
        forget = rnn_activate(s, 0, vf_fma(vf_load(peephole + 2 * s->plan->padded), c, forget));
    }
    c = vf_fma(forget, c, in * rnn_activate(s, 1, vf_load(gate + LSTM_C * SV_VF)));
    out = rnn_activate(s, 0, vf_fma(vf_load(peephole + s->plan->padded), c, out));
    vf_store(s->c[i] + at, c);
    vf_store(s->next[i] + at, out * rnn_activate(s, 2, c));
}

static void rnn_lstm_step(const rnn_pair *s)
{
    float gate[2][4 * SV_VF];
    float *const to[2] = {gate[0], gate[1]};
    for (int64_t block = 0; block < s->plan->blocks; block++) {
        int64_t at = block * s->plan->pitch;
        const float *const from[2] = {s->product[0] + at, s->product[1] + at};
        rnn_recur(s, 0, 4, block, s->h, from, to);
        for (int i = 0; i < s->n; i++)
            rnn_lstm_cell(s, i, block * SV_VF, gate[i]);
    }
}

static void rnn_gru_blend(const rnn_pair *s, int i, int64_t at, sv_vf z, sv_vf candidate)
{
    sv_vf h = vf_load(s->h[i] + at);
    vf_store(s->next[i] + at, vf_fma(z, h - candidate, candidate));
}

/* The reset gate scales the product of the hidden gate. */
static void rnn_gru_linear_step(const rnn_pair *s)
{
    float gate[2][3 * SV_VF], from_rows[2][3 * SV_VF];
    float *const to[2] = {gate[0], gate[1]};
    const float *const from[2] = {from_rows[0], from_rows[1]};
    for (int64_t block = 0; block < s->plan->blocks; block++) {
        int64_t at = block * SV_VF;
        for (int i = 0; i < s->n; i++) {
            const float *input = s->product[i] + block * s->plan->pitch;
            vf_store(from_rows[i], vf_load(input));
            vf_store(from_rows[i] + SV_VF, vf_load(input + SV_VF));
            vf_store(from_rows[i] + GRU_H * SV_VF, vf_load(s->bias_r + at));
        }
        rnn_recur(s, 0, 3, block, s->h, from, to);
        for (int i = 0; i < s->n; i++) {
            sv_vf z = rnn_activate(s, 0, vf_load(gate[i]));
            sv_vf r = rnn_activate(s, 0, vf_load(gate[i] + GRU_R * SV_VF));
            sv_vf input = vf_load(s->product[i] + block * s->plan->pitch + GRU_H * SV_VF);
            sv_vf sum = vf_fma(r, vf_load(gate[i] + GRU_H * SV_VF), input);
            rnn_gru_blend(s, i, at, z, rnn_activate(s, 1, sum));
        }
    }
}

/* The reset gate scales what the hidden gate multiplies: all of it must be known first. The update
 * gate waits in `next`. */
static void rnn_gru_step(const rnn_pair *s)
{
    float gate[2][2 * SV_VF];
    float *const to[2] = {gate[0], gate[1]};
    for (int64_t block = 0; block < s->plan->blocks; block++) {
        int64_t at = block * SV_VF, row = block * s->plan->pitch;
        const float *const from[2] = {s->product[0] + row, s->product[1] + row};
        rnn_recur(s, 0, 2, block, s->h, from, to);
        for (int i = 0; i < s->n; i++) {
            vf_store(s->next[i] + at, rnn_activate(s, 0, vf_load(gate[i])));
            sv_vf r = rnn_activate(s, 0, vf_load(gate[i] + GRU_R * SV_VF));
            vf_store(s->reset[i] + at, r * vf_load(s->h[i] + at));
        }
    }
    for (int64_t block = 0; block < s->plan->blocks; block++) {
        int64_t at = block * SV_VF, row = block * s->plan->pitch + GRU_H * SV_VF;
        const float *const from[2] = {s->product[0] + row, s->product[1] + row};
        rnn_recur(s, GRU_H, 1, block, s->reset, from, to);
        for (int i = 0; i < s->n; i++) {
            sv_vf candidate = rnn_activate(s, 1, vf_load(gate[i]));
            rnn_gru_blend(s, i, at, vf_load(s->next[i] + at), candidate);
        }
    }
}

static void rnn_plain_step(const rnn_pair *s)
{
    for (int64_t block = 0; block < s->plan->blocks; block++) {
        int64_t at = block * SV_VF;
        const float *const from[2] = {s->product[0] + at, s->product[1] + at};
        float *const to[2] = {s->next[0] + at, s->next[1] + at};
        rnn_recur(s, 0, 1, block, s->h, from, to);
        for (int i = 0; i < s->n; i++)
            vf_store(to[i], rnn_activate(s, 0, vf_load(to[i])));
    }
}

/* An operand's [d, j.. j + n) to `to`; zeros if it is absent. */
static void rnn_load(const rnn_pair *s, int operand, int64_t i, int64_t j, int64_t k, float *to,
                     int64_t n)
{
    if (!rnn_has(s->call, operand)) return;
    sv_element_get_f32(SV_F32, rnn_at(s->call, operand, i, j, k, 0), rnn_step(s->call, operand), to,
                       n);
}

static void rnn_store(const rnn_pair *s, int operand, char *at, const float *from)
{
    sv_element_put_f32(SV_F32, from, at, rnn_step(s->call, operand), s->plan->size.hidden, true);
}

/* Vectors of state in scratch: h, next, c and reset of two sequences, peepholes, one bias. */
#define RNN_STATES 12

static void rnn_pair_init(rnn_pair *s, uint32_t unit)
{
    const rnn_plan *p = s->plan;
    int64_t n = p->size.hidden;
    float *at = s->call->scratch;
    memset(at, 0, (size_t)(RNN_STATES * p->padded) * sizeof *at);
    s->d = (int32_t)(unit / p->pairs);
    s->b[0] = unit % p->pairs * 2;
    s->b[1] = s->b[0] + 1;
    s->n = s->b[1] < p->size.batch ? 2 : 1;
    s->r = (const float *)s->call->ptr[RNN_R] + s->d * p->blocks * n * p->pitch;
    for (int i = 0; i < 2; i++, at += 4 * p->padded) {
        s->h[i] = at;
        s->next[i] = at + p->padded;
        s->c[i] = at + 2 * p->padded;
        s->reset[i] = at + 3 * p->padded;
        s->length[i] = 0;
    }
    for (int i = 0; i < s->n; i++) {
        s->length[i] = rnn_length(s->call, s->b[i], p->size.steps, unit);
        rnn_load(s, RNN_INITIAL_H, s->d, s->b[i], 0, s->h[i], n);
        rnn_load(s, RNN_INITIAL_C, s->d, s->b[i], 0, s->c[i], n);
    }
    s->peephole = at;
    s->bias_r = at + 3 * p->padded;
    for (int64_t k = 0; k < 3; k++) {
        rnn_load(s, RNN_PEEPHOLES, s->d, k * n, 0, s->peephole + k * p->padded, n);
    }
    if (p->size.gates == 3) rnn_load(s, RNN_BIAS, s->d, 5 * n, 0, s->bias_r, n);
}

static int64_t rnn_time(const rnn_pair *s, int i, int64_t step)
{
    return rnn_backwards(s->param, s->d) ? s->length[i] - 1 - step : step;
}

/* One step of all sequences of the pair that still run; both do. */
static void rnn_pair_step(rnn_pair *s, int64_t step)
{
    for (int i = 0; i < s->n; i++) {
        int64_t row = rnn_time(s, i, step) * s->plan->size.batch + s->b[i];
        s->product[i] = rnn_product_at(s->plan, s->d, row);
    }
    if (s->n == 1) s->product[1] = s->product[0];
    switch (s->param->kind) {
    case SV_RNN_LSTM:
        rnn_lstm_step(s);
        break;
    case SV_RNN_GRU:
        if (s->param->linear_before_reset) {
            rnn_gru_linear_step(s);
        } else {
            rnn_gru_step(s);
        }
        break;
    default:
        rnn_plain_step(s);
        break;
    }
    for (int i = 0; i < s->n; i++) {
        float *done = s->next[i];
        s->next[i] = s->h[i];
        s->h[i] = done;
        if (!rnn_has(s->call, RNN_Y)) continue;
        rnn_store(s, RNN_Y, rnn_at(s->call, RNN_Y, rnn_time(s, i, step), s->d, s->b[i], 0), done);
    }
}

/* Last states, and zeros behind the end of the sequence. */
static void rnn_finish(rnn_pair *s, int i)
{
    const sv_call *call = s->call;
    if (rnn_has(call, RNN_Y_H)) {
        rnn_store(s, RNN_Y_H, rnn_at(call, RNN_Y_H, s->d, s->b[i], 0, 0), s->h[i]);
    }
    if (rnn_has(call, RNN_Y_C)) {
        rnn_store(s, RNN_Y_C, rnn_at(call, RNN_Y_C, s->d, s->b[i], 0, 0), s->c[i]);
    }
    if (!rnn_has(call, RNN_Y)) return;
    memset(s->next[i], 0, (size_t)s->plan->padded * sizeof(float));
    for (int64_t t = s->length[i]; t < s->plan->size.steps; t++) {
        rnn_store(s, RNN_Y, rnn_at(call, RNN_Y, t, s->d, s->b[i], 0), s->next[i]);
    }
}

/* Both sequences as long as both run; then the longer one, alone in place 0. */
static void rnn_run_pair(rnn_pair *s)
{
    int64_t step = 0;
    if (s->n == 2) {
        int64_t common = s->length[0] < s->length[1] ? s->length[0] : s->length[1];
        while (step < common)
            rnn_pair_step(s, step++);
        int shorter = s->length[0] <= s->length[1] ? 0 : 1;
        rnn_finish(s, shorter);
        if (shorter == 0) {
            s->h[0] = s->h[1];
            s->next[0] = s->next[1];
            s->c[0] = s->c[1];
            s->reset[0] = s->reset[1];
            s->b[0] = s->b[1];
            s->length[0] = s->length[1];
        }
        s->n = 1;
    }
    while (step < s->length[0])
        rnn_pair_step(s, step++);
    rnn_finish(s, 0);
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool rnn_supports(const sv_problem *problem)
{
    return sv_packer_get(SV_FORMAT_rnn_panels)->accepts(problem, SV_LEVEL) &&
           problem->epilogue.n == 0;
}

static uint32_t rnn_units(const sv_problem *problem, uint32_t phase)
{
    rnn_plan p = rnn_plan_make(problem->param, &problem->desc[RNN_X], NULL);
    if (phase == 0) return (uint32_t)(p.size.directions * p.blocks);
    if (phase == 1) return (uint32_t)(p.size.directions * p.blocks * p.chunks);
    return (uint32_t)(p.size.directions * p.pairs);
}

static size_t rnn_scratch(const sv_problem *problem)
{
    rnn_plan p = rnn_plan_make(problem->param, &problem->desc[RNN_X], NULL);
    int64_t inputs = 2 * p.size.input, state = RNN_STATES * p.padded;
    return (size_t)(inputs > state ? inputs : state) * sizeof(float);
}

static size_t rnn_shared(const sv_problem *problem)
{
    rnn_plan p = rnn_plan_make(problem->param, &problem->desc[RNN_X], NULL);
    return (size_t)(p.size.directions * p.blocks * p.pitch * (p.size.input + p.rows)) *
           sizeof(float);
}

static void rnn_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    rnn_plan p = rnn_plan_make(call->param, &call->desc[RNN_X], call->shared);
    if (call->phase == 0) {
        rnn_pack_inputs(call, &p, begin, end);
    } else if (call->phase == 1) {
        rnn_multiply_inputs(call, &p, begin, end);
    } else {
        for (uint32_t u = begin; u < end; u++) {
            rnn_pair pair = {.call = call, .param = call->param, .plan = &p};
            rnn_pair_init(&pair, u);
            rnn_run_pair(&pair);
        }
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
    .shared = rnn_shared,
    .phases = 3,
    .run = rnn_run,
};
