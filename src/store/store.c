/* The set of names in service, and the swap from one version to the next. */
#include "store/store.h"

#include "base/status.h"
#include "store/served.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct store_entry {
    char *name;
    sv_served **version; /* [count], rising numbers; NULL: taken out of service */
    size_t count;
} store_entry;

struct sv_store {
    sv_runtime *runtime;
    pthread_mutex_t load_lock; /* one load at a time; taken before `lock` */
    pthread_mutex_t lock;      /* guards what is below */
    store_entry *entry;        /* [count]; an entry keeps its place, which is its slot */
    size_t count;
};

sv_status sv_store_create(sv_runtime *runtime, sv_store **out)
{
    sv_store *store = calloc(1, sizeof *store);
    if (!store) return sv_error_memory("the store", sizeof *store);
    store->runtime = runtime;
    pthread_mutex_init(&store->load_lock, NULL);
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return SV_OK;
}

static void free_versions(sv_served **version, size_t count)
{
    for (size_t i = 0; version && i < count; i++)
        sv_served_unref(version[i]);
    free(version);
}

void sv_store_destroy(sv_store *store)
{
    if (!store) return;
    for (size_t i = 0; i < store->count; i++) {
        free_versions(store->entry[i].version, store->entry[i].count);
        free(store->entry[i].name);
    }
    free(store->entry);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->load_lock);
    free(store);
}

/* The entry of a name, in service or not. The lock is held. */
static store_entry *find_entry(sv_store *store, const char *name, size_t size)
{
    for (size_t i = 0; i < store->count; i++) {
        const char *have = store->entry[i].name;
        if (strlen(have) == size && memcmp(have, name, size) == 0) return &store->entry[i];
    }
    return NULL;
}

/* Makes sure that a name has an entry, and says its slot. */
static sv_status ensure_entry(sv_store *store, const char *name, uint32_t *slot)
{
    sv_status status = SV_OK;
    pthread_mutex_lock(&store->lock);
    store_entry *entry = find_entry(store, name, strlen(name));
    if (!entry) {
        store_entry *grown = realloc(store->entry, (store->count + 1) * sizeof *grown);
        char *copy = strdup(name);
        if (grown) store->entry = grown;
        if (grown && copy) {
            entry = &store->entry[store->count++];
            *entry = (store_entry){.name = copy};
        } else {
            free(copy);
            status = sv_error_memory("a model's entry", sizeof *grown);
        }
    }
    if (entry) *slot = (uint32_t)(entry - store->entry);
    pthread_mutex_unlock(&store->lock);
    return status;
}

static sv_status load_versions(sv_store *store, const char *name, uint32_t slot,
                               const sv_version_file *files, size_t count, sv_served ***out)
{
    sv_served **versions = calloc(count, sizeof *versions);
    if (!versions) return sv_error_memory("versions", count * sizeof *versions);
    for (size_t i = 0; i < count; i++) {
        sv_status status = sv_served_load(store->runtime, name, &files[i], slot, &versions[i]);
        if (status != SV_OK) {
            free_versions(versions, i);
            return status;
        }
        sv_served_warm(versions[i]);
    }
    *out = versions;
    return SV_OK;
}

static sv_status load_locked(sv_store *store, const sv_model_config *config)
{
    sv_version_file *files = NULL;
    size_t count = 0;
    sv_served **versions = NULL;
    uint32_t slot = 0;
    SV_TRY(sv_model_config_resolve(config, &files, &count));
    sv_status status = ensure_entry(store, config->name, &slot);
    if (status == SV_OK) {
        status = load_versions(store, config->name, slot, files, count, &versions);
    }
    sv_version_files_free(files, count);
    if (status != SV_OK) return status;
    pthread_mutex_lock(&store->lock);
    store_entry *entry = &store->entry[slot];
    sv_served **old = entry->version;
    size_t old_count = entry->count;
    entry->version = versions;
    entry->count = count;
    pthread_mutex_unlock(&store->lock);
    free_versions(old, old_count);
    return SV_OK;
}

sv_status sv_store_load(sv_store *store, const sv_model_config *config)
{
    if (!sv_model_name_valid(config->name, strlen(config->name))) {
        return sv_error_invalid(
            "model name: expected letters, digits and '._-', at most 128, found "
            "'%s'",
            config->name);
    }
    pthread_mutex_lock(&store->load_lock);
    sv_status status = load_locked(store, config);
    pthread_mutex_unlock(&store->load_lock);
    if (status != SV_OK) return sv_status_annotate(status, "model '%s'", config->name);
    return SV_OK;
}

static sv_status no_model(const char *name, size_t size)
{
    return sv_error(SV_CODE_NOT_FOUND, "model: expected one that is served, found '%.*s'",
                    (int)(size < 256 ? size : 256), name);
}

sv_status sv_store_remove(sv_store *store, const char *name)
{
    pthread_mutex_lock(&store->lock);
    store_entry *entry = find_entry(store, name, strlen(name));
    sv_served **old = entry ? entry->version : NULL;
    size_t count = entry ? entry->count : 0;
    if (entry) {
        entry->version = NULL;
        entry->count = 0;
    }
    pthread_mutex_unlock(&store->lock);
    if (!old) return no_model(name, strlen(name));
    free_versions(old, count);
    return SV_OK;
}

/* The only entry in service; NULL when there are none or several. The lock is held. */
static store_entry *only_entry(sv_store *store)
{
    store_entry *only = NULL;
    for (size_t i = 0; i < store->count; i++) {
        if (!store->entry[i].version) continue;
        if (only) return NULL;
        only = &store->entry[i];
    }
    return only;
}

/* A new reference to a version of an entry, or NULL. The lock is held. */
static sv_served *pick_version(const store_entry *entry, int64_t number)
{
    for (size_t i = entry->count; i-- > 0;) {
        if (number == 0 || entry->version[i]->number == number) {
            return sv_served_ref(entry->version[i]);
        }
    }
    return NULL;
}

sv_status sv_store_acquire(sv_store *store, const char *name, size_t name_size, int64_t number,
                           sv_served **out)
{
    pthread_mutex_lock(&store->lock);
    store_entry *entry = name_size ? find_entry(store, name, name_size) : only_entry(store);
    bool served = entry && entry->version;
    sv_served *version = served ? pick_version(entry, number) : NULL;
    pthread_mutex_unlock(&store->lock);
    if (version) {
        *out = version;
        return SV_OK;
    }
    if (served) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model '%.*s': expected a version that is served, found %lld",
                        (int)name_size, name, (long long)number);
    }
    if (name_size == 0) {
        return sv_error(SV_CODE_NOT_FOUND, "model: expected a name, since several are served or "
                                           "none, found none");
    }
    return no_model(name, name_size);
}

size_t sv_store_count(sv_store *store)
{
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++)
        count += store->entry[i].version != NULL;
    pthread_mutex_unlock(&store->lock);
    return count;
}

sv_served *sv_store_at(sv_store *store, size_t index)
{
    sv_served *found = NULL;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count && !found; i++) {
        if (store->entry[i].version && index-- == 0) found = pick_version(&store->entry[i], 0);
    }
    pthread_mutex_unlock(&store->lock);
    return found;
}

size_t sv_store_versions(sv_store *store, const char *name, size_t name_size, int64_t *numbers,
                         size_t room)
{
    pthread_mutex_lock(&store->lock);
    const store_entry *entry = find_entry(store, name, name_size);
    size_t count = entry ? entry->count : 0;
    for (size_t i = 0; i < count && i < room; i++)
        numbers[i] = entry->version[i]->number;
    pthread_mutex_unlock(&store->lock);
    return count;
}
