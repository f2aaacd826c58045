/* Small graphs for the tests of ir. */
#include "graphs.h"
#include "support/check.h"

sv_module *make_module(sv_value_id *x)
{
    sv_module *module;
    CHECK_OK(sv_module_create(NULL, "test", &module));
    module->entry = sv_arena_array(&module->arena, 1, sizeof *module->entry);
    assert_non_null(module->entry);
    module->n_entry = 1;
    module->entry[0].name = "";
    CHECK_OK(sv_graph_create(module, NULL, "g", &module->entry[0].graph));
    CHECK_OK(sv_graph_add_value(main_graph(module), "x", x));
    CHECK_OK(sv_graph_add_input(main_graph(module), *x));
    return module;
}

sv_graph *main_graph(sv_module *module)
{
    return module->entry[0].graph;
}

sv_value_id add(sv_graph *graph, sv_op op, const char *name, sv_value_id a, sv_value_id b)
{
    sv_node *node;
    CHECK_OK(sv_graph_add_node(graph, op, name, b == SV_NO_VALUE ? 1 : 2, 1, &node));
    node->in[0] = a;
    if (b != SV_NO_VALUE) node->in[1] = b;
    return node->out[0];
}
