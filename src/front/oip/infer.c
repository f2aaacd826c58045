/* Bodies of the Open Inference Protocol's infer call, as JSON alone or with Triton's binary
 * extension (https://github.com/triton-inference-server/server/blob/main/docs/protocol/
 * extension_binary_data.md), where the header Inference-Header-Content-Length says how much of the
 * body is JSON and raw tensors follow.
 *
 * Keys come in any order (Go's clients sort them: data, datatype, name, parameters, shape). Data
 * are read at once when name and datatype are known by then, else stepped over and read at the end.
 */
#include "front/oip/infer.h"

#include "base/status.h"
#include "codec/json_tensor.h"
#include "front/common.h"
#include "front/oip/metadata.h"
#include "front/oip/scheduling.h"
#include "front/elements.h"
#include "front/values.h"
#include "store/terms.h"
#include "tensor/tensor.h"
#include <string.h>

/* ---- one input --------------------------------------------------------------------------- */

enum { INPUT_DATA, INPUT_TYPE, INPUT_NAME, INPUT_PARAMETERS, INPUT_SHAPE, INPUT_KEYS };

static const char *const input_names[] = {"data", "datatype", "name", "parameters", "shape"};

/* An input as far as it has been read. */
typedef struct oip_input {
    sv_request *request;
    sv_json_fields fields;
    size_t index; /* of the model's input */
    sv_shape shape, found;
    bool read;    /* the data are in */
    sv_json data; /* where they stand, if not */
    bool binary;  /* the data follow the JSON instead: this many bytes */
    uint64_t binary_size;
    sv_oip_place place;
    sv_call *call;
    sv_oip_call *state;
} oip_input;

static bool seen(const oip_input *in, int key)
{
    return in->fields.seen & (uint64_t)1 << key;
}

static const char *name_of(const oip_input *in)
{
    return sv_model_input(in->request->version->model, in->index)->name;
}

static sv_status read_name(oip_input *in, sv_json *json)
{
    sv_string name;
    SV_TRY(sv_json_string(json, &name));
    SV_TRY(sv_request_find_input(in->request, name, &in->index));
    if (!in->request->input[in->index].given) return SV_OK;
    return sv_json_error(json, "input '%s': expected once, found twice", name_of(in));
}

static sv_status read_type(sv_json *json, sv_dtype *out)
{
    sv_string text;
    SV_TRY(sv_json_string(json, &text));
    *out = sv_oip_type_find(text);
    if (*out != SV_DTYPE_NONE) return SV_OK;
    return sv_json_error(json, "datatype: expected one such as FP32, INT64 or BYTES, found '%.*s'",
                         (int)(text.size < 64 ? text.size : 64), text.data);
}

static sv_status read_shape(sv_json *json, sv_shape *out)
{
    bool more;
    sv_shape shape = {.rank = 0};
    SV_TRY(sv_json_array_begin(json));
    for (;;) {
        int64_t dim;
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) break;
        SV_TRY(sv_json_i64(json, &dim));
        if (dim < 0) {
            return sv_json_error(json, "shape: expected sizes of at least 0, found %lld",
                                 (long long)dim);
        }
        if (shape.rank == SV_MAX_RANK) {
            return sv_json_error(json, "shape: expected at most %d sizes, found more", SV_MAX_RANK);
        }
        shape.dim[shape.rank++] = dim;
    }
    *out = shape;
    return SV_OK;
}

static sv_status read_data(oip_input *in, sv_json *json)
{
    in->read = true;
    return sv_values_read_input(in->request, in->index, json, false, &in->found);
}

/* The model says the type of an input too; data of another type are refused when the input is
 * sealed, and read as the model wants them until then. */
static sv_status take_data(oip_input *in, sv_json *json)
{
    if (seen(in, INPUT_NAME)) return read_data(in, json);
    in->data = *json;
    return sv_json_skip(json);
}

/* Of an input; what is not known is the client's own affair. */
static sv_status take_parameter(void *self, const sv_oip_parameter *parameter)
{
    oip_input *in = self;
    if (!sv_oip_parameter_is(parameter, "binary_data_size"))
        return sv_oip_place_take(&in->place, in->call->arena, parameter);
    SV_TRY(sv_oip_parameter_check(parameter, SV_OIP_NUMBER));
    in->binary = true;
    in->binary_size = parameter->number;
    return SV_OK;
}

static sv_status read_input_field(oip_input *in, size_t key, sv_json *json, sv_dtype *dtype)
{
    switch (key) {
    case INPUT_PARAMETERS:
        return sv_oip_parameters_read(json, take_parameter, in);
    case INPUT_DATA:
        return take_data(in, json);
    case INPUT_TYPE:
        return read_type(json, dtype);
    case INPUT_NAME:
        return read_name(in, json);
    case INPUT_SHAPE:
        return read_shape(json, &in->shape);
    default:
        return sv_json_skip(json);
    }
}

static sv_status check_keys(const oip_input *in, const sv_json *json)
{
    static const int needed[] = {INPUT_NAME, INPUT_SHAPE, INPUT_TYPE, INPUT_DATA};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        bool elsewhere = in->binary || sv_oip_place_is_given(&in->place);
        if (seen(in, needed[i]) || (needed[i] == INPUT_DATA && elsewhere)) continue;
        bool named = seen(in, INPUT_NAME);
        return sv_json_error(json, "input%s%s%s: expected a key \"%s\", found none",
                             named ? " '" : "", named ? name_of(in) : "", named ? "'" : "",
                             input_names[needed[i]]);
    }
    return SV_OK;
}

/* Data may be flat, or nested in just the shape that is said. */
static sv_status check_shape(const oip_input *in)
{
    int64_t expected, found = 0;
    bool fits = sv_shape_count(&in->shape, &expected);
    sv_shape_count(&in->found, &found);
    if (fits && expected == found &&
        (in->found.rank <= 1 || sv_shape_equal(&in->shape, &in->found))) {
        return SV_OK;
    }
    char said[SV_SHAPE_TEXT], has[SV_SHAPE_TEXT];
    if (!fits || expected != found) {
        return sv_error_invalid("input '%s': expected %s%lld elements for the shape %s, found %lld",
                                name_of(in), fits ? "" : "more than ",
                                (long long)(fits ? expected : INT64_MAX),
                                sv_shape_text(&in->shape, said), (long long)found);
    }
    return sv_error_invalid("input '%s': expected data that are flat or of the shape %s, found %s",
                            name_of(in), sv_shape_text(&in->shape, said),
                            sv_shape_text(&in->found, has));
}

/* Raw tensors follow one another in the order of the inputs. */
static sv_status take_binary(oip_input *in, sv_dtype dtype)
{
    sv_string *left = &in->state->binary;
    if (seen(in, INPUT_DATA)) {
        return sv_error_invalid("input '%s': expected either \"data\" or binary data, found both",
                                name_of(in));
    }
    if (in->binary_size > left->size) {
        return sv_error_invalid("input '%s': expected %llu bytes behind the JSON, found %zu",
                                name_of(in), (unsigned long long)in->binary_size, left->size);
    }
    sv_string bytes = {left->data, in->binary_size};
    left->data += in->binary_size;
    left->size -= in->binary_size;
    return sv_elements_read_bytes(in->request, in->index, dtype, &in->shape, bytes);
}

static sv_status take_shared(oip_input *in, sv_dtype dtype)
{
    if (!seen(in, INPUT_DATA) && !in->binary)
        return sv_oip_place_read(in->call, &in->place, in->request, in->index, dtype, &in->shape);
    return sv_error_invalid("input '%s': expected either data or a shared_memory_region, found "
                            "both",
                            name_of(in));
}

static sv_status read_input(sv_call *call, sv_request *request, sv_json *json)
{
    oip_input in = {.request = request,
                    .fields = {.names = input_names, .count = INPUT_KEYS},
                    .call = call,
                    .state = call->state};
    sv_dtype dtype = SV_DTYPE_NONE;
    sv_string key;
    size_t index;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &in.fields, &key, &index, &more));
        if (!more) break;
        sv_status status = read_input_field(&in, index, json, &dtype);
        if (status == SV_OK) continue;
        bool named = seen(&in, INPUT_NAME) && index != INPUT_NAME && index != INPUT_DATA;
        return named ? sv_status_annotate(status, "input '%s'", name_of(&in)) : status;
    }
    SV_TRY(check_keys(&in, json));
    if (sv_oip_place_is_given(&in.place)) return take_shared(&in, dtype);
    if (in.binary) return take_binary(&in, dtype);
    const sv_port *port = sv_model_input(request->version->model, in.index);
    if (dtype != port->dtype) {
        return sv_request_seal_input(request, in.index, dtype, in.shape.rank, in.shape.dim);
    }
    if (!in.read) SV_TRY(read_data(&in, &in.data));
    SV_TRY(check_shape(&in));
    return sv_request_seal_input(request, in.index, dtype, in.shape.rank, in.shape.dim);
}

static sv_status read_inputs(sv_call *call, sv_request *request, sv_json *json)
{
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (;;) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) return SV_OK;
        SV_TRY(read_input(call, request, json));
    }
}

/* ---- outputs and the rest ---------------------------------------------------------------- */

sv_status sv_oip_begin_state(sv_call *call, sv_request *request)
{
    sv_oip_call *state = sv_arena_alloc_zero(call->arena, sizeof *state);
    if (!state) return sv_error_memory("a call", sizeof *state);
    state->output = sv_arena_array(call->arena, request->output_count, sizeof *state->output);
    if (!state->output) return sv_error_memory("a call", request->output_count);
    call->state = state;
    request->as_declared = true;
    return SV_OK;
}

sv_status sv_oip_take_output_parameter(const sv_call *call, sv_oip_output *output,
                                       const sv_oip_parameter *parameter)
{
    if (sv_oip_parameter_is(parameter, "binary_data")) {
        SV_TRY(sv_oip_parameter_check(parameter, SV_OIP_FLAG));
        output->binary = parameter->flag;
        output->said = true;
        return SV_OK;
    }
    if (!sv_oip_parameter_is(parameter, "classification"))
        return sv_oip_place_take(&output->place, call->arena, parameter);
    SV_TRY(sv_oip_parameter_check(parameter, SV_OIP_NUMBER));
    output->classes = parameter->number;
    return SV_OK;
}

sv_status sv_oip_want_output(const sv_call *call, sv_request *request, sv_string name,
                             const sv_oip_output *said)
{
    size_t index;
    SV_TRY(sv_request_find_output(request, name, &index));
    const char *known = sv_model_output(request->version->model, index)->name;
    if (sv_oip_place_is_given(&said->place)) {
        sv_status status = sv_oip_place_check(call, &said->place);
        if (status != SV_OK) return sv_status_annotate(status, "output '%s'", known);
        if (said->classes)
            return sv_error_invalid("output '%s': expected either a classification or a "
                                    "shared_memory_region, found both",
                                    known);
    }
    request->wanted[index] = true;
    ((sv_oip_call *)call->state)->output[index] = *said;
    return SV_OK;
}

/* A requested output as it is read. */
typedef struct oip_wanted {
    const sv_call *call;
    sv_oip_output output;
} oip_wanted;

static sv_status take_output_parameter(void *self, const sv_oip_parameter *parameter)
{
    oip_wanted *wanted = self;
    return sv_oip_take_output_parameter(wanted->call, &wanted->output, parameter);
}

static sv_status read_output(sv_call *call, sv_request *request, sv_json *json)
{
    static const char *const names[] = {"name", "parameters"};
    sv_json_fields fields = {.names = names, .count = 2};
    oip_wanted wanted = {.call = call};
    sv_string key, name = {"", 0};
    size_t index;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &fields, &key, &index, &more));
        if (!more) break;
        SV_TRY(index == 0   ? sv_json_string(json, &name)
               : index == 1 ? sv_oip_parameters_read(json, take_output_parameter, &wanted)
                            : sv_json_skip(json));
    }
    if (!(fields.seen & 1))
        return sv_json_error(json, "output: expected a key \"name\", found none");
    return sv_oip_want_output(call, request, name, &wanted.output);
}

/* An empty list asks for all, as no list does. */
static sv_status read_outputs(sv_call *call, sv_request *request, sv_json *json)
{
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (bool first = true;; first = false) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) return SV_OK;
        if (first) memset(request->wanted, false, request->output_count * sizeof *request->wanted);
        SV_TRY(read_output(call, request, json));
    }
}

/* Of the request; what is not known is the client's own affair. */
static sv_status take_call_parameter(void *self, const sv_oip_parameter *parameter)
{
    const sv_call *call = self;
    sv_oip_call *state = call->state;
    bool known;
    SV_TRY(sv_oip_scheduling_take(call->request, parameter, &known));
    if (known) return SV_OK;
    if (!sv_oip_parameter_is(parameter, "binary_data_output"))
        return sv_oip_sequence_take(&state->sequence, call->arena, parameter);
    SV_TRY(sv_oip_parameter_check(parameter, SV_OIP_FLAG));
    state->binary_output = parameter->flag;
    return SV_OK;
}

static sv_status read_id(sv_call *call, sv_json *json)
{
    sv_string id;
    SV_TRY(sv_json_string(json, &id));
    if (id.size > SV_OIP_MAX_ID) {
        return sv_json_error(json, "id: expected at most %d bytes, found %zu", SV_OIP_MAX_ID,
                             id.size);
    }
    call->id.data = sv_arena_copy_text(call->arena, id.data, id.size);
    call->id.size = id.size;
    return call->id.data ? SV_OK : sv_error_memory("the id", id.size);
}

enum { KEY_ID, KEY_INPUTS, KEY_OUTPUTS, KEY_PARAMETERS, KEYS };

static const char *const names[] = {"id", "inputs", "outputs", "parameters"};

static sv_status read_field(sv_call *call, sv_request *request, size_t key, sv_json *json)
{
    switch (key) {
    case KEY_ID:
        return read_id(call, json);
    case KEY_INPUTS:
        return read_inputs(call, request, json);
    case KEY_OUTPUTS:
        return read_outputs(call, request, json);
    case KEY_PARAMETERS:
        return sv_oip_parameters_read(json, take_call_parameter, call);
    default:
        return sv_json_skip(json);
    }
}

static sv_status read_json(sv_call *call, sv_request *request, sv_string body)
{
    sv_json_fields fields = {.names = names, .count = KEYS};
    sv_json json;
    sv_string key;
    size_t index;
    bool more;
    SV_TRY(sv_front_json(body, &request->arena, &json));
    SV_TRY(sv_json_object_begin(&json));
    for (;;) {
        SV_TRY(sv_json_field_next(&json, &fields, &key, &index, &more));
        if (!more) break;
        SV_TRY(read_field(call, request, index, &json));
    }
    SV_TRY(sv_json_end(&json));
    if (fields.seen & 1u << KEY_INPUTS) return SV_OK;
    return sv_error_invalid("body: expected a key \"inputs\", found none");
}

/* ---- the binary extension ---------------------------------------------------------------- */

/* The one dimension of an input that the model leaves open follows from the size. */
static sv_status shape_of_raw(const sv_port *port, sv_string bytes, sv_shape *out)
{
    int64_t known = 1, open = -1;
    size_t count;
    if (port->dtype == SV_STRING) {
        SV_TRY(
            sv_elements_count_strings(port->name, (const uint8_t *)bytes.data, bytes.size, &count));
    } else {
        count = bytes.size / sv_dtype_size(port->dtype);
    }
    *out = sv_shape_make(port->rank < 0 ? 1 : port->rank, port->dim);
    if (port->rank < 0) out->dim[0] = -1;
    for (int32_t i = 0; i < out->rank; i++) {
        if (out->dim[i] >= 0 && !__builtin_mul_overflow(known, out->dim[i], &known)) continue;
        if (out->dim[i] >= 0 || open >= 0) {
            return sv_error_invalid("input '%s': expected a model with one open dimension for a "
                                    "body of raw data, found several",
                                    port->name);
        }
        open = i;
    }
    if (open >= 0) out->dim[open] = known ? (int64_t)count / known : 0;
    return SV_OK;
}

/* A body without JSON is the model's only input, and asks for raw outputs. */
static sv_status read_raw(sv_call *call, sv_request *request, sv_string body)
{
    sv_oip_call *state = call->state;
    sv_port room;
    const sv_port *port = sv_terms_port(request->version, true, 0, &room);
    sv_shape shape;
    if (request->input_count != 1 || port->kind != SV_KIND_TENSOR) {
        return sv_error_invalid("body: expected JSON that names %zu inputs, found raw data only",
                                request->input_count);
    }
    SV_TRY(shape_of_raw(port, body, &shape));
    SV_TRY(sv_elements_read_bytes(request, 0, port->dtype, &shape, body));
    state->binary_output = true;
    return SV_OK;
}

/* What the client says about how many bytes are JSON; false when it says nothing. A number that is
 * none counts as too large for any body. */
static bool find_json_size(const sv_call *call, sv_string *text, uint64_t *out)
{
    if (!sv_exchange_header(call->x, "Inference-Header-Content-Length", text)) return false;
    uint64_t size = 0;
    bool good = text->size > 0 && text->size <= 18;
    for (size_t i = 0; good && i < text->size; i++) {
        good = text->data[i] >= '0' && text->data[i] <= '9';
        size = size * 10 + (uint64_t)(text->data[i] - '0');
    }
    *out = good ? size : UINT64_MAX;
    return true;
}

void sv_oip_open_infer(sv_call *call)
{
    sv_string text;
    uint64_t size;
    if (find_json_size(call, &text, &size)) call->x->aligned_at = size;
}

/* How many bytes of the body are JSON: all, where nothing is said. */
static sv_status read_json_size(const sv_call *call, sv_string body, uint64_t *out)
{
    sv_string text;
    uint64_t size = body.size;
    if (find_json_size(call, &text, &size) && size > body.size) {
        return sv_error_invalid("Inference-Header-Content-Length: expected at most the body's %zu "
                                "bytes, found '%.*s'",
                                body.size, (int)(text.size < 32 ? text.size : 32), text.data);
    }
    *out = size;
    return SV_OK;
}

static sv_status read_body(sv_call *call, sv_request *request, sv_string body)
{
    sv_oip_call *state = call->state;
    uint64_t json_size;
    SV_TRY(read_json_size(call, body, &json_size));
    if (json_size == 0 && body.size) return read_raw(call, request, body);
    state->binary = (sv_string){body.data + json_size, body.size - json_size};
    SV_TRY(read_json(call, request, (sv_string){body.data, json_size}));
    if (state->binary.size == 0) return SV_OK;
    return sv_error_invalid("body: expected binary data for the inputs that ask for it, found %zu "
                            "bytes more",
                            state->binary.size);
}

sv_status sv_oip_decode_infer(sv_call *call, sv_string body)
{
    sv_request *request;
    SV_TRY(sv_call_begin(call, (sv_string){0}, &request));
    SV_TRY(sv_oip_begin_state(call, request));
    SV_TRY(read_body(call, request, body));
    return sv_call_submit(call);
}
