/* Reading FunctionProto: the functions that a model brings along. */
#include "base/status.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/reader.h"
#include "ir/nested.h"

#include <string.h>

typedef struct function_counts {
    uint32_t n_attr, n_default, n_node;
} function_counts;

static sv_status read_head(onnx_reader *r, const sv_reader *message, sv_function *out,
                           function_counts *counts)
{
    sv_reader reader = *message;
    *counts = (function_counts){0};
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        switch (field.number) {
        case 0:
            return SV_OK;
        case FUNCTION_NAME:
            SV_TRY(onnx_keep_text(r, &field, "a function's name", &out->name));
            break;
        case FUNCTION_DOMAIN:
            if (sv_reader_left(&field.bytes))
                SV_TRY(onnx_keep_text(r, &field, "a function's domain", &out->domain));
            break;
        case FUNCTION_OVERLOAD:
            SV_TRY(onnx_keep_text(r, &field, "overload", &out->overload));
            break;
        case FUNCTION_ATTRIBUTE:
            counts->n_attr++;
            break;
        case FUNCTION_ATTRIBUTE_PROTO:
            counts->n_default++;
            break;
        default:
            break;
        }
    }
}

static sv_status read_attributes(onnx_reader *r, const sv_reader *message,
                                 const function_counts *counts, sv_function *out)
{
    sv_reader reader = *message, inner;
    if (counts->n_attr > SV_MAX_ATTRS || counts->n_default > SV_MAX_ATTRS)
        return sv_reader_error(message, "more than %d attributes", SV_MAX_ATTRS);
    SV_TRY(onnx_array(r, counts->n_attr, sizeof *out->attr, "attributes", &out->attr));
    SV_TRY(onnx_array(r, counts->n_default, sizeof *out->defaults, "attributes", &out->defaults));
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number == FUNCTION_ATTRIBUTE)
            SV_TRY(onnx_keep_text(r, &field, "an attribute's name", &out->attr[out->n_attr++]));
        if (field.number != FUNCTION_ATTRIBUTE_PROTO) continue;
        SV_TRY(sv_pb_message(&field, "an attribute", &inner));
        SV_TRY(onnx_read_attribute(r, NULL, &inner, &out->defaults[out->n_default]));
        out->n_default++;
        sv_budget_leave(inner.budget);
    }
}

/* ---- the body ------------------------------------------------------------------------------ */

static sv_status add_inputs(onnx_reader *r, onnx_scope *scope, const sv_reader *message)
{
    sv_reader reader = *message;
    for (;;) {
        sv_pb_field field;
        const char *name;
        sv_value_id id;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != FUNCTION_INPUT) continue;
        SV_TRY(onnx_text(r, &field, "an input's name", &name));
        SV_TRY(onnx_define(scope, &field, name, &id));
        SV_TRY(sv_graph_add_input(scope->graph, id));
    }
}

static sv_status add_outputs(onnx_reader *r, onnx_scope *scope, const sv_reader *message)
{
    sv_reader reader = *message;
    for (;;) {
        sv_pb_field field;
        const char *name;
        sv_value_id id;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != FUNCTION_OUTPUT) continue;
        SV_TRY(onnx_text(r, &field, "an output's name", &name));
        SV_TRY(onnx_resolve(scope, &field, name, &id));
        SV_TRY(sv_graph_add_output(scope->graph, id));
    }
}

/* Twice: first all outputs get their names, then nodes are filled. */
static sv_status add_nodes(onnx_reader *r, onnx_scope *scope, const sv_reader *message, bool fill)
{
    sv_reader reader = *message, inner;
    for (uint32_t at = 0;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != FUNCTION_NODE) continue;
        SV_TRY(sv_pb_message(&field, "a node", &inner));
        if (fill)
            SV_TRY(onnx_fill_node(r, scope, &inner, scope->graph->node[at++]));
        else
            SV_TRY(onnx_add_node(r, scope, &inner));
        sv_budget_leave(inner.budget);
    }
}

static sv_status read_body(onnx_reader *r, const sv_reader *message, sv_function *out)
{
    onnx_scope scope = {0};
    SV_TRY(sv_graph_create(r->module, NULL, out->name, &scope.graph));
    sv_names_init(&scope.names, r->module->arena.allocator);
    sv_status status = add_inputs(r, &scope, message);
    if (!status) status = add_nodes(r, &scope, message, false);
    if (!status) status = add_nodes(r, &scope, message, true);
    if (!status) status = add_outputs(r, &scope, message);
    sv_names_release(&scope.names);
    out->body = scope.graph;
    return status;
}

static sv_status read_function(onnx_reader *r, const sv_reader *message, sv_function *out)
{
    function_counts counts;
    *out = (sv_function){.domain = "ai.onnx", .name = "", .overload = ""};
    SV_TRY(read_head(r, message, out, &counts));
    if (!*out->name) return sv_reader_error(message, "a function without a name");
    SV_TRY(read_attributes(r, message, &counts, out));
    SV_TRY(onnx_read_imports(r, message, FUNCTION_OPSET_IMPORT, &out->import, &out->n_import));
    r->import = out->import;
    r->n_import = out->n_import;
    return sv_status_annotate(read_body(r, message, out), "function '%s.%s'", out->domain,
                              out->name);
}

/* (domain, name, overload) as one text, by which nodes will find functions. */
static sv_status check_unique(onnx_reader *r, sv_names *names, const sv_reader *at,
                              const sv_function *function, uint32_t index)
{
    const char *key = sv_arena_printf(&r->module->arena, "%s\n%s\n%s", function->domain,
                                      function->name, function->overload);
    if (!key) return sv_error_memory("a function's name", 1);
    if (sv_names_find(names, key, strlen(key), SV_NO_INDEX) != SV_NO_INDEX)
        return sv_reader_error(at, "the function '%s.%s' is defined twice", function->domain,
                               function->name);
    return sv_names_put(names, key, strlen(key), index);
}

static sv_status read_all(onnx_reader *r, sv_names *names, const sv_reader *model)
{
    sv_module *module = r->module;
    sv_reader reader = *model, inner;
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != MODEL_FUNCTIONS) continue;
        sv_function *function = &module->function[module->n_function];
        SV_TRY(sv_pb_message(&field, "a function", &inner));
        SV_TRY(read_function(r, &inner, function));
        SV_TRY(check_unique(r, names, &inner, function, module->n_function));
        module->n_function++;
        sv_budget_leave(inner.budget);
    }
}

sv_status onnx_read_functions(onnx_reader *r, const sv_reader *model)
{
    uint32_t count;
    SV_TRY(onnx_count(model, MODEL_FUNCTIONS, &count));
    SV_TRY(onnx_array(r, count, sizeof *r->module->function, "functions", &r->module->function));
    sv_names names;
    sv_names_init(&names, r->module->arena.allocator);
    sv_status status = read_all(r, &names, model);
    sv_names_release(&names);
    return status;
}
