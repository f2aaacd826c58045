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
    for (uint32_t i = 0; i < cache->n; i++)
        sv_plan_unref(cache->plan[i]);
    sv_free(allocator, cache->plan, cache->capacity * sizeof(*cache->plan));
    pthread_mutex_destroy(&cache->lock);
}

static bool matches(const sv_plan *plan, const sv_plan_request *request)
{
    return plan->hash == request->hash && plan->parent == request->parent &&
           plan->key_size == request->key_size &&
           memcmp(plan->key, request->key, request->key_size) == 0;
}

/* Under the lock; returns a reference. */
static sv_plan *find(sv_plan_cache *cache, const sv_plan_request *request)
{
    for (uint32_t i = 0; i < cache->n; i++) {
        if (!matches(cache->plan[i], request)) continue;
        cache->plan[i]->tick = ++cache->tick;
        return sv_plan_ref(cache->plan[i]);
    }
    return NULL;
}

static sv_plan *look_up(sv_plan_cache *cache, const sv_plan_request *request)
{
    pthread_mutex_lock(&cache->lock);
    sv_plan *found = find(cache, request);
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

static bool grow(sv_plan_cache *cache, const sv_allocator *allocator)
{
    if (cache->n < cache->capacity) return true;
    uint32_t more = cache->capacity ? cache->capacity * 2 : 16;
    void *grown = sv_realloc(allocator, cache->plan, cache->capacity * sizeof(*cache->plan),
                             more * sizeof(*cache->plan));
    if (!grown) return false;
    cache->plan = grown;
    cache->capacity = more;
    return true;
}

/* Puts a plan in, and hands out the one for its key: another thread may have been faster. */
static sv_status insert(sv_plan_cache *cache, const sv_allocator *allocator,
                        const sv_plan_request *request, sv_plan *plan, sv_plan **out)
{
    sv_status status = SV_OK;
    pthread_mutex_lock(&cache->lock);
    *out = find(cache, request);
    if (!*out && !grow(cache, allocator))
        status = sv_error_memory("plan cache", sizeof(*cache->plan));
    if (!*out && status == SV_OK) {
        plan->tick = ++cache->tick;
        cache->plan[cache->n++] = sv_plan_ref(plan);
        cache->bytes += plan->bytes;
        *out = sv_plan_ref(plan);
        while (cache->bytes > cache->limit && cache->n > 1)
            evict(cache);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

sv_status sv_compiled_plan(sv_compiled *compiled, const sv_plan_request *request, sv_plan **out,
                           bool *retry)
{
    *retry = false;
    sv_plan *plan, *kept = look_up(&compiled->cache, request);
    if (!kept) {
        SV_TRY(sv_plan_create(compiled, request, &plan, retry));
        if (*retry) return SV_OK;
        sv_status status =
            insert(&compiled->cache, compiled->options.allocator, request, plan, &kept);
        sv_plan_unref(plan);
        SV_TRY(status);
    }
    *out = kept;
    return SV_OK;
}
