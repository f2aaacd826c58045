/* Constant nodes become constants of the module. */
#include "lower/adapt.h"

#include <string.h>

/* The forms of the value besides a tensor: the attribute's name says the type. */
static bool from_attr(const sv_attr *attr, sv_tensor *out)
{
    sv_tensor t = {.shape = {.rank = 0}};
    switch (attr->kind) {
    case SV_ATTR_TENSOR:
        *out = *attr->u.tensor;
        return true;
    case SV_ATTR_FLOAT:
        t.dtype = SV_F32;
        break;
    case SV_ATTR_INT:
        t.dtype = SV_I64;
        break;
    case SV_ATTR_STRING:
        t.dtype = SV_STRING;
        break;
    case SV_ATTR_FLOATS:
        t.dtype = SV_F32;
        t.data = (void *)attr->u.floats;
        break;
    case SV_ATTR_INTS:
        t.dtype = SV_I64;
        t.data = (void *)attr->u.ints;
        break;
    case SV_ATTR_STRINGS:
        t.dtype = SV_STRING;
        t.data = (void *)attr->u.strings;
        break;
    default:
        return false;
    }
    if (attr->kind == SV_ATTR_FLOAT || attr->kind == SV_ATTR_INT || attr->kind == SV_ATTR_STRING) {
        t.data = (void *)&attr->u;
    } else {
        t.shape.rank = 1;
        t.shape.dim[0] = attr->count;
    }
    *out = t;
    return true;
}

static const sv_attr *value_of(const sv_node *node)
{
    static const char *const names[] = {"value",        "sparse_value", "value_float",
                                        "value_floats", "value_int",    "value_ints",
                                        "value_string", "value_strings"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const sv_attr *attr = sv_node_attr(node, names[i]);
        if (attr && !attr->reference) return attr;
    }
    return NULL;
}

sv_status sv_adapt_constant(sv_adapt *x, sv_node *node)
{
    const sv_attr *attr = value_of(node);
    sv_tensor tensor;
    uint32_t constant;
    if (!attr || !from_attr(attr, &tensor))
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "no attribute with a value");
    if (node->n_out != 1 || node->out[0] == SV_NO_VALUE)
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "expected one output");
    sv_value *value = &x->graph->value[node->out[0]];
    SV_TRY(sv_module_add_constant(x->module, value->name, &tensor, &constant));
    value->constant = constant;
    value->producer = SV_NO_INDEX;
    value->type = (sv_value_type){.kind = SV_KIND_TENSOR, .tensor = {tensor.dtype, tensor.shape}};
    node->dead = true;
    return SV_OK;
}
