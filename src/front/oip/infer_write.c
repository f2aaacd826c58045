/* Answers of the Open Inference Protocol's infer call: tensors as JSON, raw behind it, or as the
 * best classes (https://github.com/triton-inference-server/server/blob/main/docs/protocol/
 * extension_classification.md). */
#include "base/status.h"
#include "codec/json_tensor.h"
#include "front/common.h"
#include "front/oip/infer.h"
#include "front/oip/metadata.h"
#include "front/elements.h"
#include "front/top.h"
#include "store/terms.h"
#include "tensor/datum.h"
#include <stdio.h>

static bool is_binary(const sv_oip_call *state, size_t index)
{
    const sv_oip_output *output = &state->output[index];
    return output->said ? output->binary : state->binary_output;
}

/* What stands for an output that is asked for as classes: strings "score:index:label". */
static sv_status classify(sv_call *call, const sv_request *request, size_t index,
                          const sv_buffer *scores, sv_buffer *out)
{
    const sv_oip_call *state = call->state;
    sv_status status = sv_top_texts(request, index, scores, state->output[index].classes,
                                    &call->request->arena, out);
    if (status == SV_OK) return SV_OK;
    return sv_status_annotate(status, "output '%s'",
                              sv_model_output(request->version->model, index)->name);
}

static sv_status put_data(const sv_buffer *buffer, sv_text *out)
{
    sv_tensor tensor = {.dtype = buffer->dtype, .data = buffer->data};
    tensor.shape = sv_shape_make(buffer->rank, buffer->dim);
    sv_json_write_options options = {.flat = true};
    /* A scalar is a list of one here. */
    sv_text_puts(out, buffer->rank ? ",\"data\":" : ",\"data\":[");
    SV_TRY(sv_json_tensor_write(out, &tensor, &options));
    sv_text_puts(out, buffer->rank ? "}" : "]}");
    return SV_OK;
}

static void put_output_head(const char *name, const sv_buffer *buffer, sv_text *out)
{
    sv_text_puts(out, "{\"name\":");
    sv_front_put_string(out, name);
    sv_text_puts(out, ",\"datatype\":\"");
    sv_text_puts(out, sv_oip_type_name(buffer->dtype));
    sv_text_puts(out, "\",\"shape\":[");
    for (int32_t i = 0; i < buffer->rank; i++) {
        sv_text_puts(out, i ? "," : "");
        sv_text_put_i64(out, buffer->dim[i]);
    }
    sv_text_putc(out, ']');
}

/* *raw: its bytes go behind the JSON. */
static sv_status write_output(const sv_call *call, const sv_request *request, size_t index,
                              const sv_buffer *buffer, bool *raw, sv_text *out)
{
    const sv_oip_place *place = &((const sv_oip_call *)call->state)->output[index].place;
    *raw = !place->region.size && is_binary(call->state, index);
    put_output_head(sv_model_output(request->version->model, index)->name, buffer, out);
    /* What is in shared memory has neither data nor parameters: clients take these for others. */
    if (place->region.size) {
        sv_text_putc(out, '}');
        return SV_OK;
    }
    if (!*raw) return put_data(buffer, out);
    sv_text_printf(out, ",\"parameters\":{\"binary_data_size\":%zu}}", sv_elements_bytes(buffer));
    return SV_OK;
}

static sv_status find_output(sv_call *call, const sv_request *request, size_t index,
                             const char *name, sv_buffer *out)
{
    const sv_oip_call *state = call->state;
    const sv_datum *value = request->value[index];
    if (value) {
        return sv_error_unsupported("output '%s': expected a tensor, found a %s, which has no form "
                                    "in this protocol: ask for the other outputs by name",
                                    name, sv_kind_name(value->kind));
    }
    sv_buffer buffer = request->output[index];
    sv_terms_give_shape(request->version, index, &buffer.rank, buffer.dim);
    if (state->output[index].classes) return classify(call, request, index, &buffer, out);
    *out = buffer;
    if (sv_oip_type_name(out->dtype)) return SV_OK;
    return sv_error_unsupported("output '%s': expected a datatype that the protocol has, found %s",
                                name, sv_dtype_name(out->dtype));
}

sv_status sv_oip_take_output(sv_call *call, const sv_request *request, size_t index, sv_buffer *out)
{
    const sv_oip_place *place = &((const sv_oip_call *)call->state)->output[index].place;
    const char *name = sv_model_output(request->version->model, index)->name;
    SV_TRY(find_output(call, request, index, name, out));
    return place->region.size ? sv_oip_place_write(call, place, name, out) : SV_OK;
}

/* A sequence is known by its id; answers of others say nothing. */
static void put_sequence(const sv_oip_sequence *sequence, sv_text *out)
{
    if (!sequence->given) return;
    sv_text_puts(out, ",\"parameters\":{\"sequence_id\":");
    if (sequence->is_text)
        sv_text_put_json(out, sequence->text.data, sequence->text.size);
    else
        sv_text_printf(out, "%llu", (unsigned long long)sequence->number);
    sv_text_printf(out, ",\"sequence_start\":%s,\"sequence_end\":%s}",
                   sequence->start ? "true" : "false", sequence->end ? "true" : "false");
}

static void put_head(const sv_call *call, const sv_request *request, sv_text *out)
{
    sv_text_puts(out, "{\"model_name\":");
    sv_front_put_string(out, request->version->name);
    sv_text_puts(out, ",\"model_version\":\"");
    sv_text_put_i64(out, request->version->number);
    sv_text_putc(out, '"');
    if (call->id.size) {
        sv_text_puts(out, ",\"id\":");
        sv_text_put_json(out, call->id.data, call->id.size);
    }
    put_sequence(&((const sv_oip_call *)call->state)->sequence, out);
    sv_text_puts(out, ",\"outputs\":[");
}

/* Raw tensors go behind the JSON, whose length a header says. */
static void put_binary(sv_call *call, const sv_buffer *output, size_t count, sv_text *out)
{
    char size[24];
    bool any = false;
    size_t json = out->size;
    for (size_t i = 0; i < count; i++) {
        if (!output[i].dtype) continue;
        any = true;
        sv_elements_put_bytes(&output[i], out);
    }
    if (!any) return;
    snprintf(size, sizeof size, "%zu", json);
    sv_exchange_add_header(call->x, "Inference-Header-Content-Length", size);
    call->content_type = "application/octet-stream";
}

sv_status sv_oip_encode_infer(sv_call *call, const sv_request *request, sv_text *out)
{
    size_t count = request->output_count;
    sv_buffer *binary = sv_arena_array(call->arena, count, sizeof *binary);
    if (!binary) return sv_error_memory("an answer", count * sizeof *binary);
    bool first = true;
    put_head(call, request, out);
    for (size_t i = 0; i < count; i++) {
        sv_buffer output;
        bool raw;
        if (!request->wanted[i]) continue;
        SV_TRY(sv_oip_take_output(call, request, i, &output));
        sv_text_puts(out, first ? "" : ",");
        first = false;
        SV_TRY(write_output(call, request, i, &output, &raw, out));
        if (raw) binary[i] = output;
    }
    sv_text_puts(out, "]}");
    put_binary(call, binary, count, out);
    return SV_OK;
}
