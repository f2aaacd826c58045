/* Modules as text, one line a node, for people and tests; no format that is read back. */
#include "base/text.h"
#include "ir/module.h"
#include "ir/nested.h"

#include <inttypes.h>
#include <stdio.h>

/* Of long lists only the head is shown. */
#define SHOWN 16

static void print_graph(const sv_graph *graph, sv_text *text, uint32_t indent);

static void put_indent(sv_text *text, uint32_t indent)
{
    for (uint32_t i = 0; i < indent; i++)
        sv_text_puts(text, "  ");
}

static void put_dim(const sv_module *module, sv_text *text, int64_t dim)
{
    const char *name = dim < 0 ? sv_module_symbol_name(module, dim) : NULL;
    if (name)
        sv_text_puts(text, name);
    else if (dim < 0)
        sv_text_printf(text, "?%" PRId64, -dim);
    else
        sv_text_put_i64(text, dim);
}

static void put_tensor_type(const sv_module *module, sv_text *text, const sv_type *type)
{
    sv_text_puts(text, type->dtype == SV_DTYPE_NONE ? "?" : sv_dtype_get(type->dtype)->name);
    if (type->shape.rank < 0) return;
    sv_text_putc(text, '[');
    for (int32_t i = 0; i < type->shape.rank; i++) {
        if (i) sv_text_putc(text, ',');
        put_dim(module, text, type->shape.dim[i]);
    }
    sv_text_putc(text, ']');
}

static void put_type(const sv_module *module, sv_text *text, const sv_value_type *type)
{
    uint32_t open = 0;
    for (; type && type->kind != SV_KIND_TENSOR; type = type->element, open++) {
        sv_text_printf(text, "%s(", sv_kind_name(type->kind));
        if (type->kind == SV_KIND_MAP) sv_text_printf(text, "%s,", sv_dtype_get(type->key)->name);
    }
    if (type)
        put_tensor_type(module, text, &type->tensor);
    else
        sv_text_putc(text, '?');
    while (open-- > 0)
        sv_text_putc(text, ')');
}

static void put_value(const sv_graph *graph, sv_text *text, sv_value_id id)
{
    if (id == SV_NO_VALUE) {
        sv_text_putc(text, '-');
        return;
    }
    if (id >= graph->n_value) {
        sv_text_printf(text, "!%u", id);
        return;
    }
    const sv_value *value = &graph->value[id];
    sv_text_putc(text, value->constant != SV_NO_INDEX ? '#' : '%');
    if (*value->name)
        sv_text_puts(text, value->name);
    else
        sv_text_put_u64(text, id);
}

static void put_string(sv_text *text, sv_string s)
{
    sv_text_put_json(text, s.data, s.size > 64 ? 64 : s.size);
}

static void put_tensor(sv_text *text, const sv_module *module, const sv_tensor *tensor)
{
    put_tensor_type(module, text, &(sv_type){tensor->dtype, tensor->shape});
}

static void put_item(sv_text *text, const sv_module *module, const sv_attr *attr, uint32_t i)
{
    switch (attr->kind) {
    case SV_ATTR_FLOAT:
        sv_text_put_f32(text, attr->u.f);
        break;
    case SV_ATTR_INT:
        sv_text_put_i64(text, attr->u.i);
        break;
    case SV_ATTR_STRING:
        put_string(text, attr->u.s);
        break;
    case SV_ATTR_FLOATS:
        sv_text_put_f32(text, attr->u.floats[i]);
        break;
    case SV_ATTR_INTS:
        sv_text_put_i64(text, attr->u.ints[i]);
        break;
    case SV_ATTR_STRINGS:
        put_string(text, attr->u.strings[i]);
        break;
    case SV_ATTR_TENSOR:
    case SV_ATTR_TENSORS:
        put_tensor(text, module, &attr->u.tensor[i]);
        break;
    case SV_ATTR_GRAPH:
    case SV_ATTR_GRAPHS:
        sv_text_puts(text, "graph");
        break;
    case SV_ATTR_SPARSE_TENSOR:
    case SV_ATTR_SPARSE_TENSORS:
        sv_text_puts(text, "sparse");
        break;
    case SV_ATTR_TYPE:
    case SV_ATTR_TYPES:
        put_type(module, text, &attr->u.type[i]);
        break;
    }
}

static bool is_list(sv_attr_kind kind)
{
    return (kind >= SV_ATTR_FLOATS && kind <= SV_ATTR_GRAPHS) || kind == SV_ATTR_SPARSE_TENSORS ||
           kind == SV_ATTR_TYPES;
}

static void put_attr(sv_text *text, const sv_module *module, const sv_attr *attr)
{
    sv_text_printf(text, "%s=", attr->name);
    if (attr->reference) {
        sv_text_printf(text, "@%s", attr->reference);
        return;
    }
    if (!is_list(attr->kind)) {
        put_item(text, module, attr, 0);
        return;
    }
    sv_text_putc(text, '[');
    for (uint32_t i = 0; i < attr->count && i < SHOWN; i++) {
        if (i) sv_text_putc(text, ',');
        put_item(text, module, attr, i);
    }
    sv_text_puts(text, attr->count > SHOWN ? ",...]" : "]");
}

static void put_values(const sv_graph *graph, sv_text *text, const sv_value_id *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i) sv_text_puts(text, ", ");
        put_value(graph, text, ids[i]);
    }
}

static void print_node(const sv_graph *graph, const sv_node *node, sv_text *text, uint32_t indent)
{
    char title[256];
    sv_node_title(node, title, sizeof title);
    put_indent(text, indent);
    put_values(graph, text, node->out, node->n_out);
    sv_text_printf(text, " = %s", title);
    if (node->version) sv_text_printf(text, "-%d", node->version);
    sv_text_putc(text, '(');
    put_values(graph, text, node->in, node->n_in);
    sv_text_putc(text, ')');
    for (uint32_t i = 0; i < node->n_attr; i++) {
        sv_text_putc(text, ' ');
        put_attr(text, graph->module, &node->attr[i]);
    }
    sv_text_putc(text, '\n');
    sv_nested walk = sv_nested_of(node);
    for (sv_graph *inner; (inner = sv_nested_next(&walk)) != NULL;)
        if (indent < SV_MAX_NESTING) print_graph(inner, text, indent + 1);
}

static void print_graph(const sv_graph *graph, sv_text *text, uint32_t indent)
{
    put_indent(text, indent);
    sv_text_printf(text, "graph \"%s\"\n", graph->name);
    for (uint32_t i = 0; i < graph->n_in; i++) {
        put_indent(text, indent + 1);
        sv_text_puts(text, "in ");
        put_value(graph, text, graph->in[i]);
        sv_text_puts(text, ": ");
        if (graph->in[i] < graph->n_value)
            put_type(graph->module, text, &graph->value[graph->in[i]].type);
        sv_text_putc(text, '\n');
    }
    for (uint32_t i = 0; i < graph->n_node; i++)
        print_node(graph, graph->node[i], text, indent + 1);
    put_indent(text, indent + 1);
    sv_text_puts(text, "out ");
    put_values(graph, text, graph->out, graph->n_out);
    sv_text_putc(text, '\n');
}

void sv_module_print(const sv_module *module, sv_text *text)
{
    sv_text_printf(text, "module \"%s\" ir %" PRId64, module->origin, module->ir_version);
    for (uint32_t i = 0; i < module->n_import; i++)
        sv_text_printf(text, ", %s %" PRId64, module->import[i].domain, module->import[i].version);
    sv_text_putc(text, '\n');
    for (uint32_t i = 0; i < module->n_constant; i++) {
        const sv_constant *constant = &module->constant[i];
        sv_text_printf(text, "constant %u \"%s\": ", i, constant->name);
        if (constant->datum)
            sv_text_puts(text, sv_kind_name(constant->datum->kind));
        else
            put_tensor(text, module, &constant->source);
        sv_text_puts(text, sv_constant_derived(constant) ? " scaled\n" : "\n");
    }
    for (uint32_t i = 0; i < module->n_function; i++) {
        const sv_function *function = &module->function[i];
        sv_text_printf(text, "function %s.%s\n", function->domain, function->name);
        print_graph(function->body, text, 1);
    }
    for (uint32_t i = 0; i < module->n_entry; i++) {
        if (*module->entry[i].name) sv_text_printf(text, "entry \"%s\"\n", module->entry[i].name);
        print_graph(module->entry[i].graph, text, 0);
    }
}

void sv_node_title(const sv_node *node, char *out, size_t size)
{
    if (size == 0) return;
    bool plain = node->op != SV_OP_UNKNOWN || !*node->domain;
    int used = plain ? snprintf(out, size, "%s", node->op_name)
                     : snprintf(out, size, "%s.%s", node->domain, node->op_name);
    for (uint32_t i = 0; i < node->n_fused && used >= 0 && (size_t)used < size; i++)
        used +=
            snprintf(out + used, size - (size_t)used, "+%s", sv_op_get(node->fused[i].op)->name);
}
