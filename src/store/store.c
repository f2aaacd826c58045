/* The set of names in service, as readers see it. */
#include "store/store.h"

#include "base/status.h"
#include "store/live.h"
#include <stdlib.h>
#include <string.h>

sv_status sv_store_create(sv_runtime *runtime, sv_store **out)
{
    sv_store *store = calloc(1, sizeof *store);
    if (!store) return sv_error_memory("the store", sizeof *store);
    sv_status status = sv_reaper_create(&store->reaper);
    if (status != SV_OK) {
        free(store);
        return status;
    }
    store->runtime = runtime;
    pthread_mutex_init(&store->load_lock, NULL);
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return SV_OK;
}

void sv_store_destroy(sv_store *store)
{
    if (!store) return;
    for (size_t i = 0; i < store->count; i++) {
        sv_live *live = store->live[i];
        sv_guard_forget(live);
        sv_live_set_free(live->set);
        sv_notes_clear(live);
        free(live->verdict);
        free(live->repository);
        free(live->name);
        free(live);
    }
    free(store->live);
    sv_reaper_stop(store->reaper);
    sv_reaper_unref(store->reaper);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->load_lock);
    free(store);
}

static sv_status no_model(const char *name, size_t size)
{
    return sv_error(SV_CODE_NOT_FOUND, "model: expected one that is served, found '%.*s'",
                    (int)(size < 256 ? size : 256), name);
}

/* Takes the set out; what was loaded is on its way to its end. The lock is held. */
static sv_live_set *take_out(sv_store *store, sv_live *live)
{
    sv_live_set *old = sv_live_swap(store, live, NULL);
    for (size_t i = 0; old && i < old->count; i++) {
        sv_note *note = sv_note_find(live, old->version[i]->number);
        if (!note) continue;
        sv_life_unref(note->life);
        note->life = sv_served_life(old->version[i]);
        sv_note_set(note, SV_VERSION_UNLOADING, SV_OK);
    }
    return old;
}

sv_status sv_store_remove(sv_store *store, const char *name)
{
    pthread_mutex_lock(&store->load_lock);
    pthread_mutex_lock(&store->lock);
    sv_live *live = sv_live_find(store, name, strlen(name));
    sv_live_set *old = live ? take_out(store, live) : NULL;
    pthread_mutex_unlock(&store->lock);
    pthread_mutex_unlock(&store->load_lock);
    if (!old) return no_model(name, strlen(name));
    sv_live_set_free(old);
    return SV_OK;
}

size_t sv_store_retain(sv_store *store, const sv_model_configs *configs)
{
    size_t removed = 0;
    pthread_mutex_lock(&store->load_lock);
    for (size_t i = 0; i < store->count; i++) {
        sv_live *live = store->live[i];
        if (sv_model_configs_find(configs, live->name, live->name_size)) continue;
        pthread_mutex_lock(&store->lock);
        sv_live_set *old = take_out(store, live);
        sv_notes_clear(live);
        live->forgotten = true;
        pthread_mutex_unlock(&store->lock);
        removed += old != NULL;
        sv_live_set_free(old);
    }
    pthread_mutex_unlock(&store->load_lock);
    return removed;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool has_alias(const sv_live_set *set, const char *name, size_t size)
{
    for (size_t i = 0; i < set->alias_count; i++) {
        if (strlen(set->alias[i]) == size && memcmp(set->alias[i], name, size) == 0) return true;
    }
    return false;
}

/* The only entry in service; NULL when there are none or several. The lock is held. */
static sv_live *only_live(sv_store *store)
{
    sv_live *only = NULL;
    for (size_t i = 0; i < store->count; i++) {
        if (!store->live[i]->set) continue;
        if (only) return NULL;
        only = store->live[i];
    }
    return only;
}

/* The entry that a client means, in service or not. The lock is held. */
static sv_live *resolve(sv_store *store, const char *name, size_t size)
{
    if (size == 0) return only_live(store);
    sv_live *live = sv_live_find(store, name, size);
    for (size_t i = 0; i < store->count && !live; i++) {
        const sv_live_set *set = store->live[i]->set;
        if (set && has_alias(set, name, size)) live = store->live[i];
    }
    return live;
}

/* A new reference to a version, or NULL; number 0: the highest. The lock is held. */
static sv_served *pick_version(const sv_live_set *set, int64_t number)
{
    sv_served *found = number ? sv_live_set_find(set, number) : set->version[set->count - 1];
    return found ? sv_served_ref(found) : NULL;
}

/* The same for a request; number 0: whose turn it is. */
static sv_served *pick_for_request(sv_live *live, int64_t number)
{
    sv_served *next = number || !live->set->traffic.count ? NULL : sv_live_next(live);
    return next ? sv_served_ref(next) : pick_version(live->set, number);
}

static sv_served *pick_label(const sv_live_set *set, sv_string label)
{
    for (size_t i = 0; i < set->label_count; i++) {
        const char *have = set->label[i].name;
        if (strlen(have) != label.size || memcmp(have, label.data, label.size) != 0) continue;
        return pick_version(set, set->label[i].number);
    }
    return NULL;
}

static sv_status not_served(const char *name, size_t size)
{
    if (size) return no_model(name, size);
    return sv_error(SV_CODE_NOT_FOUND,
                    "model: expected a name, since several are served or none, found none");
}

sv_status sv_store_acquire(sv_store *store, const char *name, size_t name_size, int64_t number,
                           sv_served **out)
{
    pthread_mutex_lock(&store->lock);
    sv_live *live = resolve(store, name, name_size);
    bool served = live && live->set;
    sv_served *version = served ? pick_for_request(live, number) : NULL;
    pthread_mutex_unlock(&store->lock);
    if (!served) return not_served(name, name_size);
    if (!version) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model '%.*s': expected a version that is served, found %lld",
                        (int)name_size, name, (long long)number);
    }
    *out = version;
    return SV_OK;
}

sv_status sv_store_acquire_label(sv_store *store, const char *name, size_t name_size,
                                 sv_string label, sv_served **out)
{
    pthread_mutex_lock(&store->lock);
    const sv_live *live = resolve(store, name, name_size);
    bool served = live && live->set;
    sv_served *version = served ? pick_label(live->set, label) : NULL;
    pthread_mutex_unlock(&store->lock);
    if (!served) return not_served(name, name_size);
    if (!version) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model '%.*s': expected a version or label that is served, found '%.*s'",
                        (int)name_size, name, (int)(label.size < 256 ? label.size : 256),
                        label.data);
    }
    *out = version;
    return SV_OK;
}

sv_served *sv_store_acquire_shadow(sv_store *store, const sv_served *version)
{
    if (!atomic_load_explicit(&store->shadows, memory_order_relaxed)) return NULL;
    pthread_mutex_lock(&store->lock);
    const sv_live_set *set = store->live[version->slot]->set;
    sv_served *shadow = set && set->traffic.shadow && set->traffic.shadow != version->number
                            ? pick_version(set, set->traffic.shadow)
                            : NULL;
    pthread_mutex_unlock(&store->lock);
    return shadow;
}

size_t sv_store_count(sv_store *store)
{
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++)
        count += store->live[i]->set != NULL;
    pthread_mutex_unlock(&store->lock);
    return count;
}

sv_served *sv_store_at(sv_store *store, size_t index)
{
    sv_served *found = NULL;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count && !found; i++) {
        if (store->live[i]->set && index-- == 0) found = pick_version(store->live[i]->set, 0);
    }
    pthread_mutex_unlock(&store->lock);
    return found;
}

size_t sv_store_versions(sv_store *store, const char *name, size_t name_size, int64_t *numbers,
                         size_t room)
{
    pthread_mutex_lock(&store->lock);
    const sv_live *live = resolve(store, name, name_size);
    const sv_live_set *set = live ? live->set : NULL;
    size_t count = set ? set->count : 0;
    for (size_t i = 0; i < count && i < room; i++)
        numbers[i] = set->version[i]->number;
    pthread_mutex_unlock(&store->lock);
    return count;
}

int64_t sv_store_default(sv_store *store, const char *name, size_t name_size)
{
    pthread_mutex_lock(&store->lock);
    const sv_live *live = resolve(store, name, name_size);
    int64_t number = live && live->set ? sv_live_set_default(live->set) : 0;
    pthread_mutex_unlock(&store->lock);
    return number;
}

/* ---- status --------------------------------------------------------------------------------- */

static const char *copy_text(sv_arena *arena, const char *text)
{
    return text ? sv_arena_copy_text(arena, text, strlen(text)) : "";
}

static void describe_note(const sv_live_set *set, const sv_note *note, sv_arena *arena,
                          sv_version_status *out)
{
    sv_version_state state = note->state;
    if (state == SV_VERSION_UNLOADING && atomic_load(&note->life->over)) state = SV_VERSION_END;
    *out = (sv_version_status){.number = note->number,
                               .state = state,
                               .code = note->code,
                               .message = copy_text(arena, note->message)};
    const sv_served *served = sv_live_set_find(set, note->number);
    if (!served) return;
    sv_served_get_figures(served, out->figure);
    sv_served_get_shadow(served, out->shadow);
}

static void describe_good(const sv_live *live, sv_model_status *out)
{
    out->good_count = live->good.serving.count;
    for (uint32_t i = 0; i < out->good_count; i++)
        out->good[i] = live->good.serving.version[i]->number;
}

static bool describe_policy(const sv_live_set *set, sv_arena *arena, sv_version_policy *out)
{
    if (!set) return true;
    int64_t *number = sv_arena_array(arena, set->policy.count, sizeof *number);
    if (!number) return false;
    *out = set->policy;
    if (out->count) memcpy(number, out->number, out->count * sizeof *number);
    out->number = number;
    return true;
}

/* False when memory is out. The lock is held. */
static bool describe(const sv_live *live, sv_arena *arena, sv_model_status *out)
{
    size_t labels = live->set ? live->set->label_count : 0;
    sv_version_status *version = sv_arena_array(arena, live->note_count, sizeof *version);
    sv_version_label *label = sv_arena_array(arena, labels, sizeof *label);
    bool good = version && label;
    for (size_t i = 0; good && i < live->note_count; i++) {
        describe_note(live->set, &live->note[i], arena, &version[i]);
        good = version[i].message;
    }
    for (size_t i = 0; good && i < labels; i++) {
        label[i] = live->set->label[i];
        label[i].name = copy_text(arena, label[i].name);
        good = label[i].name;
    }
    *out = (sv_model_status){.name = copy_text(arena, live->name),
                             .repository = copy_text(arena, live->repository),
                             .problem = copy_text(arena, live->problem),
                             .code = live->problem_code,
                             .version = version,
                             .count = live->note_count,
                             .label = label,
                             .label_count = labels,
                             .loads = live->loads,
                             .traffic = live->set ? live->set->traffic : live->traffic,
                             .verdict = copy_text(arena, live->verdict),
                             .rollbacks = live->rollbacks};
    memcpy(out->failures, live->failures, sizeof out->failures);
    describe_good(live, out);
    return good && describe_policy(live->set, arena, &out->policy) && out->name &&
           out->repository && out->problem && out->verdict;
}

sv_status sv_store_describe(sv_store *store, const char *name, size_t name_size, sv_arena *arena,
                            sv_model_status *out)
{
    pthread_mutex_lock(&store->lock);
    const sv_live *live = resolve(store, name, name_size);
    bool known = live && !live->forgotten;
    bool good = known && describe(live, arena, out);
    pthread_mutex_unlock(&store->lock);
    if (!known) return not_served(name, name_size);
    return good ? SV_OK : sv_error_memory("a model's status", sizeof *out);
}

/* The `index`-th entry; false when memory is out. *out has no name where it is not listed. */
static bool describe_at(sv_store *store, size_t index, sv_arena *arena, sv_model_status *out)
{
    bool good = true;
    pthread_mutex_lock(&store->lock);
    const sv_live *live = store->live[index];
    out->name = NULL;
    if (!live->forgotten) good = describe(live, arena, out);
    pthread_mutex_unlock(&store->lock);
    return good;
}

sv_status sv_store_describe_all(sv_store *store, sv_arena *arena, sv_model_status **out,
                                size_t *count)
{
    size_t n = 0;
    pthread_mutex_lock(&store->lock);
    size_t entries = store->count;
    pthread_mutex_unlock(&store->lock);
    sv_model_status *all = sv_arena_array(arena, entries, sizeof *all);
    bool good = all;
    /* One by one, lest requests wait for all of them to be written down. */
    for (size_t i = 0; good && i < entries; i++) {
        good = describe_at(store, i, arena, &all[n]);
        n += good && all[n].name;
    }
    if (!good) return sv_error_memory("the models' status", sizeof *all);
    *out = all;
    *count = n;
    return SV_OK;
}
