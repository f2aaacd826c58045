/* Shapes that clients see, and what they are told. */
#include "store/terms.h"

#include "base/status.h"
#include "tensor/tensor.h"
#include <stdlib.h>
#include <string.h>

/* ---- reshape -------------------------------------------------------------------------------- */

/* The product of the fixed dimensions from *at on to the next open one, which is stepped over;
 * false when there is none any more. */
static bool next_run(int32_t rank, const int64_t *dim, int32_t *at, int64_t *product, bool *fits)
{
    *product = 1;
    for (; *at < rank && dim[*at] >= 0; ++*at)
        *fits &= !__builtin_mul_overflow(*product, dim[*at], product);
    if (*at == rank) return false;
    ++*at;
    return true;
}

/* Whether both shapes have as many elements, whatever the open dimensions are: those between two
 * open ones must be as many. */
static bool same_elements(const sv_declared_port *port)
{
    int32_t at = 0, model_at = 0;
    bool fits = true;
    for (;;) {
        int64_t product, model_product;
        bool more = next_run(port->rank, port->dim, &at, &product, &fits);
        bool model_more =
            next_run(port->model_rank, port->model_dim, &model_at, &model_product, &fits);
        if (!fits || product != model_product || more != model_more) return false;
        if (!more) return true;
    }
}

static bool is_models(const sv_reshape *reshape, const sv_port *port)
{
    if (port->rank < 0) return true;
    if (port->rank != reshape->model_rank) return false;
    for (int32_t i = 0; i < port->rank; i++) {
        int64_t said = reshape->model_dim[i], has = port->dim[i];
        if (said >= 0 && has >= 0 && said != has) return false;
    }
    return true;
}

/* Puts the batch's dimension in front. */
static int32_t put_dims(bool batched, int32_t rank, const int64_t *dim, int64_t *out)
{
    int32_t lead = batched;
    if (batched) out[0] = -1;
    memcpy(out + lead, dim, (size_t)rank * sizeof *dim);
    return rank + lead;
}

static sv_status make_reshape(const sv_declared_port *port, const sv_port *has, bool batched,
                              sv_reshape *out)
{
    char said[SV_SHAPE_TEXT], own[SV_SHAPE_TEXT];
    if (port->rank < 0) {
        return sv_error_invalid("config.pbtxt: '%s': expected dims beside reshape, found none",
                                port->name);
    }
    if (port->rank + batched > SV_MAX_RANK || port->model_rank + batched > SV_MAX_RANK) {
        return sv_error_invalid("config.pbtxt: '%s': expected at most %d dimensions with the "
                                "batch's, found more",
                                port->name, SV_MAX_RANK);
    }
    if (!same_elements(port)) {
        sv_shape dims = sv_shape_make(port->rank, port->dim);
        sv_shape shape = sv_shape_make(port->model_rank, port->model_dim);
        return sv_error_invalid("config.pbtxt: '%s': expected a reshape to as many elements as the "
                                "dims %s have, found %s",
                                port->name, sv_shape_text(&dims, said), sv_shape_text(&shape, own));
    }
    out->on = true;
    out->rank = put_dims(batched, port->rank, port->dim, out->dim);
    out->model_rank = put_dims(batched, port->model_rank, port->model_dim, out->model_dim);
    if (is_models(out, has)) return SV_OK;
    sv_shape expected = sv_shape_make(has->rank, has->dim);
    sv_shape found = sv_shape_make(out->model_rank, out->model_dim);
    return sv_error_invalid("config.pbtxt: '%s': expected a reshape to %s as the model has it, "
                            "found %s%s",
                            port->name, sv_shape_text(&expected, said), sv_shape_text(&found, own),
                            batched ? " with the batch" : "");
}

/* Puts what the open dimensions of `from` are here into those of `to`; false where `dim` is no
 * shape of that form. */
static bool translate(int32_t from_rank, const int64_t *from, int32_t to_rank, const int64_t *to,
                      int32_t *rank, int64_t *dim)
{
    int64_t open[SV_MAX_RANK];
    int32_t count = 0, used = 0;
    if (*rank != from_rank) return false;
    for (int32_t i = 0; i < from_rank; i++) {
        if (from[i] >= 0 && from[i] != dim[i]) return false;
        if (from[i] < 0) open[count++] = dim[i];
    }
    for (int32_t i = 0; i < to_rank; i++)
        dim[i] = to[i] >= 0 ? to[i] : open[used++];
    *rank = to_rank;
    return true;
}

static const sv_reshape *find_reshape(const sv_served *served, bool input, size_t index)
{
    const sv_terms *terms = served->terms;
    if (!terms) return NULL;
    const sv_reshape *reshape = input ? &terms->input[index] : &terms->output[index];
    return reshape->on ? reshape : NULL;
}

const sv_port *sv_terms_port(const sv_served *served, bool input, size_t index, sv_port *room)
{
    const sv_port *port =
        input ? sv_model_input(served->model, index) : sv_model_output(served->model, index);
    const sv_reshape *reshape = find_reshape(served, input, index);
    if (!reshape || !room) return port;
    *room = *port;
    room->rank = reshape->rank;
    memcpy(room->dim, reshape->dim, sizeof room->dim);
    memset(room->dim_name, 0, sizeof room->dim_name);
    return room;
}

bool sv_terms_take_shape(const sv_served *served, size_t input, int32_t *rank, int64_t *dim)
{
    const sv_reshape *r = find_reshape(served, true, input);
    return !r || translate(r->rank, r->dim, r->model_rank, r->model_dim, rank, dim);
}

void sv_terms_give_shape(const sv_served *served, size_t output, int32_t *rank, int64_t *dim)
{
    const sv_reshape *r = find_reshape(served, false, output);
    if (r) (void)translate(r->model_rank, r->model_dim, r->rank, r->dim, rank, dim);
}

/* ---- making --------------------------------------------------------------------------------- */

static sv_status take_ports(sv_terms *terms, const sv_layout *layout, const sv_model *model,
                            sv_reshape *input, sv_reshape *output)
{
    bool batched = layout->tuning.max_batch_rows > 0;
    for (size_t i = 0; i < layout->input_count; i++) {
        const sv_declared_port *port = &layout->input[i];
        size_t at = (size_t)sv_model_find_input(model, port->name);
        if (port->reshaped)
            SV_TRY(make_reshape(port, sv_model_input(model, at), batched, &input[at]));
    }
    for (size_t i = 0; i < layout->output_count; i++) {
        const sv_declared_port *port = &layout->output[i];
        size_t at = (size_t)sv_model_find_output(model, port->name);
        if (port->reshaped)
            SV_TRY(make_reshape(port, sv_model_output(model, at), batched, &output[at]));
        if (!port->label_file) continue;
        terms->label_file[at] =
            sv_arena_copy_text(&terms->arena, port->label_file, strlen(port->label_file));
        if (!terms->label_file[at]) return sv_error_memory("a name", strlen(port->label_file));
    }
    return SV_OK;
}

static const char *copy_text(sv_arena *arena, const char *text)
{
    return sv_arena_copy_text(arena, text, strlen(text));
}

static sv_status take_told(sv_terms *terms, const sv_layout *layout)
{
    sv_arena *arena = &terms->arena;
    sv_warmup *warmup = sv_arena_array(arena, layout->warmup_count, sizeof *warmup);
    sv_declared_parameter *parameter =
        sv_arena_array(arena, layout->parameter_count, sizeof *parameter);
    bool good = warmup && parameter;
    for (size_t i = 0; good && i < layout->warmup_count; i++) {
        warmup[i] = layout->warmup[i];
        warmup[i].input = NULL;
        warmup[i].input_count = 0;
        warmup[i].name = copy_text(arena, warmup[i].name);
        good = warmup[i].name;
    }
    for (size_t i = 0; good && i < layout->parameter_count; i++) {
        parameter[i].key = copy_text(arena, layout->parameter[i].key);
        parameter[i].value = copy_text(arena, layout->parameter[i].value);
        good = parameter[i].key && parameter[i].value;
    }
    terms->warmup = warmup;
    terms->warmup_count = layout->warmup_count;
    terms->parameter = parameter;
    terms->parameter_count = layout->parameter_count;
    return good ? SV_OK : sv_error_memory("what a config.pbtxt says", sizeof *terms);
}

static sv_status fill(sv_terms *terms, const sv_layout *layout, const sv_model *model)
{
    size_t inputs = sv_model_input_count(model), outputs = sv_model_output_count(model);
    sv_reshape *input = sv_arena_array(&terms->arena, inputs, sizeof *input);
    sv_reshape *output = sv_arena_array(&terms->arena, outputs, sizeof *output);
    terms->label_file = sv_arena_array(&terms->arena, outputs, sizeof *terms->label_file);
    if (!input || !output || !terms->label_file)
        return sv_error_memory("what a config.pbtxt says", (inputs + outputs) * sizeof *input);
    terms->input = input;
    terms->output = output;
    SV_TRY(take_ports(terms, layout, model, input, output));
    return take_told(terms, layout);
}

sv_status sv_terms_create(const sv_layout *layout, const sv_model *model, sv_terms **out)
{
    *out = NULL;
    if (!layout->described) return SV_OK;
    sv_terms *terms = calloc(1, sizeof *terms);
    if (!terms) return sv_error_memory("what a config.pbtxt says", sizeof *terms);
    sv_arena_init(&terms->arena, NULL);
    sv_status status = fill(terms, layout, model);
    if (status != SV_OK) {
        sv_terms_destroy(terms);
        return status;
    }
    *out = terms;
    return SV_OK;
}

void sv_terms_destroy(sv_terms *terms)
{
    if (!terms) return;
    sv_arena_release(&terms->arena);
    free(terms);
}
