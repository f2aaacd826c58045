/* Declared inputs and outputs, and the requests that a model is warmed up with. */
#include "base/status.h"
#include "store/triton_reader.h"

/* ---- input and output ------------------------------------------------------------------------ */

static sv_status port_name(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((sv_declared_port *)into)->name);
}

static sv_status port_dtype(sv_triton_reader *r, void *into)
{
    return sv_triton_dtype(r, &((sv_declared_port *)into)->dtype);
}

static sv_status port_dim(sv_triton_reader *r, void *into)
{
    sv_declared_port *port = into;
    return sv_triton_dim(r, -1, &port->rank, port->dim);
}

static sv_status port_optional(sv_triton_reader *r, void *into)
{
    return sv_pbtxt_bool(&r->text, &((sv_declared_port *)into)->optional);
}

static sv_status reshape_dim(sv_triton_reader *r, void *into)
{
    sv_declared_port *port = into;
    return sv_triton_dim(r, -1, &port->model_rank, port->model_dim);
}

static const sv_triton_field reshape_fields[] = {{"shape", reshape_dim, true}};

static sv_status port_reshape(sv_triton_reader *r, void *into)
{
    sv_declared_port *port = into;
    port->reshaped = true;
    return sv_triton_message(r, SV_FIELDS(reshape_fields), port);
}

static sv_status port_labels(sv_triton_reader *r, void *into)
{
    const char **file = &((sv_declared_port *)into)->label_file;
    SV_TRY(sv_triton_text(r, file));
    if (!**file) *file = NULL;
    return SV_OK;
}

static const sv_triton_field port_fields[] = {
    {"name", port_name, false},
    {"data_type", port_dtype, false},
    {"dims", port_dim, true},
    {"optional", port_optional, false},
    {"reshape", port_reshape, false},
    {"format", NULL, false},
    {"is_shape_tensor", NULL, false},
    {"allow_ragged_batch", NULL, false},
    {"label_filename", port_labels, false},
    {"is_non_linear_format_io", NULL, false},
};

static sv_status read_port(sv_triton_reader *r, sv_declared_port *out)
{
    sv_declared_port port = {.rank = -1};
    SV_TRY(sv_triton_message(r, SV_FIELDS(port_fields), &port));
    if (!port.name || !*port.name) {
        return sv_pbtxt_error(&r->text, "expected a name of the input or output, found none");
    }
    *out = port;
    return SV_OK;
}

sv_status sv_triton_input(sv_triton_reader *r, void *into)
{
    (void)into;
    SV_TRY(sv_triton_grow(r, &r->input, &r->input_room, r->input_count, sizeof *r->input));
    SV_TRY(read_port(r, &r->input[r->input_count]));
    if (r->input[r->input_count++].label_file)
        return sv_triton_warn(r, "'label_filename' of an input is not heeded");
    return SV_OK;
}

sv_status sv_triton_output(sv_triton_reader *r, void *into)
{
    (void)into;
    SV_TRY(sv_triton_grow(r, &r->output, &r->output_room, r->output_count, sizeof *r->output));
    SV_TRY(read_port(r, &r->output[r->output_count]));
    r->output_count++;
    return SV_OK;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static sv_status parameter_value(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((sv_declared_parameter *)into)->value);
}

static const sv_triton_field value_fields[] = {{"string_value", parameter_value, false}};

static sv_status parameter_key(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((sv_declared_parameter *)into)->key);
}

static sv_status parameter_text(sv_triton_reader *r, void *into)
{
    return sv_triton_message(r, SV_FIELDS(value_fields), into);
}

static const sv_triton_field parameter_fields[] = {
    {"key", parameter_key, false},
    {"value", parameter_text, false},
};

sv_status sv_triton_parameter(sv_triton_reader *r, void *into)
{
    sv_declared_parameter parameter = {"", ""};
    uint32_t at = r->parameter_count;
    (void)into;
    SV_TRY(sv_triton_message(r, SV_FIELDS(parameter_fields), &parameter));
    SV_TRY(sv_triton_grow(r, &r->parameter, &r->parameter_room, at, sizeof *r->parameter));
    r->parameter[r->parameter_count++] = parameter;
    if (at) return SV_OK;
    return sv_triton_warn(r, "'parameters' are told to clients, and not heeded");
}

/* ---- model_warmup ---------------------------------------------------------------------------- */

typedef struct warmup_reader {
    sv_warmup warmup;
    sv_warmup_input *input, current;
    uint32_t count, room;
} warmup_reader;

static sv_status sample_dtype(sv_triton_reader *r, void *into)
{
    return sv_triton_dtype(r, &((warmup_reader *)into)->current.dtype);
}

static sv_status sample_dim(sv_triton_reader *r, void *into)
{
    sv_warmup_input *input = &((warmup_reader *)into)->current;
    return sv_triton_dim(r, 0, &input->rank, input->dim);
}

static sv_status sample_zero(sv_triton_reader *r, void *into)
{
    bool zero;
    (void)into;
    return sv_pbtxt_bool(&r->text, &zero);
}

static sv_status sample_random(sv_triton_reader *r, void *into)
{
    return sv_pbtxt_bool(&r->text, &((warmup_reader *)into)->current.random);
}

static sv_status sample_file(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((warmup_reader *)into)->current.file);
}

static const sv_triton_field sample_fields[] = {
    {"data_type", sample_dtype, false},      {"dims", sample_dim, true},
    {"zero_data", sample_zero, false},       {"random_data", sample_random, false},
    {"input_data_file", sample_file, false},
};

static sv_status entry_key(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((warmup_reader *)into)->current.name);
}

static sv_status entry_value(sv_triton_reader *r, void *into)
{
    return sv_triton_message(r, SV_FIELDS(sample_fields), into);
}

static const sv_triton_field entry_fields[] = {
    {"key", entry_key, false},
    {"value", entry_value, false},
};

static sv_status warmup_input(sv_triton_reader *r, void *into)
{
    warmup_reader *w = into;
    w->current = (sv_warmup_input){.rank = 0};
    SV_TRY(sv_triton_message(r, SV_FIELDS(entry_fields), w));
    if (!w->current.name || w->current.dtype == SV_DTYPE_NONE) {
        return sv_pbtxt_error(&r->text, "'inputs': expected a key and a data_type, found one of "
                                        "them missing");
    }
    SV_TRY(sv_triton_grow(r, &w->input, &w->room, w->count, sizeof *w->input));
    w->input[w->count++] = w->current;
    return SV_OK;
}

static sv_status warmup_name(sv_triton_reader *r, void *into)
{
    return sv_triton_text(r, &((warmup_reader *)into)->warmup.name);
}

static sv_status warmup_batch(sv_triton_reader *r, void *into)
{
    return sv_triton_number(r, 0, SV_TRITON_MAX_COUNT, &((warmup_reader *)into)->warmup.batch_rows);
}

static sv_status warmup_count(sv_triton_reader *r, void *into)
{
    return sv_triton_u32(r, &((warmup_reader *)into)->warmup.count);
}

static const sv_triton_field warmup_fields[] = {
    {"name", warmup_name, false},
    {"batch_size", warmup_batch, false},
    {"inputs", warmup_input, true},
    {"count", warmup_count, false},
};

sv_status sv_triton_warmup(sv_triton_reader *r, void *into)
{
    warmup_reader w = {.warmup = {.name = ""}};
    (void)into;
    SV_TRY(sv_triton_message(r, SV_FIELDS(warmup_fields), &w));
    w.warmup.input = w.input;
    w.warmup.input_count = w.count;
    if (!w.warmup.count) w.warmup.count = 1;
    SV_TRY(sv_triton_grow(r, &r->warmup, &r->warmup_room, r->warmup_count, sizeof *r->warmup));
    r->warmup[r->warmup_count++] = w.warmup;
    return SV_OK;
}
