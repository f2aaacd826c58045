/* The models of a configuration file: a path for each name, or a mapping that says more. */
#include "base/status.h"
#include "cli/config_reader.h"
#include "store/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST 256

enum {
    KEY_ALIASES,
    KEY_GUARD,
    KEY_LABELS,
    KEY_LATEST,
    KEY_PATH,
    KEY_SHADOW,
    KEY_TRAFFIC,
    KEY_VERSIONS,
    KEYS
};

static const char *const names[KEYS] = {"aliases", "guard",  "labels",  "latest",
                                        "path",    "shadow", "traffic", "versions"};
static const char expected_keys[] =
    "aliases, guard, labels, latest, path, shadow, traffic, versions or a key of scheduling";

static sv_status read_number(sv_config_reader *r, const char *expected, int64_t *out)
{
    const char *text;
    char *end;
    SV_TRY(sv_config_scalar(r, expected, &text));
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > 18 || text[size] || text[0] == '0')
        return sv_config_refuse(r, expected);
    *out = strtoll(text, &end, 10);
    return SV_OK;
}

static sv_status grow(sv_config_reader *r, void *array, uint32_t *room, size_t count, size_t size)
{
    if (count == MAX_LIST) {
        char expected[SV_CONFIG_FOUND];
        snprintf(expected, sizeof expected, "at most %d of them", MAX_LIST);
        return sv_config_refuse_at(r, sv_config_line(r), expected, "more");
    }
    bool grown = sv_arena_grow(r->arena, array, room, (uint32_t)count, (uint32_t)count + 1, size);
    return grown ? SV_OK : sv_config_no_memory(size);
}

static sv_status read_name(sv_config_reader *r, const char **out)
{
    const char *name;
    SV_TRY(sv_config_scalar(r, "a name", &name));
    if (!sv_model_name_valid(name, strlen(name))) {
        return sv_config_refuse(
            r, "a name of at most 128 letters, digits and '._-', no '.' at its start");
    }
    *out = name;
    return SV_OK;
}

/* "latest", "all", or a list of numbers. */
static sv_status read_versions(sv_config_reader *r, sv_model_config *model)
{
    static const char expected[] = "latest, all or a list of versions";
    const char *word;
    int64_t *number = NULL;
    uint32_t room = 0;
    sv_version_policy policy = {.kind = SV_POLICY_SPECIFIC};
    model->policy_given = true;
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        SV_TRY(sv_config_scalar(r, expected, &word));
        bool all = strcmp(word, "all") == 0;
        if (!all && strcmp(word, "latest") != 0) return sv_config_refuse(r, expected);
        model->policy.kind = all ? SV_POLICY_ALL : SV_POLICY_LATEST;
        return SV_OK;
    }
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        SV_TRY(grow(r, &number, &room, policy.count, sizeof *number));
        SV_TRY(read_number(r, "a version", &number[policy.count++]));
    }
    if (!policy.count) return sv_config_refuse_at(r, sv_config_line(r), "a version", "nothing");
    policy.number = number;
    model->policy = policy;
    return SV_OK;
}

static sv_status read_latest(sv_config_reader *r, sv_model_config *model)
{
    int64_t count;
    SV_TRY(read_number(r, "a number of versions", &count));
    if (count > UINT32_MAX) return sv_config_refuse(r, "a number of versions");
    model->policy = (sv_version_policy){.kind = SV_POLICY_LATEST, .latest = (uint32_t)count};
    model->policy_given = true;
    return SV_OK;
}

static sv_status read_labels(sv_config_reader *r, sv_model_config *model)
{
    sv_version_label *label = NULL;
    uint32_t room = 0;
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return sv_config_refuse(r, "a mapping from labels to versions");
    }
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        SV_TRY(grow(r, &label, &room, model->label_count, sizeof *label));
        SV_TRY(read_name(r, &label[model->label_count].name));
        for (size_t i = 0; i < model->label_count; i++) {
            if (strcmp(label[i].name, label[model->label_count].name) != 0) continue;
            return sv_config_refuse_at(r, sv_config_line(r), "each label once", "one twice");
        }
        SV_TRY(sv_config_next(r));
        SV_TRY(read_number(r, "a version", &label[model->label_count].number));
        model->label_count++;
    }
    model->label = label;
    return SV_OK;
}

static sv_status read_aliases(sv_config_reader *r, sv_model_config *model)
{
    const char **alias = NULL;
    uint32_t room = 0;
    if (r->event.type != YAML_SEQUENCE_START_EVENT) return sv_config_refuse(r, "a list of names");
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        SV_TRY(grow(r, &alias, &room, model->alias_count, sizeof *alias));
        SV_TRY(read_name(r, &alias[model->alias_count]));
        model->alias_count++;
    }
    model->alias = alias;
    return SV_OK;
}

/* {1: 90, 2: 10}: parts of the requests, in any unit. */
static sv_status read_traffic(sv_config_reader *r, sv_model_config *model)
{
    sv_traffic *traffic = &model->traffic;
    int64_t weight;
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return sv_config_refuse(r, "a mapping from versions to their shares");
    }
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        if (traffic->count == SV_TRAFFIC_SHARES) return sv_config_refuse(r, "at most 8 shares");
        sv_traffic_share *share = &traffic->share[traffic->count];
        SV_TRY(read_number(r, "a version", &share->number));
        for (uint32_t i = 0; i < traffic->count; i++) {
            if (traffic->share[i].number != share->number) continue;
            return sv_config_refuse(r, "each version once");
        }
        SV_TRY(sv_config_next(r));
        SV_TRY(read_number(r, "a share of at least 1", &weight));
        if (weight > SV_TRAFFIC_MAX_WEIGHT) return sv_config_refuse(r, "a share of at most 10000");
        share->weight = (uint32_t)weight;
        traffic->count++;
    }
    if (traffic->count) return SV_OK;
    return sv_config_refuse_at(r, sv_config_line(r), "a version", "nothing");
}

static sv_status read_shadow(sv_config_reader *r, sv_model_config *model)
{
    return read_number(r, "a version", &model->traffic.shadow);
}

static sv_status read_fraction(sv_config_reader *r, const char *expected, double most, double *out)
{
    const char *text;
    char *end;
    SV_TRY(sv_config_scalar(r, expected, &text));
    double value = strtod(text, &end);
    if (*end || !(value >= 0 && value <= most)) return sv_config_refuse(r, expected);
    *out = value;
    return SV_OK;
}

#define GUARD_KEYS "errors, latency, max_errors, max_latency_ms, requests or seconds"
static sv_status read_guard_number(sv_config_reader *r, const char *key, sv_guard *guard)
{
    int64_t count;
    bool seconds = strcmp(key, "seconds") == 0;
    if (!seconds && strcmp(key, "requests") != 0) return sv_config_refuse(r, GUARD_KEYS);
    SV_TRY(sv_config_next(r));
    if (seconds) {
        double value;
        SV_TRY(read_fraction(r, "seconds from 0 to 2592000", SV_GUARD_MAX_SECONDS, &value));
        guard->seconds = (uint32_t)value;
        return SV_OK;
    }
    SV_TRY(read_number(r, "a number of requests", &count));
    guard->requests = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    return SV_OK;
}

static sv_status read_guard_key(sv_config_reader *r, sv_guard *guard)
{
    const struct {
        const char *name, *expected;
        double most, *out;
    } limits[] = {
        {"errors", "a number from 0 to 1", 1, &guard->errors},
        {"latency", "a number from 0 to 1000", 1000, &guard->latency},
        {"max_errors", "a number from 0 to 1", 1, &guard->max_errors},
        {"max_latency_ms", "a number from 0 to 3600000", 3600000, &guard->max_latency_ms},
    };
    const char *key;
    SV_TRY(sv_config_scalar(r, GUARD_KEYS, &key));
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (strcmp(key, limits[i].name) != 0) continue;
        SV_TRY(sv_config_next(r));
        return read_fraction(r, limits[i].expected, limits[i].most, limits[i].out);
    }
    return read_guard_number(r, key, guard);
}

static sv_status read_guard(sv_config_reader *r, sv_model_config *model)
{
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return sv_config_refuse(r, "a mapping with " GUARD_KEYS);
    }
    model->traffic.guard = SV_GUARD_DEFAULT;
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return SV_OK;
        SV_TRY(read_guard_key(r, &model->traffic.guard));
    }
}

static sv_status read_path(sv_config_reader *r, sv_model_config *model)
{
    SV_TRY(sv_config_scalar(r, "PATH", &model->path));
    return sv_config_resolve(r, &model->path);
}

static sv_status read_key(sv_config_reader *r, sv_model_config *model, uint32_t *seen)
{
    static sv_status (*const readers[KEYS])(sv_config_reader *, sv_model_config *) = {
        [KEY_GUARD] = read_guard,     [KEY_SHADOW] = read_shadow,     [KEY_TRAFFIC] = read_traffic,
        [KEY_ALIASES] = read_aliases, [KEY_LABELS] = read_labels,     [KEY_LATEST] = read_latest,
        [KEY_PATH] = read_path,       [KEY_VERSIONS] = read_versions,
    };
    const char *key;
    size_t index = 0;
    SV_TRY(sv_config_scalar(r, expected_keys, &key));
    while (index < KEYS && strcmp(names[index], key) != 0)
        index++;
    if (index == KEYS) {
        bool known;
        SV_TRY(sv_config_read_tuning(r, key, &model->tuning, &known));
        return known ? SV_OK : sv_config_refuse(r, expected_keys);
    }
    if (*seen & 1u << index) {
        return sv_config_refuse_at(r, sv_config_line(r), "each key once", "it twice");
    }
    *seen |= 1u << index;
    SV_TRY(sv_config_next(r));
    return readers[index](r, model);
}

/* A mapping; its start is the newest event. */
static sv_status read_mapping(sv_config_reader *r, sv_model_config *model)
{
    uint32_t seen = 0;
    for (;;) {
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        SV_TRY(read_key(r, model, &seen));
    }
    const uint32_t both = 1u << KEY_LATEST | 1u << KEY_VERSIONS;
    if ((seen & both) == both) {
        return sv_config_refuse_at(r, sv_config_line(r), "either latest or versions", "both");
    }
    if (model->path) return SV_OK;
    return sv_config_refuse_at(r, sv_config_line(r), "a path", "none");
}

static sv_status check_model(const sv_config_reader *r, const char *name)
{
    const sv_config *config = &r->config;
    char text[SV_CONFIG_FOUND];
    if (!sv_model_name_valid(name, strlen(name))) {
        return sv_config_refuse(
            r, "a name of at most 128 letters, digits and '._-', no '.' at its start");
    }
    for (uint32_t i = 0; i < config->models_count; i++) {
        if (strcmp(config->models[i].config.name, name) != 0) continue;
        snprintf(text, sizeof text, "it in line %zu as well", config->models[i].line);
        return sv_config_refuse_at(r, sv_config_line(r), "each name once", text);
    }
    if (config->models_count < r->command->page->max_operands) return SV_OK;
    snprintf(text, sizeof text, "at most %zu models", r->command->page->max_operands);
    return sv_config_refuse_at(r, sv_config_line(r), text, "more");
}

static sv_status add_model(sv_config_reader *r, const char *name)
{
    sv_config *config = &r->config;
    sv_config_model model = {.config.name = name, .line = sv_config_line(r)};
    SV_TRY(check_model(r, name));
    SV_TRY(sv_config_next(r));
    if (r->event.type == YAML_MAPPING_START_EVENT) {
        SV_TRY(read_mapping(r, &model.config));
    } else {
        SV_TRY(read_path(r, &model.config));
    }
    if (!sv_arena_grow(r->arena, (void **)&config->models, &config->models_room,
                       config->models_count, config->models_count + 1, sizeof model)) {
        return sv_config_no_memory(sizeof model);
    }
    config->models[config->models_count++] = model;
    return SV_OK;
}

sv_status sv_config_read_models(sv_config_reader *r)
{
    SV_TRY(sv_config_next(r));
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return sv_config_refuse(r, "a mapping from NAME to PATH");
    }
    for (;;) {
        r->key = SV_CONFIG_MODELS;
        SV_TRY(sv_config_next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        const char *name;
        SV_TRY(sv_config_scalar(r, "the name of a model", &name));
        r->key = sv_arena_printf(r->arena, "%s.%s", SV_CONFIG_MODELS, name);
        if (!r->key) return sv_config_no_memory(strlen(name));
        SV_TRY(add_model(r, name));
    }
    if (r->config.models_count) return SV_OK;
    return sv_config_refuse_at(r, sv_config_line(r), "NAME: PATH", "nothing");
}
