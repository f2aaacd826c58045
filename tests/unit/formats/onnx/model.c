/* Writing small ONNX models for the tests of the reader. */
#include "model.h"

#include <stdio.h>

void put_opset(sv_text *text, const char *domain, int64_t version)
{
    size_t mark = sv_pb_begin(text, MODEL_OPSET_IMPORT);
    if (*domain) sv_pb_put_text(text, OPSET_DOMAIN, domain);
    sv_pb_put_int(text, OPSET_VERSION, version);
    sv_pb_end(text, mark);
}

static void put_shape(sv_text *text, int rank, const int64_t *dims)
{
    size_t shape = sv_pb_begin(text, TENSOR_TYPE_SHAPE);
    for (int i = 0; i < rank; i++) {
        size_t dim = sv_pb_begin(text, SHAPE_DIM);
        char name[16];
        snprintf(name, sizeof name, "d%d", (int)-dims[i]);
        if (dims[i] < 0)
            sv_pb_put_text(text, DIM_PARAM, name);
        else
            sv_pb_put_int(text, DIM_VALUE, dims[i]);
        sv_pb_end(text, dim);
    }
    sv_pb_end(text, shape);
}

void put_value(sv_text *text, uint32_t number, const char *name, int dtype, int rank,
               const int64_t *dims)
{
    size_t value = sv_pb_begin(text, number);
    sv_pb_put_text(text, VALUE_INFO_NAME, name);
    if (dtype) {
        size_t type = sv_pb_begin(text, VALUE_INFO_TYPE);
        size_t tensor = sv_pb_begin(text, TYPE_TENSOR);
        sv_pb_put_int(text, TENSOR_TYPE_ELEMENT, dtype);
        if (rank >= 0) put_shape(text, rank, dims);
        sv_pb_end(text, tensor);
        sv_pb_end(text, type);
    }
    sv_pb_end(text, value);
}

static void put_names(sv_text *text, uint32_t number, const char *names)
{
    while (*names) {
        size_t size = strcspn(names, " ");
        bool omitted = size == 1 && *names == '_';
        sv_pb_put_bytes(text, number, names, omitted ? 0 : size);
        names += size;
        names += *names == ' ';
    }
}

size_t begin_node(sv_text *text, uint32_t number, const char *op, const char *in, const char *out)
{
    size_t mark = sv_pb_begin(text, number);
    put_names(text, NODE_INPUT, in);
    put_names(text, NODE_OUTPUT, out);
    sv_pb_put_text(text, NODE_OP_TYPE, op);
    return mark;
}

void put_node(sv_text *text, uint32_t number, const char *op, const char *in, const char *out)
{
    sv_pb_end(text, begin_node(text, number, op, in, out));
}

void put_int_attr(sv_text *text, const char *name, int64_t value)
{
    size_t mark = sv_pb_begin(text, NODE_ATTRIBUTE);
    sv_pb_put_text(text, ATTR_NAME, name);
    sv_pb_put_int(text, ATTR_I, value);
    sv_pb_put_int(text, ATTR_TYPE, SV_ATTR_INT);
    sv_pb_end(text, mark);
}

void put_ints_attr(sv_text *text, const char *name, const int64_t *values, int count)
{
    size_t mark = sv_pb_begin(text, NODE_ATTRIBUTE);
    sv_pb_put_text(text, ATTR_NAME, name);
    for (int i = 0; i < count; i++)
        sv_pb_put_int(text, ATTR_INTS, values[i]);
    sv_pb_put_int(text, ATTR_TYPE, SV_ATTR_INTS);
    sv_pb_end(text, mark);
}

void put_tensor(sv_text *text, uint32_t number, const char *name, int dtype, int rank,
                const int64_t *dims, const void *data, size_t size)
{
    size_t mark = sv_pb_begin(text, number);
    for (int i = 0; i < rank; i++)
        sv_pb_put_int(text, SV_TENSOR_DIMS, dims[i]);
    sv_pb_put_int(text, SV_TENSOR_DATA_TYPE, dtype);
    if (*name) sv_pb_put_text(text, SV_TENSOR_NAME, name);
    sv_pb_put_bytes(text, SV_TENSOR_RAW_DATA, data, size);
    sv_pb_end(text, mark);
}

static void put_entry(sv_text *text, const char *key, const char *value)
{
    if (!value) return;
    size_t mark = sv_pb_begin(text, SV_TENSOR_EXTERNAL_DATA);
    sv_pb_put_text(text, SV_STRING_ENTRY_KEY, key);
    sv_pb_put_text(text, SV_STRING_ENTRY_VALUE, value);
    sv_pb_end(text, mark);
}

void put_external(sv_text *text, uint32_t number, const char *name, int64_t floats,
                  const char *location, const char *offset, const char *length)
{
    size_t mark = sv_pb_begin(text, number);
    sv_pb_put_int(text, SV_TENSOR_DIMS, floats);
    sv_pb_put_int(text, SV_TENSOR_DATA_TYPE, SV_F32);
    sv_pb_put_text(text, SV_TENSOR_NAME, name);
    sv_pb_put_int(text, SV_TENSOR_DATA_LOCATION, SV_LOCATION_EXTERNAL);
    put_entry(text, "location", location);
    put_entry(text, "offset", offset);
    put_entry(text, "length", length);
    sv_pb_end(text, mark);
}

size_t begin_model(sv_text *text)
{
    sv_pb_put_int(text, MODEL_IR_VERSION, 8);
    sv_pb_put_text(text, MODEL_PRODUCER_NAME, "tests");
    put_opset(text, "", 17);
    return sv_pb_begin(text, MODEL_GRAPH);
}

void put_good_graph(sv_text *text)
{
    static const float weights[6] = {1, 2, 3, 4, 5, 6};
    sv_pb_put_text(text, GRAPH_NAME, "g");
    put_value(text, GRAPH_INPUT, "x", SV_F32, 2, (int64_t[]){-1, 2});
    put_value(text, GRAPH_INPUT, "c", SV_BOOL, 0, NULL);
    put_tensor(text, GRAPH_INITIALIZER, "w", SV_F32, 2, (int64_t[]){2, 3}, weights, 24);
    put_tensor(text, GRAPH_INITIALIZER, "b", SV_F32, 1, (int64_t[]){3}, weights, 12);
    put_node(text, GRAPH_NODE, "MatMul", "x w", "xw");
    put_node(text, GRAPH_NODE, "Add", "xw b", "sum");
    size_t node = begin_node(text, GRAPH_NODE, "If", "c", "y");
    for (int branch = 0; branch < 2; branch++) {
        size_t attr = sv_pb_begin(text, NODE_ATTRIBUTE);
        sv_pb_put_text(text, ATTR_NAME, branch ? "else_branch" : "then_branch");
        sv_pb_put_int(text, ATTR_TYPE, SV_ATTR_GRAPH);
        size_t graph = sv_pb_begin(text, ATTR_G);
        sv_pb_put_text(text, GRAPH_NAME, branch ? "no" : "yes");
        put_node(text, GRAPH_NODE, branch ? "Neg" : "Relu", "sum", "inner");
        put_value(text, GRAPH_OUTPUT, "inner", SV_F32, 2, (int64_t[]){-1, 3});
        sv_pb_end(text, graph);
        sv_pb_end(text, attr);
    }
    sv_pb_end(text, node);
    put_value(text, GRAPH_VALUE_INFO, "xw", SV_F32, 2, (int64_t[]){-1, 3});
    put_value(text, GRAPH_OUTPUT, "y", SV_F32, 2, (int64_t[]){-1, 3});
}

sv_status read_model(const sv_text *text, const char *folder, sv_budget *budget, sv_module **out)
{
    sv_budget standard = SV_BUDGET_DEFAULT;
    sv_blob *blob;
    sv_status status = sv_blob_copy(text->data, text->size, "test.onnx", NULL, &blob);
    if (status) return status;
    status = sv_onnx_read(blob, folder, NULL, budget ? budget : &standard, out);
    sv_blob_unref(blob);
    return status;
}

sv_value *find_value(sv_graph *graph, const char *name)
{
    for (uint32_t v = 0; v < graph->n_value; v++)
        if (strcmp(graph->value[v].name, name) == 0) return &graph->value[v];
    fail_msg("no value '%s'", name);
    return NULL;
}
