/* Judging versions that have newly got requests, and going back to the last good ones.
 *
 * Last good is what answered before somebody changed who answers: by traffic, a promotion, or a new
 * version in the place of the old. It is kept, if need be without requests, while its followers are
 * watched. They are judged by what became of their requests since, beside what became of its own:
 * in the same time where it still gets a part, else over its life. */
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "store/live.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 300

uint64_t sv_guard_mark(uint64_t signature, uint64_t config_signature)
{
    return signature ^ config_signature;
}

/* ---- who answers ---------------------------------------------------------------------------- */

static sv_serving serving_of(const sv_live_set *set)
{
    sv_serving out = {.count = 0};
    if (!set) return out;
    for (uint32_t i = 0; i < set->traffic.count; i++)
        out.version[i] = sv_live_set_find(set, set->traffic.share[i].number);
    out.count = set->traffic.count;
    if (out.count) return out;
    out.version[0] = set->version[set->count - 1];
    out.count = 1;
    return out;
}

static bool contains(const sv_serving *serving, const sv_served *version)
{
    for (uint32_t i = 0; i < serving->count; i++) {
        if (serving->version[i] == version) return true;
    }
    return false;
}

static bool is_within(const sv_serving *some, const sv_serving *all)
{
    for (uint32_t i = 0; i < some->count; i++) {
        if (some->version[i] && !contains(all, some->version[i])) return false;
    }
    return true;
}

static bool same_serving(const sv_serving *a, const sv_serving *b)
{
    return a->count == b->count && memcmp(a->version, b->version, sizeof a->version) == 0;
}

static bool has_guard(const sv_live_set *set)
{
    return set && set->traffic.guard.requests;
}

/* ---- the last good versions ----------------------------------------------------------------- */

void sv_guard_forget(sv_live *live)
{
    for (uint32_t i = 0; i < live->good.serving.count; i++)
        sv_served_unref(live->good.serving.version[i]);
    live->good.serving = (sv_serving){.count = 0};
    live->good.wanted = false;
}

static void keep_good(sv_live *live, const sv_serving *serving, const sv_traffic *traffic)
{
    sv_good *good = &live->good;
    good->traffic = *traffic;
    for (uint32_t i = 0; i < serving->count; i++) {
        if (!serving->version[i]) continue;
        good->serving.version[good->serving.count++] = sv_served_ref(serving->version[i]);
    }
}

static void keep_one(sv_live *live, sv_served *version)
{
    const sv_serving only = {.version = {version}, .count = 1};
    const sv_traffic traffic = {.share = {{version->number, 1}}, .count = 1};
    sv_guard_forget(live);
    keep_good(live, &only, &traffic);
}

void sv_guard_take_good(sv_live *live, sv_served *version)
{
    sv_note *note = sv_note_ensure(live, version->number);
    keep_one(live, version);
    if (note && !sv_live_set_find(live->set, version->number)) {
        sv_life_unref(note->life);
        note->life = sv_served_life(version);
        sv_note_set(note, SV_VERSION_UNLOADING, SV_OK);
    }
    sv_served_unref(version);
}

static sv_served *lowest_of(const sv_serving *serving, uint32_t *count)
{
    sv_served *lowest = NULL;
    *count = 0;
    for (uint32_t i = 0; i < serving->count; i++) {
        sv_served *version = serving->version[i];
        if (!version) continue;
        ++*count;
        if (!lowest || version->number < lowest->number) lowest = version;
    }
    return lowest;
}

/* Nothing that served before is another than what serves now. The lowest number counts as the last
 * good then: of several shares, else of what is loaded, else of what is on disk. */
static void guess_good(sv_live *live, const sv_serving *now)
{
    uint32_t count;
    sv_served *lowest = lowest_of(now, &count), *older = NULL;
    if (!lowest) return;
    for (size_t i = 0; i < live->set->count; i++) {
        if (live->set->version[i]->number < lowest->number) older = live->set->version[i];
    }
    if (count > 1 || older) {
        keep_one(live, count > 1 ? lowest : older);
    } else {
        live->good.wanted = true;
    }
}

static void judge_from_now(sv_live *live, const sv_serving *now)
{
    memset(live->due, 0, sizeof live->due);
    memset(live->judged, 0, sizeof live->judged);
    live->good.since_ns = sv_clock_ns();
    for (uint32_t i = 0; i < now->count; i++) {
        if (now->version[i]) sv_served_get_figures(now->version[i], live->judged[i].figure);
    }
}

void sv_guard_swapped(sv_live *live, const sv_live_set *old)
{
    if (!live->set) {
        sv_guard_forget(live);
        return;
    }
    sv_serving before = serving_of(old), now = serving_of(live->set);
    bool same = same_serving(&before, &now);
    if (same && sv_traffic_equal(&old->traffic, &live->set->traffic)) return;
    judge_from_now(live, &now);
    if (!has_guard(live->set)) {
        sv_guard_forget(live);
        return;
    }
    if (!live->good.serving.count && old) keep_good(live, &before, &old->traffic);
    uint32_t count;
    (void)lowest_of(&now, &count);
    if (live->good.serving.count && !is_within(&now, &live->good.serving)) return;
    sv_guard_forget(live);
    if (count > 1 || !has_guard(old)) guess_good(live, &now);
}

void sv_guard_pardon(sv_live *live, const sv_traffic *traffic)
{
    for (size_t i = 0; i < live->note_count; i++) {
        bool asked = !traffic || traffic->shadow == live->note[i].number;
        for (uint32_t k = 0; !asked && k < traffic->count; k++)
            asked = traffic->share[k].number == live->note[i].number;
        if (asked) live->note[i].condemned = 0;
    }
}

/* ---- judgement ------------------------------------------------------------------------------ */

/* What became of a version's requests, but for those that were shed. */
typedef struct record_of_service {
    uint64_t requests, failed, good;
    double good_ns; /* of those that did not fail */
} record_of_service;

/* Adds what came after `base` (NULL: all). */
static void add_record(record_of_service *record, const sv_served *served, const sv_judged *base)
{
    uint64_t figure[SV_SERVED_FIGURES];
    sv_served_get_figures(served, figure);
    for (int i = 0; base && i < SV_SERVED_FIGURES; i++)
        figure[i] -= base->figure[i] <= figure[i] ? base->figure[i] : 0;
    /* What the server had no room for says nothing about the version. */
    uint64_t shed = figure[SV_SERVED_SHED], failed = figure[SV_SERVED_FAIL];
    failed = failed > shed ? failed - shed : 0;
    record->failed += failed;
    record->good += figure[SV_SERVED_SUCCESS];
    record->requests += figure[SV_SERVED_SUCCESS] + failed;
    record->good_ns += (double)figure[SV_SERVED_SUCCESS_NS];
}

static double share_failed(const record_of_service *r)
{
    return r->requests ? (double)r->failed / (double)r->requests : 0;
}

static double mean_ms(const record_of_service *r)
{
    return r->good ? r->good_ns / (double)r->good / 1e6 : 0;
}

/* What the watched are held against: the last good versions in the same time; over their lives
 * where they get too few requests. */
static record_of_service find_baseline(const sv_live *live, const sv_serving *now)
{
    record_of_service beside = {.requests = 0}, ever = {.requests = 0};
    const sv_serving *good = &live->good.serving;
    for (uint32_t i = 0; i < now->count; i++) {
        if (now->version[i] && contains(good, now->version[i]))
            add_record(&beside, now->version[i], &live->judged[i]);
    }
    if (beside.requests >= live->set->traffic.guard.requests) return beside;
    for (uint32_t i = 0; i < good->count; i++)
        add_record(&ever, good->version[i], NULL);
    return ever;
}

typedef struct verdict {
    int64_t number, good; /* of the version that is judged, and of a last good one */
    record_of_service it, other;
    char why[WHY_SIZE];
} verdict;

static bool fails_often(const sv_guard *guard, verdict *v)
{
    double share = share_failed(&v->it), other = share_failed(&v->other);
    bool beyond = guard->max_errors > 0 && share > guard->max_errors;
    if (!beyond && share <= other + guard->errors) return false;
    int size = snprintf(v->why, sizeof v->why,
                        "version %lld was taken out of the traffic: %.1f %% of its %llu requests "
                        "failed, ",
                        (long long)v->number, 100 * share, (unsigned long long)v->it.requests);
    char *rest = v->why + size;
    size_t room = sizeof v->why - (size_t)size;
    if (beyond || !v->other.requests) {
        snprintf(rest, room, "at most %.1f %% may",
                 100 * (beyond ? guard->max_errors : guard->errors));
    } else {
        snprintf(rest, room, "of version %lld's %.1f %%", (long long)v->good, 100 * other);
    }
    return true;
}

static bool is_slow(const sv_guard *guard, verdict *v)
{
    double mean = mean_ms(&v->it), other = mean_ms(&v->other);
    bool beyond = guard->max_latency_ms > 0 && mean > guard->max_latency_ms;
    bool known = guard->latency > 0 && other > 0 && v->other.requests >= guard->requests;
    if (!beyond && !(known && mean > guard->latency * other)) return false;
    int size = snprintf(v->why, sizeof v->why,
                        "version %lld was taken out of the traffic: its requests took %.3f ms on "
                        "average, ",
                        (long long)v->number, mean);
    char *rest = v->why + size;
    size_t room = sizeof v->why - (size_t)size;
    if (beyond) {
        snprintf(rest, room, "at most %.3f ms are allowed", guard->max_latency_ms);
    } else {
        snprintf(rest, room, "version %lld's %.3f ms", (long long)v->good, other);
    }
    return true;
}

/* Whether a version is worse than it may be; false as well when not enough is known. */
static bool is_worse(const sv_live *live, const sv_serving *now, uint32_t at, verdict *v)
{
    const sv_guard *guard = &live->set->traffic.guard;
    v->number = now->version[at]->number;
    v->good = live->good.serving.version[0]->number;
    v->it = (record_of_service){.requests = 0};
    add_record(&v->it, now->version[at], &live->judged[at]);
    if (v->it.requests < guard->requests) return false;
    v->other = find_baseline(live, now);
    return fails_often(guard, v) || is_slow(guard, v);
}

static bool is_watched(const sv_live *live, const sv_serving *now, uint32_t at)
{
    return now->version[at] && !contains(&live->good.serving, now->version[at]);
}

static bool find_worst(const sv_live *live, const sv_serving *now, uint32_t *at, verdict *v)
{
    for (uint32_t i = 0; i < now->count; i++) {
        if (!is_watched(live, now, i) || !is_worse(live, now, i, v)) continue;
        *at = i;
        return true;
    }
    return false;
}

/* ---- the way back --------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const sv_served *x = *(sv_served *const *)a, *y = *(sv_served *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static void note_return(sv_live *live, const sv_served *version)
{
    sv_note *note = sv_note_ensure(live, version->number);
    if (!note) return;
    /* Where another content of the same number failed, its reason stays to be seen. */
    if (note->condemned) {
        note->state = SV_VERSION_AVAILABLE;
    } else {
        sv_note_set(note, SV_VERSION_AVAILABLE, SV_OK);
    }
}

/* Out of service, and not loaded again while its files are the same. */
static void condemn(sv_live *live, const sv_served *version, const char *why)
{
    sv_note *note = sv_note_ensure(live, version->number);
    if (!note) return;
    sv_status reason = sv_error(SV_CODE_FAILED_PRECONDITION, "%s", why);
    note->condemned = sv_guard_mark(version->signature, version->config_signature);
    note->signature = note->condemned;
    sv_note_set(note, SV_VERSION_END, reason);
    sv_status_free(reason);
}

/* The good versions stand in the set, `bad` (NULL: none) and what has a good one's number do not.
 * `room` has place for all; it takes the place of the old list, which is returned. */
static sv_served **put_back(sv_live *live, const sv_served *bad, sv_served **room)
{
    sv_live_set *set = live->set;
    const sv_serving *good = &live->good.serving;
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        sv_served *version = set->version[i];
        bool stays = version != bad;
        for (uint32_t k = 0; stays && k < good->count; k++)
            stays = good->version[k]->number != version->number;
        if (stays) {
            room[count++] = version;
        } else if (!contains(good, version)) {
            sv_served_unref(version);
        }
    }
    for (uint32_t k = 0; k < good->count; k++) {
        sv_served *version = good->version[k];
        bool there = false;
        for (size_t i = 0; i < set->count; i++)
            there |= set->version[i] == version;
        room[count++] = there ? version : sv_served_ref(version);
        if (!there) note_return(live, version);
    }
    qsort(room, count, sizeof(sv_served *), by_number);
    sv_served **old = set->version;
    set->version = room;
    set->count = count;
    return old;
}

static bool has_good_number(const sv_live *live, int64_t number)
{
    for (uint32_t i = 0; i < live->good.serving.count; i++) {
        if (live->good.serving.version[i]->number == number) return true;
    }
    return false;
}

/* The shares without the one that failed; those of the last good time if none of its versions has
 * one otherwise. Returns whether it is so. */
static bool take_share(sv_live *live, const sv_serving *now, uint32_t at)
{
    sv_traffic *traffic = &live->set->traffic;
    bool good_stays = false;
    for (uint32_t i = 0; i < now->count; i++)
        good_stays |= i != at && now->version[i] && contains(&live->good.serving, now->version[i]);
    live->before = *traffic;
    live->has_before = true;
    traffic->count--;
    memmove(&traffic->share[at], &traffic->share[at + 1],
            (traffic->count - at) * sizeof traffic->share[0]);
    if (!good_stays) {
        const sv_good *good = &live->good;
        const sv_traffic_share only = {good->serving.version[0]->number, 1};
        memcpy(traffic->share, good->traffic.share, sizeof traffic->share);
        traffic->count = good->traffic.count;
        if (!traffic->count) traffic->share[traffic->count++] = only;
    }
    live->traffic = *traffic;
    live->by_hand = true;
    return !good_stays;
}

/* Requests go elsewhere from now on. The lock is held. Returns what is to be freed without it. */
static sv_served **go_back(sv_live *live, const sv_serving *now, uint32_t at, const verdict *v,
                           sv_served **room)
{
    const sv_served *bad = now->version[at];
    bool shared = live->set->traffic.count > 0, whole = true, replaced;
    replaced = has_good_number(live, bad->number);
    if (shared && !replaced) whole = take_share(live, now, at);
    if (!shared || replaced) condemn(live, bad, v->why);
    if (whole) room = put_back(live, shared && !replaced ? NULL : bad, room);
    live->rollbacks++;
    free(live->verdict);
    live->verdict = strdup(v->why);
    sv_serving then = serving_of(live->set);
    judge_from_now(live, &then);
    if (is_within(&then, &live->good.serving)) sv_guard_forget(live);
    return room;
}

/* ---- now and then --------------------------------------------------------------------------- */

static bool is_judged(const sv_live *live)
{
    return has_guard(live->set) && live->good.serving.count;
}

/* The followers have had their time and requests: they are the good ones now. Where the last good
 * one still gets a part, it is not over. */
static bool has_passed(const sv_live *live, const sv_serving *now)
{
    const sv_guard *guard = &live->set->traffic.guard;
    uint64_t wait = (uint64_t)guard->seconds * UINT64_C(1000000000);
    if (!wait || sv_clock_ns() - live->good.since_ns < wait) return false;
    for (uint32_t i = 0; i < now->count; i++) {
        record_of_service it = {.requests = 0};
        if (!now->version[i]) continue;
        if (contains(&live->good.serving, now->version[i])) return false;
        add_record(&it, now->version[i], &live->judged[i]);
        if (it.requests < guard->requests) return false;
    }
    return true;
}

static void judge(sv_store *store, sv_live *live)
{
    verdict v;
    uint32_t at = 0;
    bool worse, passed = false;
    sv_serving now = serving_of(live->set);
    int64_t good = live->good.serving.version[0]->number;
    size_t places = live->set->count + live->good.serving.count;
    sv_served **room = calloc(places, sizeof(sv_served *));
    if (!room) return; /* the next look is soon */
    pthread_mutex_lock(&store->lock);
    worse = find_worst(live, &now, &at, &v);
    if (worse) {
        room = go_back(live, &now, at, &v, room);
    } else if (has_passed(live, &now)) {
        passed = true;
        sv_guard_forget(live);
    }
    pthread_mutex_unlock(&store->lock);
    free(room);
    if (worse) sv_log(SV_LOG_WARN, "model '%s': %s", live->name, v.why);
    if (passed) {
        sv_log(SV_LOG_INFO, "model '%s': its guard is content: version %lld is kept no longer",
               live->name, (long long)good);
    }
}

bool sv_store_judge(sv_store *store)
{
    bool any = false;
    pthread_mutex_lock(&store->load_lock);
    for (size_t i = 0; i < store->count; i++) {
        if (!is_judged(store->live[i])) continue;
        judge(store, store->live[i]);
        any = any || is_judged(store->live[i]);
    }
    pthread_mutex_unlock(&store->load_lock);
    return any;
}
