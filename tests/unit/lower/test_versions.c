/* Old operator versions keep their meaning: each is lowered, and its newest form evaluated. */
#include "old.h"

#include "lower/lower.h"

#include <math.h>

#define DIMS(...)                                                                                  \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void set_ints(old *o, const char *name, int n, const int64_t *v)
{
    CHECK_OK(sv_node_set_ints(o->module, o->node, name, v, (uint32_t)n));
}

static void set_int(old *o, const char *name, int64_t v)
{
    CHECK_OK(sv_node_set_int(o->module, o->node, name, v));
}

static void set_float(old *o, const char *name, float v)
{
    CHECK_OK(sv_node_set_float(o->module, o->node, name, v));
}

static void set_text(old *o, const char *name, const char *v)
{
    CHECK_OK(sv_node_set_text(o->module, o->node, name, v));
}

/* ---- attributes that became inputs ---------------------------------------------------------- */

static void axes_become_inputs(void **state)
{
    (void)state;
    old o;
    old_init(&o, SV_OP_Unsqueeze, 11, 1);
    old_input(&o, 0, DIMS(2));
    set_ints(&o, "axes", DIMS(0, 2));
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 2, 1), (float[]){1, 2});
    old_release(&o);

    old_init(&o, SV_OP_Squeeze, 1, 1);
    old_input(&o, 0, DIMS(1, 2, 1));
    set_ints(&o, "axes", DIMS(0));
    old_lower(&o);
    old_expect(&o, 0, DIMS(2, 1), (float[]){1, 2});
    old_release(&o);

    old_init(&o, SV_OP_ReduceMean, 17, 1);
    old_input(&o, 0, DIMS(2, 2));
    set_ints(&o, "axes", DIMS(1));
    set_int(&o, "keepdims", 0);
    old_lower(&o);
    old_expect(&o, 0, DIMS(2), (float[]){1.5f, 3.5f});
    old_release(&o);

    old_init(&o, SV_OP_ReduceSum, 11, 1);
    old_input(&o, 0, DIMS(2, 2));
    set_ints(&o, "axes", 0, (int64_t[]){0});
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 1), (float[]){10});
    old_release(&o);
}

static void slices_splits_and_pads_take_inputs(void **state)
{
    (void)state;
    old o;
    old_init(&o, SV_OP_Slice, 1, 1);
    old_input(&o, 0, DIMS(2, 3));
    set_ints(&o, "starts", DIMS(1));
    set_ints(&o, "ends", DIMS(1000));
    set_ints(&o, "axes", DIMS(1));
    old_lower(&o);
    old_expect(&o, 0, DIMS(2, 2), (float[]){2, 3, 5, 6});
    old_release(&o);

    old_init(&o, SV_OP_Pad, 2, 1);
    old_input(&o, 0, DIMS(2));
    set_ints(&o, "pads", DIMS(1, 2));
    set_float(&o, "value", 9);
    old_lower(&o);
    old_expect(&o, 0, DIMS(5), (float[]){9, 1, 2, 9, 9});
    old_release(&o);

    old_init(&o, SV_OP_Pad, 1, 1);
    old_input(&o, 0, DIMS(2));
    set_ints(&o, "paddings", DIMS(1, 0));
    old_lower(&o);
    old_expect(&o, 0, DIMS(3), (float[]){0, 1, 2});
    old_release(&o);

    old_init(&o, SV_OP_Reshape, 1, 1);
    old_input(&o, 0, DIMS(2, 3));
    set_ints(&o, "shape", DIMS(3, -1));
    old_lower(&o);
    old_expect(&o, 0, DIMS(3, 2), (float[]){1, 2, 3, 4, 5, 6});
    old_release(&o);
}

static void splits_say_how_many(void **state)
{
    (void)state;
    for (int sized = 0; sized < 2; sized++) {
        old o;
        sv_value_id second;
        old_init(&o, SV_OP_Split, 2, 1);
        old_input(&o, 0, DIMS(4));
        if (sized) set_ints(&o, "split", DIMS(1, 3));
        CHECK_OK(sv_graph_add_value(o.graph, "", &second));
        o.node->out = (sv_value_id[]){o.node->out[0], second};
        o.node->n_out = 2;
        CHECK_OK(sv_graph_add_output(o.graph, second));
        old_lower(&o);
        if (sized) {
            old_expect(&o, 0, DIMS(1), (float[]){1});
            old_expect(&o, 1, DIMS(3), (float[]){2, 3, 4});
        } else {
            old_expect(&o, 0, DIMS(2), (float[]){1, 2});
            old_expect(&o, 1, DIMS(2), (float[]){3, 4});
        }
        old_release(&o);
    }
}

static void clip_takes_its_bounds_in_the_inputs_type(void **state)
{
    (void)state;
    old o;
    old_init(&o, SV_OP_Clip, 6, 1);
    old_input(&o, 0, DIMS(4));
    set_float(&o, "min", 2);
    set_float(&o, "max", 3);
    old_lower(&o);
    old_expect(&o, 0, DIMS(4), (float[]){2, 2, 3, 3});
    assert_int_equal(o.graph->n_node, 1);
    old_release(&o);

    /* Of a value of unknown type the bound is cast to it. */
    old_init(&o, SV_OP_Clip, 6, 1);
    old_input(&o, 0, DIMS(2));
    o.graph->value[o.node->in[0]].type.tensor.dtype = SV_DTYPE_NONE;
    set_float(&o, "max", 1);
    CHECK_OK(sv_lower_versions(o.module));
    assert_int_equal(o.graph->n_node, 2);
    assert_int_equal(o.graph->node[0]->op, SV_OP_CastLike);
    assert_int_equal(o.graph->node[1]->in[1], SV_NO_VALUE);
    old_release(&o);
}

/* ---- meanings that changed --------------------------------------------------------------- */

/* [2, 2, 2] as two rows of four. */
static void softmax_was_of_matrices(void **state)
{
    (void)state;
    float expected[8], sum = 0;
    for (int i = 0; i < 4; i++)
        sum += expf((float)i);
    for (int i = 0; i < 8; i++)
        expected[i] = expf((float)(i % 4)) / sum;
    old o;
    old_init(&o, SV_OP_Softmax, 11, 1);
    old_input(&o, 0, DIMS(2, 2, 2));
    old_lower(&o);
    assert_int_equal(o.graph->n_node, 4);
    old_expect(&o, 0, DIMS(2, 2, 2), expected);
    old_release(&o);
    /* Along the last axis both say the same. */
    old_init(&o, SV_OP_LogSoftmax, 1, 1);
    old_input(&o, 0, DIMS(1, 2));
    old_lower(&o);
    assert_int_equal(o.graph->n_node, 1);
    float log_sum = logf(1 + expf(1));
    old_expect(&o, 0, DIMS(1, 2), (float[]){-log_sum, 1 - log_sum});
    old_release(&o);
    /* From 13 on it is one axis. */
    old_init(&o, SV_OP_Softmax, 13, 1);
    old_input(&o, 0, DIMS(2, 2, 2));
    old_lower(&o);
    assert_int_equal(o.graph->n_node, 1);
    old_release(&o);
}

static void broadcasting_began_at_an_axis(void **state)
{
    (void)state;
    static const float b[2] = {10, 20};
    old o;
    old_init(&o, SV_OP_Add, 6, 2);
    old_input(&o, 0, DIMS(2, 2, 2));
    old_constant(&o, 1, DIMS(2), b);
    set_int(&o, "broadcast", 1);
    set_int(&o, "axis", 1);
    old_lower(&o);
    old_expect(&o, 0, DIMS(2, 2, 2), (float[]){11, 12, 23, 24, 15, 16, 27, 28});
    assert_int_equal(o.graph->node[o.graph->n_node - 1]->n_attr, 0);
    old_release(&o);

    old_init(&o, SV_OP_Mul, 6, 2);
    old_input(&o, 0, DIMS(2, 2));
    old_constant(&o, 1, DIMS(2), b);
    set_int(&o, "broadcast", 1);
    old_lower(&o);
    old_expect(&o, 0, DIMS(2, 2), (float[]){10, 40, 30, 80});
    old_release(&o);

    old_init(&o, SV_OP_PRelu, 6, 2);
    old_input(&o, 0, DIMS(1, 2, 1, 2));
    old_constant(&o, 1, DIMS(2), b);
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 2, 1, 2), (float[]){1, 2, 3, 4});
    old_release(&o);
}

static void broadcasting_needs_ranks(void **state)
{
    (void)state;
    static const float b[2] = {10, 20};
    old o;
    old_init(&o, SV_OP_Add, 6, 2);
    old_input(&o, 0, DIMS(2, 2, 2));
    old_constant(&o, 1, DIMS(2), b);
    o.graph->value[o.node->in[0]].type.tensor.shape = sv_shape_unknown();
    set_int(&o, "broadcast", 1);
    set_int(&o, "axis", 1);
    CHECK_FAILS(sv_lower_versions(o.module), SV_CODE_UNIMPLEMENTED, "node 'n' (Add, version 6)");
    set_int(&o, "broadcast", 1);
    set_int(&o, "axis", 3);
    o.graph->value[o.node->in[0]].type.tensor.shape = sv_shape_make(DIMS(2, 2, 2));
    CHECK_FAILS(sv_lower_versions(o.module), SV_CODE_INVALID_ARGUMENT, "does not fit into rank 3");
    old_release(&o);
}

/* The rank comes from an operator before it. */
static void ranks_are_inferred_on_the_way(void **state)
{
    (void)state;
    static const float b[2] = {10, 20};
    old o;
    sv_node *relu;
    old_init(&o, SV_OP_Add, 6, 2);
    old_input(&o, 0, DIMS(1, 2, 2));
    old_constant(&o, 1, DIMS(2), b);
    CHECK_OK(sv_graph_add_node(o.graph, SV_OP_Relu, "relu", 1, 1, &relu));
    relu->version = 6;
    relu->in[0] = o.node->in[0];
    o.node->in[0] = relu->out[0];
    set_int(&o, "broadcast", 1);
    set_int(&o, "axis", 1);
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 2, 2), (float[]){11, 12, 23, 24});
    old_release(&o);
}

static void upsample_becomes_resize(void **state)
{
    (void)state;
    static const float scales[4] = {1, 1, 1, 2};
    old o;
    for (int32_t version = 1; version <= 9; version += 1) {
        if (version != 1 && version != 7 && version != 9) continue;
        old_init(&o, SV_OP_Upsample, version, version == 9 ? 2 : 1);
        old_input(&o, 0, DIMS(1, 1, 1, 2));
        if (version == 1) {
            set_float(&o, "height_scale", 1);
            set_float(&o, "width_scale", 2);
        } else if (version == 7) {
            sv_attr attr = {
                .name = "scales", .kind = SV_ATTR_FLOATS, .count = 4, .u.floats = scales};
            CHECK_OK(sv_node_add_attr(o.module, o.node, &attr));
        } else {
            old_constant(&o, 1, DIMS(4), scales);
        }
        set_text(&o, "mode", "nearest");
        old_lower(&o);
        assert_int_equal(o.graph->node[0]->op, SV_OP_Resize);
        old_expect(&o, 0, DIMS(1, 1, 1, 4), (float[]){1, 1, 2, 2});
        old_release(&o);
    }
    old_init(&o, SV_OP_Resize, 10, 2);
    old_input(&o, 0, DIMS(1, 1, 1, 2));
    old_constant(&o, 1, DIMS(4), scales);
    set_text(&o, "mode", "linear");
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 1, 1, 4), (float[]){1, 1.5f, 2, 2});
    old_release(&o);
}

static void batch_normalization_by_place_is_arithmetic(void **state)
{
    (void)state;
    old o;
    old_init(&o, SV_OP_BatchNormalization, 7, 5);
    old_input(&o, 0, DIMS(1, 1, 2));
    old_constant(&o, 1, DIMS(1, 2), (float[]){2, 3});
    old_constant(&o, 2, DIMS(1, 2), (float[]){10, 20});
    old_constant(&o, 3, DIMS(1, 2), (float[]){0, 1});
    old_constant(&o, 4, DIMS(1, 2), (float[]){3, 15});
    set_float(&o, "epsilon", 1);
    set_int(&o, "spatial", 0);
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 1, 2), (float[]){11, 20.75f});
    old_release(&o);
}

static void group_normalization_repeats_its_groups(void **state)
{
    (void)state;
    old o;
    old_init(&o, SV_OP_GroupNormalization, 18, 3);
    old_input(&o, 0, DIMS(1, 4, 1));
    old_constant(&o, 1, DIMS(2), (float[]){1, 10});
    old_constant(&o, 2, DIMS(2), (float[]){0, 100});
    set_int(&o, "num_groups", 2);
    set_float(&o, "epsilon", 0);
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 4, 1), (float[]){-1, 1, 90, 110});
    old_release(&o);
}

static void training_outputs_are_refused(void **state)
{
    (void)state;
    old o;
    sv_value_id mean;
    old_init(&o, SV_OP_BatchNormalization, 9, 5);
    old_input(&o, 0, DIMS(1, 1, 2));
    for (uint32_t i = 1; i < 5; i++)
        old_constant(&o, i, DIMS(1), (float[]){1});
    CHECK_OK(sv_graph_add_value(o.graph, "", &mean));
    o.node->out = (sv_value_id[]){o.node->out[0], mean};
    o.node->n_out = 2;
    CHECK_OK(sv_graph_add_output(o.graph, mean));
    CHECK_OK(sv_graph_normalize(o.graph));
    CHECK_FAILS(sv_lower_versions(o.module), SV_CODE_UNIMPLEMENTED, "training mode");
    o.graph->n_out = 1;
    old_lower(&o);
    assert_int_equal(o.graph->node[0]->n_out, 1);
    old_release(&o);
}

/* ---- names, types, defaults -------------------------------------------------------------- */

static void small_changes_are_made(void **state)
{
    (void)state;
    old o;
    uint32_t count;
    old_init(&o, SV_OP_Cast, 1, 1);
    old_input(&o, 0, DIMS(2));
    set_text(&o, "to", "FLOAT");
    old_lower(&o);
    old_expect(&o, 0, DIMS(2), (float[]){1, 2});
    old_release(&o);

    old_init(&o, SV_OP_Cast, 1, 1);
    old_input(&o, 0, DIMS(2));
    set_text(&o, "to", "FLOATS");
    CHECK_FAILS(sv_lower_versions(o.module), SV_CODE_INVALID_ARGUMENT, "'FLOATS' is no element");
    old_release(&o);

    old_init(&o, SV_OP_Concat, 1, 2);
    old_input(&o, 0, DIMS(1, 1));
    old_input(&o, 1, DIMS(1, 1));
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 2), (float[]){1, 1});
    old_release(&o);

    old_init(&o, SV_OP_Relu, 1, 1);
    old_input(&o, 0, DIMS(1));
    set_ints(&o, "consumed_inputs", DIMS(0));
    old_lower(&o);
    assert_null(sv_node_ints(o.graph->node[0], "consumed_inputs", &count));
    old_release(&o);

    old_init(&o, SV_OP_Selu, 1, 1);
    old_input(&o, 0, DIMS(1));
    old_lower(&o);
    old_expect(&o, 0, DIMS(1), (float[]){1.0507f});
    old_release(&o);

    old_init(&o, SV_OP_GlobalLpPool, 1, 1);
    old_input(&o, 0, DIMS(1, 1, 2));
    set_float(&o, "p", 1);
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 1, 1), (float[]){3});
    old_release(&o);

    old_init(&o, SV_OP_Tile, 1, 3);
    old_input(&o, 0, DIMS(1, 2));
    old_constant(&o, 1, 0, NULL, (float[]){2});
    old_constant(&o, 2, 0, NULL, (float[]){1});
    old_lower(&o);
    old_expect(&o, 0, DIMS(1, 4), (float[]){1, 2, 1, 2});
    old_release(&o);
}

static void constant_nodes_become_constants(void **state)
{
    (void)state;
    old o;
    static const float floats[2] = {1.5f, 2.5f};
    const sv_attr attrs[] = {
        {.name = "value_float", .kind = SV_ATTR_FLOAT, .u.f = 3.5f},
        {.name = "value_floats", .kind = SV_ATTR_FLOATS, .count = 2, .u.floats = floats},
    };
    for (size_t i = 0; i < 2; i++) {
        old_init(&o, SV_OP_Constant, 12, 0);
        CHECK_OK(sv_node_add_attr(o.module, o.node, &attrs[i]));
        old_lower(&o);
        assert_int_equal(o.graph->n_node, 0);
        if (i == 0)
            old_expect(&o, 0, 0, NULL, (float[]){3.5f});
        else
            old_expect(&o, 0, DIMS(2), floats);
        old_release(&o);
    }
    old_init(&o, SV_OP_Constant, 12, 0);
    CHECK_FAILS(sv_lower_versions(o.module), SV_CODE_INVALID_ARGUMENT, "no attribute with a value");
    old_release(&o);
}

/* Scan of opset 8 over a batch: a scan over the batch around the scan over time. */
static void old_scans_are_nested(void **state)
{
    (void)state;
    old o;
    sv_graph **body;
    sv_value_id captured;
    old_init(&o, SV_OP_Scan, 8, 3);
    old_input(&o, 1, DIMS(1, 2));
    old_input(&o, 2, DIMS(1, 3, 2));
    body = sv_arena_array(&o.module->arena, 1, sizeof(sv_graph *));
    CHECK_OK(sv_graph_create(o.module, o.graph, "step", &body[0]));
    CHECK_OK(sv_graph_constant_f32(o.graph, (float[]){1, 2}, 2, false, &captured));
    sv_value_id v[3];
    sv_node *sum, *more;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sv_graph_add_value(body[0], "", &v[i]));
    CHECK_OK(sv_graph_add_input(body[0], v[0]));
    CHECK_OK(sv_graph_add_input(body[0], v[1]));
    body[0]->value[v[2]].outer = captured;
    CHECK_OK(sv_graph_add_node(body[0], SV_OP_Add, "sum", 2, 1, &sum));
    CHECK_OK(sv_graph_add_node(body[0], SV_OP_Add, "more", 2, 1, &more));
    memcpy(sum->in, v, 2 * sizeof *v);
    more->in[0] = sum->out[0];
    more->in[1] = v[2];
    CHECK_OK(sv_graph_add_output(body[0], more->out[0]));
    sv_attr attr = {.name = "body", .kind = SV_ATTR_GRAPH, .u.graphs = body};
    CHECK_OK(sv_node_add_attr(o.module, o.node, &attr));
    set_int(&o, "num_scan_inputs", 1);
    CHECK_OK(sv_graph_normalize(o.graph));
    CHECK_OK(sv_lower_versions(o.module));
    CHECK_OK(sv_module_verify(o.module));
    const sv_node *outer = o.graph->node[0];
    assert_int_equal(outer->n_in, 2);
    assert_int_equal(sv_node_int(outer, "num_scan_inputs", 0), 2);
    const sv_graph *batch = sv_node_graph(outer, "body");
    assert_int_equal(sv_node_int(batch->node[0], "num_scan_inputs", 0), 1);
    assert_ptr_equal(sv_node_graph(batch->node[0], "body"), body[0]);
    assert_ptr_equal(body[0]->parent, batch);
    assert_int_equal(batch->value[body[0]->value[v[2]].outer].outer, captured);
    old_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_become_inputs),
        cmocka_unit_test(slices_splits_and_pads_take_inputs),
        cmocka_unit_test(splits_say_how_many),
        cmocka_unit_test(clip_takes_its_bounds_in_the_inputs_type),
        cmocka_unit_test(softmax_was_of_matrices),
        cmocka_unit_test(broadcasting_began_at_an_axis),
        cmocka_unit_test(broadcasting_needs_ranks),
        cmocka_unit_test(ranks_are_inferred_on_the_way),
        cmocka_unit_test(upsample_becomes_resize),
        cmocka_unit_test(batch_normalization_by_place_is_arithmetic),
        cmocka_unit_test(group_normalization_repeats_its_groups),
        cmocka_unit_test(training_outputs_are_refused),
        cmocka_unit_test(small_changes_are_made),
        cmocka_unit_test(constant_nodes_become_constants),
        cmocka_unit_test(old_scans_are_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
