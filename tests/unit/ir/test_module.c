/* Modules: operators' table, symbols, constants, attributes, names. */
#include "graphs.h"
#include "base/alloc.h"
#include "base/status.h"
#include "ir/names.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

static void every_operator_is_found(void **state)
{
    (void)state;
    for (int op = SV_OP_UNKNOWN + 1; op < SV_OP_COUNT; op++) {
        const sv_op_row *row = sv_op_get((sv_op)op);
        assert_int_equal(sv_op_find(row->domain, row->name), op);
        assert_in_range(row->since, 1, row->newest);
    }
    assert_int_equal(sv_op_find("", "Conv"), SV_OP_Conv);
    assert_int_equal(sv_op_find("", "Nonsense"), SV_OP_UNKNOWN);
    assert_int_equal(sv_op_find("ai.onnx.ml", "Conv"), SV_OP_UNKNOWN);
    assert_string_equal(sv_op_get(SV_OP_UNKNOWN)->name, "");
    assert_string_equal(sv_op_get((sv_op)100000)->name, "");
}

static void symbols_are_equal_by_name(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    int64_t batch, other, again, fresh;
    CHECK_OK(sv_module_symbol(module, "batch", &batch));
    CHECK_OK(sv_module_symbol(module, "seq", &other));
    CHECK_OK(sv_module_symbol(module, NULL, &fresh));
    CHECK_OK(sv_module_symbol(module, "batch", &again));
    assert_true(batch < 0 && batch == again && other != batch && fresh != batch && fresh != other);
    assert_string_equal(sv_module_symbol_name(module, batch), "batch");
    assert_null(sv_module_symbol_name(module, fresh));
    assert_null(sv_module_symbol_name(module, -100));
    assert_null(sv_module_symbol_name(module, 3));
    sv_module_destroy(module);
}

static void derived_constants_have_value_and_hash(void **state)
{
    (void)state;
    sv_value_id x, v;
    sv_module *module = make_module(&x);
    const float data[6] = {1, 2, 3, 4, 5, 6}, scale[3] = {10, 100, 1000}, shift[3] = {0, 1, 2};
    CHECK_OK(sv_graph_constant_f32(main_graph(module), data, 6, false, &v));
    sv_constant *constant = &module->constant[main_graph(module)->value[v].constant];
    uint64_t plain = sv_constant_hash(constant);
    assert_int_not_equal(plain, 0);
    int64_t dim[2] = {2, 3};
    constant->source.shape = sv_shape_make(2, dim);
    constant->axis = 1;
    constant->scale = scale;
    constant->hash = 0;
    uint64_t scaled = sv_constant_hash(constant);
    constant->shift = shift;
    constant->hash = 0;
    uint64_t shifted = sv_constant_hash(constant);
    assert_true(plain != scaled && scaled != shifted && plain != shifted);
    sv_tensor value;
    CHECK_OK(sv_constant_value(constant, &module->arena, &value));
    const float expected[6] = {10, 201, 3002, 40, 501, 6002};
    assert_memory_equal(value.data, expected, sizeof expected);
    sv_module_destroy(module);
}

static void attributes_are_found_by_kind(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_node *node;
    CHECK_OK(sv_graph_add_node(main_graph(module), SV_OP_Conv, "c", 1, 1, &node));
    const int64_t pads[4] = {1, 2, 3, 4};
    CHECK_OK(sv_node_set_int(module, node, "group", 3));
    CHECK_OK(sv_node_set_float(module, node, "alpha", 0.5f));
    CHECK_OK(sv_node_set_text(module, node, "auto_pad", "SAME_UPPER"));
    CHECK_OK(sv_node_set_ints(module, node, "pads", pads, 4));
    CHECK_OK(sv_node_set_int(module, node, "group", 4));
    assert_int_equal(node->n_attr, 4);
    assert_int_equal(sv_node_int(node, "group", 1), 4);
    assert_int_equal(sv_node_int(node, "alpha", 7), 7);
    assert_int_equal(sv_node_int(node, "absent", 9), 9);
    assert_true(sv_node_float(node, "alpha", 0) == 0.5f);
    assert_string_equal(sv_node_text(node, "auto_pad", "NOTSET"), "SAME_UPPER");
    uint32_t count;
    assert_memory_equal(sv_node_ints(node, "pads", &count), pads, sizeof pads);
    assert_int_equal(count, 4);
    assert_null(sv_node_ints(node, "strides", &count));
    assert_int_equal(count, 0);
    assert_null(sv_node_graph(node, "body"));
    sv_module_destroy(module);
}

static void names_keep_what_was_put(void **state)
{
    (void)state;
    sv_names names;
    sv_names_init(&names, NULL);
    char text[1000][8];
    assert_int_equal(sv_names_find(&names, "a", 1, 77), 77);
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(text[i], sizeof text[i], "n%u", i);
        CHECK_OK(sv_names_put(&names, text[i], strlen(text[i]), i));
    }
    CHECK_OK(sv_names_put(&names, "n5", 2, 500));
    assert_int_equal(names.count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(sv_names_find(&names, text[i], strlen(text[i]), 77), i == 5 ? 500 : i);
    sv_names_clear(&names);
    assert_int_equal(sv_names_find(&names, "n5", 2, 77), 77);
    sv_names_release(&names);
}

static sv_status build_something(const sv_allocator *allocator)
{
    sv_module *module;
    SV_TRY(sv_module_create(allocator, "test", &module));
    sv_status status = SV_OK;
    sv_graph *graph;
    sv_value_id x, one = 1;
    sv_node *node;
    int64_t symbol, axes[2] = {0, 1};
    SV_TRY_OUT(sv_module_symbol(module, "batch", &symbol));
    SV_TRY_OUT(sv_graph_create(module, NULL, "g", &graph));
    SV_TRY_OUT(sv_graph_add_value(graph, "x", &x));
    SV_TRY_OUT(sv_graph_constant_i64(graph, axes, 2, false, &one));
    for (int i = 0; i < 50; i++) {
        SV_TRY_OUT(sv_graph_add_node(graph, SV_OP_Relu, "relu", 1, 1, &node));
        node->in[0] = x;
        SV_TRY_OUT(sv_node_set_ints(module, node, "axes", axes, 2));
        x = node->out[0];
    }
    SV_TRY_OUT(sv_graph_add_output(graph, x));
    SV_TRY_OUT(sv_graph_normalize(graph));
    SV_TRY_OUT(sv_module_verify(module));
out:
    sv_module_destroy(module);
    return status;
}

static void failed_allocations_are_reported(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    bool done = false;
    for (size_t at = 1; !done; at++) {
        sv_counting_allocator_init(&counting, NULL);
        counting.fail_at = at;
        sv_status status = build_something(&counting.allocator);
        done = counting.calls < at;
        /* An arena that cannot have a large block tries a small one: not every failure shows. */
        if (status) assert_int_equal(sv_status_code(status), SV_CODE_RESOURCE_EXHAUSTED);
        sv_status_free(status);
        assert_int_equal(counting.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_is_found),
        cmocka_unit_test(symbols_are_equal_by_name),
        cmocka_unit_test(derived_constants_have_value_and_hash),
        cmocka_unit_test(attributes_are_found_by_kind),
        cmocka_unit_test(names_keep_what_was_put),
        cmocka_unit_test(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
