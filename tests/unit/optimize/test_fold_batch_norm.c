/* What scales and shifts channels goes into the weights of the convolution before it, and batch
 * normalisations into those of products. */
#include "graph_case.h"

enum { C = 3, F = 4 };

typedef struct options {
    bool transpose, bias, own_parameters, keep_conv;
    int64_t training;
    sv_dtype dtype;
} options;

/* conv(x) with filters of [F, C, 1, 1] (transposed: [C, F, 1, 1]), then the normalisation. */
static sv_value_id build(graph_case *c, const options *o, sv_value_id *conv)
{
    const float var[F] = {0.5f, 1, 2, 0.25f};
    const double var64[F] = {0.5, 1, 2, 0.25};
    const int64_t vector[1] = {F};
    bool wide = o->dtype == SV_F64;
    sv_value_id in[5] = {graph_case_input(c, o->dtype, 4, (int64_t[]){2, C, 2, 2}, 1)};
    in[1] = graph_case_constant(
        c, o->dtype, 4, (int64_t[]){o->transpose ? C : F, o->transpose ? F : C, 1, 1}, NULL);
    if (o->bias) in[2] = graph_case_constant(c, o->dtype, 1, vector, NULL);
    *conv = graph_case_node(c, o->transpose ? SV_OP_ConvTranspose : SV_OP_Conv, o->bias ? 3 : 2, in,
                            NULL);
    in[0] = *conv;
    for (int i = 1; i < 4; i++) {
        in[i] = o->own_parameters && i == 1 ? graph_case_input(c, o->dtype, 1, vector, 0)
                                            : graph_case_constant(c, o->dtype, 1, vector, NULL);
    }
    in[4] = graph_case_constant(c, o->dtype, 1, vector, wide ? (const void *)var64 : var);
    return graph_case_node(c, SV_OP_BatchNormalization, 5, in, NULL);
}

/* x, of n channels, normalised by constants; n <= F. */
static sv_value_id normalised(graph_case *c, sv_value_id x, int64_t n)
{
    static const float var[F] = {0.5f, 1, 2, 0.25f};
    sv_value_id in[5] = {x};
    for (int i = 1; i < 5; i++)
        in[i] = graph_case_constant(c, SV_F32, 1, &n, i == 4 ? var : NULL);
    return graph_case_node(c, SV_OP_BatchNormalization, 5, in, NULL);
}

static void check(const options *o, uint32_t left)
{
    graph_case c;
    graph_case_init(&c);
    sv_value_id conv, y = build(&c, o, &conv);
    graph_case_check(&c, o->keep_conv ? 2 : 1, (sv_value_id[]){y, conv});
    assert_int_equal(graph_case_count(&c, SV_OP_BatchNormalization), left);
    graph_case_release(&c);
}

static void test_it_goes_into_a_convolution(void **state)
{
    (void)state;
    check(&(options){.dtype = SV_F32}, 0);
    check(&(options){.dtype = SV_F32, .bias = true}, 0);
}

static void test_it_goes_into_a_transposed_convolution(void **state)
{
    (void)state;
    check(&(options){.dtype = SV_F32, .transpose = true}, 0);
    check(&(options){.dtype = SV_F32, .transpose = true, .bias = true}, 0);
}

/* It becomes a convolution of its own, of one weight a channel. */
static void test_it_stays_behind_a_convolution_read_twice(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id conv, y = build(&c, &(options){.dtype = SV_F32}, &conv);
    graph_case_check(&c, 2, (sv_value_id[]){y, conv});
    assert_int_equal(graph_case_count(&c, SV_OP_BatchNormalization), 0);
    assert_int_equal(graph_case_count(&c, SV_OP_Conv), 2);
    graph_case_release(&c);
}

/* normalised * column + column, as Caffe's models have it; the columns' shapes vary. */
static void test_scales_and_shifts_go_too(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id conv, y = build(&c, &(options){.dtype = SV_F32, .bias = which & 1}, &conv);
        int64_t dim[4] = {1, F, 1, 1};
        int32_t rank = which & 2 ? 3 : 4;
        for (int i = 0; i < 2; i++) {
            sv_value_id column = graph_case_constant(&c, SV_F32, rank, dim + 4 - rank, NULL);
            y = graph_case_binary(&c, i ? SV_OP_Add : SV_OP_Mul, i ? column : y, i ? y : column);
        }
        y = graph_case_unary(&c, SV_OP_Relu, y);
        graph_case_check(&c, 1, &y);
        assert_int_equal(c.graph->n_node, 1);
        assert_int_equal(graph_case_fused(&c, SV_OP_Relu), 1);
        graph_case_release(&c);
    }
}

/* A value for each row or each element is no scale of channels. */
static void test_other_operands_stay(void **state)
{
    (void)state;
    static const int64_t dims[3][4] = {{1, 1, 2, 2}, {2, F, 2, 2}, {1, F, 2, 1}};
    for (int i = 0; i < 3; i++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id conv, y = build(&c, &(options){.dtype = SV_F32}, &conv);
        sv_value_id other = graph_case_constant(&c, SV_F32, 4, dims[i], NULL);
        y = graph_case_binary(&c, SV_OP_Mul, y, other);
        graph_case_check(&c, 1, &y);
        assert_int_equal(graph_case_count(&c, SV_OP_Mul) + graph_case_fused(&c, SV_OP_Mul), 1);
        graph_case_release(&c);
    }
}

/* A normalisation of what is no convolution's: one step with the activation behind it. */
static void test_alone_it_becomes_a_convolution(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, (int64_t[]){2, C, 3, 2}, 1);
        sv_value_id y = graph_case_unary(&c, SV_OP_Relu, normalised(&c, x, C));
        sv_value_id in[2] = {y, graph_case_constant(&c, SV_F32, 4, (int64_t[]){F, C, 1, 1}, NULL)};
        if (with) y = graph_case_node(&c, SV_OP_Conv, 2, in, NULL);
        graph_case_check(&c, 1, &y);
        assert_int_equal(graph_case_count(&c, SV_OP_BatchNormalization), !with);
        assert_int_equal(graph_case_count(&c, SV_OP_Conv), 2 * with);
        assert_int_equal(graph_case_fused(&c, SV_OP_Relu), with);
        graph_case_release(&c);
    }
}

/* A product of [F, C] and [C, F] as MatMul or Gemm, with or without a bias, normalised. */
typedef struct product {
    sv_op op;
    bool transposed;      /* the weights */
    int64_t bias[2];      /* its shape; 0: none */
    bool added;           /* by a node of its own */
    double alpha;         /* 0: not said */
    uint32_t norms, adds; /* that are left */
} product;

static sv_value_id build_product(graph_case *c, const product *p)
{
    const int64_t size[2] = {p->transposed ? F : C, p->transposed ? C : F};
    sv_node *node;
    sv_value_id in[3] = {graph_case_input(c, SV_F32, 2, (int64_t[]){F, C}, 0)};
    in[1] = graph_case_constant(c, SV_F32, 2, size, NULL);
    in[2] = p->bias[0] ? graph_case_constant(c, SV_F32, 2, p->bias, NULL) : SV_NO_VALUE;
    sv_value_id y = graph_case_node(c, p->op, p->bias[0] && !p->added ? 3 : 2, in, &node);
    if (p->transposed) CHECK_OK(sv_node_set_int(c->module, node, "transB", 1));
    if (p->alpha != 0) CHECK_OK(sv_node_set_float(c->module, node, "alpha", (float)p->alpha));
    return normalised(c, p->added ? graph_case_binary(c, SV_OP_Add, y, in[2]) : y, F);
}

static void test_it_goes_into_a_product(void **state)
{
    (void)state;
    static const product products[] = {
        {SV_OP_MatMul, .norms = 0},
        {SV_OP_MatMul, .bias = {1, F}, .added = true},
        {SV_OP_Gemm, .norms = 0},
        {SV_OP_Gemm, .transposed = true},
        {SV_OP_Gemm, .bias = {1, F}},
        {SV_OP_Gemm, .transposed = true, .bias = {1, F}},
        {SV_OP_Gemm, .bias = {1, F}, .added = true},
        /* A value for each row is no bias; alpha would have to be divided by. */
        {SV_OP_Gemm, .bias = {F, 1}, .norms = 1},
        {SV_OP_MatMul, .bias = {F, 1}, .added = true, .norms = 1, .adds = 1},
        {SV_OP_Gemm, .alpha = 2, .norms = 1},
    };
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id y = build_product(&c, &products[i]);
        graph_case_check(&c, 1, &y);
        assert_int_equal(graph_case_count(&c, SV_OP_BatchNormalization), products[i].norms);
        assert_int_equal(graph_case_count(&c, SV_OP_Add) + graph_case_fused(&c, SV_OP_Add),
                         products[i].adds);
        graph_case_release(&c);
    }
}

static void test_it_stays_with_parameters_that_are_computed(void **state)
{
    (void)state;
    check(&(options){.dtype = SV_F32, .own_parameters = true}, 1);
}

static void test_it_stays_in_other_types(void **state)
{
    (void)state;
    check(&(options){.dtype = SV_F64}, 1);
}

/* Two convolutions share their weights; only one is normalised. */
static void test_shared_weights_keep_their_values(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id conv, y = build(&c, &(options){.dtype = SV_F32}, &conv);
    const sv_node *node = c.graph->node[c.graph->value[conv].producer];
    sv_value_id other = graph_case_node(&c, SV_OP_Conv, 2, node->in, NULL);
    graph_case_check(&c, 2, (sv_value_id[]){y, other});
    assert_int_equal(graph_case_count(&c, SV_OP_BatchNormalization), 0);
    assert_int_equal(graph_case_count(&c, SV_OP_Conv), 2);
    graph_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_goes_into_a_convolution),
        cmocka_unit_test(test_it_goes_into_a_transposed_convolution),
        cmocka_unit_test(test_it_stays_behind_a_convolution_read_twice),
        cmocka_unit_test(test_scales_and_shifts_go_too),
        cmocka_unit_test(test_other_operands_stay),
        cmocka_unit_test(test_alone_it_becomes_a_convolution),
        cmocka_unit_test(test_it_goes_into_a_product),
        cmocka_unit_test(test_it_stays_with_parameters_that_are_computed),
        cmocka_unit_test(test_it_stays_in_other_types),
        cmocka_unit_test(test_shared_weights_keep_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
