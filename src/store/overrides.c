/* Lists of overrides. */
#include "store/overrides.h"

#include "base/status.h"
#include <stdlib.h>
#include <string.h>

static void destroy(sv_override *override)
{
    free(override->name);
    free(override->path);
    sv_override_clear(override);
    free(override);
}

void sv_override_clear(sv_override *override)
{
    free(override->left_out);
    free(override->tuning);
    free(override->description);
    override->left_out = NULL;
    override->left_out_count = 0;
    override->tuning = NULL;
    override->description = NULL;
    override->unloaded = false;
}

void sv_overrides_release(sv_overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++)
        destroy(overrides->item[i]);
    free(overrides->item);
    *overrides = (sv_overrides){.count = 0};
}

static size_t find(const sv_overrides *overrides, const char *name)
{
    size_t at = 0;
    while (at < overrides->count && strcmp(overrides->item[at]->name, name) != 0)
        at++;
    return at;
}

sv_override *sv_overrides_find(const sv_overrides *overrides, const char *name)
{
    size_t at = find(overrides, name);
    return at < overrides->count ? overrides->item[at] : NULL;
}

sv_status sv_overrides_ensure(sv_overrides *overrides, const char *name, sv_override **out)
{
    *out = sv_overrides_find(overrides, name);
    if (*out) return SV_OK;
    sv_override **grown = realloc(overrides->item, (overrides->count + 1) * sizeof(sv_override *));
    if (grown) overrides->item = grown;
    sv_override *made = grown ? calloc(1, sizeof *made) : NULL;
    if (made) made->name = strdup(name);
    if (!made || !made->name) {
        free(made);
        return sv_error_memory("what was said about a model", sizeof *made);
    }
    overrides->item[overrides->count++] = *out = made;
    return SV_OK;
}

void sv_overrides_drop(sv_overrides *overrides, const char *name)
{
    size_t at = find(overrides, name);
    if (at == overrides->count) return;
    destroy(overrides->item[at]);
    overrides->item[at] = overrides->item[--overrides->count];
}

void sv_overrides_forget_descriptions(sv_overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++) {
        free(overrides->item[i]->description);
        overrides->item[i]->description = NULL;
    }
}

sv_status sv_override_tune(sv_override *override, const sv_tuning *said)
{
    if (!override->tuning) override->tuning = calloc(1, sizeof *override->tuning);
    if (!override->tuning) return sv_error_memory("a model's tuning", sizeof *said);
    sv_tuning_override(override->tuning, said);
    return SV_OK;
}

sv_status sv_override_leave_out(sv_override *override, int64_t number)
{
    size_t count = override->left_out_count;
    int64_t *grown = realloc(override->left_out, (count + 1) * sizeof *grown);
    if (!grown) return sv_error_memory("versions", (count + 1) * sizeof *grown);
    override->left_out = grown;
    grown[override->left_out_count++] = number;
    return SV_OK;
}

static bool is_asked(const sv_traffic *traffic, int64_t number)
{
    for (uint32_t i = 0; i < traffic->count; i++) {
        if (traffic->share[i].number == number) return true;
    }
    return traffic->shadow == number;
}

void sv_override_let_in(sv_override *override, const sv_traffic *traffic)
{
    int64_t *number = override->left_out;
    for (size_t i = override->left_out_count; i-- > 0;) {
        if (!is_asked(traffic, number[i])) continue;
        size_t last = --override->left_out_count;
        int64_t in = number[i];
        number[i] = number[last];
        number[last] = in;
    }
}

/* ---- over the configuration ----------------------------------------------------------------- */

static sv_status add_brought(const sv_overrides *overrides, sv_model_configs *configs)
{
    for (size_t i = 0; i < overrides->count; i++) {
        const sv_override *override = overrides->item[i];
        if (!override->path) continue;
        sv_model_config config = {.name = override->name, .path = override->path};
        if (sv_model_configs_knows(configs, override->name)) continue;
        SV_TRY(sv_model_configs_add(configs, &config));
    }
    return SV_OK;
}

static sv_status apply(const sv_override *override, sv_arena *arena, sv_model_config *config)
{
    size_t count = override->left_out_count;
    int64_t *left_out = sv_arena_array(arena, count, sizeof *left_out);
    if (!left_out) return sv_error_memory("versions", count * sizeof *left_out);
    if (count) memcpy(left_out, override->left_out, count * sizeof *left_out);
    config->left_out = left_out;
    config->left_out_count = count;
    if (override->tuning) sv_tuning_override(&config->tuning, override->tuning);
    if (!override->description) return SV_OK;
    config->description =
        sv_arena_copy_text(arena, override->description, strlen(override->description));
    if (!config->description)
        return sv_error_memory("a model's configuration", strlen(override->description));
    return SV_OK;
}

sv_status sv_overrides_apply(const sv_overrides *overrides, sv_model_configs *configs)
{
    SV_TRY(add_brought(overrides, configs));
    for (size_t i = 0; i < overrides->count; i++) {
        sv_model_config *config = sv_model_configs_at(configs, overrides->item[i]->name);
        if (config) SV_TRY(apply(overrides->item[i], &configs->arena, config));
    }
    return SV_OK;
}
