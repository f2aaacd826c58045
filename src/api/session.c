/* Sessions: binding the caller's memory, running, reading results. */
#include "api/handles.h"

#include "base/alloc.h"
#include "base/status.h"
#include "tensor/datum.h"

#include <string.h>

sv_status sv_session_create(sv_model *model, uint32_t threads, sv_session **out)
{
    const sv_allocator *allocator = model->runtime->allocator;
    sv_session *session = sv_alloc_zero(allocator, sizeof(*session));
    if (!session) return sv_error_memory("session", sizeof(*session));
    session->model = sv_model_ref(model);
    session->output = sv_alloc_zero(allocator, (model->n_out + 1) * sizeof(*session->output));
    sv_status status = SV_OK;
    if (!session->output)
        status = sv_error_memory("session", model->n_out * sizeof(*session->output));
    if (status == SV_OK)
        status = sv_exec_create(model->compiled, model->runtime->team, threads, &session->exec);
    if (status != SV_OK) {
        sv_session_destroy(session);
        return status;
    }
    *out = session;
    return SV_OK;
}

void sv_session_destroy(sv_session *session)
{
    if (!session) return;
    sv_model *model = session->model;
    const sv_allocator *allocator = model->runtime->allocator;
    sv_exec_destroy(session->exec);
    sv_free(allocator, session->output, (model->n_out + 1) * sizeof(*session->output));
    sv_free(allocator, session, sizeof(*session));
    sv_model_unref(model);
}

static sv_status check_index(const char *what, size_t index, uint32_t count)
{
    if (index < count) return SV_OK;
    return sv_error(SV_CODE_OUT_OF_RANGE, "%s: expected an index below %u, found %zu", what, count,
                    index);
}

static void port_text(const sv_port *port, char out[SV_SHAPE_TEXT])
{
    sv_shape shape = sv_shape_make(port->rank, port->dim);
    sv_shape_text(&shape, out);
}

static sv_status check_shape(const sv_port *port, const sv_shape *shape)
{
    bool fits = port->rank < 0 || port->rank == shape->rank;
    for (int32_t i = 0; fits && i < port->rank; i++)
        fits = port->dim[i] < 0 || port->dim[i] == shape->dim[i];
    if (fits) return SV_OK;
    char expected[SV_SHAPE_TEXT], found[SV_SHAPE_TEXT];
    port_text(port, expected);
    return sv_error_invalid("input '%s': expected shape %s, found %s", port->name, expected,
                            sv_shape_text(shape, found));
}

/* Checks a tensor against its port, and its memory against its shape. */
static sv_status check_input(const sv_port *port, const sv_tensor *tensor, size_t size)
{
    if (tensor->shape.rank < 0 || tensor->shape.rank > SV_MAX_RANK) {
        return sv_error_invalid("input '%s': expected a rank of 0 to %d, found %d", port->name,
                                SV_MAX_RANK, tensor->shape.rank);
    }
    if (port->dtype != tensor->dtype) {
        return sv_error_invalid("input '%s': expected %s, found %s", port->name,
                                sv_dtype_name(port->dtype), sv_dtype_name(tensor->dtype));
    }
    for (int32_t i = 0; i < tensor->shape.rank; i++) {
        if (tensor->shape.dim[i] < 0) {
            return sv_error_invalid("input '%s': expected dimension %d of at least 0, found %lld",
                                    port->name, i, (long long)tensor->shape.dim[i]);
        }
    }
    SV_TRY(check_shape(port, &tensor->shape));
    sv_type type = {tensor->dtype, tensor->shape};
    size_t bytes;
    SV_TRY(sv_type_bytes(&type, port->name, &bytes));
    if (size >= bytes && (tensor->data || bytes == 0)) return SV_OK;
    return sv_error_invalid("input '%s': expected %zu bytes, found %zu", port->name, bytes,
                            tensor->data ? size : 0);
}

/* Checks a value, and all values in it, against the type that the model gives. An optional may be
 * given as the value that it has. Recursion ends with the type. */
static sv_status check_value(const sv_port *port, const sv_value_type *type, const sv_datum *datum)
{
    if (!type) return SV_OK;
    if (type->kind == SV_KIND_OPTIONAL && datum->kind != SV_KIND_OPTIONAL)
        return check_value(port, type->element, datum);
    if (type->kind != datum->kind) {
        return sv_error_invalid("input '%s': expected a %s, found a %s", port->name,
                                sv_kind_name(type->kind), sv_kind_name(datum->kind));
    }
    bool tensor = type->kind == SV_KIND_TENSOR, map = type->kind == SV_KIND_MAP;
    sv_dtype expected = tensor ? type->tensor.dtype : map ? type->key : SV_DTYPE_NONE;
    sv_dtype found = tensor ? datum->tensor.dtype : datum->keys.dtype;
    if (expected && found != expected) {
        return sv_error_invalid("input '%s': expected a %s of %s, found a %s of %s", port->name,
                                tensor ? "tensor" : "map with keys", sv_dtype_name(expected),
                                tensor ? "tensor" : "map with keys", sv_dtype_name(found));
    }
    for (size_t i = 0; i < datum->count; i++)
        SV_TRY(check_value(port, type->element, &datum->item[i]));
    return SV_OK;
}

static const sv_value_type *input_type(const sv_session *session, size_t index)
{
    const sv_program *program = session->model->compiled->program;
    return &program->value[program->in[index]].type;
}

sv_status sv_session_bind_input(sv_session *session, size_t index, const sv_buffer *buffer)
{
    SV_TRY(check_index("input", index, session->model->n_in));
    sv_tensor tensor = {.dtype = buffer->dtype, .data = buffer->data};
    int32_t rank = buffer->rank;
    tensor.shape = rank >= 0 && rank <= SV_MAX_RANK ? sv_shape_make(rank, buffer->dim)
                                                    : (sv_shape){.rank = rank};
    sv_datum datum = {.kind = SV_KIND_TENSOR, .tensor = tensor, .element_dtype = tensor.dtype};
    const sv_port *port = &session->model->in[index];
    if (port->kind != SV_KIND_TENSOR) SV_TRY(check_value(port, input_type(session, index), &datum));
    SV_TRY(check_input(port, &tensor, buffer->size));
    sv_exec_bind_input(session->exec, (uint32_t)index, &datum);
    return SV_OK;
}

sv_status sv_session_bind_datum(sv_session *session, size_t index, const sv_datum *datum)
{
    SV_TRY(check_index("input", index, session->model->n_in));
    const sv_port *port = &session->model->in[index];
    SV_TRY(check_value(port, input_type(session, index), datum));
    if (port->kind == SV_KIND_TENSOR) SV_TRY(check_input(port, &datum->tensor, SIZE_MAX));
    sv_exec_bind_input(session->exec, (uint32_t)index, datum);
    return SV_OK;
}

sv_status sv_session_bind_output(sv_session *session, size_t index, const sv_buffer *buffer)
{
    SV_TRY(check_index("output", index, session->model->n_out));
    const sv_port *port = &session->model->out[index];
    if (buffer && port->kind != SV_KIND_TENSOR) {
        return sv_error_invalid("output '%s': expected no memory for a %s, which the session keeps",
                                port->name, sv_kind_name(port->kind));
    }
    if (buffer && buffer->dtype != port->dtype && port->dtype != SV_DTYPE_NONE) {
        return sv_error_invalid("output '%s': expected %s, found %s", port->name,
                                sv_dtype_name(port->dtype), sv_dtype_name(buffer->dtype));
    }
    sv_exec_bind_output(session->exec, (uint32_t)index, buffer ? buffer->data : NULL,
                        buffer ? buffer->size : 0);
    return SV_OK;
}

sv_status sv_session_run(sv_session *session)
{
    return sv_exec_run(session->exec);
}

void sv_session_interrupt(sv_session *session, bool on)
{
    sv_exec_interrupt(session->exec, on);
}

sv_status sv_session_output(const sv_session *session, size_t index, sv_buffer *out)
{
    SV_TRY(check_index("output", index, session->model->n_out));
    sv_datum datum;
    SV_TRY(sv_exec_output(session->exec, (uint32_t)index, &datum));
    if (datum.kind != SV_KIND_TENSOR) {
        return sv_error(SV_CODE_FAILED_PRECONDITION,
                        "output '%s': expected a tensor, found a %s (sv_session_output_datum)",
                        session->model->out[index].name, sv_kind_name(datum.kind));
    }
    const sv_tensor tensor = datum.tensor;
    sv_type type = {tensor.dtype, tensor.shape};
    *out = (sv_buffer){.dtype = tensor.dtype, .rank = tensor.shape.rank, .data = tensor.data};
    memcpy(out->dim, tensor.shape.dim, sizeof(out->dim));
    return sv_type_bytes(&type, session->model->out[index].name, &out->size);
}

sv_status sv_session_output_datum(const sv_session *session, size_t index, const sv_datum **out)
{
    SV_TRY(check_index("output", index, session->model->n_out));
    SV_TRY(sv_exec_output(session->exec, (uint32_t)index, &session->output[index]));
    *out = &session->output[index];
    return SV_OK;
}

void sv_session_profile(sv_session *session, bool on)
{
    sv_exec_profile(session->exec, on);
}

bool sv_session_step_time(const sv_session *session, size_t index, sv_step_time *out)
{
    sv_exec_step_time step;
    if (!sv_exec_step(session->exec, index, &step)) return false;
    *out = (sv_step_time){.node = step.node->node->name,
                          .op = step.node->title,
                          .kernel = step.kernel->name,
                          .ns = step.ns,
                          .flops = step.flops,
                          .bytes = step.bytes,
                          .dtype = step.result->dtype,
                          .rank = step.result->rank};
    memcpy(out->dim, step.result->dim, sizeof out->dim);
    return true;
}
