/* Chains of convolutions against the separate rows of the same level, bit for bit, and against the
 * reference. ctest: labels=cpu
 *
 * Tolerances: three sums of K products of values up to about 1, each with K * eps(f32). */
#include "support/check.h"

#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "problem_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* mid: channels of the depthwise convolution; before, after: of x and y, 0 where there is no such
 * pointwise convolution. */
typedef struct chain_case {
    int64_t n, before, mid, after, height, width, kernel, stride, pad, pad_end;
} chain_case;

enum { STAGES = SV_CONV_STAGES, RESIDUAL = 1, POISON = 2 };

typedef struct chain_rig {
    uint32_t n;
    rig stage[STAGES];
    sv_conv_param param[STAGES];
} chain_rig;

static const uint8_t activations[] = {SV_UNARY_Clip, SV_UNARY_HardSwish, SV_UNARY_Relu,
                                      SV_UNARY_Swish, SV_UNARY_Tanh};

static void add_stage(chain_rig *c, const chain_case *k, int64_t in, int64_t out, int64_t height,
                      int64_t width, bool depthwise, uint64_t seed)
{
    rig *r = &c->stage[c->n];
    sv_conv_param *param = &c->param[c->n++];
    const int64_t size = depthwise ? k->kernel : 1, stride = depthwise ? k->stride : 1;
    const int64_t pads = depthwise ? k->pad + k->pad_end : 0, pad = depthwise ? k->pad : 0;
    const int64_t x[4] = {k->n, in, height, width};
    const int64_t w[4] = {out, depthwise ? 1 : in, size, size};
    const int64_t y[4] = {k->n, out, (height + pads - size) / stride + 1,
                          (width + pads - size) / stride + 1};
    *param = (sv_conv_param){.spatial = 2,
                             .groups = depthwise ? out : 1,
                             .kernel = {size, size},
                             .stride = {stride, stride},
                             .dilation = {1, 1},
                             .pad = {pad, pad}};
    rig_init(r, SV_FAMILY_conv, param, sizeof *param, seed + c->n);
    rig_add(r, SV_F32, 4, x, RIG_CHANNELS_LAST);
    rig_add(r, SV_F32, 4, w, RIG_DENSE);
    rig_add(r, SV_F32, 4, y, RIG_CHANNELS_LAST);
    if ((seed + c->n) % 4) {
        uint8_t bias = rig_add(r, SV_F32, 1, &y[1], RIG_DENSE);
        rig_epilogue(r, SV_EPI_BIAS, bias, 0, 0, 0);
    }
}

static void build(chain_rig *c, const chain_case *k, uint64_t seed, int how)
{
    *c = (chain_rig){.n = 0};
    if (k->before) add_stage(c, k, k->before, k->mid, k->height, k->width, false, seed);
    add_stage(c, k, k->mid, k->mid, k->height, k->width, true, seed);
    rig *last = &c->stage[c->n - 1];
    if (k->after)
        add_stage(c, k, k->mid, k->after, last->desc[2].dim[2], last->desc[2].dim[3], false, seed);
    last = &c->stage[c->n - 1];
    if (how & RESIDUAL) {
        uint8_t add = rig_add(last, SV_F32, 4, last->desc[2].dim, RIG_CHANNELS_LAST);
        rig_epilogue(last, SV_EPI_ADD, add, 0, 0, 0);
    }
    for (uint32_t i = 0; i < c->n; i++) {
        const uint8_t op = activations[(seed + i) % 5];
        if ((seed + i) % 6) rig_epilogue(&c->stage[i], SV_EPI_UNARY, 0, op, op ? 1 : 0, 6);
    }
    if (!(how & POISON)) return;
    rig_set(&c->stage[0], 0, (int64_t[4]){0, 0, 0, 0}, NAN);
    rig_set(&c->stage[0], 0,
            (int64_t[4]){k->n - 1, c->stage[0].desc[0].dim[1] - 1, k->height - 1, k->width - 1},
            INFINITY);
}

static void release(chain_rig *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        rig_release(&c->stage[i]);
}

static const sv_kernel *row(const char *name, const char *level)
{
    char text[64];
    snprintf(text, sizeof text, "%s%s", name, level);
    return sv_kernel_find(text);
}

static bool is_depthwise(const rig *r)
{
    return ((const sv_conv_param *)r->problem.param)->groups > 1;
}

static const sv_kernel *separate_row(const rig *r, const char *level)
{
    return row(is_depthwise(r) ? "conv_depthwise_block_" : "conv_packed_", level);
}

/* Each stage by a row of its own; level NULL: the reference. */
static void run_separate(chain_rig *c, const char *level)
{
    for (uint32_t i = 0; i < c->n; i++) {
        rig *r = &c->stage[i];
        if (i) memcpy(r->ptr[0], c->stage[i - 1].ptr[2], r->bytes[0]);
        rig_write(r, 2);
        rig_run(r, level ? separate_row(r, level) : sv_kernel_find("conv_ref"), 0);
    }
}

/* All stages as one problem, in ranges of `range` units. */
static void run_chain(chain_rig *c, const char *level, uint32_t range)
{
    const sv_problem *problem[STAGES];
    void *packed[STAGES];
    uint8_t weight;
    sv_conv_chain chain;
    for (uint32_t i = 0; i < c->n; i++) {
        rig *r = &c->stage[i];
        packed[i] = rig_pack(r, separate_row(r, level), &weight);
        r->problem.b_format = separate_row(r, level)->b_format;
        problem[i] = &r->problem;
    }
    assert_true(sv_conv_chain_make(problem, c->n, &chain));
    rig all;
    rig_init(&all, SV_FAMILY_conv_chain, &chain.param, sizeof chain.param, 1);
    all.problem.n_operand = chain.operands.n;
    all.problem.write_mask = 2;
    for (uint32_t i = 0; i < chain.operands.n; i++) {
        const uint32_t from = chain.operands.from[i].problem,
                       operand = chain.operands.from[i].operand;
        all.desc[i] = c->stage[from].desc[operand];
        all.ptr[i] = operand == 1 ? packed[from] : c->stage[from].ptr[operand];
    }
    const sv_kernel *kernel = row("conv_chain_", level);
    assert_true(kernel->supports(&all.problem));
    assert_true(kernel->cost(&all.problem) > 0);
    rig_write(&c->stage[c->n - 1], 2);
    rig_run(&all, kernel, range);
    for (uint32_t i = 0; i < c->n; i++) {
        c->stage[i].problem.b_format = SV_FORMAT_RAW;
        free(packed[i]);
    }
}

static void expect_near(const rig *r, const rig *want, double tolerance)
{
    int64_t index[SV_MAX_RANK] = {0};
    do {
        const double a = rig_get(r, 2, index), b = rig_get(want, 2, index);
        if (fabs(a - b) <= tolerance * (1 + fabs(b))) continue;
        fail_msg("y[%lld,%lld,%lld,%lld] is %.9g, expected %.9g", (long long)index[0],
                 (long long)index[1], (long long)index[2], (long long)index[3], a, b);
    } while (sv_index_next(4, r->desc[2].dim, index));
}

static void check_level(const chain_case *k, const char *level, uint64_t seed, int how)
{
    chain_rig c, reference;
    build(&c, k, seed, how);
    run_separate(&c, level);
    rig *last = &c.stage[c.n - 1];
    void *want = rig_copy(last, 2);
    static const uint32_t ranges[] = {0, 1, 3};
    for (int i = 0; i < 3; i++) {
        run_chain(&c, level, ranges[i]);
        if (memcmp(want, last->ptr[2], last->bytes[2]) != 0)
            fail_msg("%s, ranges of %u: not the separate rows' bytes", level, ranges[i]);
    }
    if (!(how & POISON)) {
        build(&reference, k, seed, how);
        run_separate(&reference, NULL);
        expect_near(last, &reference.stage[c.n - 1], 1e-5 * (double)(k->before + k->mid + 25));
        release(&reference);
    }
    free(want);
    release(&c);
}

static void check_case(const chain_case *k)
{
    static const char *const levels[] = {"baseline", "avx2", "avx512", "neon"};
    const int most = (int)rig_level();
    for (uint64_t seed = 0; seed < 7; seed++) {
        for (int i = 0; i < 4; i++) {
            const sv_kernel *kernel = row("conv_chain_", levels[i]);
            if (!kernel || (int)kernel->level > most) continue;
            check_level(k, levels[i], seed, seed % 2 ? RESIDUAL : seed == 4 ? POISON : 0);
        }
    }
}

static void all_cases(const chain_case *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_case(&k[i]);
}

static void expand_depthwise_project(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {1, 5, 33, 9, 9, 11, 3, 1, 1, 1},    {2, 16, 48, 24, 8, 13, 3, 2, 1, 1},
        {1, 3, 17, 40, 7, 30, 5, 1, 2, 2},   {2, 7, 64, 33, 10, 9, 5, 2, 2, 2},
        {1, 4, 20, 6, 1, 1, 3, 1, 1, 1},     {1, 4, 20, 6, 1, 23, 3, 2, 1, 1},
        {3, 2, 3, 2, 2, 2, 3, 1, 1, 1},      {1, 8, 32, 32, 12, 5, 3, 2, 0, 1},
        {1, 8, 530, 16, 4, 6, 3, 1, 1, 1},   {1, 6, 12, 5, 6, 6, 3, 1, 0, 0},
        {1, 6, 12, 5, 5, 4, 5, 2, 4, 4},     {1, 1, 2, 1, 3, 200, 3, 1, 1, 1},
        {1, 40, 260, 36, 3, 30, 3, 1, 1, 1}, {2, 3, 5, 2, 3, 4, 3, 1, 3, 3},
    };
    all_cases(cases, sizeof cases / sizeof *cases);
}

static void expand_depthwise(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {1, 5, 33, 0, 9, 11, 3, 1, 1, 1}, {2, 16, 48, 0, 8, 13, 3, 2, 1, 1},
        {1, 3, 17, 0, 7, 30, 5, 1, 2, 2}, {1, 4, 20, 0, 1, 1, 5, 2, 2, 2},
        {2, 3, 7, 0, 5, 2, 3, 2, 0, 1},
    };
    all_cases(cases, sizeof cases / sizeof *cases);
}

static void depthwise_project(void **state)
{
    (void)state;
    static const chain_case cases[] = {
        {1, 0, 33, 9, 9, 11, 3, 1, 1, 1},  {2, 0, 48, 24, 8, 13, 3, 2, 1, 1},
        {1, 0, 17, 40, 7, 30, 5, 1, 2, 2}, {1, 0, 20, 6, 1, 1, 5, 2, 2, 2},
        {2, 0, 2, 65, 5, 2, 3, 2, 0, 1},
    };
    all_cases(cases, sizeof cases / sizeof *cases);
}

/* What is no chain is told so. */
static void other_problems_are_no_chain(void **state)
{
    (void)state;
    static const chain_case k = {1, 8, 32, 8, 9, 9, 3, 1, 1, 1};
    chain_rig c;
    const sv_problem *problem[STAGES];
    sv_conv_chain chain;
    build(&c, &k, 1, RESIDUAL);
    for (uint32_t i = 0; i < c.n; i++) {
        c.stage[i].problem.b_format = separate_row(&c.stage[i], "baseline")->b_format;
        problem[i] = &c.stage[i].problem;
    }
    assert_true(sv_conv_chain_make(problem, 3, &chain));
    assert_int_equal(chain.param.depthwise, 1);
    assert_true(sv_conv_chain_make(problem, 2, &chain));
    assert_true(sv_conv_chain_make(problem + 1, 2, &chain));
    assert_int_equal(chain.param.depthwise, 0);
    assert_false(sv_conv_chain_make(problem, 1, &chain));
    assert_false(sv_conv_chain_make((const sv_problem *[2]){problem[0], problem[2]}, 2, &chain));
    c.stage[0].problem.b_format = SV_FORMAT_RAW;
    assert_false(sv_conv_chain_make(problem, 3, &chain));
    c.stage[0].problem.b_format = SV_FORMAT_conv_panels;
    c.param[0].stride[1] = 2;
    assert_false(sv_conv_chain_make(problem, 3, &chain));
    c.param[0].stride[1] = 1;
    rig_epilogue(&c.stage[0], SV_EPI_ADD, 2, 0, 0, 0);
    assert_false(sv_conv_chain_make(problem, 3, &chain));
    release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expand_depthwise_project),
        cmocka_unit_test(expand_depthwise),
        cmocka_unit_test(depthwise_project),
        cmocka_unit_test(other_problems_are_no_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
