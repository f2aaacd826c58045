/* LSTM, GRU and RNN: the reference against onnxruntime (cases_rnn.inc), rows with packed weights
 * against the reference. */
#include "kernels/elementwise.h"
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { X, W, R, BIAS, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES, Y, Y_H, Y_C, OPERANDS };

typedef struct rnn_case {
    sv_rnn_kind kind;
    sv_rnn_direction direction;
    int64_t hidden;
    int linear, forget, lengths, initial, peepholes;
    float clip;
    uint8_t activation[3];
    float alpha, beta;
    double y[120], y_h[40], y_c[40];
} rnn_case;

static const rnn_case cases[] = {
#include "cases_rnn.inc"
};
#define CASES (sizeof cases / sizeof cases[0])

#define STEPS 4
#define BATCH 3
#define INPUT 2

static int64_t gates_of(int kind)
{
    return kind == SV_RNN_LSTM ? 4 : kind == SV_RNN_GRU ? 3 : 1;
}

typedef struct rnn_trial {
    sv_rnn_param param;
    trial_tensor operand[OPERANDS];
    trial t;
} rnn_trial;

static sv_rnn_param make_param(const rnn_case *c)
{
    sv_rnn_param p = {.kind = (uint8_t)c->kind,
                      .direction = (uint8_t)c->direction,
                      .linear_before_reset = c->linear,
                      .input_forget = c->forget,
                      .hidden = c->hidden,
                      .clip = c->clip};
    for (int i = 0; i < 6; i++) {
        p.activation[i] = c->activation[i % 3];
        p.alpha[i] = c->alpha;
        p.beta[i] = c->beta;
    }
    return p;
}

static trial_tensor patterned(trial_layout layout, int64_t seed, const int64_t *dims)
{
    trial_tensor t = trial_make(SV_F32, layout, dims);
    for (int64_t i = 0; i < trial_count(&t); i++) {
        trial_set(&t, i, (double)((i * 37 + seed * 53) % 101) / 100 - 0.5);
    }
    return t;
}

/* [T, B, ..] laid out as [B, T, ..]: layout 1. */
static trial_tensor batch_first(const trial_tensor *t)
{
    trial_tensor out = *t;
    sv_desc *d = &out.desc;
    int64_t inner = 1;
    for (int32_t i = 1; i < d->rank; i++) {
        if (i != d->rank - 2) inner *= d->dim[i];
    }
    int32_t b = d->rank - 2;
    d->stride[d->rank - 1] = 1;
    if (d->rank == 4) d->stride[1] = d->dim[3];
    d->stride[0] = inner;
    d->stride[b] = inner * d->dim[0];
    return out;
}

static void start(rnn_trial *r)
{
    trial_tensor *o = r->operand;
    trial_init(&r->t, SV_FAMILY_rnn, &r->param, sizeof r->param, 1 << Y | 1 << Y_H | 1 << Y_C,
               TRIAL_TENSORS(&o[X], &o[W], &o[R], &o[BIAS], &o[LENGTHS], &o[INITIAL_H],
                             &o[INITIAL_C], &o[PEEPHOLES], &o[Y], &o[Y_H], &o[Y_C]));
}

static void make(rnn_trial *r, const rnn_case *c, trial_layout layout, bool swap, int64_t steps,
                 int64_t batch, int64_t input)
{
    int64_t d = c->direction == SV_RNN_BIDIRECTIONAL ? 2 : 1, g = gates_of(c->kind), h = c->hidden;
    trial_tensor *o = r->operand;
    for (int i = 0; i < OPERANDS; i++)
        o[i] = trial_absent();
    r->param = make_param(c);
    o[X] = trial_make(SV_F32, layout, TRIAL_DIMS(steps, batch, input));
    o[W] = patterned(layout, 2, TRIAL_DIMS(d, g * h, input));
    o[R] = patterned(TRIAL_DENSE, 3, TRIAL_DIMS(d, g * h, h));
    o[BIAS] = patterned(layout, 4, TRIAL_DIMS(d, 2 * g * h));
    if (c->lengths) {
        o[LENGTHS] = trial_make(SV_I32, TRIAL_DENSE, TRIAL_DIMS(batch));
        const int64_t lengths[] = {2, 4, 3};
        for (int64_t i = 0; i < batch; i++) {
            int64_t length = lengths[i % 3] * steps / STEPS;
            trial_set(&o[LENGTHS], i, (double)length);
        }
    }
    if (c->initial) {
        o[INITIAL_H] = patterned(layout, 5, TRIAL_DIMS(d, batch, h));
        if (c->kind == SV_RNN_LSTM) o[INITIAL_C] = patterned(layout, 6, TRIAL_DIMS(d, batch, h));
    }
    if (c->peepholes) o[PEEPHOLES] = patterned(layout, 7, TRIAL_DIMS(d, 3 * h));
    o[Y] = trial_make(SV_F32, layout, TRIAL_DIMS(steps, d, batch, h));
    o[Y_H] = trial_make(SV_F32, layout, TRIAL_DIMS(d, batch, h));
    if (c->kind == SV_RNN_LSTM) o[Y_C] = trial_make(SV_F32, layout, TRIAL_DIMS(d, batch, h));
    if (swap) {
        o[X] = batch_first(&o[X]);
        o[Y] = batch_first(&o[Y]);
    }
    for (int64_t i = 0; i < trial_count(&o[X]); i++) {
        trial_set(&o[X], i, (double)((i * 37 + 53) % 101) / 100 - 0.5);
    }
    start(r);
}

/* Puts the inputs' products with their weights in the place of both. */
static void multiply(rnn_trial *r, trial_layout layout, bool swap)
{
    trial_tensor *x = &r->operand[X], *w = &r->operand[W];
    int64_t rows = x->desc.dim[0] * x->desc.dim[1], depth = x->desc.dim[2];
    int64_t n = w->desc.dim[0] * w->desc.dim[1];
    trial_tensor product =
        trial_make(SV_F32, layout, TRIAL_DIMS(x->desc.dim[0], x->desc.dim[1], n));
    if (swap) product = batch_first(&product);
    for (int64_t i = 0; i < rows * n; i++) {
        double sum = 0;
        for (int64_t k = 0; k < depth; k++)
            sum += trial_get(x, i / n * depth + k) * trial_get(w, i % n * depth + k);
        trial_set(&product, i, sum);
    }
    trial_free(x);
    trial_free(w);
    *x = product;
    *w = trial_absent();
    start(r);
}

static void release(rnn_trial *r)
{
    for (int i = 0; i < OPERANDS; i++)
        trial_free(&r->operand[i]);
}

static void test_reference(void **state)
{
    (void)state;
    for (size_t n = 0; n < CASES; n++) {
        for (int swap = 0; swap < 2; swap++) {
            rnn_trial r;
            make(&r, &cases[n], TRIAL_DENSE, swap, STEPS, BATCH, INPUT);
            trial_reference(&r.t);
            assert_int_equal(r.t.fault.step, UINT32_MAX);
            trial_equal_values(&r.operand[Y], cases[n].y, 3e-6, 1e-6);
            trial_equal_values(&r.operand[Y_H], cases[n].y_h, 3e-6, 1e-6);
            if (cases[n].kind == SV_RNN_LSTM) {
                trial_equal_values(&r.operand[Y_C], cases[n].y_c, 3e-6, 1e-6);
            }
            release(&r);
        }
    }
}

/* Runs the packed row of one level on a copy of R in its format. */
static void run_packed(rnn_trial *r, const sv_kernel *kernel, uint32_t group, bool backwards)
{
    const sv_packer *packer = sv_packer_get(SV_FORMAT_rnn_panels);
    r->t.problem.desc = r->t.desc;
    assert_true(packer->accepts(&r->t.problem, kernel->level));
    size_t size = packer->size(&r->t.problem, kernel->level);
    void *packed = aligned_alloc(64, (size + 63) & ~(size_t)63);
    assert_non_null(packed);
    trial_tensor *weights = &r->operand[R];
    sv_view view = {.data = weights->data, .dtype = SV_F32, .rank = 3};
    memcpy(view.dim, weights->desc.dim, sizeof view.dim);
    memcpy(view.stride, weights->desc.stride, sizeof view.stride);
    packer->pack(&r->t.problem, kernel->level, &(sv_pack_source){.view = view}, packed);
    void *raw = weights->data;
    weights->data = packed;
    r->t.problem.b_format = SV_FORMAT_rnn_panels;
    assert_true(kernel->supports(&r->t.problem));
    trial_run(&r->t, kernel, group, backwards);
    r->t.problem.b_format = SV_FORMAT_RAW;
    weights->data = raw;
    free(packed);
}

static trial_tensor copy_of(const trial_tensor *t)
{
    trial_tensor out = *t;
    out.memory = out.data = malloc(t->bytes + 1);
    assert_non_null(out.memory);
    if (t->data) memcpy(out.memory, t->data, t->bytes);
    return out;
}

static double greatest(const trial_tensor *t)
{
    double y = 1;
    for (int64_t i = 0; i < trial_count(t); i++)
        y = fmax(y, fabs(trial_get(t, i)));
    return y;
}

static const sv_kernel *named_row_of(const char *row, int level)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%s", row, sv_cpu_level_name((sv_cpu_level)level));
    const sv_kernel *kernel = sv_kernel_find(name);
    assert_non_null(kernel);
    return kernel;
}

static const sv_kernel *row_of(int level)
{
    return named_row_of("rnn_f32", level);
}

static void compare(const rnn_case *c, trial_layout layout, bool swap, int64_t steps, int64_t batch,
                    int64_t input)
{
    rnn_trial r;
    make(&r, c, layout, swap, steps, batch, input);
    trial_reference(&r.t);
    trial_tensor direct = copy_of(&r.operand[Y]);
    /* Products lie side by side. */
    multiply(&r, layout == TRIAL_REVERSED ? TRIAL_PADDED : layout, swap);
    trial_reference(&r.t);
    trial_equal(&r.operand[Y], &direct, 1e-5, 3e-6 * greatest(&direct), "products");
    trial_free(&direct);
    for (int level = 0; level < trial_levels(); level++) {
        trial_tensor expected[OPERANDS], whole[OPERANDS];
        const sv_kernel *kernel = row_of(level);
        for (int i = Y; i < OPERANDS; i++)
            expected[i] = copy_of(&r.operand[i]);
        run_packed(&r, kernel, 0, false);
        for (int i = Y; i < OPERANDS; i++) {
            whole[i] = copy_of(&r.operand[i]);
            if (!r.operand[i].data) continue;
            /* Errors of one step go through the following ones, and sums of large terms cancel. */
            double atol = 3e-6 * greatest(&expected[i]);
            trial_equal(&r.operand[i], &expected[i], 1e-5, atol, kernel->name);
        }
        run_packed(&r, kernel, 1, true);
        for (int i = Y; i < OPERANDS; i++) {
            if (r.operand[i].data)
                assert_memory_equal(r.operand[i].data, whole[i].data, whole[i].bytes);
            trial_free(&expected[i]);
            trial_free(&whole[i]);
        }
    }
    release(&r);
}

static void test_packed(void **state)
{
    (void)state;
    for (size_t n = 0; n < CASES; n++) {
        rnn_case c = cases[n];
        const int64_t hidden[] = {1, 5, 16, 35};
        for (int h = 0; h < 4; h++) {
            c.hidden = hidden[h];
            compare(&c, TRIAL_DENSE, false, 4, 3, 2);
            compare(&c, TRIAL_DENSE, true, 8, 2, 7);
            compare(&c, TRIAL_SHIFTED, false, 12, 5, 17);
            compare(&c, TRIAL_REVERSED, false, 4, 1, 9);
            compare(&c, TRIAL_PADDED, false, 1, 1, 1);
            compare(&c, TRIAL_PADDED, true, 12, 4, 3);
        }
    }
}

/* Hidden units so many that a single sequence is made by parts of them. */
static int64_t many_units(const rnn_case *c)
{
    return c->kind == SV_RNN_LSTM ? 131 : c->kind == SV_RNN_GRU ? 160 : 270;
}

static void compare_split(const rnn_case *c, trial_layout layout, int level)
{
    rnn_trial r;
    trial_tensor whole[OPERANDS];
    make(&r, c, layout, false, 5, 1, 3);
    multiply(&r, layout, false);
    run_packed(&r, row_of(level), 0, false);
    for (int i = Y; i < OPERANDS; i++)
        whole[i] = copy_of(&r.operand[i]);
    for (int turn = 0; turn < 3; turn++) {
        for (int i = Y; i < OPERANDS; i++) {
            if (r.operand[i].data) memset(r.operand[i].data, 0x7f, r.operand[i].bytes);
        }
        run_packed(&r, named_row_of("rnn_split", level), (uint32_t)turn, turn == 1);
        for (int i = Y; i < OPERANDS; i++) {
            for (int64_t k = 0; r.operand[i].data && k < trial_count(&r.operand[i]); k++)
                assert_true(trial_get(&r.operand[i], k) == trial_get(&whole[i], k));
        }
    }
    for (int i = Y; i < OPERANDS; i++)
        trial_free(&whole[i]);
    release(&r);
}

/* Parts of the hidden units give to the bit what one thread does. */
static void test_split(void **state)
{
    (void)state;
    int compared = 0;
    for (size_t n = 0; n < CASES; n++) {
        rnn_case c = cases[n];
        if (c.direction == SV_RNN_BIDIRECTIONAL || c.lengths) continue;
        if (c.kind == SV_RNN_GRU && !c.linear) continue;
        c.hidden = many_units(&c);
        for (int level = 0; level < trial_levels(); level++) {
            compare_split(&c, TRIAL_DENSE, level);
            compare_split(&c, TRIAL_PADDED, level);
        }
        compared++;
    }
    assert_true(compared >= 3);
}

/* A sequence's answer does not depend on those beside it. */
static void test_batch_does_not_matter(void **state)
{
    (void)state;
    for (size_t n = 0; n < CASES * (size_t)trial_levels(); n++) {
        rnn_trial r;
        rnn_case c = cases[n % CASES];
        c.hidden = 21;
        c.initial = c.lengths = 0;
        make(&r, &c, TRIAL_DENSE, false, 5, 7, 3);
        for (int64_t i = 0; i < trial_count(&r.operand[X]); i++) {
            int64_t at = i / 21 * 5 + i % 3;
            trial_set(&r.operand[X], i, (double)at / 20 - 0.4);
        }
        multiply(&r, TRIAL_DENSE, false);
        run_packed(&r, row_of((int)(n / CASES)), 0, false);
        for (int64_t i = 0; i < trial_count(&r.operand[Y_H]); i++) {
            int64_t first = i / (7 * c.hidden) * 7 * c.hidden + i % c.hidden;
            assert_true(trial_get(&r.operand[Y_H], i) == trial_get(&r.operand[Y_H], first));
        }
        release(&r);
    }
}

static void test_lengths_are_checked(void **state)
{
    (void)state;
    rnn_trial r;
    make(&r, &cases[1], TRIAL_DENSE, false, STEPS, BATCH, INPUT);
    TRIAL_PUT(&r.operand[LENGTHS], 2, 9, -1);
    trial_reference(&r.t);
    assert_int_equal(r.t.fault.step, 0);
    assert_string_equal(r.t.fault.what, "sequence length");
    assert_int_equal(r.t.fault.found, 9);
    multiply(&r, TRIAL_DENSE, false);
    run_packed(&r, sv_kernel_find("rnn_f32_baseline"), 0, false);
    assert_int_equal(r.t.fault.found, 9);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_batch_does_not_matter),
        cmocka_unit_test(test_lengths_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
