/* Bringing a model to what its files are: which versions to keep, to load, to let go; what to do
 * with those that cannot be loaded. */
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "store/live.h"
#include <stdlib.h>
#include <string.h>

/* Files that were written to this recently may not be complete. */
#define SETTLE_US 300000
/* What fails is tried again: it may be half a file, or short of memory. */
#define FIRST_RETRY_NS UINT64_C(250000000)
#define MAX_RETRY_NS UINT64_C(60000000000)
#define MAX_ATTEMPTS 8
/* Files that change while they are read, for somebody who waits. */
#define PATIENT_ATTEMPTS 5

/* One pass over a model. `why` of a wanted version that is not loaded says why. */
typedef struct sync_pass {
    sv_store *store;
    sv_live *live;
    const sv_model_config *config;
    sv_layout layout;
    sv_sync *sync;
    bool strict;        /* all or nothing; nothing is logged */
    sv_served **loaded; /* [layout.count], references; NULL: not loaded */
    sv_status *why;     /* [layout.count] */
    size_t fresh;       /* of the loaded: not in service yet */
    sv_served *spare;   /* a reference: served since nothing else can be; NULL: none */
} sync_pass;

static void look_again(sv_sync *sync, uint64_t ns)
{
    if (ns && (!sync->wait_ns || ns < sync->wait_ns)) sync->wait_ns = ns;
}

static sv_status copy_status(sv_code code, const char *message)
{
    return sv_error(code, "%s", message ? message : "");
}

/* ---- one version ---------------------------------------------------------------------------- */

/* The version in service that was made from just these files. */
static sv_served *find_same(const sync_pass *pass, const sv_version_file *file)
{
    sv_served *found = NULL;
    pthread_mutex_lock(&pass->store->lock);
    const sv_live_set *set = pass->live->set;
    for (size_t i = 0; set && i < set->count && !found; i++) {
        const sv_served *have = set->version[i];
        if (have->number != file->number || have->signature != file->signature ||
            have->config_signature != file->config_signature ||
            strcmp(have->path, file->path) != 0) {
            continue;
        }
        found = sv_served_ref(set->version[i]);
    }
    pthread_mutex_unlock(&pass->store->lock);
    return found;
}

static sv_status note_state(const sync_pass *pass, const sv_version_file *file,
                            sv_version_state state)
{
    pthread_mutex_lock(&pass->store->lock);
    sv_note *note = sv_note_ensure(pass->live, file->number);
    if (note && note->state != SV_VERSION_AVAILABLE) note->state = state;
    pthread_mutex_unlock(&pass->store->lock);
    return note ? SV_OK : sv_error_memory("a version's status", sizeof *note);
}

static uint64_t back_off(uint32_t attempts)
{
    uint64_t wait = FIRST_RETRY_NS << (attempts < 10 ? attempts : 10);
    return wait < MAX_RETRY_NS ? wait : MAX_RETRY_NS;
}

static uint64_t mark_of(const sv_version_file *file)
{
    return sv_guard_mark(file->signature, file->config_signature);
}

/* Notes a failure with these files; says whether it is news. */
static bool note_failure(const sync_pass *pass, const sv_version_file *file, sv_status why)
{
    bool news = false;
    pthread_mutex_lock(&pass->store->lock);
    sv_note *note = sv_note_ensure(pass->live, file->number);
    if (note) {
        bool same = note->message && note->signature == mark_of(file);
        news = !same || strcmp(note->message, sv_status_message(why)) != 0;
        note->attempts = same ? note->attempts + 1 : 1;
        note->signature = mark_of(file);
        note->retry_ns = sv_clock_ns() + back_off(note->attempts - 1);
        if (note->attempts < MAX_ATTEMPTS) look_again(pass->sync, back_off(note->attempts - 1));
        sv_note_set(note, note->state == SV_VERSION_AVAILABLE ? note->state : SV_VERSION_END, why);
    }
    pass->live->failures[sv_status_code(why)] += news;
    pthread_mutex_unlock(&pass->store->lock);
    return news;
}

/* A failure with just these files that it is too early, or useless, to try again. */
static sv_status still_failed(const sync_pass *pass, const sv_version_file *file)
{
    sv_status why = SV_OK;
    pthread_mutex_lock(&pass->store->lock);
    const sv_note *note = sv_note_find(pass->live, file->number);
    if (note && note->message && note->signature == mark_of(file)) {
        uint64_t now = sv_clock_ns();
        bool given_up = note->attempts >= MAX_ATTEMPTS;
        if (given_up || now < note->retry_ns) why = copy_status(note->code, note->message);
        if (!given_up && now < note->retry_ns) look_again(pass->sync, note->retry_ns - now);
    }
    pthread_mutex_unlock(&pass->store->lock);
    return why;
}

/* What a guard has taken out of service stays out while its files are the same, whoever waits. */
static sv_status still_condemned(const sync_pass *pass, const sv_version_file *file)
{
    sv_status why = SV_OK;
    pthread_mutex_lock(&pass->store->lock);
    const sv_note *note = sv_note_find(pass->live, file->number);
    if (note && note->condemned == mark_of(file)) why = copy_status(note->code, note->message);
    pthread_mutex_unlock(&pass->store->lock);
    return why;
}

/* How long files should be left alone that may still be written. */
static uint64_t unsettled_ns(const sv_version_file *file)
{
    int64_t age = sv_clock_wall_us() - file->modified_us;
    if (age < 0 || age >= SETTLE_US) return 0;
    return (uint64_t)(SETTLE_US - age) * 1000;
}

/* Loads and warms up, aside from everything that serves. */
static sv_status load(const sync_pass *pass, const sv_version_file *file, sv_served **out)
{
    sv_served_source source = {.runtime = pass->store->runtime,
                               .reaper = pass->store->reaper,
                               .config = pass->config,
                               .layout = &pass->layout,
                               .file = file,
                               .slot = pass->live->slot};
    sv_served *served;
    SV_TRY(sv_served_load(&source, &served));
    sv_served_warm(served);
    sv_status status = sv_served_warm_up(served, pass->config, &pass->layout);
    if (status != SV_OK) {
        sv_served_unref(served);
        return status;
    }
    *out = served;
    return SV_OK;
}

/* The same for somebody who waits: files that change meanwhile are read again. */
static sv_status load_patiently(const sync_pass *pass, sv_version_file *file, sv_served **out)
{
    sv_status status = load(pass, file, out);
    for (int i = 1; i < PATIENT_ATTEMPTS && sv_status_code(status) == SV_CODE_ABORTED; i++) {
        sv_status_free(status);
        sv_clock_sleep(back_off(0) / 4 * (uint64_t)i);
        file->signature = sv_version_file_signature(file);
        status = load(pass, file, out);
    }
    return status;
}

/* The reason for leaving a version alone for now, or SV_OK. */
static sv_status wait_for(const sync_pass *pass, const sv_version_file *file)
{
    if (pass->sync->now) return SV_OK;
    uint64_t wait = unsettled_ns(file);
    if (!wait) return still_failed(pass, file);
    look_again(pass->sync, wait);
    return sv_error(SV_CODE_UNAVAILABLE,
                    "%s: expected files that are complete, found them "
                    "changed a moment ago: they are looked at again",
                    file->path);
}

static sv_status fail(const sync_pass *pass, const sv_version_file *file, sv_status why)
{
    if (note_failure(pass, file, why) && !pass->strict) {
        sv_log(SV_LOG_WARN, "model '%s': version %lld cannot be loaded: %s", pass->config->name,
               (long long)file->number, sv_status_message(why));
    }
    return why;
}

static sv_status obtain(sync_pass *pass, sv_version_file *file, sv_served **out)
{
    *out = find_same(pass, file);
    if (*out) return SV_OK;
    SV_TRY(still_condemned(pass, file));
    SV_TRY(note_state(pass, file, SV_VERSION_START));
    SV_TRY(wait_for(pass, file));
    if (file->problem) {
        return fail(pass, file, sv_error(SV_CODE_NOT_FOUND, "%s", file->problem));
    }
    SV_TRY(note_state(pass, file, SV_VERSION_LOADING));
    sv_status status = pass->sync->now ? load_patiently(pass, file, out) : load(pass, file, out);
    if (status != SV_OK) return fail(pass, file, status);
    pass->fresh++;
    return SV_OK;
}

/* ---- the new set ---------------------------------------------------------------------------- */

static bool is_wanted(const sync_pass *pass, int64_t number)
{
    for (size_t i = 0; i < pass->layout.count; i++) {
        if (pass->layout.file[i].number == number && pass->loaded[i]) return true;
    }
    return false;
}

/* Adds references to versions in service that stand in for wanted ones that cannot be loaded: the
 * same number from older files, else the highest. */
static void keep_old(const sync_pass *pass, const sv_live_set *old, sv_live_set *set,
                     size_t missing)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = old->count; i-- > 0 && missing;) {
            sv_served *version = old->version[i];
            bool there = is_wanted(pass, version->number) ||
                         sv_model_config_leaves_out(pass->config, version->number);
            bool same = false;
            for (size_t k = 0; k < pass->layout.count; k++)
                same |= pass->layout.file[k].number == version->number;
            if (there || same == (round == 1)) continue;
            set->version[set->count++] = sv_served_ref(version);
            missing--;
        }
    }
}

static int by_number(const void *a, const void *b)
{
    const sv_served *x = *(sv_served *const *)a, *y = *(sv_served *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static sv_status copy_policy(const sv_version_policy *policy, sv_live_set *set)
{
    int64_t *number = calloc(policy->count + 1, sizeof *number);
    if (!number) return sv_error_memory("a version policy", policy->count * sizeof *number);
    if (policy->count) memcpy(number, policy->number, policy->count * sizeof *number);
    set->policy = *policy;
    set->policy.number = number;
    return SV_OK;
}

static sv_status copy_names(const sv_model_config *config, sv_live_set *set)
{
    set->traffic = config->traffic;
    set->label = calloc(config->label_count + 1, sizeof *set->label);
    set->alias = calloc(config->alias_count + 1, sizeof *set->alias);
    bool good = set->label && set->alias;
    for (size_t i = 0; good && i < config->label_count; i++) {
        set->label[i] = config->label[i];
        set->label[i].name = strdup(config->label[i].name);
        good = set->label[i].name;
        set->label_count += good;
    }
    for (size_t i = 0; good && i < config->alias_count; i++) {
        set->alias[i] = strdup(config->alias[i]);
        good = set->alias[i];
        set->alias_count += good;
    }
    return good ? SV_OK : sv_error_memory("a model's names", sizeof *set);
}

/* What is to be served from now on; takes what was loaded. *out is NULL when it is nothing. */
static sv_status make_set(sync_pass *pass, sv_live_set **out)
{
    const sv_live_set *old = pass->live->set;
    sv_live_set *set = calloc(1, sizeof *set);
    size_t room = pass->layout.count + (old ? old->count : 0);
    if (set) set->version = calloc(room + 1, sizeof(sv_served *));
    sv_status status = set && set->version ? copy_names(pass->config, set)
                                           : sv_error_memory("a model's versions", room);
    if (status == SV_OK) status = copy_policy(&pass->layout.policy, set);
    if (status != SV_OK) {
        sv_live_set_free(set);
        return status;
    }
    size_t missing = 0;
    for (size_t i = 0; i < pass->layout.count; i++)
        missing += !pass->loaded[i];
    if (old) keep_old(pass, old, set, missing);
    if (pass->spare) set->version[set->count++] = sv_served_ref(pass->spare);
    for (size_t i = 0; i < pass->layout.count; i++) {
        if (pass->loaded[i]) set->version[set->count++] = sv_served_ref(pass->loaded[i]);
    }
    qsort(set->version, set->count, sizeof(sv_served *), by_number);
    if (!set->count) {
        sv_live_set_free(set);
        set = NULL;
    }
    *out = set;
    return SV_OK;
}

static bool contains(const sv_live_set *set, const sv_served *version)
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (set->version[i] == version) return true;
    }
    return false;
}

/* Notes of what has come and gone. The lock is held. */
static void note_swap(sync_pass *pass, const sv_live_set *old, const sv_live_set *set)
{
    sv_live *live = pass->live;
    for (size_t i = 0; old && i < old->count; i++) {
        const sv_served *version = old->version[i];
        sv_note *note = sv_note_find(live, version->number);
        if (contains(set, version)) continue;
        pass->sync->changed = true;
        if (!note || sv_live_set_find(set, version->number)) continue;
        sv_life_unref(note->life);
        note->life = sv_served_life(version);
        sv_note_set(note, SV_VERSION_UNLOADING, SV_OK);
    }
    for (size_t i = 0; set && i < set->count; i++) {
        if (contains(old, set->version[i])) continue;
        sv_note *note = sv_note_ensure(live, set->version[i]->number);
        pass->sync->changed = true;
        live->loads++;
        if (!note) continue;
        note->attempts = 0;
        note->condemned = 0;
        sv_note_set(note, SV_VERSION_AVAILABLE, SV_OK);
    }
    sv_notes_trim(live);
}

/* A version is as its files are again: what was said about them is over. The lock is held. */
static void clear_mended(const sync_pass *pass)
{
    for (size_t i = 0; i < pass->layout.count; i++) {
        if (!pass->loaded[i]) continue;
        sv_note *note = sv_note_find(pass->live, pass->layout.file[i].number);
        if (note && note->message) sv_note_set(note, SV_VERSION_AVAILABLE, SV_OK);
    }
}

static void log_swap(const sync_pass *pass, const sv_live_set *old, const sv_live_set *set)
{
    const char *name = pass->config->name;
    for (size_t i = 0; set && i < set->count; i++) {
        const sv_served *version = set->version[i];
        if (contains(old, version)) continue;
        sv_log(SV_LOG_INFO, "model '%s': version %lld is served, loaded in %.1f ms from %s", name,
               (long long)version->number, (double)version->load_ns / 1e6, version->path);
        const char *warning = sv_model_warning(version->model);
        if (warning) sv_log(SV_LOG_WARN, "model '%s': %s", name, warning);
    }
    for (size_t i = 0; old && i < old->count; i++) {
        if (sv_live_set_find(set, old->version[i]->number)) continue;
        sv_log(SV_LOG_INFO, "model '%s': version %lld is not served any more", name,
               (long long)old->version[i]->number);
    }
}

static sv_status swap(sync_pass *pass)
{
    sv_live_set *set;
    SV_TRY(make_set(pass, &set));
    pthread_mutex_lock(&pass->store->lock);
    sv_live_set *old = sv_live_swap(pass->store, pass->live, set);
    note_swap(pass, old, set);
    clear_mended(pass);
    pthread_mutex_unlock(&pass->store->lock);
    if (!pass->strict) log_swap(pass, old, set);
    sv_live_set_free(old);
    return SV_OK;
}

/* ---- the model ------------------------------------------------------------------------------ */

/* Where nothing is in service and nothing that is wanted can be, as after a start with a broken
 * newest version, an older one is better than none. */
static void find_spare(sync_pass *pass)
{
    bool served = pass->live->set;
    for (size_t i = 0; i < pass->layout.count; i++)
        served |= pass->loaded[i] != NULL;
    for (size_t i = pass->layout.spare_count; i-- > 0 && !served && !pass->spare;)
        sv_status_free(obtain(pass, &pass->layout.spare[i], &pass->spare));
}

/* A guard has nothing to go back to, as after a start: the next older version will do. That there
 * is none, or that it cannot be loaded, is no matter of what is served. */
static void find_good(const sync_pass *pass)
{
    sv_live *live = pass->live;
    if (!live->set || !live->good.wanted) return;
    live->good.wanted = false;
    for (size_t i = pass->layout.spare_count; i-- > 0;) {
        const sv_version_file *file = &pass->layout.spare[i];
        sv_served *served;
        if (file->problem || file->number >= live->set->version[0]->number) continue;
        sv_status status = load(pass, file, &served);
        if (status == SV_OK) {
            pthread_mutex_lock(&pass->store->lock);
            sv_guard_take_good(live, served);
            pthread_mutex_unlock(&pass->store->lock);
            return;
        }
        sv_log(SV_LOG_INFO, "model '%s': version %lld cannot stand behind the guard: %s",
               pass->config->name, (long long)file->number, sv_status_message(status));
        sv_status_free(status);
    }
}

static sv_status run_pass(sync_pass *pass)
{
    size_t failed = 0, first = 0;
    for (size_t i = 0; i < pass->layout.count; i++) {
        pass->why[i] = obtain(pass, &pass->layout.file[i], &pass->loaded[i]);
        if (pass->why[i] == SV_OK) continue;
        if (failed++ == 0) first = i;
        if (pass->strict) break;
    }
    sv_status why = failed ? pass->why[first] : SV_OK;
    if (failed) pass->why[first] = SV_OK;
    if (failed && pass->strict) return why;
    find_spare(pass);
    sv_status status = swap(pass);
    if (status == SV_OK) find_good(pass);
    if (status == SV_OK) return why;
    sv_status_free(why);
    return status;
}

static void end_pass(sync_pass *pass)
{
    for (size_t i = 0; i < pass->layout.count; i++) {
        if (pass->loaded) sv_served_unref(pass->loaded[i]);
        if (pass->why) sv_status_free(pass->why[i]);
    }
    sv_served_unref(pass->spare);
    free(pass->loaded);
    free(pass->why);
    sv_layout_release(&pass->layout);
}

/* A problem of the model as a whole; SV_OK: there is none any more. Says whether it is news. */
static bool note_problem(const sync_pass *pass, sv_status why)
{
    sv_live *live = pass->live;
    const char *from = pass->config->repository;
    pthread_mutex_lock(&pass->store->lock);
    if (!live->repository || !from || strcmp(live->repository, from) != 0) {
        free(live->repository);
        live->repository = from ? strdup(from) : NULL;
    }
    const char *message = why == SV_OK ? NULL : sv_status_message(why);
    bool news = message && (!live->problem || strcmp(live->problem, message) != 0);
    free(live->problem);
    live->problem = message ? strdup(message) : NULL;
    live->problem_code = sv_status_code(why);
    live->failures[live->problem_code] += news;
    pthread_mutex_unlock(&pass->store->lock);
    return news;
}

static void log_warnings(const sync_pass *pass)
{
    uint64_t signature = pass->layout.count ? pass->layout.file[0].config_signature : 0;
    if (!signature || pass->live->warned == signature) return;
    pass->live->warned = signature;
    for (size_t i = 0; i < pass->layout.warning_count; i++)
        sv_log(SV_LOG_WARN, "model '%s': %s", pass->config->name, pass->layout.warning[i]);
}

static sv_status sync_layout(sync_pass *pass)
{
    pass->loaded = calloc(pass->layout.count + 1, sizeof(sv_served *));
    pass->why = calloc(pass->layout.count + 1, sizeof(sv_status));
    sv_status status = pass->loaded && pass->why
                           ? run_pass(pass)
                           : sv_error_memory("versions", pass->layout.count * sizeof(void *));
    end_pass(pass);
    return status;
}

/* The traffic that is wanted now, which a call may have changed. */
static void take_traffic(sv_store *store, const sv_model_config *config, sv_traffic *out)
{
    pthread_mutex_lock(&store->lock);
    sv_live *live = sv_live_find(store, config->name, strlen(config->name));
    if (live) {
        sv_live_take_traffic(live, &config->traffic);
        *out = live->traffic;
    }
    pthread_mutex_unlock(&store->lock);
}

static void pardon(const sync_pass *pass)
{
    pthread_mutex_lock(&pass->store->lock);
    sv_guard_pardon(pass->live, NULL);
    pthread_mutex_unlock(&pass->store->lock);
}

sv_status sv_sync_locked(sv_store *store, const sv_model_config *config, sv_sync *sync, bool strict)
{
    sv_model_config effective = *config;
    sync_pass pass = {.store = store, .config = &effective, .sync = sync, .strict = strict};
    take_traffic(store, config, &effective.traffic);
    sv_status status = sv_layout_read(&effective, &pass.layout);
    if (status != SV_OK && strict) return status;
    sv_status ensured = sv_live_ensure(store, config->name, &pass.live);
    if (ensured != SV_OK) {
        if (status == SV_OK) sv_layout_release(&pass.layout);
        sv_status_free(status);
        return ensured;
    }
    take_traffic(store, config, &effective.traffic);
    if (sync->pardon) pardon(&pass);
    if (note_problem(&pass, status)) {
        sv_log(SV_LOG_WARN, "model '%s': %s", config->name, sv_status_message(status));
    }
    if (status != SV_OK) return status;
    log_warnings(&pass);
    return sync_layout(&pass);
}

static sv_status run_sync(sv_store *store, const sv_model_config *config, sv_sync *sync,
                          bool strict)
{
    if (!sv_model_name_valid(config->name, strlen(config->name))) {
        return sv_error_invalid(
            "model name: expected letters, digits and '._-', at most 128, found '%s'",
            config->name);
    }
    pthread_mutex_lock(&store->load_lock);
    sv_status status = sv_sync_locked(store, config, sync, strict);
    pthread_mutex_unlock(&store->load_lock);
    if (status != SV_OK) return sv_status_annotate(status, "model '%s'", config->name);
    return SV_OK;
}

sv_status sv_store_sync(sv_store *store, const sv_model_config *config, sv_sync *sync)
{
    return run_sync(store, config, sync, false);
}

sv_status sv_store_load(sv_store *store, const sv_model_config *config)
{
    sv_sync sync = {.now = true};
    return run_sync(store, config, &sync, true);
}
