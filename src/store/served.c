/* A version: a loaded model, its sessions, and what is known about its speed. */
#include "store/served.h"

#include "base/clock.h"
#include "base/status.h"
#include "store/padding.h"
#include "store/signatures.h"
#include "store/terms.h"
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IDLE_SESSIONS 64

typedef struct idle_session {
    sv_session *session;
    uint64_t given;
    uint32_t threads;
} idle_session;

typedef struct served_record {
    sv_served version; /* first: the public face */
    sv_remains remains;
    sv_reaper *reaper;
    sv_life *life;
    _Atomic uint32_t references;
    _Atomic uint64_t ps_per_byte; /* learned; 0: nothing yet */
    _Atomic uint64_t figure[SV_SERVED_FIGURES];
    _Atomic uint64_t shadow[SV_SHADOW_VERDICTS];
    _Atomic(void *) companion;
    void (*destroy_companion)(void *); /* written under the lock, before the companion */
    pthread_mutex_t lock;
    size_t idle_count;
    idle_session idle[MAX_IDLE_SESSIONS]; /* the last used on top: its memory is warm */
} served_record;

static served_record *record_of(const sv_served *version)
{
    return (served_record *)(uintptr_t)version;
}

void sv_life_unref(sv_life *life)
{
    if (!life) return;
    if (atomic_fetch_sub_explicit(&life->references, 1, memory_order_acq_rel) == 1) free(life);
}

sv_life *sv_served_life(const sv_served *served)
{
    sv_life *life = record_of(served)->life;
    atomic_fetch_add_explicit(&life->references, 1, memory_order_relaxed);
    return life;
}

static void free_record(served_record *record)
{
    for (size_t i = 0; i < record->idle_count; i++)
        sv_session_destroy(record->idle[i].session);
    sv_signatures_destroy((sv_signatures *)(uintptr_t)record->version.signatures);
    sv_terms_destroy((sv_terms *)(uintptr_t)record->version.terms);
    sv_padding_destroy((sv_padding *)(uintptr_t)record->version.padding);
    if (record->version.model) sv_model_unref(record->version.model);
    if (atomic_load(&record->companion)) record->destroy_companion(atomic_load(&record->companion));
    pthread_mutex_destroy(&record->lock);
    if (record->life) atomic_store(&record->life->over, true);
    sv_life_unref(record->life);
    sv_reaper_unref(record->reaper);
    free((char *)(uintptr_t)record->version.name);
    free((char *)(uintptr_t)record->version.path);
    free((char *)(uintptr_t)record->version.base);
    free(record);
}

static void end_record(sv_remains *remains)
{
    free_record((served_record *)((char *)remains - offsetof(served_record, remains)));
}

static served_record *make_record(const sv_served_source *source)
{
    served_record *record = calloc(1, sizeof *record);
    if (!record) return NULL;
    pthread_mutex_init(&record->lock, NULL);
    atomic_init(&record->references, 1);
    record->remains.end = end_record;
    record->reaper = sv_reaper_ref(source->reaper);
    record->life = calloc(1, sizeof *record->life);
    sv_served *version = &record->version;
    version->number = source->file->number;
    version->slot = source->slot;
    version->name = strdup(source->config->name);
    version->path = strdup(source->file->path);
    version->base = strdup(source->config->path);
    version->tuning = source->layout->tuning;
    version->signature = source->file->signature;
    version->config_signature = source->file->config_signature;
    if (record->life) atomic_init(&record->life->references, 1);
    if (record->life && version->name && version->path && version->base) return record;
    free_record(record);
    return NULL;
}

static sv_status load_record(const sv_served_source *source, served_record *record)
{
    uint64_t start = sv_clock_ns();
    SV_TRY(sv_model_load(source->runtime, source->file->path, &record->version.model));
    SV_TRY(sv_served_check_ports(&record->version, source->layout));
    sv_signatures *signatures;
    SV_TRY(sv_signatures_load(source->file->path, record->version.model, &signatures));
    record->version.signatures = signatures;
    sv_terms *terms;
    SV_TRY(sv_terms_create(source->layout, record->version.model, &terms));
    record->version.terms = terms;
    SV_TRY(sv_served_read_labels(&record->version, source->config, source->layout));
    sv_padding *padding;
    SV_TRY(sv_padding_create(&record->version.tuning.pad, record->version.model,
                             record->version.name, &padding));
    record->version.padding = padding;
    sv_model_stats stats;
    sv_model_get_stats(record->version.model, &stats);
    record->version.open_ended = stats.open_ended;
    record->version.load_ns = sv_clock_ns() - start;
    record->version.loaded_us = sv_clock_wall_us();
    return SV_OK;
}

sv_status sv_served_load(const sv_served_source *source, sv_served **out)
{
    served_record *record = make_record(source);
    if (!record) return sv_error_memory("a version", sizeof *record);
    sv_status status = load_record(source, record);
    /* Whatever came of it, of files that were being written nothing is known. */
    if (sv_version_file_signature(source->file) != source->file->signature) {
        sv_status_free(status);
        status = sv_error(SV_CODE_ABORTED,
                          "%s: expected files that are complete, found them changing while they "
                          "were read",
                          source->file->path);
    }
    if (status != SV_OK) {
        free_record(record);
        return status;
    }
    *out = &record->version;
    return SV_OK;
}

sv_served *sv_served_ref(sv_served *version)
{
    atomic_fetch_add_explicit(&record_of(version)->references, 1, memory_order_relaxed);
    return version;
}

void sv_served_unref(sv_served *version)
{
    if (!version) return;
    served_record *record = record_of(version);
    if (atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) == 1) {
        sv_reaper_take(record->reaper, &record->remains);
    }
}

sv_status sv_served_take_session(sv_served *version, uint32_t threads, uint64_t given,
                                 sv_session **out)
{
    served_record *record = record_of(version);
    sv_session *found = NULL;
    pthread_mutex_lock(&record->lock);
    for (size_t i = record->idle_count; i-- > 0 && !found;) {
        idle_session *idle = &record->idle[i];
        if (idle->threads != threads || idle->given != given) continue;
        found = idle->session;
        memmove(idle, idle + 1, (--record->idle_count - i) * sizeof *idle);
    }
    pthread_mutex_unlock(&record->lock);
    if (!found) return sv_session_create(version->model, threads, out);
    *out = found;
    return SV_OK;
}

void sv_served_give_session(sv_served *version, uint32_t threads, uint64_t given,
                            sv_session *session)
{
    served_record *record = record_of(version);
    sv_session *excess = NULL;
    pthread_mutex_lock(&record->lock);
    if (record->idle_count == MAX_IDLE_SESSIONS) {
        excess = record->idle[0].session;
        memmove(record->idle, record->idle + 1, --record->idle_count * sizeof record->idle[0]);
    }
    record->idle[record->idle_count++] = (idle_session){session, given, threads};
    pthread_mutex_unlock(&record->lock);
    if (excess) sv_session_destroy(excess);
}

uint64_t sv_served_estimate_ns(const sv_served *version, size_t bytes)
{
    uint64_t ps = atomic_load_explicit(&record_of(version)->ps_per_byte, memory_order_relaxed);
    uint64_t ns;
    if (!ps) return sv_model_cost_ns(version->model);
    if (__builtin_mul_overflow(ps, (uint64_t)(bytes ? bytes : 1), &ns)) return UINT64_MAX;
    return ns / 1000;
}

void sv_served_learn(sv_served *version, size_t bytes, uint64_t ns)
{
    served_record *record = record_of(version);
    uint64_t old = atomic_load_explicit(&record->ps_per_byte, memory_order_relaxed);
    uint64_t seen = ns >= UINT64_MAX / 1000 ? UINT64_MAX / 8 : ns * 1000 / (bytes ? bytes : 1);
    /* A moving average over about eight runs; a lost update between threads does no harm. */
    uint64_t now = old ? old - old / 8 + seen / 8 : seen;
    atomic_store_explicit(&record->ps_per_byte, now ? now : 1, memory_order_relaxed);
}

void sv_served_count(sv_served *version, const uint64_t more[SV_SERVED_FIGURES])
{
    served_record *record = record_of(version);
    for (int i = 0; i < SV_SERVED_FIGURES; i++) {
        if (!more[i]) continue;
        if (i == SV_SERVED_LAST_MS) {
            atomic_store_explicit(&record->figure[i], more[i], memory_order_relaxed);
        } else {
            atomic_fetch_add_explicit(&record->figure[i], more[i], memory_order_relaxed);
        }
    }
}

void sv_served_get_figures(const sv_served *version, uint64_t out[SV_SERVED_FIGURES])
{
    for (int i = 0; i < SV_SERVED_FIGURES; i++)
        out[i] = atomic_load_explicit(&record_of(version)->figure[i], memory_order_relaxed);
}

void *sv_served_companion(const sv_served *version)
{
    return atomic_load_explicit(&record_of(version)->companion, memory_order_acquire);
}

void *sv_served_set_companion(sv_served *version, void *companion, void (*destroy)(void *))
{
    served_record *record = record_of(version);
    pthread_mutex_lock(&record->lock);
    void *stays = atomic_load_explicit(&record->companion, memory_order_relaxed);
    if (!stays) {
        record->destroy_companion = destroy;
        atomic_store_explicit(&record->companion, companion, memory_order_release);
    }
    pthread_mutex_unlock(&record->lock);
    if (!stays) return companion;
    destroy(companion);
    return stays;
}

void sv_served_count_shadow(sv_served *version, sv_shadow_verdict verdict)
{
    atomic_fetch_add_explicit(&record_of(version)->shadow[verdict], 1, memory_order_relaxed);
}

void sv_served_get_shadow(const sv_served *version, uint64_t out[SV_SHADOW_VERDICTS])
{
    for (int i = 0; i < SV_SHADOW_VERDICTS; i++)
        out[i] = atomic_load_explicit(&record_of(version)->shadow[i], memory_order_relaxed);
}
