/* The plan cache: plans by key, least recently used out first when their bytes pass the limit. */
#include "engine/compiled.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

void sv_plan_cache_init(sv_plan_cache *cache, size_t limit)
{
    *cache = (sv_plan_cache){.limit = limit};
    pthread_mutex_init(&cache->lock, NULL);
}

void sv_plan_cache_release(sv_plan_cache *cache, const sv_allocator *allocator)
{
    for (uint32_t i = 0; i < cache->n; i++) sv_plan_unref(cache->plan[i]);
    sv_free(allocator, cache->plan, cache->capacity * sizeof(*cache->plan));
    pthread_mutex_destroy(&cache->lock);
}

static bool matches(const sv_plan *plan, const sv_plan_request *request)
{
    return plan->hash == request->hash && plan->parent == request->parent &&
           plan->key_size == request->key_size &&
           memcmp(plan->key, request->key, request->key_size) == 0;
}

static sv_plan *find(sv_plan_cache *cache, const sv_plan_request *request)
{
    sv_plan *found = NULL;
    pthread_mutex_lock(&cache->lock);
    for (uint32_t i = 0; i < cache->n && !found; i++) {
        if (matches(cache->plan[i], request)) found = cache->plan[i];
    }
    if (found) {
        found->tick = ++cache->tick;
        sv_plan_ref(found);
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* Drops the plan that was used longest ago; plans in use live on until their sessions let go. */
static void evict(sv_plan_cache *cache)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < cache->n; i++) {
        if (cache->plan[i]->tick < cache->plan[oldest]->tick) oldest = i;
    }
    cache->bytes -= cache->plan[oldest]->bytes;
    sv_plan_unref(cache->plan[oldest]);
    cache->plan[oldest] = cache->plan[--cache->n];
}

static sv_status insert(sv_plan_cache *cache, const sv_allocator *allocator, sv_plan *plan)
{
    sv_status status = SV_OK;
    pthread_mutex_lock(&cache->lock);
    if (cache->n == cache->capacity) {
        uint32_t more = cache->capacity ? cache->capacity * 2 : 16;
        void *grown = sv_realloc(allocator, cache->plan, cache->capacity * sizeof(*cache->plan),
                                 more * sizeof(*cache->plan));
        if (grown) {
            cache->plan = grown;
            cache->capacity = more;
        } else {
            status = sv_error_memory("plan cache", more * sizeof(*cache->plan));
        }
    }
    if (status == SV_OK) {
        plan->tick = ++cache->tick;
        cache->plan[cache->n++] = sv_plan_ref(plan);
        cache->bytes += plan->bytes;
        while (cache->bytes > cache->limit && cache->n > 1) evict(cache);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

sv_status sv_compiled_plan(sv_compiled *compiled, const sv_plan_request *request, sv_plan **out,
                           bool *retry)
{
    *retry = false;
    sv_plan *plan = find(&compiled->cache, request);
    if (!plan) {
        SV_TRY(sv_plan_create(compiled, request, &plan, retry));
        if (*retry) return SV_OK;
        sv_status status = insert(&compiled->cache, compiled->options.allocator, plan);
        if (status != SV_OK) {
            sv_plan_unref(plan);
            return status;
        }
    }
    *out = plan;
    return SV_OK;
}
