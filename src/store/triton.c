/* config.pbtxt (https://github.com/triton-inference-server/common/blob/main/protobuf/
 * model_config.proto): the model as a whole, which versions are served, how they are run. */
#include "store/triton.h"

#include "base/blob.h"
#include "base/status.h"
#include "store/triton_reader.h"
#include <stdio.h>
#include <string.h>

#define FILE_LIMIT ((size_t)1 << 20)

/* ---- version_policy -------------------------------------------------------------------------- */

static sv_status latest_count(sv_triton_reader *r, void *into)
{
    int64_t value;
    (void)into;
    SV_TRY(sv_triton_number(r, 1, SV_TRITON_MAX_COUNT, &value));
    r->out->policy.latest = (uint32_t)value;
    return SV_OK;
}

static const sv_triton_field latest_fields[] = {{"num_versions", latest_count, false}};

static sv_status specific_number(sv_triton_reader *r, void *into)
{
    (void)into;
    SV_TRY(sv_triton_grow(r, &r->number, &r->number_room, r->number_count, sizeof *r->number));
    SV_TRY(sv_triton_number(r, 1, INT64_MAX, &r->number[r->number_count]));
    r->number_count++;
    r->out->policy.number = r->number;
    r->out->policy.count = r->number_count;
    return SV_OK;
}

static const sv_triton_field specific_fields[] = {{"versions", specific_number, true}};

static sv_status set_policy(sv_triton_reader *r, sv_policy_kind kind, const sv_triton_field *fields,
                            size_t count)
{
    if (r->out->has_policy) {
        return sv_pbtxt_error(&r->text, "expected one of latest, all and specific, found several");
    }
    r->out->has_policy = true;
    r->out->policy.kind = kind;
    return sv_triton_message(r, fields, count, NULL);
}

static sv_status policy_latest(sv_triton_reader *r, void *into)
{
    (void)into;
    return set_policy(r, SV_POLICY_LATEST, SV_FIELDS(latest_fields));
}

static sv_status policy_all(sv_triton_reader *r, void *into)
{
    (void)into;
    return set_policy(r, SV_POLICY_ALL, NULL, 0);
}

static sv_status policy_specific(sv_triton_reader *r, void *into)
{
    (void)into;
    return set_policy(r, SV_POLICY_SPECIFIC, SV_FIELDS(specific_fields));
}

static const sv_triton_field policy_fields[] = {
    {"latest", policy_latest, false},
    {"all", policy_all, false},
    {"specific", policy_specific, false},
};

static sv_status read_policy(sv_triton_reader *r, void *into)
{
    (void)into;
    return sv_triton_message(r, SV_FIELDS(policy_fields), NULL);
}

/* ---- dynamic_batching ------------------------------------------------------------------------ */

static sv_status batching_preferred(sv_triton_reader *r, void *into)
{
    sv_tuning *tuning = into;
    int64_t value;
    SV_TRY(sv_triton_number(r, 1, SV_TRITON_MAX_COUNT, &value));
    if (tuning->preferred_count == SV_TUNING_PREFERRED) {
        return sv_pbtxt_error(&r->text, "expected at most %d preferred sizes, found more",
                              SV_TUNING_PREFERRED);
    }
    tuning->preferred[tuning->preferred_count++] = (uint32_t)value;
    return SV_OK;
}

static sv_status batching_delay(sv_triton_reader *r, void *into)
{
    return sv_triton_u64(r, &((sv_tuning *)into)->max_queue_delay_us);
}

static sv_status batching_levels(sv_triton_reader *r, void *into)
{
    return sv_triton_u32(r, &((sv_tuning *)into)->priority_levels);
}

static sv_status batching_default_level(sv_triton_reader *r, void *into)
{
    return sv_triton_u32(r, &((sv_tuning *)into)->default_priority);
}

static sv_status queue_timeout(sv_triton_reader *r, void *into)
{
    return sv_triton_u64(r, &((sv_queue_policy *)into)->timeout_us);
}

static sv_status queue_size(sv_triton_reader *r, void *into)
{
    return sv_triton_u32(r, &((sv_queue_policy *)into)->max_size);
}

/* REJECT or DELAY, or their numbers. */
static sv_status queue_action(sv_triton_reader *r, void *into)
{
    sv_string word;
    SV_TRY(sv_pbtxt_word(&r->text, &word));
    bool delays = word.size == 5 && memcmp(word.data, "DELAY", 5) == 0;
    if (!delays && (word.size != 6 || memcmp(word.data, "REJECT", 6) != 0)) {
        return sv_pbtxt_error(&r->text, "'timeout_action': expected REJECT or DELAY, found '%.*s'",
                              (int)(word.size < 64 ? word.size : 64), word.data);
    }
    ((sv_queue_policy *)into)->delays = delays;
    return SV_OK;
}

static sv_status queue_override(sv_triton_reader *r, void *into)
{
    bool allowed;
    SV_TRY(sv_pbtxt_bool(&r->text, &allowed));
    ((sv_queue_policy *)into)->fixed = !allowed;
    return SV_OK;
}

static const sv_triton_field queue_fields[] = {
    {"default_timeout_microseconds", queue_timeout, false},
    {"max_queue_size", queue_size, false},
    {"timeout_action", queue_action, false},
    {"allow_timeout_override", queue_override, false},
};

/* A policy that does not say so does not let requests choose. */
static sv_status read_queue_policy(sv_triton_reader *r, sv_queue_policy *out)
{
    *out = (sv_queue_policy){.fixed = true};
    return sv_triton_message(r, SV_FIELDS(queue_fields), out);
}

static sv_status batching_policy(sv_triton_reader *r, void *into)
{
    return read_queue_policy(r, &((sv_tuning *)into)->policy);
}

/* An entry of a map from levels to policies. */
typedef struct level_entry {
    int64_t level;
    sv_queue_policy policy;
} level_entry;

static sv_status level_key(sv_triton_reader *r, void *into)
{
    return sv_triton_number(r, 1, SV_TUNING_LEVELS, &((level_entry *)into)->level);
}

static sv_status level_value(sv_triton_reader *r, void *into)
{
    return read_queue_policy(r, &((level_entry *)into)->policy);
}

static const sv_triton_field level_fields[] = {
    {"key", level_key, false},
    {"value", level_value, false},
};

static sv_status batching_level_policy(sv_triton_reader *r, void *into)
{
    sv_tuning *tuning = into;
    level_entry entry = {.policy.fixed = true};
    SV_TRY(sv_triton_message(r, SV_FIELDS(level_fields), &entry));
    if (!entry.level) {
        return sv_pbtxt_error(&r->text, "'priority_queue_policy': expected a key, found none");
    }
    tuning->level_policy[entry.level - 1] = entry.policy;
    tuning->level_policies |= 1u << (entry.level - 1);
    return SV_OK;
}

static sv_status batching_order(sv_triton_reader *r, void *into)
{
    return sv_pbtxt_bool(&r->text, &((sv_tuning *)into)->preserve_ordering);
}

static const sv_triton_field batching_fields[] = {
    {"preferred_batch_size", batching_preferred, true},
    {"max_queue_delay_microseconds", batching_delay, false},
    {"priority_levels", batching_levels, false},
    {"default_priority_level", batching_default_level, false},
    {"default_queue_policy", batching_policy, false},
    {"priority_queue_policy", batching_level_policy, true},
    {"preserve_ordering", batching_order, false},
};

static sv_status read_batching(sv_triton_reader *r, void *into)
{
    (void)into;
    r->layout->tuning.batching = true;
    return sv_triton_message(r, SV_FIELDS(batching_fields), &r->layout->tuning);
}

/* ---- instance_group -------------------------------------------------------------------------- */

typedef struct instance_group {
    uint32_t count;
} instance_group;

static sv_status group_count(sv_triton_reader *r, void *into)
{
    return sv_triton_u32(r, &((instance_group *)into)->count);
}

static sv_status group_kind(sv_triton_reader *r, void *into)
{
    sv_string kind;
    (void)into;
    SV_TRY(sv_pbtxt_word(&r->text, &kind));
    if (kind.size == 8 && memcmp(kind.data, "KIND_GPU", 8) == 0) {
        return sv_triton_warn(r, "'kind' KIND_GPU is not heeded: the model runs on the CPU");
    }
    return SV_OK;
}

static sv_status group_name(sv_triton_reader *r, void *into)
{
    (void)into;
    return sv_pbtxt_skip(&r->text);
}

static const sv_triton_field group_fields[] = {
    {"count", group_count, false}, {"kind", group_kind, false},   {"name", group_name, false},
    {"gpus", NULL, true},          {"rate_limiter", NULL, false}, {"secondary_devices", NULL, true},
    {"profile", NULL, true},       {"passive", NULL, false},      {"host_policy", NULL, false},
};

static sv_status read_group(sv_triton_reader *r, void *into)
{
    instance_group group = {0};
    (void)into;
    SV_TRY(sv_triton_message(r, SV_FIELDS(group_fields), &group));
    /* A group without a count has one instance. */
    r->layout->tuning.instances += group.count ? group.count : 1;
    return SV_OK;
}

/* ---- the model ------------------------------------------------------------------------------- */

static sv_status read_name(sv_triton_reader *r, void *into)
{
    const char *name;
    char text[400];
    (void)into;
    SV_TRY(sv_triton_text(r, &name));
    if (!*name || strcmp(name, r->model) == 0) return SV_OK;
    snprintf(text, sizeof text, "'name' is '%.128s', but the model is served as '%.128s'", name,
             r->model);
    return sv_triton_warn(r, text);
}

static sv_status check_owner(sv_triton_reader *r, const char *field, const char *first,
                             const char *second)
{
    const char *value;
    SV_TRY(sv_triton_text(r, &value));
    if (!*value || strcmp(value, first) == 0 || strcmp(value, second) == 0) return SV_OK;
    return sv_pbtxt_error(&r->text, "'%s': expected '%s', found '%.64s'", field, first, value);
}

static sv_status read_platform(sv_triton_reader *r, void *into)
{
    (void)into;
    return check_owner(r, "platform", "onnxruntime_onnx", "onnx");
}

static sv_status read_backend(sv_triton_reader *r, void *into)
{
    (void)into;
    return check_owner(r, "backend", "onnxruntime", "serval");
}

static sv_status read_max_batch(sv_triton_reader *r, void *into)
{
    (void)into;
    sv_tuning *tuning = &r->layout->tuning;
    SV_TRY(sv_triton_number(r, 0, SV_TRITON_MAX_COUNT, &tuning->max_batch_rows));
    tuning->no_batching = tuning->max_batch_rows == 0;
    return SV_OK;
}

static sv_status read_file_name(sv_triton_reader *r, void *into)
{
    const char *name;
    (void)into;
    SV_TRY(sv_triton_text(r, &name));
    if (!*name || name[0] == '.' || strchr(name, '/')) {
        return sv_pbtxt_error(&r->text,
                              "'default_model_filename': expected the name of a file in the "
                              "version's folder, found '%.64s'",
                              name);
    }
    r->out->file_name = name;
    return SV_OK;
}

/* Such a model has no file of its own. */
static sv_status refuse_ensemble(sv_triton_reader *r, void *into)
{
    (void)into;
    return sv_pbtxt_error(&r->text, "'ensemble_scheduling': expected a model of its own, found an "
                                    "ensemble, which is not supported");
}

static const sv_triton_field model_fields[] = {
    {"name", read_name, false},
    {"platform", read_platform, false},
    {"backend", read_backend, false},
    {"max_batch_size", read_max_batch, false},
    {"input", sv_triton_input, true},
    {"output", sv_triton_output, true},
    {"version_policy", read_policy, false},
    {"instance_group", read_group, true},
    {"dynamic_batching", read_batching, false},
    {"default_model_filename", read_file_name, false},
    {"model_warmup", sv_triton_warmup, true},
    {"ensemble_scheduling", refuse_ensemble, false},
    {"parameters", sv_triton_parameter, true},
    {"runtime", NULL, false},
    {"batch_input", NULL, true},
    {"batch_output", NULL, true},
    {"optimization", NULL, false},
    {"sequence_batching", NULL, false},
    {"cc_model_filenames", NULL, true},
    {"metric_tags", NULL, true},
    {"model_operations", NULL, false},
    {"model_transaction_policy", NULL, false},
    {"model_repository_agents", NULL, false},
    {"response_cache", NULL, false},
    {"model_metrics", NULL, false},
};

static uint64_t text_signature(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    return hash ? hash : 1;
}

sv_status sv_triton_config_parse(const char *origin, const void *data, size_t size,
                                 const char *model, sv_layout *layout, sv_triton_config *out)
{
    sv_triton_reader r = {.arena = &layout->arena, .layout = layout, .out = out, .model = model};
    if (size > FILE_LIMIT) {
        return sv_error_invalid("%s: expected at most %zu bytes, found %zu", origin, FILE_LIMIT,
                                size);
    }
    sv_pbtxt_init(&r.text, data, size, origin, &layout->arena);
    out->signature = text_signature(data, size);
    SV_TRY(sv_triton_fields(&r, SV_FIELDS(model_fields), NULL));
    layout->input = r.input;
    layout->input_count = r.input_count;
    layout->output = r.output;
    layout->output_count = r.output_count;
    layout->warmup = r.warmup;
    layout->warmup_count = r.warmup_count;
    layout->parameter = r.parameter;
    layout->parameter_count = r.parameter_count;
    layout->warning = r.warning;
    layout->warning_count = r.warning_count;
    return SV_OK;
}

sv_status sv_triton_config_read(const char *folder, const char *model, sv_layout *layout,
                                sv_triton_config *out)
{
    const char *path = sv_arena_printf(&layout->arena, "%s/config.pbtxt", folder);
    if (!path) return sv_triton_no_memory(strlen(folder));
    sv_blob *blob;
    sv_status status = sv_blob_read_file(path, FILE_LIMIT, NULL, &blob);
    if (sv_status_code(status) == SV_CODE_NOT_FOUND) {
        sv_status_free(status);
        return SV_OK;
    }
    if (status != SV_OK) return status;
    layout->described = true;
    status = sv_triton_config_parse(path, blob->data, blob->size, model, layout, out);
    sv_blob_unref(blob);
    return status;
}
