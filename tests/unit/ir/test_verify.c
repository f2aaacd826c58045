/* What the verifier refuses, and what the printer shows. */
#include "graphs.h"
#include "base/alloc.h"
#include "base/text.h"
#include "support/check.h"

#include <string.h>

/* x -> Relu (r) -> Add w -> y */
static sv_module *make(void)
{
    sv_value_id x, w;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id r = add(graph, SV_OP_Relu, "r", x, SV_NO_VALUE);
    CHECK_OK(sv_graph_constant_f32(graph, (float[]){1, 2, 3}, 3, false, &w));
    sv_value_id y = add(graph, SV_OP_Add, "a", r, w);
    CHECK_OK(sv_graph_add_output(graph, y));
    CHECK_OK(sv_graph_normalize(graph));
    CHECK_OK(sv_module_verify(module));
    return module;
}

static void break_order(sv_module *m)
{
    sv_graph *g = main_graph(m);
    sv_node *first = g->node[0];
    g->node[0] = g->node[1];
    g->node[1] = first;
}
static void break_input_id(sv_module *m)
{
    main_graph(m)->node[0]->in[0] = 99;
}
static void break_output_id(sv_module *m)
{
    main_graph(m)->out[0] = 99;
}
static void break_graph_input(sv_module *m)
{
    main_graph(m)->in[0] = 99;
}
static void break_definition(sv_module *m)
{
    main_graph(m)->node[1]->out[0] = 1;
}
static void break_undefined(sv_module *m)
{
    sv_value_id v;
    CHECK_OK(sv_graph_add_value(main_graph(m), "ghost", &v));
    main_graph(m)->node[1]->in[0] = v;
}
static void break_names(sv_module *m)
{
    main_graph(m)->value[main_graph(m)->node[1]->out[0]].name = "x";
}
static void break_constant(sv_module *m)
{
    main_graph(m)->value[2].constant = 7;
}
static void break_constant_data(sv_module *m)
{
    m->constant[0].source.data = NULL;
}
static void break_constant_dtype(sv_module *m)
{
    m->constant[0].source.dtype = (sv_dtype)99;
}
static void break_constant_shape(sv_module *m)
{
    m->constant[0].source.shape.rank = 4;
    for (int i = 0; i < 4; i++)
        m->constant[0].source.shape.dim[i] = (int64_t)1 << 40;
}
static void break_constant_axis(sv_module *m)
{
    static const float scale[3] = {1, 1, 1};
    m->constant[0].scale = scale;
    m->constant[0].axis = 1;
}
static void break_capture(sv_module *m)
{
    main_graph(m)->value[0].outer = 0;
}
static void break_rank(sv_module *m)
{
    main_graph(m)->value[0].type.tensor.shape.rank = 9;
}
static void break_symbol(sv_module *m)
{
    main_graph(m)->value[0].type.tensor.shape = sv_shape_make(1, (int64_t[]){-5});
}
static void break_producer(sv_module *m)
{
    main_graph(m)->value[1].producer = 1;
}
static void break_attr(sv_module *m)
{
    sv_node *node = main_graph(m)->node[0];
    CHECK_OK(sv_node_set_int(m, node, "a", 1));
    CHECK_OK(sv_node_set_int(m, node, "b", 1));
    node->attr[1].name = "a";
}
static void break_fused(sv_module *m)
{
    static sv_fused fused = {.op = SV_OP_Add, .operand = 5, .name = ""};
    main_graph(m)->node[0]->fused = &fused;
    main_graph(m)->node[0]->n_fused = 1;
}

static void damage_is_named(void **state)
{
    (void)state;
    const struct {
        void (*damage)(sv_module *);
        const char *message;
    } rows[] = {
        {break_order, "not defined before it"},
        {break_input_id, "input 0 is value 99"},
        {break_output_id, "output 0 '' is not defined"},
        {break_graph_input, "input 0 is value 99"},
        {break_definition, "is defined elsewhere too"},
        {break_undefined, "'ghost' is not defined"},
        {break_names, "two values are named 'x'"},
        {break_constant, "constant 7 is beyond"},
        {break_constant_data, "has no data"},
        {break_constant_dtype, "no element type"},
        {break_constant_shape, "constant 0"},
        {break_constant_axis, "axis 1"},
        {break_capture, "captures value 0"},
        {break_rank, "rank is 9"},
        {break_symbol, "unknown symbol"},
        {break_producer, "names another producer"},
        {break_attr, "appears twice"},
        {break_fused, "reads input 5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sv_module *module = make();
        rows[i].damage(module);
        sv_status status = sv_module_verify(module);
        assert_non_null(status);
        if (!strstr(sv_status_message(status), rows[i].message))
            fail_msg("row %zu: expected '%s', found: %s", i, rows[i].message,
                     sv_status_message(status));
        sv_status_free(status);
        sv_module_destroy(module);
    }
}

static void tensors_lie_in_their_blob(void **state)
{
    (void)state;
    sv_module *module = make();
    uint8_t *data;
    sv_blob *blob;
    CHECK_OK(sv_blob_create(12, "b", NULL, &blob, &data));
    memset(data, 0, 12);
    CHECK_OK(sv_module_add_blob(module, blob));
    module->constant[0].source.blob = blob;
    CHECK_FAILS(sv_module_verify(module), SV_CODE_INVALID_ARGUMENT, "do not lie in its blob");
    module->constant[0].source.data = data;
    CHECK_OK(sv_module_verify(module));
    module->constant[0].source.data = data + 4;
    CHECK_FAILS(sv_module_verify(module), SV_CODE_INVALID_ARGUMENT, "do not lie in its blob");
    sv_module_destroy(module);
}

static void a_line_a_node_is_printed(void **state)
{
    (void)state;
    sv_module *module = make();
    sv_graph *graph = main_graph(module);
    int64_t batch;
    CHECK_OK(sv_module_symbol(module, "batch", &batch));
    graph->value[0].type.tensor = (sv_type){SV_F32, sv_shape_make(2, (int64_t[]){batch, 3})};
    CHECK_OK(sv_node_set_ints(module, graph->node[0], "axes", (int64_t[]){0, -1}, 2));
    sv_text text;
    sv_text_init(&text, NULL);
    sv_module_print(module, &text);
    assert_non_null(strstr(text.data, "in %x: float32[batch,3]\n"));
    assert_non_null(strstr(text.data, "%1 = Relu-14(%x) axes=[0,-1]\n"));
    assert_non_null(strstr(text.data, "= Add-14(%1, #2)\n"));
    assert_non_null(strstr(text.data, "constant 0 \"\": float32[3]\n"));
    sv_text_release(&text);
    sv_module_destroy(module);
}

static void titles_show_fused_operators(void **state)
{
    (void)state;
    sv_fused fused[2] = {{.op = SV_OP_Add, .operand = 1}, {.op = SV_OP_Relu, .operand = -1}};
    sv_node node = {
        .op = SV_OP_Conv, .domain = "ai.onnx", .op_name = "Conv", .n_fused = 2, .fused = fused};
    char out[16];
    sv_node_title(&node, out, sizeof out);
    assert_string_equal(out, "Conv+Add+Relu");
    sv_node_title(&node, out, 7);
    assert_string_equal(out, "Conv+A");
    node = (sv_node){.op = SV_OP_UNKNOWN, .domain = "acme", .op_name = "Foo"};
    sv_node_title(&node, out, sizeof out);
    assert_string_equal(out, "acme.Foo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(tensors_lie_in_their_blob),
        cmocka_unit_test(a_line_a_node_is_printed),
        cmocka_unit_test(titles_show_fused_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
