/* Memory: which values may share bytes, and the offset of each in the segment's slab. */
#include "engine/build.h"

#include "base/alloc.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* Sums of two offsets below it do not overflow. */
static const uint64_t largest_slab = (uint64_t)1 << 62;

static bool writes(const sv_build_step *step, uint32_t operand)
{
    return step->problem.write_mask >> operand & 1;
}

static bool own_slab(const sv_build *build, const sv_base *base)
{
    return base->space == SV_SPACE_SLAB && base->index == build->plan->segment;
}

void sv_build_liveness(sv_build *build)
{
    for (uint32_t b = 0; b < build->n_base; b++) {
        build->base[b].first = UINT32_MAX;
        build->base[b].last = 0;
    }
    for (uint32_t s = 0; s < build->n_step; s++) {
        const sv_build_step *step = &build->step[s];
        for (uint32_t i = 0; i < step->problem.n_operand; i++) {
            if (step->operand[i].base == SV_NO_INDEX) continue;
            sv_base *base = &build->base[sv_build_root(build, step->operand[i].base)];
            if (base->first > s) base->first = s;
            base->last = s;
        }
    }
    for (uint32_t v = 0; v < build->n_value; v++) {
        if (!build->value[v].live_out || !build->value[v].stored) continue;
        sv_base *base = &build->base[sv_build_root(build, build->value[v].storage.base)];
        base->live_out = true;
        base->last = build->n_step;
    }
}

bool sv_build_same_elements(const sv_storage *a, const sv_desc *da, const sv_storage *b,
                            const sv_desc *db)
{
    if (a->offset != b->offset || da->rank != db->rank) return false;
    if (sv_dtype_get(da->dtype)->size != sv_dtype_get(db->dtype)->size) return false;
    for (int32_t i = 0; i < da->rank; i++) {
        if (da->dim[i] != db->dim[i]) return false;
        if (da->dim[i] > 1 && da->stride[i] != db->stride[i]) return false;
    }
    return true;
}

static bool elementwise(sv_family family)
{
    return family == SV_FAMILY_unary || family == SV_FAMILY_binary || family == SV_FAMILY_where ||
           family == SV_FAMILY_convert;
}

/* Whether input `i` of the step may give its memory to output `o`. */
static bool may_share(const sv_build *build, uint32_t s, uint32_t i, uint32_t o)
{
    const sv_build_step *step = &build->step[s];
    if (step->operand[i].base == SV_NO_INDEX || writes(step, i)) return false;
    uint32_t from = sv_build_root(build, step->operand[i].base);
    uint32_t to = sv_build_root(build, step->operand[o].base);
    const sv_base *a = &build->base[from], *b = &build->base[to];
    if (from == to || !own_slab(build, a) || a->last != s || a->bytes < b->bytes) return false;
    for (uint32_t j = 0; j < step->problem.n_operand; j++) {
        if (step->operand[j].base == SV_NO_INDEX) continue;
        uint32_t other = sv_build_root(build, step->operand[j].base);
        if (other != from && j != o) continue;
        if (!sv_build_same_elements(&step->operand[j], &step->problem.desc[j], &step->operand[i],
                                    &step->problem.desc[i]))
            return false;
    }
    return true;
}

/* Elementwise results take the memory of an input that is read here for the last time. */
static void share_in_place(sv_build *build)
{
    for (uint32_t s = 0; s < build->n_step; s++) {
        const sv_build_step *step = &build->step[s];
        if (step->kind != SV_BUILD_ITEM || !elementwise(step->problem.family)) continue;
        uint32_t o = step->problem.n_operand - 1u;
        uint32_t to = sv_build_root(build, step->operand[o].base);
        sv_base *base = &build->base[to];
        if (!own_slab(build, base) || base->first != s) continue;
        for (uint32_t i = 0; i < o; i++) {
            if (!may_share(build, s, i, o)) continue;
            sv_base *root = &build->base[sv_build_root(build, step->operand[i].base)];
            root->last = base->last > root->last ? base->last : root->last;
            root->live_out |= base->live_out;
            base->merged = sv_build_root(build, step->operand[i].base);
            break;
        }
    }
}

/* ---- offsets: largest first, each at the lowest place that is free while it lives -------- */

typedef struct sv_order {
    uint64_t bytes;
    uint32_t base;
} sv_order;

static int larger_first(const void *a, const void *b)
{
    const sv_order *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->base < y->base ? -1 : x->base > y->base;
}

static bool overlap_in_time(const sv_base *a, const sv_base *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap among the bases placed so far (by offset) that live at the same time. */
static uint64_t lowest_gap(const sv_base *base, const sv_base *const *placed, uint32_t n)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < n && placed[i]->offset < at + base->bytes; i++) {
        if (!overlap_in_time(base, placed[i])) continue;
        uint64_t end = sv_size_align(placed[i]->offset + placed[i]->bytes, ALIGNMENT);
        if (end > at) at = end;
    }
    return at;
}

/* Puts the base among those placed, ordered by offset. */
static void insert(const sv_base **placed, uint32_t n, const sv_base *base)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (placed[middle]->offset <= base->offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    memmove(placed + low + 1, placed + low, (n - low) * sizeof(*placed));
    placed[low] = base;
}

static sv_status place(sv_build *build)
{
    sv_order *order = sv_arena_array(build->arena, build->n_base + 1u, sizeof(*order));
    const sv_base **placed = sv_arena_array(build->arena, build->n_base + 1u, sizeof(*placed));
    if (!order || !placed) return sv_error_memory("plan", build->n_base * sizeof(*order));
    uint32_t n = 0, done = 0;
    for (uint32_t b = 0; b < build->n_base; b++) {
        const sv_base *base = &build->base[b];
        if (own_slab(build, base) && base->merged == SV_NO_INDEX && base->first != UINT32_MAX)
            order[n++] = (sv_order){base->bytes, b};
    }
    qsort(order, n, sizeof(*order), larger_first);
    for (uint32_t i = 0; i < n; i++) {
        sv_base *base = &build->base[order[i].base];
        base->offset = lowest_gap(base, placed, done);
        if (base->bytes > largest_slab - base->offset)
            return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                            "activations: expected at most 2^62 bytes, found more");
        insert(placed, done++, base);
        uint64_t end = sv_size_align(base->offset + base->bytes, ALIGNMENT);
        if (end > build->plan->slab) build->plan->slab = end;
    }
    return SV_OK;
}

sv_status sv_build_memory(sv_build *build)
{
    sv_build_liveness(build);
    share_in_place(build);
    sv_build_liveness(build);
    return place(build);
}
