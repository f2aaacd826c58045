/* What the keeper is asked to do. */
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "store/keeper_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static sv_status not_listed(const char *name)
{
    return sv_error(SV_CODE_NOT_FOUND,
                    "model: expected one of the configuration or a repository, found '%s'", name);
}

/* A listed model; of a repository, unless that is "". The list is read anew. */
static sv_status find_in(sv_keeper *keeper, const char *name, const char *repository,
                         const sv_model_config **out)
{
    bool known = !*repository;
    SV_TRY(sv_keeper_read_configs(keeper));
    for (uint32_t i = 0; i < keeper->configs.count && !known; i++)
        known = sv_repository_is(keeper->configs.item[i].repository, repository);
    if (!known) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "repository: expected one that models are served from, found '%s'",
                        repository);
    }
    const sv_model_config *found = sv_model_configs_find(&keeper->configs, name, strlen(name));
    if (!found) return not_listed(name);
    if (*repository && !sv_repository_is(found->repository, repository)) {
        return sv_error(SV_CODE_NOT_FOUND, "model: expected one of the repository '%s', found '%s'",
                        repository, name);
    }
    *out = found;
    return SV_OK;
}

static sv_status find_config(sv_keeper *keeper, const char *name, const sv_model_config **out)
{
    return find_in(keeper, name, "", out);
}

/* The repository that a job names, if it does, must have its model. */
static sv_status check_repository(sv_keeper *keeper, const sv_keeper_job *job)
{
    const sv_model_config *config;
    return *job->repository ? find_in(keeper, job->name, job->repository, &config) : SV_OK;
}

static bool is_served(const sv_keeper *keeper, const char *name, int64_t number)
{
    sv_served *served = NULL;
    sv_status_free(sv_store_acquire(keeper->options.store, name, strlen(name), number, &served));
    sv_served_unref(served);
    return served;
}

/* ---- what calls say about a model ----------------------------------------------------------- */

/* Brings a model to its files and to what is said of it now. */
static sv_status sync_model(sv_keeper *keeper, const char *name, sv_sync *sync)
{
    const sv_model_config *config;
    SV_TRY(find_config(keeper, name, &config));
    return sv_store_sync(keeper->options.store, config, sync);
}

/* What is said of a model, to go back to. */
typedef struct said {
    sv_tuning tuning;
    size_t left_out_count;
    char *description;
} said;

static void take_said(const sv_override *override, said *out)
{
    *out = (said){.left_out_count = override->left_out_count, .description = override->description};
    if (override->tuning) out->tuning = *override->tuning;
}

static bool is_same(const said *a, const said *b)
{
    return a->left_out_count == b->left_out_count && a->description == b->description &&
           sv_tuning_signature(&a->tuning) == sv_tuning_signature(&b->tuning);
}

/* The same; where that fails, `before` is said again. */
static sv_status try_override(sv_keeper *keeper, sv_override *override, const said *before,
                              sv_sync *sync)
{
    said now;
    sv_status status = sync_model(keeper, override->name, sync);
    take_said(override, &now);
    if (status == SV_OK || is_same(&now, before)) return status;
    if (override->tuning) *override->tuning = before->tuning;
    override->left_out_count = before->left_out_count;
    override->description = before->description;
    sv_sync back = {.now = true};
    /* What was at rest stays so. */
    if (!override->unloaded) sv_status_free(sync_model(keeper, override->name, &back));
    return status;
}

/* What is said of a listed model, to be changed. */
static sv_status find_override(sv_keeper *keeper, const char *name, sv_override **out)
{
    const sv_model_config *config;
    SV_TRY(find_config(keeper, name, &config));
    return sv_overrides_ensure(&keeper->overrides, name, out);
}

/* With nothing else said of it than that. */
static sv_status load_plainly(sv_keeper *keeper, const char *name)
{
    sv_sync sync = {.now = true, .pardon = true};
    SV_TRY(sync_model(keeper, name, &sync));
    sv_override *override = sv_overrides_find(&keeper->overrides, name);
    if (override) override->unloaded = false;
    return SV_OK;
}

/* Whether a load changes what calls have said of the model. */
static bool changes(const sv_override *override, const sv_keeper_job *job)
{
    return job->tuning || job->description ||
           (override && (override->left_out_count || override->description));
}

static sv_status load_model(sv_keeper *keeper, sv_keeper_job *job)
{
    sv_override *override = sv_overrides_find(&keeper->overrides, job->name);
    sv_sync sync = {.now = true, .pardon = true};
    SV_TRY(check_repository(keeper, job));
    if (!changes(override, job)) return load_plainly(keeper, job->name);
    SV_TRY(find_override(keeper, job->name, &override));
    if (job->description) SV_TRY(sv_description_check(job->description));
    said before;
    take_said(override, &before);
    if (job->tuning) SV_TRY(sv_override_tune(override, job->tuning));
    override->left_out_count = 0;
    override->description = job->description;
    sv_status status = try_override(keeper, override, &before, &sync);
    if (status != SV_OK) return status;
    job->description = before.description;
    override->unloaded = false;
    return SV_OK;
}

/* Something that is new: a model or version that was not in service. */
static sv_status register_model(sv_keeper *keeper, sv_keeper_job *job)
{
    sv_sync sync = {.now = true, .pardon = true};
    const sv_override *override = sv_overrides_find(&keeper->overrides, job->name);
    bool left_out = override && override->left_out_count;
    if (is_served(keeper, job->name, 0) && !left_out) {
        SV_TRY(sync_model(keeper, job->name, &sync));
        if (!sync.changed) {
            return sv_error(SV_CODE_ALREADY_EXISTS,
                            "model '%s': expected a model or version that is not in service, found "
                            "all in service",
                            job->name);
        }
    }
    return load_model(keeper, job);
}

static sv_status tune_model(sv_keeper *keeper, const sv_keeper_job *job)
{
    sv_override *override;
    sv_sync sync = {.now = true};
    SV_TRY(find_override(keeper, job->name, &override));
    said before;
    take_said(override, &before);
    SV_TRY(sv_override_tune(override, job->tuning));
    return try_override(keeper, override, &before, &sync);
}

static sv_status check_version(const sv_keeper *keeper, const sv_keeper_job *job)
{
    if (!is_served(keeper, job->name, job->version)) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model '%s': expected a version that is served, found %lld", job->name,
                        (long long)job->version);
    }
    int64_t first = sv_store_default(keeper->options.store, job->name, strlen(job->name));
    if (first != job->version) return SV_OK;
    return sv_error_invalid("model '%s': expected another version than the default one, found "
                            "%lld, which is: make another the default first",
                            job->name, (long long)first);
}

static sv_status unload_version(sv_keeper *keeper, const sv_keeper_job *job)
{
    sv_override *override;
    sv_sync sync = {.now = true};
    SV_TRY(check_version(keeper, job));
    SV_TRY(find_override(keeper, job->name, &override));
    said before;
    take_said(override, &before);
    SV_TRY(sv_override_leave_out(override, job->version));
    SV_TRY(try_override(keeper, override, &before, &sync));
    sv_log(SV_LOG_INFO, "model '%s': version %lld: unloaded on request", job->name,
           (long long)job->version);
    return SV_OK;
}

static sv_status change_traffic(sv_keeper *keeper, const sv_keeper_job *job)
{
    const sv_model_config *config;
    sv_store *store = keeper->options.store;
    sv_override *override = sv_overrides_find(&keeper->overrides, job->name);
    size_t left_out = override ? override->left_out_count : 0;
    if (override && job->verb == SV_KEEPER_TRAFFIC) sv_override_let_in(override, &job->traffic);
    sv_status status = find_config(keeper, job->name, &config);
    if (status == SV_OK) {
        status = job->verb == SV_KEEPER_ROLLBACK
                     ? sv_store_rollback(store, config)
                     : sv_store_set_traffic(store, config, &job->traffic);
    }
    if (status != SV_OK && override) override->left_out_count = left_out;
    return status;
}

static sv_status unload_model(sv_keeper *keeper, const char *name)
{
    sv_override *override;
    SV_TRY(sv_store_remove(keeper->options.store, name));
    sv_log(SV_LOG_INFO, "model '%s': unloaded on request", name);
    SV_TRY(sv_overrides_ensure(&keeper->overrides, name, &override));
    if (override->path) {
        sv_overrides_drop(&keeper->overrides, name);
        keeper->dropped = true;
        return SV_OK;
    }
    sv_override_clear(override);
    override->unloaded = true;
    return SV_OK;
}

static sv_status unload_asked(sv_keeper *keeper, const sv_keeper_job *job)
{
    SV_TRY(check_repository(keeper, job));
    return unload_model(keeper, job->name);
}

/* Models that calls had brought are forgotten with their names. */
static void forget_dropped(sv_keeper *keeper)
{
    if (!keeper->dropped) return;
    keeper->dropped = false;
    sv_status status = sv_keeper_read_configs(keeper);
    if (status == SV_OK) sv_store_retain(keeper->options.store, &keeper->configs);
    sv_keeper_complain(keeper, status);
    sv_status_free(status);
}

/* ---- models that a call brings -------------------------------------------------------------- */

/* The folder or file at the call's path. SageMaker unpacks an archive to a folder "model", which is
 * looked for where the path names the folder around it. */
static sv_status find_brought(const sv_keeper *keeper, const char *asked, char **out)
{
    char *path, *inner = NULL;
    struct stat st;
    SV_TRY(sv_path_real_beneath(keeper->options.root, asked, &path));
    size_t size = strlen(path) + sizeof "/model";
    inner = malloc(size);
    if (!inner) {
        free(path);
        return sv_error_memory("a path", size);
    }
    snprintf(inner, size, "%s/model", path);
    sv_status status = SV_OK;
    if (stat(inner, &st) == 0 && S_ISDIR(st.st_mode)) {
        free(path);
        /* It may be a link. */
        status = sv_path_real_beneath(keeper->options.root, inner, &path);
    }
    free(inner);
    if (status == SV_OK) *out = path;
    return status;
}

static sv_status load_brought(sv_keeper *keeper, const char *name)
{
    const sv_model_config *config;
    SV_TRY(find_config(keeper, name, &config));
    SV_TRY(sv_store_load(keeper->options.store, config));
    sv_log(SV_LOG_INFO, "model '%s': loaded on request from %s", name, config->path);
    return SV_OK;
}

static sv_status bring_model(sv_keeper *keeper, const sv_keeper_job *job)
{
    sv_override *override;
    char *path;
    if (!keeper->options.root) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "model '%s': expected a server that takes models by their path, found one "
                        "whose models the configuration names",
                        job->name);
    }
    SV_TRY(sv_keeper_read_configs(keeper));
    if (sv_model_configs_knows(&keeper->configs, job->name)) {
        return sv_error(SV_CODE_ALREADY_EXISTS,
                        "model '%s': expected one that is not loaded, found it in service",
                        job->name);
    }
    SV_TRY(find_brought(keeper, job->path, &path));
    sv_status status = sv_overrides_ensure(&keeper->overrides, job->name, &override);
    if (status != SV_OK) {
        free(path);
        return status;
    }
    override->path = path;
    status = load_brought(keeper, job->name);
    if (status == SV_OK) return SV_OK;
    sv_overrides_drop(&keeper->overrides, job->name);
    keeper->dropped = true;
    return status;
}

/* ---- a whole list --------------------------------------------------------------------------- */

/* The model that is served from a place under another name; NULL: none is. */
static const sv_model_config *find_place(const sv_model_configs *configs, const char *path)
{
    for (uint32_t i = 0; path[0] && i < configs->count; i++) {
        if (sv_path_same(configs->item[i].path, path)) return &configs->item[i];
    }
    return NULL;
}

/* Files come from where the operator said, whatever a call asks for. */
static sv_status check_choice(const sv_model_configs *configs, const sv_model_config *choice)
{
    const sv_model_config *config =
        sv_model_configs_find(configs, choice->name, strlen(choice->name));
    if (config) {
        if (!choice->path[0] || sv_path_same(choice->path, config->path)) return SV_OK;
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "model '%s': expected its own path '%s', or none, found '%s'", choice->name,
                        config->path, choice->path);
    }
    const sv_model_config *other = find_place(configs, choice->path);
    if (!other) return not_listed(choice->name);
    return sv_error(SV_CODE_NOT_FOUND,
                    "model: expected '%s', which is the name of '%s', found '%s': further names "
                    "are said by the configuration, as aliases",
                    other->name, choice->path, choice->name);
}

/* Puts `chosen` in place of the earlier choice, which it takes in exchange. */
static sv_status swap_choice(sv_keeper *keeper, sv_model_configs *chosen)
{
    sv_model_configs fresh, before = keeper->chosen;
    SV_TRY(sv_keeper_read_chosen(keeper, false, chosen, &fresh));
    for (uint32_t i = 0; i < chosen->count; i++) {
        sv_status status = check_choice(&fresh, &chosen->item[i]);
        if (status == SV_OK) continue;
        sv_model_configs_release(&fresh);
        return status;
    }
    sv_keeper_set_configs(keeper, &fresh);
    keeper->chosen = *chosen;
    *chosen = before;
    return SV_OK;
}

/* Versions that calls have unloaded one by one are back where the model is chosen. */
static void rouse_chosen(sv_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->configs.count; i++) {
        sv_model_config *config = &keeper->configs.item[i];
        sv_override *override = sv_overrides_find(&keeper->overrides, config->name);
        if (!override || !sv_model_configs_at(&keeper->chosen, config->name)) continue;
        override->unloaded = false;
        override->left_out_count = 0;
        config->left_out_count = 0;
    }
}

/* One model that fails holds up no other; the first reason is returned. */
static sv_status choose(sv_keeper *keeper, sv_model_configs *chosen)
{
    sv_status status = SV_OK;
    SV_TRY(swap_choice(keeper, chosen));
    rouse_chosen(keeper);
    for (uint32_t i = 0; i < keeper->configs.count; i++) {
        const sv_model_config *config = &keeper->configs.item[i];
        sv_sync sync = {.now = true};
        sv_status one = SV_OK;
        if (sv_model_configs_at(&keeper->chosen, config->name)) {
            one = sv_store_sync(keeper->options.store, config, &sync);
        } else if (!sv_keeper_is_resting(keeper, config->name)) {
            one = unload_model(keeper, config->name);
        }
        bool first = status == SV_OK && one != SV_OK;
        if (first) status = one;
        if (!first) sv_status_free(one);
    }
    return status;
}

/* The files say it all again: what was chosen by a call is forgotten. */
sv_status sv_keeper_run_reread(sv_keeper *keeper)
{
    sv_model_configs none, fresh;
    sv_model_configs_init(&none);
    sv_status status = sv_keeper_read_chosen(keeper, true, &none, &fresh);
    sv_keeper_complain(keeper, status);
    if (status != SV_OK) return status;
    for (uint32_t i = 0; i < fresh.count; i++)
        fresh.item[i].description = NULL;
    sv_overrides_forget_descriptions(&keeper->overrides);
    sv_keeper_set_configs(keeper, &fresh);
    sv_model_configs_release(&keeper->chosen);
    keeper->chosen = none;
    sv_keeper_watch_all(keeper);
    sv_keeper_sync_all(keeper, true);
    sv_log(SV_LOG_INFO, "configuration: read again, %u models", (unsigned)keeper->configs.count);
    return SV_OK;
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static sv_status do_job(sv_keeper *keeper, sv_keeper_job *job)
{
    switch (job->verb) {
    case SV_KEEPER_LOAD:
        return load_model(keeper, job);
    case SV_KEEPER_REGISTER:
        return register_model(keeper, job);
    case SV_KEEPER_BRING:
        return bring_model(keeper, job);
    case SV_KEEPER_TUNE:
        return tune_model(keeper, job);
    case SV_KEEPER_UNLOAD:
        return unload_asked(keeper, job);
    case SV_KEEPER_UNLOAD_VERSION:
        return unload_version(keeper, job);
    case SV_KEEPER_TRAFFIC:
    case SV_KEEPER_ROLLBACK:
        return change_traffic(keeper, job);
    case SV_KEEPER_REREAD:
        return sv_keeper_run_reread(keeper);
    case SV_KEEPER_CHOOSE:
        return choose(keeper, &job->chosen);
    }
    return sv_error_internal("keeper: expected a verb, found %d", (int)job->verb);
}

void sv_keeper_run_job(sv_keeper *keeper, sv_keeper_job *job)
{
    sv_status status = do_job(keeper, job);
    forget_dropped(keeper);
    job->done(job, status);
}
