/* Entries, their sets and notes. */
#include "store/live.h"

#include "base/status.h"
#include <stdlib.h>
#include <string.h>

#define KEEP_ENDED 16

sv_live *sv_live_find(sv_store *store, const char *name, size_t size)
{
    for (size_t i = 0; i < store->count; i++) {
        sv_live *live = store->live[i];
        if (live->name_size == size && memcmp(live->name, name, size) == 0) return live;
    }
    return NULL;
}

static sv_live *make_live(const char *name, size_t slot)
{
    sv_live *live = calloc(1, sizeof *live);
    char *copy = strdup(name);
    if (!live || !copy) {
        free(live);
        free(copy);
        return NULL;
    }
    live->name = copy;
    live->name_size = strlen(name);
    live->slot = (uint32_t)slot;
    return live;
}

static sv_live *add_live(sv_store *store, const char *name)
{
    sv_live **grown = realloc(store->live, (store->count + 1) * sizeof(sv_live *));
    if (!grown) return NULL;
    store->live = grown;
    sv_live *live = make_live(name, store->count);
    if (live) grown[store->count++] = live;
    return live;
}

sv_status sv_live_ensure(sv_store *store, const char *name, sv_live **out)
{
    pthread_mutex_lock(&store->lock);
    sv_live *live = sv_live_find(store, name, strlen(name));
    if (!live) live = add_live(store, name);
    if (live) live->forgotten = false;
    pthread_mutex_unlock(&store->lock);
    if (!live) return sv_error_memory("a model's entry", sizeof *live);
    *out = live;
    return SV_OK;
}

static bool has_shadow(const sv_live_set *set)
{
    return set && set->traffic.shadow;
}

sv_live_set *sv_live_swap(sv_store *store, sv_live *live, sv_live_set *set)
{
    sv_live_set *old = live->set;
    live->set = set;
    atomic_fetch_add(&store->shadows, (uint32_t)has_shadow(set) - (uint32_t)has_shadow(old));
    sv_guard_swapped(live, old);
    return old;
}

sv_served *sv_live_set_find(const sv_live_set *set, int64_t number)
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (set->version[i]->number == number) return set->version[i];
    }
    return NULL;
}

void sv_live_set_free(sv_live_set *set)
{
    if (!set) return;
    for (size_t i = 0; i < set->count; i++)
        sv_served_unref(set->version[i]);
    for (size_t i = 0; i < set->label_count; i++)
        free((char *)(uintptr_t)set->label[i].name);
    for (size_t i = 0; i < set->alias_count; i++)
        free(set->alias[i]);
    free((void *)(uintptr_t)set->policy.number);
    free(set->version);
    free(set->label);
    free(set->alias);
    free(set);
}

/* ---- notes ----------------------------------------------------------------------------------- */

sv_note *sv_note_find(const sv_live *live, int64_t number)
{
    for (size_t i = 0; i < live->note_count; i++) {
        if (live->note[i].number == number) return &live->note[i];
    }
    return NULL;
}

sv_note *sv_note_ensure(sv_live *live, int64_t number)
{
    sv_note *found = sv_note_find(live, number);
    if (found) return found;
    sv_note *grown = realloc(live->note, (live->note_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    live->note = grown;
    size_t at = live->note_count++;
    for (; at > 0 && grown[at - 1].number > number; at--)
        grown[at] = grown[at - 1];
    grown[at] = (sv_note){.number = number, .state = SV_VERSION_START};
    return &grown[at];
}

void sv_note_set(sv_note *note, sv_version_state state, sv_status why)
{
    note->state = state;
    free(note->message);
    note->message = why == SV_OK ? NULL : strdup(sv_status_message(why));
    note->code = sv_status_code(why);
}

static void release_note(sv_note *note)
{
    free(note->message);
    sv_life_unref(note->life);
}

static bool has_ended(const sv_note *note)
{
    if (note->message) return false;
    return note->state == SV_VERSION_END ||
           (note->state == SV_VERSION_UNLOADING && atomic_load(&note->life->over));
}

void sv_notes_trim(sv_live *live)
{
    size_t ended = 0, kept = 0;
    for (size_t i = 0; i < live->note_count; i++)
        ended += has_ended(&live->note[i]);
    for (size_t i = 0; i < live->note_count; i++) {
        if (has_ended(&live->note[i]) && ended > KEEP_ENDED) {
            ended--;
            release_note(&live->note[i]);
        } else {
            live->note[kept++] = live->note[i];
        }
    }
    live->note_count = kept;
}

void sv_notes_clear(sv_live *live)
{
    for (size_t i = 0; i < live->note_count; i++)
        release_note(&live->note[i]);
    free(live->note);
    live->note = NULL;
    live->note_count = 0;
    free(live->problem);
    live->problem = NULL;
    live->problem_code = SV_CODE_OK;
}
