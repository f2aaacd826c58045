/* Who answers requests that name no version: shares, turns, changes by hand. How versions are
 * judged stands in store/guard.c. */
#include "base/log.h"
#include "base/status.h"
#include "store/live.h"
#include <stdlib.h>
#include <string.h>

static bool same_guard(const sv_guard *a, const sv_guard *b)
{
    return a->requests == b->requests && a->errors == b->errors && a->latency == b->latency &&
           a->max_errors == b->max_errors && a->max_latency_ms == b->max_latency_ms &&
           a->seconds == b->seconds;
}

bool sv_traffic_equal(const sv_traffic *a, const sv_traffic *b)
{
    if (a->count != b->count || a->shadow != b->shadow || !same_guard(&a->guard, &b->guard)) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->share[i].number != b->share[i].number || a->share[i].weight != b->share[i].weight) {
            return false;
        }
    }
    return true;
}

void sv_live_take_traffic(sv_live *live, const sv_traffic *configured)
{
    if (!sv_traffic_equal(&live->configured, configured)) {
        live->configured = *configured;
        live->by_hand = false;
    }
    if (!live->by_hand) live->traffic = *configured;
}

/* ---- whose turn it is ----------------------------------------------------------------------- */

/* Each share gathers its weight with every request; the fullest answers and pays for all. So shares
 * are exact over a round of all weights, and spread evenly within it. */
sv_served *sv_live_next(sv_live *live)
{
    const sv_traffic *traffic = &live->set->traffic;
    sv_served *best = NULL;
    uint32_t at = 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < traffic->count; i++) {
        sv_served *served = sv_live_set_find(live->set, traffic->share[i].number);
        if (!served) continue;
        total += traffic->share[i].weight;
        live->due[i] += traffic->share[i].weight;
        if (best && live->due[i] <= live->due[at]) continue;
        best = served;
        at = i;
    }
    if (best) live->due[at] -= total;
    return best;
}

int64_t sv_live_set_default(const sv_live_set *set)
{
    const sv_traffic *traffic = &set->traffic;
    const sv_traffic_share *best = NULL;
    for (uint32_t i = 0; i < traffic->count; i++) {
        const sv_traffic_share *share = &traffic->share[i];
        if (best && share->weight <= best->weight) continue;
        if (sv_live_set_find(set, share->number)) best = share;
    }
    return best ? best->number : set->version[set->count - 1]->number;
}

/* ---- changes by hand ------------------------------------------------------------------------ */

typedef struct traffic_state {
    sv_traffic traffic;
    bool by_hand;
} traffic_state;

static traffic_state put_traffic(sv_store *store, sv_live *live, const traffic_state *state)
{
    pthread_mutex_lock(&store->lock);
    traffic_state old = {live->traffic, live->by_hand};
    live->traffic = state->traffic;
    live->by_hand = state->by_hand;
    pthread_mutex_unlock(&store->lock);
    return old;
}

/* Every version that gets a share, or is a shadow, is in service. */
static bool is_complete(const sv_live *live)
{
    const sv_traffic *traffic = &live->traffic;
    bool complete = live->set;
    for (uint32_t i = 0; i < traffic->count; i++)
        complete = complete && sv_live_set_find(live->set, traffic->share[i].number);
    return complete && (!traffic->shadow || sv_live_set_find(live->set, traffic->shadow));
}

static void remember(sv_store *store, sv_live *live, const sv_traffic *before)
{
    pthread_mutex_lock(&store->lock);
    live->before = *before;
    live->has_before = true;
    free(live->verdict);
    live->verdict = NULL;
    pthread_mutex_unlock(&store->lock);
}

static sv_status change_locked(sv_store *store, const sv_model_config *config,
                               const sv_traffic *traffic)
{
    sv_live *live;
    sv_sync sync = {.now = true};
    traffic_state fresh = {*traffic, true};
    SV_TRY(sv_live_ensure(store, config->name, &live));
    pthread_mutex_lock(&store->lock);
    sv_live_take_traffic(live, &config->traffic);
    sv_guard_pardon(live, traffic);
    pthread_mutex_unlock(&store->lock);
    traffic_state old = put_traffic(store, live, &fresh);
    sv_status status = sv_sync_locked(store, config, &sync, false);
    if (is_complete(live)) {
        /* That some other version cannot be loaded is no matter of this. */
        sv_status_free(status);
        remember(store, live, &old.traffic);
        return SV_OK;
    }
    (void)put_traffic(store, live, &old);
    sv_status_free(sv_sync_locked(store, config, &sync, false));
    if (status != SV_OK) return status;
    return sv_error(SV_CODE_NOT_FOUND, "traffic: expected versions that can be served");
}

sv_status sv_store_set_traffic(sv_store *store, const sv_model_config *config,
                               const sv_traffic *traffic)
{
    pthread_mutex_lock(&store->load_lock);
    sv_status status = change_locked(store, config, traffic);
    pthread_mutex_unlock(&store->load_lock);
    if (status != SV_OK) return sv_status_annotate(status, "model '%s'", config->name);
    sv_log(SV_LOG_INFO, "model '%s': its traffic was changed on request", config->name);
    return SV_OK;
}

sv_status sv_store_rollback(sv_store *store, const sv_model_config *config)
{
    sv_traffic before = {.count = 0};
    pthread_mutex_lock(&store->lock);
    const sv_live *live = sv_live_find(store, config->name, strlen(config->name));
    bool possible = live && live->has_before;
    if (possible) before = live->before;
    pthread_mutex_unlock(&store->lock);
    if (possible) return sv_store_set_traffic(store, config, &before);
    return sv_error(SV_CODE_FAILED_PRECONDITION,
                    "model '%s': expected traffic that was changed before, found none",
                    config->name);
}
