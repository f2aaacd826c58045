/* Damaged models: each gets an error that says what is wrong and where, and leaves
 * nothing behind. */
#include "model.h"

#include "base/alloc.h"

#include <stdio.h>

/* ---- models with one thing wrong: what is appended to a graph that is otherwise good ------- */

static const int64_t two[1] = {2}, huge[3] = {(int64_t)1 << 31, (int64_t)1 << 31, (int64_t)1 << 31};

static void unknown_input(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Relu", "ghost", "o");
}
static void own_output(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Relu", "o", "o");
    put_value(t, GRAPH_OUTPUT, "o", 0, 0, NULL);
}
static void two_outputs(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Split", "x", "o o");
}
static void output_is_input(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Relu", "x", "x");
}
static void output_is_initializer(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Relu", "x", "w");
}
static void output_again(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Relu", "x", "xw");
}
static void unknown_output(sv_text *t)
{
    put_value(t, GRAPH_OUTPUT, "ghost", 0, 0, NULL);
}
static void input_twice(sv_text *t)
{
    put_value(t, GRAPH_INPUT, "x", SV_F32, -1, NULL);
}
static void nameless_input(sv_text *t)
{
    put_value(t, GRAPH_INPUT, "", SV_F32, -1, NULL);
}
static void empty_input(sv_text *t)
{
    sv_pb_put_bytes(t, GRAPH_INPUT, "", 0);
}
static void input_not_message(sv_text *t)
{
    sv_pb_put_int(t, GRAPH_INPUT, 5);
}
static void node_not_message(sv_text *t)
{
    sv_pb_put_float(t, GRAPH_NODE, 1);
}
static void empty_node(sv_text *t)
{
    sv_pb_put_bytes(t, GRAPH_NODE, "", 0);
}
static void name_not_text(sv_text *t)
{
    sv_pb_put_int(t, GRAPH_NAME, 1);
}
static void nul_in_name(sv_text *t)
{
    sv_pb_put_bytes(t, GRAPH_NAME, "a\0b", 3);
}
static void cycle(sv_text *t)
{
    put_node(t, GRAPH_NODE, "Add", "x p", "q");
    put_node(t, GRAPH_NODE, "Relu", "q", "p");
    put_value(t, GRAPH_OUTPUT, "p", 0, 0, NULL);
}
static void initializer_twice(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "w", SV_F32, 1, two, "12345678", 8);
}
static void nameless_initializer(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "", SV_F32, 1, two, "12345678", 8);
}
static void short_initializer(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 1, two, "1234567", 7);
}
static void long_initializer(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 1, two, "123456789", 9);
}
static void overflowing_initializer(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 3, huge, "", 0);
}
static void claiming_initializer(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 1, (int64_t[]){1 << 30}, "", 0);
}
static void negative_dim(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 1, (int64_t[]){-1}, "1234", 4);
}
static void high_rank(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", SV_F32, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, "1234",
               4);
}
static void bad_dtype(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", 99, 1, two, "12345678", 8);
}
static void no_dtype(sv_text *t)
{
    put_tensor(t, GRAPH_INITIALIZER, "t", 0, 1, two, "12345678", 8);
}
static void external_without_folder(sv_text *t)
{
    put_external(t, GRAPH_INITIALIZER, "t", 2, "side.bin", NULL, NULL);
}
static void default_of_other_type(sv_text *t)
{
    put_value(t, GRAPH_INPUT, "w", SV_I64, 2, (int64_t[]){2, 3});
}
static void default_twice(sv_text *t)
{
    put_value(t, GRAPH_INPUT, "w", SV_F32, -1, NULL);
    put_value(t, GRAPH_INPUT, "w", SV_F32, -1, NULL);
}
static void value_of_high_rank(sv_text *t)
{
    put_value(t, GRAPH_VALUE_INFO, "sum", SV_F32, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1});
}
static void value_of_bad_dtype(sv_text *t)
{
    put_value(t, GRAPH_VALUE_INFO, "sum", 99, -1, NULL);
}
static void value_of_negative_dtype(sv_text *t)
{
    put_value(t, GRAPH_VALUE_INFO, "sum", -1, -1, NULL);
}
static void foreign_domain(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "Relu", "x", "o");
    sv_pb_put_text(t, NODE_DOMAIN, "nobody");
    sv_pb_end(t, node);
}
static void attribute_twice(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "Relu", "x", "o");
    put_int_attr(t, "a", 1);
    put_int_attr(t, "a", 1);
    sv_pb_end(t, node);
}
static void nameless_attribute(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "Relu", "x", "o");
    put_int_attr(t, "", 1);
    sv_pb_end(t, node);
}
static void many_attributes(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "Relu", "x", "o");
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        put_int_attr(t, name, 1);
    }
    sv_pb_end(t, node);
}

/* A node with one attribute that is written by hand. */
static void put_odd_attribute(sv_text *t, int type, uint32_t number, const void *data, size_t size)
{
    size_t node = begin_node(t, GRAPH_NODE, "Relu", "x", "o");
    size_t attr = sv_pb_begin(t, NODE_ATTRIBUTE);
    sv_pb_put_text(t, ATTR_NAME, "odd");
    if (type) sv_pb_put_int(t, ATTR_TYPE, type);
    if (number) sv_pb_put_bytes(t, number, data, size);
    sv_pb_end(t, attr);
    sv_pb_end(t, node);
}
static void attribute_of_no_kind(sv_text *t)
{
    put_odd_attribute(t, 0, 0, NULL, 0);
}
static void attribute_of_kind_99(sv_text *t)
{
    put_odd_attribute(t, 99, 0, NULL, 0);
}
static void attribute_without_graph(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_GRAPH, 0, NULL, 0);
}
static void attribute_without_tensor(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_TENSOR, 0, NULL, 0);
}
static void float_of_bytes(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_FLOAT, ATTR_F, "1234", 4);
}
static void int_of_bytes(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_INT, ATTR_I, "1", 1);
}
static void floats_cut(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_FLOATS, ATTR_FLOATS, "12345", 5);
}
static void ints_cut(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_INTS, ATTR_INTS, "\1\x80\x80", 3);
}
static void tensor_cut(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_TENSOR, ATTR_T, "\x08\x80", 2);
}
static void graph_cut(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_GRAPH, ATTR_G, "\x0a\x05\x0a", 3);
}
static void type_cut(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_TYPE, ATTR_TP, "\x0a\x7f", 2);
}
static void tensor_with_group(sv_text *t)
{
    put_odd_attribute(t, SV_ATTR_TENSOR, ATTR_T, "\x0b", 1);
}

/* Graphs in graphs in graphs. */
static void put_nest(sv_text *t, int depth)
{
    if (depth == 0) return;
    size_t node = begin_node(t, GRAPH_NODE, "If", "c", "");
    size_t attr = sv_pb_begin(t, NODE_ATTRIBUTE);
    sv_pb_put_text(t, ATTR_NAME, "then_branch");
    sv_pb_put_int(t, ATTR_TYPE, SV_ATTR_GRAPH);
    size_t graph = sv_pb_begin(t, ATTR_G);
    put_nest(t, depth - 1);
    sv_pb_end(t, graph);
    sv_pb_end(t, attr);
    sv_pb_end(t, node);
}
static void deep_graphs(sv_text *t)
{
    put_nest(t, 50);
}

static void put_types(sv_text *t, int depth)
{
    if (depth == 0) return;
    size_t sequence = sv_pb_begin(t, TYPE_SEQUENCE);
    size_t element = sv_pb_begin(t, ELEMENT_TYPE);
    put_types(t, depth - 1);
    sv_pb_end(t, element);
    sv_pb_end(t, sequence);
}
static void put_typed_input(sv_text *t, uint32_t number, int depth)
{
    size_t value = sv_pb_begin(t, GRAPH_INPUT);
    sv_pb_put_text(t, VALUE_INFO_NAME, "deep");
    size_t type = sv_pb_begin(t, VALUE_INFO_TYPE);
    if (depth)
        put_types(t, depth);
    else
        sv_pb_put_bytes(t, number, "", 0);
    sv_pb_end(t, type);
    sv_pb_end(t, value);
}
static void deep_types(sv_text *t)
{
    put_typed_input(t, 0, 40);
}
static void opaque_type(sv_text *t)
{
    put_typed_input(t, TYPE_OPAQUE, 0);
}
static void sparse_type(sv_text *t)
{
    put_typed_input(t, TYPE_SPARSE_TENSOR, 0);
}

/* Sparse tensors of two values in [2, 3]; `last` is the last index. */
static void put_sparse(sv_text *t, int64_t last, int64_t count, bool with_indices, int64_t dim)
{
    size_t sparse = sv_pb_begin(t, GRAPH_SPARSE_INITIALIZER);
    int64_t indices[2] = {0, last};
    put_tensor(t, SPARSE_VALUES, "s", SV_F32, 1, two, "12345678", 8);
    if (with_indices)
        put_tensor(t, SPARSE_INDICES, "", SV_I64, 1, &count, indices, 8 * (size_t)count);
    sv_pb_put_int(t, SPARSE_DIMS, dim);
    sv_pb_put_int(t, SPARSE_DIMS, 3);
    sv_pb_end(t, sparse);
}
static void sparse_index_high(sv_text *t)
{
    put_sparse(t, 6, 2, true, 2);
}
static void sparse_index_negative(sv_text *t)
{
    put_sparse(t, -1, 2, true, 2);
}
static void sparse_few_indices(sv_text *t)
{
    put_sparse(t, 1, 1, true, 2);
}
static void sparse_no_indices(sv_text *t)
{
    put_sparse(t, 1, 2, false, 2);
}
static void sparse_overflow(sv_text *t)
{
    put_sparse(t, 1, 2, true, INT64_MAX / 2);
}
static void sparse_negative_dim(sv_text *t)
{
    put_sparse(t, 1, 2, true, -2);
}
static void sparse_beyond_budget(sv_text *t)
{
    put_sparse(t, 1, 2, true, (int64_t)1 << 36);
}

static void branch_reads_unknown(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "If", "c", "o");
    size_t attr = sv_pb_begin(t, NODE_ATTRIBUTE);
    sv_pb_put_text(t, ATTR_NAME, "then_branch");
    sv_pb_put_int(t, ATTR_TYPE, SV_ATTR_GRAPH);
    size_t graph = sv_pb_begin(t, ATTR_G);
    put_node(t, GRAPH_NODE, "Relu", "ghost", "i");
    put_value(t, GRAPH_OUTPUT, "i", 0, 0, NULL);
    sv_pb_end(t, graph);
    sv_pb_end(t, attr);
    sv_pb_end(t, node);
}
/* The branch needs what the node itself makes. */
static void branch_reads_own_result(sv_text *t)
{
    size_t node = begin_node(t, GRAPH_NODE, "If", "c", "o");
    size_t attr = sv_pb_begin(t, NODE_ATTRIBUTE);
    sv_pb_put_text(t, ATTR_NAME, "then_branch");
    sv_pb_put_int(t, ATTR_TYPE, SV_ATTR_GRAPH);
    size_t graph = sv_pb_begin(t, ATTR_G);
    put_node(t, GRAPH_NODE, "Relu", "o", "i");
    put_value(t, GRAPH_OUTPUT, "i", 0, 0, NULL);
    sv_pb_end(t, graph);
    sv_pb_end(t, attr);
    sv_pb_end(t, node);
    put_value(t, GRAPH_OUTPUT, "o", 0, 0, NULL);
}

typedef struct row {
    const char *name;
    void (*append)(sv_text *text);
    sv_code code;
    const char *message;
} row;

#define ROW(function, code, message)                                                               \
    {                                                                                              \
#function, function, SV_CODE_##code, message                                               \
    }

static const row rows[] = {
    ROW(unknown_input, INVALID_ARGUMENT, "'ghost' is neither an input"),
    ROW(own_output, INVALID_ARGUMENT, "has a cycle"),
    ROW(two_outputs, INVALID_ARGUMENT, "'o' is defined twice"),
    ROW(output_is_input, INVALID_ARGUMENT, "'x' is defined twice"),
    ROW(output_is_initializer, INVALID_ARGUMENT, "'w' is defined twice"),
    ROW(output_again, INVALID_ARGUMENT, "'xw' is defined twice"),
    ROW(unknown_output, INVALID_ARGUMENT, "an output of graph 'g'"),
    ROW(input_twice, INVALID_ARGUMENT, "the input 'x' appears twice"),
    ROW(nameless_input, INVALID_ARGUMENT, "an input without a name"),
    ROW(empty_input, INVALID_ARGUMENT, "a value without a name"),
    ROW(input_not_message, INVALID_ARGUMENT, "expected bytes, found a varint"),
    ROW(node_not_message, INVALID_ARGUMENT, "expected bytes, found 32 bits"),
    ROW(empty_node, INVALID_ARGUMENT, "a node without op_type"),
    ROW(name_not_text, INVALID_ARGUMENT, "a graph's name: expected bytes"),
    ROW(nul_in_name, INVALID_ARGUMENT, "a NUL byte in a name"),
    ROW(cycle, INVALID_ARGUMENT, "has a cycle"),
    ROW(initializer_twice, INVALID_ARGUMENT, "'w' is defined twice"),
    ROW(nameless_initializer, INVALID_ARGUMENT, "an initializer without a name"),
    ROW(short_initializer, INVALID_ARGUMENT, "tensor 't': float32[2] takes 8 bytes"),
    ROW(long_initializer, INVALID_ARGUMENT, "raw_data has 9"),
    ROW(overflowing_initializer, RESOURCE_EXHAUSTED, "tensor 't'"),
    ROW(claiming_initializer, INVALID_ARGUMENT, "takes 4294967296 bytes, raw_data has 0"),
    ROW(negative_dim, INVALID_ARGUMENT, "dimension -1 is negative"),
    ROW(high_rank, INVALID_ARGUMENT, "tensor 't': more than 8 dimensions"),
    ROW(bad_dtype, INVALID_ARGUMENT, "tensor 't': 99 is no element type"),
    ROW(no_dtype, INVALID_ARGUMENT, "tensor 't': 0 is no element type"),
    ROW(external_without_folder, UNIMPLEMENTED, "tensor 't': its data lie in another file"),
    ROW(default_of_other_type, INVALID_ARGUMENT, "'w' is declared with another type"),
    ROW(default_twice, INVALID_ARGUMENT, "the input 'w' appears twice"),
    ROW(value_of_high_rank, INVALID_ARGUMENT, "a shape of more than 8 dimensions"),
    ROW(value_of_bad_dtype, INVALID_ARGUMENT, "99 is no element type"),
    ROW(value_of_negative_dtype, INVALID_ARGUMENT, "-1 is no element type"),
    ROW(foreign_domain, INVALID_ARGUMENT, "imports no operator set 'nobody'"),
    ROW(attribute_twice, INVALID_ARGUMENT, "attribute 'a' appears twice"),
    ROW(nameless_attribute, INVALID_ARGUMENT, "an attribute without a name"),
    ROW(many_attributes, INVALID_ARGUMENT, "300 attributes, at most 256"),
    ROW(attribute_of_no_kind, INVALID_ARGUMENT, "attribute 'odd': 0 is no type"),
    ROW(attribute_of_kind_99, INVALID_ARGUMENT, "attribute 'odd': 99 is no type"),
    ROW(attribute_without_graph, INVALID_ARGUMENT, "attribute 'odd' has no value"),
    ROW(attribute_without_tensor, INVALID_ARGUMENT, "attribute 'odd' has no value"),
    ROW(float_of_bytes, INVALID_ARGUMENT, "attribute 'odd'"),
    ROW(int_of_bytes, INVALID_ARGUMENT, "attribute 'odd'"),
    ROW(floats_cut, INVALID_ARGUMENT, "5 bytes are no whole number of 4-byte items"),
    ROW(ints_cut, INVALID_ARGUMENT, "ends inside a varint"),
    ROW(tensor_cut, INVALID_ARGUMENT, "ends inside a varint"),
    ROW(graph_cut, INVALID_ARGUMENT, "a field of 5 bytes, but its message has 1 left"),
    ROW(type_cut, INVALID_ARGUMENT, "a field of 127 bytes"),
    ROW(tensor_with_group, INVALID_ARGUMENT, "wire type 3"),
    ROW(deep_graphs, RESOURCE_EXHAUSTED, "nested deeper"),
    ROW(deep_types, INVALID_ARGUMENT, "nested"),
    ROW(opaque_type, UNIMPLEMENTED, "opaque"),
    ROW(sparse_type, UNIMPLEMENTED, "sparse tensor type"),
    ROW(sparse_index_high, INVALID_ARGUMENT, "index 1 is out of range"),
    ROW(sparse_index_negative, INVALID_ARGUMENT, "index 1 is out of range"),
    ROW(sparse_few_indices, INVALID_ARGUMENT, "indices do not match"),
    ROW(sparse_no_indices, INVALID_ARGUMENT, "needs a list of values and their indices"),
    ROW(sparse_overflow, RESOURCE_EXHAUSTED, "a sparse tensor"),
    ROW(sparse_negative_dim, INVALID_ARGUMENT, "of dimension -2"),
    ROW(sparse_beyond_budget, RESOURCE_EXHAUSTED, "a sparse tensor"),
    ROW(branch_reads_unknown, INVALID_ARGUMENT, "'ghost' is neither"),
    ROW(branch_reads_own_result, INVALID_ARGUMENT, "has a cycle"),
};

static void good(sv_text *text)
{
    (void)text;
}

static sv_status read_damaged(void (*append)(sv_text *), sv_module **out)
{
    sv_text text;
    sv_text_init(&text, NULL);
    size_t graph = begin_model(&text);
    put_good_graph(&text);
    append(&text);
    sv_pb_end(&text, graph);
    sv_status status = read_model(&text, NULL, NULL, out);
    sv_text_release(&text);
    return status;
}

static void every_damage_gets_its_error(void **state)
{
    (void)state;
    sv_module *module = NULL;
    CHECK_OK(read_damaged(good, &module));
    sv_module_destroy(module);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        module = NULL;
        sv_status status = read_damaged(rows[i].append, &module);
        if (sv_status_code(status) != rows[i].code ||
            !strstr(sv_status_message(status), rows[i].message))
            fail_msg("%s: expected %s with '%s', found %s: %s", rows[i].name,
                     sv_code_name(rows[i].code), rows[i].message,
                     sv_code_name(sv_status_code(status)), sv_status_message(status));
        assert_non_null(strstr(sv_status_message(status), "test.onnx"));
        sv_status_free(status);
    }
}

/* ---- models damaged as a whole ------------------------------------------------------------- */

static void put_model(sv_text *text, int64_t ir_version, int64_t opset, int graphs)
{
    if (ir_version) sv_pb_put_int(text, MODEL_IR_VERSION, ir_version);
    if (opset) put_opset(text, "", opset);
    for (int i = 0; i < graphs; i++) {
        size_t graph = sv_pb_begin(text, MODEL_GRAPH);
        put_good_graph(text);
        sv_pb_end(text, graph);
    }
}

static void heads_are_checked(void **state)
{
    (void)state;
    static const struct {
        int64_t ir_version, opset;
        int graphs;
        const char *message;
    } heads[] = {
        {0, 17, 1, "no ONNX model: it has no IR version"},
        {-3, 17, 1, "no ONNX model: it has no IR version"},
        {8, 17, 0, "no ONNX model: it has no graph"},
        {8, 17, 2, "a second graph"},
        {8, 0, 1, "imports no operator set 'ai.onnx'"},
        {8, -1, 1, "-1 is no version"},
        {8, (int64_t)1 << 40, 1, "is no version"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        sv_text text;
        sv_module *module;
        sv_text_init(&text, NULL);
        put_model(&text, heads[i].ir_version, heads[i].opset, heads[i].graphs);
        CHECK_FAILS(read_model(&text, NULL, NULL, &module), SV_CODE_INVALID_ARGUMENT,
                    heads[i].message);
        sv_text_release(&text);
    }
    sv_text empty;
    sv_module *module;
    sv_text_init(&empty, NULL);
    sv_text_puts(&empty, "");
    CHECK_FAILS(read_model(&empty, NULL, NULL, &module), SV_CODE_INVALID_ARGUMENT, "no ONNX model");
    sv_text_puts(&empty, "PK\3\4 this is a zip file");
    CHECK_FAILS(read_model(&empty, NULL, NULL, &module), SV_CODE_INVALID_ARGUMENT, "test.onnx");
    sv_text_release(&empty);
}

static void functions_are_checked(void **state)
{
    (void)state;
    static const char *const messages[] = {"a function without a name", "is defined twice",
                                           "'ghost' is neither", "imports no operator set",
                                           "'a' is defined twice"};
    for (int kind = 0; kind < 5; kind++) {
        sv_text text;
        sv_module *module;
        sv_text_init(&text, NULL);
        put_model(&text, 8, 17, 1);
        for (int copy = 0; copy < (kind == 1 ? 2 : 1); copy++) {
            size_t function = sv_pb_begin(&text, MODEL_FUNCTIONS);
            if (kind != 0) sv_pb_put_text(&text, FUNCTION_NAME, "F");
            if (kind != 3) {
                size_t import = sv_pb_begin(&text, FUNCTION_OPSET_IMPORT);
                sv_pb_put_int(&text, OPSET_VERSION, 17);
                sv_pb_end(&text, import);
            }
            sv_pb_put_text(&text, FUNCTION_INPUT, "a");
            if (kind == 4) sv_pb_put_text(&text, FUNCTION_INPUT, "a");
            put_node(&text, FUNCTION_NODE, "Relu", kind == 2 ? "ghost" : "a", "b");
            sv_pb_put_text(&text, FUNCTION_OUTPUT, "b");
            sv_pb_end(&text, function);
        }
        CHECK_FAILS(read_model(&text, NULL, NULL, &module), SV_CODE_INVALID_ARGUMENT,
                    messages[kind]);
        sv_text_release(&text);
    }
}

/* Every prefix of a good model, and every single byte of it changed in several ways: an error or a
 * module that verifies, and nothing left behind. */
static void no_cut_and_no_flip_does_harm(void **state)
{
    (void)state;
    sv_text text;
    sv_text_init(&text, NULL);
    put_model(&text, 8, 17, 1);
    uint32_t cut_well = 0;
    for (size_t size = 0; size < text.size; size++) {
        sv_text cut = {.data = text.data, .size = size};
        sv_module *module = NULL;
        sv_status status = read_model(&cut, NULL, NULL, &module);
        cut_well += !status;
        sv_status_free(status);
        sv_module_destroy(module);
    }
    assert_int_equal(cut_well, 0);
    static const uint8_t flips[] = {0x01, 0x02, 0x08, 0x40, 0x80, 0xff};
    for (size_t at = 0; at < text.size; at++) {
        for (size_t i = 0; i < sizeof flips; i++) {
            sv_module *module = NULL;
            sv_budget budget = {1 << 20, 100000, 100};
            text.data[at] ^= (char)flips[i];
            sv_status_free(read_model(&text, NULL, &budget, &module));
            sv_module_destroy(module);
            text.data[at] ^= (char)flips[i];
        }
    }
    sv_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_damage_gets_its_error),
        cmocka_unit_test(heads_are_checked),
        cmocka_unit_test(functions_are_checked),
        cmocka_unit_test(no_cut_and_no_flip_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
