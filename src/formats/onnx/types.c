/* Reading TypeProto: tensors, and sequences, optionals and maps of them. */
#include "base/status.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/reader.h"

/* Deeper types are refused even without a budget. */
#define MAX_DEPTH 32

/* A dimension is a number, or a name for one that is the same throughout the model, or neither;
 * some writers say -1 for the last. */
static sv_status read_dim(onnx_reader *r, const sv_pb_field *at, int64_t *out)
{
    sv_reader message;
    const char *name = NULL;
    int64_t value = -1;
    SV_TRY(sv_pb_message(at, "a dimension", &message));
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&message, &field));
        if (field.number == 0) break;
        if (field.number == DIM_VALUE) SV_TRY(sv_pb_int64(&field, "dim_value", &value));
        if (field.number == DIM_PARAM) SV_TRY(onnx_text(r, &field, "dim_param", &name));
    }
    sv_budget_leave(message.budget);
    if (value >= 0) {
        *out = value;
        return SV_OK;
    }
    return sv_module_symbol(r->module, name && *name ? name : NULL, out);
}

static sv_status read_shape(onnx_reader *r, const sv_pb_field *at, sv_shape *out)
{
    sv_reader message;
    sv_shape shape = {0};
    SV_TRY(sv_pb_message(at, "a shape", &message));
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&message, &field));
        if (field.number == 0) break;
        if (field.number != SHAPE_DIM) continue;
        if (shape.rank == SV_MAX_RANK)
            return sv_reader_error(&field.bytes, "a shape of more than %d dimensions", SV_MAX_RANK);
        SV_TRY(read_dim(r, &field, &shape.dim[shape.rank]));
        shape.rank++;
    }
    sv_budget_leave(message.budget);
    *out = shape;
    return SV_OK;
}

static sv_status read_dtype(const sv_pb_field *field, sv_dtype *out)
{
    int32_t number;
    SV_TRY(sv_pb_int32(field, "elem_type", &number));
    if (number < 0 || number >= SV_DTYPE_COUNT)
        return sv_reader_error(&field->bytes, "%d is no element type", (int)number);
    *out = (sv_dtype)number;
    return SV_OK;
}

static sv_status read_tensor_type(onnx_reader *r, const sv_pb_field *at, sv_value_type *out)
{
    sv_reader message;
    out->kind = SV_KIND_TENSOR;
    SV_TRY(sv_pb_message(at, "a tensor's type", &message));
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&message, &field));
        if (field.number == 0) break;
        if (field.number == TENSOR_TYPE_ELEMENT) SV_TRY(read_dtype(&field, &out->tensor.dtype));
        if (field.number == TENSOR_TYPE_SHAPE) SV_TRY(read_shape(r, &field, &out->tensor.shape));
    }
    sv_budget_leave(message.budget);
    return SV_OK;
}

static sv_status read_at(onnx_reader *r, const sv_reader *message, uint32_t depth,
                         sv_value_type *out);

/* Sequence and optional types have their element in one field, maps a key before it. */
static sv_status read_container(onnx_reader *r, const sv_pb_field *at, sv_kind kind, uint32_t depth,
                                sv_value_type *out)
{
    sv_reader message, inner;
    uint32_t element = kind == SV_KIND_MAP ? MAP_TYPE_VALUE : ELEMENT_TYPE;
    out->kind = kind;
    SV_TRY(sv_pb_message(at, "a type", &message));
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&message, &field));
        if (field.number == 0) break;
        if (kind == SV_KIND_MAP && field.number == MAP_TYPE_KEY)
            SV_TRY(read_dtype(&field, &out->key));
        if (field.number != element) continue;
        sv_value_type *below;
        SV_TRY(onnx_array(r, 1, sizeof *below, "a type", &below));
        SV_TRY(sv_pb_message(&field, "an element's type", &inner));
        SV_TRY(read_at(r, &inner, depth + 1, below));
        sv_budget_leave(inner.budget);
        out->element = below;
    }
    sv_budget_leave(message.budget);
    return SV_OK;
}

static sv_status read_at(onnx_reader *r, const sv_reader *message, uint32_t depth,
                         sv_value_type *out)
{
    sv_value_type type = {.kind = SV_KIND_TENSOR, .tensor.shape = sv_shape_unknown()};
    sv_reader reader = *message;
    if (depth > MAX_DEPTH)
        return sv_reader_error(message, "a type nested more than %d deep", MAX_DEPTH);
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        switch (field.number) {
        case 0:
            *out = type;
            return SV_OK;
        case TYPE_TENSOR:
            SV_TRY(read_tensor_type(r, &field, &type));
            break;
        case TYPE_SEQUENCE:
            SV_TRY(read_container(r, &field, SV_KIND_SEQUENCE, depth, &type));
            break;
        case TYPE_OPTIONAL:
            SV_TRY(read_container(r, &field, SV_KIND_OPTIONAL, depth, &type));
            break;
        case TYPE_MAP:
            SV_TRY(read_container(r, &field, SV_KIND_MAP, depth, &type));
            break;
        case TYPE_SPARSE_TENSOR:
        case TYPE_OPAQUE:
            return sv_error_unsupported("%s: at byte %llu: values of %s type", message->origin,
                                        (unsigned long long)sv_reader_offset(&field.bytes),
                                        field.number == TYPE_OPAQUE ? "opaque" : "sparse tensor");
        default:
            break;
        }
    }
}

sv_status onnx_read_type(onnx_reader *r, const sv_reader *message, sv_value_type *out)
{
    return read_at(r, message, 0, out);
}
