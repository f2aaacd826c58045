/* Holding a model to what its config.pbtxt says: declared inputs and outputs, and the requests that
 * it must answer before it is put in service. */
#include "base/blob.h"
#include "base/path.h"
#include "base/status.h"
#include "store/served.h"
#include "store/signatures.h"
#include "tensor/tensor.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_SAMPLE_BYTES ((size_t)256 << 20)

/* ---- inputs and outputs --------------------------------------------------------------------- */

static const sv_port *find_port(const sv_model *model, bool inputs, const char *name)
{
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        const sv_port *port = inputs ? sv_model_input(model, i) : sv_model_output(model, i);
        if (strcmp(port->name, name) == 0) return port;
    }
    return NULL;
}

/* Whether the declared shape, behind the batch's dimension if there is one, can be the model's. */
static bool shape_agrees(const sv_declared_port *declared, const sv_port *port, bool batched)
{
    if (declared->rank < 0 || declared->reshaped || port->rank < 0) return true;
    int32_t skip = batched ? 1 : 0;
    if (declared->rank + skip != port->rank) return false;
    for (int32_t i = 0; i < declared->rank; i++) {
        int64_t said = declared->dim[i], has = port->dim[i + skip];
        if (said >= 0 && has >= 0 && said != has) return false;
    }
    return true;
}

static void describe(sv_dtype dtype, int32_t rank, const int64_t *dim, char *out, size_t size)
{
    char text[SV_SHAPE_TEXT];
    sv_shape shape = rank < 0 ? sv_shape_unknown() : sv_shape_make(rank, dim);
    snprintf(out, size, "%s%s", sv_dtype_name(dtype), rank < 0 ? "" : sv_shape_text(&shape, text));
}

static sv_status check_port(const sv_model *model, const sv_declared_port *declared, bool inputs,
                            bool batched)
{
    const char *what = inputs ? "input" : "output";
    const sv_port *port = find_port(model, inputs, declared->name);
    if (!port) {
        return sv_error_invalid("config.pbtxt: expected %ss that the model has, found '%s'", what,
                                declared->name);
    }
    bool typed = declared->dtype != SV_DTYPE_NONE;
    if ((!typed || declared->dtype == port->dtype) && shape_agrees(declared, port, batched)) {
        return SV_OK;
    }
    char has[256], said[256];
    describe(port->dtype, port->rank, port->dim, has, sizeof has);
    describe(typed ? declared->dtype : port->dtype, declared->rank, declared->dim, said,
             sizeof said);
    return sv_error_invalid("config.pbtxt: %s '%s': expected %s as the model has it, found %s%s",
                            what, declared->name, has, said,
                            batched ? " behind the batch's dimension" : "");
}

sv_status sv_served_check_ports(const sv_served *served, const sv_layout *layout)
{
    bool batched = layout->tuning.max_batch_rows > 0;
    for (size_t i = 0; i < layout->input_count; i++)
        SV_TRY(check_port(served->model, &layout->input[i], true, batched));
    for (size_t i = 0; i < layout->output_count; i++)
        SV_TRY(check_port(served->model, &layout->output[i], false, batched));
    return SV_OK;
}

/* ---- labels --------------------------------------------------------------------------------- */

static sv_status read_label_file(sv_served *served, const char *folder, size_t output,
                                 const char *name)
{
    int fd;
    sv_blob *blob;
    SV_TRY(sv_path_open_beneath(folder, name, &fd));
    sv_status status = sv_blob_read_fd(fd, name, 0, SIZE_MAX, SV_LABELS_MAX_BYTES, NULL, &blob);
    close(fd);
    if (status != SV_OK) return status;
    sv_signatures *signatures = (sv_signatures *)(uintptr_t)served->signatures;
    sv_string text = {(const char *)blob->data, blob->size};
    status = sv_signatures_add_labels(&signatures, text, name, served->model, output);
    sv_blob_unref(blob);
    served->signatures = signatures;
    return status;
}

sv_status sv_served_read_labels(sv_served *served, const sv_model_config *config,
                                const sv_layout *layout)
{
    for (size_t i = 0; i < layout->output_count; i++) {
        const sv_declared_port *port = &layout->output[i];
        if (!port->label_file) continue;
        int64_t output = sv_model_find_output(served->model, port->name);
        sv_status status = read_label_file(served, config->path, (size_t)output, port->label_file);
        if (status != SV_OK) {
            return sv_status_annotate(status, "config.pbtxt: label_filename of output '%s'",
                                      port->name);
        }
    }
    return SV_OK;
}

/* ---- samples -------------------------------------------------------------------------------- */

static sv_status read_sample(const sv_model_config *config, const sv_warmup_input *input,
                             sv_buffer *out)
{
    char root[4096];
    int fd;
    sv_blob *blob;
    int size = snprintf(root, sizeof root, "%s/warmup", config->path);
    if (size < 0 || (size_t)size >= sizeof root) return sv_error_memory("a path", sizeof root);
    SV_TRY(sv_path_open_beneath(root, input->file, &fd));
    sv_status status = sv_blob_read_fd(fd, input->file, 0, SIZE_MAX, MAX_SAMPLE_BYTES, NULL, &blob);
    close(fd);
    if (status != SV_OK) return status;
    if (blob->size == out->size) {
        memcpy(out->data, blob->data, out->size);
    } else {
        status = sv_error_invalid("%s: expected %zu bytes, found %zu", input->file, out->size,
                                  blob->size);
    }
    sv_blob_unref(blob);
    return status;
}

static sv_status make_sample(const sv_model_config *config, const sv_warmup *warmup,
                             const sv_warmup_input *input, sv_arena *arena, sv_buffer *out)
{
    int32_t lead = warmup->batch_rows > 0 ? 1 : 0;
    if (input->rank + lead > SV_MAX_RANK || input->dtype == SV_STRING) {
        return sv_error_unsupported("model_warmup: input '%s': expected numbers of at most %d "
                                    "dimensions, found another",
                                    input->name, SV_MAX_RANK);
    }
    int64_t dim[SV_MAX_RANK] = {warmup->batch_rows};
    memcpy(dim + lead, input->dim, (size_t)input->rank * sizeof *dim);
    sv_type type = {input->dtype, sv_shape_make(input->rank + lead, dim)};
    SV_TRY(sv_type_bytes(&type, input->name, &out->size));
    out->data = out->size <= MAX_SAMPLE_BYTES ? sv_arena_alloc_zero(arena, out->size) : NULL;
    if (!out->data) return sv_error_memory("a warm-up's input", out->size);
    out->dtype = input->dtype;
    out->rank = input->rank + lead;
    memcpy(out->dim, dim, sizeof out->dim);
    if (input->file) return read_sample(config, input, out);
    uint32_t state = 1;
    if (input->random) sv_sample_fill(input->dtype, out->data, out->size, &state);
    return SV_OK;
}

static sv_status bind_samples(sv_session *session, const sv_served *served,
                              const sv_model_config *config, const sv_warmup *warmup,
                              sv_arena *arena)
{
    size_t count = sv_model_input_count(served->model);
    for (size_t i = 0; i < warmup->input_count; i++) {
        const sv_warmup_input *input = &warmup->input[i];
        sv_buffer buffer = {.dtype = SV_DTYPE_NONE};
        size_t index = 0;
        while (index < count &&
               strcmp(sv_model_input(served->model, index)->name, input->name) != 0)
            index++;
        if (index == count) {
            return sv_error_invalid("expected inputs that the model has, found '%s'", input->name);
        }
        SV_TRY(make_sample(config, warmup, input, arena, &buffer));
        SV_TRY(sv_session_bind_input(session, index, &buffer));
    }
    return SV_OK;
}

static sv_status run_warmup(sv_served *served, const sv_model_config *config,
                            const sv_warmup *warmup, sv_arena *arena)
{
    sv_session *session;
    SV_TRY(sv_session_create(served->model, 1, &session));
    sv_status status = bind_samples(session, served, config, warmup, arena);
    for (uint32_t i = 0; status == SV_OK && i < warmup->count; i++)
        status = sv_session_run(session);
    sv_session_destroy(session);
    return status;
}

sv_status sv_served_warm_up(sv_served *served, const sv_model_config *config,
                            const sv_layout *layout)
{
    for (size_t i = 0; i < layout->warmup_count; i++) {
        sv_arena arena;
        sv_arena_init(&arena, NULL);
        sv_status status = run_warmup(served, config, &layout->warmup[i], &arena);
        sv_arena_release(&arena);
        if (status != SV_OK) {
            return sv_status_annotate(status, "model_warmup '%s'", layout->warmup[i].name);
        }
    }
    return SV_OK;
}
