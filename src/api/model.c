/* Loading a model, and what it says about itself. */
#include "api/handles.h"
#include "api/import.h"
#include "api/kept.h"
#include "base/alloc.h"
#include "base/path.h"
#include "base/status.h"
#include "engine/machine.h"

#include <limits.h>
#include <string.h>

/* ---- ports ------------------------------------------------------------------------------- */

/* The dtype of the tensors in a value of any kind, as far as types tell. */
static sv_dtype element_dtype(const sv_value_type *type)
{
    while (type && type->kind != SV_KIND_TENSOR)
        type = type->element;
    return type ? type->tensor.dtype : SV_DTYPE_NONE;
}

static sv_status make_ports(sv_model *model, const sv_program *program, const uint32_t *value,
                            uint32_t n, sv_port **out)
{
    sv_port *port = sv_arena_array(&model->arena, n, sizeof(*port));
    if (!port) return sv_error_memory("ports", n * sizeof(*port));
    for (uint32_t i = 0; i < n; i++) {
        const sv_program_value *from = &program->value[value[i]];
        const sv_shape none = sv_shape_unknown();
        const sv_shape *shape = from->type.kind ? &none : &from->type.tensor.shape;
        port[i] = (sv_port){.name = from->name,
                            .kind = from->type.kind,
                            .dtype = element_dtype(&from->type),
                            .rank = shape->rank,
                            .optional = from->input != SV_NO_INDEX &&
                                        program->fallback[from->input] != SV_NO_INDEX};
        for (int32_t d = 0; d < shape->rank; d++) {
            port[i].dim[d] = shape->dim[d] < 0 ? -1 : shape->dim[d];
            if (shape->dim[d] < 0)
                port[i].dim_name[d] = sv_module_symbol_name(program->module, shape->dim[d]);
        }
    }
    *out = port;
    return SV_OK;
}

/* Constants as the file holds them: optimisation adds its own. */
static void count_constants(const sv_module *module, sv_model_stats *stats)
{
    for (uint32_t c = 0; c < module->n_constant; c++) {
        const sv_tensor *source = &module->constant[c].source;
        if (module->constant[c].datum) continue;
        uint64_t elements = (uint64_t)sv_tensor_count(source);
        stats->parameters += elements;
        stats->weight_bytes += elements * sv_dtype_get(source->dtype)->size;
    }
}

/* ---- loading ----------------------------------------------------------------------------- */

/* Where a model comes from: a file that is read as it is needed, or its bytes. */
typedef struct sv_model_source {
    sv_file *file; /* NULL: `blob` */
    sv_blob *blob;
    const char *folder;
} sv_model_source;

static sv_status read_module(sv_runtime *runtime, const sv_model_source *from, sv_module **out)
{
    if (from->file) return sv_import_read_file(runtime, from->file, from->folder, out);
    return sv_import_read(runtime, from->blob, from->folder, out);
}

/* What the plan cache cannot do keeps no model from working. */
static void note(sv_model *model, sv_status status)
{
    if (!status) return;
    const char *text = sv_status_message(status);
    char *copy = sv_arena_copy_text(&model->arena, text, strlen(text));
    model->warning = copy ? copy : "out of memory";
    sv_status_free(status);
}

static sv_status find_kept(sv_model *model, const sv_model_source *from, const sv_module *module,
                           sv_weight_key *key)
{
    sv_runtime *runtime = model->runtime;
    const char *identity = key->identity;
    key->identity = NULL; /* as long as the key is not whole */
    SV_TRY(sv_kept_add_side_files(runtime, module, from->file, &key->model));
    key->identity = identity;
    return sv_weight_file_open(runtime->kept, key, sv_runtime_loading_team(runtime),
                               runtime->allocator, &model->kept);
}

/* Writes what was packed, unless all of it came from the file. */
static sv_status keep(sv_model *model, const sv_weight_key *key)
{
    const sv_store *store = model->compiled->store;
    model->stats.from_plan_cache = model->kept && !store->fresh;
    if (model->stats.from_plan_cache || !key->identity) return SV_OK;
    return sv_store_keep(store, model->runtime->kept, key, sv_runtime_loading_team(model->runtime));
}

static sv_status compile(sv_model *model, const sv_model_source *from)
{
    sv_runtime *runtime = model->runtime;
    sv_module *module;
    sv_weight_key key = {.identity = runtime->identity};
    if (runtime->kept) SV_TRY(sv_kept_hash(runtime, from->file, from->blob, &key.model));
    SV_TRY(read_module(runtime, from, &module));
    count_constants(module, &model->stats);
    if (runtime->kept) note(model, find_kept(model, from, module, &key));
    sv_engine_options options = {.allocator = runtime->allocator,
                                 .level = runtime->level,
                                 .prices = sv_machine_prices(runtime->level),
                                 .team = sv_runtime_loading_team(runtime),
                                 .keep_denormals = runtime->options.keep_denormals,
                                 .join = !runtime->options.no_optimize,
                                 .exact = runtime->options.exact,
                                 .compact = runtime->options.memory,
                                 .kept = model->kept,
                                 .plan_cache_bytes = runtime->options.plan_cache_bytes};
    sv_status status = sv_import_prepare(runtime, module);
    if (status == SV_OK) status = sv_compiled_create(module, &options, &model->compiled);
    if (status != SV_OK) {
        sv_module_destroy(module);
        return status;
    }
    const sv_program *program = model->compiled->program;
    model->n_in = program->n_in;
    model->n_out = program->n_out;
    SV_TRY(make_ports(model, program, program->in, program->n_in, &model->in));
    SV_TRY(make_ports(model, program, program->out, program->n_out, &model->out));
    model->stats.packed_bytes = model->compiled->store->bytes;
    model->stats.open_ended = sv_program_is_open_ended(program);
    model->stats.nodes = model->compiled->module->entry[0].graph->n_node;
    if (from->file) SV_TRY(sv_file_unchanged(from->file));
    if (runtime->kept) note(model, keep(model, &key));
    return SV_OK;
}

static sv_status load(sv_runtime *runtime, const sv_model_source *from, sv_model **out)
{
    sv_model *model = sv_alloc_zero(runtime->allocator, sizeof(*model));
    if (!model) return sv_error_memory("model", sizeof(*model));
    atomic_store(&model->refs, 1);
    model->runtime = sv_runtime_ref(runtime);
    sv_arena_init(&model->arena, runtime->allocator);
    sv_status status = compile(model, from);
    if (status != SV_OK) {
        sv_model_unref(model);
        return status;
    }
    *out = model;
    return SV_OK;
}

sv_status sv_model_load(sv_runtime *runtime, const char *path, sv_model **out)
{
    char folder[PATH_MAX];
    size_t limit = runtime->options.memory_limit_bytes;
    sv_model_source from = {.folder = folder};
    SV_TRY(sv_path_folder(path, folder, sizeof(folder)));
    /* An allocator of the caller is to see all memory, which pages of a file's size are not. */
    if (!runtime->allocator) SV_TRY(sv_file_open(path, NULL, &from.file));
    sv_status status = SV_OK;
    if (from.file && sv_file_size(from.file) > limit) {
        status = sv_error(SV_CODE_RESOURCE_EXHAUSTED, "%s: expected at most %zu bytes, found more",
                          path, limit);
    }
    if (!from.file) status = sv_blob_read_file(path, limit, runtime->allocator, &from.blob);
    if (status == SV_OK) status = load(runtime, &from, out);
    sv_blob_unref(from.blob);
    sv_file_unref(from.file);
    return status;
}

sv_status sv_model_load_memory(sv_runtime *runtime, const void *data, size_t size,
                               const char *folder, sv_model **out)
{
    sv_model_source from = {.folder = folder};
    SV_TRY(sv_blob_copy(data, size, "model in memory", runtime->allocator, &from.blob));
    sv_status status = load(runtime, &from, out);
    sv_blob_unref(from.blob);
    return status;
}

sv_model *sv_model_ref(sv_model *model)
{
    atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void sv_model_unref(sv_model *model)
{
    if (!model) return;
    if (atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) != 1) return;
    sv_runtime *runtime = model->runtime;
    sv_compiled_destroy(model->compiled);
    sv_weight_file_close(model->kept);
    sv_arena_release(&model->arena);
    sv_free(runtime->allocator, model, sizeof(*model));
    sv_runtime_unref(runtime);
}

/* ---- description ------------------------------------------------------------------------- */

size_t sv_model_input_count(const sv_model *model)
{
    return model->n_in;
}

size_t sv_model_output_count(const sv_model *model)
{
    return model->n_out;
}

const sv_port *sv_model_input(const sv_model *model, size_t index)
{
    return &model->in[index];
}

const sv_port *sv_model_output(const sv_model *model, size_t index)
{
    return &model->out[index];
}

static int64_t find(const sv_port *port, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(port[i].name, name) == 0) return i;
    }
    return -1;
}

int64_t sv_model_find_input(const sv_model *model, const char *name)
{
    return find(model->in, model->n_in, name);
}

int64_t sv_model_find_output(const sv_model *model, const char *name)
{
    return find(model->out, model->n_out, name);
}

bool sv_model_metadata(const sv_model *model, size_t index, const char **key, const char **value)
{
    const sv_module *module = model->compiled->module;
    if (index >= module->n_metadata) return false;
    *key = module->metadata[index].key;
    *value = module->metadata[index].value;
    return true;
}

void sv_model_get_stats(const sv_model *model, sv_model_stats *out)
{
    *out = model->stats;
}

const char *sv_model_warning(const sv_model *model)
{
    return model->warning;
}

uint64_t sv_model_cost_ns(const sv_model *model)
{
    return atomic_load_explicit(&model->compiled->cost_ns, memory_order_relaxed);
}
