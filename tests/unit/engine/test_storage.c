/* Where values lie, where that is not plain: views that are written, windows of a concatenation,
 * results written twice, packed constants read by several shapes, segments.  ctest: labels=threads
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static void fill(float *to, int n, int seed)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)((i * 37 + seed * 101) % 23 - 11) / 7.0f;
}

/* Concat of two values along `axis`. */
static sv_value_id concat(fixture *x, sv_value_id a, sv_value_id b, int64_t axis)
{
    sv_node *node;
    sv_value_id y = graph_node(x->graph, SV_OP_Concat, 2, (sv_value_id[]){a, b}, &node);
    must(sv_node_set_int(x->module, node, "axis", axis));
    return y;
}

/* The weight is packed at load and its source given back: a vector times it must read the packed
 * copy. */
static void test_a_vector_meets_a_packed_matrix(void **state)
{
    (void)state;
    enum { K = 256, N = 128 };
    static float weight[K * N], in[K];
    fixture x;
    fixture_start(&x);
    fill(weight, K * N, 1);
    fill(in, K, 2);
    sv_value_id a = graph_input(x.graph, "x", SV_F32, 1, (int64_t[]){K});
    /* As from a file: only bytes of a blob are given back. */
    sv_tensor tensor = tensor_of(SV_F32, 2, (int64_t[]){K, N}, NULL);
    uint32_t constant;
    sv_value_id w;
    must(sv_blob_copy(weight, sizeof(weight), "weights", NULL, &tensor.blob));
    tensor.data = (void *)(uintptr_t)tensor.blob->data;
    must(sv_module_add_blob(x.module, tensor.blob));
    must(sv_module_add_constant(x.module, "w", &tensor, &constant));
    must(sv_graph_add_constant(x.graph, constant, &w));
    fixture_finish(&x, graph_node(x.graph, SV_OP_MatMul, 2, (sv_value_id[]){a, w}, NULL));
    assert_null(x.module->constant[constant].source.data);
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){K}, in);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.rank, 1);
    for (int n = 0; n < N; n++) {
        double sum = 0;
        for (int k = 0; k < K; k++)
            sum += (double)in[k] * (double)weight[k * N + n];
        assert_float_equal(((float *)out.data)[n], sum, 1e-3f);
    }
    fixture_stop(&x);
}

/* The right side is seen transposed, and the left one is square: the product has the right side's
 * dims, by chance, and is written in rows all the same, not copied into them. */
static void test_a_product_does_not_lie_as_its_right_side(void **state)
{
    (void)state;
    enum { B = 2, M = 5, N = 7 };
    static float left[B * M * M], right[B * N * M];
    fixture x;
    fixture_start(&x);
    fill(left, B * M * M, 1);
    fill(right, B * N * M, 2);
    sv_value_id a = graph_input(x.graph, "a", SV_F32, 3, (int64_t[]){B, M, M});
    sv_value_id b = graph_input(x.graph, "b", SV_F32, 3, (int64_t[]){B, N, M});
    sv_node *turn;
    sv_value_id turned = graph_node(x.graph, SV_OP_Transpose, 1, (sv_value_id[]){b}, &turn);
    must(sv_node_set_ints(x.module, turn, "perm", (int64_t[]){0, 2, 1}, 3));
    fixture_finish(&x, graph_node(x.graph, SV_OP_MatMul, 2, (sv_value_id[]){a, turned}, NULL));
    fixture_bind(&x, 0, SV_F32, 3, (int64_t[]){B, M, M}, left);
    fixture_bind(&x, 1, SV_F32, 3, (int64_t[]){B, N, M}, right);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(x.compiled->cache.plan[0]->n_step, 1);
    for (int i = 0; i < B * M * N; i++) {
        const float *row = left + i / N * M, *column = right + (i / (M * N) * N + i % N) * M;
        double sum = 0;
        for (int k = 0; k < M; k++)
            sum += (double)row[k] * (double)column[k];
        assert_float_equal(((float *)out.data)[i], sum, 1e-5f);
    }
    fixture_stop(&x);
}

/* The product's result is a view, Relu behind it works in place on that view: the concatenation
 * must copy it, as it does not lie in its window. */
static void test_a_view_written_in_place_reaches_a_concatenation(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id a = graph_input(x.graph, "a", SV_F32, 1, (int64_t[]){2});
    sv_value_id b = graph_input(x.graph, "b", SV_F32, 2, (int64_t[]){2, 3});
    sv_node *product;
    sv_value_id y = graph_node(x.graph, SV_OP_MatMul, 2, (sv_value_id[]){a, b}, &product);
    sv_fused *relu = sv_arena_array(&x.module->arena, 1, sizeof(*relu));
    *relu = (sv_fused){.op = SV_OP_Relu, .operand = -1, .name = "relu"};
    product->fused = relu;
    product->n_fused = 1;
    fixture_finish(&x, concat(&x, y, a, 0));
    float left[2] = {1, -1}, right[6] = {1, 5, 2, 3, 2, -7};
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){2}, left);
    fixture_bind(&x, 1, SV_F32, 2, (int64_t[]){2, 3}, right);
    sv_tensor out = fixture_run(&x);
    const float expected[5] = {0, 3, 9, 1, -1};
    assert_memory_equal(out.data, expected, sizeof(expected));
    fixture_stop(&x);
}

static sv_value_id index_constant(fixture *x, const int64_t *v, int32_t rank, const int64_t *dim)
{
    sv_tensor tensor;
    sv_shape shape = sv_shape_make(rank, dim);
    uint32_t constant;
    sv_value_id value;
    must(sv_tensor_create(&x->module->arena, SV_I64, &shape, &tensor));
    memcpy(tensor.data, v, (size_t)sv_tensor_count(&tensor) * sizeof(*v));
    must(sv_module_add_constant(x->module, "index", &tensor, &constant));
    must(sv_graph_add_constant(x->graph, constant, &value));
    return value;
}

/* The scatter's loop needs its result dense, which a window of the inner dimension is not. */
static void test_a_scatter_reaches_a_concatenation(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 2, (int64_t[]){2, 2});
    sv_value_id at = index_constant(&x, (int64_t[]){1, 0}, 2, (int64_t[]){1, 2});
    sv_value_id new = graph_constant(x.graph, (float[]){10, 20}, 2, (int64_t[]){1, 2});
    sv_value_id y =
        graph_node(x.graph, SV_OP_ScatterElements, 3, (sv_value_id[]){in, at, new}, NULL);
    fixture_finish(&x, concat(&x, y, in, 1));
    float data[4] = {1, 2, 3, 4};
    fixture_bind(&x, 0, SV_F32, 2, (int64_t[]){2, 2}, data);
    sv_tensor out = fixture_run(&x);
    const float expected[8] = {1, 20, 1, 2, 10, 4, 3, 4};
    assert_memory_equal(out.data, expected, sizeof(expected));
    fixture_stop(&x);
}

/* The copy that a scatter begins with follows its source's layout, unless the loop needs another.
 */
static void test_a_scatter_follows_a_convolution(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 4, (int64_t[]){1, 2, 2, 2});
    sv_value_id w = graph_constant(x.graph, (float[]){1, 0, 0, 1}, 4, (int64_t[]){2, 2, 1, 1});
    sv_value_id conv = graph_node(x.graph, SV_OP_Conv, 2, (sv_value_id[]){in, w}, NULL);
    sv_value_id at = index_constant(&x, (int64_t[]){0}, 4, (int64_t[]){1, 1, 1, 1});
    sv_value_id new = graph_constant(x.graph, (float[]){9}, 4, (int64_t[]){1, 1, 1, 1});
    fixture_finish(
        &x, graph_node(x.graph, SV_OP_ScatterElements, 3, (sv_value_id[]){conv, at, new}, NULL));
    float data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    fixture_bind(&x, 0, SV_F32, 4, (int64_t[]){1, 2, 2, 2}, data);
    sv_tensor out = fixture_run(&x);
    const float expected[8] = {9, 2, 3, 4, 5, 6, 7, 8};
    assert_memory_equal(out.data, expected, sizeof(expected));
    fixture_stop(&x);
}

/* The channels of `x` [1, 2 * half, size, size] in turns from each half, as ShuffleNet does. */
static sv_value_id shuffle(fixture *x, sv_value_id from, int64_t half, int64_t size)
{
    const int64_t apart[5] = {1, 2, half, size, size}, together[4] = {1, 2 * half, size, size};
    sv_value_id wide = index_constant(x, apart, 1, (int64_t[]){5});
    sv_value_id flat = index_constant(x, together, 1, (int64_t[]){4});
    sv_node *turn;
    sv_value_id y = graph_node(x->graph, SV_OP_Reshape, 2, (sv_value_id[]){from, wide}, NULL);
    y = graph_node(x->graph, SV_OP_Transpose, 1, (sv_value_id[]){y}, &turn);
    must(sv_node_set_ints(x->module, turn, "perm", (int64_t[]){0, 2, 1, 3, 4}, 5));
    return graph_node(x->graph, SV_OP_Reshape, 2, (sv_value_id[]){y, flat}, NULL);
}

/* Shuffled channels are made channels last, here in the padded input of the convolution behind
 * them; another node reads them there too. All weights are such that values pass as they are. */
static void test_shuffled_channels_lie_in_a_padded_input(void **state)
{
    (void)state;
    enum { HALF = 20, C = 2 * HALF, SIZE = 5, PIXELS = SIZE * SIZE };
    static float same[C * C], centre[C * 9], data[C * PIXELS];
    for (int c = 0; c < C; c++)
        same[c * C + c] = centre[c * 9 + 4] = 1;
    fill(data, C * PIXELS, 3);
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 4, (int64_t[]){1, C, SIZE, SIZE});
    sv_value_id w = graph_constant(x.graph, same, 4, (int64_t[]){C, C, 1, 1});
    sv_value_id v = graph_constant(x.graph, centre, 4, (int64_t[]){C, 1, 3, 3});
    sv_value_id before = graph_node(x.graph, SV_OP_Conv, 2, (sv_value_id[]){in, w}, NULL);
    sv_value_id turned = shuffle(&x, before, HALF, SIZE);
    sv_node *depthwise;
    sv_value_id y = graph_node(x.graph, SV_OP_Conv, 2, (sv_value_id[]){turned, v}, &depthwise);
    must(sv_node_set_int(x.module, depthwise, "group", C));
    must(sv_node_set_ints(x.module, depthwise, "pads", (int64_t[]){1, 1, 1, 1}, 4));
    fixture_finish(&x, graph_node(x.graph, SV_OP_Add, 2, (sv_value_id[]){y, turned}, NULL));
    fixture_bind(&x, 0, SV_F32, 4, (int64_t[]){1, C, SIZE, SIZE}, data);
    sv_tensor out = fixture_run(&x);
    for (int c = 0; c < C; c++) {
        const float *from = data + (c % 2 * HALF + c / 2) * PIXELS;
        for (int i = 0; i < PIXELS; i++)
            assert_float_equal(((float *)out.data)[c * PIXELS + i], 2 * from[i], 1e-6f);
    }
    fixture_stop(&x);
}

/* An input's value is asked only in the second segment: the run begins again with the longer key.
 */
static void test_a_value_asked_late_begins_the_run_again(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 1, (int64_t[]){6});
    sv_value_id shape = graph_input(x.graph, "shape", SV_I64, 1, (int64_t[]){2});
    sv_value_id index = graph_node(x.graph, SV_OP_NonZero, 1, &in, NULL);
    fixture_finish(&x, graph_node(x.graph, SV_OP_Reshape, 2, (sv_value_id[]){index, shape}, NULL));
    float data[6] = {0, 1, 0, 1, 1, 1};
    int64_t dims[2] = {2, 2};
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){6}, data);
    fixture_bind(&x, 1, SV_I64, 1, (int64_t[]){2}, dims);
    sv_exec_profile(x.exec, true);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.dim[0], 2);
    const int64_t expected[4] = {1, 3, 4, 5};
    assert_memory_equal(out.data, expected, sizeof(expected));
    dims[0] = 4, dims[1] = 1;
    out = fixture_run(&x);
    assert_int_equal(out.shape.dim[0], 4);
    assert_memory_equal(out.data, expected, sizeof(expected));
    fixture_stop(&x);
}

/* An empty vector is a value too. */
static void test_an_empty_value_joins_the_key(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 1, (int64_t[]){1});
    sv_value_id shape = graph_input(x.graph, "shape", SV_I64, 1, (int64_t[]){0});
    fixture_finish(&x, graph_node(x.graph, SV_OP_Reshape, 2, (sv_value_id[]){in, shape}, NULL));
    float data[1] = {3};
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){1}, data);
    fixture_bind(&x, 1, SV_I64, 1, (int64_t[]){0}, NULL);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.rank, 0);
    assert_float_equal(*(float *)out.data, 3.0f, 0);
    fixture_stop(&x);
}

/* A branch hands on an input whose value is known; a later segment reads it, from a plan that
 * another session has made from memory that is gone. */
static sv_graph *handing_on(fixture *x, const char *name, sv_value_id outer)
{
    sv_graph *body;
    sv_value_id captured;
    must(sv_graph_create(x->module, x->graph, name, &body));
    must(sv_graph_add_value(body, "captured", &captured));
    body->value[captured].outer = outer;
    must(sv_graph_add_output(body, captured));
    return body;
}

static void test_a_plan_keeps_the_values_it_was_made_for(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 1, (int64_t[]){6});
    sv_value_id shape = graph_input(x.graph, "shape", SV_I64, 1, (int64_t[]){2});
    sv_value_id which;
    uint32_t constant;
    bool yes = true;
    sv_tensor condition = tensor_of(SV_BOOL, 0, NULL, &yes);
    must(sv_module_add_constant(x.module, "which", &condition, &constant));
    must(sv_graph_add_constant(x.graph, constant, &which));
    sv_node *node;
    sv_value_id chosen = graph_node(x.graph, SV_OP_If, 1, &which, &node);
    const char *name[2] = {"then_branch", "else_branch"};
    for (int i = 0; i < 2; i++) {
        sv_graph **body = sv_arena_alloc(&x.module->arena, sizeof(*body));
        *body = handing_on(&x, name[i], shape);
        sv_attr attr = {.name = name[i], .kind = SV_ATTR_GRAPH, .count = 1, .u.graphs = body};
        must(sv_node_add_attr(x.module, node, &attr));
    }
    sv_value_id two = graph_node(x.graph, SV_OP_Reshape, 2, (sv_value_id[]){in, shape}, NULL);
    sv_value_id index = graph_node(x.graph, SV_OP_NonZero, 1, &two, NULL);
    fixture_finish(&x, graph_node(x.graph, SV_OP_Reshape, 2, (sv_value_id[]){index, chosen}, NULL));
    float data[6] = {0, 1, 0, 0, 0, 1}, later[6] = {1, 1, 1, 0, 0, 0};
    for (int round = 0; round < 2; round++) {
        int64_t *dims = malloc(2 * sizeof(*dims));
        dims[0] = 2, dims[1] = -1;
        fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){6}, round ? later : data);
        fixture_bind(&x, 1, SV_I64, 1, (int64_t[]){2}, dims);
        sv_tensor out = fixture_run(&x);
        assert_int_equal(out.shape.dim[0], 2);
        assert_int_equal(out.shape.dim[1], round ? 3 : 2);
        /* Another session, other memory. */
        sv_exec_destroy(x.exec);
        free(dims);
        must(sv_exec_create(x.compiled, x.team, 2, &x.exec));
    }
    fixture_stop(&x);
}

/* Exporters write branches for sizes that do not occur: x has no dimension 0 of size 1 to squeeze.
 */
static void test_a_wrong_branch_matters_when_it_is_taken(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 2, (int64_t[]){3, 2});
    sv_value_id which = graph_input(x.graph, "which", SV_BOOL, 0, NULL);
    sv_node *node;
    sv_value_id y = graph_node(x.graph, SV_OP_If, 1, &which, &node);
    const char *name[2] = {"then_branch", "else_branch"};
    for (int i = 0; i < 2; i++) {
        sv_graph **body = sv_arena_alloc(&x.module->arena, sizeof(*body));
        *body = handing_on(&x, name[i], in);
        sv_value_id axis;
        must(sv_graph_constant_i64(*body, (int64_t[]){0}, 1, false, &axis));
        if (i == 0) {
            (*body)->out[0] =
                graph_node(*body, SV_OP_Squeeze, 2, (sv_value_id[]){(*body)->out[0], axis}, NULL);
        }
        sv_attr attr = {.name = name[i], .kind = SV_ATTR_GRAPH, .count = 1, .u.graphs = body};
        must(sv_node_add_attr(x.module, node, &attr));
    }
    fixture_finish(&x, graph_node(x.graph, SV_OP_Neg, 1, &y, NULL));
    float data[6] = {1, 2, 3, 4, 5, 6};
    bool yes = false;
    fixture_bind(&x, 0, SV_F32, 2, (int64_t[]){3, 2}, data);
    fixture_bind(&x, 1, SV_BOOL, 0, NULL, &yes);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.rank, 2);
    assert_float_equal(((float *)out.data)[5], -6.0f, 0);
    yes = true;
    sv_status status = sv_exec_run(x.exec);
    assert_int_equal(sv_status_code(status), SV_CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(sv_status_message(status), "Squeeze"));
    sv_status_free(status);
    fixture_stop(&x);
}

/* Bytes of two values together pass 2^64: an error, not a small slab. */
static void test_sizes_that_overflow_together_are_refused(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_U8, 1, (int64_t[]){1});
    sv_value_id dims = graph_input(x.graph, "dims", SV_I64, 1, (int64_t[]){1});
    sv_value_id part[6], all = SV_NO_VALUE;
    for (int i = 0; i < 6; i++) {
        sv_value_id wide = graph_node(x.graph, SV_OP_Expand, 2, (sv_value_id[]){in, dims}, NULL);
        part[i] = graph_node(x.graph, SV_OP_BitwiseNot, 1, &wide, NULL);
    }
    for (int i = 5; i >= 0; i--) {
        all = i == 5 ? part[i]
                     : graph_node(x.graph, SV_OP_BitwiseOr, 2, (sv_value_id[]){part[i], all}, NULL);
    }
    fixture_finish(&x, all);
    uint8_t byte = 1;
    int64_t size = (int64_t)1 << 62;
    fixture_bind(&x, 0, SV_U8, 1, (int64_t[]){1}, &byte);
    fixture_bind(&x, 1, SV_I64, 1, (int64_t[]){1}, &size);
    sv_status status = sv_exec_run(x.exec);
    assert_int_equal(sv_status_code(status), SV_CODE_RESOURCE_EXHAUSTED);
    sv_status_free(status);
    fixture_stop(&x);
}

/* The residual's rows are as many as the result's by the model's word only. */
static void test_a_fused_operand_of_another_size_is_refused(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    x.module->n_symbol = 1;
    x.module->symbol = sv_arena_alloc_zero(&x.module->arena, sizeof(char *));
    sv_value_id a = graph_input(x.graph, "a", SV_F32, 2, (int64_t[]){-1, 2});
    sv_value_id r = graph_input(x.graph, "r", SV_F32, 2, (int64_t[]){-1, 2});
    sv_value_id w = graph_constant(x.graph, (float[]){1, 0, 0, 1}, 2, (int64_t[]){2, 2});
    sv_node *product;
    sv_value_id y = graph_node(x.graph, SV_OP_MatMul, 2, (sv_value_id[]){a, w}, &product);
    must(sv_node_add_input(x.module, product, r));
    sv_fused *add = sv_arena_array(&x.module->arena, 1, sizeof(*add));
    *add = (sv_fused){.op = SV_OP_Add, .operand = 2, .name = "add"};
    product->fused = add;
    product->n_fused = 1;
    fixture_finish(&x, y);
    float left[64] = {0}, *right = calloc(4, sizeof(*right));
    fixture_bind(&x, 0, SV_F32, 2, (int64_t[]){32, 2}, left);
    fixture_bind(&x, 1, SV_F32, 2, (int64_t[]){2, 2}, right);
    sv_status status = sv_exec_run(x.exec);
    assert_int_equal(sv_status_code(status), SV_CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(sv_status_message(status), "MatMul"));
    sv_status_free(status);
    right[0] = 5;
    fixture_bind(&x, 1, SV_F32, 2, (int64_t[]){1, 2}, right);
    sv_tensor out = fixture_run(&x);
    assert_float_equal(((float *)out.data)[62], 5.0f, 0);
    free(right);
    fixture_stop(&x);
}

/* A slope that does not broadcast to x. */
static void test_a_slope_of_another_size_is_refused(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    x.module->n_symbol = 2;
    x.module->symbol = sv_arena_alloc_zero(&x.module->arena, 2 * sizeof(char *));
    sv_value_id a = graph_input(x.graph, "a", SV_F32, 1, (int64_t[]){-1});
    sv_value_id s = graph_input(x.graph, "s", SV_F32, 1, (int64_t[]){-2});
    fixture_finish(&x, graph_node(x.graph, SV_OP_PRelu, 2, (sv_value_id[]){a, s}, NULL));
    float left[32] = {0}, *slope = calloc(3, sizeof(*slope));
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){32}, left);
    fixture_bind(&x, 1, SV_F32, 1, (int64_t[]){3}, slope);
    sv_status status = sv_exec_run(x.exec);
    assert_int_equal(sv_status_code(status), SV_CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(sv_status_message(status), "PRelu"));
    sv_status_free(status);
    free(slope);
    fixture_stop(&x);
}

/* "Any alignment is accepted." */
static void test_memory_of_any_alignment_is_accepted(void **state)
{
    (void)state;
    fixture x;
    fixture_start(&x);
    sv_value_id in = graph_input(x.graph, "x", SV_F32, 1, (int64_t[]){40});
    fixture_finish(&x, graph_node(x.graph, SV_OP_Neg, 1, &in, NULL));
    float data[40];
    char from[sizeof(data) + 1], to[sizeof(data) + 1];
    fill(data, 40, 5);
    memcpy(from + 1, data, sizeof(data));
    fixture_bind(&x, 0, SV_F32, 1, (int64_t[]){40}, from + 1);
    sv_exec_bind_output(x.exec, 0, to + 1, sizeof(data));
    for (int round = 0; round < 2; round++) {
        sv_tensor out = fixture_run(&x);
        assert_ptr_equal(out.data, to + 1);
        for (int i = 0; i < 40; i++) {
            float y;
            memcpy(&y, to + 1 + (size_t)i * sizeof(y), sizeof(y));
            assert_float_equal(y, -data[i], 0);
        }
        memset(to, 0, sizeof(to));
    }
    fixture_stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vector_meets_a_packed_matrix),
        cmocka_unit_test(test_a_product_does_not_lie_as_its_right_side),
        cmocka_unit_test(test_a_view_written_in_place_reaches_a_concatenation),
        cmocka_unit_test(test_a_scatter_reaches_a_concatenation),
        cmocka_unit_test(test_a_scatter_follows_a_convolution),
        cmocka_unit_test(test_shuffled_channels_lie_in_a_padded_input),
        cmocka_unit_test(test_a_value_asked_late_begins_the_run_again),
        cmocka_unit_test(test_an_empty_value_joins_the_key),
        cmocka_unit_test(test_a_plan_keeps_the_values_it_was_made_for),
        cmocka_unit_test(test_a_wrong_branch_matters_when_it_is_taken),
        cmocka_unit_test(test_sizes_that_overflow_together_are_refused),
        cmocka_unit_test(test_a_fused_operand_of_another_size_is_refused),
        cmocka_unit_test(test_a_slope_of_another_size_is_refused),
        cmocka_unit_test(test_memory_of_any_alignment_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
