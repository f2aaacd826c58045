/* Choices for all models and for single ones. */
#include "serve/tracing.h"

#include "base/status.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MODELS 1024 /* that have a choice of their own */

static const sv_trace_choice at_start = {.rate = 1000, .count = -1};

typedef struct row {
    char *model; /* owned; NULL: all */
    uint32_t given;
    sv_trace_choice choice;
    uint64_t seen; /* requests */
} row;

struct sv_tracing {
    pthread_mutex_t lock;
    atomic_bool any; /* something may be traced; the rest is under the lock */
    row all;
    row *own; /* [count] */
    size_t count;
    uint64_t records;
};

sv_tracing *sv_tracing_create(void)
{
    sv_tracing *tracing = calloc(1, sizeof *tracing);
    if (!tracing) return NULL;
    pthread_mutex_init(&tracing->lock, NULL);
    tracing->all.choice = at_start;
    return tracing;
}

void sv_tracing_destroy(sv_tracing *tracing)
{
    if (!tracing) return;
    for (size_t i = 0; i < tracing->count; i++)
        free(tracing->own[i].model);
    free(tracing->own);
    pthread_mutex_destroy(&tracing->lock);
    free(tracing);
}

static row *find(const sv_tracing *tracing, const char *model)
{
    for (size_t i = 0; model && i < tracing->count; i++) {
        if (strcmp(tracing->own[i].model, model) == 0) return &tracing->own[i];
    }
    return NULL;
}

/* The row of a model, made where there is none; NULL when there is no room. */
static row *ensure(sv_tracing *tracing, const char *model)
{
    row *found = find(tracing, model);
    if (found || tracing->count == MAX_MODELS) return found;
    row *grown = realloc(tracing->own, (tracing->count + 1) * sizeof *grown);
    char *copy = grown ? strdup(model) : NULL;
    if (grown) tracing->own = grown;
    if (!copy) return NULL;
    tracing->own[tracing->count] = (row){.model = copy};
    return &tracing->own[tracing->count++];
}

static void put(sv_trace_choice *to, const sv_trace_choice *from, uint32_t fields)
{
    if (fields & SV_TRACE_TIMESTAMPS) to->timestamps = from->timestamps;
    if (fields & SV_TRACE_RATE) to->rate = from->rate;
    if (fields & SV_TRACE_COUNT) to->count = from->count;
    if (fields & SV_TRACE_FREQUENCY) to->frequency = from->frequency;
}

static void note_any(sv_tracing *tracing)
{
    bool any = tracing->all.choice.timestamps;
    for (size_t i = 0; i < tracing->count; i++) {
        const row *own = &tracing->own[i];
        any |= own->given & SV_TRACE_TIMESTAMPS && own->choice.timestamps;
    }
    atomic_store_explicit(&tracing->any, any, memory_order_relaxed);
}

sv_status sv_tracing_change(sv_tracing *tracing, const char *model, const sv_trace_change *change)
{
    pthread_mutex_lock(&tracing->lock);
    row *row = model ? ensure(tracing, model) : &tracing->all;
    if (row) {
        row->given = (row->given & ~change->clear) | change->set;
        if (!model) put(&row->choice, &at_start, change->clear);
        put(&row->choice, &change->value, change->set);
        row->seen = 0;
        note_any(tracing);
    }
    pthread_mutex_unlock(&tracing->lock);
    if (row) return SV_OK;
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "trace settings: expected at most %d models with their own, found more",
                    MAX_MODELS);
}

/* The lock is held, as for what follows. */
static sv_trace_choice choice_of(const sv_tracing *tracing, const row *own)
{
    sv_trace_choice choice = tracing->all.choice;
    if (own) put(&choice, &own->choice, own->given);
    return choice;
}

sv_trace_choice sv_tracing_get(sv_tracing *tracing, const char *model)
{
    pthread_mutex_lock(&tracing->lock);
    sv_trace_choice choice = choice_of(tracing, find(tracing, model));
    pthread_mutex_unlock(&tracing->lock);
    return choice;
}

static uint64_t take(sv_tracing *tracing, row *own)
{
    sv_trace_choice choice = choice_of(tracing, own);
    row *counts = own && own->given ? own : &tracing->all;
    row *limits = own && own->given & SV_TRACE_COUNT ? own : &tracing->all;
    if (!choice.timestamps || choice.count == 0 || counts->seen++ % choice.rate != 0) return 0;
    if (limits->choice.count > 0) limits->choice.count--;
    return ++tracing->records;
}

uint64_t sv_tracing_take(sv_tracing *tracing, const char *model)
{
    if (!atomic_load_explicit(&tracing->any, memory_order_relaxed)) return 0;
    pthread_mutex_lock(&tracing->lock);
    uint64_t number = take(tracing, find(tracing, model));
    pthread_mutex_unlock(&tracing->lock);
    return number;
}
